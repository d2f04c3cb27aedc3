//! Registers: read, write and compare-and-set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustc_hash::FxHashMap;
use schism_checkers::Claim;
use schism_history::{Event, F, Key, Kind, Op, OptionError, Outcome, Process, Value};

use crate::generator::{Always, EachKey, FinalReads, KeyWindow, KeysOpened, Make, Mix};
use crate::{Context, Expect, Generator, Next, Step, Workload, WorkloadEntry, options};

/// The row of this workload.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "register",
    summary: "reads, writes and compare-and-sets of many registers, with unique values",
    operations: &["read", "write", "cas"],
    claims: &[
        Claim::Linearizable,
        Claim::Sequential,
        Claim::Causal,
        Claim::Pram,
        Claim::ReadYourWrites,
        Claim::MonotonicReads,
        Claim::MonotonicWrites,
        Claim::WritesFollowReads,
        Claim::BoundedStaleness,
        Claim::EventualConvergence,
        Claim::AcknowledgedWritesSurvive,
        Claim::Recovers,
        Claim::Availability,
    ],
    options: &[
        ("keys", "how many registers are live at once; default 8"),
        (
            "mix",
            "weights of read, write and cas; default { read: 2, write: 1, cas: 1 }; one left out is 0",
        ),
        (
            "operations_per_key",
            "after so many operations a register is retired and a fresh one takes its place; \
             default: never",
        ),
    ],
    construct,
};

/// Every value is written once in the whole run, and a compare-and-set leads from a value that was
/// seen to one that never was, so that linearizability costs a sort instead of a search.
#[derive(Debug)]
struct Register {
    keys: u32,
    /// Of read, write and cas.
    weights: [u32; 3],
    operations_per_key: Option<u64>,
    opened: KeysOpened,
}

fn construct(given: &serde_json::Value) -> Result<Box<dyn Workload>, OptionError> {
    let given = options::read(given, ENTRY.options)?;
    Ok(Box::new(Register {
        keys: options::keys(&given, 8)?,
        weights: options::mix(&given, ["read", "write", "cas"], [2, 1, 1])?,
        operations_per_key: given.count("operations_per_key", 1..=1_000_000_000)?,
        opened: KeysOpened::default(),
    }))
}

impl Workload for Register {
    fn load(&self) -> Box<dyn Generator> {
        let window = KeyWindow::new(self.keys, self.operations_per_key, self.opened.clone());
        let [reads, writes, cas] = self.weights;
        let fresh = Fresh::default();
        Box::new(EachKey::new(window, move |key| {
            let write = fresh.clone();
            Box::new(Mix::new(vec![
                (reads, Box::new(Always(read(key))) as Box<dyn Generator>),
                (writes, Box::new(Make(move |_: &mut Context<'_>| write.write(key)))),
                (cas, Box::new(CompareAndSet::new(key, fresh.clone()))),
            ]))
        }))
    }

    fn final_reads(&self) -> Box<dyn Generator> {
        Box::new(FinalReads::of_keys(self.opened.clone(), read))
    }

    fn preflight(&self, token: u32) -> Vec<Step> {
        let key = format!("preflight-{token}");
        let step = |f, value, expect| Step { op: Op::new(f, Some(&key), value), expect };
        vec![
            step("write", Value::Int(1), Expect::Ok),
            step("read", Value::Nil, Expect::Value(Value::Int(1))),
            step("cas", pair(Value::Int(1), Value::Int(2)), Expect::Ok),
            step("read", Value::Nil, Expect::Value(Value::Int(2))),
            step("cas", pair(Value::Int(1), Value::Int(3)), Expect::Mismatch),
            step("read", Value::Nil, Expect::Value(Value::Int(2))),
        ]
    }

    fn initial(&self) -> Value {
        Value::Nil
    }
}

/// Values that were never used before in this load, shared by all its keys.
#[derive(Clone, Debug, Default)]
struct Fresh(Arc<AtomicI64>);

impl Fresh {
    fn value(&self) -> Value {
        Value::Int(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn write(&self, key: Key) -> Op {
        Op { f: F::new("write"), key: Some(key), value: self.value() }
    }
}

/// Compare-and-sets of one register, from the value last seen by any client to a fresh one. Before
/// any value was seen: writes.
struct CompareAndSet {
    key: Key,
    fresh: Fresh,
    f: Functions,
    /// The value that the last ok operation read or left behind.
    seen: Option<Value>,
    /// What the operation that each process has open leaves behind if it is ok; nil for a read,
    /// whose reply will tell.
    open: FxHashMap<Process, Value>,
}

struct Functions {
    read: F,
    write: F,
    cas: F,
}

impl CompareAndSet {
    fn new(key: Key, fresh: Fresh) -> Self {
        let f = Functions { read: F::new("read"), write: F::new("write"), cas: F::new("cas") };
        Self { key, fresh, f, seen: None, open: FxHashMap::default() }
    }

    /// What `op` leaves behind if it is ok, nil for a read; `None` if it is none of a register's
    /// operations.
    fn leaves(&self, op: &Op) -> Option<Value> {
        match &op.value {
            _ if op.f == self.f.read => Some(Value::Nil),
            value if op.f == self.f.write => Some(value.clone()),
            Value::List(pair) if op.f == self.f.cas => pair.last().cloned(),
            _ => None,
        }
    }
}

impl Generator for CompareAndSet {
    fn next(&mut self, _: &mut Context<'_>) -> Next {
        Next::Op(match &self.seen {
            Some(seen) => {
                let value = pair(seen.clone(), self.fresh.value());
                Op { f: self.f.cas, key: Some(self.key), value }
            }
            None => self.fresh.write(self.key),
        })
    }

    fn observe(&mut self, event: &Event) {
        match &event.kind {
            Kind::Invoke { op, .. } if op.key == Some(self.key) => {
                if let Some(leaves) = self.leaves(op) {
                    self.open.insert(event.process, leaves);
                }
            }
            Kind::Complete(outcome) => {
                let Some(left) = self.open.remove(&event.process) else { return };
                let Outcome::Ok(reply) = outcome else { return };
                let value = if left == Value::Nil { reply.value.clone() } else { left };
                if value != Value::Nil {
                    self.seen = Some(value);
                }
            }
            _ => {}
        }
    }
}

fn read(key: Key) -> Op {
    Op { f: F::new("read"), key: Some(key), value: Value::Nil }
}

fn pair(expected: Value, new: Value) -> Value {
    Value::List([expected, new].into())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use schism_history::{Code, Reason, Reply};
    use serde_json::json;

    use super::*;
    use crate::generator::driver::Driver;

    /// What a register answers.
    fn answer(register: &mut Value, op: &Op) -> Outcome {
        let value = match (op.f.as_str(), &op.value) {
            ("read", _) => register.clone(),
            ("cas", Value::List(pair)) if pair[0] == *register => {
                *register = pair[1].clone();
                op.value.clone()
            }
            ("cas", _) => return Outcome::Fail(Reason::new(Code::Mismatch, "another value")),
            _ => {
                *register = op.value.clone();
                op.value.clone()
            }
        };
        Outcome::Ok(Reply { value, version: None })
    }

    /// The events of a load of `count` operations, of which every thirteenth times out.
    fn load(options: &serde_json::Value, threads: u32, seed: u64, count: usize) -> Vec<Event> {
        let workload = construct(options).expect("options are right");
        let mut driver = Driver::new(threads, seed);
        let mut registers: BTreeMap<Key, Value> = BTreeMap::new();
        let mut asked = 0;
        driver.answer = Box::new(move |op| {
            asked += 1;
            let outcome = answer(registers.entry(op.key.expect("a key")).or_default(), op);
            let late = Outcome::Info(Reason::new(Code::Timeout, "late"));
            if asked % 13 == 0 { late } else { outcome }
        });
        driver.events(&mut *workload.load(), count)
    }

    /// The value that `op` brings into the world.
    fn brings(op: &Op) -> Option<&Value> {
        match (op.f.as_str(), &op.value) {
            ("write", value) => Some(value),
            ("cas", Value::List(pair)) => Some(&pair[1]),
            _ => None,
        }
    }

    /// Panics unless every value is fresh, and every compare-and-set begins at the value that was
    /// seen last.
    fn check(events: &[Event]) {
        let mut brought = BTreeSet::new();
        let mut seen: BTreeMap<Key, Value> = BTreeMap::new();
        let mut open: BTreeMap<Process, &Op> = BTreeMap::new();
        for event in events {
            match &event.kind {
                Kind::Invoke { op, .. } => {
                    open.insert(event.process, op);
                    if let Some(Value::Int(value)) = brings(op) {
                        assert!(brought.insert(*value), "{value} is brought twice");
                    }
                    if let ("cas", Value::List(pair)) = (op.f.as_str(), &op.value) {
                        assert_eq!(Some(&pair[0]), seen.get(&op.key.expect("a key")));
                    }
                }
                Kind::Complete(outcome) => {
                    let op = open.remove(&event.process).expect("a history is well-formed");
                    let Outcome::Ok(reply) = outcome else { continue };
                    let value = brings(op).unwrap_or(&reply.value).clone();
                    if value != Value::Nil {
                        seen.insert(op.key.expect("a key"), value);
                    }
                }
                Kind::Fault(_) => {}
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn writes_fresh_values_and_swaps_seen_for_fresh_ones(
            seed: u64, threads in 1..12u32, keys in 1..6, per_key in 1..200,
            rotate: bool, read in 0..3, write in 0..3, cas in 1..3,
        ) {
            let mut options =
                json!({ "keys": keys, "mix": { "read": read, "write": write, "cas": cas } });
            if rotate {
                options["operations_per_key"] = json!(per_key);
            }
            check(&load(&options, threads, seed, 400));
        }
    }

    #[test]
    fn respects_the_weights() {
        let events = load(&json!({ "mix": { "read": 6, "cas": 4 } }), 5, 7, 2000);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for event in &events {
            if let Kind::Invoke { op, .. } = &event.kind {
                *counts.entry(op.f.as_str()).or_default() += 1;
            }
        }
        assert!((1120..1280).contains(&counts["read"]), "{counts:?}");
        assert!((700..880).contains(&counts["cas"]), "{counts:?}");
        assert!(counts["write"] < 20, "only as long as nothing was seen: {counts:?}");
    }

    #[test]
    fn gives_each_key_as_many_operations_as_asked() {
        let events = load(&json!({ "keys": 2, "operations_per_key": 10 }), 5, 7, 200);
        let mut uses: BTreeMap<Key, usize> = BTreeMap::new();
        for event in &events {
            if let Kind::Invoke { op, .. } = &event.kind {
                *uses.entry(op.key.expect("a key")).or_default() += 1;
            }
        }
        assert!(uses.values().all(|&count| count <= 10));
        assert!(uses.len() >= 20);
    }

    #[test]
    fn expects_of_a_healthy_register_what_it_answers() {
        let mut register = Value::Nil;
        for step in construct(&json!(null)).expect("no options").preflight(3) {
            assert_eq!(step.op.key, Some(Key::new("preflight-3")));
            match (answer(&mut register, &step.op), step.expect) {
                (Outcome::Ok(_), Expect::Ok) => {}
                (Outcome::Ok(reply), Expect::Value(value)) => assert_eq!(reply.value, value),
                (Outcome::Fail(reason), Expect::Mismatch) => {
                    assert_eq!(reason.code, Code::Mismatch);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
