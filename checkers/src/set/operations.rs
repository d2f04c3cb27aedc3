//! The operations on each set of a history.

use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, Operation, Value};

/// An index of no event.
pub(crate) const NEVER: u64 = u64::MAX;

/// The first event that is none of a set's.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// Its index.
    pub index: u64,
    /// What is wrong with it.
    pub problem: String,
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
#[derive(Debug)]
pub(crate) struct Operations<'a> {
    /// Which set.
    pub key: Key,
    /// Every add with its element.
    pub adds: Vec<(i64, Operation<'a>)>,
    /// Every ok read, in order of invocation.
    pub reads: Vec<Read<'a>>,
}

/// Sorts a history by set. What follows the first event that is none of a set's is left out, since
/// nobody knows what it did; an operation open there is taken as open at the end.
pub(crate) fn by_set(history: &History) -> (Vec<Operations<'_>>, Option<Alien>) {
    let functions = Functions::new();
    let aliens = history.operations().filter_map(|operation| functions.parse(&operation).err());
    let alien = aliens.min_by_key(|alien| alien.index);
    let cut = alien.as_ref().map_or(NEVER, |alien| alien.index);
    let mut places: FxHashMap<Key, usize> = FxHashMap::default();
    let mut sets: Vec<Operations<'_>> = Vec::new();
    for mut operation in history.operations().take_while(|operation| operation.invoked < cut) {
        let Some(key) = operation.op.key else { continue };
        let place = *places.entry(key).or_insert_with(|| {
            sets.push(Operations { key, adds: Vec::new(), reads: Vec::new() });
            sets.len() - 1
        });
        if operation.completed.is_some_and(|completed| completed >= cut) {
            (operation.completed, operation.end, operation.outcome) = (None, None, None);
        }
        match functions.parse(&operation) {
            Ok(Parsed::Add(element)) => sets[place].adds.push((element, operation)),
            Ok(Parsed::Read(elements)) => sets[place].reads.push(Read {
                number: operation.number,
                invoked: operation.invoked,
                completed: operation.completed.unwrap_or(NEVER),
                elements,
            }),
            Ok(Parsed::Nothing) | Err(_) => {}
        }
    }
    sets.sort_by_key(|set| set.key);
    (sets, alien)
}

enum Parsed<'a> {
    Add(i64),
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
        let (index, f) = (operation.invoked, operation.op.f);
        let alien =
            |what: &str| Alien { index, problem: format!("the {f} of event {index} {what}") };
        if operation.op.key.is_none() {
            return Err(alien("has no key"));
        }
        if f == self.add {
            return match operation.op.value {
                Value::Int(element) => Ok(Parsed::Add(element)),
                _ => Err(alien("adds no number")),
            };
        }
        if !self.reads.contains(&f) {
            return Err(alien("is no operation of a set (add, read, read-set)"));
        }
        let Some(reply) = operation.ok() else { return Ok(Parsed::Nothing) };
        match &reply.value {
            Value::Nil => Ok(Parsed::Read(&[])),
            Value::List(list) if list.iter().all(|value| matches!(value, Value::Int(_))) => {
                Ok(Parsed::Read(list))
            }
            _ => {
                let index = operation.completed.unwrap_or(index);
                let problem = format!("the {f} of event {index} returned no list of numbers");
                Err(Alien { index, problem })
            }
        }
    }
}
