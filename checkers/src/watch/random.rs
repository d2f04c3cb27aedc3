//! Random histories of a watched store: a simulated store, and now and then a lie.

use schism_history::{
    Code, Event, F, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reason, Reply, Time,
    Value,
};

/// `SplitMix64`.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    pub fn one_in(&mut self, odds: usize) -> bool {
        odds > 0 && self.below(odds) == 0
    }
}

const KEYS: [&str; 3] = ["a", "b", "ab"];

/// A change: its revision, kind, key and value.
type Change = (u64, &'static str, &'static str, i64);

struct Watcher {
    process: u32,
    target: Option<&'static str>,
    /// The first revision that it is to be sent.
    from: u64,
}

struct Store<'a> {
    random: &'a mut Random,
    lies: usize,
    revision: u64,
    changes: Vec<Change>,
    watchers: Vec<Watcher>,
    events: Vec<Event>,
    processes: u32,
}

/// A random history of so many steps, in which one thing in `lies` goes wrong; 0: none does.
pub(crate) fn history(random: &mut Random, steps: usize, lies: usize) -> History {
    let mut store = Store {
        random,
        lies,
        revision: 1,
        changes: Vec::new(),
        watchers: Vec::new(),
        events: Vec::new(),
        processes: 0,
    };
    for _ in 0..steps {
        match store.random.below(5) {
            0 => store.begin(),
            1 if !store.watchers.is_empty() => {
                let place = store.random.below(store.watchers.len());
                store.end(place);
            }
            _ => store.write(),
        }
    }
    while !store.watchers.is_empty() {
        store.end(0);
    }
    History::from_events(store.events).expect("the simulation makes histories")
}

impl Store<'_> {
    fn record(&mut self, process: u32, kind: Kind) {
        let index = self.events.len() as u64;
        let process = Process(process);
        self.events.push(Event { index, time: Time(index * 1_000_000), process, kind });
    }

    fn invoke(&mut self, process: u32, op: Op) {
        self.record(process, Kind::Invoke { op, due: None, node: None });
    }

    fn lies(&mut self) -> bool {
        self.random.one_in(self.lies)
    }

    /// A process of its own for each operation.
    fn process(&mut self) -> u32 {
        self.processes += 1;
        self.processes
    }

    fn write(&mut self) {
        let process = self.process();
        let key = KEYS[self.random.below(3)];
        let exists = self.changes.iter().rev().find(|change| change.2 == key);
        let exists = exists.is_some_and(|change| change.1 == "put");
        let value = self.random.below(50) as i64;
        let next = self.revision + 1;
        let mut reply = Value::Int(value);
        let (op, changes) = match self.random.below(5) {
            0 => {
                reply = Value::Bool(exists);
                let change = exists.then_some((next, "delete", key, 0));
                (Op::new("delete", Some(key), Value::Nil), change.into_iter().collect())
            }
            1 => {
                let write = |key| Mop {
                    kind: MopKind::Write,
                    key: Key::new(key),
                    value: Value::Int(value),
                };
                reply = Value::Mops([write("a"), write("b")].into());
                let changes = vec![(next, "put", "a", value), (next, "put", "b", value)];
                (Op { f: F::new("txn"), key: None, value: reply.clone() }, changes)
            }
            _ => {
                let op = Op::new("put", Some(key), Value::Int(value));
                (op, vec![(next, "put", key, value)])
            }
        };
        self.invoke(process, op);
        if !changes.is_empty() {
            self.revision = next;
        }
        self.changes.extend(changes);
        let outcome = if self.random.one_in(5) {
            Outcome::Info(Reason::new(Code::Timeout, ""))
        } else {
            Outcome::Ok(Reply { value: reply, version: Some(self.revision) })
        };
        self.record(process, Kind::Complete(outcome));
    }

    fn begin(&mut self) {
        let process = self.process();
        let target = [None, Some("a"), Some("b"), Some("a*")][self.random.below(4)];
        let start = self.random.one_in(2).then(|| 1 + self.random.below(self.revision as usize));
        let value = start.map_or(Value::Nil, |start| Value::Int(start as i64));
        self.invoke(process, Op::new("watch", target, value));
        let from = start.map_or(self.revision + 1, |start| start as u64);
        self.watchers.push(Watcher { process, target, from });
    }

    fn end(&mut self, place: usize) {
        let watcher = self.watchers.remove(place);
        let matches = |key: &str| match watcher.target {
            None => true,
            Some("a*") => key.starts_with('a'),
            Some(own) => own == key,
        };
        let concerns = |change: &&Change| change.0 >= watcher.from && matches(change.2);
        let mut changes: Vec<Change> = self.changes.iter().filter(concerns).copied().collect();
        // It may be cut off anywhere, between revisions.
        if self.random.one_in(2) {
            let far = self.random.below(self.revision as usize + 2) as u64;
            changes.retain(|change| change.0 <= far);
        }
        self.falsify(&mut changes);
        let mut responses: Vec<Value> = Vec::new();
        let mut batch: Vec<Value> = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            batch.push(event(*change));
            let last = changes.get(number + 1).is_none_or(|next| next.0 != change.0);
            if last && self.random.one_in(2) || self.lies() {
                responses.push(Value::List(std::mem::take(&mut batch).into()));
                if last && self.random.one_in(4) {
                    let told = change.0 + u64::from(self.lies());
                    responses.push(progress(told));
                }
            }
        }
        if !batch.is_empty() {
            responses.push(Value::List(batch.into()));
        }
        if self.random.one_in(8) {
            let delivered = changes.last().map_or(watcher.from - 1, |change| change.0);
            responses.push(progress(delivered));
        }
        let reply = Reply { value: Value::List(responses.into()), version: None };
        self.record(watcher.process, Kind::Complete(Outcome::Ok(reply)));
    }

    fn falsify(&mut self, changes: &mut Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let place = self.random.below(changes.len());
        if self.lies() {
            changes[place].3 += 100;
        }
        if self.lies() {
            let change = changes[place];
            changes.insert(self.random.below(place + 1), change);
        }
        if changes.len() > 1 && self.lies() {
            let place = self.random.below(changes.len() - 1);
            changes.swap(place, place + 1);
        }
        if self.lies() {
            changes.remove(place);
        }
        if self.lies() {
            changes.drain(..place.min(changes.len()));
        }
    }
}

fn event((revision, kind, key, value): Change) -> Value {
    let head = [Value::Int(revision as i64), Value::Text(kind.into()), Value::Text(key.into())];
    let value = (kind == "put").then_some(Value::Int(value));
    Value::List(head.into_iter().chain(value).collect())
}

fn progress(revision: u64) -> Value {
    Value::Map([(Value::Text("progress".into()), Value::Int(revision as i64))].into())
}
