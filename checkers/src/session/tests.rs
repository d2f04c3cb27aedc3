//! The models against their definitions, and against each other.

use schism_history::History;

use super::oracle::{Model, holds};
use super::random::{Chance, SMALL, Shape, history};
use super::{CAUSAL, SESSION};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000.
pub(crate) fn cases(usual: u64) -> u64 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (usual * asked / 20_000).max(200)
}

/// How often a verdict was given, by validity.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub valid: u64,
    pub unknown: u64,
    pub invalid: u64,
}

impl Tally {
    pub fn count(&mut self, validity: Validity) {
        match validity {
            Validity::Valid => self.valid += 1,
            Validity::Unknown => self.unknown += 1,
            Validity::Invalid => self.invalid += 1,
        }
    }

    pub fn assert_both(&self, cases: u64) {
        assert!(self.valid > cases / 25 && self.invalid > cases / 25, "{self:?} of {cases}");
    }
}

pub(crate) fn verdicts(history: &History, claims: &[Claim]) -> Vec<Verdict> {
    let asked = claims.iter().map(|&claim| Asked::new(claim)).collect();
    let question = Question::new("register", asked);
    let entry = if CAUSAL.decides.contains(&claims[0]) { CAUSAL } else { SESSION };
    entry.check(&question, history, &Budget::default())
}

const MODELS: [(Claim, Model); 4] = [
    (Claim::Pram, Model::Pram),
    (Claim::Causal, Model::Causal),
    (Claim::CausalMemory, Model::Memory),
    (Claim::CausalConvergence, Model::Convergence),
];

fn agree_with_the_definition(shape: Shape, usual: u64, seed: u64) {
    let cases = cases(usual);
    let mut tallies: [Tally; 4] = Default::default();
    let claims = MODELS.map(|(claim, _)| claim);
    for case in 0..cases {
        let history = history(&mut Chance(seed << 40 | case), shape);
        let verdicts = verdicts(&history, &claims);
        for (place, (claim, model)) in MODELS.into_iter().enumerate() {
            let verdict = &verdicts[place];
            tallies[place].count(verdict.validity);
            let expected = holds(&history, model);
            let fits = match verdict.validity {
                Validity::Valid => expected,
                Validity::Invalid => !expected,
                // Only where there was nothing to see.
                Validity::Unknown => expected && verdict.reason.starts_with("No "),
            };
            assert!(
                fits,
                "{claim}: {:?} ({}), expected {expected}:\n{}",
                verdict.validity,
                verdict.reason,
                history.to_text()
            );
            let proofs = &verdict.anomalies;
            assert!(proofs.iter().all(|it| !it.operations.is_empty() && it.explanation.len() > 20));
        }
    }
    for tally in &tallies {
        tally.assert_both(cases);
    }
}

#[test]
fn models_of_registers_agree_with_their_definitions() {
    agree_with_the_definition(SMALL, 20_000, 1);
}

#[test]
fn models_with_compare_and_set_agree_with_their_definitions() {
    agree_with_the_definition(Shape { cas: true, ..SMALL }, 20_000, 2);
}

#[test]
fn models_of_several_registers_agree_with_their_definitions() {
    agree_with_the_definition(
        Shape { transactions: true, operations: 6, lies: 6, ..SMALL },
        20_000,
        3,
    );
}

#[test]
fn models_of_two_long_sessions_agree_with_their_definitions() {
    agree_with_the_definition(Shape { operations: 9, clients: 2, lost: 0, ..SMALL }, 20_000, 4);
}

#[test]
fn stronger_models_imply_weaker_ones() {
    let shape = Shape { operations: 40, clients: 4, keys: 3, lies: 40, cas: true, ..SMALL };
    let mut tallies: [Tally; 4] = Default::default();
    let cases = cases(4_000);
    for case in 0..cases {
        let history = history(&mut Chance(5 << 40 | case), shape);
        let found = verdicts(&history, &MODELS.map(|(claim, _)| claim));
        let [pram, causal, memory, convergence] = [0, 1, 2, 3].map(|at| found[at].validity);
        for (tally, validity) in tallies.iter_mut().zip([pram, causal, memory, convergence]) {
            tally.count(validity);
        }
        let text = || history.to_text();
        if memory == Validity::Valid {
            assert_eq!((causal, pram), (Validity::Valid, Validity::Valid), "{}", text());
        }
        if convergence == Validity::Valid {
            assert_eq!(causal, Validity::Valid, "{}", text());
        }
    }
    for tally in &tallies {
        tally.assert_both(cases);
    }
}
