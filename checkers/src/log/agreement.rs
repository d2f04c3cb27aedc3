//! The checker against the definitions, on random histories.

use schism_history::History;

use super::checker::forbidden;
use super::oracle::Oracle;
use super::random::{Random, Shape, history};
use super::{DECIDES, ENTRY};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000 small ones.
fn cases(usual: u64) -> u64 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (usual * asked / 20_000).max(100)
}

pub(super) fn verdicts(history: &History) -> Vec<Verdict> {
    let claims = DECIDES.iter().copied().map(Asked::new).collect();
    ENTRY.check(&Question::new("log", claims), history, &Budget::default())
}

/// Compares the verdicts with the definitions, and says for each claim what was found.
fn compare(history: &History) -> Vec<Validity> {
    let oracle = Oracle::new(history);
    let verdicts = verdicts(history);
    for verdict in &verdicts {
        let claim = verdict.asked.claim;
        let text = || format!("{claim}: {}\n{}", verdict.reason, history.to_text());
        let number: usize = match claim {
            Claim::NoCircularReads => oracle.circles(),
            _ => forbidden(claim).iter().map(|&kind| oracle.count(kind)).sum(),
        };
        assert_eq!(number > 0, verdict.validity == Validity::Invalid, "{number} {}", text());
        assert_eq!(number.min(8), verdict.anomalies.len(), "{}", text());
        let told: usize = verdict
            .reason
            .split(|c: char| !c.is_ascii_digit())
            .find_map(|word| word.parse().ok())
            .unwrap_or_default();
        let single = forbidden(claim).len() == 1 && number > 0;
        assert!(!single || told == number, "{number} {}", text());
        let order = matches!(claim, Claim::ConsistentOffsets | Claim::PollOrder | Claim::SendOrder);
        if verdict.validity == Validity::Valid && !order {
            assert!(!oracle.has_repeated(), "{}", text());
        }
        if verdict.validity == Validity::Valid && claim == Claim::NoUnseenWrites {
            assert_eq!(oracle.unpolled(), 0, "{}", text());
        }
        if verdict.validity == Validity::Valid && claim == Claim::NoLostWrites {
            assert_eq!(oracle.passed_unpolled(), 0, "{}", text());
        }
        if verdict.validity == Validity::Valid && claim == Claim::NoGroupSkips {
            assert_eq!(oracle.not_returned(), 0, "{}", text());
        }
        for anomaly in &verdict.anomalies {
            assert!(!anomaly.operations.is_empty(), "{}", text());
        }
    }
    verdicts.iter().map(|verdict| verdict.validity).collect()
}

fn on_random(shape: Shape, usual: u64, lies: bool) {
    let cases = cases(usual);
    let mut found = vec![[0_u64; 3]; DECIDES.len()];
    let mut random = Random(41);
    for _ in 0..cases {
        let shape = Shape { operations: 2 + random.below(shape.operations), ..shape };
        let history = history(&mut random, shape);
        for (counts, validity) in found.iter_mut().zip(compare(&history)) {
            assert!(lies || validity != Validity::Invalid, "{}", history.to_text());
            counts[validity as usize] += 1;
        }
    }
    for (claim, [valid, unknown, invalid]) in DECIDES.iter().zip(found) {
        println!("{claim}: {valid} valid, {unknown} unknown, {invalid} invalid");
        let enough = cases / 200;
        assert!(valid > enough, "{claim}: only {valid} of {cases} were valid");
        let expected = if lies { invalid > cases / 2_000 } else { invalid == 0 };
        assert!(expected, "{claim}: {invalid} of {cases} were invalid");
    }
}

const SMALL: Shape =
    Shape { operations: 14, clients: 3, keys: 2, lies: 12, failures: 6, subscribes: true };

#[test]
fn agrees_with_the_definitions() {
    on_random(SMALL, 20_000, true);
}

#[test]
fn agrees_with_the_definitions_about_one_log() {
    on_random(Shape { clients: 2, keys: 1, ..SMALL }, 10_000, true);
}

#[test]
fn a_log_without_lies_is_never_invalid() {
    on_random(Shape { lies: 0, ..SMALL }, 4_000, false);
}
