//! The registers of a history, with the times at which they were asked.

use rustc_hash::FxHashMap;
use schism_history::{History, Key, NodeId, Operation, Time, Value};

use super::texts::Made;
use crate::session::Functions;

/// The index of a completion that never came.
pub(super) const NEVER: u64 = u64::MAX;

/// A write that may have taken effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    /// The operation's number in the history.
    pub number: u32,
    /// What it left behind.
    pub value: &'a Value,
    /// The system's number of that.
    pub version: Option<u64>,
    /// What it certainly replaced: a compare-and-set knows.
    pub replaced: Option<&'a Value>,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion; [`NEVER`] if nobody knows that it took effect.
    pub completed: u64,
    /// When it completed.
    pub end: Time,
}

/// A read that is ok.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'a> {
    /// The operation's number in the history.
    pub number: u32,
    /// Which node.
    pub node: Option<NodeId>,
    /// What it returned.
    pub value: &'a Value,
    /// The system's number of that.
    pub version: Option<u64>,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
    /// When it was invoked.
    pub start: Time,
    /// Whether the same operation writes the key, too.
    pub writes: bool,
}

/// What was done to one key.
#[derive(Debug)]
pub(super) struct Register<'a> {
    /// The key.
    pub key: Key,
    /// The writes that did not fail, in the order of their invocations.
    pub writes: Vec<Write<'a>>,
    /// The reads that are ok, in the order of their invocations.
    pub reads: Vec<Read<'a>>,
    /// Where it is a text that grows: what is known of what its gets returned.
    pub made: Option<Made<'a>>,
}

impl Register<'_> {
    /// Whether somebody may have written this.
    pub fn may_be(&self, value: &Value) -> bool {
        match &self.made {
            Some(made) => made.may_be(value),
            None => self.writes.iter().any(|write| write.value == value),
        }
    }

    /// Whether an indeterminate write may have made it so.
    pub fn late(&self, value: &Value) -> bool {
        let late = |write: &Write<'_>| write.value == value && write.completed == NEVER;
        match &self.made {
            Some(made) => made.late(value),
            None => self.writes.iter().any(late),
        }
    }
}

/// The registers of a history.
#[derive(Debug)]
pub(super) struct Registers<'a> {
    /// In the order of their keys.
    pub registers: Vec<Register<'a>>,
    /// What is wrong with the first event that is none of a register's; nothing after it is there.
    pub alien: Option<String>,
}

impl<'a> Registers<'a> {
    /// Takes the registers out of `history`. O(n) but for the sorting of the keys.
    pub fn of(history: &'a History) -> Self {
        let functions = Functions::of(history);
        let mut places: FxHashMap<Key, usize> = FxHashMap::default();
        let mut registers: Vec<Register<'a>> = Vec::new();
        let mut alien = None;
        for operation in history.operations().filter(|it| !it.failed()) {
            let parsed = match functions.parse(&operation) {
                Ok(parsed) => parsed,
                Err(problem) => {
                    let (f, event) = (operation.op.f, operation.invoked);
                    alien = Some(format!("the {f} of event {event} {problem}"));
                    break;
                }
            };
            let single =
                parsed.reads.len() + parsed.writes.len() <= 2 && operation.op.f != functions.txn;
            let version = operation.ok().and_then(|reply| reply.version).filter(|_| single);
            for &(key, value) in &parsed.reads {
                let writes = parsed.writes.iter().any(|write| write.0 == key);
                // What a compare-and-set returns is the number of what it wrote.
                let version = version.filter(|_| !writes);
                let place = place_of(key, &mut places, &mut registers);
                if let Some(read) = read(&operation, value, version, writes) {
                    registers[place].reads.push(read);
                }
            }
            for &(key, value) in &parsed.writes {
                let replaced = parsed.reads.iter().find(|read| read.0 == key && single);
                let replaced = replaced.map(|read| read.1);
                let place = place_of(key, &mut places, &mut registers);
                registers[place].writes.push(write(&operation, value, version, replaced));
            }
        }
        registers.sort_by_key(|register| register.key);
        Self { registers, alien }
    }
}

pub(super) fn place_of(
    key: Key,
    places: &mut FxHashMap<Key, usize>,
    registers: &mut Vec<Register<'_>>,
) -> usize {
    *places.entry(key).or_insert_with(|| {
        registers.push(Register { key, writes: Vec::new(), reads: Vec::new(), made: None });
        registers.len() - 1
    })
}

pub(super) fn read<'a>(
    operation: &Operation<'a>,
    value: &'a Value,
    version: Option<u64>,
    writes: bool,
) -> Option<Read<'a>> {
    operation.ok()?;
    Some(Read {
        number: operation.number as u32,
        node: operation.node,
        value,
        version,
        invoked: operation.invoked,
        completed: operation.completed?,
        start: operation.start,
        writes,
    })
}

pub(super) fn write<'a>(
    operation: &Operation<'a>,
    value: &'a Value,
    version: Option<u64>,
    replaced: Option<&'a Value>,
) -> Write<'a> {
    let ok = operation.ok().is_some();
    Write {
        number: operation.number as u32,
        value,
        version,
        replaced,
        invoked: operation.invoked,
        completed: operation.completed.filter(|_| ok).unwrap_or(NEVER),
        end: operation.end.unwrap_or(operation.start),
    }
}
