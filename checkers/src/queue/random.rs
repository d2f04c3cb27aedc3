//! Random histories of one queue: a simulated queue, and now and then a lie.

use schism_history::{
    Code, Event, History, Kind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// What may happen in a history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many operations there are.
    pub operations: usize,
    /// How many clients.
    pub clients: usize,
    /// Whether every value is enqueued once.
    pub unique: bool,
    /// Whether the queue hands out what went in first.
    pub fifo: bool,
    /// Whether there are drains.
    pub drains: bool,
    /// One in so many operations is indeterminate; 0: none is.
    pub lost: u32,
    /// One in so many replies is a lie; 0: none is.
    pub lies: u32,
}

/// A source of small numbers (`SplitMix64`; Steele, Lea, Flood 2014).
pub(crate) struct Random(pub u64);

impl Random {
    /// A number less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// True once in so many times; never if `odds` is 0.
    pub fn one_in(&mut self, odds: u32) -> bool {
        odds > 0 && self.below(odds as usize) == 0
    }
}

/// What a client is doing.
enum Client {
    Idle,
    Sent(Op),
    Done(Op, Outcome),
}

/// A history of the queue `q`.
pub(crate) fn history(random: &mut Random, shape: Shape) -> History {
    let mut events: Vec<Event> = Vec::new();
    let mut clients: Vec<(u32, Client)> =
        (0..shape.clients as u32).map(|process| (process, Client::Idle)).collect();
    let mut held: Vec<Value> = Vec::new();
    let mut enqueued: Vec<Value> = vec![Value::Nil, Value::Int(99)];
    let mut begun = 0;
    // How much more often enqueues come than dequeues is a matter of the history.
    let enqueues = 2 + random.below(5);
    for _ in 0..shape.operations * 12 {
        let (process, client) = &mut clients[random.below(shape.clients)];
        let index = events.len() as u64;
        let mut record = |process: u32, kind| {
            let time = Time(index * 1_000_000);
            events.push(Event { index, time, process: Process(process), kind });
        };
        match std::mem::replace(client, Client::Idle) {
            Client::Idle if begun == shape.operations => {}
            Client::Idle => {
                begun += 1;
                let fresh = if shape.unique { begun } else { 1 + random.below(2) };
                let last = shape.drains && begun == shape.operations;
                let (f, value) = if !last && random.below(8) < enqueues {
                    enqueued.push(Value::Int(fresh as i64));
                    ("enqueue", Value::Int(fresh as i64))
                } else if last || (shape.drains && random.one_in(4)) {
                    ("drain", Value::Nil)
                } else {
                    ("dequeue", Value::Nil)
                };
                let op = Op::new(f, Some("q"), value);
                *client = Client::Sent(op.clone());
                record(*process, Kind::Invoke { op, due: None, node: None });
            }
            Client::Sent(op) => {
                let outcome = take_effect(random, &op, &mut held, shape);
                *client = Client::Done(op, outcome);
            }
            Client::Done(op, outcome) => {
                let outcome = lie(random, &op, outcome, &enqueued, shape.lies);
                if matches!(outcome, Outcome::Info(_)) {
                    *process += shape.clients as u32;
                    record(*process - shape.clients as u32, Kind::Complete(outcome));
                } else {
                    record(*process, Kind::Complete(outcome));
                }
            }
        }
    }
    History::from_events(events).expect("the simulation makes histories")
}

fn timeout() -> Outcome {
    Outcome::Info(Reason::new(Code::Timeout, "no answer"))
}

fn ok(value: &Value) -> Outcome {
    Outcome::Ok(Reply { value: value.clone(), version: None })
}

fn take_effect(random: &mut Random, op: &Op, held: &mut Vec<Value>, shape: Shape) -> Outcome {
    let lost = random.one_in(shape.lost);
    if lost && random.below(2) == 0 {
        return timeout();
    }
    let outcome = if op.f.as_str() == "enqueue" {
        let leaks = shape.drains && random.one_in(shape.lies);
        held.extend((!leaks).then(|| op.value.clone()));
        ok(&op.value)
    } else if op.f.as_str() == "drain" {
        ok(&Value::List(std::mem::take(held).into()))
    } else if held.is_empty() {
        ok(&Value::Nil)
    } else {
        let place = if shape.fifo { 0 } else { random.below(held.len()) };
        ok(&held.remove(place))
    };
    if lost { timeout() } else { outcome }
}

fn lie(random: &mut Random, op: &Op, outcome: Outcome, enqueued: &[Value], lies: u32) -> Outcome {
    if !random.one_in(lies) {
        return outcome;
    }
    match (op.f.as_str(), random.below(6)) {
        (_, 0) => timeout(),
        (_, 1) => Outcome::Fail(Reason::new(Code::Other, "a lie")),
        ("drain", 2) => ok(&Value::List([].into())),
        ("drain", _) => ok(&Value::List([enqueued[enqueued.len() - 1].clone()].into())),
        ("dequeue", 2) => ok(&Value::Nil),
        ("dequeue", _) => ok(&enqueued[random.below(enqueued.len())]),
        (_, _) => ok(&op.value),
    }
}
