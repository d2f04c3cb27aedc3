//! The writes and reads of one key, and which reads miss what came before what they saw.

use rustc_hash::FxHashMap;
use schism_history::{History, Key, Operation, Process, Value};

use crate::evidence::{Alien, ByObject, NEVER, first_alien, operations_before};

/// A write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'a> {
    /// The operation's number.
    pub number: usize,
    /// Who wrote.
    pub process: Process,
    /// The element.
    pub element: &'a Value,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion, if it is ok; otherwise [`NEVER`].
    pub acknowledged: u64,
    /// Whether it had no effect.
    pub failed: bool,
}

/// An ok read: the operation's number, and what it returned.
pub(crate) type Read<'a> = (usize, &'a [Value]);

/// The operations on one key.
#[derive(Debug, Default)]
pub(crate) struct Group<'a> {
    /// All writes, in order of invocation.
    pub writes: Vec<Write<'a>>,
    /// All ok reads, in order of invocation.
    pub reads: Vec<Read<'a>>,
}

/// A read that saw a write and missed one that precedes it, by the numbers of the operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reverse {
    /// The read.
    pub read: usize,
    /// The write that it saw.
    pub saw: usize,
    /// The write that it missed.
    pub missed: usize,
    /// How many writes that precede what it saw it missed.
    pub alike: usize,
}

/// The groups of a history; what follows the first event that is none of theirs is left out.
pub(crate) fn by_key(history: &History) -> (Vec<(Option<Key>, Group<'_>)>, Option<Alien>) {
    let alien = first_alien(history, parse);
    let mut groups: ByObject<Group<'_>> = ByObject::new();
    for operation in operations_before(history, alien.as_ref()) {
        let group = groups.of(operation.op.key);
        match parse(&operation) {
            Ok(Parsed::Write(element)) => group.writes.push(Write {
                number: operation.number,
                process: operation.process,
                element,
                invoked: operation.invoked,
                acknowledged: operation.ok().and(operation.completed).unwrap_or(NEVER),
                failed: operation.failed(),
            }),
            Ok(Parsed::Read(elements)) => group.reads.push((operation.number, elements)),
            _ => {}
        }
    }
    (groups.sorted(), alien)
}

enum Parsed<'a> {
    Write(&'a Value),
    Read(&'a [Value]),
    Nothing,
}

fn parse<'a>(operation: &Operation<'a>) -> Result<Parsed<'a>, Alien> {
    match (operation.op.f.as_str(), &operation.op.value) {
        ("write", Value::Nil) => Err(Alien::asked(operation, "writes nothing")),
        ("write", element) => Ok(Parsed::Write(element)),
        ("read", _) => match operation.ok().map(|reply| &reply.value) {
            None => Ok(Parsed::Nothing),
            Some(Value::Nil) => Ok(Parsed::Read(&[])),
            Some(Value::List(list)) => Ok(Parsed::Read(list)),
            Some(_) => Err(Alien::answered(operation, "returned no list of elements")),
        },
        _ => {
            let alien = "is neither a write of an element nor a read of all of them";
            Err(Alien::asked(operation, alien))
        }
    }
}

/// The order between writes: of all of them, or of each session.
pub(crate) struct Precedence<'a> {
    group: &'a Group<'a>,
    by_element: FxHashMap<&'a Value, u32>,
    /// For each write the line in which it stands: 0 for all, or its session.
    line: Vec<u32>,
    /// The acknowledgements of each line, in order.
    acknowledged: Vec<Vec<u64>>,
    /// The last read looked at that returned a write.
    stamp: Vec<u32>,
    /// For the read looked at, of each line: the last invocation seen, by which write, and the read.
    last: Vec<(u64, u32, u32)>,
}

/// No read has this place.
const NO_READ: u32 = u32::MAX;

impl<'a> Precedence<'a> {
    /// The order; or an element that was written twice.
    pub fn new(group: &'a Group<'a>, sessions: bool) -> Result<Self, &'a Value> {
        let mut by_element: FxHashMap<&Value, u32> = FxHashMap::default();
        let mut lines: FxHashMap<Process, u32> = FxHashMap::default();
        let mut acknowledged: Vec<Vec<u64>> = Vec::new();
        let mut line = Vec::with_capacity(group.writes.len());
        for (write, place) in group.writes.iter().zip(0..) {
            // A failed write put nothing there, whatever else it may have in common.
            let earlier = by_element.get(write.element).map(|&at| &group.writes[at as usize]);
            match earlier {
                Some(earlier) if !earlier.failed && !write.failed => return Err(write.element),
                Some(earlier) if !earlier.failed || write.failed => {}
                _ => drop(by_element.insert(write.element, place)),
            }
            let next = lines.len() as u32;
            let own = if sessions { *lines.entry(write.process).or_insert(next) } else { 0 };
            acknowledged.resize_with(acknowledged.len().max(own as usize + 1), Vec::new);
            if write.acknowledged != NEVER {
                acknowledged[own as usize].push(write.acknowledged);
            }
            line.push(own);
        }
        for line in &mut acknowledged {
            line.sort_unstable();
        }
        let stamp = vec![NO_READ; group.writes.len()];
        let last = vec![(0, 0, NO_READ); acknowledged.len()];
        Ok(Self { group, by_element, line, acknowledged, stamp, last })
    }

    /// Looks at one read: whether it could have missed a write that precedes what it saw, and the
    /// first that it did.
    pub fn look(&mut self, turn: u32, (read, elements): Read<'a>) -> (bool, Option<Reverse>) {
        let mut seen: Vec<u32> = Vec::with_capacity(elements.len());
        let mut touched: Vec<u32> = Vec::new();
        for element in elements {
            let Some(&write) = self.by_element.get(element) else { continue };
            if std::mem::replace(&mut self.stamp[write as usize], turn) == turn {
                continue;
            }
            seen.push(write);
            let (line, invoked) =
                (self.line[write as usize], self.group.writes[write as usize].invoked);
            let last = &mut self.last[line as usize];
            if last.2 != turn {
                *last = (invoked, write, turn);
                touched.push(line);
            } else if last.0 < invoked {
                (last.0, last.1) = (invoked, write);
            }
        }
        let precedes = |write: u32| {
            let last = self.last[self.line[write as usize] as usize];
            last.2 == turn && self.group.writes[write as usize].acknowledged < last.0
        };
        let found = seen.iter().filter(|&&write| precedes(write)).count();
        let wanted: usize = touched
            .iter()
            .map(|&line| {
                let last = self.last[line as usize].0;
                self.acknowledged[line as usize].partition_point(|&completed| completed < last)
            })
            .sum();
        if found == wanted {
            return (wanted > 0, None);
        }
        let mut writes = 0..self.group.writes.len() as u32;
        let missed = writes.find(|&write| self.stamp[write as usize] != turn && precedes(write));
        let reverse = missed.map(|missed| {
            let saw = self.last[self.line[missed as usize] as usize].1;
            let number = |write: u32| self.group.writes[write as usize].number;
            Reverse { read, saw: number(saw), missed: number(missed), alike: wanted - found }
        });
        (true, reverse)
    }
}
