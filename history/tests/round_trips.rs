//! What is written in a format is read again as it was.

use proptest::prelude::*;
use schism_history::{
    Code, Event, Format, History, Key, Kind, Mop, MopKind, NodeId, Op, Outcome, Process, Reason,
    Reply, Time, Value, read,
};

/// Each case writes a file and reads it: there are fewer than where nothing but memory is used.
fn cases() -> u32 {
    let cases = std::env::var("SCHISM_CASES").ok().and_then(|cases| cases.parse().ok());
    cases.unwrap_or(20_000) / 20
}

fn written(history: &History, format: Format) -> History {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let output = std::io::BufWriter::new(file.reopen().expect("the same file"));
    format.write(history, output).expect("a file");
    let reading = read(file.path(), Format::Auto).unwrap_or_else(|error| {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        panic!("{error}\n{text}")
    });
    assert_eq!(reading.format, format);
    reading.history
}

/// Texts that begin with a mark, so that none is the name of a micro-operation or a number.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["~[a-z]{0,4}", "~[ab_@#\\[\\]{}()\"\\\\,;:/ \n\r\t\u{0}\u{85}\u{a0}ü😀v1=]{0,8}"]
}

/// Keys of maps are those that JSON can have.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = || {
        prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any_text().prop_map(|text| Value::Text(text.into())),
        ]
    };
    let key = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any_text().prop_map(|text| Value::Text(text.into())),
    ];
    leaf().prop_recursive(2, 8, 4, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let map = prop::collection::vec((key.clone(), inner), 0..4);
        prop_oneof![
            list.prop_map(|items| Value::List(items.into())),
            map.prop_map(|mut entries: Vec<(Value, Value)>| {
                let mut seen = Vec::new();
                entries.retain(|(key, _)| !seen.contains(key) && (seen.push(key.clone()), true).1);
                Value::Map(entries.into())
            }),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9]{1,3}", any_text(), Just("-0".to_owned()), Just(String::new())]
}

fn any_mops() -> impl Strategy<Value = Value> {
    let kinds = vec![MopKind::Read, MopKind::Write, MopKind::Append, MopKind::Send, MopKind::Poll];
    let messages = prop::collection::vec(any::<i64>().prop_map(Value::Int), 0..5);
    let value =
        prop_oneof![any_value(), messages.prop_map(|messages| Value::List(messages.into()))];
    let mop = (prop::sample::select(kinds), any_key(), value).prop_map(|(kind, key, value)| Mop {
        kind,
        key: Key::new(&key),
        value,
    });
    prop::collection::vec(mop, 1..4).prop_map(|mops| Value::Mops(mops.into()))
}

fn any_operation() -> impl Strategy<Value = (Op, Outcome, Option<Time>, Option<NodeId>)> {
    let plain = ("~?[a-z ]{1,5}", prop::option::of(any_key()), any_value(), any_value()).boxed();
    let transaction = (
        prop::sample::select(vec!["txn".to_owned(), "poll".to_owned()]),
        Just(None),
        any_mops(),
        any_mops(),
    );
    let reason =
        (prop::sample::select(Code::ALL.to_vec()), prop_oneof![any_text(), Just(String::new())]);
    let number = || prop::option::of(0..=i64::MAX as u64);
    let rest = (0..3, reason, number(), number(), prop::option::of(1..9u16));
    (prop_oneof![plain, transaction], rest).prop_map(|((f, key, asked, returned), rest)| {
        let (choice, (code, text), version, due, node) = rest;
        let outcome = match choice {
            0 => Outcome::Fail(Reason::new(code, text)),
            1 => Outcome::Info(Reason::new(code, text)),
            // Where nothing was returned, the argument stands.
            _ if returned == Value::Nil => Outcome::Ok(Reply { value: asked.clone(), version }),
            _ => Outcome::Ok(Reply { value: returned, version }),
        };
        (Op::new(&f, key.as_deref(), asked), outcome, due.map(Time), node.map(NodeId))
    })
}

fn any_history() -> impl Strategy<Value = History> {
    prop::collection::vec((any_operation(), 0..=i64::MAX as u64), 0..8).prop_map(|operations| {
        let mut events = Vec::new();
        let mut push = |process: usize, time: u64, kind: Kind| {
            let index = events.len() as u64 * 2;
            events.push(Event { index, time: Time(time), process: Process(process as u32), kind });
        };
        // One that has no pair as its value, so that no value is taken for one with a key.
        let op = Op::new("write", None, Value::Int(1));
        push(1000, 0, Kind::Invoke { op, due: None, node: None });
        for (process, ((op, outcome, due, node), time)) in operations.into_iter().enumerate() {
            push(process, time, Kind::Invoke { op, due, node });
            if time % 7 != 0 {
                push(process, time, Kind::Complete(outcome));
            }
        }
        History::from_events(events).expect("a history")
    })
}

/// Whether it writes, its key and its value.
type RegisterMop = (bool, u8, u8);

fn register_transactions() -> impl Strategy<Value = Vec<(u32, bool, Vec<RegisterMop>)>> {
    let mops = prop::collection::vec((any::<bool>(), 0..4u8, 1..9u8), 1..4);
    prop::collection::vec((0..4u32, prop::bool::weighted(0.9), mops), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn edn(history in any_history()) {
        let again = written(&history, Format::Edn);
        prop_assert_eq!(again.events(), history.events());
        prop_assert!(again.has_times() && again.has_real_time());
    }

    #[test]
    fn our_own(history in any_history()) {
        let again = written(&history, Format::Jsonl);
        prop_assert_eq!(again.events(), history.events());
    }

    #[test]
    fn plume(transactions in register_transactions()) {
        let mut text = String::new();
        for (process, ok, mops) in transactions {
            let said = |asked: bool| {
                let mop = |(write, key, value): &RegisterMop| match (write, asked) {
                    (true, _) => format!("w {key} {value}"),
                    (false, false) if *value > 1 => format!("r {key} {value}"),
                    (false, _) => format!("r {key} _"),
                };
                mops.iter().map(mop).collect::<Vec<_>>().join(", ")
            };
            let end = if ok { format!("ok [{}]", said(false)) } else { "fail other aborted".into() };
            text.extend([format!("p{process} invoke txn [{}]\np{process} {end}\n", said(true))]);
        }
        text += "p9 invoke txn [w 1 1]\np9 ok\n";
        let history = History::from_text(&text).expect("a history");
        let again = written(&history, Format::Plume);
        let ok = |history: &History| {
            let replies = history.operations().filter_map(|operation| {
                Some((operation.process, operation.op.clone(), operation.ok()?.clone()))
            });
            replies.collect::<Vec<_>>()
        };
        prop_assert_eq!(ok(&again), ok(&history));
        prop_assert!(!again.has_real_time());
    }
}

#[test]
fn formats_refuse_what_they_have_no_form_for() {
    let refuses = |text: &str, format: Format, expected: &str| {
        let history = History::from_text(text).expect("a history");
        let error = format.write(&history, Vec::new()).expect_err("no form").to_string();
        assert!(error.contains(expected), "{error}");
    };
    refuses("p0 invoke write x 1", Format::Json, "not written as json");
    refuses("p0 invoke write x 1", Format::Plume, "no transaction");
    refuses("p0 invoke txn [w x 1]", Format::Plume, "nobody knows");
    refuses("p0 invoke txn [append x 1]\np0 ok", Format::Plume, "an append");
    refuses("p0 invoke txn [w x true]\np0 ok", Format::Plume, "no number");
    refuses("p0 invoke txn [r x _, w x 0]\np0 ok", Format::Plume, "0 was written");
}
