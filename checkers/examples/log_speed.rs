//! Measures the checker of logs: `cargo run --release --example log_speed [messages]`.
//!
//! The histories are made in memory: producers send messages, each once, and consumers that chose
//! their logs themselves poll each once. Each line says how long the check alone took, and how far
//! the peak of the process' memory rose above what the history itself holds.

use std::time::Instant;

use schism_checkers::{Asked, Budget, CHECKERS, Question, Subject};
use schism_history::{
    Event, F, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reply, Time, Value,
};

/// What a history holds.
#[derive(Clone, Copy)]
struct Shape {
    messages: usize,
    keys: usize,
    /// How many messages a send operation sends, and how many a poll returns at most.
    batches: (usize, usize),
    /// Offsets rise by up to so much from one message to the next.
    gap: usize,
    /// One acknowledged message in the middle is polled by nobody.
    lost: bool,
}

const USUAL: Shape =
    Shape { messages: 1_000_000, keys: 20, batches: (4, 100), gap: 1, lost: false };

fn main() {
    let messages = std::env::args().nth(1).and_then(|word| word.parse().ok());
    if let Some(messages) = messages {
        let shape = Shape { messages, ..USUAL };
        measure(&format!("{messages} messages, 20 logs"), shape);
        return;
    }
    for (name, shape) in [
        ("1,000,000 messages, 20 logs", USUAL),
        ("the same, one message lost", Shape { lost: true, ..USUAL }),
        ("1,000,000 messages, one log", Shape { keys: 1, ..USUAL }),
        ("1,000,000 messages, one log, wide gaps", Shape { keys: 1, gap: 1 << 30, ..USUAL }),
        (
            "1,000,000 messages, 1,000 logs, one a send",
            Shape { keys: 1_000, batches: (1, 10), ..USUAL },
        ),
    ] {
        measure(name, shape);
    }
}

fn measure(name: &str, shape: Shape) {
    let history = simulate(shape);
    let subject = Subject::named("log").expect("it is in the table");
    let claims = subject.usual.iter().copied().map(Asked::new).collect();
    let question = Question::new("log", claims);
    let row = CHECKERS.iter().find(|row| row.name == "log").expect("it is in the table");
    // Writing 5 there makes the kernel forget the peak so far (proc(5)).
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status_mb("VmRSS:");
    // On a machine that others load, a minute may be too short.
    let budget = Budget::new(std::time::Duration::from_mins(10), 2 << 30);
    let (start, processor) = (Instant::now(), processor_s());
    let verdicts = row.check(&question, &history, &budget);
    let (elapsed, processor) = (start.elapsed(), processor_s() - processor);
    let rise = status_mb("VmHWM:") - before;
    let memory = if forgotten { format!("{rise:.0} MB") } else { "unknown memory".to_owned() };
    println!(
        "{name}: {:.3} s, {processor:.2} s of processors, {memory} beyond the history's {before:.0} MB",
        elapsed.as_secs_f64()
    );
    for verdict in verdicts {
        println!("    {}: {:?}: {}", verdict.asked, verdict.validity, verdict.reason);
    }
}

/// What the process has used of all processors, in seconds: what others do counts less there.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after.split(' ').skip(11).take(2).filter_map(|word| word.parse::<f64>().ok());
    // Linux counts 100 ticks a second on every machine.
    ticks.sum::<f64>() / 100.0
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

const CLIENTS: usize = 10;

struct Simulation {
    random: Random,
    shape: Shape,
    keys: Vec<Key>,
    logs: Vec<Vec<(i64, i64)>>,
    next: Vec<i64>,
    read: Vec<usize>,
    events: Vec<Event>,
    open: Vec<Option<Value>>,
    sent: usize,
    polled: usize,
}

/// Clients that take turns in random order; each log is read by one of them.
fn simulate(shape: Shape) -> History {
    let mut simulation = Simulation {
        random: Random(7),
        shape,
        keys: (0..shape.keys).map(|key| Key::new(&key.to_string())).collect(),
        logs: vec![Vec::new(); shape.keys],
        next: vec![0; shape.keys],
        read: vec![0; shape.keys],
        events: Vec::new(),
        open: (0..CLIENTS).map(|_| None).collect(),
        sent: 0,
        polled: 0,
    };
    let functions = ["send", "poll"].map(F::new);
    while simulation.polled < shape.messages || simulation.open.iter().any(Option::is_some) {
        let client = simulation.random.below(CLIENTS);
        if let Some(value) = simulation.open[client].take() {
            let reply = Reply { value, version: None };
            simulation.record(client, Kind::Complete(Outcome::Ok(reply)));
        } else if simulation.sent < shape.messages && simulation.random.below(2) == 0 {
            let (asked, answered) = simulation.send();
            let op = Op { f: functions[0], key: None, value: asked };
            simulation.record(client, Kind::Invoke { op, due: None, node: None });
            simulation.open[client] = Some(answered);
        } else if simulation.polled < shape.messages {
            let answered = simulation.poll(client);
            let mop = Mop { kind: MopKind::Poll, key: Key::new(""), value: Value::Nil };
            let op = Op { f: functions[1], key: None, value: Value::Mops([mop].into()) };
            simulation.record(client, Kind::Invoke { op, due: None, node: None });
            simulation.open[client] = Some(answered);
        }
    }
    History::from_events(simulation.events).expect("the simulation makes histories")
}

impl Simulation {
    fn record(&mut self, client: usize, kind: Kind) {
        let index = self.events.len() as u64;
        let (time, process) = (Time(index * 10_000), Process(client as u32));
        self.events.push(Event { index, time, process, kind });
    }

    fn send(&mut self) -> (Value, Value) {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for _ in 0..self.shape.batches.0.min(self.shape.messages - self.sent) {
            let place = self.random.below(self.shape.keys);
            let (key, message) = (self.keys[place], self.sent as i64);
            self.sent += 1;
            let offset = self.next[place];
            self.next[place] += 1 + self.random.below(self.shape.gap) as i64;
            self.logs[place].push((offset, message));
            let kind = MopKind::Send;
            asked.push(Mop { kind, key, value: Value::Int(message) });
            let pair = Value::List([Value::Int(offset), Value::Int(message)].into());
            answered.push(Mop { kind, key, value: pair });
        }
        (Value::Mops(asked.into()), Value::Mops(answered.into()))
    }

    /// What a client polls: of one of its logs, where there is something new.
    fn poll(&mut self, client: usize) -> Value {
        let own = (0..self.shape.keys).filter(|place| place % CLIENTS == client);
        let behind = own.max_by_key(|&place| self.logs[place].len() - self.read[place]);
        let Some(place) = behind else { return Value::Mops([].into()) };
        let from = self.read[place];
        let to = self.logs[place].len().min(from + self.shape.batches.1);
        self.read[place] = to;
        self.polled += to - from;
        let lost = if self.shape.lost { self.shape.messages as i64 / 2 } else { -1 };
        let batch = self.logs[place][from..to].iter().filter(|(_, message)| *message != lost);
        let flat = batch.flat_map(|&(offset, message)| [Value::Int(offset), Value::Int(message)]);
        let value = Value::List(flat.collect());
        Value::Mops([Mop { kind: MopKind::Poll, key: self.keys[place], value }].into())
    }
}
