//! The verdicts about groups of subscribers in words.

use super::checker::Judge;
use super::findings::Kind;
use crate::phrase::{count, who};

/// How many messages a group passed over.
pub(crate) fn violated(judge: &Judge<'_>, of: &str) -> String {
    format!(
        "{} of {} that the group went beyond were returned to no member, {of}.{}",
        judge.count(Kind::GroupSkip),
        count(judge.evidence.group.passed, "acknowledged message"),
        again(judge)
    )
}

/// What at least once allows.
fn again(judge: &Judge<'_>) -> String {
    let group = &judge.evidence.group;
    format!(
        " Of {} returned to members, {} had been returned before, which at least once allows; logs \
         passed from one member to another {}.",
        count(group.returned, "message"),
        group.again,
        count(group.handovers, "time")
    )
}

/// Why nobody can say whether a group passed something over, or `None`: it did not.
pub(crate) fn undecided(judge: &Judge<'_>) -> Option<String> {
    let (group, minimum) = (&judge.evidence.group, judge.question.evidence_min);
    if !judge.records.assignments.any_member() {
        return Some(
            "Nobody subscribed, so that there was no group; clients under `read: subscribe` make one."
                .into(),
        );
    }
    if !judge.history.has_real_time() {
        return Some(
            "The history does not say what came first, so that nobody can say what was there when \
             the group went on."
                .into(),
        );
    }
    if group.doubtful + group.unread + group.unclear > 0 {
        return Some(missing(judge));
    }
    let few = |what: String| Some(format!("Only {what}; at least {minimum} are wanted."));
    if group.passed < minimum {
        let passed = count(group.passed, "acknowledged message");
        return few(format!("{passed} at known offsets, which the group went beyond"));
    }
    if group.handovers < minimum {
        let handovers = count(group.handovers, "time");
        return few(format!("{handovers} did a log pass from one member to another"));
    }
    None
}

/// What no member was seen to get, and why that proves nothing.
fn missing(judge: &Judge<'_>) -> String {
    let group = &judge.evidence.group;
    let mut reasons = Vec::new();
    if let (true, Some(doubt)) = (group.doubtful > 0, judge.records.doubt) {
        let poll = judge.history.operation(doubt as usize);
        reasons.push(format!(
            "{} may have been returned by a poll of which nobody knows the outcome, the first of them \
             the {} of event {} ({})",
            group.doubtful,
            poll.op.f,
            poll.invoked,
            who(&poll)
        ));
    }
    if group.unread > 0 {
        reasons.push(format!(
            "{} nobody else read afterwards, so that they may be lost instead (`no-lost-writes` tells)",
            group.unread
        ));
    }
    if group.unclear > 0 {
        reasons.push(format!(
            "of {} nobody knows where they stood when the group went on",
            group.unclear
        ));
    }
    format!(
        "Of {} that the group went beyond, {} were seen to be returned to no member: {}.",
        count(group.passed, "acknowledged message"),
        group.doubtful + group.unread + group.unclear,
        reasons.join("; ")
    )
}

/// What was judged, with figures.
pub(crate) fn upheld(judge: &Judge<'_>) -> String {
    format!(
        "All {} that the group went beyond had been returned to a member.{}",
        count(judge.evidence.group.passed, "acknowledged message"),
        again(judge)
    )
}

/// Why messages that only members of a group went beyond are not known to be lost.
pub(crate) fn beyond(judge: &Judge<'_>) -> Option<String> {
    let number = judge.evidence.beyond_members;
    let verb = if number == 1 { "was" } else { "were" };
    (number > 0).then(|| {
        format!(
            "{} {verb} polled by nobody that told of it, and only subscribers went beyond: one of \
             them may have polled it and not lived to tell. Polls of the whole log by a process that \
             was assigned it would decide it.",
            count(number, "acknowledged message")
        )
    })
}
