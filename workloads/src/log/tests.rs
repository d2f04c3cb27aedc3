//! What clients of logs ask, and how the last polls end.

use std::collections::{BTreeMap, BTreeSet};

use schism_history::{Code, Event, Kind, Outcome, Process, Reason, Reply, Time};
use serde_json::json;

use super::*;
use crate::generator::driver::Driver;

fn workload(options: &serde_json::Value) -> Box<dyn Workload> {
    construct(options).expect("the options are right")
}

fn ok(value: Value) -> Outcome {
    Outcome::Ok(Reply { value, version: None })
}

fn info() -> Outcome {
    Outcome::Info(Reason::new(Code::Timeout, "late"))
}

/// A load in which crashes, and every thirteenth operation, end in nobody knows what.
fn load(options: &serde_json::Value, threads: u32, count: usize) -> Vec<Event> {
    let mut driver = Driver::new(threads, 7);
    let mut asked = 0;
    driver.answer = Box::new(move |op| {
        asked += 1;
        if op.f.as_str() == "crash" || asked % 13 == 0 { info() } else { ok(op.value.clone()) }
    });
    driver.events(&mut *workload(options).load(), count)
}

fn invoked(events: &[Event]) -> impl Iterator<Item = (Process, &Op)> {
    events.iter().filter_map(|event| match &event.kind {
        Kind::Invoke { op, .. } => Some((event.process, op)),
        _ => None,
    })
}

fn messages(op: &Op) -> Vec<i64> {
    let Value::Mops(mops) = &op.value else { return Vec::new() };
    let message = |mop: &Mop| match (mop.kind, &mop.value) {
        (MopKind::Send, Value::Int(message)) => Some(*message),
        _ => None,
    };
    mops.iter().filter_map(message).collect()
}

fn polls(op: &Op) -> bool {
    matches!(&op.value, Value::Mops(mops) if mops.iter().any(|mop| mop.kind == MopKind::Poll))
}

#[test]
fn sends_every_message_once_and_in_rising_order() {
    let events = load(&json!({ "mix": { "send": 1, "txn": 1 }, "crash": "20ms" }), 5, 600);
    let sent: Vec<i64> = invoked(&events).flat_map(|(_, op)| messages(op)).collect();
    assert!(sent.len() > 300, "{} messages", sent.len());
    assert!(sent.is_sorted_by(|one, other| one < other));
}

#[test]
fn every_process_chooses_its_logs_before_it_polls() {
    for read in ["assign", "subscribe", "both"] {
        let options = json!({ "read": read, "mix": { "poll": 1, "txn": 1 }, "crash": "20ms" });
        let events = load(&options, 4, 600);
        let mut chosen: BTreeSet<Process> = BTreeSet::new();
        for (process, op) in invoked(&events) {
            match op.f.as_str() {
                "assign" | "subscribe" => {
                    assert!(read == "both" || read == op.f.as_str());
                    let some = matches!(&op.value, Value::List(keys) if !keys.is_empty());
                    assert!(some, "{op:?}");
                    chosen.insert(process);
                }
                _ => assert!(!polls(op) || chosen.contains(&process), "{process}: {op:?}"),
            }
        }
        assert!(chosen.len() > 10, "many processes came and went: {chosen:?}");
    }
}

#[test]
fn asks_again_for_logs_that_were_refused() {
    let mut driver = Driver::new(1, 7);
    driver.answer = Box::new(|_| Outcome::Fail(Reason::new(Code::Unavailable, "no")));
    let ops = driver.ops(&mut *workload(&json!({ "mix": { "poll": 1 } })).load(), 50);
    assert!(ops.iter().all(|op| op.f.as_str() == "assign"), "{ops:?}");
}

#[test]
fn producers_never_poll_and_the_others_never_send() {
    let options = json!({ "producers": 2, "mix": { "send": 1, "poll": 1, "txn": 1 } });
    for (process, op) in invoked(&load(&options, 4, 400)) {
        let produces = process.0 % 4 < 2;
        assert_eq!(
            (messages(op).is_empty(), polls(op)),
            (!produces, !produces && op.f.as_str() != "assign")
        );
    }
    let error = construct(&json!({ "producers": 2, "mix": { "send": 1 } }));
    assert_eq!(error.err().expect("nobody would poll").path, ["mix"]);
}

#[test]
fn a_client_that_is_not_there_sends_nothing() {
    use rand::SeedableRng;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut load = workload(&json!({ "mix": { "send": 1 } })).load();
    for _ in 0..20 {
        let context = &mut crate::Context::of_thread(4, 4, &mut rng);
        let crate::Next::Op(op) = load.next(context) else { panic!("there is always a poll") };
        assert!(messages(&op).is_empty());
    }
}

/// The last polls of two logs, after a load in which somebody was told that a message stands at each
/// of these offsets.
fn last_polls(
    known: &[(&str, i64)],
    threads: u32,
    answer: impl FnMut(&Op) -> Outcome + 'static,
) -> Vec<Event> {
    let workload = workload(&json!({ "keys": 2, "patience": "3s" }));
    let mut told = workload.load();
    for (index, (key, offset)) in (0..).zip(known) {
        let value = Value::List([Value::Int(*offset), Value::Int(1)].into());
        let mop = Mop { kind: MopKind::Send, key: Key::new(key), value };
        let kind = Kind::Complete(ok(mops(vec![mop])));
        told.observe(&Event { index, time: Time::ZERO, process: Process(99), kind });
    }
    let mut driver = Driver::new(threads, 7);
    driver.answer = Box::new(answer);
    driver.events(&mut *workload.final_reads(), 100_000)
}

fn returns(key: &str, offset: i64) -> Outcome {
    let value = Value::List([Value::Int(offset), Value::Int(1)].into());
    ok(mops(vec![Mop { kind: MopKind::Poll, key: Key::new(key), value }]))
}

fn count(events: &[Event]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (_, op) in invoked(events) {
        *counts.entry(op.f.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn a_log_in_which_nothing_is_known_to_be_ends_after_three_silent_polls() {
    let events = last_polls(&[], 5, |op| ok(op.value.clone()));
    assert_eq!(count(&events), BTreeMap::from([("assign", 2), ("poll", 6)]));
}

#[test]
fn polls_go_on_until_what_is_known_to_be_there_has_come() {
    let mut asked = 0;
    let events = last_polls(&[("0", 7), ("1", 3)], 1, move |op| {
        asked += 1;
        match asked {
            8 => returns("1", 3),
            12 => returns("0", 7),
            _ => ok(op.value.clone()),
        }
    });
    // The assignment, then eleven polls, and three that return nothing.
    assert_eq!(count(&events), BTreeMap::from([("assign", 1), ("poll", 14)]));
}

#[test]
fn what_never_comes_is_waited_for_as_long_as_the_plan_says() {
    let events = last_polls(&[("0", 7)], 1, |op| ok(op.value.clone()));
    let last = events.last().expect("there are events").time.as_secs_f64();
    assert!((3.0..3.3).contains(&last), "it took {last} s");
}

#[test]
fn a_process_that_crashed_is_followed_by_one_that_begins_anew() {
    let mut asked = 0;
    let events = last_polls(&[("0", 7)], 1, move |op| {
        asked += 1;
        match asked {
            3 => info(),
            2 | 5 => returns("0", 7),
            _ => ok(op.value.clone()),
        }
    });
    let chosen: Vec<Process> =
        invoked(&events).filter(|(_, op)| op.f.as_str() == "assign").map(|it| it.0).collect();
    assert_eq!(chosen, [Process(0), Process(1)]);
    assert_eq!(
        count(&events)["poll"],
        6,
        "two before the crash, one with the message, three silent"
    );
}

#[test]
fn a_dead_system_ends_the_last_polls_soon() {
    for outcome in [Outcome::Fail, Outcome::Info] {
        let events =
            last_polls(&[("0", 7)], 3, move |_| outcome(Reason::new(Code::Unavailable, "dead")));
        assert_eq!(count(&events), BTreeMap::from([("assign", 2 * 6 * 8)]));
        let threads: BTreeSet<u32> = invoked(&events).map(|(process, _)| process.0 % 3).collect();
        assert_eq!(threads.len(), 3, "each share is tried by several threads");
    }
}

#[test]
fn a_log_that_is_dead_keeps_no_other_from_being_read() {
    let dead = |keys: &[Value]| keys.contains(&Value::Text("1".into()));
    let mut is_dead = false;
    let events = last_polls(&[], 1, move |op| {
        if let Value::List(keys) = &op.value {
            is_dead = dead(keys);
        } else if is_dead {
            return Outcome::Fail(Reason::new(Code::Unavailable, "nobody leads it"));
        }
        ok(op.value.clone())
    });
    let answers = events.iter().filter(|event| {
        matches!(&event.kind, Kind::Complete(Outcome::Ok(reply)) if matches!(reply.value, Value::Mops(_)))
    });
    assert_eq!(answers.count(), 3, "the other log ends after three silent polls");
}

#[test]
fn a_client_that_gets_nowhere_leaves_its_share_to_another() {
    let mut refused = 0;
    let events = last_polls(&[], 2, move |op| {
        let own = matches!(&op.value, Value::List(keys) if keys[0] == Value::Text("0".into()));
        if own && refused < 8 {
            refused += 1;
            return Outcome::Fail(Reason::new(Code::Refused, "its node is down"));
        }
        ok(op.value.clone())
    });
    assert_eq!(count(&events), BTreeMap::from([("assign", 8 + 2), ("poll", 6)]));
}

#[test]
fn the_preflight_asks_for_the_message_that_it_sent() {
    let steps = |options: &serde_json::Value| -> Vec<(String, Expect)> {
        let steps = workload(options).preflight(3);
        steps.into_iter().map(|step| (step.op.f.to_string(), step.expect)).collect()
    };
    let message = |number| ("poll".to_owned(), Expect::Message(Value::Int(number)));
    let step = |f: &str| (f.to_owned(), Expect::Ok);
    assert_eq!(steps(&json!(null)), [step("send"), step("assign"), message(1)]);
    let options = json!({ "mix": { "txn": 1 } });
    assert_eq!(steps(&options)[3..], [step("txn"), message(2)]);
}
