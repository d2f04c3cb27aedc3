//! The procedures against the definition, and against each other.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use schism_history::{History, Kind, Outcome, Reply, Value};

use super::chains::first_failing_prefix;
use super::extract::Extract;
use super::model::RegisterModel;
use super::operations::{INITIAL, NEVER, Register};
use super::random::{Choices, Shape, history};
use super::search::{Answer, Limits, search};
use super::{ENTRY, oracle};
use crate::{Anomaly, Asked, Budget, Claim, Question, Validity, Verdict, Witness};

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000 small ones.
fn cases(usual: u32) -> u32 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (u64::from(usual) * asked / 20_000).max(100) as u32
}

/// Runs `test` on random histories of `shape`; it says whether the history was linearizable.
/// At least one in twenty must be, and one in twenty must not.
fn on_random(shape: Shape, usual: u32, test: impl Fn(&History) -> Result<bool, TestCaseError>) {
    let cases = cases(usual);
    let (valid, invalid) = (Cell::new(0), Cell::new(0));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let choices = proptest::collection::vec(any::<u16>(), shape.operations * 24);
    let result = TestRunner::new(config).run(&choices, |choices| {
        let history = history(&mut Choices::new(&choices), shape);
        let counter = if test(&history)? { &valid } else { &invalid };
        counter.set(counter.get() + 1);
        Ok(())
    });
    // The choices that proptest would print say nothing; the reason holds the history.
    match result {
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        result => result.expect("no case is rejected"),
    }
    let enough = cases / 20;
    assert!(valid.get() > enough, "only {} of {cases} were linearizable", valid.get());
    assert!(
        shape.lies == 0 || invalid.get() > enough,
        "only {} of {cases} were not linearizable",
        invalid.get()
    );
}

fn only_register(history: &History) -> Option<Register> {
    let extract = Extract::new(history, &Value::Nil);
    assert!(extract.alien.is_none(), "{:?}", extract.alien);
    assert!(extract.registers.len() <= 1, "random histories have one key");
    extract.registers.into_iter().next()
}

fn searched(register: &Register) -> bool {
    let (budget, held_bytes) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits { budget: &budget, held_bytes: &held_bytes, configurations_max: u64::MAX };
    let (calls, _) = register.calls(NEVER, None, false);
    match search(&RegisterModel, INITIAL, &calls, limits) {
        Answer::Linearizable { .. } => true,
        Answer::Impossible(_) => false,
        Answer::Exhausted(far) => panic!("{far:?}"),
    }
}

fn verdict(history: &History) -> Verdict {
    let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
    let checker = (ENTRY.construct)();
    checker.check(&question, history, &Budget::default()).remove(0)
}

/// What every proof must keep: the prefix fails and the one before it does not, the operations
/// reported do not fit each other even alone, and the order told can really be taken.
fn check_proof(history: &History, anomaly: &Anomaly) -> Result<(), TestCaseError> {
    let Witness::Linearization { impossible, prefix, order, blocked, .. } = &anomaly.witness else {
        return Err(TestCaseError::fail("the witness is no linearization"));
    };
    prop_assert!(!oracle_or_search(&oracle::cut(history, *prefix)), "the prefix holds");
    prop_assert!(
        *prefix == 0 || oracle_or_search(&oracle::cut(history, prefix - 1)),
        "a shorter prefix fails"
    );
    let part = oracle::part(history, &anomaly.operations);
    prop_assert!(!oracle_or_search(&part), "the operations reported hold");
    prop_assert_eq!(anomaly.operations.last(), Some(impossible));
    prop_assert_eq!(blocked.first().map(|first| first.operation), Some(*impossible));
    prop_assert!(order.iter().all(|(index, _)| index != impossible));
    prop_assert!(!anomaly.explanation.contains("  "));
    Ok(())
}

fn oracle_or_search(history: &History) -> bool {
    if history.len() <= 8 {
        return oracle::linearizable(history);
    }
    only_register(history).is_none_or(|register| searched(&register))
}

const SMALL: Shape = Shape { operations: 8, clients: 4, unique: true, lies: 8 };

#[test]
fn chains_and_search_agree_with_the_definition_where_values_are_unique() {
    on_random(SMALL, 20_000, |history| {
        let expected = oracle::linearizable(history);
        let Some(register) = only_register(history) else { return Ok(expected) };
        prop_assert_eq!(register.unique_until(), NEVER);
        let failing = first_failing_prefix(&register, NEVER);
        prop_assert_eq!(failing.is_none(), expected, "chains: {}", history.to_text());
        prop_assert_eq!(searched(&register), expected, "search: {}", history.to_text());
        Ok(expected)
    });
}

#[test]
fn the_search_agrees_with_the_definition_where_values_repeat() {
    on_random(Shape { unique: false, ..SMALL }, 20_000, |history| {
        let expected = oracle::linearizable(history);
        if let Some(register) = only_register(history) {
            prop_assert_eq!(searched(&register), expected, "{}", history.to_text());
        }
        Ok(expected)
    });
}

#[test]
fn proofs_of_small_violations_stand_alone() {
    for unique in [true, false] {
        on_random(Shape { unique, ..SMALL }, 4_000, |history| {
            let verdict = verdict(history);
            let valid = oracle::linearizable(history);
            prop_assert_eq!(verdict.validity == Validity::Invalid, !valid, "{}", history.to_text());
            for anomaly in &verdict.anomalies {
                check_proof(history, anomaly).map_err(|error| {
                    TestCaseError::fail(format!("{error}\n{anomaly:#?}\n{}", history.to_text()))
                })?;
            }
            Ok(valid)
        });
    }
}

#[test]
fn proofs_of_medium_violations_stand_alone() {
    for (unique, lies) in [(true, 100), (false, 100)] {
        let shape = Shape { operations: 200, clients: 5, unique, lies };
        on_random(shape, 300, |history| {
            let verdict = verdict(history);
            let valid = only_register(history).is_none_or(|register| searched(&register));
            prop_assert_eq!(verdict.validity == Validity::Invalid, !valid);
            for anomaly in &verdict.anomalies {
                prop_assert!(anomaly.operations.len() <= super::witness::OPERATIONS_MAX);
                check_proof(history, anomaly)
                    .map_err(|error| TestCaseError::fail(format!("{error}\n{anomaly:#?}")))?;
            }
            Ok(valid)
        });
    }
}

#[test]
fn accepts_what_a_register_did() {
    for unique in [true, false] {
        let shape = Shape { operations: 300, clients: 6, unique, lies: 0 };
        on_random(shape, 300, |history| {
            let verdict = verdict(history);
            prop_assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.reason);
            Ok(true)
        });
    }
}

/// Eight writes and reads of another key, so that there is enough to judge.
const ENOUGH: &str = "
    p9 invoke write y 1 \n p9 ok \n p9 invoke read y \n p9 ok 1
    p9 invoke write y 2 \n p9 ok \n p9 invoke read y \n p9 ok 2
    p9 invoke write y 3 \n p9 ok \n p9 invoke read y \n p9 ok 3
    p9 invoke cas y [3 4] \n p9 ok \n p9 invoke read y \n p9 ok 4";

fn from_text(text: &str) -> History {
    History::from_text(text).expect("the text is a history")
}

/// The verdict on a short text, and the first explanation or else the reason.
fn check(text: &str, expected: Validity, says: &str) -> Verdict {
    let verdict = verdict(&from_text(&format!("{ENOUGH}\n{text}")));
    let said = verdict.anomalies.first().map_or(&verdict.reason, |anomaly| &anomaly.explanation);
    assert_eq!(verdict.validity, expected, "{said}");
    assert!(said.contains(says), "{said}");
    verdict
}

use Validity::{Invalid, Unknown, Valid};

#[test]
fn tells_a_stale_read() {
    let verdict = check(
        "10s p0 invoke write x 401 \n 10.1s p0 ok \n 10.2s p3 invoke write x 412 \n 10.3s p3 ok
         10.595s p15 invoke read x @n1 \n 10.6s p15 ok 401",
        Invalid,
        "Key x: the read of event 20 (p15 on n1) returned 401, but write 412 (event 18, p3) had \
         completed 295 ms before that read was invoked, and nothing wrote 401 again: write 401 \
         (event 16, p0) had completed 100 ms before write 412 was invoked, so the register would \
         have to hold 401 before 412 and after it.",
    );
    assert_eq!(
        verdict.reason,
        "Key x breaks, the other one holds; the first violation shows at 10.600 s (event 21)."
    );
    let anomaly = &verdict.anomalies[0];
    assert_eq!(anomaly.operations, [16, 18, 20]);
    let Witness::Linearization {
        impossible, prefix, order, holds, needs, blocked, must_hold, ..
    } = &anomaly.witness
    else {
        panic!("{anomaly:?}")
    };
    assert_eq!((*impossible, *prefix), (20, 21));
    assert_eq!(*order, [(16, "401".to_owned()), (18, "412".to_owned())]);
    assert_eq!((holds.as_str(), needs.as_str()), ("412", "401"));
    assert_eq!(
        blocked[0].why,
        "The register holds 412. 401 was written once, and 412 came after it; nothing brings it back."
    );
    let held: Vec<_> =
        must_hold.iter().map(|it| (it.value.as_str(), it.from, it.to, it.forced_by)).collect();
    assert_eq!(held, [("401", 17, 20, [16, 20]), ("412", 19, 18, [18, 18])]);
}

#[test]
fn tells_the_other_violations_of_unique_values() {
    check("p0 invoke read x \n p0 ok 7", Invalid, "returned 7, but nobody ever wrote 7.");
    check(
        "p1 invoke read x \n p1 ok 7 \n p0 invoke write x 7 \n p0 ok",
        Invalid,
        "the read of event 16 (p1) returned 7, 1.0 ms before write 7 (event 18, p0) was invoked.",
    );
    check(
        "p0 invoke write x 7 \n p0 fail unavailable \n p1 invoke read x \n p1 ok 7",
        Invalid,
        "write 7 (event 16, p0) had failed (event 17), which means that it never took effect.",
    );
    check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke cas x [1 2] \n p1 invoke cas x [1 3]
         p0 ok \n p1 ok",
        Invalid,
        "both compare-and-set 1 → 2 (event 18, p0) and compare-and-set 1 → 3 (event 19, p1) found \
         1, but whichever came first replaced it, and nothing wrote 1 again.",
    );
    check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke cas x [1 2] \n p0 ok
         p1 invoke read x \n p1 ok 1",
        Invalid,
        "the read of event 20 (p1) returned 1, but compare-and-set 1 → 2 (event 18, p0) had \
         succeeded 1.0 ms before that read was invoked, and that can only come \
         after 1 had been replaced; nothing wrote 1 again.",
    );
    check(
        "p0 invoke cas x [1 2] \n p1 invoke cas x [2 1] \n p0 ok \n p1 ok",
        Invalid,
        "was written only by compare-and-sets that need, one through the other, what it wrote",
    );
    check(
        "p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 ok _",
        Invalid,
        "returned nil, but write 1 (event 16, p0) had completed 1.0 ms before that read was \
         invoked, and nothing brings the initial value back.",
    );
}

#[test]
fn tells_a_violation_where_values_repeat() {
    let verdict = check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke write x 2 \n p0 ok \n p0 invoke write x 1 \n p0 ok
         p1 invoke read x \n p1 ok 2",
        Invalid,
        "Key x: the read of event 22 (p1) returned 2, but no order of the operations before it \
         leads to 2: the longest of them places 2 operations and leaves the register at 1.",
    );
    // The first write is not needed for that.
    assert_eq!(verdict.anomalies[0].operations, [18, 20, 22]);
}

#[test]
fn indeterminate_operations_may_take_effect_late_or_never() {
    let late = "p9 invoke read y \n p9 ok 4 \n p0 invoke write x 1 \n p0 info timeout \n p1 invoke read x \n p1 ok _
        p1 invoke read x \n p1 ok";
    check(&format!("{late} _"), Valid, "");
    check(&format!("{late} 1"), Valid, "");
    check(&format!("{late} 1 \n p1 invoke read x \n p1 ok _"), Invalid, "returned nil");
    let open = "p9 invoke read y \n p9 ok 4 \n p1 invoke cas x [_ 5] \n p2 invoke cas x [5 6] \n p3 invoke read x \n p3 ok";
    check(&format!("{open} 6"), Valid, "");
    check(&format!("{open} 6 \n p3 invoke read x \n p3 ok 5"), Invalid, "returned 5");
}

#[test]
fn failures_constrain_nothing() {
    check(
        "p0 invoke write x 1 \n p0 ok \n p1 invoke cas x [1 2] \n p1 fail mismatch found 3
         p1 invoke read x \n p1 fail timeout \n p1 invoke read x \n p1 ok 1",
        Valid,
        "2 keys with 5 reads and 5 writes that were ok: values are unique, so that all were \
         decided without a search.",
    );
}

#[test]
fn names_the_earliest_violation_first_and_counts_the_rest() {
    let verdict = check(
        "p0 invoke read a \n p0 ok _ \n p0 invoke read c \n p0 ok 9 \n p0 invoke read b \n p0 ok 9",
        Invalid,
        "Key c",
    );
    let expected = "Keys c and b break, the other two hold; the first violation shows at 0.019 s \
                    (event 19).";
    assert_eq!(verdict.reason, expected);
}

#[test]
fn upholds_nothing_without_evidence() {
    let check = |text: &str, says: &str| {
        let verdict = verdict(&from_text(text));
        assert_eq!(verdict.validity, Unknown, "{}", verdict.reason);
        assert!(verdict.reason.contains(says), "{}", verdict.reason);
    };
    check("", "No operation was ok");
    check("p0 invoke write x 1 \n p0 ok", "No read was ok");
    check("p0 invoke read x 1 \n p0 ok _", "No write was ok");
    check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke read x \n p0 ok 1",
        "Only 2 operations were ok",
    );
    let verdict = verdict(&from_text("p0 invoke read x \n p0 ok 3"));
    assert_eq!(verdict.validity, Invalid, "a violation needs no quorum");
}

#[test]
fn names_the_event_that_is_none_of_a_register() {
    check("p0 invoke write x \n p0 ok", Unknown, "the write of event 16 writes no number");
    check("p0 invoke cas x 3 \n p0 ok", Unknown, "the cas of event 16 is not given a pair");
    check("p0 invoke append x 3 \n p0 ok", Unknown, "the append of event 16 is no operation");
    check("p0 invoke read x \n p0 ok [1]", Unknown, "the read of event 17 returned [1]");
    check("p0 invoke txn [r x 1] \n p0 ok", Unknown, "the txn of event 16 is no operation");
    // What was proven before that event stays proven, what comes after is not judged.
    let stale = "p0 invoke read x \n p0 ok 9";
    check(&format!("{stale} \n p0 invoke append x 3 \n p0 ok"), Invalid, "nobody ever wrote 9");
    check(&format!("p0 invoke append x 3 \n p0 ok \n {stale}"), Unknown, "the append");
    check(&format!("p0 invoke append z 3 \n p0 ok \n {stale}"), Invalid, "nobody ever wrote 9");
}

#[test]
fn gives_up_at_the_end_of_its_budget() {
    // Thirty open writes of two values in any order, and a read that none of them explains.
    let mut text = String::new();
    for process in 0..30 {
        let value = process % 2 + 1;
        text += &["p", &process.to_string(), " invoke write x ", &value.to_string(), "\n"].concat();
    }
    text += "p40 invoke cas x [1 2] \n p41 invoke cas x [2 1] \n p42 invoke cas x [1 3]\n";
    for process in (0..30).chain(40..43) {
        text += &["p", &process.to_string(), " ok\n"].concat();
    }
    text += "p50 invoke read x \n p50 ok 9\n";
    let history = from_text(&text);
    let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
    let budget = Budget::new(std::time::Duration::from_millis(200), 64 << 20);
    let verdict = (ENTRY.construct)().check(&question, &history, &budget).remove(0);
    assert_eq!(verdict.validity, Unknown, "{}", verdict.reason);
    assert!(verdict.reason.contains("of 34 operations were placed"), "{}", verdict.reason);
    assert!(verdict.reason.contains("its values repeat"), "{}", verdict.reason);
}

#[test]
fn a_violation_of_a_prefix_stays_one() {
    let shape = Shape { operations: 30, clients: 4, unique: true, lies: 30 };
    on_random(shape, 400, |history| {
        let whole = verdict(history).validity;
        for event in history.events().iter().step_by(7) {
            let prefix = verdict(&oracle::cut(history, event.index)).validity;
            prop_assert!(prefix != Invalid || whole == Invalid, "{}", history.to_text());
        }
        Ok(whole != Invalid)
    });
}

#[test]
fn a_read_made_stale_is_found_or_does_no_harm() {
    let shape = Shape { operations: 8, clients: 3, unique: true, lies: 0 };
    let (found, harmless) = (Cell::new(0), Cell::new(0));
    on_random(shape, 2_000, |history| {
        let nil = Value::Nil;
        let is_read = |event: &schism_history::Event| {
            matches!(&event.kind, Kind::Complete(Outcome::Ok(reply))
                if matches!(reply.value, Value::Int(_)))
        };
        let reads = history.operations().filter(|it| it.op.f.as_str() == "read");
        let Some(last) = reads.filter_map(|it| it.completed).max() else { return Ok(true) };
        let mut events = history.events().to_vec();
        let Some(event) = events.iter_mut().find(|it| it.index == last && is_read(it)) else {
            return Ok(true);
        };
        event.kind = Kind::Complete(Outcome::Ok(Reply { value: nil, version: None }));
        let stale = History::from_events(events).expect("only a value was changed");
        let invalid = verdict(&stale).validity == Invalid;
        prop_assert_eq!(invalid, !oracle::linearizable(&stale), "{}", stale.to_text());
        let counter = if invalid { &found } else { &harmless };
        counter.set(counter.get() + 1);
        Ok(true)
    });
    assert!(found.get() > 50 && harmless.get() > 0, "{} and {}", found.get(), harmless.get());
}
