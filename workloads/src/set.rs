//! Sets: add an element, read the whole.

use schism_checkers::Claim;
use schism_history::{F, Key, Op, OptionError, Value};

use crate::generator::{Always, EachKey, FinalReads, KeyWindow, KeysOpened, Make, Mix};
use crate::{Context, Expect, Generator, Step, Workload, WorkloadEntry, options};

/// The row of this workload.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "set",
    summary: "adds unique elements to sets, and reads the sets as wholes",
    operations: &["add", "read-set"],
    claims: &[
        Claim::NoLostElements,
        Claim::NoStaleReads,
        Claim::NoDuplicates,
        Claim::NoUnexpectedElements,
        Claim::AcknowledgedWritesSurvive,
        Claim::Recovers,
        Claim::Availability,
    ],
    options: &[
        ("keys", "how many sets are live at once; default 2"),
        ("mix", "weights of add and read; default { add: 2, read: 1 }; one left out is 0"),
        (
            "operations_per_key",
            "after so many operations a set is retired and an empty one takes its place; \
             default 1000, since every read returns the whole set",
        ),
    ],
    construct,
};

/// Elements are numbered anew in each set, so each is added at most once.
///
/// The function of a read is `read-set`, not `read`: a client can then tell from the function alone
/// whether a register or a set is asked for.
#[derive(Debug)]
struct Set {
    keys: u32,
    /// Of add and read.
    weights: [u32; 2],
    operations_per_key: u64,
    opened: KeysOpened,
}

fn construct(given: &serde_json::Value) -> Result<Box<dyn Workload>, OptionError> {
    let given = options::read(given, ENTRY.options)?;
    Ok(Box::new(Set {
        keys: options::keys(&given, 2)?,
        weights: options::mix(&given, ["add", "read"], [2, 1])?,
        operations_per_key: given.count("operations_per_key", 1..=1_000_000_000)?.unwrap_or(1000),
        opened: KeysOpened::default(),
    }))
}

impl Workload for Set {
    fn load(&self) -> Box<dyn Generator> {
        let window = KeyWindow::new(self.keys, Some(self.operations_per_key), self.opened.clone());
        let [adds, reads] = self.weights;
        Box::new(EachKey::new(window, move |key| {
            let mut element = 0;
            let add = Make(move |_: &mut Context<'_>| {
                element += 1;
                Op { f: F::new("add"), key: Some(key), value: Value::Int(element) }
            });
            Box::new(Mix::new(vec![
                (adds, Box::new(add) as Box<dyn Generator>),
                (reads, Box::new(Always(read(key)))),
            ]))
        }))
    }

    fn final_reads(&self) -> Box<dyn Generator> {
        Box::new(FinalReads::of_keys(self.opened.clone(), read))
    }

    /// Two sets of one element each: a set has no order, so that the reply of a healthy system is
    /// known exactly only up to one element, and a client whose replies are constant fails at the
    /// second.
    fn preflight(&self, token: u32) -> Vec<Step> {
        let steps = |name: &str, element: i64| {
            let key = format!("preflight-{token}{name}");
            let whole = Value::List([Value::Int(element)].into());
            let add = Op::new("add", Some(&key), Value::Int(element));
            let read = Op::new("read-set", Some(&key), Value::Nil);
            [Step { op: add, expect: Expect::Ok }, Step { op: read, expect: Expect::Value(whole) }]
        };
        [steps("", 1), steps("-second", 2)].concat()
    }

    fn initial(&self) -> Value {
        Value::List([].into())
    }
}

fn read(key: Key) -> Op {
    Op { f: F::new("read-set"), key: Some(key), value: Value::Nil }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::generator::driver::Driver;

    fn ops(options: &serde_json::Value, threads: u32, seed: u64, count: usize) -> Vec<Op> {
        let workload = construct(options).expect("options are right");
        Driver::new(threads, seed).ops(&mut *workload.load(), count)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn adds_every_element_once(
            seed: u64, threads in 1..12u32, keys in 1..6, per_key in 1..200u64, add in 1..4, read in 0..4,
        ) {
            let options = json!({
                "keys": keys, "mix": { "add": add, "read": read }, "operations_per_key": per_key,
            });
            let mut added = BTreeSet::new();
            let mut uses: BTreeMap<Key, u64> = BTreeMap::new();
            for op in ops(&options, threads, seed, 300) {
                let key = op.key.expect("a key");
                *uses.entry(key).or_default() += 1;
                if let Value::Int(element) = op.value {
                    prop_assert_eq!(op.f.as_str(), "add");
                    prop_assert!(added.insert((key, element)));
                }
            }
            prop_assert!(uses.values().all(|&count| count <= per_key));
        }
    }

    #[test]
    fn respects_the_weights() {
        let ops = ops(&json!({ "mix": { "add": 1, "read": 3 } }), 5, 7, 4000);
        let reads = ops.iter().filter(|op| op.f.as_str() == "read-set").count();
        assert!((2880..3120).contains(&reads), "{reads} reads");
    }
}
