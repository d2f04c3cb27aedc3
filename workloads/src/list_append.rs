//! Transactions that append to lists and read them.

use rand::RngExt;
use schism_checkers::Claim;
use schism_history::{F, Key, Mop, MopKind, Op, OptionError, Value};

use crate::generator::{FinalReads, KeyWindow, KeysOpened};
use crate::{Context, Expect, Generator, Next, Step, Workload, WorkloadEntry, options};

/// The row of this workload.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "list-append",
    summary: "transactions that append unique elements to lists and read whole lists",
    operations: &["txn", "append"],
    claims: &[
        Claim::ReadUncommitted,
        Claim::ReadCommitted,
        Claim::SnapshotIsolation,
        Claim::Serializable,
        Claim::StrictSerializable,
        Claim::AcknowledgedWritesSurvive,
        Claim::Recovers,
        Claim::Availability,
    ],
    options: &[
        ("keys", "how many lists are live at once; default 8"),
        ("length", "the most micro-operations in one transaction; default 4"),
        ("mix", "weights of read and append; default { read: 1, append: 1 }; one left out is 0"),
        (
            "appends_per_key",
            "after so many appends a list is retired and an empty one takes its place; default 128, \
             since every read returns the whole list",
        ),
    ],
    construct,
};

/// Lists show the order of their versions: whoever reads one sees every append before it (Kingsbury
/// and Alvaro 2020, section 3). Elements are numbered anew in each list, so each is appended once.
#[derive(Debug)]
struct ListAppend {
    keys: u32,
    length: u32,
    /// Of read and append.
    weights: [u32; 2],
    appends_per_key: u64,
    opened: KeysOpened,
}

fn construct(given: &serde_json::Value) -> Result<Box<dyn Workload>, OptionError> {
    let given = options::read(given, ENTRY.options)?;
    Ok(Box::new(ListAppend {
        keys: options::keys(&given, 8)?,
        length: given.count("length", 1..=1000)?.map_or(4, |length| length as u32),
        weights: options::mix(&given, ["read", "append"], [1, 1])?,
        appends_per_key: given.count("appends_per_key", 1..=1_000_000_000)?.unwrap_or(128),
        opened: KeysOpened::default(),
    }))
}

impl Workload for ListAppend {
    fn load(&self) -> Box<dyn Generator> {
        let appends = Some(self.appends_per_key);
        Box::new(Transactions {
            f: F::new("txn"),
            window: KeyWindow::new(self.keys, appends, self.opened.clone()),
            length: self.length,
            weights: self.weights,
        })
    }

    fn final_reads(&self) -> Box<dyn Generator> {
        Box::new(FinalReads::of_keys(self.opened.clone(), |key| {
            transaction(F::new("txn"), [Mop { kind: MopKind::Read, key, value: Value::Nil }])
        }))
    }

    fn preflight(&self, token: u32) -> Vec<Step> {
        let key = Key::new(&format!("preflight-{token}"));
        let append = |element| Mop { kind: MopKind::Append, key, value: Value::Int(element) };
        let read = |value| Mop { kind: MopKind::Read, key, value };
        let list = |elements: &[i64]| {
            Value::List(elements.iter().map(|&element| Value::Int(element)).collect())
        };
        let f = F::new("txn");
        let step = |op, reply: Op| Step { op, expect: Expect::Value(reply.value) };
        vec![
            step(
                transaction(f, [append(1), read(Value::Nil), append(2)]),
                transaction(f, [append(1), read(list(&[1])), append(2)]),
            ),
            step(
                transaction(f, [read(Value::Nil), append(3)]),
                transaction(f, [read(list(&[1, 2])), append(3)]),
            ),
            step(transaction(f, [read(Value::Nil)]), transaction(f, [read(list(&[1, 2, 3]))])),
        ]
    }

    /// A list that was never appended to. Clients may give it as nil or as an empty list.
    fn initial(&self) -> Value {
        Value::Nil
    }
}

/// Transactions of one to `length` micro-operations, without end.
struct Transactions {
    f: F,
    window: KeyWindow,
    length: u32,
    weights: [u32; 2],
}

impl Transactions {
    fn mop(&mut self, context: &mut Context<'_>) -> Mop {
        let slot = self.window.draw(context.rng);
        let key = self.window.key(slot);
        let [reads, appends] = self.weights;
        if context.rng.random_range(0..reads + appends) < reads {
            return Mop { kind: MopKind::Read, key, value: Value::Nil };
        }
        // The window counts the appends of each key, so that the count makes a unique element.
        let element = self.window.uses(slot) as i64 + 1;
        self.window.used(slot);
        Mop { kind: MopKind::Append, key, value: Value::Int(element) }
    }
}

impl Generator for Transactions {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        let length = context.rng.random_range(1..=self.length);
        let mops: Box<[Mop]> = (0..length).map(|_| self.mop(context)).collect();
        Next::Op(transaction(self.f, mops))
    }
}

fn transaction(f: F, mops: impl Into<Box<[Mop]>>) -> Op {
    Op { f, key: None, value: Value::Mops(mops.into()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::generator::driver::Driver;

    fn mops(options: &serde_json::Value, seed: u64, count: usize) -> Vec<Box<[Mop]>> {
        let workload = construct(options).expect("options are right");
        let ops = Driver::new(5, seed).ops(&mut *workload.load(), count);
        ops.into_iter()
            .map(|op| match op.value {
                Value::Mops(mops) => mops,
                other => panic!("{other:?} is no transaction"),
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn appends_every_element_once(
            seed: u64, keys in 1..6, length in 1..9usize, per_key in 1..50i64, read in 0..3, append in 1..3,
        ) {
            let options = json!({
                "keys": keys, "length": length, "mix": { "read": read, "append": append },
                "appends_per_key": per_key,
            });
            let mut last: BTreeMap<Key, i64> = BTreeMap::new();
            for mops in mops(&options, seed, 200) {
                prop_assert!((1..=length).contains(&mops.len()));
                for mop in mops {
                    let Value::Int(element) = mop.value else { continue };
                    let last = last.entry(mop.key).or_default();
                    prop_assert_eq!(element, *last + 1);
                    prop_assert!(element <= per_key);
                    *last = element;
                }
            }
        }
    }

    #[test]
    fn respects_the_weights_and_uses_all_lengths() {
        let transactions =
            mops(&json!({ "length": 3, "mix": { "read": 3, "append": 1 } }), 7, 3000);
        let of_length = |length| transactions.iter().filter(|mops| mops.len() == length).count();
        assert!((1..=3).all(|length| (920..1080).contains(&of_length(length))));
        let all: Vec<&Mop> = transactions.iter().flatten().collect();
        let reads = all.iter().filter(|mop| mop.kind == MopKind::Read).count();
        assert!((0.72..0.78).contains(&(reads as f64 / all.len() as f64)));
    }
}
