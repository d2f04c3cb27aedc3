//! The replicated state: registers, sets and lists, and what each client last asked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Clients whose last answer is remembered. The one that was silent for longest is forgotten
/// first; by then its request has long been given up by the node that would repeat it.
const SESSIONS: usize = 10_000;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// The content of a register.
    Read { key: String },
    /// Replaces the content of a register.
    Write { key: String, value: i64 },
    /// Replaces the content of a register if it is `expected`.
    Cas { key: String, expected: Option<i64>, new: i64 },
    /// Adds an element to a set.
    Add { key: String, value: i64 },
    /// The elements of a set.
    ReadSet { key: String },
    /// Micro-operations, all at one moment.
    Transact { mops: Vec<Mop> },
}

/// One micro-operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mop {
    /// Appends to a list.
    Append { key: String, value: i64 },
    /// Reads a list, or a register.
    Read { key: String },
    /// Replaces the content of a register.
    Write { key: String, value: i64 },
}

impl Operation {
    /// Whether it changes nothing, so that it needs no place in the log.
    pub fn is_read(&self) -> bool {
        matches!(self, Operation::Read { .. } | Operation::ReadSet { .. })
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Done; the content read, and the index of the log that it reflects.
    Done { content: Content, version: u64 },
    /// The register held something else.
    Mismatch { found: Option<i64> },
    /// Not done, and never will be.
    Unavailable { why: String },
    /// Nobody knows.
    Unknown { why: String },
}

/// What an operation read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing was to be read.
    Nothing,
    /// A register.
    Register(Option<i64>),
    /// A set, or a list.
    Elements(Vec<i64>),
    /// The micro-operations, in order, each with what it read.
    Transaction(Vec<(Mop, Content)>),
}

/// A request, as it is replicated. The client and its sequence number make it apply once only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub client: u64,
    /// The client's count of requests.
    pub sequence: u64,
    /// What is asked.
    pub operation: Operation,
}

/// The state machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    pub(crate) registers: BTreeMap<String, i64>,
    sets: BTreeMap<String, BTreeSet<i64>>,
    lists: BTreeMap<String, Vec<i64>>,
    sessions: BTreeMap<u64, Session>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    sequence: u64,
    index: u64,
    answer: Answer,
}

impl Store {
    /// Applies the request at `index` of the log, once: a repeated one gets its first answer.
    pub fn apply(&mut self, index: u64, request: &Request, deduplicate: bool) -> Answer {
        if deduplicate && let Some(session) = self.sessions.get(&request.client) {
            if session.sequence == request.sequence {
                return session.answer.clone();
            }
            if session.sequence > request.sequence {
                return Answer::Unknown {
                    why: "a later request of this client was applied".into(),
                };
            }
        }
        let answer = self.execute(index, &request.operation);
        let session = Session { sequence: request.sequence, index, answer: answer.clone() };
        self.sessions.insert(request.client, session);
        if self.sessions.len() > SESSIONS {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.index);
            if let Some(client) = oldest.map(|(&client, _)| client) {
                self.sessions.remove(&client);
            }
        }
        answer
    }

    /// Executes an operation that the log is not needed for, or that is being applied.
    pub fn execute(&mut self, index: u64, operation: &Operation) -> Answer {
        let content = match operation {
            Operation::Read { key } => Content::Register(self.registers.get(key).copied()),
            Operation::ReadSet { key } => {
                Content::Elements(self.sets.get(key).into_iter().flatten().copied().collect())
            }
            Operation::Write { key, value } => {
                self.registers.insert(key.clone(), *value);
                Content::Nothing
            }
            Operation::Cas { key, expected, new } => {
                let found = self.registers.get(key).copied();
                if found != *expected {
                    return Answer::Mismatch { found };
                }
                self.registers.insert(key.clone(), *new);
                Content::Nothing
            }
            Operation::Add { key, value } => {
                self.sets.entry(key.clone()).or_default().insert(*value);
                Content::Nothing
            }
            Operation::Transact { mops } => {
                let does = |mop: &Mop| (mop.clone(), self.execute_mop(mop));
                Content::Transaction(mops.iter().map(does).collect())
            }
        };
        Answer::Done { content, version: index }
    }

    fn execute_mop(&mut self, mop: &Mop) -> Content {
        match mop {
            Mop::Append { key, value } => {
                self.lists.entry(key.clone()).or_default().push(*value);
                Content::Nothing
            }
            Mop::Write { key, value } => {
                self.registers.insert(key.clone(), *value);
                Content::Nothing
            }
            Mop::Read { key } => match self.registers.get(key) {
                Some(&value) => Content::Register(Some(value)),
                None => Content::Elements(self.lists.get(key).cloned().unwrap_or_default()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(client: u64, sequence: u64, value: i64) -> Request {
        let operation = Operation::Write { key: "x".into(), value };
        Request { client, sequence, operation }
    }

    #[test]
    fn applies_a_repeated_request_once() {
        let mut store = Store::default();
        let first = store.apply(1, &write(1, 1, 5), true);
        store.apply(2, &write(2, 1, 6), true);
        assert_eq!(store.apply(3, &write(1, 1, 5), true), first);
        assert_eq!(store.registers["x"], 6);
    }

    #[test]
    fn refuses_a_compare_and_set_that_finds_another_value() {
        let mut store = Store::default();
        let cas = |expected, new| Operation::Cas { key: "x".into(), expected, new };
        assert!(matches!(store.execute(1, &cas(None, 1)), Answer::Done { .. }));
        assert_eq!(store.execute(2, &cas(None, 2)), Answer::Mismatch { found: Some(1) });
    }

    #[test]
    fn forgets_the_client_that_was_silent_for_longest() {
        let mut store = Store::default();
        for client in 0..=SESSIONS as u64 {
            store.apply(client + 1, &write(client, 1, 1), true);
        }
        assert_eq!(store.sessions.len(), SESSIONS);
        assert!(!store.sessions.contains_key(&0));
    }
}
