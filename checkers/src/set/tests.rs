//! Each claim about sets against a history that breaks it, and one that does not.

use schism_history::History;

use super::ENTRY;
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

/// Ten adds to another set, each acknowledged, and three final reads of them: enough to judge.
const ENOUGH: &str = "
    p9 invoke add t 1 \n p9 ok \n p9 invoke add t 2 \n p9 ok \n p9 invoke add t 3 \n p9 ok
    p9 invoke add t 4 \n p9 ok \n p9 invoke add t 5 \n p9 ok \n p9 invoke add t 6 \n p9 ok
    p9 invoke add t 7 \n p9 ok \n p9 invoke add t 8 \n p9 ok \n p9 invoke add t 9 \n p9 ok
    p9 invoke add t 10 \n p9 ok";

const ALL_OF_T: &str = "
    p9 invoke read t \n p9 ok [1 2 3 4 5 6 7 8 9 10] \n p9 invoke read t \n p9 ok [1 2 3 4 5 6 7 8 9 10]
    p9 invoke read t \n p9 ok [1 2 3 4 5 6 7 8 9 10]";

fn judge(text: &str) -> Vec<Verdict> {
    let history = History::from_text(text).expect("the text is a history");
    let claims = ENTRY.decides.iter().copied().map(Asked::new).collect();
    ENTRY.check(&Question::new("set", claims), &history, &Budget::default())
}

/// The validities in the order of the row: lost, stale, duplicated, unexpected.
fn check(text: &str, expected: [Validity; 4]) -> Vec<Verdict> {
    let verdicts = judge(&format!("{ENOUGH}\n{text}\n{ALL_OF_T}"));
    let found: Vec<Validity> = verdicts.iter().map(|verdict| verdict.validity).collect();
    let reasons: Vec<&str> = verdicts.iter().map(|verdict| verdict.reason.as_str()).collect();
    assert_eq!(found, expected, "{reasons:#?}");
    for verdict in &verdicts {
        assert_eq!(verdict.validity == Validity::Invalid, !verdict.anomalies.is_empty());
    }
    verdicts
}

use Validity::{Invalid, Unknown, Valid};

#[test]
fn upholds_a_set_that_keeps_what_it_was_given() {
    check(
        "p0 invoke add s 1 \n p1 invoke read s \n p1 ok [] \n p0 ok \n p1 invoke read-set s
         p1 ok [1] \n nemesis healed \n p1 invoke read s \n p1 ok [1]",
        [Valid; 4],
    );
}

#[test]
fn finds_an_acknowledged_element_that_no_final_read_returns() {
    let verdicts = check(
        "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read s @n2 \n p1 ok []
         p2 invoke read s \n p2 ok []",
        [Invalid, Invalid, Valid, Valid],
    );
    let lost = &verdicts[0].anomalies[0];
    assert_eq!(lost.operations, [20, 25]);
    assert_eq!(
        lost.explanation,
        "Set s: element 1 is lost. The read of event 25 (p2) misses it, like every final read begun \
         after it was known (2 final reads in all), although add 1 (event 20, p0) had been \
         acknowledged 4.0 ms before that read began."
    );
    assert_eq!(verdicts[0].reason, "1 of 11 known elements is lost, of set s.");
    assert!(verdicts[1].anomalies[0].explanation.contains("the read of event 23 (p1 on n2)"));
}

#[test]
fn finds_an_element_lost_that_was_only_ever_read() {
    check(
        "p0 invoke add s 1 \n p0 info timeout \n p1 invoke read s \n p1 ok [1] \n nemesis healed
         p1 invoke read s \n p1 ok []",
        [Invalid, Invalid, Valid, Valid],
    );
}

#[test]
fn an_element_that_comes_back_is_stale_and_not_lost() {
    check(
        "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read s \n p1 ok []
         p1 invoke read s \n p1 ok [1]",
        [Valid, Invalid, Valid, Valid],
    );
}

#[test]
fn an_element_added_while_the_read_runs_may_be_missed() {
    check(
        "p1 invoke read s \n p0 invoke add s 1 \n p0 ok \n p1 ok [] \n nemesis healed
         p1 invoke read s \n p1 ok [1]",
        [Valid; 4],
    );
}

#[test]
fn an_indeterminate_add_may_show_or_not() {
    let rest = "nemesis healed \n p1 invoke read s \n p1 ok";
    check(&format!("p0 invoke add s 1 \n p0 info timeout \n {rest} [1]"), [Valid; 4]);
    check(&format!("p0 invoke add s 1 \n p0 info timeout \n {rest} []"), [Valid; 4]);
}

#[test]
fn finds_an_element_twice_in_one_read() {
    let verdicts = check(
        "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read s \n p1 ok [1 1]",
        [Valid, Valid, Invalid, Valid],
    );
    assert_eq!(verdicts[2].anomalies[0].operations, [20, 23]);
}

#[test]
fn finds_elements_that_nobody_can_have_added() {
    let failed = "p0 invoke add s 1 \n p0 fail unavailable \n nemesis healed
        p1 invoke read s \n p1 ok [1]";
    let verdicts = check(failed, [Valid, Valid, Valid, Invalid]);
    assert!(verdicts[3].anomalies[0].explanation.contains("had failed"));
    let never = "nemesis healed \n p1 invoke read s \n p1 ok [7]";
    let verdicts = check(never, [Valid, Valid, Valid, Invalid]);
    assert!(verdicts[3].anomalies[0].explanation.contains("nobody added"));
    let early = "p1 invoke read s \n p1 ok [1] \n p0 invoke add s 1 \n p0 ok \n nemesis healed
        p1 invoke read s \n p1 ok [1]";
    let verdicts = check(early, [Valid, Valid, Valid, Invalid]);
    assert!(verdicts[3].anomalies[0].explanation.contains("before add 1"));
}

#[test]
fn upholds_nothing_without_evidence() {
    check("p0 invoke add s 1 \n p0 ok", [Unknown, Valid, Valid, Valid]);
    check("p0 invoke add s 1 \n p0 ok \n nemesis healed", [Unknown, Valid, Valid, Valid]);
    let found = |text: &str| judge(text).into_iter().map(|verdict| verdict.validity);
    assert!(found("").all(|validity| validity == Unknown));
    assert!(found(ENOUGH).all(|validity| validity == Unknown));
    let few = "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read s \n p1 ok [1]";
    assert!(found(few).all(|validity| validity == Unknown));
    // Many adds and one read that could hardly show anything.
    let one = format!("{ENOUGH} \n p0 invoke add s 1 \n p0 ok \n p1 invoke read s \n p1 ok [1]");
    assert!(found(&one).all(|validity| validity == Unknown));
    let reason = |text: &str, place: usize| judge(text)[place].reason.clone();
    assert!(reason(&one, 1).starts_with("Only 1 read began after an element was known"));
    assert!(reason(&one, 3).starts_with("All reads together returned only 1 element"));
}

#[test]
fn names_the_event_that_is_none_of_a_set() {
    let removal = "p0 invoke add s 1 \n p0 ok \n p0 invoke remove s 1 \n p0 ok \n nemesis healed
        p1 invoke read s \n p1 ok []";
    let verdicts = check(removal, [Unknown; 4]);
    assert!(verdicts[0].reason.contains("the remove of event 22"));
    check("p0 invoke add s \n p0 ok", [Unknown; 4]);
    // A violation before that event stays one.
    let before = "p0 invoke add s 1 \n p0 ok \n p1 invoke read s \n p1 ok []
        p0 invoke remove s 1 \n p0 ok";
    check(before, [Unknown, Invalid, Unknown, Unknown]);
}

#[test]
fn answers_only_what_it_was_asked() {
    let history = History::from_text(ENOUGH).expect("the text is a history");
    let claims = vec![Asked::new(Claim::Linearizable), Asked::new(Claim::NoDuplicates)];
    let question = Question::new("set", claims);
    let verdicts = ENTRY.check(&question, &history, &Budget::default());
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0].asked.claim, Claim::NoDuplicates);
}
