//! Measures the checkers of sets and of invariants: `cargo run --release --example set_speed`.
//!
//! The histories are made in memory; each line says how long the check alone took (the least of
//! three, by the clock and of the processors), and how far the peak of the process' memory rose above what the history itself holds. The
//! reads of sets grow with them: 100,000 elements and 1,000 reads are 50,000,000 elements returned.

use std::time::{Duration, Instant};

use schism_checkers::{Asked, Budget, CHECKERS, Question, Subject};
use schism_history::{
    Event, F, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reply, Time, Value,
};

fn main() {
    measure("set-full", "10,000 elements, 1,000 reads", &set(10_000, 1_000, |element| element));
    measure("set-full", "100,000 elements, 1,000 reads", &set(100_000, 1_000, |element| element));
    let spread = |element: i64| element.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64);
    measure("set-full", "the same, far apart", &set(100_000, 1_000, spread));
    measure("set-full", "the same, in descending order", &set(100_000, 1_000, |element| -element));
    measure("counter", "1,000,000 operations", &counter(1_000_000));
    measure("unique-ids", "1,000,000 identifiers", &identifiers(1_000_000));
    measure("bank", "1,000,000 operations, 10 accounts", &bank(1_000_000, 10));
    measure("long-fork", "1,000,000 operations, groups of 3", &long_fork(1_000_000, 3));
    measure("causal-reverse", "20,000 writes, 1,000 reads", &causal_reverse(20_000, 1_000));
    measure("write-skew", "1,000,000 inserts", &write_skew(1_000_000));
}

fn measure(subject: &str, name: &str, history: &History) {
    let usual = Subject::named(subject).map_or(&[][..], |subject| subject.usual);
    let row = CHECKERS.iter().find(|row| row.concerns(subject, usual[0])).expect("a checker");
    let claims = usual.iter().copied().map(Asked::new).collect();
    let question = Question::new(subject, claims);
    // Writing 5 there makes the kernel forget the peak so far (proc(5)).
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status_mb("VmRSS:");
    let (mut least, mut busy, mut verdicts) = (Duration::MAX, Duration::MAX, Vec::new());
    for _ in 0..3 {
        let (start, spent) = (Instant::now(), processor_time());
        verdicts = row.check(&question, history, &Budget::default());
        least = least.min(start.elapsed());
        busy = busy.min(processor_time().saturating_sub(spent));
    }
    let rise = status_mb("VmHWM:") - before;
    let memory = if forgotten { format!("{rise:.0} MB") } else { "unknown memory".to_owned() };
    let (least, busy) = (least.as_secs_f64(), busy.as_secs_f64());
    println!("{subject}, {name}: {least:.3} s ({busy:.3} s of CPU), {memory} over {before:.0} MB");
    for verdict in verdicts {
        println!("    {}: {:?}: {}", verdict.asked, verdict.validity, verdict.reason);
    }
}

/// What all threads of this process have spent on processors, from the first field of their
/// `schedstat`: on a machine that others load it says more than the clock.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.map(|task| spent(task.path())).sum())
}

/// A line of `/proc/self/status` in megabytes; 0 where there is no such file.
fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

/// Events with their indexes, five processes in turn, each operation overlapping the next.
#[derive(Default)]
struct Recording {
    events: Vec<Event>,
    open: Option<(u32, Value)>,
    next: u32,
}

impl Recording {
    fn push(&mut self, process: u32, kind: Kind) {
        let index = self.events.len() as u64;
        self.events.push(Event {
            index,
            time: Time(index * 1000),
            process: Process(process),
            kind,
        });
    }

    fn operation(&mut self, op: Op, answer: Value) {
        let process = self.next;
        self.next = (self.next + 1) % 5;
        self.push(process, Kind::Invoke { op, due: None, node: None });
        if let Some((before, answer)) = self.open.replace((process, answer)) {
            let reply = Reply { value: answer, version: None };
            self.push(before, Kind::Complete(Outcome::Ok(reply)));
        }
    }

    fn end(mut self) -> History {
        if let Some((before, value)) = self.open.take() {
            self.push(before, Kind::Complete(Outcome::Ok(Reply { value, version: None })));
        }
        History::from_events(self.events).expect("the recording is a history")
    }
}

fn op(f: &str, value: Value) -> Op {
    Op { f: F::new(f), key: None, value }
}

fn set(elements: i64, reads: i64, value: impl Fn(i64) -> i64) -> History {
    let mut recording = Recording::default();
    let every = elements / reads;
    for element in 1..=elements {
        recording.operation(op("add", Value::Int(value(element))), Value::Nil);
        if element % every == 0 {
            let list = (1..=element).map(|it| Value::Int(value(it))).collect();
            recording.operation(op("read", Value::Nil), Value::List(list));
        }
    }
    recording.end()
}

fn counter(operations: i64) -> History {
    let (mut recording, mut sum) = (Recording::default(), 0);
    for number in 0..operations {
        if number % 4 == 0 {
            recording.operation(op("read", Value::Nil), Value::Int(sum));
        } else {
            let amount = number % 5 - 1;
            sum += amount;
            recording.operation(op("add", Value::Int(amount)), Value::Int(amount));
        }
    }
    recording.end()
}

fn identifiers(operations: i64) -> History {
    let mut recording = Recording::default();
    for number in 0..operations {
        recording.operation(op("generate", Value::Nil), Value::Int(number * 7919));
    }
    recording.end()
}

fn bank(operations: i64, accounts: i64) -> History {
    let mut recording = Recording::default();
    let mut balances = vec![1_000_000_000_i64; accounts as usize];
    for number in 0..operations {
        if number % 2 == 0 {
            let found = (0..accounts).map(|it| (Value::Int(it), Value::Int(balances[it as usize])));
            recording.operation(op("read", Value::Nil), Value::Map(found.collect()));
        } else {
            let (from, to) = (number % accounts, (number * 3 + 1) % accounts);
            balances[from as usize] -= 1;
            balances[to as usize] += 1;
            let part = |name: &str, it| (Value::Text(name.into()), Value::Int(it));
            let parts = [part("from", from), part("to", to), part("amount", 1)];
            let value = Value::Map(parts.into());
            recording.operation(op("transfer", value.clone()), value);
        }
    }
    recording.end()
}

fn long_fork(operations: i64, size: i64) -> History {
    let mut recording = Recording::default();
    let mop = |kind, key: i64, value| Mop { kind, key: Key::new(&key.to_string()), value };
    let mops = |mops: Vec<Mop>| Value::Mops(mops.into());
    for number in 0..operations / 4 {
        let write = mops(vec![mop(MopKind::Write, number, Value::Int(1))]);
        recording.operation(op("txn", write.clone()), write);
        let group = number - number % size;
        let read = |known: i64| {
            let value = |key| if key <= known { Value::Int(1) } else { Value::Nil };
            mops((group..group + size).map(|it| mop(MopKind::Read, it, value(it))).collect())
        };
        for _ in 0..3 {
            recording.operation(op("txn", read(-1)), read(number));
        }
    }
    recording.end()
}

fn causal_reverse(writes: i64, reads: i64) -> History {
    let mut recording = Recording::default();
    let every = writes / reads;
    for element in 1..=writes {
        recording.operation(op("write", Value::Int(element)), Value::Nil);
        if element % every == 0 {
            let list = (1..=element).map(Value::Int).collect();
            recording.operation(op("read", Value::Nil), Value::List(list));
        }
    }
    recording.end()
}

fn write_skew(inserts: i64) -> History {
    let mut recording = Recording::default();
    for number in 0..inserts {
        let pair = Value::List([Value::Int(number), Value::Nil].into());
        let value = Value::List([Value::Int(number / 2), pair].into());
        recording.operation(op("insert", value.clone()), value);
    }
    recording.end()
}
