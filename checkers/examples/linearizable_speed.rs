//! Measures the checker of linearizability: `cargo run --release --example linearizable_speed`.
//!
//! The histories are made in memory, in the shapes that peers were measured with; each line says how
//! long the check alone took, and how far the peak of the process' memory rose above what the
//! history itself holds.

use std::time::Instant;

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::{
    Code, Event, F, History, Key, Kind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// What a history holds.
#[derive(Clone, Copy)]
struct Shape {
    operations: usize,
    clients: usize,
    keys: usize,
    /// Every value is written once; otherwise values are 1 to 5.
    unique: bool,
    /// A read in the middle returns the first value that was written.
    stale: bool,
    /// One in so many writes is indeterminate; 0: none.
    indeterminate: usize,
}

const USUAL: Shape = Shape {
    operations: 1_000_000,
    clients: 5,
    keys: 1,
    unique: true,
    stale: false,
    indeterminate: 0,
};

fn main() {
    let small = Shape { operations: 1_000, clients: 20, ..USUAL };
    let large = Shape { operations: 100_000, ..USUAL };
    for (name, shape) in [
        ("unique, one key, 1,000,000 operations, 5 clients", USUAL),
        ("unique, one key, 1,000,000 operations, 100 clients", Shape { clients: 100, ..USUAL }),
        (
            "the same, one write in 50 indeterminate",
            Shape { clients: 100, indeterminate: 50, ..USUAL },
        ),
        (
            "unique, 100 keys, 1,000,000 operations, 20 clients",
            Shape { keys: 100, clients: 20, ..USUAL },
        ),
        ("unique, one key, 100,000 operations, 5 clients", large),
        ("the same with one stale read", Shape { stale: true, ..large }),
        ("unique, one key, 1,000,000 operations, one stale read", Shape { stale: true, ..USUAL }),
        (
            "repeating, one key, 10,000 operations, 5 clients",
            Shape { operations: 10_000, unique: false, ..USUAL },
        ),
        ("repeating, one key, 100,000 operations, 5 clients", Shape { unique: false, ..large }),
        (
            "repeating, the first value never again, 10,000 operations, one stale read",
            Shape { operations: 10_000, unique: false, stale: true, ..USUAL },
        ),
        ("repeating, one key, 1,000 operations, 20 clients", Shape { unique: false, ..small }),
        (
            "repeating, 1,000 operations, 5 clients, one write in 50 indeterminate",
            Shape { unique: false, clients: 5, indeterminate: 50, ..small },
        ),
        (
            "repeating, 10,000 operations, 20 clients",
            Shape { operations: 10_000, unique: false, ..small },
        ),
    ] {
        measure(name, shape);
    }
}

fn measure(name: &str, shape: Shape) {
    let history = simulate(shape);
    let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
    let row = CHECKERS.iter().find(|row| row.name == "linearizable").expect("it is in the table");
    // Writing 5 there makes the kernel forget the peak so far (proc(5)).
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status_mb("VmRSS:");
    let start = Instant::now();
    let verdicts = row.check(&question, &history, &Budget::default());
    let elapsed = start.elapsed();
    let rise = status_mb("VmHWM:") - before;
    let memory = if forgotten { format!("{rise:.0} MB") } else { "unknown memory".to_owned() };
    println!("{name}: {:.3} s, {memory}\n    {:?}", elapsed.as_secs_f64(), verdicts[0].validity);
    println!("    {}", verdicts[0].reason);
    if let Some(anomaly) = verdicts[0].anomalies.first() {
        println!("    {}", anomaly.explanation);
    }
}

/// A line of `/proc/self/status` in megabytes; 0 where there is no such file.
fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

/// `SplitMix64`, so that every run measures the same histories.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// What a client is doing: nothing, waiting for its operation to take effect, or for the answer.
enum Client {
    Idle,
    Sent(Op),
    Done(Op, Outcome),
}

/// Registers, and clients that take turns in random order.
fn simulate(shape: Shape) -> History {
    let mut random = Random(7);
    let keys: Vec<Key> = (0..shape.keys).map(|key| Key::new(&key.to_string())).collect();
    let functions = ["read", "write", "cas"].map(F::new);
    let mut registers: Vec<Value> = vec![Value::Nil; shape.keys];
    let mut clients: Vec<(u32, Client)> =
        (0..shape.clients as u32).map(|process| (process, Client::Idle)).collect();
    let mut events: Vec<Event> = Vec::with_capacity(shape.operations * 2);
    let (mut begun, mut ended) = (0, 0);
    let mut planted = !shape.stale;
    let mut first = Value::Nil;
    while ended < shape.operations {
        let place = random.below(shape.clients);
        let (process, client) = &mut clients[place];
        let index = events.len() as u64;
        let mut record = |process: u32, kind| {
            let time = Time(index * 100_000);
            events.push(Event { index, time, process: Process(process), kind });
        };
        match std::mem::replace(client, Client::Idle) {
            Client::Idle if begun == shape.operations => {}
            Client::Idle => {
                begun += 1;
                let key = random.below(shape.keys);
                let fresh = match (shape.unique, &first) {
                    (true, _) => begun,
                    // Until the first value is written, all are one that is never written again.
                    (false, Value::Nil) if shape.stale => 9,
                    _ => 1 + random.below(5),
                };
                let fresh = Value::Int(fresh as i64);
                let (f, value) = match random.below(4) {
                    0 | 1 => (functions[0], Value::Nil),
                    2 => (functions[1], fresh),
                    _ => (functions[2], Value::List([registers[key].clone(), fresh].into())),
                };
                let op = Op { f, key: Some(keys[key]), value };
                *client = Client::Sent(op.clone());
                record(*process, Kind::Invoke { op, due: None, node: None });
            }
            Client::Sent(op) => {
                let key = op.key.and_then(|key| keys.iter().position(|other| *other == key));
                let register = &mut registers[key.expect("each operation has its key")];
                let lost = shape.indeterminate > 0 && random.below(shape.indeterminate) == 0;
                let outcome = take_effect(&op, register, lost);
                if first == Value::Nil {
                    first = register.clone();
                }
                *client = Client::Done(op, outcome);
            }
            Client::Done(op, mut outcome) => {
                ended += 1;
                if !planted && ended > shape.operations / 2 && op.f == functions[0] {
                    planted = true;
                    outcome = Outcome::Ok(Reply { value: first.clone(), version: None });
                }
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

fn take_effect(op: &Op, register: &mut Value, lost: bool) -> Outcome {
    let ok = |value: &Value| Outcome::Ok(Reply { value: value.clone(), version: None });
    let outcome = match (op.f.as_str(), &op.value) {
        ("read", _) => return ok(register),
        ("cas", Value::List(pair)) if pair[0] != *register => {
            return Outcome::Fail(Reason::new(Code::Mismatch, "another value"));
        }
        ("cas", Value::List(pair)) => {
            *register = pair[1].clone();
            ok(&op.value)
        }
        (_, value) => {
            *register = value.clone();
            ok(&op.value)
        }
    };
    if lost { Outcome::Info(Reason::new(Code::Timeout, "no answer")) } else { outcome }
}
