//! Each anomaly in a history of its own, and agreement with the definition on random ones.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use schism_history::History;

use super::ENTRY;
use super::oracle::{Trial, Weak};
use super::random::{Shape, Store, history};
use crate::transactional::random::{Random, cases};
use crate::transactional::{Order, breaks};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict, Witness};

fn judge(text: &str) -> Vec<Verdict> {
    let history = History::from_text(text).expect("the text is a history");
    judge_history(&history)
}

fn judge_history(history: &History) -> Vec<Verdict> {
    let claims = ENTRY.decides.iter().copied().map(Asked::new).collect();
    ENTRY.check(&Question::new("list-append", claims), history, &Budget::default())
}

fn verdict(verdicts: &[Verdict], claim: Claim) -> &Verdict {
    verdicts.iter().find(|it| it.asked.claim == claim).expect("a claim of this checker")
}

/// `name` must be the first anomaly of `weakest`, and break just the claims that the table says.
fn check(text: &str, weakest: Option<Claim>, name: &str) {
    let verdicts = judge(text);
    for verdict in &verdicts {
        let claim = verdict.asked.claim;
        let broken = weakest.is_some() && breaks(name, claim);
        let expected = if broken { Validity::Invalid } else { Validity::Valid };
        assert_eq!(verdict.validity, expected, "{claim}: {}", verdict.reason);
        for anomaly in &verdict.anomalies {
            if let Witness::Cycle { edges, transactions } = &anomaly.witness {
                assert_eq!(edges.len(), transactions.len());
                let next = |place: usize| &edges[(place + 1) % edges.len()].from;
                assert!((0..edges.len()).all(|place| edges[place].to == *next(place)));
            }
        }
    }
    if let Some(weakest) = weakest {
        let verdict = verdict(&verdicts, weakest);
        assert_eq!(verdict.anomalies[0].name, name, "{}", verdict.reason);
    }
}

/// Transactions that ran all at once, and were answered as written.
fn at_once(transactions: &[&str]) -> String {
    let mut text = String::new();
    for (process, mops) in transactions.iter().enumerate() {
        let asked = mops.split(", ").map(|mop| match mop.split_once(" [") {
            Some((read, _)) => format!("{read} _"),
            None => mop.to_owned(),
        });
        let asked: Vec<String> = asked.collect();
        let _ = writeln!(text, "p{process} invoke txn [{}]", asked.join(", "));
    }
    for (process, mops) in transactions.iter().enumerate() {
        let _ = writeln!(text, "p{process} ok [{mops}]");
    }
    text
}

#[test]
fn upholds_what_is_serializable() {
    check(&at_once(&["append x 1, r y []", "r x [1], append y 1", "r x [1], r y [1]"]), None, "");
}

#[test]
fn finds_writes_in_a_circle() {
    let text =
        at_once(&["append x 1, append y 2", "append x 2, append y 1", "r x [1 2], r y [1 2]"]);
    check(&text, Some(Claim::ReadUncommitted), "G0");
}

#[test]
fn finds_elements_that_stand_in_a_list_twice() {
    check(
        &at_once(&["append x 1", "r x [1 1]"]),
        Some(Claim::ReadUncommitted),
        "duplicate-elements",
    );
}

#[test]
fn finds_dirty_reads() {
    let aborted = "p0 invoke txn [append x 1] \n p0 fail unavailable no \n p1 invoke txn [r x _] \n p1 ok [r x [1]]";
    check(aborted, Some(Claim::ReadCommitted), "G1a");
    let half = at_once(&["append x 1, append x 2", "r x [1]", "r x [1 2]"]);
    check(&half, Some(Claim::ReadCommitted), "G1b");
    check(&at_once(&["r x [7]"]), Some(Claim::ReadCommitted), "unexpected-element");
    let circle = at_once(&["append x 1, r y [1]", "append y 1, r x [1]"]);
    check(&circle, Some(Claim::ReadCommitted), "G1c");
    check(&at_once(&["r x [1], append x 1"]), Some(Claim::ReadCommitted), "future-read");
}

#[test]
fn finds_reads_that_disagree_about_the_order() {
    let text = at_once(&["append x 1", "append x 2", "r x [1 2]", "r x [2]"]);
    check(&text, Some(Claim::ReadCommitted), "incompatible-order");
}

#[test]
fn finds_what_no_snapshot_shows() {
    check(&at_once(&["append x 1, r x []"]), Some(Claim::ReadAtomic), "internal");
    let skew = at_once(&["append x 1, append y 1", "r x [1], r y []", "r y [1]"]);
    check(&skew, Some(Claim::ReadAtomic), "fractured-read");
    let lost = at_once(&["r x [], append x 1", "r x [], append x 2", "r x [1 2]"]);
    check(&lost, Some(Claim::CursorStability), "lost-update");
    let torn = at_once(&["append x 1, append y 1", "append x 2", "r x [1 2], r y []"]);
    check(&torn, Some(Claim::ConsistentView), "G-single-item");
    let fork = at_once(&[
        "append x 1",
        "append y 1",
        "r x [1], r y []",
        "r x [], r y [1]",
        "r x [1], r y [1]",
    ]);
    check(&fork, Some(Claim::SnapshotIsolation), "G-nonadjacent-item");
}

#[test]
fn finds_circles_of_causality() {
    let unseen = at_once(&["append x 1", "r x [1], append y 1", "r y [1], r x []"]);
    let verdicts = judge(&unseen);
    let names = |claim| {
        let anomalies = &verdict(&verdicts, claim).anomalies;
        anomalies.iter().map(|it| it.name.clone()).collect::<Vec<String>>()
    };
    assert_eq!(names(Claim::ReadAtomic), Vec::<String>::new());
    assert_eq!(names(Claim::Causal), ["causal-cycle"]);
    assert_eq!(names(Claim::SnapshotIsolation), ["causal-cycle"]);
    let session = "p0 invoke txn [append x 1] \n p0 ok [append x 1] \n p0 invoke txn [r x _] \n p0 ok [r x []]";
    let verdicts = judge(session);
    assert_eq!(verdict(&verdicts, Claim::Causal).anomalies[0].name, "causal-cycle-process");
    assert_eq!(verdict(&verdicts, Claim::SnapshotIsolation).validity, Validity::Valid);
    let strong = verdict(&verdicts, Claim::StrongSessionSnapshotIsolation);
    assert_eq!(strong.validity, Validity::Invalid);
    assert_eq!(verdict(&verdicts, Claim::StrictSerializable).validity, Validity::Invalid);
}

#[test]
fn what_was_built_on_an_aborted_version_is_a_dirty_update() {
    let text = "p0 invoke txn [append x 1] \n p0 fail unavailable no \n p1 invoke txn [append x 2] \n p1 ok [append x 2]
                p2 invoke txn [r x _] \n p2 ok [r x [1 2]]";
    let names: Vec<String> = verdict(&judge(text), Claim::ReadCommitted)
        .anomalies
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(names, ["G1a", "dirty-update"]);
}

#[test]
fn elements_may_be_texts() {
    let texts = r#"p0 invoke txn [append x "a"] 
        p0 ok [append x "a"]
        p1 invoke txn [append x "b", r x _] 
        p1 ok [append x "b", r x ["a" "b"]]"#;
    check(texts, None, "");
    check(
        &texts.replace(r#"["a" "b"]"#, r#"["b"]"#),
        Some(Claim::StrictSerializable),
        "G0-realtime",
    );
    for verdict in judge(&texts.replace(r#"["a" "b"]"#, r#"[["a"] "b"]"#)) {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("does not answer"), "{}", verdict.reason);
    }
}

#[test]
fn without_real_time_nothing_is_said_of_it() {
    let stale = "p0 invoke txn [append x 1] \n p0 ok [append x 1] \n p1 invoke txn [r x _] \n p1 ok [r x []]";
    let history = History::from_text(stale).expect("a history").without_real_time();
    let verdicts = judge_history(&history);
    let strict = verdict(&verdicts, Claim::StrictSerializable);
    assert_eq!(strict.validity, Validity::Unknown);
    assert!(strict.reason.contains("real time"), "{}", strict.reason);
    assert_eq!(verdict(&verdicts, Claim::StrongSessionSerializable).validity, Validity::Valid);
}

#[test]
fn many_readers_of_what_many_append_to_are_no_problem() {
    let mut mops: Vec<String> =
        (1..=300).map(|element| format!("r x [], append x {element}")).collect();
    mops.extend((0..300).map(|_| "r x []".to_owned()));
    let mops: Vec<&str> = mops.iter().map(String::as_str).collect();
    let verdicts = judge(&at_once(&mops));
    assert_eq!(verdict(&verdicts, Claim::ReadCommitted).validity, Validity::Valid);
    let serializable = verdict(&verdicts, Claim::Serializable);
    assert_eq!(serializable.anomalies[0].name, "lost-update");
    let readers: Vec<&str> =
        mops[300..].iter().copied().chain(["append x 1", "append x 2"]).collect();
    check(&at_once(&readers), None, "");
}

#[test]
fn finds_write_skew() {
    let text = at_once(&["r x [], append y 1", "r y [], append x 1", "r x [1], r y [1]"]);
    check(&text, Some(Claim::RepeatableRead), "G2-item");
}

#[test]
fn finds_reads_that_are_late_in_real_time() {
    let text = "p0 invoke txn [append x 1] \n p0 ok [append x 1] \n p1 invoke txn [r x _] \n p1 ok [r x []]
                p2 invoke txn [r x _] \n p2 ok [r x [1]]";
    check(text, Some(Claim::StrongSnapshotIsolation), "G-single-item-realtime");
}

#[test]
fn finds_circles_through_appends_that_no_read_shows() {
    let stale = "p0 invoke txn [append x 1] \n p0 ok [append x 1] \n p1 invoke txn [r x _] \n p1 ok [r x []]";
    check(stale, Some(Claim::StrongSnapshotIsolation), "G-single-item-realtime");
    let skew = at_once(&["r x [], append y 1", "r y [], append x 1"]);
    check(&skew, Some(Claim::RepeatableRead), "G2-item");
    let half = at_once(&["append x 1, append y 1", "r x [1], r y []"]);
    check(&half, Some(Claim::ReadAtomic), "fractured-read");
    let writes =
        at_once(&["append x 1, append y 1", "append x 2, append y 2", "r x [1]", "r y [2]"]);
    check(&writes, Some(Claim::ReadUncommitted), "G0");
    check(&at_once(&["append x 1", "append x 2", "r x [1]", "r x []"]), None, "");
}

#[test]
fn an_indeterminate_append_that_no_read_shows_may_not_be_there() {
    let info = "p0 invoke txn [append x 1, append y 1] \n p0 info timeout none
                p1 invoke txn [r x _] \n p1 ok [r x []]";
    check(info, None, "");
    // Once a part of it was read, all of it is there, unless dirty reads are allowed.
    let dirty = "p2 invoke txn [append x 2, append y 2] \n p2 ok [append x 2, append y 2]
                 p3 invoke txn [r x _, r y _] \n p3 ok [r x [2], r y [1 2]]";
    check(&format!("{info} \n {dirty}"), Some(Claim::ReadCommitted), "G1c");
}

#[test]
fn the_order_goes_on_over_what_was_aborted() {
    let text = "p0 invoke txn [append x 1, append y 1] \n p1 invoke txn [append x 2, append y 2]
                p2 invoke txn [append x 9, append y 9] \n p0 ok [append x 1, append y 1]
                p1 ok [append x 2, append y 2] \n p2 fail unavailable no
                p3 invoke txn [r x _, r y _] \n p3 ok [r x [1 9 2], r y [2 9 1]]";
    check(text, Some(Claim::ReadUncommitted), "G0");
    let explanation = &judge(text)[0].anomalies[0].explanation;
    let says =
        "T1 appended 1 to x, and T2 appended 2 after it, with nothing between that took effect.";
    assert!(explanation.contains(says), "{explanation}");
}

#[test]
fn upholds_nothing_that_has_no_room() {
    let history = History::from_text(&at_once(&["append x 1", "r x [1]"])).expect("a history");
    let claims: Vec<Asked> = ENTRY.decides.iter().copied().map(Asked::new).collect();
    for memory_bytes in [0, 100, 200, 220] {
        let budget = Budget::new(std::time::Duration::from_mins(1), memory_bytes);
        for verdict in ENTRY.check(&Question::new("list-append", claims.clone()), &history, &budget)
        {
            assert_eq!(verdict.validity, Validity::Unknown);
            assert!(verdict.reason.contains("no room"), "{}", verdict.reason);
        }
    }
    let late = Budget::new(std::time::Duration::ZERO, 1 << 30);
    for verdict in ENTRY.check(&Question::new("list-append", claims), &history, &late) {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("time for the check"), "{}", verdict.reason);
    }
}

#[test]
fn an_indeterminate_transaction_counts_once_it_was_seen() {
    let unseen = "p0 invoke txn [append x 1] \n p0 info timeout none \n p1 invoke txn [r x _] \n p1 ok [r x []]";
    check(unseen, None, "");
    let seen = format!(
        "{unseen} \n p2 invoke txn [r x _] \n p2 ok [r x [1]] \n p3 invoke txn [r x _] \n p3 ok [r x []]"
    );
    check(&seen, Some(Claim::StrongSnapshotIsolation), "G-single-item-realtime");
}

#[test]
fn upholds_nothing_without_evidence() {
    for verdict in judge("p0 invoke txn [append x 1] \n p0 ok [append x 1]") {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("No committed transaction read"), "{}", verdict.reason);
    }
    let mut question = Question::new("list-append", vec![Asked::new(Claim::Serializable)]);
    question.evidence_min = 2;
    let history = History::from_text(&at_once(&["append x 1", "r x [1]"])).expect("a history");
    let verdicts = ENTRY.check(&question, &history, &Budget::default());
    assert_eq!(verdicts[0].validity, Validity::Unknown);
    assert!(verdicts[0].reason.contains("Only 1 committed transaction"), "{}", verdicts[0].reason);
    for verdict in judge(&at_once(&["append x 1", "append x 1", "r x [1]"])) {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("more than once"), "{}", verdict.reason);
    }
    let other = format!("{} \n p0 invoke write x 1 \n p0 ok", at_once(&["append x 1, r x [1]"]));
    for verdict in judge(&other) {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("is no transaction"), "{}", verdict.reason);
    }
}

#[test]
fn tells_the_circle_edge_by_edge() {
    let text = at_once(&["r x [], append y 1", "r y [], append x 1", "r x [1], r y [1]"]);
    let verdicts = judge(&text);
    let explanation = &verdict(&verdicts, Claim::Serializable).anomalies[0].explanation;
    assert_eq!(
        explanation,
        "T1 read x as empty, before T2 appended 1, its first element. T2 read y as empty, before T1 \
         appended 1, its first element. So T1, T2 and again T1 would each have to come before the \
         next: G2-item."
    );
    let text = at_once(&["r x [], append y 1", "r y [], append x 1"]);
    let verdicts = judge(&text);
    let explanation = &verdict(&verdicts, Claim::Serializable).anomalies[0].explanation;
    assert_eq!(
        explanation,
        "T1 read x as empty, before T2 appended 1, which no read of x shows. T2 read y as empty, \
         before T1 appended 1, which no read of y shows. So T1, T2 and again T1 would each have to \
         come before the next: G2-item."
    );
}

#[test]
fn two_that_missed_each_other_may_not_both_append_to_one_list() {
    let text = at_once(&["append x 1, r y [], append y 1", "append y 2, r x []"]);
    check(&text, Some(Claim::ConsistentView), "G-single-item");
    let verdicts = judge(&text);
    let explanation = &verdict(&verdicts, Claim::SnapshotIsolation).anomalies[0].explanation;
    assert_eq!(
        explanation,
        "No read of y shows whether T1 or T2 appended first. If T1 did: T1 and T2 appended to one list, \
         T1 first: the other order closes a circle as well. T2 read x as empty, before T1 appended 1, \
         which no read of x shows. So T1, T2 and again T1 would each have to come before the next: \
         G-single-item. If T2 did: T2 and T1 appended to one list, T2 first: the other order closes a \
         circle as well. T1 read y as empty, before T2 appended 2, which no read of y shows. So T2, T1 and \
         again T2 would each have to come before the next: G-single-item."
    );
    // With a last read there is an order, and it is told as it is.
    let seen = at_once(&["append x 1, r y [], append y 1", "append y 2, r x []", "r y [1 2]"]);
    check(&seen, Some(Claim::ConsistentView), "G-single-item");
    let apart = at_once(&["append x 1, r y [], append z 1", "append y 2, r x [], append z 2"]);
    check(&apart, Some(Claim::ConsistentView), "G-single-item");
    check(
        &at_once(&["append x 1, r y []", "append y 2, r x []"]),
        Some(Claim::RepeatableRead),
        "G2-item",
    );
}

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
