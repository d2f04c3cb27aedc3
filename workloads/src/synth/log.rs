//! Partitioned logs: producers that send, consumers that poll what they were assigned.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;
use schism_history::{F, Key, Mop, MopKind, Op, Outcome, Reply, Value};

use super::{Step, Synth, SynthEntry, System};

/// A log: send, poll, assign.
pub(super) const LOG: SynthEntry = SynthEntry {
    name: "log",
    violations: &[
        ("lost-write", "no-lost-writes"),
        ("inconsistent-offsets", "consistent-offsets"),
        ("duplicate", "no-duplicates"),
        ("aborted-read", "no-aborted-reads"),
        ("skipped-poll", "poll-order"),
    ],
    construct: |synth| Box::new(Log::new(synth)),
};

/// Messages that one poll returns of one partition at most.
const POLLED_MAX: usize = 100;

struct Log {
    partitions: Vec<Partition>,
    places: FxHashMap<Key, usize>,
    clients: usize,
    /// Whether one client reads everything to its end.
    finishing: bool,
    sent: i64,
    length: usize,
    send: F,
    poll: F,
}

struct Partition {
    key: Key,
    /// Offset and message; offsets have gaps.
    messages: Vec<(i64, Value)>,
    /// Where its consumer goes on.
    position: usize,
}

impl Log {
    fn new(synth: &Synth) -> Self {
        let keys: Vec<Key> = (0..synth.keys).map(|key| Key::new(&key.to_string())).collect();
        let places = keys.iter().enumerate().map(|(place, key)| (*key, place)).collect();
        let partition = |key| Partition { key, messages: Vec::new(), position: 0 };
        Self {
            partitions: keys.into_iter().map(partition).collect(),
            places,
            clients: synth.clients,
            finishing: false,
            sent: 0,
            length: synth.length,
            send: F::new("send"),
            poll: F::new("poll"),
        }
    }

    fn fresh(&mut self) -> Value {
        self.sent += 1;
        Value::Int(self.sent)
    }

    /// Appends to a partition, one offset in sixteen being left out, as by a control record.
    fn append(&mut self, place: usize, message: Value) -> i64 {
        let messages = &mut self.partitions[place].messages;
        let last = messages.last().map_or(-1, |(offset, _)| *offset);
        let offset = last + if (last + 2) % 16 == 0 { 2 } else { 1 };
        messages.push((offset, message));
        offset
    }

    /// The partitions that a client consumes: each has one consumer.
    fn consumed(&self, client: usize) -> Vec<usize> {
        let places = 0..self.partitions.len();
        places.filter(|place| self.finishing || place % self.clients == client).collect()
    }

    fn poll(&mut self, place: usize) -> Mop {
        let partition = &mut self.partitions[place];
        let from = partition.position;
        let until = partition.messages.len().min(from + POLLED_MAX);
        partition.position = until;
        let flat = partition.messages[from..until]
            .iter()
            .flat_map(|(offset, message)| [Value::Int(*offset), message.clone()]);
        Mop { kind: MopKind::Poll, key: partition.key, value: Value::List(flat.collect()) }
    }

    fn sends(&self, key: Key, value: Value) -> Op {
        let mop = Mop { kind: MopKind::Send, key, value };
        Op { f: self.send, key: None, value: Value::Mops([mop].into()) }
    }

    fn polls(&self) -> Op {
        let mop = Mop { kind: MopKind::Poll, key: Key::new(""), value: Value::Nil };
        Op { f: self.poll, key: None, value: Value::Mops([mop].into()) }
    }
}

fn acknowledged(key: Key, offset: i64, message: &Value) -> Value {
    let value = Value::List([Value::Int(offset), message.clone()].into());
    Value::Mops([Mop { kind: MopKind::Send, key, value }].into())
}

fn polled(key: Key, messages: &[(i64, &Value)]) -> Value {
    let flat =
        messages.iter().flat_map(|(offset, message)| [Value::Int(*offset), (*message).clone()]);
    let value = Value::List(flat.collect());
    Value::Mops([Mop { kind: MopKind::Poll, key, value }].into())
}

impl System for Log {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        if rng.random_ratio(1, 4) {
            return self.polls();
        }
        let count = rng.random_range(1..=self.length);
        let mops = (0..count).map(|_| {
            let key = self.partitions[rng.random_range(0..self.partitions.len())].key;
            Mop { kind: MopKind::Send, key, value: self.fresh() }
        });
        let mops = mops.collect();
        Op { f: self.send, key: None, value: Value::Mops(mops) }
    }

    fn apply(&mut self, client: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        let Value::Mops(mops) = &op.value else { unreachable!("every operation is one") };
        let value: Vec<Mop> = if op.f == self.poll {
            let polled = self.consumed(client).into_iter().map(|place| self.poll(place));
            let polled: Vec<Mop> = polled.collect();
            // A consumer of nothing polls nothing.
            if polled.is_empty() { mops.to_vec() } else { polled }
        } else {
            let sent = mops.iter().map(|mop| {
                let offset = self.append(self.places[&mop.key], mop.value.clone());
                let value = Value::List([Value::Int(offset), mop.value.clone()].into());
                Mop { value, ..mop.clone() }
            });
            sent.collect()
        };
        Outcome::Ok(Reply { value: Value::Mops(value.into()), version: None })
    }

    /// A poll whose answer is lost would leave its client behind what it has not seen.
    fn survives(&self, op: &Op) -> bool {
        op.f == self.send
    }

    /// Every script has a partition of its own, so that it fits whatever else goes on.
    fn violate(&mut self, name: &str) -> Vec<Step> {
        let key = Key::new("planted");
        let [one, two, three] = [self.fresh(), self.fresh(), self.fresh()];
        let mut steps = Vec::new();
        for (offset, message) in [(0, &one), (1, &two), (2, &three)] {
            if name == "aborted-read" && offset == 2 {
                steps.extend([Step::Invoke(0, self.sends(key, message.clone())), Step::Fail(0)]);
                continue;
            }
            steps.push(Step::Invoke(0, self.sends(key, message.clone())));
            steps.push(Step::Ok(0, acknowledged(key, offset, message)));
        }
        let polls: Vec<Vec<(i64, &Value)>> = match name {
            "lost-write" => vec![vec![(0, &one), (2, &three)]],
            "inconsistent-offsets" => vec![vec![(0, &one), (1, &three)]],
            "duplicate" => vec![vec![(0, &one), (1, &two), (2, &three), (3, &two)]],
            "skipped-poll" => vec![vec![(0, &one)], vec![(2, &three)]],
            _ => vec![vec![(0, &one), (1, &two), (2, &three)]],
        };
        for messages in polls {
            steps.push(Step::Invoke(1, self.polls()));
            steps.push(Step::Ok(1, polled(key, &messages)));
        }
        if name == "skipped-poll" {
            // Somebody else sees all, so that nothing is lost.
            steps.push(Step::Invoke(2, self.polls()));
            steps.push(Step::Ok(2, polled(key, &[(0, &one), (1, &two), (2, &three)])));
        }
        steps
    }

    fn finish(&mut self) -> Vec<Op> {
        self.finishing = true;
        let unread = |partition: &Partition| partition.messages.len() - partition.position;
        let longest = self.partitions.iter().map(unread).max();
        (0..=longest.unwrap_or(0) / POLLED_MAX).map(|_| self.polls()).collect()
    }
}
