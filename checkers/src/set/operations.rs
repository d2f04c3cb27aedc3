//! The operations on each set of a history.

use schism_history::{F, History, Key, Operation, Value};

use crate::evidence::{Alien, ByObject, NEVER, first_alien, operations_before};

/// An add.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Add<'a> {
    /// What it adds.
    pub element: &'a Value,
    /// The operation's number.
    pub number: usize,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion, if it is ok; otherwise [`NEVER`].
    pub acknowledged: u64,
    /// Whether it had no effect.
    pub failed: bool,
}

/// An ok read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    /// The operation's number.
    pub number: usize,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
    /// What it returned.
    pub elements: &'a [Value],
}

/// One set's operations.
#[derive(Debug, Default)]
pub(crate) struct Operations<'a> {
    /// Every add.
    pub adds: Vec<Add<'a>>,
    /// Every ok read, in order of invocation.
    pub reads: Vec<Read<'a>>,
}

/// Sorts a history by set; what follows the first event that is none of a set's is left out.
pub(crate) fn by_set(history: &History) -> (Vec<(Option<Key>, Operations<'_>)>, Option<Alien>) {
    let functions = Functions::new();
    // A read without a key might be one of all sets, and its elements anything.
    let whole = history.operations().any(|operation| operation.op.key.is_none());
    let parse = |operation: &Operation<'_>| match operation.op.key {
        Some(_) if whole => Err(Alien::asked(operation, "has a key, and others have none")),
        _ => functions.parse(operation).map(|_| ()),
    };
    let alien = first_alien(history, parse);
    let mut sets: ByObject<Operations<'_>> = ByObject::new();
    for operation in operations_before(history, alien.as_ref()) {
        let set = sets.of(operation.op.key);
        match functions.parse(&operation) {
            Ok(Parsed::Add(element)) => set.adds.push(Add {
                element,
                number: operation.number,
                invoked: operation.invoked,
                acknowledged: operation.ok().and(operation.completed).unwrap_or(NEVER),
                failed: operation.failed(),
            }),
            Ok(Parsed::Read(elements)) => set.reads.push(Read {
                number: operation.number,
                invoked: operation.invoked,
                completed: operation.completed.unwrap_or(NEVER),
                elements,
            }),
            Ok(Parsed::Nothing) | Err(_) => {}
        }
    }
    (sets.sorted(), alien)
}

enum Parsed<'a> {
    Add(&'a Value),
    Read(&'a [Value]),
    Nothing,
}

struct Functions {
    add: F,
    reads: [F; 2],
}

impl Functions {
    fn new() -> Self {
        Self { add: F::new("add"), reads: [F::new("read"), F::new("read-set")] }
    }

    fn parse<'a>(&self, operation: &Operation<'a>) -> Result<Parsed<'a>, Alien> {
        let f = operation.op.f;
        if f == self.add {
            return match &operation.op.value {
                Value::Nil => Err(Alien::asked(operation, "adds nothing")),
                element => Ok(Parsed::Add(element)),
            };
        }
        if !self.reads.contains(&f) {
            let alien = "is no operation of a set (add, read, read-set)";
            return Err(Alien::asked(operation, alien));
        }
        let Some(reply) = operation.ok() else { return Ok(Parsed::Nothing) };
        match &reply.value {
            Value::Nil => Ok(Parsed::Read(&[])),
            Value::List(list) => Ok(Parsed::Read(list)),
            _ => Err(Alien::answered(operation, "returned no list of elements")),
        }
    }
}
