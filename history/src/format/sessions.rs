//! Transactions of sessions, of which nothing but the order within each session is known.

use super::error::ReadError;
use crate::{
    Code, Event, F, History, Kind, Mop, MopKind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// One transaction.
pub(super) struct Transaction {
    pub process: Process,
    /// What it did, with what it read.
    pub mops: Vec<Mop>,
    pub aborted: bool,
}

/// The history of `transactions`, each invoked and completed before the next in the list.
///
/// The formats record no invocations. Each has the writes of its transaction and asks for the
/// reads, as if it had been recorded.
pub(super) fn history(transactions: Vec<Transaction>, file: &str) -> Result<History, ReadError> {
    let txn = F::new("txn");
    let mut events = Vec::with_capacity(transactions.len() * 2);
    for transaction in transactions {
        let Transaction { process, mops, aborted } = transaction;
        let asked = mops.iter().map(|mop| match mop.kind {
            MopKind::Read => Mop { value: Value::Nil, ..*mop },
            _ => mop.clone(),
        });
        let op = Op { f: txn, key: None, value: Value::Mops(asked.collect()) };
        let outcome = if aborted {
            Outcome::Fail(Reason::new(Code::Other, "aborted"))
        } else {
            Outcome::Ok(Reply { value: Value::Mops(mops.into()), version: None })
        };
        for kind in [Kind::Invoke { op, due: None, node: None }, Kind::Complete(outcome)] {
            let index = events.len() as u64;
            events.push(Event { index, time: Time(index * 1_000_000), process, kind });
        }
    }
    match History::from_events(events) {
        Ok(history) => Ok(history.without_real_time().without_times()),
        Err(problem) => Err(ReadError::Malformed { file: file.to_owned(), problem }),
    }
}
