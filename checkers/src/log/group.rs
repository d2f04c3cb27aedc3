//! What a group of subscribers passed over.
//!
//! *At least once* is what a group promises whose members commit what they have polled after they have
//! polled it: whoever gets a log goes on where the group had committed, so that a message may come
//! again, and none is passed over. Of a log *k*, let
//!
//! - *M* be the ok polls of members: processes whose last assignment was `subscribe`;
//! - *R* be the ok polls of processes whose last assignment was `assign`: they have a place of their own;
//! - *i(m)* be the dense index of a message *m*, and *i(Q)* the greatest that a poll *Q* returned.
//!
//! A message *m* that was acknowledged, and stands at one offset, alone, is a **group-skip** if
//!
//! 1. a poll of *M* returned a message at or before *i(m)*: the group had begun by there. Where it begins
//!    is a matter of its settings, so that what stands before that is not judged;
//! 2. a poll *Q* in *M*, invoked after the acknowledgement of *m*, has *i(Q) > i(m)*;
//! 3. no process but those with a place of their own ever polled *m*;
//! 4. none of them began a poll before *Q* completed of which nobody knows the outcome: it may have got
//!    *m*, and have committed that;
//! 5. a poll of *R*, invoked after *Q* completed, returned *m*: it was there, and could be read.
//!
//! Why it is sound: offsets rise as messages are appended, so that by (2) *m* was there when *Q* began,
//! and by (5) it was still there after it: it was neither lost, nor aborted, nor compacted, and no gap. A
//! group that passes nothing over has returned *m* to some member, by a poll that began before *Q*
//! completed: an ok poll, against (3), or one without an outcome, against (4). A poll that failed has
//! returned nothing and committed nothing, or it has not failed. A member that crashes *between* two
//! polls leaves no poll open, and what it had polled is known.
//!
//! Acknowledged messages that the group went beyond, for which (3) holds and one of the others does not,
//! make the claim unknown. All subscribers of a history are taken to be of one group.

use std::ops::AddAssign;

use super::findings::{Findings, Kind, Proof};
use super::messages::Holders;
use super::partition::{Log, Message, NONE};
use super::records::{Records, Role, Sent};
use super::teller::Teller;

/// What a group was seen to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupEvidence {
    /// Messages returned to members, each time.
    pub returned: usize,
    /// How many of them a member had polled before.
    pub again: usize,
    /// How often a log passed from one member to another.
    pub handovers: usize,
    /// Acknowledged messages that the group went beyond.
    pub passed: usize,
    /// Those that no member was seen to get, but may have got by a poll without an outcome.
    pub doubtful: usize,
    /// Those that no member was seen to get, and nobody else read afterwards.
    pub unread: usize,
    /// Those that no member was seen to get, and of which it is not clear where they stood when.
    pub unclear: usize,
}

impl AddAssign<&GroupEvidence> for GroupEvidence {
    fn add_assign(&mut self, other: &GroupEvidence) {
        self.returned += other.returned;
        self.again += other.again;
        self.handovers += other.handovers;
        self.passed += other.passed;
        self.doubtful += other.doubtful;
        self.unread += other.unread;
        self.unclear += other.unclear;
    }
}

/// A poll of a member, with the furthest message that it returned.
#[derive(Clone, Copy)]
struct Pass {
    invoked: u64,
    completed: u64,
    index: u32,
    operation: u32,
    token: u64,
}

/// Who polled what of one log.
struct Polls {
    /// The polls of members that returned something at a known offset, in the order of their ends.
    passes: Vec<Pass>,
    /// The greatest index of each pass and those before it.
    reach: Vec<u32>,
    /// The least dense index that was returned to a member.
    floor: u32,
    /// The last poll of each message by a process with a place of its own, or [`NONE`].
    read: Vec<u32>,
    /// Whether anybody else polled each message.
    returned: Vec<bool>,
}

impl Polls {
    fn of(log: &Log<'_>, teller: &Teller<'_>, records: &Records<'_>) -> (Self, GroupEvidence) {
        let (mut passes, mut floor, mut read) = (Vec::new(), NONE, vec![NONE; log.messages.len()]);
        let mut evidence = GroupEvidence::default();
        let mut returned = vec![false; log.messages.len()];
        let (mut row, mut holder) = (0, None);
        for group in log.rows.polls.chunk_by(|one, other| one.operation == other.operation) {
            let (first, number) = (row, group[0].operation);
            row += group.len();
            let process = records.processes[number as usize];
            let role = records.assignments.role(process, number);
            let mut pass: Option<(u32, u64)> = None;
            for (poll, &message) in group.iter().zip(&log.polled[first..]) {
                if role == Role::Reader {
                    read[message as usize] = number;
                    continue;
                }
                let before = std::mem::replace(&mut returned[message as usize], true);
                if role == Role::Undeclared {
                    continue;
                }
                evidence.returned += 1;
                evidence.again += usize::from(before);
                if let Some(index) = log.offsets.index(poll.offset) {
                    floor = floor.min(index);
                    pass = pass.max(Some((index, poll.token)));
                }
            }
            if role == Role::Member {
                evidence.handovers += usize::from(holder.is_some_and(|before| before != process));
                holder = Some(process);
            }
            let operation = teller.operation(number);
            if let (Some((index, token)), Some(completed)) = (pass, operation.completed) {
                let invoked = operation.invoked;
                passes.push(Pass { invoked, completed, index, operation: number, token });
            }
        }
        passes.sort_unstable_by_key(|pass| pass.completed);
        let reach = passes.iter().scan(0, |most, pass| {
            *most = pass.index.max(*most);
            Some(*most)
        });
        let reach = reach.collect();
        (Self { passes, reach, floor, read, returned }, evidence)
    }

    /// The first poll to end of those that began after the event `acknowledged` and went beyond `index`.
    fn beyond(&self, index: u32, acknowledged: u64) -> Option<&Pass> {
        let from = self.reach.partition_point(|&reach| reach <= index);
        let from = from.max(self.passes.partition_point(|pass| pass.completed <= acknowledged));
        let mut passes = self.passes[from..].iter();
        passes.find(|pass| pass.invoked > acknowledged && pass.index > index)
    }
}

/// Which messages were polled by anybody but processes with a place of their own.
pub(crate) fn returned(log: &Log<'_>, records: &Records<'_>) -> Vec<bool> {
    let mut returned = vec![false; log.messages.len()];
    for (poll, &message) in log.rows.polls.iter().zip(&log.polled) {
        let process = records.processes[poll.operation as usize];
        returned[message as usize] |=
            records.assignments.role(process, poll.operation) != Role::Reader;
    }
    returned
}

/// Finds messages that a group passed over.
pub(crate) fn find_skips(
    log: &Log<'_>,
    teller: &Teller<'_>,
    records: &Records<'_>,
    findings: &mut Findings,
) {
    if !records.assignments.any_member() || !teller.history.has_real_time() {
        return;
    }
    let (polls, mut evidence) = Polls::of(log, teller, records);
    let reach = polls.reach.last().copied().unwrap_or(0);
    let mut holders: Option<Holders> = None;
    for (number, message) in log.messages.iter().enumerate() {
        let Some(send) = log.acknowledged(message) else { continue };
        if message.first == NONE || message.first < polls.floor || message.last >= reach {
            continue;
        }
        evidence.passed += 1;
        if polls.returned[number] {
            continue;
        }
        let holders = holders.get_or_insert_with(|| Holders::of(log));
        let alone = message.first == message.last && !holders.contested[message.first as usize];
        let acknowledged = teller.operation(send.operation).completed;
        let pass = acknowledged
            .filter(|_| alone)
            .and_then(|acknowledged| polls.beyond(message.last, acknowledged));
        let Some(pass) = pass else {
            evidence.unclear += 1;
            continue;
        };
        let doubt = records.doubt.map(|doubt| teller.operation(doubt).invoked);
        let reader = polls.read[number];
        if doubt.is_some_and(|doubt| doubt < pass.completed) {
            evidence.doubtful += 1;
        } else if reader == NONE || teller.operation(reader).invoked < pass.completed {
            evidence.unread += 1;
        } else {
            let proof = || skipped(teller, message, send, pass, reader);
            findings.of_mut(Kind::GroupSkip).add(proof);
        }
    }
    findings.evidence.group = evidence;
}

fn skipped(teller: &Teller<'_>, message: &Message, send: &Sent, pass: &Pass, reader: u32) -> Proof {
    let story = format!(
        "The group passed over {} of log {}, which {} had sent and which was acknowledged: {} returned \
         {} beyond it, when no member had polled it, and none did afterwards. It was there: {}, which \
         had chosen the log itself, returned it later.",
        teller.placed(send.token, Some(message.first)),
        teller.log.rows.key,
        teller.the(send.operation),
        teller.the(pass.operation),
        teller.placed(pass.token, Some(pass.index)),
        teller.the(reader)
    );
    Proof { operations: vec![send.operation, pass.operation, reader], story }
}
