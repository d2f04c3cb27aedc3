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
        MopKind::Read => None,
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use schism_history::History;

    use super::*;

    /// Runs a history's invocations one after another; the replies must be those of the history.
    fn check(text: &str) {
        let store = Store::default();
        let history = History::from_text(text).expect("the test's text is a history");
        for operation in history.operations() {
            match (store.apply(operation.op), operation.outcome.expect("all complete")) {
                (Outcome::Fail(found), Outcome::Fail(wanted)) => {
                    assert_eq!(found.code, wanted.code, "{found}");
                }
                (found, wanted) => assert_eq!(&found, wanted),
            }
        }
    }

    #[test]
    fn keeps_registers() {
        check(
            "p0 invoke read x
             p0 ok _
             p0 invoke cas x [1 2]
             p0 fail mismatch
             p0 invoke write x 1
             p0 ok
             p0 invoke cas x [1 2]
             p0 ok
             p0 invoke cas x [1 3]
             p0 fail mismatch
             p0 invoke read x
             p0 ok 2",
        );
    }

    #[test]
    fn keeps_sets_without_duplicates() {
        check(
            "p0 invoke read-set s
             p0 ok []
             p0 invoke add s 1
             p0 ok
             p0 invoke add s 2
             p0 ok
             p0 invoke add s 1
             p0 ok
             p0 invoke read-set s
             p0 ok [1 2]",
        );
    }

    #[test]
    fn does_transactions_as_wholes() {
        check(
            "p0 invoke txn [r x _, append x 1, r x _, append y 2]
             p0 ok [r x _, append x 1, r x [1], append y 2]
             p0 invoke txn [r y _, w z 7, r z _]
             p0 ok [r y [2], w z 7, r z 7]
             p0 invoke txn [append y 3, append z 1]
             p0 fail other
             p0 invoke txn [append new 3, w new 1]
             p0 fail other
             p0 invoke txn [r y _, r new _]
             p0 ok [r y [2], r new _]",
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        check(
            "p0 invoke write x 1
             p0 ok
             p0 invoke add x 1
             p0 fail other
             p0 invoke read-set x
             p0 fail other
             p0 invoke steal x
             p0 fail other
             p0 invoke cas x 3
             p0 fail other
             p0 invoke read x
             p0 ok 1",
        );
    }

    proptest! {
        #[test]
        fn answers_as_a_plain_map_does(
            steps in proptest::collection::vec((0..4u8, 0..3u8, 0..3i64, 0..3i64), 1..60),
        ) {
            let store = Store::default();
            let mut registers: BTreeMap<u8, i64> = BTreeMap::new();
            let mut lists: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
            let held = |held: Option<&i64>| held.map_or(Value::Nil, |&value| Value::Int(value));
            for (what, key, one, other) in steps {
                let register = format!("register-{key}");
                let list = Key::new(&format!("list-{key}"));
                let on = |f, value| Op::new(f, Some(&register), value);
                let ok = |value| Outcome::Ok(Reply { value, version: None });
                match what {
                    0 => {
                        let found = store.apply(&on("read", Value::Nil));
                        prop_assert_eq!(found, ok(held(registers.get(&key))));
                    }
                    1 => {
                        registers.insert(key, one);
                        let found = store.apply(&on("write", Value::Int(one)));
                        prop_assert_eq!(found, ok(Value::Int(one)));
                    }
                    2 => {
                        let pair = Value::List([Value::Int(one), Value::Int(other)].into());
                        let found = store.apply(&on("cas", pair.clone()));
                        if registers.get(&key) == Some(&one) {
                            registers.insert(key, other);
                            prop_assert_eq!(found, ok(pair));
                        } else {
                            prop_assert!(matches!(found, Outcome::Fail(_)));
                        }
                    }
                    _ => {
                        let mop = |kind, value| Mop { kind, key: list, value };
                        let txn = |value| {
                            let append = mop(MopKind::Append, Value::Int(one));
                            Value::Mops([append, mop(MopKind::Read, value)].into())
                        };
                        lists.entry(key).or_default().push(one);
                        let whole = lists[&key].iter().map(|&element| Value::Int(element)).collect();
                        let found = store.apply(&Op::new("txn", None, txn(Value::Nil)));
                        prop_assert_eq!(found, ok(txn(Value::List(whole))));
                    }
                }
            }
        }
    }

    #[test]
    fn loses_no_swap_among_threads() {
        const EACH: i64 = 2000;
        let store = Store::default();
        store.apply(&Op::new("write", Some("x"), Value::Int(0)));
        let read = || match store.apply(&Op::new("read", Some("x"), Value::Nil)) {
            Outcome::Ok(Reply { value: Value::Int(number), .. }) => number,
            other => panic!("{other:?}"),
        };
        let increment = || {
            let held = read();
            let pair = Value::List([Value::Int(held), Value::Int(held + 1)].into());
            matches!(store.apply(&Op::new("cas", Some("x"), pair)), Outcome::Ok(_))
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..EACH).for_each(|_| while !increment() {}));
            }
        });
        assert_eq!(read(), 4 * EACH);
    }

    #[test]
    fn shows_transactions_in_one_order_on_all_keys() {
        let store = Store::default();
        let mop = |kind, key: &str, value| Mop { kind, key: Key::new(key), value };
        let transact =
            |mops: Vec<Mop>| store.apply(&Op::new("txn", None, Value::Mops(mops.into())));
        std::thread::scope(|scope| {
            for thread in 0..4i64 {
                scope.spawn(move || {
                    for number in 0..500 {
                        // The keys come in another order in every other transaction.
                        let mut keys = ["a", "b", "c"];
                        keys.rotate_left((number % 3) as usize);
                        let value = Value::Int(thread * 1000 + number);
                        transact(keys.map(|key| mop(MopKind::Append, key, value.clone())).into());
                    }
                });
            }
        });
        let reads = ["a", "b", "c"].map(|key| mop(MopKind::Read, key, Value::Nil));
        let Outcome::Ok(Reply { value: Value::Mops(mops), .. }) = transact(reads.into()) else {
            panic!("a read of lists is ok")
        };
        assert!(matches!(&mops[0].value, Value::List(list) if list.len() == 2000));
        assert!(mops.iter().all(|mop| mop.value == mops[0].value));
    }
}
