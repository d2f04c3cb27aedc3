//! Agreement with the definitions on random histories.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use schism_history::History;

use super::oracle::{Trial, Weak};
use super::random::{Shape, Store, history};
use super::tests::{judge_history, verdict};
use crate::transactional::Order;
use crate::transactional::random::{Random, cases};
use crate::{Claim, Validity, Verdict};

/// What the definitions say of a history.
fn defined(trial: &Trial) -> Vec<(Claim, bool)> {
    let mut defined = vec![
        (Claim::Serializable, trial.serializable(Order::Data)),
        (Claim::StrongSessionSerializable, trial.serializable(Order::Process)),
        (Claim::StrictSerializable, trial.serializable(Order::Realtime)),
        (Claim::ReadCommitted, trial.weakly(Weak::ReadCommitted)),
        (Claim::ReadAtomic, trial.weakly(Weak::ReadAtomic)),
        (Claim::Causal, trial.weakly(Weak::Causal)),
        (Claim::ConsistentView, trial.weakly(Weak::ConsistentView)),
    ];
    let isolated = |claim, order| (claim, trial.snapshot_isolated(order));
    defined.push(isolated(Claim::SnapshotIsolation, Order::Data));
    defined.push(isolated(Claim::StrongSessionSnapshotIsolation, Order::Process));
    defined.push(isolated(Claim::StrongSnapshotIsolation, Order::Realtime));
    defined
}

/// Each claim that an order defines, on random histories of every store.
#[test]
fn agrees_with_the_definitions() {
    let cases = cases(20_000);
    let counts: Vec<[AtomicU64; 2]> = (0..10).map(|_| Default::default()).collect();
    (0..cases).into_par_iter().for_each(|case| {
        let mut random = Random(case);
        let stores = [Store::Serial, Store::Snapshot, Store::Stale, Store::Uncommitted];
        let shape = Shape {
            store: stores[random.below(4)],
            transactions: 2 + random.below(4),
            keys: 1 + random.below(3),
            clients: 1 + random.below(4),
            lies: [0, 0, 4][random.below(3)],
        };
        let history = history(&mut random, shape);
        let verdicts = judge_history(&history);
        for (number, (claim, holds)) in defined(&Trial::of(&history)).into_iter().enumerate() {
            let verdict = verdict(&verdicts, claim);
            let upheld = verdict.validity != Validity::Invalid;
            let text =
                || format!("case {case}: {claim}: {}\n{}", verdict.reason, history.to_text());
            assert_eq!(upheld, holds, "{}", text());
            assert!(shape.store != Store::Serial || shape.lies > 0 || upheld, "{}", text());
            counts[number][usize::from(upheld)].fetch_add(1, Ordering::Relaxed);
        }
        agree_with_each_other(&history, &verdicts);
    });
    let often = |count: &AtomicU64| count.load(Ordering::Relaxed) > cases / 50;
    assert!(counts.iter().flatten().all(often), "{counts:?}");
}

/// Whoever breaks a weaker claim breaks the stronger ones, and the reasons are whole.
fn agree_with_each_other(history: &History, verdicts: &[Verdict]) {
    let invalid = |claim| verdict(verdicts, claim).validity == Validity::Invalid;
    for (weaker, stronger) in [
        (Claim::ReadUncommitted, Claim::ReadCommitted),
        (Claim::ReadCommitted, Claim::CursorStability),
        (Claim::ReadCommitted, Claim::ReadAtomic),
        (Claim::CursorStability, Claim::ConsistentView),
        (Claim::CursorStability, Claim::RepeatableRead),
        (Claim::ConsistentView, Claim::SnapshotIsolation),
        (Claim::ReadAtomic, Claim::SnapshotIsolation),
        (Claim::ReadAtomic, Claim::Causal),
        (Claim::Causal, Claim::StrongSessionSnapshotIsolation),
        (Claim::RepeatableRead, Claim::Serializable),
        (Claim::SnapshotIsolation, Claim::Serializable),
    ] {
        assert!(
            !invalid(weaker) || invalid(stronger),
            "{weaker} {stronger}\n{}",
            history.to_text()
        );
    }
    let internal = |verdict: &Verdict| verdict.anomalies.iter().any(|it| it.name == "internal");
    if !internal(verdict(verdicts, Claim::Serializable)) {
        assert_eq!(invalid(Claim::RepeatableRead), invalid(Claim::Serializable));
    }
}
