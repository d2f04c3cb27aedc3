//! Measures the checker of transactions: `cargo run --release --example transactions_speed`.
//!
//! The histories are made in memory, in the shape of Elle's generator: one to four micro-operations a
//! transaction, ten lists in use at a time, each of which is left behind once so many elements have
//! been appended to it; a store that is serial, with clients that run at once. Each line says how
//! long the check alone took, and how far the peak of the process' memory rose above what the history
//! itself holds.

use std::time::{Duration, Instant};

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::{
    Code, Event, F, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reason, Reply, Time,
    Value,
};

/// What a history holds.
#[derive(Clone, Copy)]
struct Shape {
    transactions: usize,
    clients: usize,
    /// So many elements are appended to a list.
    elements: usize,
    /// One read in so many lacks its last element; 0: none.
    stale: usize,
    /// One transaction in so many is indeterminate; 0: none.
    indeterminate: usize,
    /// What makes one strongly connected component of it.
    knot: Knot,
}

/// A circle through the whole history.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knot {
    None,
    /// The last transaction reads the first list as if nobody had appended to it.
    Stale,
    /// So does one that lasts from the first event to the last, and somebody misses what it appends.
    Skew,
}

const USUAL: Shape = Shape {
    transactions: 100_000,
    clients: 20,
    elements: 32,
    stale: 0,
    indeterminate: 0,
    knot: Knot::None,
};

fn main() {
    let million = Shape { transactions: 1_000_000, ..USUAL };
    for (name, shape) in [
        ("10,000 transactions, 20 clients", Shape { transactions: 10_000, ..USUAL }),
        ("100,000 transactions, 20 clients", USUAL),
        (
            "100,000 transactions, 100 clients, 100 elements a list",
            Shape { clients: 100, elements: 100, ..USUAL },
        ),
        ("100,000 transactions, 1,000 clients", Shape { clients: 1_000, ..USUAL }),
        ("100,000 transactions, one in 50 indeterminate", Shape { indeterminate: 50, ..USUAL }),
        ("100,000 transactions, one read in 1,000 stale", Shape { stale: 1_000, ..USUAL }),
        ("1,000,000 transactions, 20 clients", million),
        ("1,000,000 transactions, 1,000 clients", Shape { clients: 1_000, ..million }),
    ] {
        measure(name, &simulate(shape), &[Claim::StrictSerializable]);
    }
    let history = simulate(USUAL);
    let row = CHECKERS.iter().find(|row| row.name == "list-append").expect("it is in the table");
    measure("100,000 transactions, every claim", &history, row.decides);
    for transactions in [10_000, 100_000, 1_000_000] {
        for (name, knot) in [("stale", Knot::Stale), ("skew", Knot::Skew)] {
            let history = simulate(Shape { transactions, knot, ..USUAL });
            let name = format!("one component of {transactions} transactions, {name}");
            measure(&name, &history, &[Claim::StrictSerializable]);
            if transactions == 10_000 {
                measure(&format!("{name}, every claim"), &history, row.decides);
            }
        }
    }
}

fn measure(name: &str, history: &History, claims: &[Claim]) {
    const RUNS: usize = 3;
    let question = Question::new("list-append", claims.iter().copied().map(Asked::new).collect());
    let row = CHECKERS.iter().find(|row| row.name == "list-append").expect("it is in the table");
    let mut best = Duration::MAX;
    let mut least = f64::MAX;
    let mut rise = 0.0f64;
    let mut answers = Vec::new();
    for _ in 0..RUNS {
        // Writing 5 there makes the kernel forget the peak so far (proc(5)).
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before = status_mb("VmRSS:");
        let busy = processor_seconds();
        let start = Instant::now();
        answers = row.check(&question, history, &Budget::default());
        best = best.min(start.elapsed());
        least = least.min(processor_seconds() - busy);
        rise = rise.max(status_mb("VmHWM:") - before);
    }
    let last = answers.last().expect("something was asked");
    let best = best.as_secs_f64();
    println!(
        "{name}: {best:.3} s ({least:.2} s of processors), {rise:.0} MB\n    {:?}",
        last.validity
    );
    let reason: String = last.reason.chars().take(300).collect();
    println!("    {reason}");
}

/// The time that all threads of this process have had a processor (proc(5): in hundredths); on a
/// machine that others use it says more than the clock.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
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

    fn one_in(&mut self, times: usize) -> bool {
        times > 0 && self.below(times) == 0
    }
}

/// What a client is doing: nothing, waiting for its transaction to take effect, or for the answer.
enum Client {
    Idle,
    Sent(Vec<(usize, Mop)>),
    Done(Outcome),
}

/// The lists in use, each with its number of appends that were asked for.
struct Lists {
    contents: Vec<Vec<Value>>,
    active: Vec<(usize, Key, usize)>,
}

const ACTIVE: usize = 10;

impl Lists {
    fn new() -> Self {
        let mut lists = Self { contents: Vec::new(), active: Vec::new() };
        (0..ACTIVE).for_each(|place| lists.renew(place));
        lists
    }

    fn renew(&mut self, place: usize) {
        let number = self.contents.len();
        self.contents.push(Vec::new());
        let fresh = (number, Key::new(&number.to_string()), 0);
        match self.active.get_mut(place) {
            Some(active) => *active = fresh,
            None => self.active.push(fresh),
        }
    }

    fn invent(&mut self, random: &mut Random, elements: usize) -> Vec<(usize, Mop)> {
        let count = 1 + random.below(4);
        let mut mops = Vec::with_capacity(count);
        for _ in 0..count {
            let place = random.below(ACTIVE);
            let (number, key, appends) = &mut self.active[place];
            let (number, key) = (*number, *key);
            if random.below(2) == 0 {
                mops.push((number, Mop { kind: MopKind::Read, key, value: Value::Nil }));
                continue;
            }
            *appends += 1;
            let (last, value) = (*appends == elements, Value::Int(*appends as i64));
            mops.push((number, Mop { kind: MopKind::Append, key, value }));
            if last {
                self.renew(place);
            }
        }
        mops
    }
}

/// A serial store, and clients that take turns in random order.
fn simulate(shape: Shape) -> History {
    let mut random = Random(7);
    let mut lists = Lists::new();
    let txn = F::new("txn");
    let mut clients: Vec<(u32, Client)> =
        (0..shape.clients as u32).map(|process| (process, Client::Idle)).collect();
    let mut events: Vec<Event> = Vec::with_capacity(shape.transactions * 2);
    let (mut begun, mut ended) = (0, 0);
    while ended < shape.transactions {
        let place = random.below(shape.clients);
        let (process, client) = &mut clients[place];
        let index = events.len() as u64 + 1;
        let mut record = |process: u32, kind| {
            let time = Time(index * 100_000);
            events.push(Event { index, time, process: Process(process), kind });
        };
        match std::mem::replace(client, Client::Idle) {
            Client::Idle if begun == shape.transactions => {}
            Client::Idle => {
                begun += 1;
                let mops = lists.invent(&mut random, shape.elements);
                let asked = mops.iter().map(|(_, mop)| mop.clone()).collect();
                let op = Op { f: txn, key: None, value: Value::Mops(asked) };
                record(*process, Kind::Invoke { op, due: None, node: None });
                *client = Client::Sent(mops);
            }
            Client::Sent(mops) => {
                let answered = take_effect(&mut random, &mut lists.contents, mops, shape.stale);
                let reply = Reply { value: Value::Mops(answered), version: None };
                *client = Client::Done(if random.one_in(shape.indeterminate) {
                    Outcome::Info(Reason::new(Code::Timeout, "no answer"))
                } else {
                    Outcome::Ok(reply)
                });
            }
            Client::Done(outcome) => {
                ended += 1;
                let retired = matches!(outcome, Outcome::Info(_));
                record(*process, Kind::Complete(outcome));
                *process += if retired { shape.clients as u32 } else { 0 };
            }
        }
    }
    tie(&mut events, shape.knot);
    History::from_events(events).expect("the simulation makes histories")
}

fn take_effect(
    random: &mut Random,
    contents: &mut [Vec<Value>],
    mops: Vec<(usize, Mop)>,
    stale: usize,
) -> Box<[Mop]> {
    let mut answered = Vec::with_capacity(mops.len());
    for (number, mut mop) in mops {
        if mop.kind == MopKind::Append {
            contents[number].push(mop.value.clone());
        } else {
            let list = &contents[number];
            let lacks = usize::from(random.one_in(stale)).min(list.len());
            mop.value = Value::List(list[..list.len() - lacks].into());
        }
        answered.push(mop);
    }
    answered.into()
}

/// The first process of a knot.
const FIRST: u32 = 1 << 30;

/// Ties the knot, around the events of a history of which the first index is 1.
fn tie(events: &mut Vec<Event>, knot: Knot) {
    let mop = |kind, key: &str, value| Mop { kind, key: Key::new(key), value };
    let read = |key, value| mop(MopKind::Read, key, value);
    let empty = || Value::List([].into());
    let invoke = |mops: &[Mop]| {
        let op = Op { f: F::new("txn"), key: None, value: Value::Mops(mops.into()) };
        Kind::Invoke { op, due: None, node: None }
    };
    let complete = |mops: &[Mop]| {
        let value = Value::Mops(mops.into());
        Kind::Complete(Outcome::Ok(Reply { value, version: None }))
    };
    let next = events.len() as u64 + 1;
    let event = |index, process, kind| Event {
        index,
        time: Time(index * 100_000),
        process: Process(process),
        kind,
    };
    match knot {
        Knot::None => {}
        Knot::Stale => {
            events.push(event(next, FIRST, invoke(&[read("0", Value::Nil)])));
            events.push(event(next + 1, FIRST, complete(&[read("0", empty())])));
        }
        Knot::Skew => {
            let append = mop(MopKind::Append, "z", Value::Int(1));
            let asked = [read("0", Value::Nil), append.clone()];
            events.insert(0, event(0, FIRST, invoke(&asked)));
            events.push(event(next, FIRST + 1, invoke(&[read("z", Value::Nil)])));
            events.push(event(next + 1, FIRST + 1, complete(&[read("z", empty())])));
            events.push(event(next + 2, FIRST, complete(&[read("0", empty()), append])));
        }
    }
}
