//! Every definition restated as it stands, at whatever cost.

use std::collections::{BTreeMap, BTreeSet};

use schism_history::{History, MopKind, Operation, Process, Value};

use super::findings::Kind;
use super::operations::{Fate, Functions, Step, What, fate};

struct Row {
    operation: usize,
    sent: bool,
    key: String,
    offset: Option<i64>,
    value: String,
}

/// A history as the definitions see it.
pub(crate) struct Oracle<'a> {
    operations: Vec<Operation<'a>>,
    rows: Vec<Row>,
    assignments: Vec<(usize, bool, Vec<String>)>,
    healed: Option<u64>,
}

type Log = BTreeMap<i64, BTreeSet<String>>;

impl<'a> Oracle<'a> {
    pub fn new(history: &'a History) -> Self {
        let functions = Functions::new();
        let (mut rows, mut assignments) = (Vec::new(), Vec::new());
        let operations: Vec<Operation<'a>> = history.operations().collect();
        for (number, operation) in operations.iter().enumerate() {
            let what = functions.read(operation, |step| {
                let (sent, key, offset, value) = match step {
                    Step::Sent(key, offset, value) => (true, key, offset, value),
                    Step::Polled(key, offset, value) => (false, key, offset, value),
                };
                let (key, value) = (key.to_string(), value.to_string());
                rows.push(Row { operation: number, sent, key, offset, value });
            });
            if let Ok(What::Assignment { subscribed, keys }) = what {
                let keys = keys.iter().map(ToString::to_string).collect();
                assignments.push((number, subscribed, keys));
            }
        }
        let healed = history.healed().map(|(index, _)| index);
        Self { operations, rows, assignments, healed }
    }

    fn keys(&self) -> BTreeSet<&str> {
        self.rows.iter().map(|row| row.key.as_str()).collect()
    }

    fn log(&self, key: &str) -> Log {
        let mut log = Log::new();
        for row in self.rows.iter().filter(|row| row.key == key) {
            if let Some(offset) = row.offset {
                log.entry(offset).or_default().insert(row.value.clone());
            }
        }
        log
    }

    fn places(&self, key: &str, value: &str) -> Vec<i64> {
        let log = self.log(key);
        let here = log.values().enumerate().filter(|(_, values)| values.contains(value));
        here.map(|(index, _)| index as i64).collect()
    }

    fn messages(&self) -> BTreeSet<(&str, &str)> {
        self.rows.iter().map(|row| (row.key.as_str(), row.value.as_str())).collect()
    }

    fn senders(&self, key: &str, value: &str) -> Vec<usize> {
        let sends = self.rows.iter().filter(|row| row.sent && row.key == key && row.value == value);
        sends.map(|row| row.operation).collect()
    }

    /// The one operation that sent a message.
    fn sender(&self, key: &str, value: &str) -> Option<usize> {
        match self.senders(key, value)[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    fn fate(&self, operation: usize) -> Fate {
        fate(&self.operations[operation])
    }

    fn polled(&self, key: &str, value: &str) -> bool {
        self.rows.iter().any(|row| !row.sent && row.key == key && row.value == value)
    }

    pub fn has_repeated(&self) -> bool {
        self.messages().iter().any(|(key, value)| self.senders(key, value).len() > 1)
    }

    /// Whether all places of a message are at or before the furthest that was polled: by anybody, or by
    /// anybody but members of a group.
    fn is_passed(&self, key: &str, value: &str, by_members: bool) -> bool {
        let read = self.rows.iter().filter(|row| {
            !row.sent && row.key == key && (by_members || !self.is_subscribed(row.operation))
        });
        let first = |row: &Row| self.places(key, &row.value).into_iter().min();
        let bound = read.filter_map(first).max();
        let last = self.places(key, value).into_iter().max();
        last.is_some_and(|last| bound.is_some_and(|bound| last <= bound))
    }

    fn is_lost(&self, key: &str, value: &str, sender: usize) -> bool {
        self.is_passed(key, value, false)
            || self.is_passed(key, value, true) && self.has_ended(key, sender)
    }

    /// Whether the last three polls of a log returned nothing, and began after `operation` ended.
    fn has_ended(&self, key: &str, operation: usize) -> bool {
        let Some(healed) = self.healed else { return false };
        let mut polls: Vec<(u64, bool)> = Vec::new();
        for (number, it) in self.operations.iter().enumerate() {
            let asks = ["poll", "txn"].contains(&it.op.f.as_str()) && it.ok().is_some();
            if !asks || it.invoked < healed || !Functions::new().polls(it) {
                continue;
            }
            let subscribed = self.is_subscribed(number);
            let rows = self.rows.iter().filter(|row| row.operation == number && !row.sent);
            let rows: Vec<_> = rows.collect();
            let returned = rows.iter().any(|row| row.key == key);
            if !returned && !rows.is_empty() {
                // It may have returned before it looked at this log.
                continue;
            }
            let asked = it.op.key.is_some_and(|own| own.as_str() == key);
            let answered = match it.ok().map(|reply| &reply.value) {
                Some(Value::Mops(mops)) => {
                    mops.iter().any(|mop| mop.kind == MopKind::Poll && mop.key.as_str() == key)
                }
                _ => false,
            };
            let named = asked || answered;
            let chosen = self.assignments.iter().rev().find(|(assignment, ..)| {
                *assignment < number && self.operations[*assignment].process == it.process
            });
            let chosen = chosen.is_some_and(|(_, subscribed, keys)| {
                !subscribed && keys.iter().any(|own| own == key)
            });
            if returned || !subscribed && (named || chosen) {
                polls.push((it.invoked, returned));
            }
        }
        let completed = self.operations[operation].completed.expect("it was acknowledged");
        let last = &polls[polls.len().saturating_sub(3)..];
        last.len() == 3 && last.iter().all(|(invoked, any)| !any && *invoked > completed)
    }

    fn missing(&self, unseen: bool) -> usize {
        let is_missing = |key: &str, value: &str| {
            let Some(sender) = self.sender(key, value) else { return false };
            self.fate(sender) == Fate::Ok
                && !self.polled(key, value)
                && (self.is_lost(key, value, sender) || unseen && self.has_ended(key, sender))
        };
        self.messages().into_iter().filter(|(key, value)| is_missing(key, value)).count()
    }

    /// How many acknowledged messages nobody polled, although somebody polled beyond them.
    pub fn passed_unpolled(&self) -> usize {
        let missing = |key: &str, value: &str| {
            let sender = self.sender(key, value);
            sender.is_some_and(|sender| self.fate(sender) == Fate::Ok)
                && !self.polled(key, value)
                && self.is_passed(key, value, true)
        };
        self.messages().into_iter().filter(|(key, value)| missing(key, value)).count()
    }

    /// Whether the process of an operation had last subscribed (`true`), had last chosen its logs, or
    /// neither.
    fn subscribed(&self, operation: usize) -> Option<bool> {
        let process = self.operations[operation].process;
        let own = |it: &&(usize, bool, Vec<String>)| {
            it.0 < operation && self.operations[it.0].process == process
        };
        self.assignments.iter().rev().find(own).map(|it| it.1)
    }

    /// The dense indexes, each with the operation, that members of a group polled of a log.
    fn members(&self, key: &str) -> Vec<(usize, i64)> {
        let log = self.log(key);
        let polls = self.rows.iter().filter(|row| !row.sent && row.key == key);
        let polls = polls.filter(|row| self.subscribed(row.operation) == Some(true));
        let index = |offset| log.keys().position(|it| *it == offset).map(|index| index as i64);
        polls.filter_map(|row| Some((row.operation, row.offset.and_then(index)?))).collect()
    }

    /// The acknowledged messages that stand between two that members polled, and that nobody polled but
    /// processes which had chosen the log.
    fn holes(&self) -> Vec<(&str, &str)> {
        let is_hole = |key: &str, value: &str| {
            let got = self.rows.iter().any(|row| {
                let of = !row.sent && row.key == key && row.value == value;
                of && self.subscribed(row.operation) != Some(false)
            });
            let sender = self.sender(key, value);
            if got || sender.is_none_or(|sender| self.fate(sender) != Fate::Ok) {
                return false;
            }
            let (places, members) = (self.places(key, value), self.members(key));
            places.iter().min().is_some_and(|at| members.iter().any(|it| it.1 <= *at))
                && places.iter().max().is_some_and(|at| members.iter().any(|it| it.1 > *at))
        };
        self.messages().into_iter().filter(|(key, value)| is_hole(key, value)).collect()
    }

    /// How many acknowledged messages members were not seen to get, although the group went beyond them.
    pub fn not_returned(&self) -> usize {
        self.holes().len()
    }

    /// Whether a group passed over one of the holes for certain.
    fn is_skipped(&self, key: &str, value: &str) -> bool {
        let Some(sender) = self.sender(key, value) else { return false };
        let [place] = self.places(key, value)[..] else { return false };
        if self.log(key).values().nth(place as usize).is_none_or(|here| here.len() > 1) {
            return false;
        }
        let acknowledged = self.operations[sender].completed.expect("it was acknowledged");
        self.members(key).into_iter().filter(|it| it.1 > place).any(|(pass, _)| {
            let pass = &self.operations[pass];
            let end = pass.completed.expect("it returned something");
            let doubt = self.operations.iter().enumerate().any(|(number, it)| {
                self.fate(number) == Fate::Info
                    && Functions::new().polls(it)
                    && self.subscribed(number) != Some(false)
                    && it.invoked < end
            });
            let seen = self.rows.iter().any(|row| {
                let of = !row.sent && row.key == key && row.value == value;
                of && self.operations[row.operation].invoked > end
            });
            pass.invoked > acknowledged && !doubt && seen
        })
    }

    /// How many acknowledged messages nobody polled.
    pub fn unpolled(&self) -> usize {
        let unpolled = |key: &str, value: &str| {
            let sender = self.sender(key, value);
            sender.is_some_and(|sender| self.fate(sender) == Fate::Ok) && !self.polled(key, value)
        };
        self.messages().into_iter().filter(|(key, value)| unpolled(key, value)).count()
    }

    /// The least and greatest index difference of two rows, over all places of a message of which
    /// the row does not name the offset.
    fn difference(&self, one: &Row, other: &Row) -> Option<(i64, i64)> {
        let places = |row: &Row| match row.offset {
            Some(offset) => self
                .log(&row.key)
                .keys()
                .position(|it| *it == offset)
                .into_iter()
                .map(|index| index as i64)
                .collect(),
            None if self.senders(&row.key, &row.value).len() > 1 => Vec::new(),
            None => self.places(&row.key, &row.value),
        };
        let (one, other) = (places(one), places(other));
        let all = one.iter().flat_map(|from| other.iter().map(move |to| to - from));
        let all: Vec<i64> = all.collect();
        Some((*all.iter().min()?, *all.iter().max()?))
    }

    /// The assignments of a process between two operations.
    fn between(
        &self,
        process: Process,
        from: usize,
        to: usize,
    ) -> Vec<&(usize, bool, Vec<String>)> {
        let own = self.assignments.iter().filter(|it| self.operations[it.0].process == process);
        own.filter(|it| from < it.0 && it.0 < to).collect()
    }

    fn is_subscribed(&self, operation: usize) -> bool {
        self.subscribed(operation) == Some(true)
    }

    /// Steps inside operations and from operation to operation of one process: how many skip, and
    /// how many go back.
    fn steps(&self, sent: bool, within: bool) -> (usize, usize) {
        let (mut skips, mut backs) = (0, 0);
        for key in self.keys() {
            let rows: Vec<&Row> =
                self.rows.iter().filter(|row| row.key == key && row.sent == sent).collect();
            for (place, other) in rows.iter().enumerate() {
                let process = self.operations[other.operation].process;
                let inner = place > 0 && rows[place - 1].operation == other.operation;
                if inner != within {
                    continue;
                }
                let counts = |row: &&&Row| self.fate(row.operation) != Fate::Fail;
                let mut before = rows[..place].iter().rev();
                let one = if within {
                    before.next()
                } else {
                    before
                        .filter(counts)
                        .find(|row| self.operations[row.operation].process == process)
                };
                let Some(one) = one else { continue };
                if !within && self.fate(other.operation) == Fate::Fail {
                    continue;
                }
                let between = self.between(process, one.operation, other.operation);
                if between.iter().any(|it| !it.2.iter().any(|own| own == key)) {
                    continue;
                }
                let free = !sent
                    && (self.is_subscribed(one.operation)
                        || self.is_subscribed(other.operation)
                        || between.iter().any(|it| it.1));
                let Some((least, greatest)) = self.difference(one, other).filter(|_| !free) else {
                    continue;
                };
                skips += usize::from(least > 1);
                backs += usize::from(greatest < 1);
            }
        }
        (skips, backs)
    }

    /// How many anomalies of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        let messages = self.messages();
        let polls = || self.rows.iter().filter(|row| !row.sent);
        match kind {
            Kind::InconsistentOffsets => self
                .keys()
                .iter()
                .map(|key| self.log(key).values().filter(|values| values.len() > 1).count())
                .sum(),
            Kind::Duplicate => messages
                .iter()
                .filter(|(key, value)| {
                    self.senders(key, value).len() < 2 && self.places(key, value).len() > 1
                })
                .count(),
            Kind::AbortedRead => polls()
                .filter(|row| {
                    let sender = self.sender(&row.key, &row.value);
                    sender.is_some_and(|sender| self.fate(sender) == Fate::Fail)
                })
                .count(),
            Kind::PrecommittedRead => polls()
                .filter(|row| self.sender(&row.key, &row.value) == Some(row.operation))
                .count(),
            Kind::LostWrite => self.missing(false),
            Kind::Unseen => self.missing(true),
            Kind::GroupSkip => {
                self.holes().into_iter().filter(|(key, value)| self.is_skipped(key, value)).count()
            }
            Kind::IntPollSkip => self.steps(false, true).0,
            Kind::IntNonmonotonicPoll => self.steps(false, true).1,
            Kind::PollSkip => self.steps(false, false).0,
            Kind::NonmonotonicPoll => self.steps(false, false).1,
            Kind::IntSendSkip => self.steps(true, true).0,
            Kind::IntNonmonotonicSend => self.steps(true, true).1,
            Kind::NonmonotonicSend => self.steps(true, false).1,
        }
    }

    /// How many groups of operations poll each other's messages in circles.
    pub fn circles(&self) -> usize {
        let length = self.operations.len();
        let mut reaches = vec![vec![false; length]; length];
        for row in self.rows.iter().filter(|row| !row.sent) {
            if let Some(sender) = self.sender(&row.key, &row.value)
                && self.fate(sender) == Fate::Ok
                && sender != row.operation
            {
                reaches[sender][row.operation] = true;
            }
        }
        for middle in 0..length {
            for from in 0..length {
                for to in 0..length {
                    reaches[from][to] |= reaches[from][middle] && reaches[middle][to];
                }
            }
        }
        let least = |node: usize| {
            (0..length).find(|&other| reaches[node][other] && reaches[other][node]) == Some(node)
        };
        (0..length).filter(|&node| least(node)).count()
    }
}
