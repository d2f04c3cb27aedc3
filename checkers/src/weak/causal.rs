//! Which orders of commit follow from causal consistency.
//!
//! Møldrup and Pavlogiannis go from each read through all sessions, looking up the last writer that
//! it has seen. Here each session goes once through all sessions, entering what it comes to see into
//! one table, so that a read finds all last writers side by side; and sessions are seen in blocks, so
//! that clocks take a fixed width, however many sessions there are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::infer::Inferred;
use super::transactions::{INIT, NOBODY, Transactions};
use crate::Budget;

/// Sessions in a block: the clocks of a transaction fill two lines of a cache.
const WIDTH: usize = 32;
/// Edges that one session may hold before it drops those that are there twice.
const EDGES_MAX: usize = 1 << 20;

/// How many transactions of each session of a block one has seen, itself included.
type Clocks = Vec<[u32; WIDTH]>;

/// Why nothing was inferred.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stopped {
    /// The time is over.
    Time,
    /// So many bytes are not there.
    Memory(usize),
}

/// Who reads `key` from T1 and has seen T2, which wrote it as well, through sessions and reads, has T2
/// before T1. `order` must keep the edges of sessions and reads.
pub(crate) fn causal(
    transactions: &Transactions,
    order: &[u32],
    budget: &Budget,
) -> Result<Inferred, Stopped> {
    let sessions = transactions.starts.len() - 1;
    let block_bytes = transactions.len() * WIDTH * 4 + transactions.writes_len() * 20;
    let fit = budget.memory_bytes / 2 / block_bytes.max(1);
    if fit == 0 {
        return Err(Stopped::Memory(2 * block_bytes));
    }
    let at_once = fit.min(rayon::current_num_threads());
    let edges_max = budget.memory_bytes / 2 / 8;
    let stop = Stop { budget, edges: AtomicUsize::new(0), edges_max, full: AtomicBool::new(false) };
    let firsts: Vec<usize> = (0..sessions).step_by(WIDTH).collect();
    let mut parts = Vec::new();
    for firsts in firsts.chunks(at_once) {
        let blocks = firsts.par_iter().map(|&first| block(transactions, order, first, &stop));
        parts.par_extend(blocks);
        if stop.now() {
            break;
        }
    }
    if stop.full.load(Ordering::Relaxed) {
        return Err(Stopped::Memory(stop.edges.load(Ordering::Relaxed) * 16));
    }
    if budget.expired() {
        return Err(Stopped::Time);
    }
    Ok(Inferred::join(parts))
}

struct Stop<'a> {
    budget: &'a Budget,
    edges: AtomicUsize,
    edges_max: usize,
    full: AtomicBool,
}

impl Stop<'_> {
    fn now(&self) -> bool {
        self.full.load(Ordering::Relaxed) || self.budget.expired()
    }

    fn count(&self, edges: usize) {
        if self.edges.fetch_add(edges, Ordering::Relaxed) + edges > self.edges_max {
            self.full.store(true, Ordering::Relaxed);
        }
    }
}

/// What follows from what was seen of the sessions from `first` on.
fn block(transactions: &Transactions, order: &[u32], first: usize, stop: &Stop<'_>) -> Inferred {
    if stop.now() {
        return Inferred::default();
    }
    let clocks = clocks(transactions, order, first);
    let pairs = Pairs::new(transactions, first);
    let sessions = transactions.starts.len() - 1;
    let parts = (0..sessions).into_par_iter().map_init(
        || vec![0; pairs.sessions.len()],
        |last, session| {
            if stop.now() {
                return Inferred::default();
            }
            let inferred = reading(transactions, &clocks, &pairs, first, session, last);
            stop.count(inferred.edges.len());
            inferred
        },
    );
    Inferred::join(parts.collect())
}

fn clocks(transactions: &Transactions, order: &[u32], first: usize) -> Clocks {
    let mut clocks: Clocks = vec![[0; WIDTH]; transactions.len()];
    for &transaction in order {
        let mut clock = match transactions.before(transaction) {
            Some(before) => clocks[before as usize],
            None => [0; WIDTH],
        };
        for read in transactions.reads(transaction) {
            if read.writer < NOBODY {
                let seen = &clocks[read.writer as usize];
                for (own, seen) in clock.iter_mut().zip(seen) {
                    *own = (*own).max(*seen);
                }
            }
        }
        let session = transactions.sessions[transaction as usize] as usize;
        if (first..first + WIDTH).contains(&session) {
            clock[session - first] = transactions.position(transaction) + 1;
        }
        clocks[transaction as usize] = clock;
    }
    clocks
}

/// The pairs of a key and a session of the block that writes it, key by key.
struct Pairs {
    /// Of each key its first pair, and the end.
    offsets: Vec<u32>,
    /// The session of each pair, counted from the first of the block.
    sessions: Vec<u8>,
    /// Of each write of the block's sessions its pair.
    of_writes: Vec<u32>,
    /// The place of the first of these writes among all.
    start: usize,
}

impl Pairs {
    fn new(transactions: &Transactions, first: usize) -> Self {
        let last = (first + WIDTH).min(transactions.starts.len() - 1);
        let (from, to) = (transactions.starts[first], transactions.starts[last]);
        let keys = transactions.names.len();
        // Sessions in order, so that those of a key come in order, too.
        let mut counts = vec![0_u32; keys + 1];
        let mut seen = vec![u32::MAX; keys];
        for transaction in from..to {
            let session = transactions.sessions[transaction as usize];
            for &key in transactions.writes(transaction) {
                if std::mem::replace(&mut seen[key as usize], session) != session {
                    counts[key as usize + 1] += 1;
                }
            }
        }
        for key in 0..keys {
            counts[key + 1] += counts[key];
        }
        let offsets = counts;
        let mut sessions = vec![0; offsets[keys] as usize];
        let mut next = offsets.clone();
        let mut of_writes = Vec::new();
        seen.fill(u32::MAX);
        for transaction in from..to {
            let session = transactions.sessions[transaction as usize];
            for &key in transactions.writes(transaction) {
                let key = key as usize;
                if std::mem::replace(&mut seen[key], session) != session {
                    sessions[next[key] as usize] = (session as usize - first) as u8;
                    next[key] += 1;
                }
                of_writes.push(next[key] - 1);
            }
        }
        let start = if from < to { transactions.write_start(from) } else { 0 };
        Self { offsets, sessions, of_writes, start }
    }

    fn of(&self, key: u32) -> std::ops::Range<usize> {
        self.offsets[key as usize] as usize..self.offsets[key as usize + 1] as usize
    }
}

/// What follows from the reads of one session. `last`: of each pair how many transactions of the
/// session there are up to the last that wrote the key and was seen.
fn reading(
    transactions: &Transactions,
    clocks: &Clocks,
    pairs: &Pairs,
    first: usize,
    session: usize,
    last: &mut [u32],
) -> Inferred {
    let mut inferred = Inferred::default();
    last.fill(0);
    let width = WIDTH.min(transactions.starts.len() - 1 - first);
    let own = session.checked_sub(first).filter(|own| *own < width);
    let mut seen = [0_u32; WIDTH];
    let mut edges_max = EDGES_MAX;
    for reader in transactions.starts[session]..transactions.starts[session + 1] {
        let mut clock = clocks[reader as usize];
        if let Some(own) = own {
            clock[own] -= 1;
        }
        for (place, (seen, now)) in seen.iter_mut().zip(clock).enumerate().take(width) {
            if *seen < now {
                let start = transactions.starts[first + place];
                see(transactions, pairs, start + *seen..start + now, *seen, last);
                *seen = now;
            }
        }
        let reads = transactions.reads(reader);
        for read in reads.iter().filter(|read| read.writer != NOBODY) {
            let zero = [0; WIDTH];
            let known = if read.writer == INIT { &zero } else { &clocks[read.writer as usize] };
            let pairs_of = pairs.of(read.key);
            let sessions = &pairs.sessions[pairs_of.clone()];
            for (&last, &place) in last[pairs_of].iter().zip(sessions) {
                let place = usize::from(place);
                if last > known[place] {
                    let writer = transactions.starts[first + place] + last - 1;
                    inferred.add(transactions, reader, read.key, read.writer, writer);
                }
            }
        }
        if inferred.edges.len() > edges_max {
            inferred.compact();
            edges_max = EDGES_MAX.max(2 * inferred.edges.len());
        }
    }
    inferred.compact();
    inferred
}

/// Enters the writes of a stretch of one session, which begins after its first `position`.
fn see(
    transactions: &Transactions,
    pairs: &Pairs,
    stretch: std::ops::Range<u32>,
    position: u32,
    last: &mut [u32],
) {
    let mut place = transactions.write_start(stretch.start) - pairs.start;
    for (transaction, count) in stretch.zip(position + 1..) {
        for _ in transactions.writes(transaction) {
            last[pairs.of_writes[place] as usize] = count;
            place += 1;
        }
    }
}
