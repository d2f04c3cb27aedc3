//! What holds of every row of the table, tested over all of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schism_history::{Call, Key, Mop, MopKind, Op, Outcome, Process, Time, TraceId, Value};
use schism_lab::{Node, NodeId, Platform};
use serde_json::json;

use crate::{Cluster, TARGETS, Target, TargetEntry};

/// A target with the options that it cannot do without.
fn made(entry: &TargetEntry) -> Arc<dyn Target> {
    let options = match entry.name {
        "reference" => json!({ "protocol": "raft" }),
        _ => json!(null),
    };
    (entry.construct)(&options).expect("these options are enough")
}

/// An operation that every healthy target does, as a client would ask it first of all.
fn first(f: &str) -> Op {
    let mop = |kind, value| Mop { kind, key: Key::new("t"), value };
    match f {
        "read" | "read-set" | "acquire" | "release" | "delete" | "watch" => {
            Op::new(f, Some(f), Value::Nil)
        }
        "send" => Op::new(f, None, Value::Mops([mop(MopKind::Send, Value::Int(1))].into())),
        "poll" => Op::new(f, None, Value::Mops([mop(MopKind::Poll, Value::Nil)].into())),
        "assign" | "subscribe" => Op::new(f, None, Value::List([Value::Text("t".into())].into())),
        "crash" => Op::new(f, None, Value::Nil),
        "write" | "add" | "increment" => Op::new(f, Some(f), Value::Int(1)),
        "cas" => Op::new(f, Some(f), Value::List([Value::Nil, Value::Int(1)].into())),
        // What it is a part of.
        "txn" | "append" => {
            let mops = [mop(MopKind::Append, Value::Int(1)), mop(MopKind::Read, Value::Nil)];
            Op::new("txn", None, Value::Mops(mops.into()))
        }
        other => panic!("no operation is known as `{other}`"),
    }
}

#[test]
fn names_are_unique_and_the_targets_own() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), TARGETS.len());
    for entry in TARGETS {
        assert_eq!(made(entry).name(), entry.name);
        assert!(made(entry).describe().starts_with(entry.name));
    }
}

#[test]
fn options_that_are_not_in_the_row_are_refused() {
    for entry in TARGETS {
        let error = (entry.construct)(&json!({ "protocl": "raft" })).err().expect("misspelt");
        assert_eq!(error.path, ["protocl"]);
        assert!(entry.options.iter().all(|(key, _)| error.problem.contains(key)), "{error}");
    }
}

#[test]
fn faults_need_nodes() {
    assert!(TARGETS.iter().all(|entry| entry.needs_lab || entry.faults.is_empty()));
}

#[tokio::test]
async fn targets_without_nodes_do_what_their_rows_say() {
    let platform = Platform { os: "any".into(), arch: "any".into() };
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (data, logs) = (PathBuf::new(), PathBuf::new());
    let node = Node { id: NodeId(1), address, data, logs, platform };
    let cluster = Cluster { hosts: Vec::new() };
    let timeout = Duration::from_secs(1);
    for entry in TARGETS.iter().filter(|entry| !entry.needs_lab) {
        let target = made(entry);
        target.ready(&cluster, timeout).await.expect("it is always ready");
        let mut client = target.connect(&cluster, &node, Process(0)).await.expect("it is there");
        for f in entry.operations {
            let op = first(f);
            let (deadline, trace) = (Time::ZERO, TraceId(0));
            let outcome =
                client.invoke(&Call { op: &op, index: 0, deadline, timeout, trace }).await;
            // Nobody can answer who is to be as good as dead.
            let done = match *f {
                "crash" => matches!(outcome, Outcome::Info(_)),
                _ => matches!(outcome, Outcome::Ok(_)),
            };
            assert!(done, "{}: {f}: {outcome:?}", entry.name);
        }
    }
}
