//! Sets, counters, ids, queues and locks.

use std::collections::VecDeque;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use schism_history::{Code, Op, Outcome, Reason, Reply, Value};

use super::{Step, SynthEntry, System};

/// A set that grows: add, read.
pub(super) const SET_FULL: SynthEntry = SynthEntry {
    name: "set-full",
    violations: &[
        ("lost-element", "no-lost-elements"),
        ("stale-read", "no-stale-reads"),
        ("duplicate", "no-duplicates"),
        ("unexpected", "no-unexpected-elements"),
    ],
    construct: |_| Box::new(Set::default()),
};

/// A counter: add, read.
pub(super) const COUNTER: SynthEntry = SynthEntry {
    name: "counter",
    violations: &[("lost-update", "counter-bounds")],
    construct: |_| Box::new(Counter(0)),
};

/// Ids: generate.
pub(super) const UNIQUE_IDS: SynthEntry = SynthEntry {
    name: "unique-ids",
    violations: &[("duplicate", "no-duplicates")],
    construct: |_| Box::new(Ids(0)),
};

const QUEUE_VIOLATIONS: &[(&str, &str)] =
    &[("duplicate", "linearizable"), ("unexpected", "linearizable")];

/// A queue without order: enqueue, dequeue.
pub(super) const QUEUE: SynthEntry = SynthEntry {
    name: "queue",
    violations: QUEUE_VIOLATIONS,
    construct: |_| Box::new(Queue { ordered: false, ..Queue::default() }),
};

/// A queue: first in, first out.
pub(super) const FIFO_QUEUE: SynthEntry = SynthEntry {
    name: "fifo-queue",
    violations: &[
        ("duplicate", "linearizable"),
        ("unexpected", "linearizable"),
        ("reordered", "linearizable"),
    ],
    construct: |_| Box::new(Queue { ordered: true, ..Queue::default() }),
};

/// A lock: acquire, release.
pub(super) const MUTEX: SynthEntry = SynthEntry {
    name: "mutex",
    violations: &[("two-holders", "mutual-exclusion")],
    construct: |synth| {
        Box::new(Mutex { holder: None, holds: vec![false; synth.clients], releasing: 0 })
    },
};

fn ok(value: Value) -> Outcome {
    Outcome::Ok(Reply { value, version: None })
}

fn op(f: &str, value: Value) -> Op {
    Op::new(f, None, value)
}

/// One operation of a script, alone.
fn alone(process: u32, op: Op, value: Value) -> [Step; 2] {
    [Step::Invoke(process, op), Step::Ok(process, value)]
}

#[derive(Default)]
struct Set {
    elements: Vec<Value>,
    added: i64,
}

/// One operation in so many reads, since a read returns everything.
const READS: u32 = 100;

impl Set {
    fn fresh(&mut self) -> Value {
        self.added += 1;
        Value::Int(self.added)
    }
}

impl System for Set {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        if rng.random_ratio(1, READS) { op("read", Value::Nil) } else { op("add", self.fresh()) }
    }

    fn apply(&mut self, _: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        if op.value == Value::Nil {
            return ok(Value::List(self.elements.as_slice().into()));
        }
        self.elements.push(op.value.clone());
        ok(op.value.clone())
    }

    fn violate(&mut self, name: &str) -> Vec<Step> {
        let new = self.fresh();
        let mut steps: Vec<Step> = alone(0, op("add", new.clone()), new.clone()).into();
        let mut shown = self.elements.clone();
        match name {
            // It is acknowledged, and nobody ever sees it.
            "lost-element" => return steps,
            "stale-read" => self.elements.push(new),
            "duplicate" => {
                self.elements.push(new.clone());
                shown.extend([new.clone(), new]);
            }
            _ => {
                self.elements.push(new.clone());
                shown.extend([new, Value::Int(-1)]);
            }
        }
        steps.extend(alone(1, op("read", Value::Nil), Value::List(shown.into())));
        steps
    }

    fn finish(&mut self) -> Vec<Op> {
        vec![op("read", Value::Nil)]
    }
}

struct Counter(i64);

impl System for Counter {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        if rng.random_ratio(1, 2) {
            return op("read", Value::Nil);
        }
        op("add", Value::Int(rng.random_range(1..=5)))
    }

    fn apply(&mut self, _: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        match op.value {
            Value::Int(more) => self.0 += more,
            _ => return ok(Value::Int(self.0)),
        }
        ok(op.value.clone())
    }

    /// An acknowledged amount that is greater than all that is under way, and is lost.
    fn violate(&mut self, _: &str) -> Vec<Step> {
        let much = 1_000_000_000;
        let add = alone(0, op("add", Value::Int(much)), Value::Int(much));
        let read = alone(1, op("read", Value::Nil), Value::Int(self.0));
        self.0 += much;
        add.into_iter().chain(read).collect()
    }

    fn finish(&mut self) -> Vec<Op> {
        vec![op("read", Value::Nil)]
    }
}

struct Ids(i64);

impl System for Ids {
    fn ask(&mut self, _: usize, _: &mut ChaCha8Rng) -> Op {
        op("generate", Value::Nil)
    }

    fn apply(&mut self, _: usize, _: &Op, _: &mut ChaCha8Rng) -> Outcome {
        self.0 += 1;
        ok(Value::Int(self.0))
    }

    fn violate(&mut self, _: &str) -> Vec<Step> {
        self.0 += 1;
        let twice =
            [0, 1].map(|process| alone(process, op("generate", Value::Nil), Value::Int(self.0)));
        twice.into_iter().flatten().collect()
    }
}

#[derive(Default)]
struct Queue {
    ordered: bool,
    messages: VecDeque<Value>,
    sent: i64,
}

/// With more messages than this, clients take some out again.
const MESSAGES_MAX: usize = 50;

impl Queue {
    fn fresh(&mut self) -> Value {
        self.sent += 1;
        Value::Int(self.sent)
    }
}

impl System for Queue {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        let full = self.messages.len() > MESSAGES_MAX;
        if rng.random_ratio(1, 2) || full {
            return op("dequeue", Value::Nil);
        }
        op("enqueue", self.fresh())
    }

    fn apply(&mut self, _: usize, op: &Op, rng: &mut ChaCha8Rng) -> Outcome {
        if op.value != Value::Nil {
            self.messages.push_back(op.value.clone());
            return ok(op.value.clone());
        }
        if !self.ordered && self.messages.len() > 1 {
            let place = rng.random_range(0..self.messages.len());
            self.messages.swap(0, place);
        }
        match self.messages.pop_front() {
            Some(message) => ok(message),
            None => Outcome::Fail(Reason::new(Code::Mismatch, "empty")),
        }
    }

    /// A dequeue whose answer is lost would take a message with it.
    fn survives(&self, op: &Op) -> bool {
        op.value != Value::Nil
    }

    fn violate(&mut self, name: &str) -> Vec<Step> {
        let dequeue = || op("dequeue", Value::Nil);
        let [one, two] = [self.fresh(), self.fresh()];
        // Everything before them is taken out first, so that they are next in any queue.
        let mut steps: Vec<Step> = Vec::new();
        for message in std::mem::take(&mut self.messages) {
            steps.extend(alone(1, dequeue(), message));
        }
        let answers = match name {
            "duplicate" => vec![one.clone(), one.clone()],
            "reordered" => vec![two.clone(), one.clone()],
            _ => vec![Value::Int(-1)],
        };
        for message in [&one, &two] {
            steps.extend(alone(0, op("enqueue", message.clone()), message.clone()));
        }
        steps.extend(answers.into_iter().flat_map(|message| alone(1, dequeue(), message)));
        steps
    }

    fn finish(&mut self) -> Vec<Op> {
        (0..=self.messages.len()).map(|_| op("dequeue", Value::Nil)).collect()
    }
}

/// A lock that clients try for without waiting.
struct Mutex {
    holder: Option<usize>,
    /// By client: whether it asked last to acquire and was let in.
    holds: Vec<bool>,
    /// Releases that were asked for, and have not taken effect.
    releasing: usize,
}

impl System for Mutex {
    fn ask(&mut self, client: usize, _: &mut ChaCha8Rng) -> Op {
        self.releasing += usize::from(self.holds[client]);
        op(if self.holds[client] { "release" } else { "acquire" }, Value::Nil)
    }

    fn apply(&mut self, client: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        match (op.f.as_str(), self.holder) {
            ("acquire", None) => {
                self.holder = Some(client);
                self.holds[client] = true;
                ok(Value::Nil)
            }
            ("release", Some(holder)) if holder == client => {
                self.holder = None;
                self.holds[client] = false;
                self.releasing -= 1;
                ok(Value::Nil)
            }
            _ => Outcome::Fail(Reason::new(Code::Mismatch, "held by another")),
        }
    }

    /// A lock whose holder never learnt of it would stay locked.
    fn survives(&self, op: &Op) -> bool {
        op.f.as_str() == "release"
    }

    /// So many clients are let in, one after the other, that two of them hold the lock at once
    /// wherever the releases stand that are open.
    fn violate(&mut self, _: &str) -> Vec<Step> {
        let acquire = |process| alone(process, op("acquire", Value::Nil), Value::Nil);
        let open = self.releasing + self.holds.len();
        (0..open as u32 + 2).flat_map(acquire).collect()
    }
}
