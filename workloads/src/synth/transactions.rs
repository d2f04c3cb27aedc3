//! Transactions on lists and on registers, and sessions that see each other late.

use std::collections::VecDeque;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;
use schism_history::{Code, F, Key, Mop, MopKind, Op, Outcome, Reason, Reply, Value};

use super::{Step, Synth, SynthEntry, System};

/// Transactions that append to lists and read them, as Elle's generator makes them: of a list that
/// has been appended to often enough another takes the place.
pub(super) const LIST_APPEND: SynthEntry = SynthEntry {
    name: "list-append",
    violations: &[
        ("aborted-read", "read-committed"),
        ("intermediate-read", "read-committed"),
        ("lost-update", "snapshot-isolation"),
        ("write-skew", "serializable"),
        ("stale-read", "strict-serializable"),
    ],
    construct: |synth| Box::new(Transactions::new(synth, MopKind::Append)),
};

/// Transactions that write and read registers, which take each other's places likewise.
pub(super) const RW_REGISTER: SynthEntry = SynthEntry {
    name: "rw-register",
    violations: &[
        ("aborted-read", "read-committed"),
        ("intermediate-read", "read-committed"),
        ("lost-update", "snapshot-isolation"),
        ("write-skew", "serializable"),
        ("stale-read", "strict-serializable"),
    ],
    construct: |synth| Box::new(Transactions::new(synth, MopKind::Write)),
};

/// Sessions of which only the order within each is known; transactions of a fixed length.
pub(super) const WEAK_ISOLATION: SynthEntry = SynthEntry {
    name: "weak-isolation",
    violations: &[
        ("aborted-read", "read-committed"),
        ("fractured-read", "read-atomic"),
        ("causal-violation", "causal"),
    ],
    construct: |synth| {
        Box::new(Transactions { exact: true, ..Transactions::new(synth, MopKind::Write) })
    },
};

/// One transaction in so many is refused.
const REFUSED: u32 = 50;
/// After so many writes another key takes a key's place.
const WRITES_MAX: usize = 64;

struct Transactions {
    /// What a write does: append or replace.
    write: MopKind,
    /// The keys in use, and how often each was written.
    keys: Vec<Key>,
    writes: Vec<usize>,
    /// Values, by key: the last one of a register, all of a list.
    holds: FxHashMap<Key, Vec<Value>>,
    /// Keys that are in use no more, the latest last.
    retired: VecDeque<Key>,
    made: usize,
    length: usize,
    exact: bool,
    written: i64,
    txn: F,
}

impl Transactions {
    fn new(synth: &Synth, write: MopKind) -> Self {
        let keys: Vec<Key> = (0..synth.keys).map(|key| Key::new(&key.to_string())).collect();
        Self {
            write,
            made: keys.len(),
            writes: vec![0; keys.len()],
            keys,
            holds: FxHashMap::default(),
            retired: VecDeque::new(),
            length: synth.length,
            exact: false,
            written: 0,
            txn: F::new("txn"),
        }
    }

    fn fresh(&mut self) -> Value {
        self.written += 1;
        Value::Int(self.written)
    }

    fn op(&self, mops: Vec<Mop>) -> Op {
        Op { f: self.txn, key: None, value: Value::Mops(mops.into()) }
    }

    fn shown(&self, key: Key) -> Value {
        let values = self.holds.get(&key).map_or(&[][..], Vec::as_slice);
        match self.write {
            MopKind::Append => Value::List(values.into()),
            _ => values.last().cloned().unwrap_or_default(),
        }
    }

    fn put(&mut self, key: Key, value: Value) {
        let values = self.holds.entry(key).or_default();
        if self.write != MopKind::Append {
            values.clear();
        }
        values.push(value);
    }

    /// A key that nobody else uses.
    fn own_key(&mut self) -> Key {
        self.made += 1;
        Key::new(&(self.made - 1).to_string())
    }

    fn does(&mut self, mops: &[Mop]) -> Value {
        let done = mops.iter().map(|mop| {
            if mop.kind == MopKind::Read {
                return Mop { value: self.shown(mop.key), ..mop.clone() };
            }
            self.put(mop.key, mop.value.clone());
            mop.clone()
        });
        Value::Mops(done.collect())
    }

    fn read(key: Key, value: Value) -> Mop {
        Mop { kind: MopKind::Read, key, value }
    }

    fn writes(&self, key: Key, value: &Value) -> Mop {
        Mop { kind: self.write, key, value: value.clone() }
    }

    /// The value of a read that shows these writes.
    fn of(&self, values: &[&Value]) -> Value {
        match self.write {
            MopKind::Append => Value::List(values.iter().map(|value| (*value).clone()).collect()),
            _ => values.last().map_or(Value::Nil, |value| (*value).clone()),
        }
    }

    /// One transaction of a script: its invocation, and its answer.
    fn alone(&self, process: u32, mops: Vec<Mop>) -> [Step; 2] {
        let asked = mops.iter().map(|mop| match mop.kind {
            MopKind::Read => Self::read(mop.key, Value::Nil),
            _ => mop.clone(),
        });
        [
            Step::Invoke(process, self.op(asked.collect())),
            Step::Ok(process, Value::Mops(mops.into())),
        ]
    }
}

impl System for Transactions {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        let count = if self.exact { self.length } else { rng.random_range(1..=self.length) };
        let mut mops = Vec::with_capacity(count);
        for _ in 0..count {
            let place = rng.random_range(0..self.keys.len());
            if !self.exact && self.writes[place] >= WRITES_MAX {
                let next = self.own_key();
                self.writes[place] = 0;
                self.retired.push_back(std::mem::replace(&mut self.keys[place], next));
                // Those who still read it do so soon.
                if self.retired.len() > 1_000 {
                    self.retired.pop_front();
                }
            }
            let key = self.keys[place];
            let read = rng.random_ratio(1, 2);
            self.writes[place] += usize::from(!read);
            mops.push(if read {
                Self::read(key, Value::Nil)
            } else {
                Mop { kind: self.write, key, value: self.fresh() }
            });
        }
        self.op(mops)
    }

    fn apply(&mut self, _: usize, op: &Op, rng: &mut ChaCha8Rng) -> Outcome {
        if !self.exact && rng.random_ratio(1, REFUSED) {
            return Outcome::Fail(Reason::new(Code::Unavailable, "aborted"));
        }
        let Value::Mops(mops) = &op.value else { unreachable!("every operation is one") };
        Outcome::Ok(Reply { value: self.does(mops), version: None })
    }

    /// Every script uses keys of its own, so that it fits whatever else goes on.
    fn violate(&mut self, name: &str) -> Vec<Step> {
        let (x, y) = (self.own_key(), self.own_key());
        let [one, two, three] = [self.fresh(), self.fresh(), self.fresh()];
        let none = self.of(&[]);
        let mut steps: Vec<Step> = Vec::new();
        match name {
            "aborted-read" => {
                steps.push(Step::Invoke(0, self.op(vec![self.writes(x, &one)])));
                steps.push(Step::Fail(0));
                steps.extend(self.alone(1, vec![Self::read(x, self.of(&[&one]))]));
            }
            "intermediate-read" => {
                let [begin, end] = self.alone(0, vec![self.writes(x, &one), self.writes(x, &two)]);
                steps.push(begin);
                steps.extend(self.alone(1, vec![Self::read(x, self.of(&[&one]))]));
                steps.push(end);
            }
            "lost-update" => {
                steps.extend(self.alone(0, vec![self.writes(x, &one)]));
                let seen = self.of(&[&one]);
                let first = vec![Self::read(x, seen.clone()), self.writes(x, &two)];
                let [begin, end] = self.alone(1, first);
                let other = vec![Self::read(x, seen), self.writes(x, &three)];
                let [other_begin, other_end] = self.alone(2, other);
                steps.extend([begin, other_begin, end, other_end]);
                steps.extend(self.alone(3, vec![Self::read(x, self.of(&[&one, &two, &three]))]));
            }
            "write-skew" => {
                let [begin, end] =
                    self.alone(0, vec![Self::read(x, none.clone()), self.writes(y, &one)]);
                let [other_begin, other_end] =
                    self.alone(1, vec![Self::read(y, none), self.writes(x, &two)]);
                steps.extend([begin, other_begin, end, other_end]);
                let last = vec![Self::read(x, self.of(&[&two])), Self::read(y, self.of(&[&one]))];
                steps.extend(self.alone(2, last));
            }
            "stale-read" => {
                steps.extend(self.alone(0, vec![self.writes(x, &one)]));
                steps.extend(self.alone(1, vec![Self::read(x, none)]));
                steps.extend(self.alone(2, vec![Self::read(x, self.of(&[&one]))]));
            }
            "fractured-read" => {
                steps.extend(self.alone(0, vec![self.writes(x, &one), self.writes(y, &two)]));
                let more = self.fresh();
                steps.extend(self.alone(0, vec![self.writes(x, &three), self.writes(y, &more)]));
                let torn = vec![Self::read(x, three), Self::read(y, two)];
                steps.extend(self.alone(1, torn));
            }
            // Two sessions: y follows x, which whoever sees y must see.
            _ => {
                steps.extend(self.alone(0, vec![self.writes(x, &one)]));
                steps.extend(self.alone(0, vec![self.writes(x, &two)]));
                steps.extend(self.alone(0, vec![self.writes(y, &three)]));
                steps.extend(self.alone(1, vec![Self::read(y, three)]));
                steps.extend(self.alone(1, vec![Self::read(x, one)]));
            }
        }
        steps
    }

    fn finish(&mut self) -> Vec<Op> {
        if self.exact {
            return Vec::new();
        }
        let keys = self.keys.iter().chain(&self.retired);
        keys.map(|key| self.op(vec![Self::read(*key, Value::Nil)])).collect()
    }
}
