//! What groups of subscribers may do, by hand.

use super::tests::check;
use crate::Claim::{NoGroupSkips, NoLostWrites, NoUnseenWrites};
use crate::Validity::{Invalid, Unknown, Valid};
use crate::Verdict;

/// A log that passes from one member to another, which polls message 2 once more.
const GROUP: &str = r#"
    p1 invoke subscribe _ ["x"]
    p1 ok
    p2 invoke subscribe _ ["x"]
    p2 ok
    p0 invoke txn [send x 1, send x 2, send x 3, send x 4]
    p0 ok [send x [0 1], send x [1 2], send x [2 3], send x [3 4]]
    p1 invoke poll x
    p1 ok [0 1 1 2]
    p2 invoke poll x
    p2 ok [1 2 2 3 3 4]
    p3 invoke assign _ ["x"]
    p3 ok
    p3 invoke poll x
    p3 ok [0 1 1 2 2 3 3 4]"#;

/// The second member's poll, and one that passes over message 3.
const WHOLE: &str = "p2 ok [1 2 2 3 3 4]";
const SKIPPING: &str = "p2 ok [3 4]";

fn skipping() -> String {
    GROUP.replace(WHOLE, SKIPPING)
}

/// Says whether the reason is about this.
fn about(verdict: &Verdict, words: &str) {
    assert!(verdict.reason.contains(words), "{}", verdict.reason);
}

#[test]
fn what_comes_again_is_counted_and_allowed() {
    let verdict = check(GROUP, NoGroupSkips, Valid);
    assert_eq!(
        verdict.reason,
        "All 3 acknowledged messages that the group went beyond had been returned to a member. Of 5 \
         messages returned to members, 1 had been returned before, which at least once allows; logs \
         passed from one member to another 1 time."
    );
}

#[test]
fn finds_what_a_group_passed_over() {
    let verdict = check(&skipping(), NoGroupSkips, Invalid);
    about(&verdict, "1 of 3 acknowledged messages that the group went beyond");
    let anomaly = &verdict.anomalies[0];
    assert_eq!((anomaly.name.as_str(), &*anomaly.operations), ("group-skip", &[4, 8, 12][..]));
    assert_eq!(
        anomaly.explanation,
        "The group passed over message 3 at offset 2 of log x, which the txn of event 4 (p0) had sent \
         and which was acknowledged: the poll of event 8 (p2) returned message 4 at offset 3 beyond \
         it, when no member had polled it, and none did afterwards. It was there: the poll of event \
         12 (p3), which had chosen the log itself, returned it later."
    );
    // It is there, so that nothing is lost.
    check(&skipping(), NoLostWrites, Valid);
}

#[test]
fn a_member_that_may_have_got_it_makes_it_unknown() {
    let lost = "p4 invoke subscribe _ [\"x\"] \n p4 ok \n p4 invoke poll x \n p4 info timeout";
    let open = "p4 invoke subscribe _ [\"x\"] \n p4 ok \n p4 invoke poll x";
    let undeclared = "p4 invoke poll x \n p4 info timeout";
    for poll in [lost, open, undeclared] {
        let before = skipping().replace("p2 invoke poll", &format!("{poll} \n p2 invoke poll"));
        about(&check(&before, NoGroupSkips, Unknown), "1 may have been returned by a poll");
        // Nobody asks that where everything was returned.
        check(&before.replace(SKIPPING, WHOLE), NoGroupSkips, Valid);
        // It began when the group was beyond already.
        let after = skipping().replace(SKIPPING, &format!("{SKIPPING} \n {poll}"));
        check(&after, NoGroupSkips, Invalid);
    }
}

#[test]
fn crashes_between_polls_and_readers_without_an_answer_are_no_excuse() {
    for other in [
        "p1 invoke crash _ \n p1 info other",
        "p4 invoke assign _ [\"x\"] \n p4 ok \n p4 invoke poll x \n p4 info timeout",
        "p4 invoke subscribe _ [\"x\"] \n p4 ok \n p4 invoke poll x \n p4 fail unavailable",
        "p4 invoke send x 9 \n p4 info timeout",
    ] {
        let text = skipping().replace("p2 invoke poll", &format!("{other} \n p2 invoke poll"));
        check(&text, NoGroupSkips, Invalid);
    }
}

#[test]
fn what_nobody_read_afterwards_may_be_lost_instead() {
    let lost = skipping().replace("[0 1 1 2 2 3 3 4]", "[0 1 1 2 3 4]");
    about(&check(&lost, NoGroupSkips, Unknown), "may be lost instead");
    check(&lost, NoLostWrites, Invalid);
    // A reader that saw it before proves nothing: it may have been lost since.
    let (group, reader) = GROUP.split_at(GROUP.find("p3 invoke").expect("it reads"));
    let (first, second) = group.split_at(group.find("p2 invoke poll").expect("it polls"));
    let before = format!("{first} {reader} \n {}", second.replace(WHOLE, SKIPPING));
    about(&check(&before, NoGroupSkips, Unknown), "may be lost instead");
}

#[test]
fn judges_no_more_than_the_group_went_beyond() {
    // It begins at offset 2, and nobody knows what it was set to.
    let late = GROUP.replace("p1 ok [0 1 1 2]", "p1 ok [2 3]").replace(WHOLE, SKIPPING);
    about(&check(&late, NoGroupSkips, Valid), "All 1 acknowledged message ");
    // Readers that are set to see what was aborted may; the group was not.
    let aborted = GROUP
        .replace("p0 invoke txn", "p5 invoke send x 9 \n p5 fail other \n p0 invoke txn")
        .replace("send x [2 3], send x [3 4]", "send x [3 3], send x [4 4]")
        .replace("[1 2 2 3 3 4]", "[1 2 3 3 4 4]")
        .replace("[0 1 1 2 2 3 3 4]", "[0 1 1 2 2 9 3 3 4 4]");
    check(&aborted, NoGroupSkips, Valid);
    let delivered = format!("{} \n p1 invoke poll x \n p1 ok [2 3]", skipping());
    check(&delivered, NoGroupSkips, Valid);
}

#[test]
fn what_stands_nowhere_for_certain_is_unknown() {
    let two = skipping().replace("[0 1 1 2 2 3 3 4]", "[0 1 1 2 2 8 2 3 3 4]");
    about(&check(&two, NoGroupSkips, Unknown), "of 1 nobody knows where they stood");
    // Of its two places the group went beyond one.
    let twice = skipping().replace("[0 1 1 2 2 3 3 4]", "[0 1 1 2 2 3 3 4 4 3]");
    about(&check(&twice, NoGroupSkips, Valid), "All 2 acknowledged messages");
    // It was acknowledged only when the group was beyond.
    let ok = "p0 ok [send x [0 1], send x [1 2], send x [2 3], send x [3 4]]";
    let late = skipping().replace(ok, "").replace(SKIPPING, &format!("{SKIPPING}\n{ok}"));
    about(&check(&late, NoGroupSkips, Unknown), "of 1 nobody knows where they stood");
}

#[test]
fn needs_a_group_in_which_logs_change_hands() {
    about(
        &check(&GROUP.replace("subscribe", "assign"), NoGroupSkips, Unknown),
        "Nobody subscribed",
    );
    let alone = GROUP.replace("p2 invoke poll", "p1 invoke poll").replace("p2 ok [1", "p1 ok [1");
    let verdict = check(&alone, NoGroupSkips, Unknown);
    about(&verdict, "Only 0 times did a log pass from one member to another");
}

#[test]
fn only_who_reads_from_the_beginning_proves_a_message_lost() {
    let text = |member: &str, healed: &str| {
        format!(
            "p1 invoke {member} _ [\"x\"] \n p1 ok
            p2 invoke {member} _ [\"x\"] \n p2 ok
            p0 invoke txn [send x 1, send x 2] \n p0 ok [send x [0 1], send x [1 2]]
            p1 invoke poll x \n p1 info timeout
            p2 invoke poll x \n p2 ok [1 2]
            {healed}"
        )
    };
    let polls = "p3 invoke poll x \n p3 ok [] \n".repeat(3);
    let end =
        |how: &str| format!("nemesis healed \n p3 invoke {how} _ [\"x\"] \n p3 ok \n {polls}");
    // The last polls were cut short: the member that died may have got it.
    about(&check(&text("subscribe", ""), NoLostWrites, Unknown), "only subscribers went beyond");
    check(&text("subscribe", ""), NoUnseenWrites, Unknown);
    check(&text("assign", ""), NoLostWrites, Invalid);
    check(&text("subscribe", &end("assign")), NoLostWrites, Invalid);
    check(&text("subscribe", &end("assign")), NoUnseenWrites, Invalid);
    // A member finds nothing behind the place of its group.
    check(&text("subscribe", &end("subscribe")), NoLostWrites, Unknown);
    check(&text("subscribe", &end("subscribe")), NoUnseenWrites, Unknown);
    let beyond = "p3 invoke assign _ [\"x\"] \n p3 ok \n p3 invoke poll x \n p3 ok [1 2]";
    check(&text("subscribe", beyond), NoLostWrites, Invalid);
    let found = beyond.replace("[1 2]", "[0 1 1 2]");
    check(&text("subscribe", &found), NoLostWrites, Valid);
}
