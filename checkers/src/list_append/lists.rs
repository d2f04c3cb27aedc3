//! What was appended to each list and read of it, and the order of its versions.

use std::cmp::Ordering;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{Key, MopKind, Value};

use super::anomalies::{Contradiction, contradictions};
use super::transactions::{Fate, Touch, Transactions, is_element};
use crate::Budget;

/// An append that was tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Append {
    /// Which it is.
    pub touch: Touch,
    /// Whether it is the last of its transaction to this list.
    pub last: bool,
}

/// What is known about one list.
#[derive(Debug)]
pub(crate) struct List<'a> {
    /// Its key.
    pub key: Key,
    /// Every append, in order of invocation.
    pub appends: Vec<Append>,
    /// Every read of it by a committed transaction, in order of invocation.
    pub reads: Vec<Touch>,
    /// The first of the longest reads: the order of its versions, if the reads agree.
    pub longest: Option<Touch>,
    /// A read that is no prefix of the longest.
    pub incompatible: Option<Touch>,
    /// A read that holds an element twice, and the element.
    pub duplicate: Option<(Touch, &'a Value)>,
    /// An element that was appended more than once: nothing can be told.
    pub repeated: Option<&'a Value>,
    /// Whether somebody read what can be no element.
    pub alien: bool,
    /// For each element of the longest read, the number of its append; `NOBODY` if there is none.
    pub writers: Vec<u32>,
    /// What is wrong with it by itself.
    pub contradictions: Vec<Contradiction>,
}

/// The number of no append.
pub(crate) const NOBODY: u32 = u32::MAX;

impl<'a> List<'a> {
    /// The order of the versions; `None` where reads contradict each other or themselves.
    pub fn order(&self, transactions: &Transactions<'a>) -> Option<&'a [Value]> {
        self.ordered().then(|| self.longest.map(|read| transactions.list(read)))?
    }

    /// Whether the order of the versions is known.
    pub fn ordered(&self) -> bool {
        self.longest.is_some()
            && self.incompatible.is_none()
            && self.duplicate.is_none()
            && self.repeated.is_none()
    }

    /// The place of the transaction that appended the element at a place of the order.
    pub fn writer(&self, place: usize) -> Option<u32> {
        let append = self.appends.get(*self.writers.get(place)? as usize)?;
        Some(append.touch.transaction)
    }
}

/// The lists of a history, in order of their first use.
#[derive(Debug)]
pub(crate) struct Lists<'a> {
    /// Each of them.
    pub all: Vec<List<'a>>,
    /// The place of each key among them.
    numbers: FxHashMap<Key, u32>,
    /// Which transactions took effect: those that were told so, and those of which something was
    /// read.
    pub happened: Vec<bool>,
    /// How many committed transactions read a list that held something, or to which something was
    /// appended: only those could have shown a violation.
    pub evidence: usize,
    /// Whether all of them were looked at before the time ended.
    pub whole: bool,
}

impl<'a> Lists<'a> {
    /// Collects what was done to every list, and compares the reads.
    pub fn of(transactions: &Transactions<'a>, budget: &Budget) -> Self {
        let Touched { numbers, keys, offsets, touches } = by_key(transactions);
        let look = |number: usize| {
            let own = &touches[offsets[number] as usize..offsets[number + 1] as usize];
            (!budget.expired()).then(|| list(transactions, keys[number], own))
        };
        let looked: Vec<Option<List<'a>>> = (0..keys.len()).into_par_iter().map(look).collect();
        let whole = looked.iter().all(Option::is_some);
        let all: Vec<List<'a>> = looked.into_iter().flatten().collect();
        let committed = |one: &super::transactions::Transaction<'_>| one.fate == Fate::Committed;
        let mut happened: Vec<bool> = transactions.all.iter().map(committed).collect();
        let mut evident = vec![false; happened.len()];
        for list in &all {
            for place in shown(transactions, list) {
                // What aborted has no place among the committed: reading it is G1a.
                happened[place as usize] |= transactions.at(place).fate != Fate::Aborted;
            }
            let tried = |it: &Append| transactions.at(it.touch.transaction).fate != Fate::Aborted;
            let read = list.longest.is_some_and(|read| !transactions.list(read).is_empty());
            if read || list.appends.iter().any(tried) {
                list.reads.iter().for_each(|read| evident[read.transaction as usize] = true);
            }
        }
        let evidence = evident.into_iter().filter(|it| *it).count();
        Self { all, numbers, happened, evidence, whole }
    }

    /// The list of a key.
    pub fn get(&self, key: Key) -> Option<&List<'a>> {
        self.all.get(*self.numbers.get(&key)? as usize).filter(|list| list.key == key)
    }
}

/// The transactions whose elements some read of a list shows.
fn shown(transactions: &Transactions<'_>, list: &List<'_>) -> Vec<u32> {
    if list.repeated.is_some() {
        return Vec::new();
    }
    let mut shown: Vec<u32> =
        (0..list.writers.len()).filter_map(|place| list.writer(place)).collect();
    if let Some(other) = list.incompatible {
        let element =
            |it: &&Append| transactions.list(other).contains(&transactions.mop(it.touch).value);
        shown.extend(list.appends.iter().filter(element).map(|it| it.touch.transaction));
    }
    shown
}

/// What was done to each key.
struct Touched {
    numbers: FxHashMap<Key, u32>,
    keys: Vec<Key>,
    offsets: Vec<u32>,
    touches: Vec<Touch>,
}

/// The keys in order of their first use, and what was done to each: by a count and a second pass.
fn by_key(transactions: &Transactions<'_>) -> Touched {
    let mut numbers: FxHashMap<Key, u32> = FxHashMap::default();
    let (mut keys, mut next) = (Vec::new(), Vec::new());
    let mut number_of: Vec<u32> = Vec::new();
    for mop in transactions.all.iter().flat_map(|one| one.mops) {
        let number = *numbers.entry(mop.key).or_insert_with(|| {
            keys.push(mop.key);
            next.push(0u32);
            keys.len() as u32 - 1
        });
        next[number as usize] += 1;
        number_of.push(number);
    }
    let mut offsets = vec![0u32];
    let mut total = 0;
    for next in &mut next {
        total += std::mem::replace(next, total);
        offsets.push(total);
    }
    let mut touches = vec![Touch { transaction: 0, mop: 0 }; number_of.len()];
    let mut number = number_of.into_iter();
    for (transaction, one) in (0u32..).zip(&transactions.all) {
        for (mop, number) in (0..one.mops.len() as u32).zip(&mut number) {
            let place = &mut next[number as usize];
            touches[*place as usize] = Touch { transaction, mop };
            *place += 1;
        }
    }
    Touched { numbers, keys, offsets, touches }
}

/// An element, to be looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Element<'a> {
    Int(i64),
    Text(&'a str),
    Bool(bool),
    Other,
}

impl<'a> Element<'a> {
    /// The element that a value is.
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::Int(number) => Element::Int(*number),
            Value::Text(text) => Element::Text(text),
            Value::Bool(truth) => Element::Bool(*truth),
            _ => Element::Other,
        }
    }
}

/// Who appended each element of one list.
pub(crate) type Writers<'a> = FxHashMap<Element<'a>, u32>;

fn list<'a>(transactions: &Transactions<'a>, key: Key, touches: &[Touch]) -> List<'a> {
    let mut list = List {
        key,
        appends: Vec::new(),
        reads: Vec::new(),
        longest: None,
        incompatible: None,
        duplicate: None,
        repeated: None,
        alien: false,
        writers: Vec::new(),
        contradictions: Vec::new(),
    };
    let mut by_element: Writers<'a> = FxHashMap::default();
    for &touch in touches {
        let mop = transactions.mop(touch);
        if mop.kind == MopKind::Append {
            if let Some(before) = list.appends.last_mut() {
                before.last = before.touch.transaction != touch.transaction;
            }
            let number = list.appends.len() as u32;
            if by_element.insert(Element::of(&mop.value), number).is_some() {
                list.repeated.get_or_insert(&mop.value);
            }
            list.appends.push(Append { touch, last: true });
        } else if transactions.at(touch.transaction).fate == Fate::Committed {
            list.reads.push(touch);
        }
    }
    compare(transactions, &mut list);
    if let Some(longest) = list.longest {
        let writer = |element| by_element.get(&Element::of(element)).copied().unwrap_or(NOBODY);
        list.writers = transactions.list(longest).iter().map(writer).collect();
    }
    list.contradictions = contradictions(transactions, &list, touches, &by_element);
    list
}

/// Compares the reads of a list with each other.
fn compare<'a>(transactions: &Transactions<'a>, list: &mut List<'a>) {
    let longer = |longest: Touch, read: Touch| match transactions
        .list(read)
        .len()
        .cmp(&transactions.list(longest).len())
    {
        Ordering::Greater => read,
        _ => longest,
    };
    list.longest = list.reads.iter().copied().reduce(longer);
    let Some(longest) = list.longest else { return };
    let order = transactions.list(longest);
    list.alien = !order.iter().all(is_element);
    for &read in &list.reads {
        let other = transactions.list(read);
        if !order.starts_with(other) {
            list.incompatible.get_or_insert(read);
            list.alien |= !other.iter().all(is_element);
        }
    }
    let mut duplicate = duplicate_in(order);
    if list.incompatible.is_some() && duplicate.is_none() {
        duplicate = list.reads.iter().find_map(|read| duplicate_in(transactions.list(*read)));
    }
    // The first read that shows a duplicate tells it.
    if let Some(element) = duplicate {
        let twice = |read: &&Touch| {
            transactions.list(**read).iter().filter(|other| *other == element).count() > 1
        };
        list.duplicate = list.reads.iter().find(twice).map(|read| (*read, element));
    }
}

/// The first element that stands in a list twice.
fn duplicate_in(list: &[Value]) -> Option<&Value> {
    // Elements that rise, as they often do, are different.
    let rises = |pair: &[Value]| matches!(pair, [Value::Int(a), Value::Int(b)] if a < b);
    if list.windows(2).all(rises) {
        return None;
    }
    let mut seen = FxHashSet::default();
    list.iter().find(|element| !seen.insert(Element::of(element)))
}
