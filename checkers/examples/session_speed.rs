//! Measures the checkers of sessions, causal memory, sequential consistency and staleness:
//! `cargo run --release --example session_speed [operations]`.
//!
//! The histories are made in memory; each line says how long the check of one claim alone took, and
//! how long of that its thread was on a processor; how far the peak of the process' memory has come;
//! and the verdict.

use std::collections::VecDeque;
use std::time::Instant;

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::{Event, History, Kind, Op, Outcome, Process, Reply, Time, Value};

const CLAIMS: [Claim; 11] = [
    Claim::ReadYourWrites,
    Claim::MonotonicReads,
    Claim::MonotonicWrites,
    Claim::WritesFollowReads,
    Claim::Pram,
    Claim::Causal,
    Claim::CausalMemory,
    Claim::CausalConvergence,
    Claim::Sequential,
    Claim::BoundedStaleness,
    Claim::EventualConvergence,
];

/// How replicas hear of each other's writes.
#[derive(Clone, Copy, Debug)]
enum Store {
    /// There is one.
    One,
    /// All replicas apply all writes in one order, but late.
    Ordered,
    /// Each applies every other's writes in that one's order, as they come (PRAM).
    Fifo,
}

fn main() {
    let argument = std::env::args().nth(1);
    let operations = argument.and_then(|it| it.parse().ok()).unwrap_or(100_000);
    for (store, clients, keys, one_writer) in [
        (Store::One, 10, 10, false),
        (Store::One, 10, 10, true),
        (Store::One, 100, 100, false),
        (Store::Ordered, 10, 10, false),
        (Store::Fifo, 10, 10, true),
    ] {
        let history = history(operations, store, clients, keys, one_writer);
        let writers = if one_writer { "one writer a key" } else { "all write all keys" };
        println!("{store:?}, {operations} operations, {clients} clients, {keys} keys, {writers}");
        for claim in CLAIMS {
            let question = Question::new("register", vec![Asked::new(claim)]);
            let Some(row) = CHECKERS.iter().find(|row| row.concerns("register", claim)) else {
                continue;
            };
            let (start, before) = (Instant::now(), busy_s());
            let verdict = row.check(&question, &history, &Budget::default()).remove(0);
            let seconds = start.elapsed().as_secs_f64();
            let busy = busy_s() - before;
            let said: String = verdict.reason.chars().take(90).collect();
            let (validity, peak) = (verdict.validity, peak_mb());
            let name = claim.name();
            println!(
                "  {name:<22} {seconds:>7.3} s, busy {busy:>6.3} s  {peak:>5} MB  {validity:?}: {said}"
            );
        }
    }
}

/// A small generator of numbers (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 33) as usize % bound
    }
}

fn history(
    operations: usize,
    store: Store,
    clients: usize,
    keys: usize,
    one_writer: bool,
) -> History {
    let mut chance = Chance(1);
    let mut replicas = vec![vec![Value::Nil; keys]; clients];
    let mut waiting: Vec<VecDeque<(usize, Value)>> = vec![VecDeque::new(); clients * clients];
    let names: Vec<String> = (0..keys).map(|key| format!("k{key}")).collect();
    let mut events: Vec<Event> = Vec::with_capacity(operations * 2);
    let mut open: Vec<Option<Reply>> = vec![None; clients];
    let mut begun = 0;
    while events.len() < operations * 2 {
        let client = chance.below(clients);
        for _ in 0..2 {
            let from = chance.below(clients);
            if let Some((key, value)) = waiting[from * clients + client].pop_front() {
                replicas[client][key] = value;
            }
        }
        let index = events.len() as u64;
        let mut record = |kind| {
            let (time, process) = (Time(index * 10_000), Process(client as u32));
            events.push(Event { index, time, process, kind });
        };
        if let Some(reply) = open[client].take() {
            record(Kind::Complete(Outcome::Ok(reply)));
            continue;
        }
        if begun == operations {
            continue;
        }
        begun += 1;
        let mut key = chance.below(keys);
        let writes = chance.below(3) == 0;
        if writes && one_writer {
            key = key / clients * clients + client % keys;
            key %= keys;
        }
        let value = Value::Int(begun as i64);
        let op = if writes {
            match store {
                Store::One => replicas.iter_mut().for_each(|it| it[key] = value.clone()),
                Store::Ordered => {
                    for queue in waiting.iter_mut().take(clients) {
                        queue.push_back((key, value.clone()));
                    }
                }
                Store::Fifo => {
                    replicas[client][key] = value.clone();
                    for other in (0..clients).filter(|&it| it != client) {
                        waiting[client * clients + other].push_back((key, value.clone()));
                    }
                }
            }
            open[client] = Some(Reply { value: value.clone(), version: None });
            Op::new("write", Some(&names[key]), value)
        } else {
            open[client] = Some(Reply { value: replicas[client][key].clone(), version: None });
            Op::new("read", Some(&names[key]), Value::Nil)
        };
        record(Kind::Invoke { op, due: None, node: None });
    }
    History::from_events(events).expect("clients have one operation open at a time")
}

/// How long this thread was on a processor, so that others who load the machine do not count.
fn busy_s() -> f64 {
    let status = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = status.split_whitespace().next().and_then(|it| it.parse::<u64>().ok());
    nanoseconds.unwrap_or(0) as f64 / 1e9
}

/// The peak of the process' memory so far.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
