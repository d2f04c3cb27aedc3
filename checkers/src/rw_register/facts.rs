//! What is certain of a history: who wrote and read which version, and when.

use schism_history::History;

use crate::transactional::{NEVER, Order};
use crate::weak::{INIT, NOBODY, Transactions};

/// Which circles are forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All of them.
    Serial,
    /// Those without two adjacent `rw`.
    Snapshot,
    /// Those with at most one `rw`.
    View,
}

/// An isolation with the order beyond the data that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// The circles.
    pub isolation: Isolation,
    /// The order.
    pub order: Order,
}

/// Versions of keys. Each is what one transaction left of one key, numbered as its write is among
/// all writes; after those come the initial versions, one for each key.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The transactions.
    pub transactions: &'a Transactions,
    /// Of each transaction the index of its invocation.
    pub invoked: Vec<u64>,
    /// Of each transaction the index of its ok completion, or `NEVER`.
    pub completed: Vec<u64>,
    /// Of each transaction an index by which it has probably taken effect.
    pub due: Vec<u64>,
    /// Of each version its writer; `INIT` for the initial ones.
    pub writers: Vec<u32>,
    /// Of each version its key.
    pub keys: Vec<u32>,
    /// Of each key its first version in `by_key`, and the end.
    key_offsets: Vec<u32>,
    by_key: Vec<u32>,
    read_offsets: Vec<u32>,
    readers: Vec<u32>,
    /// Of each transaction its first in `versions_read`, and the end.
    own_offsets: Vec<u32>,
    versions_read: Vec<u32>,
}

/// The ranges of a list that is sorted by counting.
fn offsets(length: usize, places: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut offsets = vec![0; length + 1];
    for place in places {
        offsets[place as usize + 1] += 1;
    }
    for place in 0..length {
        offsets[place + 1] += offsets[place];
    }
    offsets
}

fn range(offsets: &[u32], place: u32) -> std::ops::Range<usize> {
    offsets[place as usize] as usize..offsets[place as usize + 1] as usize
}

impl<'a> Facts<'a> {
    /// Reads them off the transactions.
    pub fn new(history: &History, transactions: &'a Transactions) -> Self {
        let all = 0..transactions.len() as u32;
        let invoked: Vec<u64> =
            all.clone().map(|it| transactions.operation(history, it).invoked).collect();
        let completed: Vec<u64> = all
            .clone()
            .map(|it| {
                let operation = transactions.operation(history, it);
                operation.ok().and(operation.completed).unwrap_or(NEVER)
            })
            .collect();
        let names = transactions.names.len();
        let mut writers = Vec::with_capacity(transactions.writes_len() + names);
        let mut keys = Vec::with_capacity(transactions.writes_len() + names);
        for it in all.clone() {
            for &key in transactions.writes(it) {
                writers.push(it);
                keys.push(key);
            }
        }
        let key_offsets = offsets(names, keys.iter().copied());
        let mut next = key_offsets.clone();
        let mut by_key = vec![0; keys.len()];
        for (version, key) in (0_u32..).zip(&keys) {
            let place = &mut next[*key as usize];
            by_key[*place as usize] = version;
            *place += 1;
        }
        writers.resize(writers.len() + names, INIT);
        keys.extend(0..names as u32);
        let mut facts = Self {
            transactions,
            due: completed.clone(),
            invoked,
            completed,
            writers,
            keys,
            key_offsets,
            by_key,
            read_offsets: Vec::new(),
            readers: Vec::new(),
            own_offsets: vec![0],
            versions_read: Vec::new(),
        };
        facts.find_readers();
        facts.find_due();
        facts
    }

    fn find_readers(&mut self) {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for reader in 0..self.transactions.len() as u32 {
            let start = pairs.len();
            for read in self.transactions.reads(reader) {
                if let Some(version) = self.version(read.writer, read.key) {
                    pairs.push((version, reader));
                }
            }
            pairs[start..].sort_unstable();
            let mut kept = start;
            for place in start..pairs.len() {
                if kept == start || pairs[kept - 1] != pairs[place] {
                    pairs[kept] = pairs[place];
                    kept += 1;
                }
            }
            pairs.truncate(kept);
            self.own_offsets.push(pairs.len() as u32);
        }
        self.versions_read = pairs.iter().map(|(version, _)| *version).collect();
        self.read_offsets = offsets(self.writers.len(), self.versions_read.iter().copied());
        let mut next = self.read_offsets.clone();
        self.readers = vec![0; pairs.len()];
        for (version, reader) in pairs {
            let place = &mut next[version as usize];
            self.readers[*place as usize] = reader;
            *place += 1;
        }
    }

    /// Who is read from has taken effect before the first of its readers had to.
    fn find_due(&mut self) {
        // From the end on, so that most readers come before those that they read from; what that
        // misses is no more than a worse guess.
        let mut order: Vec<u32> = (0..self.transactions.len() as u32).collect();
        order.sort_unstable_by_key(|it| std::cmp::Reverse(self.invoked[*it as usize]));
        for reader in order {
            for place in range(&self.own_offsets, reader) {
                let writer = self.writers[self.versions_read[place] as usize];
                if writer != INIT {
                    let due = self.due[reader as usize];
                    self.due[writer as usize] = self.due[writer as usize].min(due);
                }
            }
        }
    }

    /// Those that were invoked shortly before some or shortly after, so many each way; nothing if there
    /// is nobody in the middle, or that would be nearly all.
    pub fn near(&self, middle: &[u32], reach: usize) -> Option<Vec<bool>> {
        let mut order: Vec<u32> = (0..self.transactions.len() as u32).collect();
        order.sort_unstable_by_key(|it| self.invoked[*it as usize]);
        let mut keep = vec![false; order.len()];
        for it in middle {
            let invoked = self.invoked[*it as usize];
            let place = order.partition_point(|other| self.invoked[*other as usize] < invoked);
            let until = (place + reach).min(order.len());
            for &it in &order[place.saturating_sub(reach)..until] {
                keep[it as usize] = true;
            }
        }
        let kept = keep.iter().filter(|kept| **kept).count();
        (kept > 0 && kept < order.len() / 2).then_some(keep)
    }

    /// The version of `key` that `writer` left, or the initial one.
    pub fn version(&self, writer: u32, key: u32) -> Option<u32> {
        match writer {
            NOBODY => None,
            INIT => Some(self.initial(key)),
            writer => {
                let place = self.transactions.writes(writer).binary_search(&key).ok()?;
                Some((self.transactions.write_start(writer) + place) as u32)
            }
        }
    }

    /// The initial version of a key.
    pub fn initial(&self, key: u32) -> u32 {
        (self.transactions.writes_len() + key as usize) as u32
    }

    /// How many versions there are, initial ones included.
    pub fn versions_len(&self) -> usize {
        self.writers.len()
    }

    /// The versions of a key, the initial one apart, in order of their writers.
    pub fn versions_of(&self, key: u32) -> &[u32] {
        &self.by_key[range(&self.key_offsets, key)]
    }

    /// Who read a version, each once, in order.
    pub fn readers(&self, version: u32) -> &[u32] {
        &self.readers[range(&self.read_offsets, version)]
    }

    /// The versions that a transaction read, each once, in order.
    pub fn versions_read(&self, reader: u32) -> &[u32] {
        &self.versions_read[range(&self.own_offsets, reader)]
    }

    /// The versions that a transaction left.
    pub fn versions_left(&self, writer: u32) -> std::ops::Range<u32> {
        let start = self.transactions.write_start(writer) as u32;
        start..start + self.transactions.writes(writer).len() as u32
    }
}
