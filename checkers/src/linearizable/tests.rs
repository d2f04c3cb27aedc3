//! The procedures against the definition, and against each other.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use schism_history::{History, Kind, Outcome, Reply, Value};

use super::extract::Extract;
use super::model::RegisterModel;
use super::operations::{NEVER, Register};
use super::prefix::first_failing_prefix;
use super::random::{Choices, Shape, history};
use super::search::{Answer, Limits, search_operations};
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
    on_random_of(&|choices| history(choices, shape), shape, usual, test);
}

/// The same of the histories that `make` makes.
pub(crate) fn on_random_of(
    make: &dyn Fn(&mut Choices<'_>) -> History,
    shape: Shape,
    usual: u32,
    test: impl Fn(&History) -> Result<bool, TestCaseError>,
) {
    let cases = cases(usual);
    let (valid, invalid) = (Cell::new(0), Cell::new(0));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let choices = proptest::collection::vec(any::<u16>(), shape.operations * 24);
    let result = TestRunner::new(config).run(&choices, |choices| {
        let history = make(&mut Choices::new(&choices));
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

fn only_register(history: &History) -> Option<Register<'_>> {
    let extract = Extract::new(history, &Value::Nil);
    assert!(extract.alien.is_none(), "{:?}", extract.alien);
    assert!(extract.registers.len() <= 1, "random histories have one key");
    extract.registers.into_iter().next()
}

fn searched(register: &Register) -> bool {
    let (budget, held_bytes) = (Budget::default(), AtomicUsize::new(0));
    let limits = Limits { budget: &budget, held_bytes: &held_bytes, configurations_max: u64::MAX };
    let (calls, _) = register.calls(NEVER, None, false);
    match search_operations(&mut RegisterModel, &calls, limits) {
        Answer::Linearizable { .. } => true,
        Answer::Impossible(_) => false,
        Answer::Exhausted(far) => panic!("{far:?}"),
    }
}

pub(crate) fn verdict(history: &History) -> Verdict {
    let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
    ENTRY.check(&question, history, &Budget::default()).remove(0)
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

#[test]
fn a_violation_of_a_prefix_stays_one() {
    let shape = Shape { operations: 30, clients: 4, unique: true, lies: 30 };
    on_random(shape, 400, |history| {
        let whole = verdict(history).validity;
        for event in history.events().iter().step_by(7) {
            let prefix = verdict(&oracle::cut(history, event.index)).validity;
            prop_assert!(
                prefix != Validity::Invalid || whole == Validity::Invalid,
                "{}",
                history.to_text()
            );
        }
        Ok(whole != Validity::Invalid)
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
        let invalid = verdict(&stale).validity == Validity::Invalid;
        prop_assert_eq!(invalid, !oracle::linearizable(&stale), "{}", stale.to_text());
        let counter = if invalid { &found } else { &harmless };
        counter.set(counter.get() + 1);
        Ok(true)
    });
    assert!(found.get() > 50 && harmless.get() > 0, "{} and {}", found.get(), harmless.get());
}
