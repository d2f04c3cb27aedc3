//! What holds of every row of the table, tested over all of them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use schism_history::{Event, Kind, MopKind, Op, Value};
use serde_json::json;

use crate::generator::driver::Driver;
use crate::{WORKLOADS, Workload, WorkloadEntry};

fn default(entry: &WorkloadEntry) -> Box<dyn Workload> {
    (entry.construct)(&json!(null)).expect("a workload needs no options")
}

/// A workload that does all that it can, where some of that has to be asked for.
fn everything(entry: &WorkloadEntry) -> Box<dyn Workload> {
    let options = match entry.name {
        "log" => json!({
            "mix": { "send": 1, "poll": 1, "txn": 1 }, "read": "both", "crash": "100ms", "reassign": "50ms",
        }),
        _ => json!(null),
    };
    (entry.construct)(&options).expect("these options are right")
}

fn load(entry: &WorkloadEntry, threads: u32, seed: u64) -> Vec<Op> {
    Driver::new(threads, seed).ops(&mut *default(entry).load(), 300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_same_seed_makes_the_same_operations(seed: u64, threads in 1..9u32) {
        for entry in WORKLOADS {
            prop_assert_eq!(load(entry, threads, seed), load(entry, threads, seed));
            prop_assert_ne!(load(entry, threads, seed), load(entry, threads, seed ^ 2));
        }
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<&str> = WORKLOADS.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), WORKLOADS.len());
}

#[test]
fn only_the_named_operations_are_asked() {
    for entry in WORKLOADS {
        let workload = everything(entry);
        let mut ops = Driver::new(5, 7).ops(&mut *workload.load(), 2000);
        let mut during: BTreeSet<&str> = ops.iter().map(|op| op.f.as_str()).collect();
        // What targets may lack of transactions stands in the row, too.
        let appends = |op: &Op| match &op.value {
            Value::Mops(mops) => mops.iter().any(|mop| mop.kind == MopKind::Append),
            _ => false,
        };
        if ops.iter().any(appends) {
            during.insert("append");
        }
        assert_eq!(during, entry.operations.iter().copied().collect(), "{}", entry.name);
        ops = Driver::new(5, 7).ops(&mut *workload.final_reads(), 100_000);
        ops.extend(workload.preflight(1).into_iter().map(|step| step.op));
        assert!(ops.iter().all(|op| entry.operations.contains(&op.f.as_str())), "{}", entry.name);
    }
}

#[test]
fn final_reads_read_every_key_by_every_thread_and_end() {
    for entry in WORKLOADS {
        let workload = default(entry);
        Driver::new(5, 7).ops(&mut *workload.load(), 2000);
        let mut reads = workload.final_reads();
        let events = Driver::new(5, 7).events(&mut *reads, 100_000);
        let invoked = |event: &Event| match &event.kind {
            Kind::Invoke { op, .. } => Some((event.process, format!("{op:?}"))),
            _ => None,
        };
        let asked: Vec<_> = events.iter().filter_map(invoked).collect();
        let distinct: BTreeSet<_> = asked.iter().cloned().collect();
        let objects: BTreeSet<&String> = asked.iter().map(|(_, op)| op).collect();
        // What locks promise is about the time while they are held: there is nothing to read.
        // Nor is there anything to read of what watches were sent. Logs are read by one client each,
        // as often as that takes.
        if entry.name == "log" {
            continue;
        }
        assert!(objects.len() > 1 || ["lock", "watch"].contains(&entry.name));
        assert_eq!((asked.len(), distinct.len()), (5 * objects.len(), asked.len()));
    }
}

#[test]
fn the_load_does_not_touch_what_the_preflight_used() {
    for entry in WORKLOADS {
        let workload = default(entry);
        // A poll names no log: it is of what its process has chosen.
        let preflight = workload.preflight(41).into_iter().filter(|it| it.op.f.as_str() != "poll");
        assert!(preflight.map(|it| format!("{:?}", it.op)).all(|op| op.contains("preflight-41")));
        assert!(load(entry, 5, 7).iter().all(|op| !format!("{op:?}").contains("preflight")));
    }
}

#[test]
fn options_that_are_not_in_the_row_are_refused() {
    for entry in WORKLOADS {
        let error = (entry.construct)(&json!({ "kyes": 3 })).err().expect("a misspelt key");
        assert_eq!(error.path, ["kyes"]);
        assert!(entry.options.iter().all(|(key, _)| error.problem.contains(key)), "{error}");
        if !entry.options.iter().any(|(key, _)| *key == "mix") {
            continue;
        }
        let error = (entry.construct)(&json!({ "mix": { "reed": 1 } })).err().expect("misspelt");
        assert_eq!(error.path, ["mix", "reed"]);
        let part = if entry.name == "log" { "poll" } else { "read" };
        let error = (entry.construct)(&json!({ "mix": { part: 0 } })).err().expect("no weight");
        assert_eq!(error.path, ["mix"]);
    }
}

#[test]
fn options_of_a_wrong_type_or_range_are_refused() {
    for entry in WORKLOADS {
        for (key, _) in entry.options {
            for wrong in [json!("many"), json!(-1), json!(1.5), json!([])] {
                let given = json!({ *key: wrong });
                let error = (entry.construct)(&given).err().expect("a wrong type or range");
                assert_eq!(error.path, [*key], "{given}");
            }
        }
        let error = (entry.construct)(&json!({ "keys": 0 })).err().expect("no keys");
        assert_eq!(error.to_string(), "`keys` is 0; it must be a whole number from 1 to 100000");
    }
}
