//! The procedure against the definition.

use schism_history::History;

use super::ENTRY;
use crate::session::oracle::{Model, holds};
use crate::session::random::{Chance, SMALL, Shape, history};
use crate::session::tests::{Tally, cases, verdicts};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

fn sequential(history: &History) -> Verdict {
    let question = Question::new("register", vec![Asked::new(Claim::Sequential)]);
    // Without real time nobody asks for linearizability, so that the search itself is tested.
    let untimed = history.clone().without_real_time();
    ENTRY.check(&question, &untimed, &Budget::default()).remove(0)
}

fn agrees(shape: Shape, usual: u64, seed: u64) {
    let cases = cases(usual);
    let (mut tally, mut searched) = (Tally::default(), 0);
    for case in 0..cases {
        let history = history(&mut Chance(seed << 40 | case), shape);
        let verdict = sequential(&history);
        tally.count(verdict.validity);
        let expected = holds(&history, Model::Sequential);
        let fits = match verdict.validity {
            Validity::Valid => expected,
            Validity::Invalid => !expected,
            Validity::Unknown => expected && verdict.reason.starts_with("No "),
        };
        assert!(fits, "{verdict:?}, expected {expected}:\n{}", history.to_text());
        searched += u64::from(verdict.reason.contains("all were tried"));
    }
    eprintln!("{searched} of {cases} needed a search");
    tally.assert_both(cases);
}

#[test]
fn agrees_with_the_definition() {
    agrees(SMALL, 20_000, 21);
    agrees(Shape { cas: true, ..SMALL }, 20_000, 22);
    agrees(Shape { operations: 10, clients: 3, lost: 0, ..SMALL }, 20_000, 23);
}

#[test]
fn agrees_with_the_definition_for_transactions() {
    agrees(Shape { transactions: true, ..SMALL }, 20_000, 24);
}

#[test]
fn implies_causal_memory() {
    let shape = Shape { operations: 40, clients: 4, keys: 3, lies: 60, cas: true, ..SMALL };
    let mut tally = Tally::default();
    let cases = cases(4_000);
    for case in 0..cases {
        let history = history(&mut Chance(25 << 40 | case), shape);
        let validity = sequential(&history).validity;
        tally.count(validity);
        if validity == Validity::Valid {
            for weaker in verdicts(&history, &[Claim::CausalMemory, Claim::CausalConvergence]) {
                assert_eq!(weaker.validity, Validity::Valid, "{}", history.to_text());
            }
        }
    }
    tally.assert_both(cases);
}
