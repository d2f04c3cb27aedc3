//! Histories in which acknowledged writes are lost, and some in which they only seem to be.

use schism_history::History;

use super::ENTRY;
use crate::Validity::{Invalid, Unknown, Valid};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

fn check(text: &str, expected: Validity, part: &str) -> Verdict {
    let history = History::from_text(text).expect("the text is a history");
    let claims = vec![Asked::new(Claim::AcknowledgedWritesSurvive)];
    let mut verdicts = ENTRY.check(&Question::new("any", claims), &history, &Budget::default());
    let verdict = verdicts.pop().expect("one verdict");
    assert_eq!(verdict.validity, expected, "{}", verdict.reason);
    assert!(verdict.reason.contains(part), "{part} is not in: {}", verdict.reason);
    verdict
}

#[test]
fn finds_a_register_that_went_back() {
    let verdict = check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke write x 2 @n1 \n p0 ok \n nemesis healed
         p1 invoke read x @n2 \n p1 ok 1",
        Invalid,
        "X = 2 is lost: p0 on n1 acknowledged the write after 1.0 ms, yet at the end p1 on n2 read 1",
    );
    assert_eq!(verdict.anomalies[0].operations, [0, 2, 5]);
}

#[test]
fn finds_a_register_that_is_empty_again() {
    check(
        "p0 invoke cas x [_ 1] \n p0 ok \n nemesis healed \n p1 invoke read x \n p1 ok _",
        Invalid,
        "held before the first write",
    );
}

#[test]
fn an_indeterminate_or_overlapping_write_explains_what_is_read() {
    let end = "nemesis healed \n p9 invoke read x \n p9 ok 1";
    let info = "p0 invoke write x 1 \n p0 info timeout none \n p1 invoke write x 2 \n p1 ok";
    check(&format!("{info}\n{end}"), Valid, "All of");
    let overlap = "p0 invoke write x 1 \n p1 invoke write x 2 \n p0 ok \n p1 ok";
    check(&format!("{overlap}\n{end}"), Valid, "All of");
    let failed = "p0 invoke write x 1 \n p0 ok \n p1 invoke write x 2 \n p1 fail refused none";
    check(&format!("{failed}\n{end}"), Valid, "All of");
    let again = "p0 invoke write x 1 \n p0 ok \n p1 invoke write x 2 \n p1 ok
                 p0 invoke write x 1 \n p0 ok";
    check(&format!("{again}\n{end}"), Valid, "All of");
}

#[test]
fn finds_a_register_that_holds_what_nobody_wrote() {
    let end = "nemesis healed \n p9 invoke read x \n p9 ok 999";
    let written = "p0 invoke write x 1 \n p0 ok \n p0 invoke write x 2 \n p0 ok";
    check(&format!("{written}\n{end}"), Invalid, "p9 read 999, which nobody had written");
    let failed = format!("{written} \n p1 invoke write x 999 \n p1 fail refused none \n {end}");
    let verdict = check(&failed, Invalid, "which only p1 had wanted to write, and failed");
    assert_eq!(verdict.anomalies[0].operations, [4, 2, 7]);
    let info = format!("{written} \n p1 invoke write x 999 \n p1 info timeout none \n {end}");
    check(&info, Valid, "All of");
}

#[test]
fn finds_a_loss_behind_a_write_that_the_final_read_overlaps() {
    check(
        "p0 invoke write x 1 \n p0 ok \n p0 invoke write x 2 \n p0 ok \n p0 invoke write x 3
         nemesis healed \n p1 invoke read x \n p1 ok 1 \n p0 ok",
        Invalid,
        "X = 2 is lost",
    );
}

#[test]
fn finds_elements_that_no_final_read_shows() {
    check(
        "p0 invoke add s 1 \n p0 ok \n p0 invoke add s 2 \n p0 ok \n nemesis healed
         p1 invoke read-set s \n p1 ok [1] \n p2 invoke read-set s \n p2 ok [1]",
        Invalid,
        "Element 2 of s is lost",
    );
    check(
        "p0 invoke txn [append x 1, append y 5] \n p0 ok [append x 1, append y 5] \n nemesis healed
         p1 invoke txn [r x _, r y _] \n p1 ok [r x [1], r y _]",
        Invalid,
        "Element 5 of y is lost",
    );
}

#[test]
fn one_final_read_that_shows_an_element_is_enough() {
    check(
        "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read-set s \n p1 ok []
         p2 invoke read-set s \n p2 ok [1]",
        Valid,
        "1 acknowledged write, 2 final reads",
    );
}

#[test]
fn upholds_nothing_without_evidence() {
    let written = "p0 invoke write x 1 \n p0 ok";
    check(written, Unknown, "ends before everything was healed");
    check(&format!("{written} \n nemesis healed"), Unknown, "No final read");
    check("nemesis healed \n p1 invoke read x \n p1 ok _", Unknown, "No write was acknowledged");
    check(
        &format!(
            "{written} \n p0 invoke write y 1 \n p0 ok \n nemesis healed \n p1 invoke read x \n p1 ok 1"
        ),
        Unknown,
        "No final read of y",
    );
}
