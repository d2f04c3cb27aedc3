//! What a history says about each object: acknowledged writes, and final reads.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use schism_history::{History, Key, MopKind, Operation, Outcome, Value};

/// One object.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    /// Values written or appended by operations that have not failed.
    pub writes: Vec<Write<'a>>,
    /// What failed writes would have written: it explains no read.
    pub failed: Vec<Write<'a>>,
    /// Final reads that were answered.
    pub reads: Vec<FinalRead<'a>>,
}

impl<'a> Object<'a> {
    fn take(&mut self, write: Write<'a>) {
        if write.operation.failed() { &mut self.failed } else { &mut self.writes }.push(write);
    }
}

/// A write, or an append of one element.
#[derive(Clone, Debug)]
pub(crate) struct Write<'a> {
    /// The operation.
    pub operation: Operation<'a>,
    /// What it wrote.
    pub value: &'a Value,
}

impl Write<'_> {
    /// Whether it was acknowledged.
    pub fn acknowledged(&self) -> bool {
        self.operation.ok().is_some()
    }
}

/// A final read and what it returned.
#[derive(Clone, Debug)]
pub(crate) struct FinalRead<'a> {
    /// The operation.
    pub operation: Operation<'a>,
    /// What it returned of this object.
    pub value: &'a Value,
}

/// The objects of a history by key, and whether they grow (sets and lists) or are overwritten.
#[derive(Debug, Default)]
pub(crate) struct Objects<'a> {
    /// Sets and lists: writes add an element.
    pub growing: BTreeMap<Key, Object<'a>>,
    /// Registers: writes replace the value.
    pub registers: BTreeMap<Key, Object<'a>>,
}

impl<'a> Objects<'a> {
    /// Sorts the operations of `history`; reads invoked after the event `healed` are final.
    pub fn of(history: &'a History, healed: Option<u64>) -> Self {
        let mut growing: FxHashMap<Key, Object<'a>> = FxHashMap::default();
        let mut registers: FxHashMap<Key, Object<'a>> = FxHashMap::default();
        for operation in history.operations() {
            let last = healed.is_some_and(|healed| operation.invoked > healed);
            if let Value::Mops(mops) = &operation.op.value {
                mops_of(&operation, mops, last, &mut growing, &mut registers);
            } else if let Some(key) = operation.op.key {
                single(&operation, key, last, &mut growing, &mut registers);
            }
        }
        Self { growing: growing.into_iter().collect(), registers: registers.into_iter().collect() }
    }
}

type ByKey<'a> = FxHashMap<Key, Object<'a>>;

fn single<'a>(
    operation: &Operation<'a>,
    key: Key,
    last: bool,
    growing: &mut ByKey<'a>,
    registers: &mut ByKey<'a>,
) {
    let write = |value| Write { operation: *operation, value };
    match operation.op.f.as_str() {
        "write" => registers.entry(key).or_default().take(write(&operation.op.value)),
        "cas" => {
            if let Value::List(pair) = &operation.op.value
                && let [_, new] = &**pair
            {
                registers.entry(key).or_default().take(write(new));
            }
        }
        "add" => growing.entry(key).or_default().take(write(&operation.op.value)),
        name @ ("read" | "read-set") if last => {
            let Some(reply) = operation.ok() else { return };
            // A read of a list belongs to a set, of anything else to a register; an object that was
            // never written returns nil, and its name then tells.
            let list = matches!(reply.value, Value::List(_)) || name == "read-set";
            let objects = if list || growing.contains_key(&key) { growing } else { registers };
            let read = FinalRead { operation: *operation, value: &reply.value };
            objects.entry(key).or_default().reads.push(read);
        }
        _ => {}
    }
}

fn mops_of<'a>(
    operation: &Operation<'a>,
    asked: &'a [schism_history::Mop],
    last: bool,
    growing: &mut ByKey<'a>,
    registers: &mut ByKey<'a>,
) {
    for mop in asked {
        let write = Write { operation: *operation, value: &mop.value };
        match mop.kind {
            MopKind::Append => growing.entry(mop.key).or_default().take(write),
            MopKind::Write => registers.entry(mop.key).or_default().take(write),
            MopKind::Read | MopKind::Send | MopKind::Poll => {}
        }
    }
    let Some(Outcome::Ok(reply)) = operation.outcome else { return };
    let Value::Mops(answered) = &reply.value else { return };
    for (place, mop) in answered.iter().enumerate() {
        // What a transaction wrote itself, it also sees: only its reads before that are evidence of
        // what was stored, and reads after it are of no harm either, since they see the more.
        if !last || mop.kind != MopKind::Read {
            continue;
        }
        let own = answered[..place]
            .iter()
            .any(|other| other.key == mop.key && other.kind == MopKind::Write);
        let read = FinalRead { operation: *operation, value: &mop.value };
        match (&mop.value, own) {
            (_, true) => {}
            (Value::List(_) | Value::Nil, false) if !registers.contains_key(&mop.key) => {
                growing.entry(mop.key).or_default().reads.push(read);
            }
            _ => registers.entry(mop.key).or_default().reads.push(read),
        }
    }
}
