//! The text of AWDIT's tests, made to be written by hand.
//!
//! ```text
//! w 1 7             key, value
//! r 2 0
//! -----             the next transaction
//! r 1 7
//! =====             the next session
//! ```
//!
//! Nothing is initial here: a history that reads 0 has a session that writes it.

use std::io::Read;

use super::error::ReadError;
use super::keys::Keys;
use super::lines::Lines;
use super::plume::word;
use super::sessions::{Transaction, history};
use crate::{History, Mop, MopKind, Process};

/// Reads a file.
pub(super) fn read(input: impl Read, file: &str) -> Result<History, ReadError> {
    let mut lines = Lines::new(input, file);
    let mut keys = Keys::default();
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut mops: Vec<Mop> = Vec::new();
    let mut session = 0;
    while let Some((line, whole)) = lines.next_line()? {
        let separates = |of: u8| line.len() >= 3 && line.iter().all(|&byte| byte == of);
        let (transaction_ends, session_ends) = (separates(b'-'), separates(b'='));
        if transaction_ends || session_ends {
            end(&mut mops, session, &mut transactions);
            // A session without a transaction is none, before the first one or between two.
            let some = transactions.last().is_some_and(|last| last.process.0 == session);
            session += u32::from(session_ends && some);
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let Some(mop) = parse(line, &mut keys) else {
            let begins = if whole { "" } else { "the file ends inside " };
            let wanted = "expected `r key value`, `w key value`, ----- or =====";
            let problem = format!("{begins}`{}`; {wanted}", lines.said());
            return Err(lines.error(1, problem));
        };
        mops.push(mop);
    }
    end(&mut mops, session, &mut transactions);
    if transactions.is_empty() {
        return Err(lines.error(1, "no operation is in the file; expected at least one".into()));
    }
    history(transactions, file)
}

fn end(mops: &mut Vec<Mop>, session: u32, transactions: &mut Vec<Transaction>) {
    if !mops.is_empty() {
        let mops = std::mem::take(mops);
        transactions.push(Transaction { process: Process(session), mops, aborted: false });
    }
}

fn parse(line: &[u8], keys: &mut Keys) -> Option<Mop> {
    let mut parts = line.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    let kind = match parts.next()? {
        b"r" => MopKind::Read,
        b"w" => MopKind::Write,
        _ => return None,
    };
    let (key, value) = (word(parts.next()?)?, word(parts.next()?)?);
    match parts.next() {
        Some(_) => None,
        None => Some(Mop { kind, key: keys.key(&key)?, value }),
    }
}
