//! What the committed log means: every request applied once, in order, by a store of its own.
//!
//! The members' answers are compared with it. An answer may come from an index that nobody has been
//! seen to commit yet; it waits until the log has come so far, and is compared then.

use std::collections::BTreeMap;

use crate::raft::Entry;
use crate::store::{Answer, Content, Operation, Store};

/// The committed entries, applied.
#[derive(Default)]
pub(super) struct Model {
    store: Store,
    /// Entries behind a gap: the member that committed them first had no more of those before.
    ahead: BTreeMap<u64, Entry>,
    /// The answer at each index from 1 on; `None` where a leader began its term.
    answers: Vec<Option<Answer>>,
    /// What each register held, from which index on.
    registers: BTreeMap<String, Vec<(u64, i64)>>,
    /// Answers that clients have from indexes that are not applied here yet.
    promised: Vec<(u64, Operation, Content)>,
}

impl Model {
    /// An entry was committed, for the first time.
    pub(super) fn commit(&mut self, entry: &Entry) -> Result<(), String> {
        self.ahead.insert(entry.index, entry.clone());
        while let Some(entry) = self.ahead.remove(&(self.applied() + 1)) {
            self.apply(&entry);
        }
        let applied = self.applied();
        let (due, rest) = std::mem::take(&mut self.promised)
            .into_iter()
            .partition::<Vec<_>, _>(|(version, ..)| *version <= applied);
        self.promised = rest;
        due.iter().try_for_each(|(version, operation, content)| {
            self.compare(*version, operation, content)
        })
    }

    /// The last index that is applied here.
    fn applied(&self) -> u64 {
        self.answers.len() as u64
    }

    fn apply(&mut self, entry: &Entry) {
        let answer = entry.request.as_ref().map(|request| {
            let answer = self.store.apply(entry.index, request, true);
            if let Operation::Write { key, value } = &request.operation
                && matches!(answer, Answer::Done { version, .. } if version == entry.index)
            {
                self.registers.entry(key.clone()).or_default().push((entry.index, *value));
            }
            answer
        });
        self.answers.push(answer);
    }

    /// A client was told that `operation` was done at `version`, and had this content.
    pub(super) fn answered(
        &mut self,
        operation: &Operation,
        version: u64,
        content: &Content,
    ) -> Result<(), String> {
        if version > self.applied() {
            self.promised.push((version, operation.clone(), content.clone()));
            return Ok(());
        }
        self.compare(version, operation, content)
    }

    fn compare(
        &self,
        version: u64,
        operation: &Operation,
        content: &Content,
    ) -> Result<(), String> {
        let expected = match operation {
            Operation::Read { key } => Some(Content::Register(self.register(key, version))),
            _ => match version.checked_sub(1).and_then(|place| self.answers.get(place as usize)) {
                // A repeated request has the answer of the index at which it was done first.
                Some(Some(Answer::Done { content, version: first })) if *first == version => {
                    Some(content.clone())
                }
                _ => None,
            },
        };
        if expected.as_ref() == Some(content) {
            return Ok(());
        }
        Err(format!(
            "clients: {operation:?} was answered with {content:?} from index {version}, \
             where the committed log says {expected:?}"
        ))
    }

    fn register(&self, key: &str, version: u64) -> Option<i64> {
        let history = self.registers.get(key)?;
        let until = history.partition_point(|(index, _)| *index <= version);
        Some(history[..until].last()?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Request;

    fn write(key: &str, value: i64) -> Operation {
        Operation::Write { key: key.into(), value }
    }

    fn read(key: &str) -> Operation {
        Operation::Read { key: key.into() }
    }

    /// The log: x is 1 from index 1 on and 2 from index 3 on; at index 2, 1 is asked for again.
    fn check(
        operation: Operation,
        version: u64,
        content: Content,
        expected: Result<(), ()>,
    ) -> Model {
        let mut model = Model::default();
        let before = model.answered(&operation, version, &content);
        assert!(before.is_ok(), "nothing is committed yet, so nothing is contradicted");
        let found = [(1, 1), (1, 1), (2, 2)].into_iter().zip(1..).try_for_each(
            |((sequence, value), index)| {
                let request = Request { client: 1, sequence, operation: write("x", value) };
                model.commit(&Entry { index, term: 1, request: Some(request) })
            },
        );
        assert_eq!(found.map_err(drop), expected, "{operation:?} at {version}: {content:?}");
        model
    }

    #[test]
    fn accepts_what_the_committed_log_says() {
        check(read("x"), 2, Content::Register(Some(1)), Ok(()));
        check(read("x"), 3, Content::Register(Some(2)), Ok(()));
        check(read("y"), 3, Content::Register(None), Ok(()));
        check(write("x", 2), 3, Content::Nothing, Ok(()));
    }

    #[test]
    fn rejects_a_read_of_another_index() {
        check(read("x"), 2, Content::Register(Some(2)), Err(()));
        check(read("x"), 1, Content::Register(None), Err(()));
    }

    #[test]
    fn rejects_a_write_that_is_acknowledged_where_it_was_not_done() {
        check(write("x", 1), 2, Content::Nothing, Err(()));
    }

    #[test]
    fn waits_for_an_entry_that_is_missing() {
        let mut model = check(read("x"), 3, Content::Register(Some(2)), Ok(()));
        let request =
            |sequence, value| Some(Request { client: 1, sequence, operation: write("x", value) });
        let fifth = Entry { index: 5, term: 1, request: request(4, 4) };
        model.commit(&fifth).expect("a gap contradicts nothing");
        model.answered(&read("x"), 5, &Content::Register(Some(3))).expect("not known yet");
        let fourth = Entry { index: 4, term: 1, request: request(3, 3) };
        assert!(model.commit(&fourth).is_err(), "index 5 wrote 4");
    }
}
