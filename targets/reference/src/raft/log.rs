//! The log of a member: the entries behind a snapshot.

use super::{Entry, Snapshot};

/// Entries from `base_index + 1` on; what lies before is in the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    base_index: u64,
    base_term: u64,
    entries: Vec<Entry>,
}

impl Log {
    /// The log behind a snapshot that reflects `index`.
    pub fn new(index: u64, term: u64, entries: Vec<Entry>) -> Self {
        Self { base_index: index, base_term: term, entries }
    }

    /// The last index that is no longer in the log.
    pub fn base(&self) -> u64 {
        self.base_index
    }

    /// The last index.
    pub fn last_index(&self) -> u64 {
        self.base_index + self.entries.len() as u64
    }

    /// The term of the last entry.
    pub fn last_term(&self) -> u64 {
        self.entries.last().map_or(self.base_term, |entry| entry.term)
    }

    /// The term at `index`, if it is known.
    pub fn term(&self, index: u64) -> Option<u64> {
        if index == self.base_index {
            return Some(self.base_term);
        }
        self.entry(index).map(|entry| entry.term)
    }

    /// The entry at `index`, if it is here.
    pub fn entry(&self, index: u64) -> Option<&Entry> {
        let place = index.checked_sub(self.base_index + 1)?;
        self.entries.get(place as usize)
    }

    /// Up to `most` entries from `index` on.
    pub fn from(&self, index: u64, most: usize) -> Vec<Entry> {
        let place = (index.saturating_sub(self.base_index + 1) as usize).min(self.entries.len());
        self.entries[place..].iter().take(most).cloned().collect()
    }

    /// How many entries are here.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Appends, after dropping what stands at the first entry's place and behind it.
    pub fn append(&mut self, entries: &[Entry]) {
        if let Some(first) = entries.first() {
            let place = first.index.saturating_sub(self.base_index + 1) as usize;
            self.entries.truncate(place);
            self.entries.extend_from_slice(entries);
        }
    }

    /// Forgets what is in `snapshot`, keeping up to `margin` entries before its end for members
    /// that are a little behind.
    pub fn compact(&mut self, snapshot: &Snapshot, margin: u64) {
        let base = snapshot.index.saturating_sub(margin).max(self.base_index);
        if let Some(term) = self.term(base) {
            self.entries.drain(..(base - self.base_index) as usize);
            (self.base_index, self.base_term) = (base, term);
        }
    }

    /// Becomes the log behind a snapshot that was installed: the entries behind it stay if the
    /// log agrees with it.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        if self.term(snapshot.index) == Some(snapshot.term) {
            self.compact(snapshot, 0);
        } else {
            *self = Self::new(snapshot.index, snapshot.term, Vec::new());
        }
    }
}
