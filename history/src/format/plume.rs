//! The text that Plume, `PolySI` and AWDIT share: one operation of a transaction a line.
//!
//! ```text
//! w(1,7,0,12)       key, value, session, transaction
//! r(1,7,3,13)
//! w(1,9,3,-1)       written by a transaction that was aborted
//! ```
//!
//! A transaction goes by its session and its number. Those of one session are in the order of
//! their first lines; lines of several may be mixed. Every key is 0 before anybody writes it, and
//! the file does not say so: a read of 0 that nobody wrote to the key is a read of nothing, nil.
//! (Liu et al., "Plume: efficient and complete black-box checking of weak isolation levels", 2024:
//! the initial transaction comes before all others.)

use std::io::{self, Read, Write};

use rustc_hash::{FxHashMap, FxHashSet};

use super::error::ReadError;
use super::keys::Keys;
use super::lines::{Lines, number};
use super::sessions::{Transaction, history};
use crate::{F, History, Key, Mop, MopKind, Outcome, Process, Value};

/// The number of every aborted transaction.
const ABORTED: i64 = -1;

/// Reads a file.
pub(super) fn read(input: impl Read, file: &str) -> Result<History, ReadError> {
    let mut lines = Lines::new(input, file);
    let mut keys = Keys::default();
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut places: FxHashMap<(u32, i64), usize> = FxHashMap::default();
    // Most lines go on with the transaction of the line before.
    let mut last: Option<((u32, i64), usize)> = None;
    // The keys to which somebody wrote 0.
    let mut zeros: FxHashSet<Key> = FxHashSet::default();
    while let Some((line, whole)) = lines.next_line()? {
        if line.is_empty() {
            continue;
        }
        let Some((kind, key, value, session, id)) = parse(line, &mut keys) else {
            let begins = if whole { "" } else { "the file ends inside " };
            let wanted = "expected r(key,value,session,transaction) or w(…)";
            let problem = format!("{begins}`{}`; {wanted}", lines.said());
            return Err(lines.error(1, problem));
        };
        let place = match last {
            Some((same, place)) if same == (session, id) => place,
            _ => *places.entry((session, id)).or_insert(transactions.len()),
        };
        last = Some(((session, id), place));
        if place == transactions.len() {
            let (process, aborted) = (Process(session), id == ABORTED);
            transactions.push(Transaction { process, mops: Vec::new(), aborted });
        }
        if kind == MopKind::Write && value == Value::Int(0) {
            zeros.insert(key);
        }
        transactions[place].mops.push(Mop { kind, key, value });
    }
    if transactions.is_empty() {
        return Err(lines.error(1, "no operation is in the file; expected at least one".into()));
    }
    for mop in transactions.iter_mut().flat_map(|transaction| &mut transaction.mops) {
        if mop.kind == MopKind::Read && mop.value == Value::Int(0) && !zeros.contains(&mop.key) {
            mop.value = Value::Nil;
        }
    }
    history(transactions, file)
}

type Line = (MopKind, Key, Value, u32, i64);

fn parse(line: &[u8], keys: &mut Keys) -> Option<Line> {
    let kind = match line.first()? {
        b'r' => MopKind::Read,
        b'w' => MopKind::Write,
        _ => return None,
    };
    let inside = line[1..].trim_ascii_start().strip_prefix(b"(")?.strip_suffix(b")")?;
    let mut parts = inside.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let (key, value) = (parts.next()?, parts.next()?);
    let (session, id) = (number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() || key.is_empty() || value.is_empty() {
        return None;
    }
    let session = u32::try_from(session).ok().filter(|&session| session < u32::MAX)?;
    Some((kind, keys.key(&word(key)?)?, word(value)?, session, id))
}

/// A number, or the text of whatever else stands there.
pub(super) fn word(word: &[u8]) -> Option<Value> {
    match number(word) {
        Some(number) => Some(Value::Int(number)),
        None => std::str::from_utf8(word).ok().map(|text| Value::Text(text.into())),
    }
}

/// Writes `history`, which must consist of transactions that read and write.
pub(super) fn write(history: &History, mut output: impl Write) -> io::Result<()> {
    let txn = F::new("txn");
    let mut zeros: FxHashSet<Key> = FxHashSet::default();
    let mut nils: FxHashSet<Key> = FxHashSet::default();
    for operation in history.operations() {
        let (mops, id) = match (&operation.op.value, operation.outcome) {
            _ if operation.op.f != txn => return refused("an operation that is no transaction"),
            (Value::Mops(_), Some(Outcome::Ok(reply))) => (&reply.value, operation.number as i64),
            (Value::Mops(_), Some(Outcome::Fail(_))) => (&operation.op.value, ABORTED),
            _ => return refused("a transaction of which nobody knows whether it took effect"),
        };
        let Value::Mops(mops) = mops else { return refused("a transaction that returned none") };
        for mop in mops {
            let word = match mop.kind {
                MopKind::Read if id == ABORTED => continue,
                MopKind::Read => 'r',
                MopKind::Write => 'w',
                _ => return refused("an append, a send or a poll"),
            };
            let value = match (mop.kind, &mop.value) {
                (MopKind::Read, Value::Nil) => {
                    nils.insert(mop.key);
                    0
                }
                (_, Value::Int(value)) => *value,
                _ => return refused("a value that is no number"),
            };
            if mop.kind == MopKind::Write && value == 0 {
                zeros.insert(mop.key);
            }
            if mop.key.as_str().is_empty() || mop.key.as_str().contains([',', ')', '\n']) {
                return refused("a key with a comma or a bracket in it");
            }
            writeln!(output, "{word}({},{value},{},{id})", mop.key, operation.process.0)?;
        }
    }
    if !nils.is_disjoint(&zeros) {
        return refused("a key to which 0 was written, and which was read before anybody wrote it");
    }
    Ok(())
}

fn refused(what: &str) -> io::Result<()> {
    let problem = format!("Plume's text has no form for {what}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}
