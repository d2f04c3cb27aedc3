//! The messages of a history, log by log, in columns.

use std::ops::Range;

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use schism_history::{History, Key, Operation, Process};

use super::operations::{Alien, Fate, Functions, Message, Step, What, fate};
use crate::Budget;

/// An offset that nobody knows.
pub(crate) const UNKNOWN: i64 = -1;
/// An index of no event.
const NEVER: u64 = u64::MAX;
/// So many operations are read by one core between two looks at the budget; in tests so few that
/// small histories have several parts, too.
const BETWEEN_LOOKS: usize = if cfg!(test) { 3 } else { 1 << 16 };
/// What one message sent or polled costs at most until the end of the check, in bytes.
const MESSAGE_BYTES: usize = 72;

/// The same of one operation.
const OPERATION_BYTES: usize = 12;

/// A message sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// The message, as [`Names`] number it.
    pub token: u64,
    /// The offset that the acknowledgement names, or [`UNKNOWN`].
    pub offset: i64,
    /// The operation's number.
    pub operation: u32,
    /// What became of it.
    pub fate: Fate,
}

/// A message polled by an ok operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polled {
    /// The message, as [`Names`] number it.
    pub token: u64,
    /// Its offset, or [`UNKNOWN`].
    pub offset: i64,
    /// The operation's number.
    pub operation: u32,
}

/// What was sent to one log and polled from it, each in order of invocation, and inside one
/// operation in its order.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// Which log.
    pub key: Key,
    /// What was sent.
    pub sends: Vec<Sent>,
    /// What was polled.
    pub polls: Vec<Polled>,
}

/// Numbers for messages: those from 0 on stand for themselves, others are numbered as they come.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    places: FxHashMap<Message<'a>, u64>,
    values: Vec<Message<'a>>,
}

/// The numbers of messages that do not stand for themselves begin here.
const NAMED: u64 = 1 << 63;

impl<'a> Names<'a> {
    fn token(&mut self, message: Message<'a>) -> u64 {
        if let Message::Number(number) = message
            && let Ok(token) = u64::try_from(number)
        {
            return token;
        }
        *self.places.entry(message).or_insert_with(|| {
            self.values.push(message);
            NAMED | (self.values.len() as u64 - 1)
        })
    }

    /// The message in words.
    pub fn text(&self, token: u64) -> String {
        let named = (token >= NAMED).then(|| self.values.get((token & !NAMED) as usize)).flatten();
        named.map_or_else(|| token.to_string(), ToString::to_string)
    }
}

/// From one operation on, a process reads certain logs.
#[derive(Clone, Debug)]
struct Assignment {
    operation: u32,
    subscribed: bool,
    keys: Vec<Key>,
}

/// How a process comes to what it polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has subscribed, and the system distributes the logs over all who have.
    Member,
    /// It has chosen its logs itself.
    Reader,
    /// It has said neither.
    Undeclared,
}

/// Which process reads which logs, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assignments(FxHashMap<Process, Vec<Assignment>>);

impl Assignments {
    /// Whether a process that read `key` in the operation `before` goes on from there in the
    /// operation `after`: it read what it had chosen itself, and had not given it up in between.
    pub fn goes_on(&self, process: Process, key: Key, before: u32, after: u32) -> bool {
        let Some(list) = self.0.get(&process) else { return true };
        let end = list.partition_point(|it| it.operation < after);
        let begin = list.partition_point(|it| it.operation < before);
        let between = &list[begin..end];
        !self.is_subscribed(process, before)
            && between.iter().all(|it| !it.subscribed && it.keys.contains(&key))
    }

    /// Whether a process that sent to `key` twice still had it assigned in between.
    pub fn keeps(&self, process: Process, key: Key, before: u32, after: u32) -> bool {
        let Some(list) = self.0.get(&process) else { return true };
        let between = list.iter().filter(|it| before < it.operation && it.operation < after);
        between.into_iter().all(|it| it.keys.contains(&key))
    }

    /// Whether the system tells the process what to read at the time of the operation.
    pub fn is_subscribed(&self, process: Process, operation: u32) -> bool {
        self.role(process, operation) == Role::Member
    }

    /// How the process comes to what it polls at the time of the operation.
    pub fn role(&self, process: Process, operation: u32) -> Role {
        match self.last(process, operation) {
            Some(it) if it.subscribed => Role::Member,
            Some(_) => Role::Reader,
            None => Role::Undeclared,
        }
    }

    /// Whether anybody ever subscribed.
    pub fn any_member(&self) -> bool {
        self.0.values().flatten().any(|it| it.subscribed)
    }

    /// The logs that the process has chosen itself at the time of the operation.
    pub fn chosen(&self, process: Process, operation: u32) -> &[Key] {
        self.last(process, operation).filter(|it| !it.subscribed).map_or(&[], |it| &it.keys)
    }

    fn last(&self, process: Process, operation: u32) -> Option<&Assignment> {
        let list = self.0.get(&process)?;
        list[..list.partition_point(|it| it.operation < operation)].last()
    }
}

/// The messages of a history.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    /// The logs, in order of their keys.
    pub partitions: Vec<Partition>,
    /// Who reads what.
    pub assignments: Assignments,
    /// What the messages are called.
    pub names: Names<'a>,
    /// The process of each operation: they are looked up log by log, and a history is large.
    pub processes: Vec<Process>,
    /// When each operation ended, in nanoseconds; [`u64::MAX`] if it did not.
    pub ends: Vec<u64>,
    /// The ok operations that both send and poll some message, in order.
    pub both: Vec<u32>,
    /// The first poll without a known outcome by a process that may have been a member of a group: it
    /// may have got any message, and the group may have gone on after that.
    pub doubt: Option<u32>,
    /// The polls without a known outcome, in order.
    open_polls: Vec<u32>,
    /// The first event that nobody understands. What follows it is left out, and an operation open
    /// there is taken as open at the end.
    pub alien: Option<Alien>,
    /// How many operations send or poll.
    pub operations: usize,
}

/// Why the messages were not read.
pub(crate) enum TooMuch {
    /// They would take so many bytes.
    Memory(usize),
    /// The time is over.
    Time,
}

type Counts = FxHashMap<Key, (usize, usize)>;

/// Reads the messages of a history.
pub(crate) fn read<'a>(history: &'a History, budget: &Budget) -> Result<Records<'a>, TooMuch> {
    let functions = Functions::new();
    let (counts, alien) = count(history, &functions);
    let messages: usize = counts.values().map(|(sends, polls)| sends + polls).sum();
    let bytes = messages.saturating_mul(MESSAGE_BYTES);
    let bytes = bytes.saturating_add(history.len().saturating_mul(OPERATION_BYTES));
    if bytes > budget.memory_bytes || u32::try_from(messages).is_err() {
        return Err(TooMuch::Memory(bytes));
    }
    let mut keys: Vec<Key> = counts.keys().copied().collect();
    keys.sort_unstable();
    let mut records = Records::empty(&keys);
    records.alien = alien;
    for partition in &mut records.partitions {
        let (sends, polls) = counts[&partition.key];
        partition.sends.reserve_exact(sends);
        partition.polls.reserve_exact(polls);
    }
    records.processes.reserve_exact(history.len());
    records.ends.reserve_exact(history.len());
    records.fill(history, &functions, &keys, budget)?;
    Ok(records)
}

/// How many messages there are of each log, and the first event that nobody understands.
fn count(history: &History, functions: &Functions) -> (Counts, Option<Alien>) {
    let chunks = history.len().div_ceil(BETWEEN_LOOKS);
    let chunk = |number: usize| {
        let from = number * BETWEEN_LOOKS;
        let mut counts = Counts::default();
        let mut alien: Option<Alien> = None;
        for number in from..history.len().min(from + BETWEEN_LOOKS) {
            let mut operation = history.operation(number);
            let mut count = |step| match step {
                Step::Sent(key, ..) => counts.entry(key).or_default().0 += 1,
                Step::Polled(key, ..) => counts.entry(key).or_default().1 += 1,
            };
            let Err(found) = functions.read(&operation, &mut count) else { continue };
            // What it asked will be read once more without the answer.
            operation.outcome = None;
            let _ = functions.read(&operation, &mut count);
            if alien.as_ref().is_none_or(|alien| found.index < alien.index) {
                alien = Some(found);
            }
        }
        (counts, alien)
    };
    let join = |mut one: (Counts, Option<Alien>), other: (Counts, Option<Alien>)| {
        for (key, (sends, polls)) in other.0 {
            let count = one.0.entry(key).or_default();
            (count.0, count.1) = (count.0 + sends, count.1 + polls);
        }
        one.1 = one.1.into_iter().chain(other.1).min_by_key(|alien| alien.index);
        one
    };
    (0..chunks).into_par_iter().map(chunk).reduce(|| (Counts::default(), None), join)
}

impl<'a> Records<'a> {
    /// Nothing yet of these logs.
    fn empty(keys: &[Key]) -> Self {
        let empty = |&key: &Key| Partition { key, sends: Vec::new(), polls: Vec::new() };
        Self {
            partitions: keys.iter().map(empty).collect(),
            assignments: Assignments::default(),
            names: Names::default(),
            processes: Vec::new(),
            ends: Vec::new(),
            both: Vec::new(),
            doubt: None,
            open_polls: Vec::new(),
            alien: None,
            operations: 0,
        }
    }

    /// Reads the operations before the first event that nobody understands: parts of them on all
    /// cores at once, a part for each core, so that little stands in memory twice.
    fn fill(
        &mut self,
        history: &'a History,
        functions: &Functions,
        keys: &[Key],
        budget: &Budget,
    ) -> Result<(), TooMuch> {
        let places = keys.iter().enumerate().map(|(place, key)| (*key, place)).collect();
        let cut = self.alien.as_ref().map_or(NEVER, |alien| alien.index);
        let chunks = history.len().div_ceil(BETWEEN_LOOKS);
        let at_once = rayon::current_num_threads();
        for first in (0..chunks).step_by(at_once) {
            if budget.expired() {
                return Err(TooMuch::Time);
            }
            let some = first..chunks.min(first + at_once);
            let part = |chunk: usize| {
                let from = chunk * BETWEEN_LOOKS;
                let operations = from..history.len().min(from + BETWEEN_LOOKS);
                let mut part = Records::empty(keys);
                part.read(history, operations, cut, functions, &places);
                part
            };
            let parts: Vec<Records<'a>> = some.into_par_iter().map(part).collect();
            for part in parts {
                self.absorb(part);
            }
        }
        // Only now is it known of every process what it had subscribed to before.
        let doubtful = |&number: &u32| {
            self.assignments.role(self.processes[number as usize], number) != Role::Reader
        };
        self.doubt = self.open_polls.iter().copied().find(doubtful);
        Ok(())
    }

    /// Reads operations up to an index.
    fn read(
        &mut self,
        history: &'a History,
        operations: Range<usize>,
        cut: u64,
        functions: &Functions,
        places: &FxHashMap<Key, usize>,
    ) {
        for number in operations {
            let mut operation = history.operation(number);
            if operation.invoked >= cut {
                break;
            }
            if operation.completed.is_some_and(|completed| completed >= cut) {
                (operation.completed, operation.end, operation.outcome) = (None, None, None);
            }
            self.add(&operation, functions, places);
        }
    }

    /// Takes what was read of the operations that follow, of the same logs.
    fn absorb(&mut self, part: Self) {
        // Messages that do not stand for themselves were numbered from 0 in each part.
        let names = part.names.values.iter().map(|&message| self.names.token(message));
        let names: Vec<u64> = names.collect();
        let token = |token: u64| match token.checked_sub(NAMED) {
            Some(place) => names[place as usize],
            None => token,
        };
        for (own, other) in self.partitions.iter_mut().zip(part.partitions) {
            let sends = other.sends.into_iter();
            own.sends.extend(sends.map(|send| Sent { token: token(send.token), ..send }));
            let polls = other.polls.into_iter();
            own.polls.extend(polls.map(|poll| Polled { token: token(poll.token), ..poll }));
        }
        for (process, list) in part.assignments.0 {
            self.assignments.0.entry(process).or_default().extend(list);
        }
        self.processes.extend(part.processes);
        self.ends.extend(part.ends);
        self.both.extend(part.both);
        self.open_polls.extend(part.open_polls);
        self.operations += part.operations;
    }

    fn add(
        &mut self,
        operation: &Operation<'a>,
        functions: &Functions,
        places: &FxHashMap<Key, usize>,
    ) {
        self.processes.push(operation.process);
        self.ends.push(operation.end.map_or(NEVER, |end| end.0));
        let Self { partitions, names, .. } = self;
        let (number, fate) = (operation.number as u32, fate(operation));
        let (mut sends, mut polls) = (false, false);
        let read = functions.read(operation, |step| match step {
            Step::Sent(key, offset, message) => {
                sends = true;
                partitions[places[&key]].sends.push(Sent {
                    token: names.token(message),
                    offset: offset.unwrap_or(UNKNOWN),
                    operation: number,
                    fate,
                });
            }
            Step::Polled(key, offset, message) => {
                polls = true;
                partitions[places[&key]].polls.push(Polled {
                    token: names.token(message),
                    offset: offset.unwrap_or(UNKNOWN),
                    operation: number,
                });
            }
        });
        match read {
            Ok(What::Messages) => self.operations += 1,
            Ok(What::Assignment { subscribed, keys }) => {
                let list = self.assignments.0.entry(operation.process).or_default();
                list.push(Assignment { operation: number, subscribed, keys });
            }
            Ok(What::Nothing) | Err(_) => {}
        }
        if sends && polls {
            self.both.push(number);
        }
        if fate == Fate::Info && functions.polls(operation) {
            self.open_polls.push(number);
        }
    }
}
