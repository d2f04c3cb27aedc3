//! The guarantees of sessions against their definitions, and against PRAM.

use schism_history::History;

use super::random::{Chance, SMALL, Shape, history};
use super::tests::{Tally, cases, verdicts};
use super::version_oracle;
use crate::{Claim, Validity};

const GUARANTEES: [Claim; 4] = [
    Claim::ReadYourWrites,
    Claim::MonotonicReads,
    Claim::MonotonicWrites,
    Claim::WritesFollowReads,
];

/// How sure the checker must be: as sure as can be, or only never wrong.
fn agree(shape: Shape, usual: u64, seed: u64, exact: bool, both: &[Claim]) {
    let cases = cases(usual);
    let mut tallies: [Tally; 4] = Default::default();
    let mut hesitant = 0;
    for case in 0..cases {
        let history = history(&mut Chance(seed << 40 | case), shape);
        let found = verdicts(&history, &GUARANTEES);
        for (place, claim) in GUARANTEES.into_iter().enumerate() {
            let verdict = &found[place];
            tallies[place].count(verdict.validity);
            let Some(expected) = version_oracle::verdict(&history, claim) else { continue };
            let nothing = verdict.reason.starts_with("No ")
                || verdict.reason.contains("no version of the key");
            let known = |validity| validity == verdict.validity;
            let fits = match expected {
                Validity::Valid => known(Validity::Valid) || nothing,
                expected => known(expected),
            };
            let doubtful = known(Validity::Unknown)
                && (!exact || matches!(claim, Claim::MonotonicWrites | Claim::WritesFollowReads));
            hesitant += u64::from(!fits && doubtful);
            assert!(
                fits || doubtful,
                "{claim}: {:?} ({}), expected {expected:?}:\n{}",
                verdict.validity,
                verdict.reason,
                history.to_text()
            );
        }
    }
    assert!(hesitant <= cases * 4 / 50, "{hesitant} of {cases}");
    for (tally, claim) in tallies.iter().zip(GUARANTEES) {
        let rare = cases / 1_000;
        assert!(
            !both.contains(&claim) || tally.valid > rare && tally.invalid > rare,
            "{claim}: {tally:?} of {cases}"
        );
    }
}

#[test]
fn guarantees_with_one_writer_a_key_agree_with_their_definitions() {
    let shape = Shape { one_writer: true, lies: 3, operations: 10, ..SMALL };
    agree(shape, 20_000, 11, true, &GUARANTEES);
}

#[test]
fn guarantees_with_numbered_versions_agree_with_their_definitions() {
    let shape = Shape { numbers: true, lies: 3, lost: 0, operations: 9, ..SMALL };
    agree(shape, 20_000, 12, false, &GUARANTEES);
}

#[test]
fn guarantees_with_compare_and_set_agree_with_their_definitions() {
    let shape = Shape { cas: true, lies: 5, keys: 1, ..SMALL };
    agree(shape, 20_000, 13, true, &[Claim::ReadYourWrites, Claim::MonotonicReads]);
}

#[test]
fn guarantees_with_unknown_order_agree_with_their_definitions() {
    let shape = Shape { lies: 5, ..SMALL };
    agree(shape, 20_000, 14, true, &[Claim::ReadYourWrites, Claim::MonotonicReads]);
    let shape = Shape { lies: 5, transactions: true, ..SMALL };
    agree(shape, 5_000, 15, true, &[]);
}

/// PRAM is read-your-writes, monotonic reads and monotonic writes together, where each key has one
/// writer (Brzeziński et al. 2004).
#[test]
fn pram_implies_the_guarantees_of_sessions() {
    let shape = Shape { one_writer: true, lies: 12, operations: 12, ..SMALL };
    let mut tally = Tally::default();
    let cases = cases(10_000);
    for case in 0..cases {
        let history: History = history(&mut Chance(16 << 40 | case), shape);
        let pram = verdicts(&history, &[Claim::Pram]).remove(0).validity;
        tally.count(pram);
        if pram == Validity::Valid {
            for verdict in verdicts(&history, &GUARANTEES[..3]) {
                assert_ne!(
                    verdict.validity,
                    Validity::Invalid,
                    "{}\n{}",
                    verdict.reason,
                    history.to_text()
                );
            }
        }
        let causal = verdicts(&history, &[Claim::Causal]).remove(0).validity;
        if causal == Validity::Valid && pram == Validity::Valid {
            let verdict = verdicts(&history, &[Claim::WritesFollowReads]).remove(0);
            assert_ne!(verdict.validity, Validity::Invalid, "{}", history.to_text());
        }
    }
    tally.assert_both(cases);
}
