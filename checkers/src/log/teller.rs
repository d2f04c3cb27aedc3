//! Operations and messages of a log in words.

use schism_history::{History, Operation};

use super::partition::Log;
use super::records::Names;
use crate::phrase::who;

/// Tells of one log.
pub(crate) struct Teller<'a> {
    /// Where the operations are.
    pub history: &'a History,
    /// What the messages are called.
    pub names: &'a Names<'a>,
    /// The log.
    pub log: &'a Log<'a>,
}

impl<'a> Teller<'a> {
    /// The operation with this number.
    pub fn operation(&self, number: u32) -> Operation<'a> {
        self.history.operation(number as usize)
    }

    /// `the poll of event 9 (p1 on n2)`.
    pub fn the(&self, number: u32) -> String {
        let operation = self.operation(number);
        format!("the {} of event {} ({})", operation.op.f, operation.invoked, who(&operation))
    }

    /// The same at the beginning of a sentence.
    pub fn capital(&self, number: u32) -> String {
        format!("T{}", &self.the(number)[1..])
    }

    /// `message 5`.
    pub fn message(&self, token: u64) -> String {
        format!("message {}", self.names.text(token))
    }

    /// `message 5 at offset 3`, or without the offset where nobody knows it.
    pub fn placed(&self, token: u64, index: Option<u32>) -> String {
        let offset = index.and_then(|index| self.log.offsets.offset(index));
        let message = self.message(token);
        offset.map_or_else(|| message.clone(), |offset| format!("{message} at offset {offset}"))
    }

    /// An operation that found a message at a dense index or was told that it stands there, and the
    /// message. Goes through all rows.
    pub fn at(&self, index: u32) -> Option<(u32, u64)> {
        let offset = self.log.offsets.offset(index)?;
        let rows = self.log.rows;
        let send = rows.sends.iter().find(|row| row.offset == offset);
        let poll = || rows.polls.iter().find(|row| row.offset == offset);
        send.map(|row| (row.operation, row.token))
            .or_else(|| poll().map(|row| (row.operation, row.token)))
    }
}
