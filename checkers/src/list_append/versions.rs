//! The order of the versions of each list, as its longest read shows it.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{Key, MopKind, Value};

use super::transactions::{Fate, Transactions, elements, number};

/// A read of one list by a committed transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    /// The transaction's place.
    pub transaction: u32,
    /// The place of the read among its micro-operations.
    pub mop: usize,
    /// What was read.
    pub list: &'a [Value],
}

/// What is known about one list.
#[derive(Debug, Default)]
pub(crate) struct List<'a> {
    /// Every read of it by a committed transaction, in order of invocation.
    pub reads: Vec<Read<'a>>,
    /// The longest read: the order of its versions, if the reads agree.
    pub longest: Option<Read<'a>>,
    /// A read that is no prefix of the longest.
    pub incompatible: Option<Read<'a>>,
    /// A read that holds an element twice, and the element.
    pub duplicate: Option<(Read<'a>, i64)>,
}

impl<'a> List<'a> {
    /// The order of the versions; `None` where reads contradict each other or themselves.
    pub fn order(&self) -> Option<&'a [Value]> {
        if self.incompatible.is_some() || self.duplicate.is_some() {
            return None;
        }
        self.longest.map(|read| read.list)
    }
}

/// The lists of a history, in order of their keys.
pub(crate) type Lists<'a> = BTreeMap<Key, List<'a>>;

/// Collects the reads of every list and compares them.
pub(crate) fn lists<'a>(transactions: &Transactions<'a>) -> Lists<'a> {
    let mut lists: FxHashMap<Key, List<'a>> = FxHashMap::default();
    for (place, transaction) in transactions.all.iter().enumerate() {
        if transaction.fate != Fate::Committed {
            continue;
        }
        let mops: &'a [schism_history::Mop] = transaction.mops;
        for (mop, read) in mops.iter().enumerate().filter(|(_, mop)| mop.kind == MopKind::Read) {
            let Some(list) = elements(&read.value) else { continue };
            let read_here = Read { transaction: place as u32, mop, list };
            lists.entry(read.key).or_default().reads.push(read_here);
        }
    }
    for list in lists.values_mut() {
        let longest = list.reads.iter().copied().reduce(|longest, read| {
            if read.list.len() > longest.list.len() { read } else { longest }
        });
        list.longest = longest;
        let Some(longest) = longest else { continue };
        list.incompatible =
            list.reads.iter().copied().find(|read| !longest.list.starts_with(read.list));
        list.duplicate = duplicate(longest).or_else(|| {
            list.incompatible.and_then(|_| list.reads.iter().copied().find_map(duplicate))
        });
        // The shortest read that shows a duplicate, and the first of them, tells it best.
        if let Some((_, element)) = list.duplicate {
            let twice = |read: &Read<'_>| {
                read.list.iter().filter(|other| number(other) == element).count() > 1
            };
            let first = list.reads.iter().copied().find(twice);
            list.duplicate = first.map(|read| (read, element));
        }
    }
    lists.into_iter().collect()
}

fn duplicate(read: Read<'_>) -> Option<(Read<'_>, i64)> {
    let mut seen = FxHashSet::default();
    let twice = read.list.iter().map(number).find(|element| !seen.insert(*element))?;
    Some((read, twice))
}
