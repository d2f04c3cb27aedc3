//! Registers: read, write and compare-and-set; several at once; texts that grow.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;
use schism_history::{Code, F, Key, Mop, MopKind, Op, Outcome, Reason, Reply, Value};

use super::{Step, Synth, SynthEntry, System};

const VIOLATIONS: &[(&str, &str)] =
    &[("stale-read", "linearizable"), ("unwritten-read", "linearizable")];

/// Reads and writes.
pub(super) const REGISTER: SynthEntry = SynthEntry {
    name: "register",
    violations: VIOLATIONS,
    construct: |synth| Box::new(Registers::new(synth, 0)),
};

/// Reads, writes and compare-and-sets from a value that was seen.
pub(super) const CAS_REGISTER: SynthEntry = SynthEntry {
    name: "cas-register",
    violations: VIOLATIONS,
    construct: |synth| Box::new(Registers::new(synth, 30)),
};

/// Transactions that read and write several registers of one object.
pub(super) const MULTI_REGISTER: SynthEntry = SynthEntry {
    name: "multi-register",
    violations: VIOLATIONS,
    construct: |synth| Box::new(Several { of: Registers::new(synth, 0), length: synth.length }),
};

/// Texts that grow: put, append, get.
pub(super) const KV_APPEND: SynthEntry = SynthEntry {
    name: "kv-append",
    violations: &[("stale-read", "linearizable")],
    construct: |synth| Box::new(Texts::new(synth)),
};

fn ok(value: Value) -> Outcome {
    Outcome::Ok(Reply { value, version: None })
}

struct Registers {
    keys: Vec<Key>,
    places: FxHashMap<Key, usize>,
    holds: Vec<Value>,
    domain: Option<usize>,
    cas_percent: u32,
    written: i64,
    read: F,
    write: F,
    cas: F,
}

impl Registers {
    fn new(synth: &Synth, cas_percent: u32) -> Self {
        let keys: Vec<Key> = (0..synth.keys).map(|key| Key::new(&key.to_string())).collect();
        Self {
            places: keys.iter().enumerate().map(|(place, key)| (*key, place)).collect(),
            keys,
            holds: vec![Value::Nil; synth.keys],
            domain: synth.domain,
            cas_percent,
            written: 0,
            read: F::new("read"),
            write: F::new("write"),
            cas: F::new("cas"),
        }
    }

    fn fresh(&mut self, rng: &mut ChaCha8Rng) -> Value {
        self.written += 1;
        match self.domain {
            Some(domain) => Value::Int(rng.random_range(1..=domain as i64)),
            None => Value::Int(self.written),
        }
    }

    fn place(&self, key: Option<Key>) -> usize {
        key.and_then(|key| self.places.get(&key)).copied().unwrap_or(0)
    }

    /// A value that was there and is there no more, and one that nobody writes.
    fn script(
        &mut self,
        name: &str,
        on: impl Fn(F, Value) -> Op,
        answer: impl Fn(Value) -> Value,
    ) -> Vec<Step> {
        let (one, two) = (self.written + 1, self.written + 2);
        self.written += 2;
        // Of a small domain no value is stale for ever.
        let shown = if name == "stale-read" && self.domain.is_none() { one } else { i64::MAX };
        self.holds[0] = Value::Int(two);
        let mut steps = Vec::new();
        for value in [one, two] {
            steps.push(Step::Invoke(0, on(self.write, Value::Int(value))));
            steps.push(Step::Ok(0, answer(Value::Int(value))));
        }
        steps.push(Step::Invoke(1, on(self.read, Value::Nil)));
        steps.push(Step::Ok(1, answer(Value::Int(shown))));
        steps
    }
}

impl System for Registers {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        let place = rng.random_range(0..self.keys.len());
        let key = Some(self.keys[place]);
        let dice = rng.random_range(0..100u32);
        if dice < self.cas_percent {
            let pair = [self.holds[place].clone(), self.fresh(rng)];
            return Op { f: self.cas, key, value: Value::List(pair.into()) };
        }
        if dice < self.cas_percent + (100 - self.cas_percent) / 2 {
            return Op { f: self.read, key, value: Value::Nil };
        }
        Op { f: self.write, key, value: self.fresh(rng) }
    }

    fn apply(&mut self, _: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        let place = self.place(op.key);
        match &op.value {
            Value::Nil => ok(self.holds[place].clone()),
            Value::List(pair) if pair[0] != self.holds[place] => {
                Outcome::Fail(Reason::new(Code::Mismatch, "another value"))
            }
            Value::List(pair) => {
                self.holds[place] = pair[1].clone();
                ok(op.value.clone())
            }
            value => {
                self.holds[place] = value.clone();
                ok(value.clone())
            }
        }
    }

    fn violate(&mut self, name: &str) -> Vec<Step> {
        let key = Some(self.keys[0]);
        self.script(name, |f, value| Op { f, key, value }, |value| value)
    }

    fn finish(&mut self) -> Vec<Op> {
        let read = |key: &Key| Op { f: self.read, key: Some(*key), value: Value::Nil };
        self.keys.iter().map(read).collect()
    }
}

/// Several registers, read and written at one instant.
struct Several {
    of: Registers,
    length: usize,
}

fn txn(mops: Vec<Mop>) -> Op {
    Op { f: F::new("txn"), key: None, value: Value::Mops(mops.into()) }
}

impl System for Several {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        let count = rng.random_range(1..=self.length);
        let mut mops: Vec<Mop> = Vec::with_capacity(count);
        let writes = rng.random_ratio(1, 2);
        for _ in 0..count {
            let key = self.of.keys[rng.random_range(0..self.of.keys.len())];
            if mops.iter().any(|mop| mop.key == key) {
                continue;
            }
            let (kind, value) = if writes {
                (MopKind::Write, self.of.fresh(rng))
            } else {
                (MopKind::Read, Value::Nil)
            };
            mops.push(Mop { kind, key, value });
        }
        txn(mops)
    }

    fn apply(&mut self, _: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        let Value::Mops(mops) = &op.value else { return ok(Value::Nil) };
        let mut done = mops.clone();
        for mop in &mut done {
            let place = self.of.place(Some(mop.key));
            match mop.kind {
                MopKind::Read => mop.value = self.of.holds[place].clone(),
                _ => self.of.holds[place] = mop.value.clone(),
            }
        }
        ok(Value::Mops(done))
    }

    fn violate(&mut self, name: &str) -> Vec<Step> {
        let (key, read) = (self.of.keys[0], self.of.read);
        let one = |f: F, value: Value| {
            let kind = if f == read { MopKind::Read } else { MopKind::Write };
            Mop { kind, key, value }
        };
        let steps = self.of.script(name, |f, value| txn(vec![one(f, value)]), |value| value);
        // Answers to transactions repeat what was asked.
        let mut asked: Vec<Mop> = Vec::new();
        let answer = |step| match step {
            Step::Invoke(process, op) => {
                if let Value::Mops(mops) = &op.value {
                    asked = mops.to_vec();
                }
                Step::Invoke(process, op)
            }
            Step::Ok(process, value) => {
                let done = asked.iter().map(|mop| Mop { value: value.clone(), ..mop.clone() });
                Step::Ok(process, Value::Mops(done.collect()))
            }
            refused @ Step::Fail(_) => refused,
        };
        steps.into_iter().map(answer).collect()
    }
}

/// Texts, each as long as what was appended since the last put.
struct Texts {
    keys: Vec<Key>,
    holds: Vec<String>,
    written: u64,
}

impl Texts {
    fn new(synth: &Synth) -> Self {
        let keys = (0..synth.keys).map(|key| Key::new(&key.to_string()));
        Self { keys: keys.collect(), holds: vec![String::new(); synth.keys], written: 0 }
    }
}

/// A text longer than this is put anew, so that histories stay linear in their length.
const TEXT_MAX: usize = 200;

impl System for Texts {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        let place = rng.random_range(0..self.keys.len());
        let key = self.keys[place].as_str();
        if rng.random_ratio(1, 2) {
            return Op::new("get", Some(key), Value::Nil);
        }
        self.written += 1;
        let text = Value::Text(format!("{};", self.written).into());
        let f = if self.holds[place].len() > TEXT_MAX { "put" } else { "append" };
        Op::new(f, Some(key), text)
    }

    fn apply(&mut self, _: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        let place = self.keys.iter().position(|key| Some(*key) == op.key).unwrap_or(0);
        let holds = &mut self.holds[place];
        match (op.f.as_str(), &op.value) {
            ("put", Value::Text(text)) => *holds = text.to_string(),
            ("append", Value::Text(text)) => holds.push_str(text),
            _ => return ok(Value::Text(holds.as_str().into())),
        }
        ok(op.value.clone())
    }

    fn violate(&mut self, _: &str) -> Vec<Step> {
        let key = Some(self.keys[0].as_str());
        let text = |text: &str| Value::Text(text.into());
        self.holds[0] = "second;".into();
        vec![
            Step::Invoke(0, Op::new("put", key, text("first;"))),
            Step::Ok(0, text("first;")),
            Step::Invoke(0, Op::new("put", key, text("second;"))),
            Step::Ok(0, text("second;")),
            Step::Invoke(1, Op::new("get", key, Value::Nil)),
            Step::Ok(1, text("first;")),
        ]
    }
}
