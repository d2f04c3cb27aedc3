//! Random small histories of transactions on registers.

use schism_history::{
    Code, Event, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// A small generator of numbers: the same on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x2545_F491_4F6C_DD1D)
    }

    /// A number below `sides`.
    pub fn below(&mut self, sides: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What random histories look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// At most so many transactions.
    pub transactions: u64,
    /// At most so many micro-operations in each.
    pub micro: u64,
    /// Keys.
    pub keys: u64,
    /// Processes.
    pub processes: u64,
    /// One read in so many returns something else than a store would that takes transactions one
    /// after the other.
    pub lies: u64,
    /// One transaction in so many fails, and one in so many is indeterminate.
    pub faults: u64,
    /// Reads see the state as it was at some earlier transaction.
    pub stale: bool,
}

/// A random history: a store takes each transaction at one moment, and lies sometimes.
pub(crate) fn history(dice: &mut Dice, shape: Shape) -> History {
    let keys: Vec<Key> = ["x", "y", "z", "u"].map(Key::new).to_vec();
    let keys = &keys[..(shape.keys as usize).min(4)];
    let count = 1 + dice.below(shape.transactions);
    let mut written = vec![0_i64; keys.len()];
    let mut states: Vec<Vec<Value>> = vec![vec![Value::Nil; keys.len()]];
    // Who has what open: the reply, and what may still be seen of it.
    let mut events: Vec<(u64, Kind)> = Vec::new();
    let mut open: Vec<(u64, Outcome)> = Vec::new();
    let mut retired: Vec<u64> = Vec::new();
    for _ in 0..count {
        let mut process = dice.below(shape.processes);
        while retired.contains(&process) {
            process += shape.processes;
        }
        if let Some(place) = open.iter().position(|(it, _)| *it == process) {
            let (process, outcome) = open.swap_remove(place);
            events.push((process, Kind::Complete(outcome)));
        }
        while !open.is_empty() && dice.one_in(2) {
            let place = dice.below(open.len() as u64) as usize;
            let (process, outcome) = open.swap_remove(place);
            events.push((process, Kind::Complete(outcome)));
        }
        let fate = dice.below(shape.faults.max(2));
        let (failed, info) = (shape.faults > 0 && fate == 0, shape.faults > 0 && fate == 1);
        let happens = !failed && (!info || dice.one_in(2));
        let snapshot =
            if shape.stale { dice.below(states.len() as u64) as usize } else { states.len() - 1 };
        let mut view = states[snapshot].clone();
        let mut after = states[states.len() - 1].clone();
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        for _ in 0..=dice.below(shape.micro) {
            let place = dice.below(keys.len() as u64) as usize;
            let key = keys[place];
            if dice.one_in(2) {
                written[place] += 1;
                let value = Value::Int(written[place]);
                view[place] = value.clone();
                after[place] = value.clone();
                let mop = Mop { kind: MopKind::Write, key, value };
                asked.push(mop.clone());
                told.push(mop);
            } else {
                let mut value = view[place].clone();
                if shape.lies > 0 && dice.one_in(shape.lies) {
                    // Where nothing fails all that is read has been written, if not by its time.
                    let beyond = 1 + u64::from(shape.faults > 0);
                    let number = dice.below(written[place] as u64 + beyond) as i64;
                    value = if number == 0 { Value::Nil } else { Value::Int(number) };
                }
                asked.push(Mop { kind: MopKind::Read, key, value: Value::Nil });
                told.push(Mop { kind: MopKind::Read, key, value });
            }
        }
        if happens {
            states.push(after);
        }
        let op = Op::new("txn", None, Value::Mops(asked.into()));
        events.push((process, Kind::Invoke { op, due: None, node: None }));
        let outcome = if failed {
            Outcome::Fail(Reason::new(Code::Other, ""))
        } else if info {
            retired.push(process);
            Outcome::Info(Reason::new(Code::Other, ""))
        } else {
            Outcome::Ok(Reply { value: Value::Mops(told.into()), version: None })
        };
        open.push((process, outcome));
    }
    for (process, outcome) in open {
        events.push((process, Kind::Complete(outcome)));
    }
    let events = events.into_iter().enumerate().map(|(index, (process, kind))| Event {
        index: index as u64,
        time: Time(index as u64),
        process: Process(process as u32),
        kind,
    });
    History::from_events(events.collect()).expect("it is well-formed")
}
