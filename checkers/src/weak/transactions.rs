//! The transactions that took effect, with what they read from whom, and what they wrote.

use rayon::prelude::*;
use schism_history::{History, Key, Operation, Process, Value};

use super::extract::{Alien, Columns, Does, Fate, extract};
use super::resolve::{Findings, Resolved, resolve};
use super::versions::Versions;
use crate::Budget;

/// In place of a writer: what the key held before the first write.
pub(crate) const INIT: u32 = u32::MAX;
/// In place of a writer: nothing follows from this read.
pub(crate) const NOBODY: u32 = u32::MAX - 1;

/// One read of another transaction's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The key, by its place in `names`.
    pub key: u32,
    /// The transaction that wrote what was read, or [`INIT`], or [`NOBODY`].
    pub writer: u32,
}

/// The committed transactions, and the indeterminate ones from which somebody read.
///
/// They are numbered session by session, in the order of each session.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// Of each transaction the number of its operation.
    pub operations: Vec<u32>,
    /// Of each transaction its session.
    pub sessions: Vec<u32>,
    /// Of each session its first transaction, and the end.
    pub starts: Vec<u32>,
    read_offsets: Vec<u32>,
    reads: Vec<Read>,
    write_offsets: Vec<u32>,
    writes: Vec<u32>,
    /// The keys.
    pub names: Vec<Key>,
    /// How many are known to have taken effect.
    pub committed: usize,
    /// How many of them read something.
    pub evidence: usize,
    /// What single reads prove.
    pub findings: Findings,
    /// A read of a value that was written repeatedly: its operation, and its place.
    pub ambiguous: Option<(u32, u32)>,
    /// The first operation that nobody understands; what follows it is left out.
    pub alien: Option<Alien>,
}

/// Transactions that one task joins.
const CHUNK: usize = 8_192;

/// The reads and writes of some transactions, one after another.
#[derive(Default)]
struct Chunk {
    reads: Vec<Read>,
    /// Of each transaction where its reads end.
    read_ends: Vec<u32>,
    writes: Vec<u32>,
    /// Of each transaction where its writes end.
    write_ends: Vec<u32>,
}

impl Chunk {
    /// Of these `operations`: whose reads begin at `offsets` of what was resolved, and of each of
    /// which `places` says the transaction.
    fn of(
        operations: &[u32],
        offsets: &[u32],
        columns: &Columns,
        resolved: &Resolved,
        places: &[u32],
    ) -> Self {
        let mut chunk = Self::default();
        for &number in operations {
            let number = number as usize;
            let range = offsets[number] as usize..offsets[number + 1] as usize;
            for &(key, writer) in &resolved.reads[range] {
                let writer = if writer < NOBODY { places[writer as usize] } else { writer };
                chunk.reads.push(Read { key, writer });
            }
            let start = chunk.writes.len();
            for place in columns.range(number) {
                if columns.does[place] == Does::Writes {
                    chunk.writes.push(columns.keys[place]);
                }
            }
            chunk.writes[start..].sort_unstable();
            chunk.read_ends.push(chunk.reads.len() as u32);
            chunk.write_ends.push(chunk.writes.len() as u32);
        }
        chunk
    }
}

/// Why a history was not read.
#[derive(Clone, Debug)]
pub(crate) enum Unread {
    /// It takes more memory, in bytes.
    Memory(usize),
    /// The time is over.
    Time,
    /// There are too many micro-operations to be numbered.
    TooLong,
}

impl Transactions {
    /// Reads a history. `presumed`: see [`resolve`].
    pub fn new(
        history: &History,
        initial: &Value,
        presumed: bool,
        budget: &Budget,
    ) -> Result<Self, Unread> {
        let mut alien = None;
        let (mut columns, found) = extract(history, initial, None).ok_or(Unread::TooLong)?;
        if found.is_some() {
            alien = found;
            // Without real time nothing comes before anything in another session.
            if history.has_real_time() {
                columns = extract(history, initial, alien.as_ref()).ok_or(Unread::TooLong)?.0;
            } else {
                columns.offsets.push(0);
            }
        }
        let micro = columns.keys.len();
        let writes = columns.does.iter().filter(|does| **does != Does::Reads).count();
        let bytes = 9 * micro
            + Versions::bytes(writes)
            + 16 * (micro - writes)
            + 4 * writes
            + 24 * columns.fates.len();
        if bytes > budget.memory_bytes {
            return Err(Unread::Memory(bytes));
        }
        if budget.expired() {
            return Err(Unread::Time);
        }
        let versions = Versions::new(&columns);
        let resolved = resolve(&columns, &versions, presumed);
        drop(versions);
        Ok(Self { alien, ..Self::joined(history, columns, resolved) })
    }

    fn joined(history: &History, columns: Columns, resolved: Resolved) -> Self {
        let mut happened: Vec<bool> =
            columns.fates.iter().map(|fate| *fate == Fate::Committed).collect();
        let committed = happened.iter().filter(|it| **it).count();
        for &(_, writer) in &resolved.reads {
            if writer < NOBODY {
                happened[writer as usize] = true;
            }
        }
        let mut transactions = Self { committed, ..Self::default() };
        let places = transactions.number(history, &happened);
        let offsets: Vec<u32> = std::iter::once(0)
            .chain(resolved.counts.iter().scan(0, |end, count| {
                *end += count;
                Some(*end)
            }))
            .collect();
        let places_of_chunks: Vec<usize> = (0..transactions.len()).step_by(CHUNK).collect();
        let chunk = |first: usize| {
            let last = (first + CHUNK).min(transactions.len());
            Chunk::of(&transactions.operations[first..last], &offsets, &columns, &resolved, &places)
        };
        let chunks: Vec<Chunk> = places_of_chunks.into_par_iter().map(chunk).collect();
        transactions.append(chunks, resolved.reads.len());
        transactions.names = columns.names;
        transactions.evidence = resolved.evidence;
        transactions.findings = resolved.findings;
        transactions.ambiguous = resolved.ambiguous;
        transactions
    }

    /// Appends the reads and writes of all transactions, chunk by chunk.
    fn append(&mut self, chunks: Vec<Chunk>, reads: usize) {
        self.read_offsets.reserve(self.len() + 1);
        self.write_offsets.reserve(self.len() + 1);
        self.reads.reserve(reads);
        self.writes.reserve(chunks.iter().map(|chunk| chunk.writes.len()).sum());
        self.read_offsets.push(0);
        self.write_offsets.push(0);
        for chunk in chunks {
            let (read, written) = (self.reads.len() as u32, self.writes.len() as u32);
            self.read_offsets.extend(chunk.read_ends.iter().map(|end| read + end));
            self.write_offsets.extend(chunk.write_ends.iter().map(|end| written + end));
            self.reads.extend(chunk.reads);
            self.writes.extend(chunk.writes);
        }
    }

    /// Numbers the transactions that happened, session by session; of each operation its number.
    fn number(&mut self, history: &History, happened: &[bool]) -> Vec<u32> {
        let mut known: rustc_hash::FxHashMap<Process, u32> = rustc_hash::FxHashMap::default();
        let mut of: Vec<u32> = Vec::with_capacity(happened.len());
        let mut counts: Vec<u32> = Vec::new();
        for (number, happened) in happened.iter().enumerate() {
            if !happened {
                of.push(NOBODY);
                continue;
            }
            let process = history.operation(number).process;
            let next = counts.len() as u32;
            let session = *known.entry(process).or_insert(next);
            if session == next {
                counts.push(0);
            }
            counts[session as usize] += 1;
            of.push(session);
        }
        let mut ends: Vec<u32> = Vec::with_capacity(counts.len());
        self.starts.push(0);
        for count in counts {
            let start = *self.starts.last().unwrap_or(&0);
            ends.push(start);
            self.starts.push(start + count);
        }
        let total = *self.starts.last().unwrap_or(&0) as usize;
        self.operations = vec![0; total];
        self.sessions = vec![0; total];
        for (number, session) in of.iter_mut().enumerate().filter(|(_, of)| **of != NOBODY) {
            let end = &mut ends[*session as usize];
            self.operations[*end as usize] = number as u32;
            self.sessions[*end as usize] = *session;
            *session = *end;
            *end += 1;
        }
        of
    }

    /// Some of them, in the same order. What they read from others counts as read from nobody, so
    /// that whatever these prove, all of them prove.
    pub fn part(&self, keep: &[bool]) -> Self {
        let mut numbers = vec![NOBODY; self.len()];
        let mut part = Self { names: self.names.clone(), ..Self::default() };
        let mut sessions: Option<u32> = None;
        part.read_offsets.push(0);
        part.write_offsets.push(0);
        let kept = || (0..self.len() as u32).filter(|it| keep[*it as usize]);
        for (number, it) in (0..).zip(kept()) {
            numbers[it as usize] = number;
            let session = self.sessions[it as usize];
            if sessions != Some(session) {
                part.starts.push(number);
                sessions = Some(session);
            }
            part.sessions.push(part.starts.len() as u32 - 1);
            part.operations.push(self.operations[it as usize]);
            part.writes.extend_from_slice(self.writes(it));
            part.write_offsets.push(part.writes.len() as u32);
        }
        part.starts.push(part.len() as u32);
        for it in kept() {
            part.reads.extend(self.reads(it).iter().map(|read| Read {
                writer: if read.writer < NOBODY {
                    numbers[read.writer as usize]
                } else {
                    read.writer
                },
                ..*read
            }));
            part.read_offsets.push(part.reads.len() as u32);
        }
        part.committed = part.len();
        part
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// What a transaction read from others, in its own order.
    pub fn reads(&self, transaction: u32) -> &[Read] {
        let place = transaction as usize;
        &self.reads[self.read_offsets[place] as usize..self.read_offsets[place + 1] as usize]
    }

    /// The keys that a transaction left written, in order.
    pub fn writes(&self, transaction: u32) -> &[u32] {
        let place = transaction as usize;
        &self.writes[self.write_offsets[place] as usize..self.write_offsets[place + 1] as usize]
    }

    /// How many reads there are in all.
    pub fn reads_len(&self) -> usize {
        self.reads.len()
    }

    /// How many keys are written, transaction by transaction.
    pub fn writes_len(&self) -> usize {
        self.writes.len()
    }

    /// The place among all writes at which those of a transaction begin.
    pub fn write_start(&self, transaction: u32) -> usize {
        self.write_offsets[transaction as usize] as usize
    }

    /// The transaction before it in its session.
    pub fn before(&self, transaction: u32) -> Option<u32> {
        let session = self.sessions[transaction as usize] as usize;
        (transaction > self.starts[session]).then(|| transaction - 1)
    }

    /// Which of its session's transactions it is, from 0.
    pub fn position(&self, transaction: u32) -> u32 {
        transaction - self.starts[self.sessions[transaction as usize] as usize]
    }

    /// Whether it left `key` written.
    pub fn wrote(&self, transaction: u32, key: u32) -> bool {
        self.writes(transaction).binary_search(&key).is_ok()
    }

    /// The operation of a transaction.
    pub fn operation<'a>(&self, history: &'a History, transaction: u32) -> Operation<'a> {
        history.operation(self.operations[transaction as usize] as usize)
    }
}
