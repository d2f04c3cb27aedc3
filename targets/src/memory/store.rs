//! Registers, sets and lists behind locks.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use schism_history::{Code, F, Key, Mop, MopKind, Op, Outcome, Reason, Reply, Value};

/// Enough that two clients seldom want the same lock; one bit of a `u64` each.
const SHARDS: usize = 64;

/// A linearizable store: every operation, transactions too, takes effect while it holds the locks
/// of all its keys.
pub(super) struct Store {
    shards: [Mutex<Shard>; SHARDS],
    f: Functions,
}

type Shard = FxHashMap<Key, Object>;

/// What a key holds; the first write decides which it is.
enum Object {
    Register(Value),
    Set { elements: Vec<Value>, members: FxHashSet<Value> },
    List(Vec<Value>),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Register,
    Set,
    List,
}

/// The functions, interned once: comparing them is comparing integers.
struct Functions {
    read: F,
    write: F,
    cas: F,
    add: F,
    read_set: F,
    txn: F,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            f: Functions {
                read: F::new("read"),
                write: F::new("write"),
                cas: F::new("cas"),
                add: F::new("add"),
                read_set: F::new("read-set"),
                txn: F::new("txn"),
            },
        }
    }
}

impl Store {
    /// Does `op`, and says what became of it: never `Info`, since nothing is ever in doubt here.
    pub(super) fn apply(&self, op: &Op) -> Outcome {
        match (op.key, &op.value) {
            (None, Value::Mops(mops)) if op.f == self.f.txn => self.transact(mops),
            (Some(key), _) => self.apply_to(key, op),
            _ => unknown(op),
        }
        .map_or_else(Outcome::Fail, |value| Outcome::Ok(Reply { value, version: None }))
    }

    fn apply_to(&self, key: Key, op: &Op) -> Result<Value, Reason> {
        let mut shard = self.lock(shard_of(key));
        match &op.value {
            Value::Nil if op.f == self.f.read => read(&shard, key, Kind::Register),
            Value::Nil if op.f == self.f.read_set => read(&shard, key, Kind::Set),
            Value::List(pair) if op.f == self.f.cas && pair.len() == 2 => {
                let held = read(&shard, key, Kind::Register)?;
                if held != pair[0] {
                    return Err(Reason::new(Code::Mismatch, format!("found {held:?}")));
                }
                shard.insert(key, Object::Register(pair[1].clone()));
                Ok(op.value.clone())
            }
            value if op.f == self.f.write => {
                fits(shard.get(&key), key, Kind::Register)?;
                shard.insert(key, Object::Register(value.clone()));
                Ok(value.clone())
            }
            element if op.f == self.f.add => {
                fits(shard.get(&key), key, Kind::Set)?;
                let empty = || Object::Set { elements: Vec::new(), members: FxHashSet::default() };
                if let Object::Set { elements, members } = shard.entry(key).or_insert_with(empty)
                    && members.insert(element.clone())
                {
                    elements.push(element.clone());
                }
                Ok(element.clone())
            }
            _ => unknown(op),
        }
    }

    /// Does all of `mops` at one moment, or none of them.
    fn transact(&self, mops: &[Mop]) -> Result<Value, Reason> {
        let mut locked = Locked::new(self, mops);
        for (place, mop) in mops.iter().enumerate() {
            locked.admits(mop, &mops[..place])?;
        }
        let done = |mop: &Mop| Mop { value: locked.does(mop), ..mop.clone() };
        Ok(Value::Mops(mops.iter().map(done).collect()))
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().expect("no code panics while it holds a lock")
    }
}

/// The shards of a transaction's keys, locked in order, so that two transactions never wait for
/// each other.
struct Locked<'a> {
    shards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl<'a> Locked<'a> {
    fn new(store: &'a Store, mops: &[Mop]) -> Self {
        let wanted = mops.iter().fold(0u64, |wanted, mop| wanted | 1 << shard_of(mop.key));
        let shards = (0..SHARDS).filter(|shard| wanted >> shard & 1 == 1);
        Self { shards: shards.map(|shard| (shard, store.lock(shard))).collect() }
    }

    fn shard(&mut self, key: Key) -> &mut Shard {
        let wanted = shard_of(key);
        let locked = self.shards.iter_mut().find(|(shard, _)| *shard == wanted);
        &mut locked.expect("the shards of all keys are locked").1
    }

    /// Whether `mop` fits what its key holds, or what `before` it in the transaction makes of it.
    fn admits(&mut self, mop: &Mop, before: &[Mop]) -> Result<(), Reason> {
        if matches!(mop.kind, MopKind::Send | MopKind::Poll) {
            return Err(Reason::new(Code::Other, "this store holds objects, no logs"));
        }
        let Some(kind) = kind_of(mop) else { return Ok(()) };
        let key = mop.key;
        fits(self.shard(key).get(&key), key, kind)?;
        let earlier = before.iter().filter(|earlier| earlier.key == key).find_map(kind_of);
        match earlier.filter(|earlier| *earlier != kind) {
            Some(earlier) => Err(wrong(key, earlier, kind)),
            None => Ok(()),
        }
    }

    /// Does `mop`, which is admitted, and returns its value.
    fn does(&mut self, mop: &Mop) -> Value {
        let shard = self.shard(mop.key);
        match mop.kind {
            MopKind::Read => shard.get(&mop.key).map_or(Value::Nil, Object::value),
            // Such a transaction was not admitted.
            MopKind::Send | MopKind::Poll => Value::Nil,
            MopKind::Write => {
                shard.insert(mop.key, Object::Register(mop.value.clone()));
                mop.value.clone()
            }
            MopKind::Append => {
                let empty = || Object::List(Vec::new());
                if let Object::List(list) = shard.entry(mop.key).or_insert_with(empty) {
                    list.push(mop.value.clone());
                }
                mop.value.clone()
            }
        }
    }
}

impl Object {
    fn value(&self) -> Value {
        match self {
            Object::Register(value) => value.clone(),
            Object::Set { elements: values, .. } | Object::List(values) => {
                Value::List(values.as_slice().into())
            }
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Object::Register(_) => Kind::Register,
            Object::Set { .. } => Kind::Set,
            Object::List(_) => Kind::List,
        }
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Register => "register",
            Kind::Set => "set",
            Kind::List => "list",
        }
    }
}

/// What `mop` makes of its key; a read takes what there is.
fn kind_of(mop: &Mop) -> Option<Kind> {
    match mop.kind {
        MopKind::Read | MopKind::Send | MopKind::Poll => None,
        MopKind::Write => Some(Kind::Register),
        MopKind::Append => Some(Kind::List),
    }
}

fn read(shard: &Shard, key: Key, kind: Kind) -> Result<Value, Reason> {
    let object = shard.get(&key);
    fits(object, key, kind)?;
    Ok(match object {
        Some(object) => object.value(),
        None if kind == Kind::Set => Value::List([].into()),
        None => Value::Nil,
    })
}

fn fits(object: Option<&Object>, key: Key, kind: Kind) -> Result<(), Reason> {
    match object.map(Object::kind).filter(|held| *held != kind) {
        Some(held) => Err(wrong(key, held, kind)),
        None => Ok(()),
    }
}

fn wrong(key: Key, held: Kind, wanted: Kind) -> Reason {
    Reason::new(Code::Other, format!("{key} is a {}, not a {}", held.word(), wanted.word()))
}

fn unknown(op: &Op) -> Result<Value, Reason> {
    Err(Reason::new(Code::Other, format!("no such operation: {} with {:?}", op.f, op.value)))
}

fn shard_of(key: Key) -> usize {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    // The maps inside use the lowest and the highest bits.
    (hasher.finish() >> 32) as usize % SHARDS
}

#[cfg(test)]
mod tests;
