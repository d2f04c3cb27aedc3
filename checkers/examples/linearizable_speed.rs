//! Measures the checker of linearizability: `cargo run --release --example linearizable_speed`.
//!
//! The histories are made in memory, in the shapes that peers were measured with; each line says how
//! long the check alone took, and how far the peak of the process' memory rose above what the
//! history itself holds.

use std::time::{Duration, Instant};

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::{
    Code, Event, F, History, Key, Kind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// What one read in the middle returns.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// The truth.
    None,
    /// The first value that was written, which nobody writes again.
    Stale,
    /// One of the repeating values that is not held just then.
    Other,
}

/// What a history holds.
#[derive(Clone, Copy)]
struct Shape {
    operations: usize,
    clients: usize,
    keys: usize,
    /// Half of what writes is a compare-and-set.
    cas: bool,
    /// Every value is written once; otherwise values are 1 to 5.
    unique: bool,
    lie: Lie,
    /// One in so many writes is indeterminate; 0: none.
    indeterminate: usize,
}

const REGISTER: Shape = Shape {
    operations: 1_000_000,
    clients: 5,
    keys: 1,
    cas: false,
    unique: true,
    lie: Lie::None,
    indeterminate: 0,
};

const CAS: Shape = Shape { cas: true, ..REGISTER };

const REPEATING: Shape = Shape { operations: 10_000, clients: 10, unique: false, ..CAS };

fn main() {
    let stale = Shape { lie: Lie::Stale, ..REGISTER };
    let lossy = Shape { indeterminate: 50, ..REPEATING };
    println!("Registers, unique values:");
    for shape in [
        Shape { operations: 1_000, clients: 100, ..REGISTER },
        REGISTER,
        Shape { clients: 100, ..REGISTER },
        Shape { operations: 100_000, ..stale },
        Shape { operations: 1_000, indeterminate: 24, ..stale },
        Shape { operations: 10_000, indeterminate: 420, ..stale },
        stale,
    ] {
        measure(shape);
    }
    println!("Registers with compare-and-set, unique values:");
    for shape in [
        Shape { operations: 10_000, clients: 20, ..CAS },
        Shape { clients: 100, indeterminate: 50, ..CAS },
        Shape { keys: 100, clients: 20, ..CAS },
    ] {
        measure(shape);
    }
    println!("Registers with compare-and-set, values 1 to 5:");
    for shape in [
        REPEATING,
        lossy,
        Shape { lie: Lie::Stale, ..REPEATING },
        Shape { lie: Lie::Other, ..REPEATING },
        Shape { lie: Lie::Stale, ..lossy },
        Shape { lie: Lie::Other, ..lossy },
        Shape { clients: 20, ..lossy },
        Shape { clients: 20, lie: Lie::Other, ..REPEATING },
        Shape { clients: 20, lie: Lie::Other, ..lossy },
        Shape { cas: false, lie: Lie::Other, ..lossy },
        Shape { operations: 1_000_000, ..REPEATING },
        Shape { operations: 1_000_000, keys: 100, ..lossy },
    ] {
        measure(shape);
    }
}

fn name(shape: Shape, history: &History) -> String {
    let indeterminate = history.operations().filter(schism_history::Operation::indeterminate);
    let lie = match shape.lie {
        Lie::None => "",
        Lie::Stale => ", one stale read",
        Lie::Other => ", one wrong read",
    };
    format!(
        "{} operations, {} clients, {} keys, {} indeterminate{lie}",
        shape.operations,
        shape.clients,
        shape.keys,
        indeterminate.count()
    )
}

/// Checks the history three times, and prints the shortest time.
fn measure(shape: Shape) {
    let history = simulate(shape);
    let name = name(shape, &history);
    let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
    let row = CHECKERS.iter().find(|row| row.name == "linearizable").expect("it is in the table");
    // Writing 5 there makes the kernel forget the peak so far (proc(5)).
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status_mb("VmRSS:");
    let mut elapsed = Duration::MAX;
    let mut verdicts = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        verdicts = row.check(&question, &history, &Budget::default());
        elapsed = elapsed.min(start.elapsed());
    }
    let rise = status_mb("VmHWM:") - before;
    let memory = if forgotten { format!("{rise:.0} MB") } else { "unknown memory".to_owned() };
    let milliseconds = elapsed.as_secs_f64() * 1e3;
    println!("  {name}: {milliseconds:.1} ms, {memory}, {:?}", verdicts[0].validity);
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
    let mut planted = shape.lie == Lie::None;
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
                    (false, Value::Nil) if shape.lie == Lie::Stale => 9,
                    _ => 1 + random.below(5),
                };
                let fresh = Value::Int(fresh as i64);
                let (f, value) = match random.below(4) {
                    0 | 1 => (functions[0], Value::Nil),
                    2 => (functions[1], fresh),
                    _ if !shape.cas => (functions[1], fresh),
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
                    let value = match (shape.lie, &registers[0]) {
                        (Lie::Other, Value::Int(held)) => Value::Int(held % 5 + 1),
                        _ => first.clone(),
                    };
                    outcome = Outcome::Ok(Reply { value, version: None });
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
