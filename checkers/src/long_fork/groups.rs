//! The groups of keys, and what each read saw of its group.

use rustc_hash::FxHashMap;
use schism_history::{History, Key, MopKind, Operation, Value};

use crate::evidence::{Alien, first_alien, operations_before};

/// The most keys that a group may have: a read is a set of bits.
const KEYS_MAX: usize = 128;

/// A read of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    /// The operation's number.
    pub number: usize,
    /// Which keys of the group it saw written, a bit for each.
    pub seen: u128,
}

/// A group of keys, and the reads of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// The keys, in their order.
    pub keys: Vec<Key>,
    /// The ok reads, in order of invocation.
    pub reads: Vec<Read>,
}

/// What is known of one key.
#[derive(Clone, Debug, Default)]
struct Written<'a> {
    /// The number of the operation that writes it, unless that failed.
    by: Option<usize>,
    /// The value that was written or read.
    value: Option<&'a Value>,
    /// The group in which it is read.
    group: Option<usize>,
}

/// All groups, and what keeps their history from being judged.
#[derive(Debug, Default)]
pub(crate) struct Groups<'a> {
    /// Groups, in the order of their first reads.
    pub list: Vec<Group>,
    /// Ok reads.
    pub reads: usize,
    /// The first event that is none of this workload's.
    pub alien: Option<Alien>,
    /// The first way in which keys or groups are not what they must be, as a clause.
    pub illegal: Option<String>,
    keys: FxHashMap<Key, Written<'a>>,
    /// Keys of which nothing can be told.
    spoilt: Vec<Key>,
}

impl<'a> Groups<'a> {
    /// The groups of `history`, whose keys hold `initial` until they are written.
    pub fn of(history: &'a History, initial: &'a Value, size: Option<usize>) -> Self {
        let alien = first_alien(history, parse);
        let mut places: FxHashMap<Vec<Key>, usize> = FxHashMap::default();
        let mut all = Self::default();
        for operation in operations_before(history, alien.as_ref()) {
            match parse(&operation) {
                Ok(Parsed::Write(key, value)) if !operation.failed() => {
                    all.write(&operation, key, value, initial);
                }
                Ok(Parsed::Read(mops)) => {
                    all.reads += 1;
                    all.read(&operation, mops, (initial, size), &mut places);
                }
                _ => {}
            }
        }
        all.alien = alien;
        all.drop_spoilt();
        all
    }

    /// The number of the operation that writes `key`, where it is in the history.
    pub fn writer(&self, key: Key) -> Option<usize> {
        self.keys.get(&key).and_then(|written| written.by)
    }

    /// How many keys of the group were written, or seen to be.
    pub fn written(&self, group: &Group) -> usize {
        let written = |key: &&Key| {
            self.keys.get(*key).is_some_and(|it| it.by.is_some() || it.value.is_some())
        };
        group.keys.iter().filter(written).count()
    }

    fn write(&mut self, operation: &Operation<'a>, key: Key, value: &'a Value, initial: &Value) {
        let index = operation.invoked;
        if value == initial {
            let problem = format!("event {index} writes to key {key} what it held before, {value}");
            self.spoil(key, problem);
        }
        let written = self.keys.entry(key).or_default();
        if written.by.replace(operation.number).is_some() {
            self.spoil(key, format!("event {index} writes key {key}, which was written before"));
        }
        self.hold(index, key, value);
    }

    /// Key `key` holds `value` once it is written.
    fn hold(&mut self, index: u64, key: Key, value: &'a Value) {
        let held = *self.keys.entry(key).or_default().value.get_or_insert(value);
        if held != value {
            let problem = format!(
                "key {key} has two values, {held} and, in the operation of event {index}, {value}"
            );
            self.spoil(key, problem);
        }
    }

    fn spoil(&mut self, key: Key, problem: String) {
        self.spoilt.push(key);
        self.illegal.get_or_insert(problem);
    }

    fn read(
        &mut self,
        operation: &Operation<'a>,
        mut mops: Vec<(Key, &'a Value)>,
        (initial, size): (&Value, Option<usize>),
        places: &mut FxHashMap<Vec<Key>, usize>,
    ) {
        let index = operation.invoked;
        mops.sort_by_key(|(key, _)| *key);
        let twice = mops.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0);
        if let Some(key) = twice {
            self.illegal
                .get_or_insert_with(|| format!("the read of event {index} reads key {key} twice"));
            return;
        }
        let wanted = size.unwrap_or(mops.len());
        if mops.len() != wanted || mops.len() > KEYS_MAX {
            let wanted = wanted.min(KEYS_MAX);
            self.illegal.get_or_insert_with(|| {
                format!("the read of event {index} reads {} keys, not {wanted}", mops.len())
            });
            return;
        }
        let mut seen = 0;
        for (place, &(key, value)) in mops.iter().enumerate() {
            if value != initial {
                seen |= 1 << place;
                self.hold(index, key, value);
            }
        }
        let keys: Vec<Key> = mops.into_iter().map(|(key, _)| key).collect();
        let next = self.list.len();
        let place = *places.entry(keys).or_insert_with_key(|keys| {
            self.list.push(Group { keys: keys.clone(), reads: Vec::new() });
            next
        });
        if place == next {
            self.found(place, index);
        }
        self.list[place].reads.push(Read { number: operation.number, seen });
    }

    /// A key may stand in one group only: other reads of it could not be compared.
    fn found(&mut self, place: usize, index: u64) {
        for key in &self.list[place].keys {
            let group = *self.keys.entry(*key).or_default().group.get_or_insert(place);
            if group != place {
                self.illegal.get_or_insert_with(|| {
                    format!(
                        "the read of event {index} reads key {key} with other keys than an earlier one"
                    )
                });
            }
        }
    }

    fn drop_spoilt(&mut self) {
        self.spoilt.sort_unstable();
        let spoilt = &self.spoilt;
        self.list.retain(|group| !group.keys.iter().any(|key| spoilt.binary_search(key).is_ok()));
    }
}

enum Parsed<'a> {
    Read(Vec<(Key, &'a Value)>),
    Write(Key, &'a Value),
    Nothing,
}

fn parse<'a>(operation: &Operation<'a>) -> Result<Parsed<'a>, Alien> {
    let alien = "is neither a transaction of reads nor one of a single write";
    if !matches!(operation.op.f.as_str(), "txn" | "read" | "write") {
        return Err(Alien::asked(operation, alien));
    }
    let asked = mops(&operation.op.value);
    let asked = asked.ok_or_else(|| Alien::asked(operation, alien))?;
    if let [(MopKind::Write, key, value)] = &*asked {
        return Ok(Parsed::Write(*key, value));
    }
    let reads = |mops: &[(MopKind, Key, &Value)]| {
        !mops.is_empty() && mops.iter().all(|(kind, ..)| *kind == MopKind::Read)
    };
    if !reads(&asked) {
        return Err(Alien::asked(operation, alien));
    }
    let Some(reply) = operation.ok() else { return Ok(Parsed::Nothing) };
    match mops(&reply.value) {
        Some(found) if reads(&found) => {
            Ok(Parsed::Read(found.into_iter().map(|(_, key, value)| (key, value)).collect()))
        }
        _ => Err(Alien::answered(operation, "did not return what it read")),
    }
}

/// Micro-operations, as such or as lists of their parts.
fn mops(value: &Value) -> Option<Vec<(MopKind, Key, &Value)>> {
    match value {
        Value::Mops(mops) => Some(mops.iter().map(|mop| (mop.kind, mop.key, &mop.value)).collect()),
        Value::List(list) => list.iter().map(mop).collect(),
        _ => None,
    }
}

fn mop(value: &Value) -> Option<(MopKind, Key, &Value)> {
    let Value::List(parts) = value else { return None };
    let [Value::Text(kind), key, value] = &**parts else { return None };
    let key = match key {
        Value::Text(text) => Key::new(text),
        Value::Int(number) => Key::new(&number.to_string()),
        _ => return None,
    };
    Some((MopKind::named(kind.trim_start_matches(':'))?, key, value))
}
