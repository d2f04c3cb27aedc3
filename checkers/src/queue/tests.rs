//! The conditions against the definition.

use schism_history::History;

use super::linearizable::{Discipline, LINEARIZABLE, violations};
use super::operations::by_queue;
use super::oracle;
use super::random::{Random, Shape, history};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000 small ones.
fn cases(usual: u64) -> u64 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (usual * asked / 20_000).max(100)
}

/// Runs `test` on random histories of `shape`; it says whether the history was linearizable. At
/// least one in twenty must be, and one in twenty must not.
pub(crate) fn on_random(shape: Shape, usual: u64, test: impl Fn(&History) -> bool) {
    let cases = cases(usual);
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..cases {
        let mut random = Random(case.wrapping_mul(0xD134_2543_DE82_EF95));
        let counter = if test(&history(&mut random, shape)) { &mut valid } else { &mut invalid };
        *counter += 1;
    }
    assert!(valid > cases / 20, "only {valid} of {cases} were linearizable");
    assert!(
        shape.lies == 0 || invalid > cases / 20,
        "only {invalid} of {cases} were not linearizable"
    );
}

pub(crate) fn verdict(history: &History, fifo: bool) -> Verdict {
    let subject = if fifo { "fifo-queue" } else { "queue" };
    let question = Question::new(subject, vec![Asked::new(Claim::Linearizable)]);
    LINEARIZABLE.check(&question, history, &Budget::default()).remove(0)
}

pub(crate) const SMALL: Shape =
    Shape { operations: 8, clients: 4, unique: true, fifo: true, drains: false, lost: 6, lies: 8 };

fn conditions_agree(shape: Shape, usual: u64) {
    on_random(shape, usual, |history| {
        let expected = oracle::linearizable(history, shape.fifo);
        let discipline = if shape.fifo { Discipline::Fifo } else { Discipline::Bag };
        let (queues, alien) = by_queue(history, false);
        assert!(alien.is_none(), "{alien:?}");
        let found = queues.first().map(|queue| violations(queue, discipline, 8).1);
        let found = found.unwrap_or_default();
        assert_eq!(found.is_empty(), expected, "{found:?}\n{}", history.to_text());
        expected
    });
}

#[test]
fn the_conditions_of_a_fifo_queue_agree_with_the_definition() {
    conditions_agree(SMALL, 20_000);
    conditions_agree(Shape { lost: 2, ..SMALL }, 20_000);
    conditions_agree(Shape { lost: 2, lies: 20, ..SMALL }, 20_000);
    conditions_agree(Shape { lost: 0, clients: 3, ..SMALL }, 10_000);
    conditions_agree(Shape { lost: 3, clients: 8, ..SMALL }, 10_000);
}

#[test]
fn the_conditions_of_a_bag_agree_with_the_definition() {
    let bag = Shape { fifo: false, ..SMALL };
    conditions_agree(bag, 20_000);
    conditions_agree(Shape { lost: 2, lies: 4, ..bag }, 20_000);
    conditions_agree(Shape { lost: 3, clients: 8, ..bag }, 10_000);
}

#[test]
fn verdicts_agree_with_the_definition_where_values_repeat() {
    for fifo in [true, false] {
        let shape = Shape { unique: false, fifo, ..SMALL };
        on_random(shape, 10_000, |history| {
            let expected = oracle::linearizable(history, fifo);
            let verdict = verdict(history, fifo);
            let invalid = verdict.validity == Validity::Invalid;
            assert_eq!(invalid, !expected, "{}\n{}", verdict.reason, history.to_text());
            expected
        });
    }
}

#[test]
fn accepts_what_a_queue_did() {
    for fifo in [true, false] {
        let shape = Shape { operations: 300, clients: 6, fifo, lost: 20, lies: 0, ..SMALL };
        on_random(shape, 300, |history| {
            let verdict = verdict(history, fifo);
            assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.reason);
            true
        });
    }
}
