//! What is wrong with single messages: where they stand, who polled them, and who should have.

use super::ending::Ending;
use super::findings::{Findings, Kind, Proof};
use super::operations::Fate;
use super::partition::{Log, Message, NONE};
use super::records::Records;
use super::teller::Teller;

/// What stands at each dense index.
pub(crate) struct Holders {
    /// The message that was first seen there.
    pub first: Vec<u32>,
    /// Whether there is another.
    pub contested: Vec<bool>,
    /// How often any operation named an offset.
    pub named: usize,
}

impl Holders {
    /// Goes through all rows.
    pub fn of(log: &Log<'_>) -> Self {
        let length = log.offsets.len();
        let (mut first, mut contested) = (vec![NONE; length], vec![false; length]);
        let sends = log.rows.sends.iter().map(|row| row.offset).zip(&log.sent);
        let polls = log.rows.polls.iter().map(|row| row.offset).zip(&log.polled);
        let mut named = 0;
        for (offset, &message) in sends.chain(polls) {
            let Some(index) = log.offsets.index(offset) else { continue };
            named += 1;
            let holder = &mut first[index as usize];
            if *holder == NONE {
                *holder = message;
            }
            contested[index as usize] |= *holder != message;
        }
        Self { first, contested, named }
    }
}

/// Finds offsets that hold two messages, and messages that hold two offsets.
pub(crate) fn find_misplaced(log: &Log<'_>, teller: &Teller<'_>, findings: &mut Findings) {
    let length = log.offsets.len();
    let Holders { contested, named, .. } = Holders::of(log);
    findings.evidence.offsets = length;
    findings.evidence.confirmed = named - length;
    for index in (0..length).filter(|&index| contested[index]) {
        let proof = || contest(log, teller, index as u32);
        findings.of_mut(Kind::InconsistentOffsets).add(proof);
    }
    for (number, message) in log.messages.iter().enumerate() {
        if message.first != message.last && !message.repeated {
            let proof = || duplicate(log, teller, number as u32);
            findings.of_mut(Kind::Duplicate).add(proof);
        }
    }
}

/// Every row of a log with an offset: the message's number, the dense index, the operation's number
/// and whether it is a send.
fn rows<'a>(log: &'a Log<'_>) -> impl Iterator<Item = (u32, u32, u32, bool)> + 'a {
    let sends = log.rows.sends.iter().map(|row| (row.offset, row.operation, true));
    let polls = log.rows.polls.iter().map(|row| (row.offset, row.operation, false));
    let messages = log.sent.iter().chain(&log.polled);
    let all = sends.chain(polls).zip(messages);
    all.filter_map(|((offset, operation, send), &message)| {
        log.offsets.index(offset).map(|index| (message, index, operation, send))
    })
}

fn saw(teller: &Teller<'_>, operation: u32, send: bool) -> String {
    let verb = if send { "was told" } else { "returned" };
    format!("{} {verb}", teller.the(operation))
}

fn contest(log: &Log<'_>, teller: &Teller<'_>, index: u32) -> Proof {
    let mut here = rows(log).filter(|row| row.1 == index);
    let key = log.rows.key;
    let (Some(one), offset) = (here.next(), log.offsets.offset(index).unwrap_or_default()) else {
        return Proof { operations: Vec::new(), story: format!("Log {key} contradicts itself.") };
    };
    let other = here.find(|row| row.0 != one.0).unwrap_or(one);
    let (first, second) = (text(log, teller, one.0), text(log, teller, other.0));
    let story = format!(
        "Log {key} holds two messages at offset {offset}: {} {first} there, and {} {second} there.",
        saw(teller, one.2, one.3),
        saw(teller, other.2, other.3)
    );
    Proof { operations: two(one.2, other.2), story }
}

fn duplicate(log: &Log<'_>, teller: &Teller<'_>, number: u32) -> Proof {
    let mut here = rows(log).filter(|row| row.0 == number);
    let (key, message) = (log.rows.key, text(log, teller, number));
    let Some(one) = here.next() else {
        return Proof {
            operations: Vec::new(),
            story: format!("{message} stands twice in {key}."),
        };
    };
    let other = here.find(|row| row.1 != one.1).unwrap_or(one);
    let offset = |index| log.offsets.offset(index).unwrap_or_default();
    let story = format!(
        "Log {key} holds {message} twice, though nobody sent it twice: {} it at offset {}, and {} it at \
         offset {}.",
        saw(teller, one.2, one.3),
        offset(one.1),
        saw(teller, other.2, other.3),
        offset(other.1)
    );
    Proof { operations: two(one.2, other.2), story }
}

/// The message with this number in words.
fn text(log: &Log<'_>, teller: &Teller<'_>, number: u32) -> String {
    let message = &log.messages[number as usize];
    let send = log.rows.sends.get(message.send as usize).map(|row| row.token);
    let token = send.or_else(|| log.reader(message).map(|row| row.token));
    token.map_or_else(|| "a message".to_owned(), |token| teller.message(token))
}

fn two(one: u32, other: u32) -> Vec<u32> {
    match one.cmp(&other) {
        std::cmp::Ordering::Less => vec![one, other],
        std::cmp::Ordering::Equal => vec![one],
        std::cmp::Ordering::Greater => vec![other, one],
    }
}

/// Finds polls of what failed, and of what the same operation sends.
pub(crate) fn find_uncommitted(log: &Log<'_>, teller: &Teller<'_>, findings: &mut Findings) {
    findings.evidence.polled = log.rows.polls.len();
    for (poll, &number) in log.rows.polls.iter().zip(&log.polled) {
        let message = &log.messages[number as usize];
        if message.send == NONE {
            findings.evidence.unsent += 1;
        }
        let Some(send) = log.sender(message) else { continue };
        let (key, name) = (log.rows.key, || teller.message(poll.token));
        if send.fate == Fate::Fail {
            findings.of_mut(Kind::AbortedRead).add(|| Proof {
                operations: two_last(send.operation, poll.operation),
                story: format!(
                    "{} returned {} of log {key}, although {} that sent it had failed.",
                    teller.capital(poll.operation),
                    name(),
                    teller.the(send.operation)
                ),
            });
        }
        if send.operation == poll.operation {
            findings.of_mut(Kind::PrecommittedRead).add(|| Proof {
                operations: vec![poll.operation],
                story: format!(
                    "{} polled {} of log {key}, which it sends itself: it saw its own message \
                     before it was committed.",
                    teller.capital(poll.operation),
                    name()
                ),
            });
        }
    }
}

fn two_last(one: u32, last: u32) -> Vec<u32> {
    if one == last { vec![last] } else { vec![one, last] }
}

/// A poll of the message that stands furthest of all that a process polled which reads a log from its
/// beginning on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Furthest {
    /// The least dense index at which the message stands.
    pub index: u32,
    operation: u32,
    token: u64,
}

/// How far those have read who are no members of a group. A member begins where the group is, so that
/// what it goes beyond may have been polled by another member, which did not live to tell.
pub(crate) fn furthest_read(log: &Log<'_>, records: &Records<'_>) -> Option<Furthest> {
    let members = records.assignments.any_member();
    let mut furthest: Option<Furthest> = None;
    let mut row = 0;
    for group in log.rows.polls.chunk_by(|one, other| one.operation == other.operation) {
        let (first, operation) = (row, group[0].operation);
        row += group.len();
        let process = records.processes[operation as usize];
        if members && records.assignments.is_subscribed(process, operation) {
            continue;
        }
        for (poll, &message) in group.iter().zip(&log.polled[first..]) {
            let index = log.messages[message as usize].first;
            if index != NONE && furthest.is_none_or(|it| it.index < index) {
                furthest = Some(Furthest { index, operation, token: poll.token });
            }
        }
    }
    furthest
}

/// Finds acknowledged messages that nobody polled: lost, if somebody polled beyond them who had to come
/// by them, and unseen, if polls after the end of all faults found the end of the log, or went beyond.
pub(crate) fn find_missing(
    log: &Log<'_>,
    teller: &Teller<'_>,
    records: &Records<'_>,
    ending: Option<Ending>,
    findings: &mut Findings,
) {
    let polled = log.messages.iter().filter(|it| it.poll != NONE && it.first != NONE);
    let reached = polled.map(|it| it.first).max();
    let furthest = furthest_read(log, records);
    for message in &log.messages {
        findings.evidence.failed +=
            usize::from(log.sender(message).is_some_and(|send| send.fate == Fate::Fail));
        let Some(send) = log.acknowledged(message) else { continue };
        findings.evidence.acknowledged += 1;
        let placed = message.first != NONE;
        findings.evidence.nowhere += usize::from(!placed);
        let within = placed && reached.is_some_and(|reached| message.last <= reached);
        // The furthest itself is there, whatever is lost.
        let passed = within && (message.poll == NONE || Some(message.first) != reached);
        findings.evidence.passed += usize::from(passed);
        if message.poll != NONE {
            continue;
        }
        if let Some(beyond) = furthest.filter(|it| placed && message.last <= it.index) {
            findings.of_mut(Kind::LostWrite).add(|| lost(log, teller, message, beyond));
            findings.of_mut(Kind::Unseen).add(|| lost(log, teller, message, beyond));
            continue;
        }
        let completed = teller.operation(send.operation).completed;
        if let Some(ending) = ending.filter(|it| completed.is_some_and(|index| index < it.since)) {
            findings.of_mut(Kind::Unseen).add(|| unseen(log, teller, message, ending));
            // Somebody polled beyond what is not there.
            if within {
                findings.of_mut(Kind::LostWrite).add(|| unseen(log, teller, message, ending));
            }
        } else {
            findings.evidence.undecided += 1;
            findings.evidence.beyond_members += usize::from(within);
        }
    }
}

fn lost(log: &Log<'_>, teller: &Teller<'_>, message: &Message, beyond: Furthest) -> Proof {
    let Some(send) = log.sender(message) else {
        return Proof { operations: Vec::new(), story: "A message is lost.".to_owned() };
    };
    let story = format!(
        "Nobody ever polled {} of log {}, which {} had sent and which was acknowledged, although {} \
         returned {} beyond it.",
        teller.placed(send.token, Some(message.last)),
        log.rows.key,
        teller.the(send.operation),
        teller.the(beyond.operation),
        teller.placed(beyond.token, Some(beyond.index))
    );
    Proof { operations: two_last(send.operation, beyond.operation), story }
}

fn unseen(log: &Log<'_>, teller: &Teller<'_>, message: &Message, ending: Ending) -> Proof {
    let Some(send) = log.sender(message) else {
        return Proof { operations: Vec::new(), story: "A message is unseen.".to_owned() };
    };
    let index = (message.first != NONE).then_some(message.first);
    let story = format!(
        "Nobody ever polled {} of log {}, which {} had sent and which was acknowledged: after all \
         faults were healed the last {} polls of that log returned nothing of it, {} being the last \
         of them.",
        teller.placed(send.token, index),
        log.rows.key,
        teller.the(send.operation),
        super::ending::EMPTY_MIN,
        teller.the(ending.last)
    );
    Proof { operations: two_last(send.operation, ending.last), story }
}

/// Names the first message that was sent more than once.
pub(crate) fn find_repeated(log: &Log<'_>, teller: &Teller<'_>, findings: &mut Findings) {
    findings.evidence.sent = log.rows.sends.len();
    let repeated = log.messages.iter().filter(|message| message.repeated).count();
    let number = log.messages.iter().position(|message| message.repeated);
    let Some(number) = number else { return };
    let senders = log.rows.sends.iter().zip(&log.sent);
    let mut senders = senders.filter(|(_, message)| **message as usize == number);
    let (Some((one, _)), Some((other, _))) = (senders.next(), senders.next()) else { return };
    let story = format!(
        "{} of log {} was sent by {} and again by {}",
        teller.message(one.token),
        log.rows.key,
        teller.the(one.operation),
        teller.the(other.operation)
    );
    findings.repeated = Some((repeated, Proof { operations: Vec::new(), story }));
}

/// Adds an edge from each operation of `both` to each of `both` that polled its message.
pub(crate) fn find_edges(log: &Log<'_>, both: &[u32], findings: &mut Findings) {
    if both.is_empty() {
        return;
    }
    let is_both = |operation| both.binary_search(&operation).is_ok();
    for (poll, &number) in log.rows.polls.iter().zip(&log.polled) {
        let Some(send) = log.sender(&log.messages[number as usize]) else { continue };
        let edge = (send.operation, poll.operation);
        if send.fate == Fate::Ok && edge.0 != edge.1 && is_both(edge.0) && is_both(edge.1) {
            findings.edges.push(edge);
        }
    }
    findings.edges.sort_unstable();
    findings.edges.dedup();
}
