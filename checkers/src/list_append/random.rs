//! Small random histories of stores of several strengths, some of which lie.

use schism_history::{
    Code, Event, F, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reason, Reply, Time,
    Value,
};

use crate::transactional::random::Random;

/// What a store guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// Transactions take effect at one instant.
    Serial,
    /// They read a snapshot; of two that write one list at a time the second may fail.
    Snapshot,
    /// Each read is of some earlier version.
    Stale,
    /// Micro-operations take effect one by one.
    Uncommitted,
}

/// What a history holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The store.
    pub store: Store,
    /// How many transactions.
    pub transactions: usize,
    /// How many lists.
    pub keys: usize,
    /// How many clients at a time.
    pub clients: usize,
    /// One answer in so many is falsified.
    pub lies: usize,
}

type Lists = Vec<Vec<Value>>;

enum Client {
    Idle,
    Sent(Vec<Mop>),
    Begun { asked: Vec<Mop>, snapshot: Lists, answered: Vec<Mop> },
    Done(Outcome),
}

/// A history.
pub(super) fn history(random: &mut Random, shape: Shape) -> History {
    let keys: Vec<Key> = (0..shape.keys).map(|key| Key::new(&format!("k{key}"))).collect();
    let mut lists: Lists = vec![Vec::new(); shape.keys];
    let mut next = vec![0i64; shape.keys];
    let mut clients: Vec<(u32, Client)> =
        (0..shape.clients as u32).map(|process| (process, Client::Idle)).collect();
    let mut events: Vec<Event> = Vec::new();
    let (mut begun, mut ended) = (0, 0);
    while ended < shape.transactions {
        let place = random.below(shape.clients);
        let (process, client) = &mut clients[place];
        let index = events.len() as u64;
        let mut record = |process, kind| {
            events.push(Event { index, time: Time(index), process: Process(process), kind });
        };
        *client = match std::mem::replace(client, Client::Idle) {
            Client::Idle if begun == shape.transactions => Client::Idle,
            Client::Idle => {
                begun += 1;
                let asked = invent(random, &keys, &mut next);
                let value = Value::Mops(asked.clone().into());
                let op = Op { f: F::new("txn"), key: None, value };
                record(*process, Kind::Invoke { op, due: None, node: None });
                Client::Sent(asked)
            }
            Client::Sent(asked) => {
                Client::Begun { asked, snapshot: lists.clone(), answered: Vec::new() }
            }
            Client::Begun { asked, snapshot, answered } => {
                go_on(random, shape, &keys, &mut lists, asked, snapshot, answered)
            }
            Client::Done(outcome) => {
                ended += 1;
                let retired = matches!(outcome, Outcome::Info(_));
                record(*process, Kind::Complete(outcome));
                *process += if retired { shape.clients as u32 } else { 0 };
                Client::Idle
            }
        };
    }
    History::from_events(events).expect("the simulation makes histories")
}

fn invent(random: &mut Random, keys: &[Key], next: &mut [i64]) -> Vec<Mop> {
    let count = 1 + [0, 1, 1, 2, 2][random.below(5)];
    let mop = |_| {
        let number = random.below(keys.len());
        let key = keys[number];
        if random.below(2) == 0 {
            return Mop { kind: MopKind::Read, key, value: Value::Nil };
        }
        next[number] += 1;
        Mop { kind: MopKind::Append, key, value: Value::Int(next[number]) }
    };
    (0..count).map(mop).collect()
}

/// The next step of a transaction.
fn go_on(
    random: &mut Random,
    shape: Shape,
    keys: &[Key],
    lists: &mut Lists,
    asked: Vec<Mop>,
    mut snapshot: Lists,
    mut answered: Vec<Mop>,
) -> Client {
    let number = |key: Key| keys.iter().position(|other| *other == key).unwrap_or(0);
    let list = |elements: &[Value]| Value::List(elements.into());
    let fail = || Outcome::Fail(Reason::new(Code::Other, "refused"));
    match shape.store {
        Store::Uncommitted => {
            let mut mop = asked[answered.len()].clone();
            match mop.kind {
                MopKind::Append => lists[number(mop.key)].push(mop.value.clone()),
                _ => mop.value = list(&lists[number(mop.key)]),
            }
            answered.push(mop);
            if answered.len() < asked.len() {
                return Client::Begun { asked, snapshot, answered };
            }
        }
        Store::Snapshot => {
            let changed = |mop: &Mop| {
                let number = number(mop.key);
                mop.kind == MopKind::Append && lists[number].len() != snapshot[number].len()
            };
            if asked.iter().any(changed) && !random.one_in(4) {
                return Client::Done(fail());
            }
            answered = apply(&asked, &mut snapshot, number);
            apply(&asked, lists, number);
        }
        Store::Serial => answered = apply(&asked, lists, number),
        Store::Stale => {
            answered = apply(&asked, lists, number);
            let older = answered.iter_mut().filter(|mop| mop.kind == MopKind::Read);
            for mop in older {
                if let Value::List(elements) = &mop.value
                    && random.one_in(3)
                {
                    mop.value = list(&elements[..random.below(elements.len() + 1)]);
                }
            }
        }
    }
    if random.one_in(9) {
        return Client::Done(Outcome::Info(Reason::new(Code::Timeout, "no answer")));
    }
    if shape.lies > 0 && random.one_in(shape.lies) {
        let longer = answered
            .iter_mut()
            .find(|mop| mop.kind == MopKind::Read && mop.value != Value::List([].into()));
        let Some(Mop { value: Value::List(elements), .. }) = longer else {
            return Client::Done(fail());
        };
        *elements = elements[..elements.len() - 1].into();
    }
    let value = Value::Mops(answered.into());
    Client::Done(Outcome::Ok(Reply { value, version: None }))
}

/// Lets a transaction take effect, and says what it reads.
fn apply(asked: &[Mop], lists: &mut Lists, number: impl Fn(Key) -> usize) -> Vec<Mop> {
    let mut answered = asked.to_vec();
    for mop in &mut answered {
        let list = &mut lists[number(mop.key)];
        match mop.kind {
            MopKind::Append => list.push(mop.value.clone()),
            _ => mop.value = Value::List(list.as_slice().into()),
        }
    }
    answered
}
