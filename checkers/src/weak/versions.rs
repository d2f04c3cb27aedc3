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
    parts: Vec<Vec<Entry>>,
    /// Of each key whether somebody writes the value that it had initially.
    pub rewrites_initial: Vec<bool>,
}

impl Versions {
    /// How many bytes `writes` versions take.
    pub fn bytes(writes: usize) -> usize {
        (2 * writes).next_power_of_two().max(64) * size_of::<Entry>()
    }

    /// Enters every write.
    pub fn new(columns: &Columns) -> Self {
        let writes = columns.does.iter().filter(|does| **does != Does::Reads).count();
        let capacity = (2 * writes / PARTS + writes / 8).next_power_of_two().max(16);
        let parts = (0..PARTS).into_par_iter().map(|part| fill(columns, part, capacity)).collect();
        let mut rewrites_initial = vec![false; columns.names.len()];
        let micro = columns.keys.iter().zip(&columns.values).zip(&columns.does);
        for ((&key, &value), &does) in micro {
            if value == INITIAL && does != Does::Reads {
                rewrites_initial[key as usize] = true;
            }
        }
        Self { parts, rewrites_initial }
    }

    /// The operation that wrote `value` to `key`.
    pub fn writer(&self, key: u32, value: u32) -> Option<(u32, Written)> {
        let (version, hash) = version(key, value);
        let part = &self.parts[part_of(hash)];
        let mut slot = slot_of(hash, part.len());
        loop {
            let entry = &part[slot];
            if entry.version == version {
                return Some((entry.operation, entry.written));
            }
            if entry.version == EMPTY {
                return None;
            }
            slot = (slot + 1) & (part.len() - 1);
        }
    }
}

fn version(key: u32, value: u32) -> (u64, u64) {
    let version = u64::from(key) << 32 | u64::from(value);
    let mixed = version ^ (version >> 29);
    (
        version,
        mixed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(26)
            .wrapping_mul(0xD6E8_FEB8_6659_FD93),
    )
}

fn part_of(hash: u64) -> usize {
    (hash >> 62) as usize % PARTS
}

fn slot_of(hash: u64, capacity: usize) -> usize {
    ((hash << 2) >> 32) as usize & (capacity - 1)
}

fn fill(columns: &Columns, part: usize, capacity: usize) -> Vec<Entry> {
    let empty = Entry { version: EMPTY, operation: 0, written: Written::Once };
    let mut table = vec![empty; capacity];
    let mut held = 0;
    for number in 0..columns.fates.len() {
        let aborted = columns.fates[number] == Fate::Aborted;
        for place in columns.range(number) {
            let does = columns.does[place];
            if does == Does::Reads || columns.values[place] == INITIAL {
                continue;
            }
            let (version, hash) = version(columns.keys[place], columns.values[place]);
            if part_of(hash) != part {
                continue;
            }
            let written = match does {
                _ if aborted => Written::Aborted,
                Does::WritesForNow => Written::ForNow,
                _ => Written::Once,
            };
            if 4 * held > 3 * table.len() {
                table = grown(&table);
            }
            held += usize::from(enter(
                &mut table,
                hash,
                Entry { version, operation: number as u32, written },
            ));
        }
    }
    table
}

/// Enters a write; whether its version is new.
fn enter(table: &mut [Entry], hash: u64, new: Entry) -> bool {
    let mut slot = slot_of(hash, table.len());
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

fn grown(table: &[Entry]) -> Vec<Entry> {
    let empty = Entry { version: EMPTY, operation: 0, written: Written::Once };
    let mut larger = vec![empty; 2 * table.len()];
    for entry in table.iter().filter(|entry| entry.version != EMPTY) {
        let (_, hash) = version((entry.version >> 32) as u32, entry.version as u32);
        enter(&mut larger, hash, *entry);
    }
    larger
}
