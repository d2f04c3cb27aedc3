//! Lag and convergence of texts: by example, against registers, and against a store whose replies are
//! of a known age.

use std::fmt::Write as _;
use std::time::Duration;

use schism_history::{Event, F, History, Kind, Value};

use super::{ENTRY, TEXTS};
use crate::chance::{Chance, cases};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

fn judge(subject: &str, history: &History, asked: Asked) -> Verdict {
    let mut question = Question::new(subject, vec![asked]);
    question.initial = Value::Text("".into());
    let entry = if subject == "register" { ENTRY } else { TEXTS };
    entry.check(&question, history, &Budget::default()).remove(0)
}

#[track_caller]
fn check(text: &str, claim: Claim, expected: Validity, says: &str) {
    let history = History::from_text(text).expect("the text is a history");
    let verdict = judge("kv-append", &history, Asked::new(claim));
    assert_eq!(verdict.validity, expected, "{}", verdict.reason);
    assert!(verdict.reason.contains(says), "{}", verdict.reason);
}

use Validity::{Invalid, Unknown, Valid};

#[test]
fn a_get_lags_behind_what_it_does_not_show() {
    let bounded = Claim::BoundedStaleness;
    let appends =
        "0s p0 invoke append x \"1;\" \n 1s p0 ok \n 2s p0 invoke append x \"2;\" \n 3s p0 ok
        9s p1 invoke get x \n 9s p1 ok";
    check(&format!("{appends} \"1;2;\""), bounded, Valid, "worst 0 µs and 0 versions");
    check(&format!("{appends} \"1;\""), bounded, Invalid, "worst 6.00 s and 1 version");
    // What was lost is missed, whatever came after it.
    check(&format!("{appends} \"2;\""), bounded, Invalid, "worst 8.00 s and 1 version");
    check(&format!("{appends} _"), bounded, Invalid, "worst 8.00 s and 2 versions");
    check(&format!("{appends} \"9;\""), bounded, Unknown, "of no age");
    let put = appends.replace("2s p0 invoke append", "2s p0 invoke put");
    check(&format!("{put} \"2;\""), bounded, Valid, "0 versions");
    check(&format!("{put} \"1;\""), bounded, Invalid, "1 version");
    let alien = format!("{appends} \"1;2;\" \n p3 invoke push x 1 \n p3 ok");
    check(&alien, bounded, Unknown, "one of texts: the push");
}

#[test]
fn what_some_text_shows_after_a_put_is_missed_without_it() {
    // Put and append overlap, so that only the first get tells their order.
    let text = "0s p0 invoke put x \"1;\" \n 0s p1 invoke append x \"2;\" \n 1s p1 ok \n 1s p0 ok
        1s p2 invoke get x \n 1s p2 ok";
    let second = "9s p2 invoke get x \n 9s p2 ok \"1;\"";
    let all = format!("{text} \"1;2;\" \n {second}");
    check(&all, Claim::BoundedStaleness, Invalid, "worst 8.00 s");
    let all = format!("{text} \"1;\" \n {second}");
    check(&all, Claim::BoundedStaleness, Valid, "worst 0 µs");
}

#[test]
fn final_texts_agree_on_what_was_made() {
    let converges = Claim::EventualConvergence;
    let text = |one: &str, other: &str| {
        format!(
            "p0 invoke append x \"1;\" \n p0 ok \n p1 invoke append x \"2;\" \n p1 ok
             nemesis healed \n p2 invoke get x @n1 \n p2 ok {one}
             p3 invoke get x @n2 \n p3 ok {other}"
        )
    };
    check(&text("\"1;2;\"", "\"1;2;\""), converges, Valid, "1 key agree");
    check(&text("\"1;2;\"", "\"2;1;\""), converges, Invalid, "divergence");
    check(&text("_", "_"), converges, Invalid, "unwritten-final-value");
    check(&text("\"\"", "\"\""), converges, Invalid, "as if nothing had been written");
    check(&text("\"7;\"", "\"7;\""), converges, Invalid, "which nobody ever wrote");
    let late = text("\"1;2;\"", "\"1;2;3;\"");
    let late = format!("p9 invoke append x \"3;\" \n p9 info timeout \n {late}");
    check(&late, converges, Unknown, "indeterminate");
    check(&late.replace("nemesis healed", ""), converges, Unknown, "no mark says");
    let lost = late.replace("\"1;2;3;\"", "\"1;\"");
    check(&lost, converges, Invalid, "divergence");
}

/// A random history of one store, in which nothing overlaps and each get is answered from the past:
/// with the lags that are certain.
fn random(chance: &mut Chance, puts: usize) -> (String, Duration, usize) {
    let (mut states, mut lines) = (vec![(String::new(), 0)], String::new());
    let (mut worst, mut versions) = (Duration::ZERO, 0);
    for second in 1..=2 + chance.below(9) {
        let now = states.len() - 1;
        let (ask, answer) = if chance.one_in(2) {
            let put = chance.one_in(puts);
            let piece = format!("{second};");
            let text = if put { piece.clone() } else { format!("{}{piece}", states[now].0) };
            states.push((text, second));
            (format!("{} x \"{piece}\"", if put { "put" } else { "append" }), "ok".to_owned())
        } else {
            let from = chance.below(states.len());
            if let Some((_, since)) = states.get(from + 1) {
                worst = worst.max(Duration::from_secs((second - since) as u64));
                versions = versions.max(now - from);
            }
            ("get x".to_owned(), format!("ok \"{}\"", states[from].0))
        };
        let _ = write!(lines, "{second}s p0 invoke {ask} \n {second}s p0 {answer} \n");
    }
    (lines, worst, versions)
}

#[test]
fn lags_of_texts_are_those_of_a_store_that_answers_from_its_past() {
    let mut stale = 0;
    for case in 0..cases(5_000) {
        let chance = &mut Chance::new(1 << 40 | case);
        let (text, worst, versions) = random(chance, [1, 3, 1000][(case % 3) as usize]);
        let history = History::from_text(&text).expect("the text is a history");
        let of = |within: Option<Duration>, versions: Option<u64>| {
            let asked = Asked { within, versions, ..Asked::new(Claim::BoundedStaleness) };
            judge("kv-append", &history, asked).validity
        };
        assert_ne!(of(Some(worst), None), Invalid, "{worst:?}\n{text}");
        assert_ne!(of(None, Some(versions as u64)), Invalid, "{versions}\n{text}");
        if versions > 0 {
            stale += 1;
            let less = Some(worst.saturating_sub(Duration::from_nanos(1)));
            assert_eq!(of(less, None), Invalid, "{worst:?}\n{text}");
            assert_eq!(of(None, Some(versions as u64 - 1)), Invalid, "{versions}\n{text}");
        }
    }
    assert!(stale > 10);
}

#[test]
fn what_is_only_put_lags_and_converges_as_registers_do() {
    for case in 0..cases(5_000) {
        let (mut text, ..) = random(&mut Chance::new(2 << 40 | case), 1);
        text += "nemesis healed \n";
        let chance = &mut Chance::new(3 << 40 | case);
        for node in 1..3 {
            let number = chance.below(4);
            let end = if number == 0 { String::new() } else { format!("{number};") };
            let _ =
                write!(text, "20s p{node} invoke get x @n{node} \n 20s p{node} ok \"{end}\" \n");
        }
        let texts = History::from_text(&text).expect("the text is a history");
        let events = texts.events().iter().cloned().map(|mut event: Event| {
            if let Kind::Invoke { op, .. } = &mut event.kind {
                op.f = F::new(if op.f.as_str() == "get" { "read" } else { "write" });
            }
            event
        });
        let registers = History::from_events(events.collect()).expect("it was one before");
        for claim in TEXTS.decides {
            let own = judge("kv-append", &texts, Asked::new(*claim));
            let other = judge("register", &registers, Asked::new(*claim));
            assert_eq!(own.validity, other.validity, "{}\n{}\n{text}", own.reason, other.reason);
        }
    }
}
