//! Measures the checkers of weak isolation and of register transactions:
//! `cargo run --release --example weak_speed`.
//!
//! The histories are made in memory: a store takes transactions one after the other. Each line says
//! how long the check alone took, the least of some runs, how much time the processors spent on it,
//! and the peak of the process' memory so far, the history included.

use std::time::{Duration, Instant};

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::{
    Event, F, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reply, Time, Value,
};

/// What a history looks like.
#[derive(Clone, Copy)]
struct Shape {
    transactions: usize,
    /// Micro-operations of a transaction; half of them read.
    micro: usize,
    sessions: usize,
    keys: usize,
    real_time: bool,
    /// One read in the middle returns what was overwritten long ago.
    stale: bool,
}

fn main() {
    let large = Shape {
        transactions: 1_000_000,
        micro: 8,
        sessions: 50,
        keys: 10_000,
        real_time: false,
        stale: false,
    };
    let weak = [Claim::ReadCommitted, Claim::ReadAtomic, Claim::Causal];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted =
        |name: &str| arguments.is_empty() || arguments.iter().any(|it| name.contains(it.as_str()));
    for (name, shape) in [
        (
            "weak 100,000 transactions of 8, 50 sessions, 10,000 keys",
            Shape { transactions: 100_000, ..large },
        ),
        ("weak-large 1,000,000 transactions of 8, 50 sessions, 10,000 keys", large),
        (
            "weak-hot 1,000,000 transactions of 8, 50 sessions, 100 keys",
            Shape { keys: 100, ..large },
        ),
        (
            "weak-wide 1,000,000 transactions of 8, 50 sessions, 1,000,000 keys",
            Shape { keys: 1_000_000, ..large },
        ),
        (
            "weak-sessions 100,000 transactions of 8, 1,000 sessions",
            Shape { transactions: 100_000, sessions: 1_000, ..large },
        ),
    ] {
        if wanted(name) {
            measure(name, "weak-isolation", &weak, shape);
        }
    }
    let strict = [Claim::StrictSerializable, Claim::SnapshotIsolation];
    let usual = Shape {
        transactions: 100_000,
        micro: 4,
        sessions: 20,
        keys: 10_000,
        real_time: true,
        stale: false,
    };
    for (name, shape) in [
        ("rw 100,000 transactions of 4, 20 clients, 10,000 keys", usual),
        ("rw-clients the same, 100 clients", Shape { sessions: 100, ..usual }),
        ("rw-hot the same, 100 clients, 100 keys", Shape { sessions: 100, keys: 100, ..usual }),
        ("rw-hot-30 the same, 20 clients, 30 keys", Shape { keys: 30, ..usual }),
        ("rw-hot-10 the same, 20 clients, 10 keys", Shape { keys: 10, ..usual }),
        ("rw-hot-stale that, and one stale read", Shape { keys: 10, stale: true, ..usual }),
        ("rw-stale 10,000 keys, and one stale read", Shape { stale: true, ..usual }),
        ("rw-large 1,000,000 transactions", Shape { transactions: 1_000_000, ..usual }),
    ] {
        if wanted(name) {
            measure(name, "rw-register", &strict, shape);
        }
    }
}

fn measure(name: &str, subject: &str, claims: &[Claim], shape: Shape) {
    let history = simulate(shape);
    println!("{name} ({} MB with the history)", peak_mb());
    for &claim in claims {
        let question = Question::new(subject, vec![Asked::new(claim)]);
        let row = CHECKERS.iter().find(|row| row.concerns(subject, claim)).expect("it is decided");
        let mut best = Duration::MAX;
        let mut spent = f64::MAX;
        let mut answer = None;
        for _ in 0..3 {
            let budget = Budget::default();
            let (start, before) = (Instant::now(), processor_s());
            answer = row.check(&question, &history, &budget).pop();
            best = best.min(start.elapsed());
            spent = spent.min(processor_s() - before);
            if best > Duration::from_secs(20) {
                break;
            }
        }
        let answer = answer.expect("one claim was asked");
        println!(
            "  {:<22} {:>8.3} s ({spent:.2} s of processors)  {:>6} MB  {:?}: {}",
            claim.name(),
            best.as_secs_f64(),
            peak_mb(),
            answer.validity,
            answer.reason
        );
    }
}

/// The most memory that the process has held.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0_u64) >> 10
}

/// How much time all threads have had, in seconds.
fn processor_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 =
        fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// A small generator of numbers: the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides as u64) as usize
    }
}

fn simulate(shape: Shape) -> History {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let keys: Vec<Key> = (0..shape.keys).map(|key| Key::new(&key.to_string())).collect();
    let mut state: Vec<i64> = vec![0; shape.keys];
    let txn = F::new("txn");
    let mut events: Vec<Event> = Vec::with_capacity(2 * shape.transactions);
    // Of each session what it has open, before and after it took effect.
    let mut open: Vec<Option<Op>> = vec![None; shape.sessions];
    let mut done: Vec<Option<Value>> = vec![None; shape.sessions];
    let mut push = |process: usize, kind: Kind| {
        let index = events.len() as u64;
        events.push(Event { index, time: Time(index), process: Process(process as u32), kind });
    };
    let (mut begun, mut ended, mut fresh) = (0, 0, 0);
    // What the keys held long ago, and whether that is still to be read.
    let (mut old, mut stale) = (Vec::new(), shape.stale);
    while ended < shape.transactions {
        let session = dice.below(shape.sessions);
        if let Some(reply) = done[session].take() {
            push(session, Kind::Complete(Outcome::Ok(Reply { value: reply, version: None })));
            ended += 1;
        } else if let Some(op) = open[session].take() {
            let Value::Mops(mops) = op.value else { continue };
            let mut mops = mops;
            if begun == shape.transactions / 3 && old.is_empty() {
                old.clone_from(&state);
            }
            for mop in &mut mops {
                let key: usize = mop.key.as_str().parse().expect("keys are numbers");
                let long_ago = old.get(key).copied().unwrap_or(0);
                let lies = stale && begun > shape.transactions / 2 && long_ago != 0;
                match (mop.kind, &mop.value) {
                    (MopKind::Read, _) if lies && state[key] != long_ago => {
                        mop.value = Value::Int(long_ago);
                        stale = false;
                    }
                    (MopKind::Write, Value::Int(value)) => state[key] = *value,
                    _ if state[key] == 0 => {}
                    _ => mop.value = Value::Int(state[key]),
                }
            }
            done[session] = Some(Value::Mops(mops));
        } else if begun < shape.transactions {
            begun += 1;
            let mops = (0..shape.micro).map(|_| {
                let key = keys[dice.below(shape.keys)];
                let write = dice.below(2) == 0;
                fresh += i64::from(write);
                let value = if write { Value::Int(fresh) } else { Value::Nil };
                Mop { kind: if write { MopKind::Write } else { MopKind::Read }, key, value }
            });
            let op = Op { f: txn, key: None, value: Value::Mops(mops.collect()) };
            push(session, Kind::Invoke { op: op.clone(), due: None, node: None });
            open[session] = Some(op);
        }
    }
    let history = History::from_events(events).expect("it is well-formed");
    if shape.real_time { history } else { history.without_real_time() }
}
