//! Verdicts on histories written as short text: each kind of violation, and how it is told.

use schism_history::History;

use super::ENTRY;
use super::tests::verdict;
use crate::{Asked, Budget, Claim, Question, Validity, Verdict, Witness};

/// Eight writes and reads of another key, so that there is enough to judge.
const ENOUGH: &str = "
    p9 invoke write y 1 \n p9 ok \n p9 invoke read y \n p9 ok 1
    p9 invoke write y 2 \n p9 ok \n p9 invoke read y \n p9 ok 2
    p9 invoke write y 3 \n p9 ok \n p9 invoke read y \n p9 ok 3
    p9 invoke cas y [3 4] \n p9 ok \n p9 invoke read y \n p9 ok 4";

fn from_text(text: &str) -> History {
    History::from_text(text).expect("the text is a history")
}

/// The verdict on a short text, and the first explanation or else the reason.
fn check(text: &str, expected: Validity, says: &str) -> Verdict {
    let verdict = verdict(&from_text(&format!("{ENOUGH}\n{text}")));
    let said = verdict.anomalies.first().map_or(&verdict.reason, |anomaly| &anomaly.explanation);
    assert_eq!(verdict.validity, expected, "{said}");
    assert!(said.contains(says), "{said}");
    verdict
}

use Validity::{Invalid, Unknown, Valid};

#[test]
fn tells_a_stale_read() {
    let verdict = check(
        "10s p0 invoke write x 401 \n 10.1s p0 ok \n 10.2s p3 invoke write x 412 \n 10.3s p3 ok
         10.595s p15 invoke read x @n1 \n 10.6s p15 ok 401",
        Invalid,
        "Key x: the read of event 20 (p15 on n1) returned 401, but write 412 (event 18, p3) had \
         completed 295 ms before that read was invoked, and nothing wrote 401 again: write 401 \
         (event 16, p0) had completed 100 ms before write 412 was invoked, so the register would \
         have to hold 401 before 412 and after it.",
    );
    assert_eq!(
        verdict.reason,
        "Key x breaks, the other one holds; the first violation shows at 10.600 s (event 21)."
    );
    let anomaly = &verdict.anomalies[0];
    assert_eq!(anomaly.operations, [16, 18, 20]);
    let Witness::Linearization {
        impossible, prefix, order, holds, needs, blocked, must_hold, ..
    } = &anomaly.witness
    else {
        panic!("{anomaly:?}")
    };
    assert_eq!((*impossible, *prefix), (20, 21));
    assert_eq!(*order, [(16, "401".to_owned()), (18, "412".to_owned())]);
    assert_eq!((holds.as_str(), needs.as_str()), ("412", "401"));
    assert_eq!(
        blocked[0].why,
        "The register holds 412. 401 was written once, and 412 came after it; nothing brings it back."
    );
    let held: Vec<_> =
        must_hold.iter().map(|it| (it.value.as_str(), it.from, it.to, it.forced_by)).collect();
    assert_eq!(held, [("401", 17, 20, [16, 20]), ("412", 19, 18, [18, 18])]);
}

#[test]
fn tells_the_other_violations_of_unique_values() {
    check("p0 invoke read x \n p0 ok 7", Invalid, "returned 7, but nobody ever wrote 7.");
    check(
        "p1 invoke read x \n p1 ok 7 \n p0 invoke write x 7 \n p0 ok",
        Invalid,
        "the read of event 16 (p1) returned 7, 1.0 ms before write 7 (event 18, p0) was invoked.",
    );
    check(
        "p0 invoke write x 7 \n p0 fail unavailable \n p1 invoke read x \n p1 ok 7",
        Invalid,
        "write 7 (event 16, p0) had failed (event 17), which means that it never took effect.",
    );
    check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke cas x [1 2] \n p1 invoke cas x [1 3]
         p0 ok \n p1 ok",
        Invalid,
        "both compare-and-set 1 → 2 (event 18, p0) and compare-and-set 1 → 3 (event 19, p1) found \
         1, but whichever came first replaced it, and nothing wrote 1 again.",
    );
    check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke cas x [1 2] \n p0 ok
         p1 invoke read x \n p1 ok 1",
        Invalid,
        "the read of event 20 (p1) returned 1, but compare-and-set 1 → 2 (event 18, p0) had \
         succeeded 1.0 ms before that read was invoked, and that can only come \
         after 1 had been replaced; nothing wrote 1 again.",
    );
    check(
        "p0 invoke cas x [1 2] \n p1 invoke cas x [2 1] \n p0 ok \n p1 ok",
        Invalid,
        "was written only by compare-and-sets that need, one through the other, what it wrote",
    );
    check(
        "p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 ok _",
        Invalid,
        "returned nil, but write 1 (event 16, p0) had completed 1.0 ms before that read was \
         invoked, and nothing brings the initial value back.",
    );
}

#[test]
fn tells_a_violation_where_values_repeat() {
    let verdict = check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke write x 2 \n p0 ok \n p0 invoke write x 1 \n p0 ok
         p1 invoke read x \n p1 ok 2",
        Invalid,
        "Key x: the read of event 22 (p1) returned 2, but no order of the operations before it \
         leads to 2: the longest of them places 2 operations and leaves the register at 1.",
    );
    // The first write is not needed for that.
    assert_eq!(verdict.anomalies[0].operations, [18, 20, 22]);
}

#[test]
fn indeterminate_operations_may_take_effect_late_or_never() {
    let late = "p9 invoke read y \n p9 ok 4 \n p0 invoke write x 1 \n p0 info timeout \n p1 invoke read x \n p1 ok _
        p1 invoke read x \n p1 ok";
    check(&format!("{late} _"), Valid, "");
    check(&format!("{late} 1"), Valid, "");
    check(&format!("{late} 1 \n p1 invoke read x \n p1 ok _"), Invalid, "returned nil");
    let open = "p9 invoke read y \n p9 ok 4 \n p1 invoke cas x [_ 5] \n p2 invoke cas x [5 6] \n p3 invoke read x \n p3 ok";
    check(&format!("{open} 6"), Valid, "");
    check(&format!("{open} 6 \n p3 invoke read x \n p3 ok 5"), Invalid, "returned 5");
}

#[test]
fn failures_constrain_nothing() {
    check(
        "p0 invoke write x 1 \n p0 ok \n p1 invoke cas x [1 2] \n p1 fail mismatch found 3
         p1 invoke read x \n p1 fail timeout \n p1 invoke read x \n p1 ok 1",
        Valid,
        "2 keys with 5 reads and 5 writes that were ok: values are unique, so that all were \
         decided without a search.",
    );
}

#[test]
fn names_the_earliest_violation_first_and_counts_the_rest() {
    let verdict = check(
        "p0 invoke read a \n p0 ok _ \n p0 invoke read c \n p0 ok 9 \n p0 invoke read b \n p0 ok 9",
        Invalid,
        "Key c",
    );
    let expected = "Keys c and b break, the other two hold; the first violation shows at 0.019 s \
                    (event 19).";
    assert_eq!(verdict.reason, expected);
}

#[test]
fn upholds_nothing_without_evidence() {
    let check = |evidence_min: usize, text: &str, expected: Validity, says: &str| {
        let mut question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
        question.evidence_min = evidence_min;
        let verdict = ENTRY.check(&question, &from_text(text), &Budget::default()).remove(0);
        assert_eq!(verdict.validity, expected, "{}", verdict.reason);
        assert!(verdict.reason.contains(says), "{}", verdict.reason);
    };
    check(1, "", Unknown, "No operation was ok");
    check(1, "p0 invoke write x 1 \n p0 ok", Unknown, "No read was ok: 0 reads and 1 write show");
    check(1, "p0 invoke read x \n p0 fail timeout", Unknown, "No operation was ok");
    let read = "p0 invoke write x 1 \n p0 ok \n p0 invoke read x \n p0 ok 1";
    check(1, read, Valid, "1 key with 1 read and 1 write that were ok");
    check(2, read, Unknown, "Only 1 of 2 ok operations told what it found");
    check(1, "p0 invoke cas x [_ 1] \n p0 ok", Valid, "1 key with 0 reads and 1 write");
    // What is written is never read, and what is read was never written.
    let apart =
        |number| format!("p0 invoke write x {number} \n p0 ok \n p1 invoke read y \n p1 ok _ \n");
    let apart: String = (0..20).map(apart).collect();
    check(10, &apart, Unknown, "Only 0 of 40 ok operations told what was there that somebody had");
    check(10, "p0 invoke read x \n p0 ok 3", Invalid, "Key x breaks");
}

#[test]
fn judges_nothing_without_real_time() {
    let history = from_text("p0 invoke read x \n p0 ok 3").without_real_time();
    let verdict = verdict(&history);
    assert_eq!(verdict.validity, Unknown);
    assert!(verdict.reason.contains("in which order each process"), "{}", verdict.reason);
}

#[test]
fn registers_hold_any_scalar_and_need_no_key() {
    let text = "p0 invoke write _ \"a b\" \n p0 ok \n p1 invoke read _ \n p1 ok \"a b\"
        p0 invoke cas _ [\"a b\" true] \n p0 ok \n p1 invoke read _ \n p1 ok true
        p0 invoke write _ _ \n p0 ok \n p1 invoke read _ \n p1 ok";
    let verdict_on = |answer: &str| verdict(&from_text(&format!("{text} {answer}")));
    assert_eq!(verdict_on("_").validity, Valid);
    let stale = verdict_on("true");
    assert_eq!(stale.validity, Invalid, "{}", stale.reason);
    assert!(stale.reason.starts_with("The register breaks; "), "{}", stale.reason);
    assert_eq!(stale.anomalies[0].key, None);
    let said = &stale.anomalies[0].explanation;
    assert!(said.starts_with("The register: the read of event 10 (p1) returned true, "), "{said}");
    let mixed = verdict(&from_text(&format!("{text} _ \n p0 invoke read y \n p0 ok _")));
    assert_eq!(mixed.validity, Unknown);
    assert!(mixed.reason.contains("has a key, and others have none"), "{}", mixed.reason);
}

#[test]
fn names_the_event_that_is_none_of_a_register() {
    check("p0 invoke write x [1] \n p0 ok", Unknown, "event 16 writes what a register cannot hold");
    check("p0 invoke cas x 3 \n p0 ok", Unknown, "the cas of event 16 is not given a pair");
    check("p0 invoke append x 3 \n p0 ok", Unknown, "the append of event 16 is no operation");
    check("p0 invoke read x \n p0 ok [1]", Unknown, "the read of event 17 returned [1]");
    check("p0 invoke txn [r x 1] \n p0 ok", Unknown, "the txn of event 16 has no key");
    // What was proven before that event stays proven, what comes after is not judged.
    let stale = "p0 invoke read x \n p0 ok 9";
    check(&format!("{stale} \n p0 invoke append x 3 \n p0 ok"), Invalid, "nobody ever wrote 9");
    check(
        &format!("p0 invoke append x 3 \n p0 ok \n {stale}"),
        Unknown,
        "one of registers: the append",
    );
    check(&format!("p0 invoke append z 3 \n p0 ok \n {stale}"), Invalid, "nobody ever wrote 9");
}

#[test]
fn gives_up_at_the_end_of_its_budget() {
    check_hard("p60 invoke write x 9 \n p60 ok \n", Unknown, "of 45 operations were placed");
    check_hard("p60 invoke write x 9 \n p60 ok \n", Unknown, "its values repeat");
}

#[test]
fn finds_what_nobody_wrote_without_a_search() {
    let says = "returned 9, but nobody had written 9 by then.";
    check_hard("", Invalid, says);
    check_hard("p60 invoke write x 9 \n p60 fail refused \n", Invalid, says);
}

/// `before`, and then what no search can decide: open compare-and-sets from each of seven values to
/// each other, in any order, and a read of 9 that none of them explains.
fn check_hard(before: &str, expected: Validity, says: &str) {
    let mut text = format!("{before}p61 invoke write x 10 \n p61 ok \n");
    let pairs = (10..17).flat_map(|from| (10..17).map(move |to| (from, to)));
    let pairs = pairs.filter(|(from, to)| from != to);
    for (process, (from, to)) in pairs.enumerate() {
        text += &["p", &process.to_string(), &format!(" invoke cas x [{from} {to}] \n")].concat();
    }
    for process in 0..42 {
        text += &["p", &process.to_string(), " ok \n"].concat();
    }
    text += "p50 invoke read x \n p50 ok 9\n";
    let history = from_text(&text);
    let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
    let budget = Budget::new(std::time::Duration::from_millis(200), 64 << 20);
    let verdict = ENTRY.check(&question, &history, &budget).remove(0);
    let said = verdict.anomalies.first().map_or(&verdict.reason, |anomaly| &anomaly.explanation);
    assert_eq!(verdict.validity, expected, "{said}");
    assert!(said.contains(says), "{said}");
}
