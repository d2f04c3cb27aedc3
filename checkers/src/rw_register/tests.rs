//! The claims against their definitions, and against each other.

use schism_history::History;

use super::facts::{Isolation, Model};
use super::{ENTRY, oracle};
use crate::transactional::Order;
use crate::weak::{Dice, Level, Rule, Shape, cases, oracle as definitions, random_history};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

const SMALL: Shape =
    Shape { transactions: 5, micro: 3, keys: 2, processes: 3, lies: 10, faults: 9, stale: true };

fn verdicts(history: &History, claims: &[Claim]) -> Vec<Verdict> {
    let claims = claims.iter().map(|claim| Asked::new(*claim)).collect();
    ENTRY.check(&Question::new("rw-register", claims), history, &Budget::default())
}

fn one(claim: Claim, text: &str) -> Verdict {
    verdicts(&History::from_text(text).expect("the text is a history"), &[claim]).remove(0)
}

const MODELS: [(Claim, Isolation, Order, bool); 8] = [
    (Claim::ConsistentView, Isolation::View, Order::Data, false),
    (Claim::SnapshotIsolation, Isolation::Snapshot, Order::Data, true),
    (Claim::StrongSessionSnapshotIsolation, Isolation::Snapshot, Order::Process, true),
    (Claim::StrongSnapshotIsolation, Isolation::Snapshot, Order::Realtime, true),
    (Claim::RepeatableRead, Isolation::Serial, Order::Data, false),
    (Claim::Serializable, Isolation::Serial, Order::Data, true),
    (Claim::StrongSessionSerializable, Isolation::Serial, Order::Process, true),
    (Claim::StrictSerializable, Isolation::Serial, Order::Realtime, true),
];

/// Whether two presumed initial values, or none, make this a history that the definitions judge.
fn agrees(shape: Shape, usual: u64) {
    let claims: Vec<Claim> = MODELS.iter().map(|model| model.0).collect();
    let mut tally = vec![[0_u64; 2]; MODELS.len()];
    let mut judged = 0;
    for seed in 0..cases(usual) {
        let history = random_history(&mut Dice::new(seed), shape);
        if presumes(&history) {
            continue;
        }
        judged += 1;
        let verdicts = verdicts(&history, &claims);
        for (place, &(claim, isolation, order, internal)) in MODELS.iter().enumerate() {
            let verdict = &verdicts[place];
            let expected = oracle::holds(&history, Model { isolation, order }, internal);
            tally[place][usize::from(expected)] += 1;
            let wanted = if expected { Validity::Valid } else { Validity::Invalid };
            let nothing = expected && verdict.reason.starts_with("No transaction");
            // A contradiction of a transaction with itself is no matter of these two.
            let own = !internal && contradicts_itself(&history);
            assert!(
                verdict.validity == wanted || nothing || own,
                "{claim} {expected}, seed {seed}: {}\n{}",
                verdict.reason,
                history.to_text()
            );
            for anomaly in &verdict.anomalies {
                assert!(!anomaly.explanation.contains("  "), "{}", anomaly.explanation);
                assert!(
                    own || crate::transactional::breaks(&anomaly.name, claim),
                    "{} does not break {claim}",
                    anomaly.name
                );
            }
        }
    }
    for [invalid, valid] in tally {
        let enough = judged / 40;
        assert!(valid > enough && invalid > enough, "{valid} valid, {invalid} invalid of {judged}");
    }
}

/// Whether a read returns what nobody wrote.
fn presumes(history: &History) -> bool {
    let choices = definitions::choices(history);
    let Some(all) = choices.last() else { return false };
    let written = |mop: &schism_history::Mop| {
        history.operations().any(|it| match &it.op.value {
            schism_history::Value::Mops(mops) => mops.iter().any(|it| {
                it.kind == schism_history::MopKind::Write
                    && (it.key, &it.value) == (mop.key, &mop.value)
            }),
            _ => false,
        })
    };
    all.iter().any(|txn| {
        txn.mops.iter().any(|mop| {
            mop.kind == schism_history::MopKind::Read
                && mop.value != schism_history::Value::Nil
                && !written(mop)
        })
    })
}

fn contradicts_itself(history: &History) -> bool {
    let choices = definitions::choices(history);
    choices.iter().flatten().any(|txn| !txn.reads_its_own_writes())
}

#[test]
fn claims_agree_with_the_definitions() {
    agrees(SMALL, 20_000);
}

#[test]
fn claims_agree_with_the_definitions_where_nothing_fails() {
    agrees(Shape { faults: 0, keys: 3, lies: 3, ..SMALL }, 10_000);
}

#[test]
fn claims_agree_with_the_definitions_where_reads_are_never_stale() {
    agrees(Shape { stale: false, transactions: 5, lies: 8, ..SMALL }, 10_000);
}

#[test]
fn weak_claims_agree_with_the_definitions() {
    let rules = [
        (Claim::ReadAtomic, Rule { level: Level::ReadAtomic, sessions: false }),
        (Claim::Causal, Rule { level: Level::Causal, sessions: true }),
    ];
    for seed in 0..cases(5_000) {
        let history = random_history(&mut Dice::new(seed), SMALL);
        if presumes(&history) {
            continue;
        }
        for (claim, rule) in rules {
            let verdict = verdicts(&history, &[claim]).remove(0);
            let holds = definitions::holds(&history, rule);
            assert!(
                verdict.validity == Validity::Unknown
                    || (verdict.validity == Validity::Valid) == holds,
                "{claim}: {}\n{}",
                verdict.reason,
                history.to_text()
            );
        }
    }
}

/// Stronger claims are not upheld where weaker ones are violated.
#[test]
fn claims_imply_each_other() {
    let claims: Vec<Claim> = crate::transactional::claims().collect();
    let implied: [(Claim, Claim); 14] = [
        (Claim::ReadCommitted, Claim::ReadUncommitted),
        (Claim::CursorStability, Claim::ReadCommitted),
        (Claim::ReadAtomic, Claim::ReadCommitted),
        (Claim::Causal, Claim::ReadAtomic),
        (Claim::ConsistentView, Claim::CursorStability),
        (Claim::SnapshotIsolation, Claim::ConsistentView),
        (Claim::SnapshotIsolation, Claim::ReadAtomic),
        (Claim::RepeatableRead, Claim::CursorStability),
        (Claim::Serializable, Claim::RepeatableRead),
        (Claim::Serializable, Claim::SnapshotIsolation),
        (Claim::StrongSessionSnapshotIsolation, Claim::Causal),
        (Claim::StrongSnapshotIsolation, Claim::StrongSessionSnapshotIsolation),
        (Claim::StrictSerializable, Claim::StrongSnapshotIsolation),
        (Claim::StrictSerializable, Claim::StrongSessionSerializable),
    ];
    let shape = Shape { transactions: 14, processes: 5, keys: 3, ..SMALL };
    let mut unknown = 0;
    for seed in 0..cases(4_000) {
        let history = random_history(&mut Dice::new(seed), shape);
        let verdicts = verdicts(&history, &claims);
        let of = |claim: Claim| {
            let place = claims.iter().position(|it| *it == claim).expect("it was asked");
            verdicts[place].validity
        };
        unknown += verdicts.iter().filter(|it| it.validity == Validity::Unknown).count();
        for (stronger, weaker) in implied {
            assert!(
                of(stronger) != Validity::Valid || of(weaker) == Validity::Valid,
                "{stronger} holds and {weaker} does not, seed {seed}:\n{}",
                history.to_text()
            );
        }
    }
    // Of thirteen claims of each history.
    assert!(unknown < cases(4_000) as usize, "{unknown} verdicts are unknown");
}

const LATE: &str = "p0 invoke txn [w x 2]\np0 ok\np0 invoke txn [r x _]\np0 ok [r x 3]\n\
                    p0 invoke txn [r x _]\np0 ok [r x 2]\n";

#[test]
fn a_value_that_nobody_wrote_may_be_older_than_the_recording() {
    assert_eq!(one(Claim::Serializable, LATE).validity, Validity::Valid);
    let strict = one(Claim::StrictSerializable, LATE);
    assert_eq!(strict.validity, Validity::Invalid);
    assert_eq!(one(Claim::StrongSessionSerializable, LATE).validity, Validity::Invalid);
    let two = format!("{LATE}p1 invoke txn [r x _]\np1 ok [r x 4]\n");
    let verdict = one(Claim::Serializable, &two);
    assert_eq!(verdict.validity, Validity::Invalid);
    assert_eq!(verdict.anomalies[0].name, "unwritten-read");
    let nil = format!("{LATE}p1 invoke txn [r x _]\np1 ok [r x _]\n");
    assert_eq!(one(Claim::Serializable, &nil).anomalies[0].name, "unwritten-read");
}

const SKEW: &str = "p0 invoke txn [r x _, w y 1]\np1 invoke txn [r y _, w x 1]\n\
                    p0 ok [r x _, w y 1]\np1 ok [r y _, w x 1]\n";

/// Found by a long run of the oracle: nothing but the reader says that the writers' order is wrong,
/// and they are of one session, which does not count here.
#[test]
fn a_fractured_read_of_one_session_is_found_where_sessions_do_not_count() {
    let text = "p0 invoke txn [w x 1, w y 1]\np0 ok\np0 invoke txn [w y 2, w x 4]\np0 ok\n\
                p2 invoke txn [r x _, r y _]\np2 ok [r x 1, r y 2]\n";
    assert_eq!(one(Claim::ReadAtomic, text).validity, Validity::Invalid);
}

#[test]
fn write_skew_breaks_serializability_and_not_snapshots() {
    assert_eq!(one(Claim::StrongSnapshotIsolation, SKEW).validity, Validity::Valid);
    let verdict = one(Claim::Serializable, SKEW);
    assert_eq!(verdict.anomalies[0].name, "G2-item", "{}", verdict.reason);
    assert!(verdict.anomalies[0].explanation.contains("before"), "{verdict:?}");
}

#[test]
fn a_lost_update_is_named() {
    let text = "p0 invoke txn [r x _, w x 1]\np1 invoke txn [r x _, w x 2]\n\
                p0 ok [r x _, w x 1]\np1 ok [r x _, w x 2]\n";
    assert_eq!(one(Claim::CursorStability, text).anomalies[0].name, "lost-update");
    assert_eq!(one(Claim::SnapshotIsolation, text).validity, Validity::Invalid);
    assert_eq!(one(Claim::ReadCommitted, text).validity, Validity::Valid);
}

#[test]
fn without_real_time_strict_claims_are_unknown_unless_sessions_break_them() {
    let ask = |text: &str| {
        let history = History::from_text(text).expect("the text is a history").without_real_time();
        verdicts(&history, &[Claim::StrictSerializable]).remove(0).validity
    };
    assert_eq!(ask(LATE), Validity::Invalid);
    assert_eq!(
        ask("p0 invoke txn [w x 2]\np0 ok\np1 invoke txn [r x _]\np1 ok [r x 2]\n"),
        Validity::Unknown
    );
}
