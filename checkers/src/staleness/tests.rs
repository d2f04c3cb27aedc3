//! The verdicts, and lags against their definition.

use std::time::Duration;

use schism_history::{Event, History, Kind, Operation, Time, Value};

use super::ENTRY;
use super::lag::lags;
use super::registers::Registers;
use crate::session::random::{Chance, SMALL, Shape, history};
use crate::session::tests::{Tally, cases};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

fn from_text(text: &str) -> History {
    History::from_text(text).expect("the text is a history")
}

fn judge(history: &History, asked: Asked) -> Verdict {
    let question = Question::new("register", vec![asked]);
    ENTRY.check(&question, history, &Budget::default()).remove(0)
}

#[track_caller]
fn check(text: &str, asked: Asked, expected: Validity, says: &str) {
    let verdict = judge(&from_text(text), asked);
    assert_eq!(verdict.validity, expected, "{}", verdict.reason);
    assert!(verdict.reason.contains(says), "{}", verdict.reason);
}

use Validity::{Invalid, Unknown, Valid};

fn within(within: Duration) -> Asked {
    Asked { within: Some(within), ..Asked::new(Claim::BoundedStaleness) }
}

const STALE: &str = "
    1s p0 invoke write x 1 \n 1.1s p0 ok \n 2s p0 invoke write x 2 \n 2.1s p0 ok
    2.2s p0 invoke write x 3 \n 2.3s p0 ok \n 4.1s p1 invoke read x \n 4.2s p1 ok 1";

#[test]
fn staleness_is_bounded_by_time_or_versions() {
    check(
        STALE,
        within(Duration::from_secs(1)),
        Invalid,
        "lag p50 2.00 s, p99 2.00 s, worst 2.00 s",
    );
    check(STALE, within(Duration::from_secs(3)), Valid, "worst 2.00 s and 2 versions");
    check(STALE, Asked::new(Claim::BoundedStaleness), Valid, "2 versions");
    let versions = |most| Asked { versions: Some(most), ..Asked::new(Claim::BoundedStaleness) };
    check(STALE, versions(1), Invalid, "misses 2 acknowledged versions");
    check(STALE, versions(2), Valid, "");
}

#[test]
fn staleness_is_unknown_without_evidence_or_real_time() {
    let asked = Asked::new(Claim::BoundedStaleness);
    check("p0 invoke write x 1 \n p0 ok", asked, Unknown, "No read after");
    check("p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 ok 7", asked, Unknown, "nobody");
    check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke push x 2 \n p0 ok",
        asked,
        Unknown,
        "the push of event 2 is no operation",
    );
    let untimed = from_text(STALE).without_real_time();
    assert_eq!(judge(&untimed, asked).validity, Unknown);
}

#[test]
fn staleness_follows_version_numbers_and_compare_and_sets() {
    let concurrent = "0s p0 invoke write x 1 \n 0s p1 invoke write x 2 \n 1s p0 ok 1 v5
        1s p1 ok 2 v4 \n 9s p2 invoke read x \n 9s p2 ok";
    let asked = Asked::new(Claim::BoundedStaleness);
    check(&format!("{concurrent} 2 v4"), asked, Invalid, "lag p50 8.00 s");
    check(&format!("{concurrent} 1 v5"), asked, Valid, "");
    check(
        "0s p0 invoke write x 1 \n 0s p1 invoke cas x [1 2] \n 1s p0 ok \n 1s p1 ok
         9s p2 invoke read x \n 9s p2 ok 1",
        asked,
        Invalid,
        "2 (event 1, p1), which is newer",
    );
}

#[test]
fn convergence_needs_agreement_on_what_was_written() {
    let asked = Asked::new(Claim::EventualConvergence);
    let start = "p0 invoke write x 1 \n p0 ok \n p1 invoke write x 2 \n p1 ok \n nemesis healed
        p2 invoke read x @n1 \n p2 ok";
    let second = |value, node| format!("{start} {value} \n p3 invoke read x @{node} \n p3 ok 1");
    check(&second("1", "n2"), asked, Valid, "1 key agree");
    check(&second("2", "n2"), asked, Invalid, "Found divergence.");
    check(&second("1", "n1"), asked, Unknown, "No final read of a second replica");
    check(&second("_", "n2"), asked, Invalid, "unwritten-final-value");
    check(&second("7", "n2"), asked, Invalid, "which nobody ever wrote");
    check(start.rsplit_once('\n').expect("lines").0, asked, Unknown, "");
    let unmarked = second("2", "n2").replace("nemesis healed", "");
    check(&unmarked, asked, Unknown, "no mark says");
    let late = format!("p9 invoke write x 2 \n p9 info timeout \n {}", second("2", "n2"));
    check(&late.replace("p1 invoke write x 2 \n p1 ok", ""), asked, Unknown, "indeterminate");
}

/// Lets the operations of a history overlap.
fn overlapped(chance: &mut Chance, history: &History) -> History {
    let operations: Vec<Operation<'_>> = history.operations().collect();
    let (mut next, mut open) = (0, Vec::new());
    let mut events: Vec<Event> = Vec::new();
    while next < operations.len() || !open.is_empty() {
        let index = events.len() as u64;
        let time = Time(index * 1_000_000_000);
        let free = next < operations.len()
            && open.iter().all(|&it: &usize| operations[it].process != operations[next].process);
        let (at, kind) = if free && (open.is_empty() || chance.below(2) == 0) {
            open.push(next);
            next += 1;
            let op = operations[next - 1].op.clone();
            (next - 1, Kind::Invoke { op, due: None, node: None })
        } else {
            let at = open.remove(chance.below(open.len()));
            (at, Kind::Complete(operations[at].outcome.cloned().expect("it completed")))
        };
        events.push(Event { index, time, process: operations[at].process, kind });
    }
    History::from_events(events).expect("the processes keep their order")
}

/// By the definition: the least lag over all writes that may have been read, each by looking at
/// every other write. `None`: nobody may have written it.
fn lag_of(history: &History, read: &Operation<'_>, numbered: bool) -> Option<(Duration, u64)> {
    let value = &read.ok()?.value;
    let version = |it: &Operation<'_>| it.ok().and_then(|reply| reply.version);
    let written = |it: &Operation<'_>| match &it.op.value {
        Value::List(pair) => pair[1].clone(),
        value => value.clone(),
    };
    let key = read.op.key;
    let here = || history.operations().filter(|it| it.op.key == key && !it.failed());
    let writes: Vec<Operation<'_>> = here().filter(|it| it.op.f.as_str() != "read").collect();
    let of_value: Vec<&Operation<'_>> = writes.iter().filter(|it| written(it) == *value).collect();
    let only = of_value.len() + usize::from(*value == Value::Nil) == 1;
    let lag = |source: Option<&Operation<'_>>| {
        let newer = writes.iter().filter(|newer| {
            let Some(completed) = newer.completed.filter(|_| newer.ok().is_some()) else {
                return false;
            };
            if completed >= read.invoked {
                return false;
            }
            let Some(source) = source else { return true };
            let replaces = matches!(&newer.op.value, Value::List(pair) if pair[0] == *value);
            if numbered {
                return version(newer) > version(read);
            }
            let after = source.ok().is_some() && source.completed < Some(newer.invoked);
            let seen = here().any(|it| {
                let found = match (it.op.f.as_str(), &it.op.value, it.ok()) {
                    (_, _, None) => return false,
                    ("cas", Value::List(pair), _) => pair[0].clone(),
                    ("read", _, Some(reply)) => reply.value.clone(),
                    _ => return false,
                };
                found == *value && it.completed < Some(newer.invoked)
            });
            after || only && (seen || replaces)
        });
        let newer: Vec<&Operation<'_>> = newer.collect();
        let first = newer.iter().min_by_key(|it| it.completed).and_then(|it| it.end);
        (first.map_or(Duration::ZERO, |end| read.start.since(end)), newer.len() as u64)
    };
    let initial = (*value == Value::Nil).then(|| lag(None));
    let in_time = of_value.into_iter().filter(|it| Some(it.invoked) < read.completed);
    in_time.map(|it| lag(Some(it))).chain(initial).min()
}

#[test]
fn lags_agree_with_their_definition() {
    let cases = cases(20_000);
    let mut tally = Tally::default();
    for case in 0..cases {
        let chance = &mut Chance(31 << 40 | case);
        let shape = Shape { operations: 10, lies: 3, ..SMALL };
        let shape = match case % 4 {
            0 => shape,
            1 => Shape { cas: true, ..shape },
            2 => Shape { unique: false, ..shape },
            _ => Shape { numbers: true, lost: 0, ..shape },
        };
        let plain = history(chance, shape);
        let mixed = overlapped(chance, &plain);
        let registers = Registers::of(&mixed);
        for register in &registers.registers {
            let plain = register.reads.iter().map(|it| (it.value, it.version));
            let told = plain.filter(|(value, _)| **value != Value::Nil);
            let written = register.writes.iter().map(|it| (it.value, it.version));
            let all = told.chain(written).map(|(_, version)| version);
            let numbered =
                shape.numbers && all.clone().count() > 0 && all.clone().all(|it| it.is_some());
            let found = lags(register, &Value::Nil);
            for lag in &found.least {
                let read = &register.reads[lag.read as usize];
                if read.writes {
                    continue;
                }
                let operation = mixed.operation(read.number as usize);
                let expected = lag_of(&mixed, &operation, numbered);
                tally.count(if lag.versions > 0 { Invalid } else { Valid });
                assert_eq!(
                    Some((lag.time, lag.versions)),
                    expected,
                    "event {} {numbered}\n{}",
                    operation.invoked,
                    mixed.to_text()
                );
            }
        }
    }
    tally.assert_both(cases);
}
