//! Counters: increment by an amount, read the sum.

use rand::RngExt;
use schism_checkers::Claim;
use schism_history::{F, Key, Op, OptionError, Value};

use crate::generator::{Always, EachKey, FinalReads, KeyWindow, KeysOpened, Make, Mix};
use crate::{Context, Expect, Generator, Step, Workload, WorkloadEntry, options};

/// The row of this workload.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "counter",
    summary: "increments counters by small amounts, and reads their sums",
    operations: &["increment", "read"],
    claims: &[Claim::CounterBounds, Claim::Recovers, Claim::Availability],
    options: &[
        ("keys", "how many counters are live at once; default 4"),
        (
            "mix",
            "weights of increment and read; default { increment: 2, read: 1 }; one left out is 0",
        ),
        (
            "operations_per_key",
            "after so many operations a counter is retired and a fresh one takes its place; \
             default: never",
        ),
    ],
    construct,
};

/// Increments are by at most this: what is missing from a sum then tells a little about which ones
/// were lost.
const AMOUNT_MAX: i64 = 9;

/// The function of an increment is `increment`, not `add`: a client can then tell from the function
/// alone whether a counter or a set is meant.
#[derive(Debug)]
struct Counter {
    keys: u32,
    /// Of increment and read.
    weights: [u32; 2],
    operations_per_key: Option<u64>,
    opened: KeysOpened,
}

fn construct(given: &serde_json::Value) -> Result<Box<dyn Workload>, OptionError> {
    let given = options::read(given, ENTRY.options)?;
    Ok(Box::new(Counter {
        keys: options::keys(&given, 4)?,
        weights: options::mix(&given, ["increment", "read"], [2, 1])?,
        operations_per_key: given.count("operations_per_key", 1..=1_000_000_000)?,
        opened: KeysOpened::default(),
    }))
}

impl Workload for Counter {
    fn load(&self) -> Box<dyn Generator> {
        let window = KeyWindow::new(self.keys, self.operations_per_key, self.opened.clone());
        let [increments, reads] = self.weights;
        Box::new(EachKey::new(window, move |key| {
            let increment = Make(move |context: &mut Context<'_>| {
                increment(key, context.rng.random_range(1..=AMOUNT_MAX))
            });
            Box::new(Mix::new(vec![
                (increments, Box::new(increment) as Box<dyn Generator>),
                (reads, Box::new(Always(read(key)))),
            ]))
        }))
    }

    fn final_reads(&self) -> Box<dyn Generator> {
        Box::new(FinalReads::of_keys(self.opened.clone(), read))
    }

    fn preflight(&self, token: u32) -> Vec<Step> {
        let key = Key::new(&format!("preflight-{token}"));
        let add = |amount| Step { op: increment(key, amount), expect: Expect::Ok };
        let sum = |sum| Step { op: read(key), expect: Expect::Value(Value::Int(sum)) };
        vec![add(2), sum(2), add(3), sum(5)]
    }

    /// A counter that was never incremented reads as nil, which counts as 0.
    fn initial(&self) -> Value {
        Value::Nil
    }
}

fn increment(key: Key, amount: i64) -> Op {
    Op { f: F::new("increment"), key: Some(key), value: Value::Int(amount) }
}

fn read(key: Key) -> Op {
    Op { f: F::new("read"), key: Some(key), value: Value::Nil }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schism_checkers::{Asked, Budget, CHECKERS, Question, Validity};
    use schism_history::{History, Outcome, Reply};
    use serde_json::json;

    use super::*;
    use crate::generator::driver::Driver;

    /// What the checker of counters says of a load whose system forgets every so-manieth increment.
    fn judged(forgets: Option<usize>) -> Validity {
        let workload = construct(&json!(null)).expect("no options");
        let mut driver = Driver::new(5, 7);
        let (mut sums, mut asked) = (BTreeMap::<Key, i64>::new(), 0);
        driver.answer = Box::new(move |op| {
            let sum = sums.entry(op.key.expect("a key")).or_default();
            asked += 1;
            let value = match op.value {
                Value::Int(_) if forgets.is_some_and(|every| asked % every == 0) => {
                    op.value.clone()
                }
                Value::Int(amount) => {
                    *sum += amount;
                    op.value.clone()
                }
                _ if *sum == 0 => Value::Nil,
                _ => Value::Int(*sum),
            };
            Outcome::Ok(Reply { value, version: None })
        });
        let events = driver.events(&mut *workload.load(), 600);
        let history = History::from_events(events).expect("a history");
        let mut question = Question::new(ENTRY.name, vec![Asked::new(Claim::CounterBounds)]);
        question.initial = workload.initial();
        let checker = CHECKERS.iter().find(|checker| checker.name == "counter").expect("a row");
        checker.check(&question, &history, &Budget::default())[0].validity
    }

    #[test]
    fn tells_a_counter_that_forgets_from_one_that_counts() {
        assert_eq!(judged(None), Validity::Valid);
        assert_eq!(judged(Some(40)), Validity::Invalid);
    }

    #[test]
    fn respects_the_weights() {
        let workload =
            construct(&json!({ "mix": { "increment": 1, "read": 3 } })).expect("options");
        let ops = Driver::new(5, 7).ops(&mut *workload.load(), 4000);
        let reads = ops.iter().filter(|op| op.f.as_str() == "read").count();
        assert!((2880..3120).contains(&reads), "{reads} reads");
    }
}
