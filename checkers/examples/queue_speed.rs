//! Measures the checkers of queues and locks: `cargo run --release --example queue_speed`.
//!
//! The histories are made in memory; each line says how long the check alone took, the least of some
//! runs, and how far the peak of the process' memory rose above what the history itself holds.

use std::collections::VecDeque;
use std::time::Instant;

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::{
    Code, Event, F, History, Key, Kind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// What a history holds.
#[derive(Clone, Copy)]
struct Shape {
    subject: &'static str,
    claim: Claim,
    operations: usize,
    clients: usize,
    keys: usize,
    /// How many values there are; 0: every value is enqueued once.
    values: usize,
    /// One in so many operations is indeterminate; 0: none.
    indeterminate: usize,
    /// In the middle two messages change places, or a lock is granted twice.
    wrong: bool,
}

const USUAL: Shape = Shape {
    subject: "fifo-queue",
    claim: Claim::Linearizable,
    operations: 1_000_000,
    clients: 5,
    keys: 1,
    values: 0,
    indeterminate: 0,
    wrong: false,
};

fn main() {
    let lossy = Shape { indeterminate: 100, ..USUAL };
    let bag = Shape { subject: "queue", ..USUAL };
    let total = Shape { subject: "total-queue", claim: Claim::NoDuplicates, ..lossy };
    let mutex = Shape { subject: "mutex", claim: Claim::MutualExclusion, ..USUAL };
    for (name, shape) in [
        ("fifo-queue, 1,000,000 operations, 5 clients", USUAL),
        ("the same, 100 clients", Shape { clients: 100, ..USUAL }),
        ("the same, 5 clients, one overtaking", Shape { wrong: true, ..USUAL }),
        ("the same, one operation in 100 indeterminate", lossy),
        ("fifo-queue, 100 keys, 1,000,000 operations", Shape { keys: 100, ..USUAL }),
        ("queue (a bag), 1,000,000 operations", bag),
        ("the same, one operation in 100 indeterminate", Shape { indeterminate: 100, ..bag }),
        (
            "fifo-queue, 10,000 operations, 5 clients, 5 values",
            Shape { operations: 10_000, values: 5, ..USUAL },
        ),
        ("total-queue, no-lost-elements", Shape { claim: Claim::NoLostElements, ..total }),
        ("total-queue, no-duplicates", total),
        ("total-queue, producer-order", Shape { claim: Claim::ProducerOrder, ..total }),
        ("mutex, 1,000,000 operations, 5 clients", mutex),
        ("the same, two holders in the middle", Shape { wrong: true, ..mutex }),
        (
            "owner-aware-mutex, 1,000,000 operations, 5 clients",
            Shape { subject: "owner-aware-mutex", ..mutex },
        ),
        ("lease, 1,000,000 operations, 5 clients", Shape { subject: "lease", ..mutex }),
    ] {
        measure(name, shape);
    }
}

fn measure(name: &str, shape: Shape) {
    const RUNS: usize = 3;
    let history = simulate(shape);
    let question = Question::new(shape.subject, vec![Asked::new(shape.claim)]);
    let row = CHECKERS.iter().find(|row| row.concerns(shape.subject, shape.claim));
    let row = row.expect("some checker decides it");
    // Writing 5 there makes the kernel forget the peak so far (proc(5)).
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status_mb("VmRSS:");
    let mut least = f64::INFINITY;
    let mut verdicts = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        verdicts = row.check(&question, &history, &Budget::default());
        least = least.min(start.elapsed().as_secs_f64());
    }
    let rise = status_mb("VmHWM:") - before;
    let memory = if forgotten { format!("{rise:.0} MB") } else { "unknown memory".to_owned() };
    println!("{name}: {least:.3} s, {memory}\n    {:?}", verdicts[0].validity);
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
    Done(Outcome),
}

/// An object: a queue, or a lock with its holder and its token.
#[derive(Default)]
struct Object {
    messages: VecDeque<Value>,
    holder: Option<usize>,
    token: i64,
}

/// Objects, and clients that take turns in random order.
fn simulate(shape: Shape) -> History {
    let mut random = Random(7);
    let keys: Vec<Key> = (0..shape.keys).map(|key| Key::new(&key.to_string())).collect();
    let [enqueue, dequeue, acquire, release] =
        ["enqueue", "dequeue", "acquire", "release"].map(F::new);
    let queues = shape.subject.ends_with("queue");
    let mut objects: Vec<Object> = keys.iter().map(|_| Object::default()).collect();
    let mut clients: Vec<(u32, Client)> =
        (0..shape.clients as u32).map(|process| (process, Client::Idle)).collect();
    let mut events: Vec<Event> = Vec::with_capacity(shape.operations * 2);
    let (mut begun, mut ended) = (0, 0);
    let mut wrong = shape.wrong;
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
                let fresh = if shape.values == 0 { begun } else { random.below(shape.values) };
                let (f, value) = match (queues, random.below(2)) {
                    (true, 0) => (enqueue, Value::Int(fresh as i64)),
                    (true, _) => (dequeue, Value::Nil),
                    (false, _) if objects[key].holder == Some(place) => (release, Value::Nil),
                    (false, _) => (acquire, Value::Nil),
                };
                let op = Op { f, key: Some(keys[key]), value };
                *client = Client::Sent(op.clone());
                record(*process, Kind::Invoke { op, due: None, node: None });
            }
            Client::Sent(op) => {
                let key = op.key.and_then(|key| keys.iter().position(|other| *other == key));
                let object = &mut objects[key.expect("each operation has its key")];
                if wrong && begun > shape.operations / 2 {
                    let last = object.messages.len().saturating_sub(1);
                    // Far enough apart to have been enqueued one after the other.
                    wrong = if queues { last < 2 * shape.clients } else { object.holder.is_none() };
                    if !wrong && queues {
                        object.messages.swap(0, last);
                    }
                    object.holder = None;
                }
                let lost = shape.indeterminate > 0 && random.below(shape.indeterminate) == 0;
                let outcome = take_effect(&op, object, place);
                let timeout = Outcome::Info(Reason::new(Code::Timeout, "no answer"));
                *client = Client::Done(if lost { timeout } else { outcome });
            }
            Client::Done(outcome) => {
                ended += 1;
                let before = *process;
                if matches!(outcome, Outcome::Info(_)) {
                    *process += shape.clients as u32;
                }
                record(before, Kind::Complete(outcome));
            }
        }
    }
    History::from_events(events).expect("the simulation makes histories")
}

fn take_effect(op: &Op, object: &mut Object, client: usize) -> Outcome {
    let ok = |value: Value| Outcome::Ok(Reply { value, version: None });
    let refused = Outcome::Fail(Reason::new(Code::Mismatch, "not free, or not held"));
    match op.f.as_str() {
        "enqueue" => {
            object.messages.push_back(op.value.clone());
            ok(op.value.clone())
        }
        "dequeue" => ok(object.messages.pop_front().unwrap_or_default()),
        "acquire" if object.holder.is_none() => {
            object.holder = Some(client);
            object.token += 1;
            ok(Value::Int(object.token))
        }
        "release" if object.holder == Some(client) => {
            object.holder = None;
            ok(Value::Nil)
        }
        _ => refused,
    }
}
