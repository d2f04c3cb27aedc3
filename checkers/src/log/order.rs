//! The order in which processes poll messages and send them.

use std::fmt::Write as _;

use rustc_hash::FxHashMap;
use schism_history::{Key, Process};

use super::findings::{Findings, Kind, Proof};
use super::operations::Fate;
use super::partition::Log;
use super::records::Records;
use super::teller::Teller;

/// A message that a process polled or sent, at one of its places.
#[derive(Clone, Copy, Debug)]
struct At {
    operation: u32,
    token: u64,
    /// The least and the greatest dense index at which it can stand, where any is known.
    place: Option<(u32, u32)>,
}

/// How one message stands to the next.
enum Step {
    /// Nobody knows.
    Unknown,
    /// The second stands after the first, and nothing between them.
    Next,
    /// So many offsets between them hold messages, from this dense index on.
    Skip(u32, u32),
    /// The second stands before the first, or is the same.
    Back,
}

fn step(one: At, other: At) -> Step {
    let (Some(one), Some(other)) = (one.place, other.place) else { return Step::Unknown };
    // Where a message stands more than once, only what holds of all its places is told.
    if other.1 <= one.0 {
        Step::Back
    } else if other.0 > one.1 + 1 {
        Step::Skip(other.0 - one.1 - 1, one.1 + 1)
    } else {
        Step::Next
    }
}

/// Finds polls that skip messages or go back.
pub(crate) fn find_polls(
    log: &Log<'_>,
    teller: &Teller<'_>,
    records: &Records<'_>,
    findings: &mut Findings,
) {
    let key = log.rows.key;
    let at = |row: usize| {
        let poll = &log.rows.polls[row];
        let place = log.place(poll.offset, log.polled[row]);
        At { operation: poll.operation, token: poll.token, place }
    };
    let mut last: FxHashMap<Process, At> = FxHashMap::default();
    let mut row = 0;
    for group in log.rows.polls.chunk_by(|one, other| one.operation == other.operation) {
        let rows = row..row + group.len();
        row = rows.end;
        let operation = group[0].operation;
        let process = records.processes[operation as usize];
        let free = records.assignments.is_subscribed(process, operation);
        let mut pair = |one: At, other: At, free: bool| {
            let within = one.operation == other.operation;
            let found = match step(one, other) {
                Step::Unknown => return,
                Step::Next => None,
                Step::Skip(count, index) => {
                    let kind = if within { Kind::IntPollSkip } else { Kind::PollSkip };
                    Some((kind, Some((count, index))))
                }
                Step::Back if within => Some((Kind::IntNonmonotonicPoll, None)),
                Step::Back => Some((Kind::NonmonotonicPoll, None)),
            };
            if free {
                findings.evidence.free_pairs += 1;
                return;
            }
            findings.evidence.poll_pairs += 1;
            if let Some((kind, skipped)) = found {
                findings.of_mut(kind).add(|| polled(teller, one, other, skipped));
            }
        };
        let first = at(rows.start);
        if let Some(before) = last.get(&process).copied() {
            let goes_on = records.assignments.goes_on(process, key, before.operation, operation);
            let kept = records.assignments.keeps(process, key, before.operation, operation);
            if kept {
                pair(before, first, !goes_on);
            }
        }
        let mut before = first;
        for row in rows.start + 1..rows.end {
            let next = at(row);
            pair(before, next, free);
            before = next;
        }
        last.insert(process, before);
    }
}

fn polled(teller: &Teller<'_>, one: At, other: At, skipped: Option<(u32, u32)>) -> Proof {
    let key = teller.log.rows.key;
    let message = |at: At, least: bool| {
        teller.placed(at.token, at.place.map(|place| if least { place.0 } else { place.1 }))
    };
    let (back, mut operations) = (skipped.is_none(), vec![one.operation]);
    let (former, latter) = (message(one, back), message(other, !back));
    let mut story = if one.operation == other.operation {
        format!(
            "{} returned {latter} of log {key} directly after {former}",
            teller.capital(other.operation)
        )
    } else {
        format!(
            "{} began with {latter} of log {key}, although {}, the last of its process that returned \
             anything of that log, had ended with {former}",
            teller.capital(other.operation),
            teller.the(one.operation)
        )
    };
    match skipped {
        None => story.push_str(": it went back, or stood still."),
        Some((count, index)) => {
            let example = teller.at(index);
            let offsets = crate::phrase::count(count as usize, "message");
            let _ = write!(story, ": it skipped {offsets}");
            if let Some((operation, token)) = example {
                let what = teller.placed(token, Some(index));
                let vouches = teller.the(operation);
                let _ = write!(story, ", the first being {what}, which {vouches} shows");
                operations.insert(0, operation);
            }
            story.push('.');
        }
    }
    operations.retain(|&operation| operation != other.operation);
    operations.sort_unstable();
    operations.dedup();
    operations.push(other.operation);
    Proof { operations, story }
}

/// Finds messages of one process that stand in another order than it sent them.
pub(crate) fn find_sends(
    log: &Log<'_>,
    teller: &Teller<'_>,
    records: &Records<'_>,
    findings: &mut Findings,
) {
    let key: Key = log.rows.key;
    let at = |row: usize| {
        let send = &log.rows.sends[row];
        let place = log.place(send.offset, log.sent[row]);
        At { operation: send.operation, token: send.token, place }
    };
    let mut last: FxHashMap<Process, At> = FxHashMap::default();
    let mut row = 0;
    for group in log.rows.sends.chunk_by(|one, other| one.operation == other.operation) {
        let rows = row..row + group.len();
        row = rows.end;
        let operation = group[0].operation;
        let process = records.processes[operation as usize];
        let mut pair = |one: At, other: At| {
            let within = one.operation == other.operation;
            let kind = match step(one, other) {
                Step::Unknown => return,
                // Other producers' messages may well stand between two of one.
                Step::Skip(..) if within => Some(Kind::IntSendSkip),
                Step::Next | Step::Skip(..) => None,
                Step::Back if within => Some(Kind::IntNonmonotonicSend),
                Step::Back => Some(Kind::NonmonotonicSend),
            };
            findings.evidence.send_pairs += 1;
            if let Some(kind) = kind {
                findings.of_mut(kind).add(|| sent(teller, one, other));
            }
        };
        let first = at(rows.start);
        let counts = group[0].fate != Fate::Fail;
        let before = last.get(&process).copied().filter(|_| counts);
        if let Some(before) = before
            && records.assignments.keeps(process, key, before.operation, operation)
        {
            pair(before, first);
        }
        let mut before = first;
        for row in rows.start + 1..rows.end {
            let next = at(row);
            pair(before, next);
            before = next;
        }
        if counts {
            last.insert(process, before);
        }
    }
}

fn sent(teller: &Teller<'_>, one: At, other: At) -> Proof {
    let former = teller.placed(one.token, one.place.map(|place| place.0));
    let latter = teller.placed(other.token, other.place.map(|place| place.1));
    let key = teller.log.rows.key;
    let (operations, story) = if one.operation == other.operation {
        let who = teller.capital(other.operation);
        (vec![other.operation], format!("{who} sent {former} to log {key} and then {latter}."))
    } else {
        let story = format!(
            "{} sent {latter} to log {key}, although {}, by the same process and before it, had sent \
             {former}.",
            teller.capital(other.operation),
            teller.the(one.operation)
        );
        (vec![one.operation, other.operation], story)
    };
    Proof { operations, story }
}
