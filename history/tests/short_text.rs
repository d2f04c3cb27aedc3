//! Histories as short text: what is written can be read, whatever stands in it.

use proptest::prelude::*;
use schism_history::{
    Code, Event, Evidence, FaultId, FaultMark, History, Key, Kind, Mop, MopKind, NodeId, Op,
    Outcome, Phase, Process, Reason, Reply, Time, Value,
};

#[test]
fn short_text_cuts_no_quotes() {
    let text = "p0 invoke write x \"a # b\" # a comment\np0 fail other found \"x # y\" #1\n#\n
                p1 invoke write \"a key\" \"say \\\"hi\\\"\" \n p1 info other \"two\\nlines # here\" # there";
    let history = History::from_text(text).expect("a history");
    let said: Vec<String> = history
        .operations()
        .map(|operation| {
            let Some(Outcome::Fail(reason) | Outcome::Info(reason)) = operation.outcome else {
                panic!("every operation here has a reason")
            };
            format!("{:?} {} {}", operation.op.key, operation.op.value, reason.text)
        })
        .collect();
    assert_eq!(said[0], "Some(Key(\"x\")) \"a # b\" found \"x # y\"");
    assert_eq!(said[1], "Some(Key(\"a key\")) \"say \\\"hi\\\"\" two\nlines # here");
}

/// Texts with everything in them that means something to the short text, or to JSON.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,4}", "[ab_@#\\[\\]\"\\\\, \n\r\t\u{85}\u{a0}üv1=]{0,8}"]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any_text().prop_map(|text| Value::Text(text.into())),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let map = prop::collection::vec((inner.clone(), inner), 0..4);
        prop_oneof![
            list.prop_map(|items| Value::List(items.into())),
            map.prop_map(|entries| Value::Map(entries.into())),
        ]
    })
}

const MOP_KINDS: [MopKind; 5] =
    [MopKind::Read, MopKind::Write, MopKind::Append, MopKind::Send, MopKind::Poll];

fn any_mops() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(MOP_KINDS.to_vec());
    let mop = (kind, any_text(), any_value()).prop_map(|(kind, key, value)| Mop {
        kind,
        key: Key::new(&key),
        value,
    });
    prop::collection::vec(mop, 0..4).prop_map(|mops| Value::Mops(mops.into()))
}

type Asked = (String, Option<String>, Value, Option<Time>, Option<NodeId>, Outcome);

/// A whole operation of one process, or a mark.
fn any_kinds() -> impl Strategy<Value = Vec<Kind>> {
    let name = || any_text().prop_filter("a txn is made below", |name: &String| name != "txn");
    let key = || prop::option::of(any_text());
    let time = || prop::option::of(any::<u64>().prop_map(Time));
    let node = || prop::option::of((1..9u16).prop_map(NodeId));
    let reason = || {
        (prop::sample::select(Code::ALL.to_vec()), any_text())
            .prop_map(|(code, text)| Reason::new(code, text))
    };
    let reply = |value: BoxedStrategy<Value>| {
        let ok = (value, prop::option::of(any::<u64>()))
            .prop_map(|(value, version)| Outcome::Ok(Reply { value, version }));
        prop_oneof![ok, reason().prop_map(Outcome::Fail), reason().prop_map(Outcome::Info)]
    };
    let single = (name(), key(), any_value(), time(), node(), reply(any_value().boxed()));
    let transaction =
        (Just("txn".to_owned()), key(), any_mops(), time(), node(), reply(any_mops().boxed()));
    let some = || {
        any_mops()
            .prop_filter("no list is one of values", |mops| *mops != Value::Mops(Box::new([])))
    };
    let polls = (name(), key(), some(), time(), node(), reply(some().boxed()));
    let operation = prop_oneof![single, transaction, polls].prop_map(
        |(f, key, value, due, node, outcome): Asked| {
            let op = Op::new(&f, key.as_deref(), value);
            vec![Kind::Invoke { op, due, node }, Kind::Complete(outcome)]
        },
    );
    let fault = (1..4u32).prop_map(FaultId);
    let start = (fault.clone(), any_text(), any_text(), prop::collection::vec(1..9u16, 0..3))
        .prop_map(|(fault, name, detail, victims)| FaultMark::Start {
            fault,
            name: name.into(),
            detail: detail.into(),
            victims: victims.into_iter().map(NodeId).collect(),
            injection: serde_json::Value::Null.into(),
        });
    let phase = prop::sample::select(vec![Phase::Bites, Phase::Gone]);
    let probe =
        (fault.clone(), phase, any::<bool>(), any_text()).prop_map(|(fault, phase, seen, text)| {
            FaultMark::Probe { fault, phase, evidence: Evidence { seen, text: text.into() } }
        });
    let step = (fault.clone(), any::<u32>(), any_text(), any::<u64>()).prop_map(
        |(fault, step, detail, late_us)| FaultMark::Step {
            fault,
            step,
            detail: detail.into(),
            injection: serde_json::Value::Null.into(),
            late_us,
        },
    );
    let stop = fault.prop_map(|fault| FaultMark::Stop { fault });
    let mark = prop_oneof![start, step, probe, stop, Just(FaultMark::Healed)];
    prop_oneof![operation, mark.prop_map(|mark| vec![Kind::Fault(mark)])]
}

proptest! {
    #[test]
    fn short_text_loses_nothing(
        steps in prop::collection::vec((any_kinds(), any::<u64>()), 0..12)
    ) {
        let mut events: Vec<Event> = Vec::new();
        for (process, (kinds, time)) in (0..).zip(steps) {
            for kind in kinds {
                let mark = matches!(kind, Kind::Fault(_));
                let process = if mark { Process::NEMESIS } else { Process(process) };
                let index = events.len() as u64;
                events.push(Event { index, time: Time(time), process, kind });
            }
        }
        let history = History::from_events(events).expect("a history");
        let text = history.to_text();
        let again = History::from_text(&text).map_err(|error| {
            TestCaseError::fail(format!("{error}\n{text}"))
        })?;
        prop_assert_eq!(again.events(), history.events(), "{}", text);
    }
}
