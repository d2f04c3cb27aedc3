//! Which orders of commit follow from read committed and read atomic.

use rayon::prelude::*;

use super::order::edge;
use super::transactions::{INIT, NOBODY, Transactions};

/// Transactions that one task looks at.
const CHUNK: u32 = 16_384;

/// A transaction read the initial value of a key, although it must have seen one that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Overwritten {
    /// Who read.
    pub reader: u32,
    /// Who wrote.
    pub writer: u32,
    /// The key.
    pub key: u32,
}

/// What follows: edges, sorted, and the first initial value that was overwritten.
#[derive(Debug, Default)]
pub(crate) struct Inferred {
    /// The edges.
    pub edges: Vec<u64>,
    /// The first contradiction with the initial state.
    pub overwritten: Option<Overwritten>,
    /// Whether the order of sessions does not count, so that edges within one are kept.
    without_sessions: bool,
}

impl Inferred {
    /// That `before`, which wrote `key` and which `reader` must have seen, precedes `after`, whose
    /// version of the key the reader read.
    pub fn add(
        &mut self,
        transactions: &Transactions,
        reader: u32,
        key: u32,
        after: u32,
        before: u32,
    ) {
        if after == INIT {
            let found = Overwritten { reader, writer: before, key };
            self.overwritten = Some(self.overwritten.map_or(found, |it| it.min(found)));
        } else if after != NOBODY {
            let session = |it: u32| transactions.sessions[it as usize];
            // The session says so already, where it counts.
            let said = session(after) == session(before) && before <= after;
            if self.without_sessions || !said {
                self.edges.push(edge(after, before));
            }
        }
    }

    /// Sorts, and drops what is there twice.
    pub fn compact(&mut self) {
        self.edges.sort_unstable();
        self.edges.dedup();
    }

    /// Both.
    pub fn join(mut parts: Vec<Inferred>) -> Inferred {
        let total = parts.iter().map(|part| part.edges.len()).sum();
        let mut all = Inferred::default();
        all.edges.reserve(total);
        for part in &mut parts {
            all.edges.append(&mut part.edges);
            let both = [all.overwritten, part.overwritten];
            all.overwritten = both.into_iter().flatten().min();
        }
        all.edges.par_sort_unstable();
        all.edges.dedup();
        all
    }
}

/// For each key whom the transaction at hand reads it from. A stamp makes clearing free.
struct Stamped<T> {
    stamps: Vec<u32>,
    values: Vec<T>,
    stamp: u32,
}

impl<T: Copy + Default> Stamped<T> {
    fn new(length: usize) -> Self {
        Self { stamps: vec![0; length], values: vec![T::default(); length], stamp: 0 }
    }

    fn clear(&mut self) {
        self.stamp += 1;
    }

    fn get(&self, place: u32) -> Option<T> {
        let place = place as usize;
        (self.stamps[place] == self.stamp).then(|| self.values[place])
    }

    fn set(&mut self, place: u32, value: T) {
        self.stamps[place as usize] = self.stamp;
        self.values[place as usize] = value;
    }
}

fn chunks(transactions: &Transactions) -> Vec<std::ops::Range<u32>> {
    let length = transactions.len() as u32;
    (0..length).step_by(CHUNK as usize).map(|first| first..(first + CHUNK).min(length)).collect()
}

/// Read committed: who reads from T2, and afterwards `key` from T1, which T2 wrote as well, has T2
/// before T1.
pub(crate) fn read_committed(transactions: &Transactions) -> Inferred {
    let keys = transactions.names.len();
    let parts = chunks(transactions).into_par_iter().map_init(
        || Stamped::<(u32, u32)>::new(keys),
        |later, range| {
            let mut inferred = Inferred::default();
            let (mut order, mut firsts) = (Vec::new(), Vec::new());
            for reader in range {
                later.clear();
                order.clear();
                first_of_each(transactions, reader, &mut firsts);
                let reads = transactions.reads(reader);
                for (place, read) in reads.iter().enumerate().rev() {
                    if firsts[place] {
                        against_later(
                            transactions,
                            reader,
                            read.writer,
                            later,
                            &order,
                            &mut inferred,
                        );
                    }
                    if read.writer == NOBODY {
                        continue;
                    }
                    // The next read of the key, and the next that is not of the same writer: what
                    // follows from any later one follows from these.
                    let next = match later.get(read.key) {
                        Some((first, second)) if first == read.writer => (first, second),
                        Some((first, _)) => (read.writer, first),
                        None => {
                            order.push(read.key);
                            (read.writer, NOBODY)
                        }
                    };
                    later.set(read.key, next);
                }
            }
            inferred.compact();
            inferred
        },
    );
    Inferred::join(parts.collect())
}

/// Which reads are the first from their writer, `INIT` and `NOBODY` apart.
fn first_of_each(transactions: &Transactions, reader: u32, firsts: &mut Vec<bool>) {
    let reads = transactions.reads(reader);
    firsts.clear();
    firsts.resize(reads.len(), false);
    let mut places: Vec<u32> = (0..reads.len() as u32).collect();
    places.sort_unstable_by_key(|&place| (reads[place as usize].writer, place));
    let mut before = NOBODY;
    for place in places {
        let writer = reads[place as usize].writer;
        firsts[place as usize] = writer < NOBODY && writer != before;
        before = writer;
    }
}

fn against_later(
    transactions: &Transactions,
    reader: u32,
    writer: u32,
    later: &Stamped<(u32, u32)>,
    order: &[u32],
    inferred: &mut Inferred,
) {
    let mut found = |key: u32| {
        let Some((first, second)) = later.get(key) else { return };
        let other = if first == writer { second } else { first };
        inferred.add(transactions, reader, key, other, writer);
    };
    let writes = transactions.writes(writer);
    if writes.len() <= order.len() {
        for &key in writes {
            found(key);
        }
    } else {
        order.iter().filter(|&&key| transactions.wrote(writer, key)).for_each(|&key| found(key));
    }
}

/// Read atomic: who reads from T2, or (with sessions) follows it in its session, and reads `key`
/// from T1, which T2 wrote as well, has T2 before T1.
pub(crate) fn read_atomic(transactions: &Transactions, sessions: bool) -> Inferred {
    let keys = transactions.names.len();
    let parts = chunks(transactions).into_par_iter().map_init(
        || Stamped::<u32>::new(keys),
        |read_from, range| {
            let mut inferred = Inferred { without_sessions: !sessions, ..Inferred::default() };
            let (mut order, mut writers) = (Vec::new(), Vec::new());
            for reader in range {
                read_from.clear();
                order.clear();
                writers.clear();
                for read in transactions.reads(reader).iter().filter(|read| read.writer != NOBODY) {
                    match read_from.get(read.key) {
                        None => {
                            read_from.set(read.key, read.writer);
                            order.push(read.key);
                        }
                        // Two versions of one key: each would have to come before the other.
                        Some(other) if other != read.writer => {
                            for (after, before) in [(other, read.writer), (read.writer, other)] {
                                if before != INIT {
                                    inferred.add(transactions, reader, read.key, after, before);
                                }
                            }
                        }
                        Some(_) => {}
                    }
                    if read.writer != INIT {
                        writers.push(read.writer);
                    }
                }
                writers.sort_unstable();
                writers.dedup();
                for &writer in &writers {
                    let mut found = |key: u32| {
                        if let Some(other) = read_from.get(key).filter(|other| *other != writer) {
                            inferred.add(transactions, reader, key, other, writer);
                        }
                    };
                    let writes = transactions.writes(writer);
                    if writes.len() <= order.len() {
                        for &key in writes {
                            found(key);
                        }
                    } else {
                        let wrote = |key: &&u32| transactions.wrote(writer, **key);
                        order.iter().filter(wrote).for_each(|&key| found(key));
                    }
                }
            }
            inferred.compact();
            inferred
        },
    );
    let mut parts: Vec<Inferred> = parts.collect();
    if sessions {
        parts.extend(own_session(transactions));
    }
    Inferred::join(parts)
}

/// What follows from the writes that a session made before it read: the last of a key stands for
/// those before it.
fn own_session(transactions: &Transactions) -> Vec<Inferred> {
    let keys = transactions.names.len();
    let sessions = transactions.starts.par_windows(2);
    let parts = sessions.map_init(
        || Stamped::<u32>::new(keys),
        |last, bounds| {
            let mut inferred = Inferred::default();
            last.clear();
            for reader in bounds[0]..bounds[1] {
                for read in transactions.reads(reader) {
                    if let Some(own) = last.get(read.key).filter(|own| *own != read.writer) {
                        inferred.add(transactions, reader, read.key, read.writer, own);
                    }
                }
                for &key in transactions.writes(reader) {
                    last.set(key, reader);
                }
            }
            inferred.compact();
            inferred
        },
    );
    parts.collect()
}
