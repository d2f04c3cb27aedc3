//! The transactions of a history in columns: keys and values as numbers, without pointers.

use std::hash::{Hash, Hasher};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, Mop, MopKind, Operation, Value};

/// What the register held before the first write, as a code of a value.
pub(super) const INITIAL: u32 = u32::MAX;
/// Codes from here on stand for values that are no small numbers.
const ODD: u32 = 1 << 31;
/// Operations that one task reads.
const CHUNK: usize = 8_192;
/// Micro-operations among which a linear search beats a table.
const FEW: usize = 32;

/// What a micro-operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Reads.
    Reads,
    /// Writes what the transaction leaves behind.
    Writes,
    /// Writes what the same transaction overwrites.
    WritesForNow,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It took effect.
    Committed,
    /// It did not.
    Aborted,
    /// Nobody knows.
    Open,
}

/// The first operation that is no transaction on registers.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// The operation's number.
    pub number: usize,
    /// The index of its invocation.
    pub index: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// All micro-operations of a history.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// Of each operation the first of its micro-operations, and the end.
    pub offsets: Vec<u32>,
    /// What became of each operation.
    pub fates: Vec<Fate>,
    /// The key of each micro-operation, by its place in `names`.
    pub keys: Vec<u32>,
    /// The code of the value of each.
    pub values: Vec<u32>,
    /// What each does.
    pub does: Vec<Does>,
    /// The keys.
    pub names: Vec<Key>,
}

impl Columns {
    /// The micro-operations of an operation.
    pub fn range(&self, number: usize) -> std::ops::Range<usize> {
        self.offsets[number] as usize..self.offsets[number + 1] as usize
    }
}

/// Part of the columns, before keys and odd values have their numbers.
#[derive(Default)]
struct Part {
    counts: Vec<u32>,
    fates: Vec<Fate>,
    keys: Vec<Key>,
    values: Vec<u32>,
    does: Vec<Does>,
    odd: Vec<Value>,
    alien: Option<Alien>,
}

/// Reads the operations before `alien`; what completed after it counts as open. `None`: there are
/// more micro-operations than can be numbered.
pub(super) fn extract(
    history: &History,
    initial: &Value,
    alien: Option<&Alien>,
) -> Option<(Columns, Option<Alien>)> {
    let length = alien.map_or(history.len(), |alien| alien.number);
    let cut = alien.map_or(u64::MAX, |alien| alien.index);
    let txn = F::new("txn");
    let chunks: Vec<usize> = (0..length).step_by(CHUNK).collect();
    let parts: Vec<Part> = chunks
        .into_par_iter()
        .map(|first| {
            let mut part = Part::default();
            for number in first..(first + CHUNK).min(length) {
                let operation = history.operation(number);
                if let Err(problem) = part.add(&operation, txn, initial, cut) {
                    part.alien = Some(Alien { number, index: operation.invoked, problem });
                    break;
                }
            }
            part
        })
        .collect();
    let found = parts.iter().find_map(|part| part.alien.clone());
    if found.is_some() {
        return Some((Columns::default(), found));
    }
    Some((join(parts)?, None))
}

fn join(parts: Vec<Part>) -> Option<Columns> {
    let total: usize = parts.iter().map(|part| part.keys.len()).sum();
    u32::try_from(total).ok().filter(|&total| total < ODD)?;
    let operations = parts.iter().map(|part| part.fates.len()).sum();
    let mut columns = Columns {
        offsets: Vec::with_capacity(operations + 1),
        fates: Vec::with_capacity(operations),
        keys: Vec::with_capacity(total),
        values: Vec::with_capacity(total),
        does: Vec::with_capacity(total),
        names: Vec::new(),
    };
    columns.offsets.push(0);
    let mut places: Vec<u32> = Vec::new();
    let mut odd: FxHashMap<Value, u32> = FxHashMap::default();
    let mut end = 0;
    for part in parts {
        for count in part.counts {
            end += count;
            columns.offsets.push(end);
        }
        columns.fates.extend_from_slice(&part.fates);
        columns.does.extend_from_slice(&part.does);
        for key in part.keys {
            let symbol = symbol_number(key);
            if symbol >= places.len() {
                places.resize(symbol + 1, u32::MAX);
            }
            if places[symbol] == u32::MAX {
                places[symbol] = columns.names.len() as u32;
                columns.names.push(key);
            }
            columns.keys.push(places[symbol]);
        }
        let numbers: Vec<u32> = part
            .odd
            .into_iter()
            .map(|value| {
                let next = ODD + odd.len() as u32;
                *odd.entry(value).or_insert(next)
            })
            .collect();
        columns.values.extend(part.values.iter().map(|&code| match code {
            INITIAL => INITIAL,
            code if code >= ODD => numbers[(code - ODD) as usize],
            code => code,
        }));
    }
    Some(columns)
}

impl Part {
    fn add(
        &mut self,
        operation: &Operation<'_>,
        txn: F,
        initial: &Value,
        cut: u64,
    ) -> Result<(), String> {
        let index = operation.invoked;
        if operation.op.f != txn {
            return Err(format!("event {index} is a {}", operation.op.f));
        }
        let Value::Mops(asked) = &operation.op.value else {
            return Err(format!("the transaction of event {index} has no micro-operations"));
        };
        let registers = |mop: &Mop| matches!(mop.kind, MopKind::Read | MopKind::Write);
        if let Some(mop) = asked.iter().find(|mop| !registers(mop)) {
            let kind = mop.kind.as_str();
            return Err(format!("the transaction of event {index} has a {kind}"));
        }
        let completed = operation.completed.is_some_and(|completed| completed < cut);
        let start = self.keys.len();
        if let Some(reply) = operation.ok().filter(|_| completed) {
            let Value::Mops(mops) = &reply.value else {
                return Err(format!("event {index} was answered with no transaction"));
            };
            let alike = |(asked, told): (&Mop, &Mop)| {
                let same = asked.kind == told.kind && asked.key == told.key;
                same && (told.kind == MopKind::Read || asked.value == told.value)
            };
            if asked.len() != mops.len() || !asked.iter().zip(mops).all(alike) {
                return Err(format!("event {index} was answered with another transaction"));
            }
            for mop in mops {
                self.push(mop, initial);
            }
            self.fates.push(Fate::Committed);
        } else {
            for mop in asked.iter().filter(|mop| mop.kind == MopKind::Write) {
                self.push(mop, initial);
            }
            let aborted = completed && operation.failed();
            self.fates.push(if aborted { Fate::Aborted } else { Fate::Open });
        }
        self.counts.push((self.keys.len() - start) as u32);
        self.mark_overwritten(start);
        Ok(())
    }

    fn push(&mut self, mop: &Mop, initial: &Value) {
        let code = match &mop.value {
            value if value == initial => INITIAL,
            Value::Int(number) if (0..i64::from(ODD)).contains(number) => *number as u32,
            value => {
                self.odd.push(value.clone());
                // There are fewer than `CHUNK` operations here; `join` counts all of them.
                ODD + (self.odd.len() - 1) as u32
            }
        };
        self.keys.push(mop.key);
        self.values.push(code);
        let reads = mop.kind == MopKind::Read;
        self.does.push(if reads { Does::Reads } else { Does::Writes });
    }

    /// Marks the writes from `start` on that a later one overwrites.
    fn mark_overwritten(&mut self, start: usize) {
        let (keys, does) = (&self.keys[start..], &mut self.does[start..]);
        let mut last: FxHashMap<Key, usize> = FxHashMap::default();
        for place in 0..keys.len() {
            if does[place] == Does::Reads {
                continue;
            }
            let before = if keys.len() > FEW {
                last.insert(keys[place], place)
            } else {
                (0..place).rev().find(|&it| keys[it] == keys[place] && does[it] != Does::Reads)
            };
            if let Some(before) = before {
                does[before] = Does::WritesForNow;
            }
        }
    }
}

/// Finds what the earlier micro-operations of one transaction say of a read: the last write of the
/// same key, or where there is none the last read of it.
pub(super) struct Before {
    last: FxHashMap<u32, usize>,
}

impl Before {
    pub fn new() -> Self {
        Self { last: FxHashMap::default() }
    }

    /// To be called before the first micro-operation of a transaction.
    pub fn clear(&mut self) {
        self.last.clear();
    }

    /// The place of the micro-operation that binds the one at `place`. To be called for each place
    /// in order.
    pub fn find(&mut self, keys: &[u32], does: &[Does], place: usize) -> Option<usize> {
        if keys.len() <= FEW {
            let same = |it: &usize| keys[*it] == keys[place];
            let write = (0..place).rev().find(|it| same(it) && does[*it] != Does::Reads);
            return write.or_else(|| (0..place).rev().find(same));
        }
        let before = self.last.get(&keys[place]).copied();
        let bound = before.is_some_and(|before| does[before] != Does::Reads);
        if does[place] != Does::Reads || !bound {
            self.last.insert(keys[place], place);
        }
        before
    }
}

/// The number under which a key is interned: dense, so that a table by it replaces hashing.
fn symbol_number(key: Key) -> usize {
    struct Number(u32);
    impl Hasher for Number {
        fn finish(&self) -> u64 {
            u64::from(self.0)
        }
        fn write(&mut self, bytes: &[u8]) {
            // Never called for a symbol, which is one u32; any hash would do, but not for a table.
            for &byte in bytes {
                self.0 = (self.0 << 8) | u32::from(byte);
            }
        }
        fn write_u32(&mut self, number: u32) {
            self.0 = number;
        }
    }
    let mut number = Number(0);
    key.hash(&mut number);
    number.0 as usize
}
