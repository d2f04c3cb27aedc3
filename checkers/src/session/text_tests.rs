//! Verdicts on histories written as short text.

use schism_history::{History, Value};

use super::tests::verdicts;
use super::{CAUSAL, SESSION};
use crate::{Asked, Budget, Claim, Question, Validity};

use Claim::{
    Causal, CausalConvergence, CausalMemory, MonotonicReads, MonotonicWrites, Pram, ReadYourWrites,
    WritesFollowReads,
};
use Validity::{Invalid, Unknown, Valid};

fn from_text(text: &str) -> History {
    History::from_text(text).expect("the text is a history")
}

#[track_caller]
fn check(text: &str, claim: Claim, expected: Validity, says: &str) {
    let verdict = verdicts(&from_text(text), &[claim]).remove(0);
    assert_eq!(verdict.validity, expected, "{}", verdict.reason);
    assert!(verdict.reason.contains(says), "{}", verdict.reason);
    assert!(!verdict.reason.contains("  "), "{}", verdict.reason);
}

const MODELS: [Claim; 4] = [Pram, Causal, CausalMemory, CausalConvergence];
const GUARANTEES: [Claim; 4] = [ReadYourWrites, MonotonicReads, MonotonicWrites, WritesFollowReads];

#[test]
fn nothing_is_upheld_on_no_evidence() {
    for claim in MODELS.into_iter().chain(GUARANTEES) {
        check("", claim, Unknown, "No ");
        check("p0 invoke write x 1 \n p0 ok", claim, Unknown, "No ");
        check("p0 invoke read x \n p0 ok _", claim, Unknown, "No ");
        check(
            "p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 info timeout",
            claim,
            Unknown,
            "No ",
        );
    }
    let history = from_text("p0 invoke write x 1 \n p0 ok \n p0 invoke read x \n p0 ok 1");
    for (entry, claim) in [(CAUSAL, Pram), (SESSION, ReadYourWrites)] {
        let mut question = Question::new("register", vec![Asked::new(claim)]);
        assert_eq!(entry.check(&question, &history, &Budget::default())[0].validity, Valid);
        question.evidence_min = 2;
        let verdict = entry.check(&question, &history, &Budget::default()).remove(0);
        assert_eq!(verdict.validity, Unknown);
        assert!(verdict.reason.contains("at least 2 are wanted"), "{}", verdict.reason);
    }
}

#[test]
fn aliens_leave_only_what_came_before_them() {
    let good = "p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 ok 1";
    let bad = "p0 invoke write x 1 \n p0 ok \n p0 invoke write x 2 \n p0 ok
        p1 invoke read x \n p1 ok 2 \n p1 invoke read x \n p1 ok 1";
    for alien in [
        "p2 invoke push x 3 \n p2 ok",
        "p2 invoke write x [3] \n p2 ok",
        "p2 invoke cas x 3 \n p2 ok",
        "p2 invoke cas x [3] \n p2 ok",
        "p2 invoke read x \n p2 ok [3]",
        "p2 invoke txn [append x 3] \n p2 ok",
        "p2 invoke push x 3",
    ] {
        for claim in MODELS {
            check(&format!("{good}\n{alien}"), claim, Unknown, "event 4");
            check(&format!("{bad}\n{alien}"), claim, Invalid, "");
            check(&format!("{alien}\n{bad}"), claim, Unknown, "event 0");
        }
        check(&format!("{bad}\n{alien}"), MonotonicReads, Invalid, "");
        check(&format!("{good}\n{alien}"), MonotonicReads, Unknown, "event 4");
    }
    let untimed = from_text(&format!("{bad} \n p2 invoke push x 3")).without_real_time();
    for claim in [Pram, MonotonicReads] {
        assert_eq!(verdicts(&untimed, &[claim])[0].validity, Unknown);
    }
    // What nobody wrote may have been written by what nobody understands.
    let unwritten = "p1 invoke read x \n p1 ok 3 \n p2 invoke push x 3 \n p2 ok";
    check(unwritten, Pram, Unknown, "push");
    // A failed operation had no effect, whatever it was.
    check(&format!("{good} \n p2 invoke push x 3 \n p2 fail other no"), Causal, Valid, "");
}

#[test]
fn values_that_repeat_are_not_guessed() {
    let twice = "p0 invoke write x 1 \n p0 ok \n p1 invoke write x 1 \n p1 ok
        p2 invoke read x \n p2 ok 1";
    for claim in MODELS.into_iter().chain(GUARANTEES) {
        check(twice, claim, Unknown, "1 of x was written more than once (event 0 and event 2)");
    }
    let initial = "p0 invoke write x _ \n p0 ok \n p0 invoke read x \n p0 ok _";
    check(initial, Causal, Unknown, "is the initial value, and was written again (event 0)");
    // Nobody read it: it does no harm.
    let unread = "p0 invoke write x 1 \n p0 ok \n p1 invoke write x 1 \n p1 ok
        p1 invoke write x 2 \n p1 ok \n p2 invoke read x \n p2 ok 2";
    check(unread, Causal, Valid, "");
    // What is wrong without those reads is wrong with them.
    let wrong = format!(
        "{twice} \n p0 invoke write y 1 \n p0 ok \n p0 invoke write y 2 \n p0 ok
         p2 invoke read y \n p2 ok 2 \n p2 invoke read y \n p2 ok 1"
    );
    check(&wrong, Pram, Invalid, "CyclicPRAM");
    check(&wrong, MonotonicReads, Invalid, "nonmonotonic-read");
}

#[test]
fn what_was_read_tells_which_indeterminate_operations_happened() {
    let chain = "p0 invoke write x 1 \n p0 ok \n p1 invoke cas x [1 2] \n p1 info timeout
        p2 invoke cas x [2 3] \n p2 info timeout \n p3 invoke read x \n p3 ok 3 \n p3 invoke read x
        p3 ok";
    check(&format!("{chain} 3"), MonotonicReads, Valid, "");
    check(&format!("{chain} 1"), MonotonicReads, Invalid, "compare-and-sets lead from 1 to 3");
    check(&format!("{chain} 1"), Causal, Invalid, "WriteCORead");
    let failed = "p0 invoke cas x [_ 1] \n p0 fail mismatch found 5 \n p1 invoke read x \n p1 ok 1";
    check(failed, Pram, Invalid, "compare-and-set nil → 1 on x (event 0, p0) had failed");
    check(failed, MonotonicReads, Unknown, "of x of event 2 (p1) found 1 in x, but");
}

#[test]
fn a_session_may_contradict_itself_in_any_order_of_versions() {
    let back = "p0 invoke write x 1 \n p0 ok \n p1 invoke write x 2 \n p1 ok
        p2 invoke read x \n p2 ok 1 \n p2 invoke read x \n p2 ok 2 \n p2 invoke read x \n p2 ok";
    check(
        &format!("{back} 1"),
        MonotonicReads,
        Invalid,
        "In whatever order the versions of x came",
    );
    check(&format!("{back} 2"), MonotonicReads, Unknown, "on whether 2 of x came after 1");
    let other = "p3 invoke read x \n p3 ok 2 \n p3 invoke read x \n p3 ok 1";
    check(&format!("{back} 2 \n {other}"), MonotonicReads, Unknown, "");
    check(&format!("{back} 2 \n {other}"), Pram, Valid, "");
    let numbers = "p0 invoke write x 1 \n p0 ok 1 v7 \n p1 invoke write x 2 \n p1 ok 2 v5
        p2 invoke read x \n p2 ok 2 v5 \n p2 invoke read x \n p2 ok";
    check(&format!("{numbers} 1 v7"), MonotonicReads, Valid, "");
    let numbers = numbers.replace("v7", "v3");
    check(
        &format!("{numbers} 1 v3"),
        MonotonicReads,
        Invalid,
        "the system numbers 1 as version 3 and 2 as version 5",
    );
}

#[test]
fn transactions_are_one_step() {
    let fractured = "p0 invoke txn [w x 1, w y 1] \n p0 ok \n p1 invoke txn [r x _, r y _]
        p1 ok [r x 1, r y _]";
    check(fractured, Causal, Invalid, "WriteCOInitRead");
    check(fractured, Pram, Invalid, "CyclicPRAM");
    let own =
        "p0 invoke txn [w x 1, r x _] \n p0 ok [w x 1, r x 2] \n p1 invoke write x 2 \n p1 ok";
    check(own, Pram, Invalid, "Found internal.");
    let circle = "p0 invoke txn [w x 1, w y 1] \n p0 ok \n p1 invoke txn [w x 2, w y 2] \n p1 ok
        p2 invoke txn [r x _] \n p2 ok [r x 1] \n p2 invoke txn [r x _, r y _] \n p2 ok [r x 2, r y 1]";
    check(circle, Causal, Invalid, "WriteCORead");
}

#[test]
fn an_initial_value_may_be_something_else() {
    let history = from_text("p0 invoke write x 1 \n p0 ok \n p0 invoke read x \n p0 ok 0");
    let mut question = Question::new("register", vec![Asked::new(ReadYourWrites)]);
    question.initial = Value::Int(0);
    let verdict = SESSION.check(&question, &history, &Budget::default()).remove(0);
    assert_eq!(verdict.validity, Invalid, "{}", verdict.reason);
}

#[test]
fn the_budget_is_kept() {
    let history = from_text("p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 ok 1");
    let budget = Budget::new(std::time::Duration::ZERO, 1 << 30);
    for claims in [MODELS, GUARANTEES] {
        let asked = claims.iter().map(|&claim| Asked::new(claim)).collect();
        let entry = if claims == MODELS { CAUSAL } else { SESSION };
        let question = Question::new("register", asked);
        for verdict in entry.check(&question, &history, &budget) {
            assert_ne!(verdict.validity, Invalid, "{}", verdict.reason);
        }
        let small = Budget::new(std::time::Duration::from_secs(9), 100);
        for verdict in entry.check(&question, &history, &small) {
            assert_eq!(verdict.validity, Unknown);
            assert!(verdict.reason.contains("more than the budget"), "{}", verdict.reason);
        }
    }
}
