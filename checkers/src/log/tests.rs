//! Each anomaly by itself, and what the checker makes of strange histories.

use schism_history::History;

use super::agreement::verdicts;
use super::{DECIDES, ENTRY};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

use Validity::{Invalid, Unknown, Valid};

/// A log that keeps every promise, and shows it.
const CORRECT: &str = r#"
    p1 invoke assign _ ["x" "y"]
    p1 ok
    p0 invoke txn [send x 1, send x 2]
    p0 ok [send x [0 1], send x [1 2]]
    p2 invoke txn [send x 3]
    p2 fail other aborted
    p0 invoke send x 4
    p0 ok [3 4]
    p1 invoke txn [poll "" _, send y 5]
    p1 ok [poll x [0 1 1 2], send y [0 5]]
    p1 invoke poll x
    p1 ok [3 4]
    p3 invoke txn [send x 6, poll "" _]
    p3 ok [send x [4 6], poll y [0 5]]
    nemesis healed
    p4 invoke poll x
    p4 ok [0 1 1 2 3 4 4 6]
    p4 invoke poll x
    p4 ok []
    p4 invoke poll x
    p4 ok []
    p4 invoke poll x
    p4 ok []"#;

fn parse(text: &str) -> History {
    History::from_text(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(super) fn check(text: &str, claim: Claim, expected: Validity) -> Verdict {
    let verdicts = verdicts(&parse(text));
    let verdict = verdicts.into_iter().find(|verdict| verdict.asked.claim == claim);
    let verdict = verdict.expect("it was asked");
    assert_eq!(verdict.validity, expected, "{claim}: {}\n{text}", verdict.reason);
    assert_eq!(expected == Invalid, !verdict.anomalies.is_empty());
    verdict
}

#[test]
fn upholds_every_claim_of_a_log_that_keeps_them() {
    // There is no group in it.
    let verdicts = verdicts(&parse(CORRECT)).into_iter();
    for verdict in verdicts.filter(|it| it.asked.claim != Claim::NoGroupSkips) {
        assert_eq!(verdict.validity, Valid, "{}: {}", verdict.asked, verdict.reason);
    }
}

#[test]
fn finds_each_single_fault() {
    let all = "[0 1 1 2 3 4 4 6]";
    for (before, after, claim, name) in [
        ("ok [3 4]\n    p3", "ok [3 6]\n    p3", Claim::ConsistentOffsets, "inconsistent-offsets"),
        (all, "[0 1 1 2 2 2 3 4 4 6]", Claim::NoDuplicates, "duplicate"),
        (all, "[0 1 1 2 2 3 3 4 4 6]", Claim::NoAbortedReads, "G1a"),
        (
            "poll y [0 5]]",
            "poll y [0 5], poll x [4 6]]",
            Claim::NoPrecommittedReads,
            "precommitted-read",
        ),
        ("send x [0 1], send", "send x [_ 1], send", Claim::NoLostWrites, ""),
        ("[poll x [0 1 1 2], send y", "[poll x [0 1], send y", Claim::PollOrder, "poll-skip"),
        (
            "[poll x [0 1 1 2], send y",
            "[poll x [1 2 0 1], send y",
            Claim::PollOrder,
            "int-nonmonotonic-poll",
        ),
        ("ok [3 4]\n    p3", "ok [1 2]\n    p3", Claim::PollOrder, "nonmonotonic-poll"),
        (all, "[0 1 1 2 4 6]", Claim::PollOrder, "int-poll-skip"),
        (
            "[send x [0 1], send x [1 2]]",
            "[send x [1 1], send x [0 2]]",
            Claim::SendOrder,
            "int-nonmonotonic-send",
        ),
        (
            "[send x [0 1], send x [1 2]]",
            "[send x [0 1], send x [7 2]]",
            Claim::SendOrder,
            "nonmonotonic-send",
        ),
        (
            "[poll x [0 1 1 2], send y",
            "[poll x [0 1 1 2 4 6], send y",
            Claim::NoCircularReads,
            "G1c",
        ),
        (all, "[0 1 1 2 3 4]", Claim::NoUnseenWrites, "unseen"),
    ] {
        assert!(CORRECT.contains(before), "{before}");
        let text = CORRECT.replace(before, after);
        if name.is_empty() {
            check(&text, claim, Valid);
            continue;
        }
        let verdict = check(&text, claim, Invalid);
        let names: Vec<&str> = verdict.anomalies.iter().map(|it| it.name.as_str()).collect();
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let lost = CORRECT.replace("[poll x [0 1 1 2], send", "[poll x [0 1], send");
    check(&lost.replace(all, "[0 1 3 4 4 6]"), Claim::NoLostWrites, Invalid);
}

#[test]
fn tells_the_story() {
    let text = CORRECT.replace("[0 1 1 2 3 4 4 6]", "[0 1 1 2 4 6]");
    let skip = check(&text, Claim::PollOrder, Invalid);
    assert_eq!(skip.reason, "Of 4 pairs in a row: 1 int-poll-skip, of log x.");
    assert_eq!(
        skip.anomalies[0].explanation,
        "The poll of event 15 (p4) returned message 6 at offset 4 of log x directly after message 2 \
         at offset 1: it skipped 1 message, the first being message 4 at offset 3, which the send \
         of event 6 (p0) shows."
    );
    assert_eq!(skip.anomalies[0].operations, [6, 15]);
    let circle = CORRECT.replace("[poll x [0 1 1 2], send y", "[poll x [0 1 1 2 4 6], send y");
    let circle = check(&circle, Claim::NoCircularReads, Invalid);
    assert_eq!(
        circle.anomalies[0].explanation,
        "The txn of event 12 (p3) polled message 5 of log y, which the txn of event 8 (p1) sends. \
         The txn of event 8 (p1) polled message 6 of log x, which the txn of event 12 (p3) sends. \
         Each would have to be committed before the next, in a circle."
    );
}

#[test]
fn what_the_system_assigns_may_change_at_any_time() {
    let subscribed = CORRECT.replace("assign", "subscribe");
    check(&subscribed, Claim::PollOrder, Valid);
    let skipped = subscribed.replace("ok [3 4]\n    p3", "ok [1 2]\n    p3");
    check(&skipped, Claim::PollOrder, Valid);
    // A log that was given up is begun anew.
    let back = "p1 invoke poll x \n p1 ok [0 1 1 2]";
    let anew = "p1 invoke assign _ [\"y\"] \n p1 ok \n p1 invoke assign _ [\"x\"] \n p1 ok";
    check(&format!("{back} \n {anew} \n {back}"), Claim::PollOrder, Valid);
    let kept = "p1 invoke assign _ [\"x\" \"y\"] \n p1 ok";
    check(&format!("{back} \n {kept} \n {back}"), Claim::PollOrder, Invalid);
}

#[test]
fn offsets_may_be_as_great_as_they_like() {
    let far = i64::MAX - 1;
    let text = format!(
        "p0 invoke txn [send x 1, send x 2, send x 3]
        p0 ok [send x [0 1], send x [4611686018427387904 2], send x [{far} 3]]
        p1 invoke poll x
        p1 ok [0 1 4611686018427387904 2 {far} 3]"
    );
    check(&text, Claim::PollOrder, Valid);
    check(&text, Claim::SendOrder, Valid);
    check(&text, Claim::NoLostWrites, Valid);
    let skip = text.replace("[0 1 4611686018427387904 2 ", "[0 1 ");
    check(&skip, Claim::PollOrder, Invalid);
    check(&skip, Claim::NoLostWrites, Invalid);
}

#[test]
fn messages_may_be_texts() {
    let text = r#"p0 invoke send x "a"
        p0 ok [0 "a"]
        p0 invoke send x true
        p0 ok [1 true]
        p0 invoke send x -1
        p0 ok [2 -1]
        p1 invoke poll x
        p1 ok [2 -1]"#;
    let verdict = check(text, Claim::NoLostWrites, Invalid);
    assert!(verdict.anomalies[0].explanation.contains("polled message \"a\" at offset 0"));
    assert!(verdict.anomalies[1].explanation.contains("polled message true at offset 1"));
}

#[test]
fn unseen_needs_the_end_of_the_log() {
    let sent = "p0 invoke send x 1 \n p0 ok [0 1]";
    let empty = "p1 invoke poll x \n p1 ok [] \n";
    let three = empty.repeat(3);
    let two = empty.repeat(2);
    let verdict = |text: &str, expected| check(text, Claim::NoUnseenWrites, expected);
    verdict(sent, Unknown);
    verdict(&format!("{sent} \n {three}"), Unknown);
    verdict(&format!("{sent} \n nemesis healed \n {two}"), Unknown);
    verdict(&format!("{sent} \n nemesis healed \n {three}"), Invalid);
    // Acknowledged only afterwards.
    let late = sent.replace("p0 ok [0 1]", "");
    verdict(&format!("{late} \n nemesis healed \n {three} \n p0 ok [0 1]"), Unknown);
    // Consumers that were told what to read prove nothing; those that chose it do.
    let group = "p1 invoke txn [poll \"\" _] \n p1 ok [poll \"\" _] \n".repeat(3);
    let assign = "p1 invoke assign _ [\"x\"] \n p1 ok";
    verdict(&format!("{sent} \n nemesis healed \n {group}"), Unknown);
    verdict(
        &format!(
            "{sent} \n {} \n nemesis healed \n {group}",
            assign.replace("assign", "subscribe")
        ),
        Unknown,
    );
    verdict(&format!("{sent} \n {assign} \n nemesis healed \n {group}"), Invalid);
}

#[test]
fn a_message_sent_twice_is_nobody_s() {
    let text = "p0 invoke send x 1 \n p0 fail timeout \n p0 invoke send x 1 \n p0 ok [0 1]
        p1 invoke poll x \n p1 ok [0 1 1 1]";
    for claim in [Claim::NoAbortedReads, Claim::NoDuplicates, Claim::NoLostWrites] {
        let verdict = check(text, claim, Unknown);
        assert!(verdict.reason.contains("the send of event 0 (p0)"), "{}", verdict.reason);
    }
    check(text, Claim::ConsistentOffsets, Valid);
    check(text, Claim::PollOrder, Valid);
}

#[test]
fn upholds_nothing_without_evidence() {
    for text in [
        "",
        "p0 invoke send x 1 \n p0 info timeout",
        "p0 invoke txn [send x 1]",
        "p0 invoke poll x \n p0 ok []",
        "p0 invoke poll x \n p0 fail timeout",
        "p0 invoke crash _ \n p0 info other",
    ] {
        for claim in DECIDES {
            check(text, *claim, Unknown);
        }
    }
    let mut question = Question::new("log", vec![Asked::new(Claim::PollOrder)]);
    question.evidence_min = 100;
    let verdict = ENTRY.check(&question, &parse(CORRECT), &Budget::default()).remove(0);
    assert_eq!(verdict.validity, Unknown);
    assert!(verdict.reason.contains("at least 100 are wanted"), "{}", verdict.reason);
}

#[test]
fn names_the_event_that_nobody_understands() {
    for strange in [
        "p7 invoke append x 1",
        "p7 invoke send x _",
        "p7 invoke send x [1 2]",
        "p7 invoke send _ 1",
        "p7 invoke poll x 3",
        "p7 invoke assign _ 3",
        "p7 invoke assign _ [[1]]",
        "p7 invoke txn [append x 1]",
        "p7 invoke txn [send x _]",
        "p7 invoke send x 1 \n p7 ok [1 2]",
        "p7 invoke send x 1 \n p7 ok [-1 1]",
        "p7 invoke poll x \n p7 ok 1",
        "p7 invoke poll x \n p7 ok [1]",
        "p7 invoke poll x \n p7 ok [1 _]",
        "p7 invoke poll x \n p7 ok [-1 1]",
        "p7 invoke txn [send x 1] \n p7 ok []",
        "p7 invoke txn [send x 1] \n p7 ok [send y 1]",
        "p7 invoke txn [send x 1] \n p7 ok [send x 1, send x 1]",
        "p7 invoke txn [send x 1] \n p7 ok 1",
    ] {
        for claim in DECIDES {
            let verdict = check(strange, *claim, Unknown);
            assert!(verdict.reason.contains("of event 0"), "{}", verdict.reason);
        }
        // A violation before that event stays one; but what seems lost may be polled yet.
        let before = "p0 invoke send x 1 \n p0 ok [0 1] \n p0 invoke send x 9 \n p0 ok [1 9]
            p1 invoke poll x \n p1 ok [1 9 1 8]";
        check(&format!("{before}\n{strange}"), Claim::ConsistentOffsets, Invalid);
        check(&format!("{before}\n{strange}"), Claim::NoLostWrites, Unknown);
    }
}

#[test]
fn answers_unknown_where_the_budget_ends() {
    let history = parse(CORRECT);
    let claims: Vec<Asked> = DECIDES.iter().copied().map(Asked::new).collect();
    let question = Question::new("log", claims);
    let none = std::time::Duration::ZERO;
    for budget in [Budget::new(none, usize::MAX), Budget::new(std::time::Duration::MAX / 4, 100)] {
        for verdict in ENTRY.check(&question, &history, &budget) {
            assert_eq!(verdict.validity, Unknown, "{}", verdict.reason);
            assert!(verdict.reason.contains("would help"), "{}", verdict.reason);
        }
    }
}

#[test]
fn tells_of_circles_that_are_allowed() {
    // p1 polls what p0 has not yet committed, and its next transaction is polled by p0.
    let text = r#"p0 invoke txn [send x 1, poll "" _]
        p1 invoke txn [poll "" _, send z 8]
        p1 ok [poll x [0 1], send z [0 8]]
        p1 invoke send y 2
        p1 ok [0 2]
        p0 ok [send x [0 1], poll y [0 2]]"#;
    let verdict = check(text, Claim::NoCircularReads, Valid);
    assert_eq!(
        verdict.reason,
        "2 operations both sent and polled messages, and no circle of them polled each other's. \
         Groups in other circles, which are allowed: 1 G1c-process and 1 G1c-realtime."
    );
    // Two transactions whose messages stand in turns.
    let text = r#"p0 invoke txn [send x 1, send x 3, poll "" _]
        p1 invoke txn [send x 2, poll "" _]
        p0 ok [send x [0 1], send x [2 3], poll y [0 7]]
        p1 ok [send x [1 2], poll y [0 7]]
        p2 invoke send y 7
        p2 ok [0 7]"#;
    let verdict = check(text, Claim::NoCircularReads, Valid);
    assert!(verdict.reason.contains("1 G0, 1 G1c with the order of the log"), "{}", verdict.reason);
}

#[test]
fn messages_that_are_no_numbers_are_told_apart_in_all_parts_of_a_history() {
    let text = "
        p0 invoke send x \"a\" \n p0 ok [0 \"a\"] \n p0 invoke send x -3 \n p0 ok [1 -3]
        p0 invoke send x \"b\" \n p0 ok [2 \"b\"] \n p0 invoke send x 4 \n p0 ok [3 4]
        p0 invoke send x -4 \n p0 ok [4 -4] \n p1 invoke poll x \n p1 ok [0 \"a\" 1 -3]
        p1 invoke poll x \n p1 ok [3 4] \n p1 invoke poll x \n p1 ok [4 -4]";
    check(text, Claim::ConsistentOffsets, Valid);
    let lost = check(text, Claim::NoLostWrites, Invalid);
    assert_eq!(lost.anomalies.len(), 1);
    let told = &lost.anomalies[0].explanation;
    assert!(told.contains("\"b\"") || told.contains("message b "), "{told}");
    check(&text.replace("p1 ok [3 4]", "p1 ok [2 \"b\" 3 4]"), Claim::NoLostWrites, Valid);
}
