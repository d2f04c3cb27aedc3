//! Each anomaly in a history of its own, and agreement with the definition on random ones.

use std::fmt::Write as _;

use proptest::prelude::*;
use schism_history::History;

use super::{ENTRY, oracle};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict, Witness};

/// Ten transactions on another list, each committed, and a read of them: enough to judge.
fn enough() -> String {
    let mut text = String::new();
    for element in 1..=10 {
        let _ = writeln!(text, "p9 invoke txn [append z {element}] \n p9 ok [append z {element}]");
    }
    text + "p9 invoke txn [r z _] \n p9 ok [r z [1 2 3 4 5 6 7 8 9 10]]\n"
}

fn judge(text: &str) -> Vec<Verdict> {
    let history = History::from_text(text).expect("the text is a history");
    judge_history(&history)
}

fn judge_history(history: &History) -> Vec<Verdict> {
    let claims = ENTRY.decides.iter().copied().map(Asked::new).collect();
    ENTRY.check(&Question::new("list-append", claims), history, &Budget::default())
}

/// `name` must be the first anomaly of `weakest` and of every stronger claim; weaker claims hold.
fn check(text: &str, weakest: Option<Claim>, name: &str) {
    let verdicts = judge(&format!("{}{text}", enough()));
    let broken = weakest.map_or(ENTRY.decides.len(), |claim| {
        ENTRY.decides.iter().position(|other| *other == claim).expect("a claim of this checker")
    });
    for (level, verdict) in verdicts.iter().enumerate() {
        let expected = if level < broken { Validity::Valid } else { Validity::Invalid };
        assert_eq!(verdict.validity, expected, "{:?}: {}", verdict.asked.claim, verdict.reason);
        if let Some(first) = verdict.anomalies.first() {
            assert_eq!(first.name, name, "{}", verdict.reason);
            if let Witness::Cycle { edges, transactions } = &first.witness {
                assert_eq!(edges.len(), transactions.len());
                let next = |place: usize| &edges[(place + 1) % edges.len()].from;
                assert!((0..edges.len()).all(|place| edges[place].to == *next(place)));
            }
        }
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
    check(&at_once(&["append x 1, r x []"]), Some(Claim::SnapshotIsolation), "internal");
    let skew = at_once(&["append x 1, append y 1", "r x [1], r y []", "r y [1]"]);
    check(&skew, Some(Claim::SnapshotIsolation), "G-single-item");
    let lost = at_once(&["r x [], append x 1", "r x [], append x 2", "r x [1 2]"]);
    check(&lost, Some(Claim::SnapshotIsolation), "lost-update");
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
fn finds_write_skew() {
    let text = at_once(&["r x [], append y 1", "r y [], append x 1", "r x [1], r y [1]"]);
    check(&text, Some(Claim::Serializable), "G2-item");
}

#[test]
fn finds_reads_that_are_late_in_real_time() {
    let text = "p0 invoke txn [append x 1] \n p0 ok [append x 1] \n p1 invoke txn [r x _] \n p1 ok [r x []]
                p2 invoke txn [r x _] \n p2 ok [r x [1]]";
    check(text, Some(Claim::StrictSerializable), "G-single-item-realtime");
}

#[test]
fn finds_circles_through_appends_that_no_read_shows() {
    let stale = "p0 invoke txn [append x 1] \n p0 ok [append x 1] \n p1 invoke txn [r x _] \n p1 ok [r x []]";
    check(stale, Some(Claim::StrictSerializable), "G-single-item-realtime");
    let skew = at_once(&["r x [], append y 1", "r y [], append x 1"]);
    check(&skew, Some(Claim::Serializable), "G2-item");
    let half = at_once(&["append x 1, append y 1", "r x [1], r y []"]);
    check(&half, Some(Claim::SnapshotIsolation), "G-single-item");
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
    // Once a part of it was read, all of it is there, but where dirty reads are allowed.
    let dirty = "p2 invoke txn [append x 2, append y 2] \n p2 ok [append x 2, append y 2]
                 p3 invoke txn [r x _, r y _] \n p3 ok [r x [2], r y [1 2]]";
    check(&format!("{info} \n {dirty}"), Some(Claim::SnapshotIsolation), "G-single-item");
}

#[test]
fn the_order_goes_on_over_what_was_aborted() {
    let text = "p0 invoke txn [append x 1, append y 1] \n p1 invoke txn [append x 2, append y 2]
                p2 invoke txn [append x 9, append y 9] \n p0 ok [append x 1, append y 1]
                p1 ok [append x 2, append y 2] \n p2 fail unavailable no
                p3 invoke txn [r x _, r y _] \n p3 ok [r x [1 9 2], r y [2 9 1]]";
    check(text, Some(Claim::ReadUncommitted), "G0");
    let explanation = &judge(&format!("{}{text}", enough()))[0].anomalies[0].explanation;
    let says =
        "T1 appended 1 to x, and T2 appended 2 after it, with nothing between that took effect.";
    assert!(explanation.contains(says), "{explanation}");
}

#[test]
fn upholds_nothing_that_has_no_room() {
    let history = History::from_text(&enough()).expect("the text is a history");
    let claims: Vec<Asked> = ENTRY.decides.iter().copied().map(Asked::new).collect();
    let ask = |memory_bytes| {
        let budget = Budget::new(std::time::Duration::from_mins(1), memory_bytes);
        ENTRY.check(&Question::new("list-append", claims.clone()), &history, &budget)
    };
    // Nine `ww` edges and one `wr`; those of real time are ten more.
    let room = |verdicts: Vec<Verdict>| {
        verdicts.iter().map(|one| one.validity == Validity::Valid).collect::<Vec<bool>>()
    };
    assert_eq!(room(ask(5 * 60)), [false; 5]);
    assert_eq!(room(ask(15 * 60)), [true, true, true, true, false]);
    assert_eq!(room(ask(20 * 60)), [true; 5]);
}

#[test]
fn an_indeterminate_transaction_counts_once_it_was_seen() {
    let unseen = "p0 invoke txn [append x 1] \n p0 info timeout none \n p1 invoke txn [r x _] \n p1 ok [r x []]";
    check(unseen, None, "");
    let seen = format!(
        "{unseen} \n p2 invoke txn [r x _] \n p2 ok [r x [1]] \n p3 invoke txn [r x _] \n p3 ok [r x []]"
    );
    check(&seen, Some(Claim::StrictSerializable), "G-single-item-realtime");
}

#[test]
fn upholds_nothing_without_evidence() {
    for verdict in judge("p0 invoke txn [append x 1] \n p0 ok [append x 1]") {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("Only 1 committed transaction"), "{}", verdict.reason);
    }
    let twice = at_once(&["append x 1", "append x 1", "r x [1]"]);
    for verdict in judge(&format!("{}{twice}", enough())) {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("more than once"), "{}", verdict.reason);
    }
    let other = format!("{}p0 invoke write x 1 \n p0 ok", enough());
    for verdict in judge(&other) {
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.reason.contains("is no transaction"), "{}", verdict.reason);
    }
}

#[test]
fn tells_the_circle_edge_by_edge() {
    let text = at_once(&["r x [], append y 1", "r y [], append x 1", "r x [1], r y [1]"]);
    let verdicts = judge(&format!("{}{text}", enough()));
    let explanation = &verdicts[3].anomalies[0].explanation;
    assert_eq!(
        explanation,
        "T1 read x as empty, before T2 appended 1, its first element. T2 read y as empty, before T1 \
         appended 1, its first element. So T1, T2 and again T1 would each have to come before the \
         next: G2-item."
    );
    let text = at_once(&["r x [], append y 1", "r y [], append x 1"]);
    let explanation = &judge(&format!("{}{text}", enough()))[3].anomalies[0].explanation;
    assert_eq!(
        explanation,
        "T1 read x as empty, before T2 appended 1, which no read of x shows. T2 read y as empty, \
         before T1 appended 1, which no read of y shows. So T1, T2 and again T1 would each have to \
         come before the next: G2-item."
    );
}

/// A store that runs transactions one after another, at times between their invocations and
/// completions, with clients that may not hear of it; then one answer may be falsified.
fn random_history(seed: &[u8], falsify: bool) -> String {
    let mut state = std::collections::BTreeMap::<u8, Vec<i64>>::new();
    let mut next = std::collections::BTreeMap::<u8, i64>::new();
    let mut text = String::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut bytes = seed.iter().copied();
    let mut process = 0;
    while let Some(byte) = bytes.next() {
        if open.len() < 3 && byte % 2 == 0 {
            let (mut asked, mut answered) = (Vec::new(), Vec::new());
            for _ in 0..=byte % 3 {
                let choice = bytes.next().unwrap_or(0);
                let key = choice % 2;
                let list = state.entry(key).or_default();
                if choice & 4 == 0 {
                    let element = next.entry(key).and_modify(|last| *last += 1).or_insert(1);
                    list.push(*element);
                    asked.push(format!("append k{key} {element}"));
                    answered.push(format!("append k{key} {element}"));
                } else {
                    let mut shown = list.clone();
                    if falsify && choice & 8 != 0 {
                        shown.pop();
                    }
                    let words: Vec<String> = shown.iter().map(ToString::to_string).collect();
                    asked.push(format!("r k{key} _"));
                    answered.push(format!("r k{key} [{}]", words.join(" ")));
                }
            }
            let _ = writeln!(text, "p{process} invoke txn [{}]", asked.join(", "));
            open.push((process, answered.join(", ")));
            process += 1;
        } else if !open.is_empty() {
            let (process, answered) = open.remove(usize::from(byte) % open.len());
            let _ = match byte % 7 {
                0 => writeln!(text, "p{process} info timeout none"),
                1 if falsify => writeln!(text, "p{process} fail unavailable none"),
                _ => writeln!(text, "p{process} ok [{answered}]"),
            };
        }
    }
    text
}

fn small(falsify: bool) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<u8>(), 1..36)
        .prop_map(move |seed| random_history(&seed, falsify))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("SCHISM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4000)
    ))]

    /// What has a serial order is never called violated, and what has none always is.
    #[test]
    fn agrees_with_the_definition(text in small(true)) {
        let history = History::from_text(&text).expect("a history");
        let verdicts = judge_history(&history);
        let (plain, timed) = (oracle::serializable(&history, false), oracle::serializable(&history, true));
        prop_assert_eq!(plain, verdicts[3].validity != Validity::Invalid, "{}\n{}", verdicts[3].reason, text);
        prop_assert_eq!(timed, verdicts[4].validity != Validity::Invalid, "{}\n{}", verdicts[4].reason, text);
        // Whoever breaks a weaker claim breaks the stronger ones.
        for pair in verdicts.windows(2) {
            prop_assert!(pair[0].validity != Validity::Invalid || pair[1].validity == Validity::Invalid);
        }
    }

    #[test]
    fn accepts_what_a_serial_store_did(text in small(false)) {
        let history = History::from_text(&text).expect("a history");
        for verdict in judge_history(&history) {
            prop_assert!(verdict.validity != Validity::Invalid, "{}\n{text}", verdict.reason);
        }
    }
}
