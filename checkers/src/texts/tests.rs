//! Texts against the definition: is there one order that keeps every session and explains every get?

use std::fmt::Write as _;

use schism_history::{History, Operation, Value};

use super::ENTRY;
use crate::chance::{Chance, cases};
use crate::{Asked, Budget, Claim, Question, Validity};

/// Whether the operations `left` can follow, where `holds` is the text. Exponential.
fn explained(operations: &[Operation<'_>], left: &[usize], holds: &str) -> bool {
    if !left.iter().any(|&at| operations[at].ok().is_some()) {
        return true;
    }
    left.iter().enumerate().any(|(place, &at)| {
        let one = &operations[at];
        let earlier = |&other: &usize| {
            let other = &operations[other];
            other.process == one.process && other.invoked < one.invoked && other.ok().is_some()
        };
        if left.iter().any(earlier) {
            return false;
        }
        let text = match &one.op.value {
            Value::Text(text) => &**text,
            _ => "",
        };
        let after = match (one.op.f.as_str(), one.ok().map(|reply| &reply.value)) {
            ("put", _) => text.to_owned(),
            ("append", _) => format!("{holds}{text}"),
            (_, Some(Value::Text(seen))) if **seen != *holds => return false,
            _ => holds.to_owned(),
        };
        let mut rest = left.to_vec();
        rest.remove(place);
        explained(operations, &rest, &after)
    })
}

/// A small random history: a text, clients that see it, and now and then something else.
fn random(chance: &mut Chance) -> History {
    let mut text = String::new();
    let mut seen: Vec<String> = vec![String::new()];
    let mut lines = String::new();
    for number in 0..2 + chance.below(5) {
        let process = chance.below(3) * 10 + if chance.one_in(6) { number } else { 0 };
        // A process of its own for what stays open.
        let lost = !process.is_multiple_of(10);
        let piece = format!("{number};");
        let (ask, answer) = match chance.below(4) {
            0 | 1 => {
                let shown = if chance.one_in(3) { &seen[chance.below(seen.len())] } else { &text };
                ("get x".to_owned(), format!("ok \"{shown}\""))
            }
            2 => (format!("append x \"{piece}\""), "ok".to_owned()),
            _ => (format!("put x \"{piece}\""), "ok".to_owned()),
        };
        if !lost || chance.one_in(2) {
            if ask.starts_with("append") {
                text += &piece;
            } else if ask.starts_with("put") {
                text = piece;
            }
        }
        seen.push(text.clone());
        let answer = if lost { "info timeout" } else { answer.as_str() };
        let _ = writeln!(lines, "p{process} invoke {ask}\np{process} {answer}");
    }
    // Lost operations retire their process, whose number may not come again.
    History::from_text(&lines).unwrap_or_default()
}

#[test]
fn agrees_with_the_definition() {
    let mut chance = Chance::new(11);
    let (mut valid, mut invalid) = (0, 0);
    let all = cases(20_000);
    for _ in 0..all {
        let history = random(&mut chance);
        let operations: Vec<Operation<'_>> =
            history.operations().filter(|operation| !operation.failed()).collect();
        let left: Vec<usize> = (0..operations.len()).collect();
        let expected = explained(&operations, &left, "");
        let question = Question::new("kv-append", vec![Asked::new(Claim::Sequential)]);
        let verdict = ENTRY.check(&question, &history, &Budget::default()).remove(0);
        let said = format!("{}\n{}", verdict.reason, history.to_text());
        match verdict.validity {
            Validity::Valid => assert!(expected, "{said}"),
            Validity::Invalid => assert!(!expected, "{said}"),
            Validity::Unknown => continue,
        }
        if expected { valid += 1 } else { invalid += 1 }
    }
    assert!(valid > all / 20 && invalid > all / 20, "{valid} valid, {invalid} invalid of {all}");
}

#[test]
fn says_where_nobody_can_tell() {
    let text = "p0 invoke append x \"b\" \n p0 ok \n p0 invoke append x \"ab\" \n p0 ok
                p0 invoke append x \"a\" \n p0 ok \n p1 invoke get x \n p1 ok \"ab\"";
    let history = History::from_text(text).expect("the text is a history");
    let question = Question::new("kv-append", vec![Asked::new(Claim::Sequential)]);
    let verdict = ENTRY.check(&question, &history, &Budget::default()).remove(0);
    assert_eq!(verdict.validity, Validity::Unknown);
    assert!(verdict.reason.contains("more than one way"), "{}", verdict.reason);
}
