//! Watches: some clients watch a store while the others change it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rand::RngExt;
use rustc_hash::{FxHashMap, FxHashSet};
use schism_checkers::Claim;
use schism_history::{Event, F, Key, Kind, Mop, MopKind, Op, OptionError, Outcome, Process, Value};

use crate::{Context, Expect, Generator, Next, Step, Workload, WorkloadEntry, options};

/// The row of this workload.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "watch",
    summary: "some clients watch a store, from now on or from a past revision, while others change it",
    operations: &["write", "delete", "txn", "watch"],
    claims: &[
        Claim::Ordered,
        Claim::Unique,
        Claim::Reliable,
        Claim::Atomic,
        Claim::Resumable,
        Claim::Bookmarkable,
    ],
    options: &[
        ("keys", "how many keys there are; default 6"),
        (
            "back",
            "how many revisions before the last that it saw a watch may begin, where it does not go \
             on from there; default 200",
        ),
    ],
    construct,
};

/// Of so many threads one watches, and at least the first.
const THREADS_A_WATCHER: u32 = 3;

/// A watcher goes on where its last watch ended, as clients do that want to miss nothing; or it begins
/// anew, or reads again what is past. Every value is written once, so that an event that came in the
/// place of another is told from it.
#[derive(Debug)]
struct Watch {
    keys: u32,
    back: u64,
}

fn construct(given: &serde_json::Value) -> Result<Box<dyn Workload>, OptionError> {
    let given = options::read(given, ENTRY.options)?;
    Ok(Box::new(Watch {
        keys: options::keys(&given, 6)?,
        back: given.count("back", 1..=1_000_000)?.unwrap_or(200),
    }))
}

impl Workload for Watch {
    fn load(&self) -> Box<dyn Generator> {
        Box::new(Clients {
            keys: (0..self.keys).map(|number| Key::new(&number.to_string())).collect(),
            back: self.back as i64,
            f: Functions::default(),
            value: Arc::default(),
            watching: FxHashSet::default(),
            threads: FxHashMap::default(),
            seen: FxHashMap::default(),
        })
    }

    /// None: what watches promise is about what they were sent.
    fn final_reads(&self) -> Box<dyn Generator> {
        Box::new(Nothing)
    }

    fn preflight(&self, token: u32) -> Vec<Step> {
        let (key, other) = (format!("preflight-{token}"), format!("preflight-{token}-second"));
        let step = |f, value, expect| Step { op: Op::new(f, Some(&key), value), expect };
        let write = |key: &str, value| Mop {
            kind: MopKind::Write,
            key: Key::new(key),
            value: Value::Int(value),
        };
        let mops = Value::Mops([write(&key, 2), write(&other, 3)].into());
        vec![
            step("write", Value::Int(1), Expect::Ok),
            Step { op: Op::new("txn", None, mops.clone()), expect: Expect::Value(mops) },
            step("delete", Value::Nil, Expect::Value(Value::Bool(true))),
            step("delete", Value::Nil, Expect::Value(Value::Bool(false))),
            // Nobody else touches this key, so that nothing comes but what tells how far it is.
            step("watch", Value::Nil, Expect::Ok),
        ]
    }

    fn initial(&self) -> Value {
        Value::Nil
    }
}

struct Nothing;

impl Generator for Nothing {
    fn next(&mut self, _: &mut Context<'_>) -> Next {
        Next::Done
    }
}

struct Functions {
    write: F,
    delete: F,
    txn: F,
    watch: F,
}

impl Default for Functions {
    fn default() -> Self {
        let [write, delete, txn, watch] = ["write", "delete", "txn", "watch"].map(F::new);
        Self { write, delete, txn, watch }
    }
}

struct Clients {
    keys: Vec<Key>,
    back: i64,
    f: Functions,
    /// The last value that was handed out.
    value: Arc<AtomicI64>,
    /// The processes that have a watch open.
    watching: FxHashSet<Process>,
    /// Whose process is whose thread: a retired one's successor goes on where it was.
    threads: FxHashMap<Process, u32>,
    /// The last revision that each thread's watches saw.
    seen: FxHashMap<u32, i64>,
}

impl Clients {
    fn fresh(&self) -> Value {
        Value::Int(self.value.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn key(&self, context: &mut Context<'_>) -> Key {
        self.keys[context.rng.random_range(0..self.keys.len())]
    }

    /// A watch of all keys or of one, which goes on, begins anew, or looks back.
    fn watch(&self, context: &mut Context<'_>) -> Op {
        let key = (context.rng.random_range(0..3) == 0).then(|| self.key(context));
        let kind = context.rng.random_range(0..10);
        let back = context.rng.random_range(1..=self.back);
        let value = match self.seen.get(&context.thread) {
            Some(&seen) if kind < 6 => Value::Int(seen + 1),
            Some(&seen) if kind < 8 => Value::Int((seen - back).max(1)),
            _ => Value::Nil,
        };
        Op { f: self.f.watch, key, value }
    }

    fn change(&self, context: &mut Context<'_>) -> Op {
        let key = self.key(context);
        match context.rng.random_range(0..10) {
            0 => Op { f: self.f.delete, key: Some(key), value: Value::Nil },
            1..3 => {
                let mop = |key| Mop { kind: MopKind::Write, key, value: self.fresh() };
                let mut mops = vec![mop(key)];
                let other = self.key(context);
                if other != key {
                    mops.push(mop(other));
                }
                Op { f: self.f.txn, key: None, value: Value::Mops(mops.into()) }
            }
            _ => Op { f: self.f.write, key: Some(key), value: self.fresh() },
        }
    }
}

impl Generator for Clients {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        self.threads.insert(context.process, context.thread);
        if context.thread.is_multiple_of(THREADS_A_WATCHER) {
            Next::Op(self.watch(context))
        } else {
            Next::Op(self.change(context))
        }
    }

    fn observe(&mut self, event: &Event) {
        match &event.kind {
            Kind::Invoke { op, .. } if op.f == self.f.watch => {
                self.watching.insert(event.process);
            }
            Kind::Complete(outcome) => {
                if !self.watching.remove(&event.process) {
                    return;
                }
                let Some(&thread) = self.threads.get(&event.process) else { return };
                match outcome {
                    Outcome::Ok(reply) => {
                        if let Some(last) = last(&reply.value) {
                            self.seen.insert(thread, last);
                        }
                    }
                    // It may have been refused for where it was to begin: the next one begins anew.
                    Outcome::Fail(_) | Outcome::Info(_) => {
                        self.seen.remove(&thread);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The last revision of the events that a watch was sent. What a progress notification says is not
/// relied upon: it is a claim to be tested.
fn last(responses: &Value) -> Option<i64> {
    let Value::List(responses) = responses else { return None };
    let events = responses.iter().filter_map(|response| match response {
        Value::List(events) => Some(events.iter()),
        _ => None,
    });
    let revision = |event: &Value| match event {
        Value::List(parts) => match parts.first() {
            Some(Value::Int(revision)) => Some(*revision),
            _ => None,
        },
        _ => None,
    };
    events.flatten().filter_map(revision).max()
}

#[cfg(test)]
mod tests {
    use schism_history::{Code, Reason, Reply};
    use serde_json::json;

    use super::*;
    use crate::generator::driver::Driver;

    /// The operations of three clients whose watches are answered as `answer` says.
    fn ops(answer: impl Fn() -> Outcome + 'static) -> Vec<Op> {
        let workload = construct(&json!({ "keys": 3, "back": 5 })).expect("options are right");
        let mut driver = Driver::new(3, 7);
        driver.answer = Box::new(move |op| match op.f.as_str() {
            "watch" => answer(),
            _ => Outcome::Ok(Reply { value: op.value.clone(), version: Some(9) }),
        });
        driver.ops(&mut *workload.load(), 400)
    }

    fn begins(ops: &[Op]) -> Vec<&Value> {
        let watches = ops.iter().filter(|op| op.f.as_str() == "watch");
        watches.map(|op| &op.value).collect()
    }

    #[test]
    fn a_watch_goes_on_behind_the_last_event_that_came() {
        let event = |revision| Value::List([Value::Int(revision)].into());
        let response = move |revisions: [i64; 2]| Value::List(revisions.map(event).into());
        let ops = ops(move || {
            let progress = Value::Map([(Value::Text("progress".into()), Value::Int(99))].into());
            let value = Value::List([response([40, 41]), progress].into());
            Outcome::Ok(Reply { value, version: None })
        });
        let begins = begins(&ops);
        assert_eq!(begins[0], &Value::Nil, "nothing was seen before");
        assert!(begins.contains(&&Value::Int(42)));
        let looks_back = |value: &&&Value| matches!(value, Value::Int(36..=40));
        assert!(begins.iter().any(|value| looks_back(&value)));
        let known = |value: &&&Value| matches!(value, Value::Nil | Value::Int(36..=42));
        assert!(begins.iter().all(|value| known(&value)), "{begins:?}");
    }

    #[test]
    fn a_watch_that_was_refused_is_not_asked_for_again() {
        let ops = ops(|| Outcome::Fail(Reason::new(Code::Other, "compacted")));
        assert!(begins(&ops).iter().all(|value| **value == Value::Nil));
    }

    #[test]
    fn every_value_is_written_once() {
        let mut values = Vec::new();
        for op in ops(|| Outcome::Ok(Reply::default())) {
            match op.value {
                Value::Int(value) if op.f.as_str() == "write" => values.push(value),
                Value::Mops(mops) => values.extend(mops.iter().map(|mop| match mop.value {
                    Value::Int(value) => value,
                    ref other => panic!("{other}"),
                })),
                _ => {}
            }
        }
        let count = values.len();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), count);
    }
}
