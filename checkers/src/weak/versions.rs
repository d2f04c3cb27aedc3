//! Who wrote which value of which key.

use rayon::prelude::*;

use super::extract::{Columns, Does, Fate, INITIAL};

/// Tables that are filled at once; each holds the values of a share of the hashes.
const PARTS: usize = 4;
const EMPTY: u64 = u64::MAX;

/// How a value came to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// By one transaction that may have taken effect, as its last write of the key.
    Once,
    /// The same, but the transaction overwrote it itself.
    ForNow,
    /// Only by transactions that failed.
    Aborted,
    /// By several transactions that may have taken effect.
    Repeatedly,
}

/// A writer: the number of its operation.
#[derive(Clone, Copy, Debug)]
struct Entry {
    version: u64,
    operation: u32,
    written: Written,
}

/// All versions: open addressing, since a map of the standard library takes twice the room.
#[derive(Debug)]
pub(super) struct Versions {
    layout: Layout,
    parts: Vec<Vec<Entry>>,
    /// Of each key whether somebody writes the value that it had initially.
    pub rewrites_initial: Vec<bool>,
}

impl Versions {
    /// How many bytes `writes` versions take at the most.
    pub fn bytes(writes: usize) -> usize {
        (2 * writes).next_power_of_two().max(64) * size_of::<Entry>()
    }

    /// Enters every write.
    pub fn new(columns: &Columns) -> Self {
        let layout = Layout::of(columns);
        let parts = (0..PARTS).into_par_iter().map(|part| fill(columns, layout, part)).collect();
        let mut rewrites_initial = vec![false; columns.names.len()];
        let micro = columns.keys.iter().zip(&columns.values).zip(&columns.does);
        for ((&key, &value), &does) in micro {
            if value == INITIAL && does != Does::Reads {
                rewrites_initial[key as usize] = true;
            }
        }
        Self { layout, parts, rewrites_initial }
    }

    /// The operation that wrote `value` to `key`.
    pub fn writer(&self, key: u32, value: u32) -> Option<(u32, Written)> {
        let place = self.layout.place(key, value);
        let part = &self.parts[place.part];
        let mut slot = place.slot & (part.len() - 1);
        loop {
            let entry = &part[slot];
            if entry.version == place.version {
                return Some((entry.operation, entry.written));
            }
            if entry.version == EMPTY {
                return None;
            }
            slot = (slot + 1) & (part.len() - 1);
        }
    }
}

/// Where versions are looked for first.
///
/// Most clients count: each value is written once in the whole history, and what is read was written
/// not long ago. Then versions stand in order of their values, so that most of them are still in the
/// processor's caches when they are looked up; by a hash hardly any would be.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// In order of the values, of which there are this many.
    Values(usize),
    /// By a hash, for this many writes.
    Hashed(usize),
}

/// A version, and where it is looked for first.
struct Place {
    version: u64,
    part: usize,
    slot: usize,
}

/// Values that stand together in one part.
const RUN: usize = 4_096;
/// No more writes than this have values of one block of as many: so none of them stands further than
/// two blocks from its place, whatever its key.
const BLOCK: usize = 64;

impl Layout {
    fn of(columns: &Columns) -> Self {
        let entered = || {
            let micro = columns.values.iter().zip(&columns.does);
            let written = micro.filter(|(value, does)| **does != Does::Reads && **value != INITIAL);
            written.map(|(value, _)| *value as usize)
        };
        let writes = entered().count();
        let values = entered().max().map_or(0, |most| most + 1);
        if values > 2 * writes {
            return Layout::Hashed(writes);
        }
        let mut blocks = vec![0u32; values / BLOCK + 1];
        entered().for_each(|value| blocks[value / BLOCK] += 1);
        if blocks.iter().all(|count| *count as usize <= BLOCK) {
            Layout::Values(values)
        } else {
            Layout::Hashed(writes)
        }
    }

    /// How many slots a part has: never all of them are taken, or a search would not end.
    fn capacity(self) -> usize {
        match self {
            Layout::Values(values) => values.div_ceil(PARTS * RUN) * RUN + 2 * BLOCK,
            Layout::Hashed(writes) => 2 * writes / PARTS + writes / 8,
        }
        .next_power_of_two()
        .max(16)
    }

    fn place(self, key: u32, value: u32) -> Place {
        let version = u64::from(key) << 32 | u64::from(value);
        match self {
            Layout::Values(_) => {
                let (run, within) = (value as usize / RUN, value as usize % RUN);
                Place { version, part: run % PARTS, slot: run / PARTS * RUN + within }
            }
            Layout::Hashed(_) => {
                let mixed = version ^ (version >> 29);
                let hash = mixed
                    .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                    .rotate_left(26)
                    .wrapping_mul(0xD6E8_FEB8_6659_FD93);
                let (part, slot) = ((hash >> 62) as usize % PARTS, ((hash << 2) >> 32) as usize);
                Place { version, part, slot }
            }
        }
    }
}

fn fill(columns: &Columns, layout: Layout, part: usize) -> Vec<Entry> {
    let empty = Entry { version: EMPTY, operation: 0, written: Written::Once };
    let mut table = vec![empty; layout.capacity()];
    let mut held = 0;
    for number in 0..columns.fates.len() {
        let aborted = columns.fates[number] == Fate::Aborted;
        for place in columns.range(number) {
            let does = columns.does[place];
            if does == Does::Reads || columns.values[place] == INITIAL {
                continue;
            }
            let place = layout.place(columns.keys[place], columns.values[place]);
            if place.part != part {
                continue;
            }
            let written = match does {
                _ if aborted => Written::Aborted,
                Does::WritesForNow => Written::ForNow,
                _ => Written::Once,
            };
            if matches!(layout, Layout::Hashed(_)) && 4 * held > 3 * table.len() {
                table = grown(&table, layout);
            }
            let entry = Entry { version: place.version, operation: number as u32, written };
            held += usize::from(enter(&mut table, place.slot, entry));
        }
    }
    table
}

/// Enters a write; whether its version is new.
fn enter(table: &mut [Entry], first: usize, new: Entry) -> bool {
    let mut slot = first & (table.len() - 1);
    loop {
        let entry = &mut table[slot];
        if entry.version == EMPTY {
            *entry = new;
            return true;
        }
        if entry.version == new.version {
            match (entry.written, new.written) {
                // What one transaction writes twice it leaves behind if the last of them stands.
                (Written::ForNow, Written::Once) if entry.operation == new.operation => {
                    entry.written = Written::Once;
                }
                _ if entry.operation == new.operation => {}
                (_, Written::Aborted) => {}
                (Written::Aborted, _) => *entry = new,
                _ => entry.written = Written::Repeatedly,
            }
            return false;
        }
        slot = (slot + 1) & (table.len() - 1);
    }
}

fn grown(table: &[Entry], layout: Layout) -> Vec<Entry> {
    let empty = Entry { version: EMPTY, operation: 0, written: Written::Once };
    let mut larger = vec![empty; 2 * table.len()];
    for entry in table.iter().filter(|entry| entry.version != EMPTY) {
        let place = layout.place((entry.version >> 32) as u32, entry.version as u32);
        enter(&mut larger, place.slot, *entry);
    }
    larger
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transactions of one write each: key and value.
    fn columns(writes: &[(u32, u32)]) -> Columns {
        Columns {
            offsets: (0..=writes.len() as u32).collect(),
            fates: vec![Fate::Committed; writes.len()],
            keys: writes.iter().map(|write| write.0).collect(),
            values: writes.iter().map(|write| write.1).collect(),
            does: vec![Does::Writes; writes.len()],
            ..Columns::default()
        }
    }

    fn check(writes: &[(u32, u32)], by_value: bool) {
        let versions = Versions::new(&columns(writes));
        assert_eq!(matches!(versions.layout, Layout::Values(_)), by_value);
        for (number, &(key, value)) in (0..).zip(writes) {
            assert_eq!(versions.writer(key, value), Some((number, Written::Once)));
            assert_eq!(versions.writer(key + 1_000_000, value), None);
        }
    }

    #[test]
    fn finds_values_that_count_through_all_keys() {
        let writes: Vec<_> = (0..40_000).map(|number| (number * 7 % 50, number)).collect();
        check(&writes, true);
    }

    #[test]
    fn finds_values_that_meet_in_one_block_as_often_as_may_be() {
        // As many writes as a block takes, all of its last value, block after block.
        let blocks = 200;
        let writes: Vec<_> =
            (0..blocks * BLOCK as u32).map(|number| (number % 64, number / 64 * 64 + 63)).collect();
        check(&writes, true);
    }

    #[test]
    fn finds_values_that_count_in_each_key() {
        let writes: Vec<_> = (0..40_000).map(|number| (number % 1000, number / 1000)).collect();
        check(&writes, false);
    }

    #[test]
    fn finds_values_far_apart() {
        let writes: Vec<_> = (0..40_000).map(|number| (number % 3, number * 50_021)).collect();
        check(&writes, false);
    }
}
