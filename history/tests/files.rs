//! History files: what is written can be read, and bad input is named by line and column.

use std::io::Write as _;

use proptest::prelude::*;
use schism_history::{Event, History, Outcome, jsonl};

/// Writes `history`, reads it again, and returns what came back.
fn round_trip(history: &History) -> jsonl::Reading {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut writer = jsonl::Writer::new(file.reopen().expect("the same file")).expect("a header");
    for event in history.events() {
        writer.write(event).expect("a line");
    }
    writer.flush().expect("a flush");
    jsonl::read(file.path()).expect("a history")
}

fn read_text(text: &str) -> Result<jsonl::Reading, jsonl::ReadError> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("the text");
    jsonl::read(file.path())
}

const EVERYTHING: &str = "
    p0 invoke write x 1 @n2 due=0.1ms
    p1 invoke cas \u{fc}\"y [1 _]
    nemesis start F1 partition n1,n2 isolate leader
    nemesis step F1 3 250us hold n1 → n2
    nemesis bites F1 yes n1→n3 0 of 20 packets
    p0 ok 1 v12
    p1 fail mismatch found 3
    p0 invoke txn [append x 1, r y _, w z 3]
    p0 ok [append x 1, r y [1 2], w z 3]
    p1 invoke read x
    p1 info timeout no answer within 1 s
    nemesis stop F1
    nemesis gone F1 no n1→n3 0 of 20 packets
    nemesis healed
    p2 invoke read-set s
    p2 ok [true false \"a b\" [] _]
    p3 invoke read x
";

#[test]
fn keeps_every_kind_of_event() {
    let history = History::from_text(EVERYTHING).expect("a history");
    let reading = round_trip(&history);
    assert!(!reading.torn);
    assert_eq!(reading.history.events(), history.events());
}

#[test]
fn short_text_says_the_same_again() {
    let history = History::from_text(EVERYTHING).expect("a history");
    let again = History::from_text(&history.to_text()).expect("a history");
    assert_eq!(again.to_text(), history.to_text());
    assert_eq!(again.len(), history.len());
}

#[test]
fn reads_what_a_transaction_returned_from_its_invocation() {
    let line = |index: u64, rest: &str| {
        format!("{{\"index\":{index},\"time\":{index},\"process\":0,{rest}}}\n")
    };
    let asked = "[[\"append\",\"x\",1],[\"r\",\"x\",null]]";
    let answered = "[[\"append\",\"x\",1],[\"r\",\"x\",[1]]]";
    let text = line(0, &format!("\"type\":\"invoke\",\"f\":\"txn\",\"value\":{asked}"))
        + &line(1, &format!("\"type\":\"ok\",\"value\":{answered}"));
    let reading = read_text(&text).expect("a history");
    let expected = "p0 invoke txn [append x 1, r x _] \n p0 ok [append x 1, r x [1]]";
    let expected = History::from_text(expected).expect("a history");
    let replies = |history: &History| {
        let operation = history.operation(0);
        operation.ok().map(|reply| reply.value.clone())
    };
    assert_eq!(replies(&reading.history), replies(&expected));
}

#[test]
fn takes_errors_of_any_shape_for_reasons() {
    let check = |error: &str, expected: &str| {
        let text = format!(
            "{{\"index\":0,\"time\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":\"x\"}}\n\
             {{\"index\":1,\"time\":1,\"process\":0,\"type\":\"info\",\"error\":{error}}}\n"
        );
        let history = read_text(&text).expect("a history").history;
        let Some(Outcome::Info(reason)) = history.operation(0).outcome else {
            panic!("{error} is read as an info")
        };
        assert_eq!(reason.to_string(), expected);
    };
    check("\"no answer\"", "other: no answer");
    check("[\"timeout\",\"no answer\"]", "timeout: no answer");
    check("[\"timeout\"]", "timeout: ");
    check("[\"fenced\"]", "other: fenced");
    check("[\"fenced\",\"by n2\"]", "other: fenced: by n2");
    check("[\"timeout\",7,null]", "other: [\"timeout\",7,null]");
    check("{\"type\": 7}", "other: {\"type\": 7}");
    check("null", "other: ");
    check("17", "other: 17");
}

#[test]
fn says_what_is_wrong_once() {
    let line = "{\"index\":0,\"time\":1,\"process\":1,\"type\":\"ok\"}\n";
    let error = read_text(line).expect_err("bad input");
    assert!(std::error::Error::source(&error).is_none(), "{error}");
    assert_eq!(error.to_string().matches("event 0: p1 completes").count(), 1);
}

#[test]
fn keeps_what_stands_before_a_torn_line_at_every_byte() {
    let history = History::from_text(EVERYTHING).expect("a history");
    let mut bytes = Vec::new();
    let mut writer = jsonl::Writer::new(&mut bytes).expect("a header");
    for event in history.events() {
        writer.write(event).expect("a line");
    }
    for length in 0..bytes.len() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(&bytes[..length]).expect("the prefix");
        let reading = jsonl::read(file.path()).expect("a torn history is a history");
        let whole = bytes[..length].split(|&byte| byte == b'\n').count() - 1;
        let kept: &[Event] = reading.history.events();
        assert!(kept.len() + 1 >= whole, "{length}: {} of {whole} lines", kept.len());
        assert_eq!(kept, &history.events()[..kept.len()]);
    }
}

fn check(text: &str, expected: &str) {
    let error = read_text(text).expect_err("bad input").to_string();
    let place = error.find(".tmp").map_or(0, |place| place);
    let said = error[place..].split_once(':').map_or("", |(_, said)| said);
    assert!(said.starts_with(expected), "{said:?} does not start with {expected:?}");
}

#[test]
fn names_line_column_and_what_was_expected() {
    check(
        "{\"index\":0,\"time\":1,\"process\":0,\"type\":\"invoke\"}\n",
        "1:1: an invocation names",
    );
    check("{\"index\":0,\"time\":1,\"process\":0}\n", "1:32: missing field `type`");
    check("\n{\"index\":0,\"time\":1,\n", "2:20: EOF");
    check("{\"index\":-1,\"time\":1}\n", "1:11: invalid value");
    check("{\"index\":0,\"time\":1,\"process\":\"x\",\"type\":\"ok\"}\n", "1:1: process `x`");
    check("{\"index\":0,\"time\":1,\"process\":1,\"type\":\"ok\"}\n", " event 0: p1 completes");
    check("{\"schism\":\"history\",\"version\":9}\n", "1:1: a history of version 9");
    check("\u{0}\n", "1:1: expected value");
    let deep = format!(
        "{{\"index\":0,\"time\":1,\"process\":1,\"type\":\"ok\",\"value\":{}}}\n",
        "[".repeat(100_000)
    );
    check(&deep, "1:");
}

fn value_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("_".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\"[a-z #]{0,6}\"",
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ")))
    })
}

proptest! {
    #[test]
    fn any_history_reads_as_it_was_written(
        steps in prop::collection::vec((0..4u32, 0..4usize, value_text()), 0..40)
    ) {
        let mut text = String::new();
        let mut open = [false; 4];
        for (process, choice, value) in steps {
            let state = &mut open[process as usize];
            let line = match (*state, choice) {
                (false, _) => format!("p{process} invoke f{choice} k{choice} {value}"),
                (true, 0) => format!("p{process} fail refused a \\ b"),
                (true, _) => format!("p{process} ok {value}"),
            };
            *state = !*state;
            text.push_str(&line);
            text.push('\n');
        }
        let history = History::from_text(&text).expect("a history");
        let reading = round_trip(&history);
        prop_assert_eq!(reading.history.events(), history.events());
        let again = History::from_text(&history.to_text()).expect("a history");
        prop_assert_eq!(again.events(), history.events());
    }
}
