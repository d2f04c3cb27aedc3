//! The dependencies between committed transactions.

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{Key, MopKind, Value};

use super::transactions::{Fate, NEVER, Transactions, number};
use super::versions::{List, Lists};
use crate::Budget;

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The other appended the element that follows, at this place of this list; between the two
    /// stands at most what was aborted.
    WriteWrite(Key, u32),
    /// The other appended this element, which no read of the list shows; its own element is the last
    /// that the longest read does.
    WriteUnseen(Key, i64),
    /// The other read a list that ends with its element, at this place.
    WriteRead(Key, u32),
    /// The other appended the element that follows what it read, at this place.
    ReadWrite(Key, u32),
    /// The other appended this element, which no read of the list shows; it read the longest version
    /// that was read.
    ReadUnseen(Key, i64),
    /// It had completed before the other was invoked.
    Realtime,
}

impl Edge {
    /// Its name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Edge::WriteWrite(..) | Edge::WriteUnseen(..) => "ww",
            Edge::WriteRead(..) => "wr",
            Edge::ReadWrite(..) | Edge::ReadUnseen(..) => "rw",
            Edge::Realtime => "realtime",
        }
    }

    /// Whether it is a dependency between writes.
    pub fn is_ww(self) -> bool {
        matches!(self, Edge::WriteWrite(..) | Edge::WriteUnseen(..))
    }

    /// Whether it is an anti-dependency.
    pub fn is_rw(self) -> bool {
        matches!(self, Edge::ReadWrite(..) | Edge::ReadUnseen(..))
    }

    /// The list that shows it; `None` for an edge of real time.
    pub fn key(self) -> Option<Key> {
        match self {
            Edge::WriteWrite(key, _) | Edge::WriteRead(key, _) | Edge::ReadWrite(key, _) => {
                Some(key)
            }
            Edge::WriteUnseen(key, _) | Edge::ReadUnseen(key, _) => Some(key),
            Edge::Realtime => None,
        }
    }
}

/// A graph over the places of transactions, as lists of successors.
#[derive(Debug)]
pub(crate) struct Graph {
    offsets: Vec<u32>,
    successors: Vec<(u32, Edge)>,
    /// Whether every edge found its place in the memory of the budget. Circles of a graph that is
    /// not whole are circles all the same; only their absence says nothing.
    pub whole: bool,
}

impl Graph {
    /// The data dependencies, and those of real time if asked for.
    pub fn of(
        transactions: &Transactions<'_>,
        lists: &Lists<'_>,
        realtime: bool,
        budget: &Budget,
    ) -> Self {
        let committed = observed(transactions, lists);
        let mut edges = Edges::within(budget);
        let unseen = unseen(transactions, lists, &committed);
        for (&key, list) in lists {
            let Some(order) = list.order() else { continue };
            let known =
                Known { key, list, order, unseen: unseen.get(&key).map_or(&[], Vec::as_slice) };
            data_edges(transactions, &committed, &known, &mut edges);
        }
        if realtime {
            realtime_edges(transactions, &committed, &mut edges);
        }
        let Edges { found: mut edges, whole, .. } = edges;
        // The sort is stable: edges of data stand before those of time, and are preferred.
        edges.sort_by_key(|(from, _, _)| *from);
        let mut offsets = vec![0; transactions.all.len() + 1];
        for (from, _, _) in &edges {
            offsets[*from as usize + 1] += 1;
        }
        for place in 1..offsets.len() {
            offsets[place] += offsets[place - 1];
        }
        let successors = edges.into_iter().map(|(_, to, edge)| (to, edge)).collect();
        Self { offsets, successors, whole }
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The successors of a transaction.
    pub fn successors(&self, place: u32) -> &[(u32, Edge)] {
        let place = place as usize;
        &self.successors[self.offsets[place] as usize..self.offsets[place + 1] as usize]
    }
}

/// Which transactions took effect: those that were told so, and those of which something was read.
fn observed(transactions: &Transactions<'_>, lists: &Lists<'_>) -> Vec<bool> {
    let mut committed: Vec<bool> =
        transactions.all.iter().map(|one| one.fate == Fate::Committed).collect();
    for (&key, list) in lists {
        for read in list.longest.iter().chain(&list.incompatible) {
            for element in read.list.iter().map(number) {
                let Some(writer) = transactions.writers.get(&(key, element)) else { continue };
                let writer = writer.transaction;
                // What aborted has no place among the committed: reading it is G1a.
                committed[writer as usize] |= transactions.at(writer).fate != Fate::Aborted;
            }
        }
    }
    committed
}

/// The committed transactions that appended what no read of the list shows, each with one such
/// element, for every list that was read.
///
/// In a serial order each of them comes after whatever reads and makes the longest version that was
/// read: had it come before, that version would hold its element.
fn unseen(
    transactions: &Transactions<'_>,
    lists: &Lists<'_>,
    committed: &[bool],
) -> FxHashMap<Key, Vec<(u32, i64)>> {
    let shown: FxHashSet<(Key, i64)> = lists
        .iter()
        .flat_map(|(key, list)| {
            list.order().unwrap_or_default().iter().map(|one| (*key, number(one)))
        })
        .collect();
    let mut unseen: FxHashMap<Key, Vec<(u32, i64)>> = FxHashMap::default();
    for (place, transaction) in (0u32..).zip(&transactions.all) {
        let appends = transaction.mops.iter().filter(|mop| mop.kind == MopKind::Append);
        for mop in appends.filter(|_| committed[place as usize]) {
            let element = number(&mop.value);
            let list = unseen.entry(mop.key).or_default();
            if !shown.contains(&(mop.key, element))
                && list.last().is_none_or(|(last, _)| *last != place)
            {
                list.push((place, element));
            }
        }
    }
    unseen
}

/// What is known about one list.
struct Known<'a> {
    key: Key,
    list: &'a List<'a>,
    order: &'a [Value],
    unseen: &'a [(u32, i64)],
}

/// The dependencies that one list shows.
fn data_edges(
    transactions: &Transactions<'_>,
    committed: &[bool],
    known: &Known<'_>,
    edges: &mut Edges,
) {
    let &Known { key, list, order, unseen } = known;
    let writer = |place: usize| {
        let element = number(order.get(place)?);
        let writer = transactions.writers.get(&(key, element))?.transaction;
        committed[writer as usize].then_some(writer)
    };
    // What was aborted, or nobody appended, has no place among the versions: the order of the others
    // goes on over it. (Reads of such an element break `read-committed` by themselves.)
    let mut before: Option<u32> = None;
    for (place, writer) in (0..order.len()).filter_map(|place| Some((place, writer(place)?))) {
        if let Some(before) = before {
            edges.push(before, writer, Edge::WriteWrite(key, place as u32));
        }
        before = Some(writer);
    }
    let certain = |place: u32| transactions.at(place).fate == Fate::Committed;
    if let Some(last) = before {
        // An indeterminate transaction of which something was read elsewhere may have been aborted
        // after that where dirty reads are allowed, and never have appended here.
        for &(place, element) in unseen.iter().filter(|(place, _)| certain(*place)) {
            edges.push(last, place, Edge::WriteUnseen(key, element));
        }
    }
    for read in &list.reads {
        let reader = read.transaction;
        let last = read.list.len().checked_sub(1).and_then(writer);
        if let Some(last) = last {
            edges.push(last, reader, Edge::WriteRead(key, read.list.len() as u32 - 1));
        }
        // Who read his own element as the last has `ww` edges from there on.
        let own = last == Some(reader);
        if !own && let Some(next) = writer(read.list.len()) {
            edges.push(reader, next, Edge::ReadWrite(key, read.list.len() as u32));
        }
        if read.list.len() == order.len() {
            for &(place, element) in unseen.iter().filter(|(place, _)| !own || !certain(*place)) {
                edges.push(reader, place, Edge::ReadUnseen(key, element));
            }
        }
    }
}

/// Edges, as many as the memory of the budget holds.
struct Edges {
    found: Vec<(u32, u32, Edge)>,
    most: usize,
    whole: bool,
}

impl Edges {
    /// Sorting and sorting out hold each edge two and a half times.
    fn within(budget: &Budget) -> Self {
        let most = budget.memory_bytes / (size_of::<(u32, u32, Edge)>() * 5 / 2);
        // The offsets of the graph are counted with 32 bits.
        Self { found: Vec::new(), most: most.min(u32::MAX as usize), whole: true }
    }

    /// Keeps an edge; what a transaction is to itself is none.
    fn push(&mut self, from: u32, to: u32, edge: Edge) {
        if from == to {
            return;
        }
        self.whole &= self.found.len() < self.most;
        if self.whole {
            self.found.push((from, to, edge));
        }
    }
}

/// From the transactions that completed last before each invocation; all earlier ones come before
/// those. So the edges are few: as many as run at once.
fn realtime_edges(transactions: &Transactions<'_>, committed: &[bool], edges: &mut Edges) {
    let mut events: Vec<(u64, u32, bool)> = Vec::new();
    for (place, transaction) in
        transactions.all.iter().enumerate().filter(|(place, _)| committed[*place])
    {
        events.push((transaction.invoked, place as u32, false));
        if transaction.completed != NEVER {
            events.push((transaction.completed, place as u32, true));
        }
    }
    events.sort_unstable();
    let mut frontier: Vec<u32> = Vec::new();
    for (_, place, completes) in events {
        if completes {
            // What had completed before this one was invoked comes before whatever follows it.
            let invoked = transactions.at(place).invoked;
            frontier.retain(|&earlier| transactions.at(earlier).completed > invoked);
            frontier.push(place);
        } else {
            for &earlier in &frontier {
                edges.push(earlier, place, Edge::Realtime);
            }
        }
        if !edges.whole {
            return;
        }
    }
}

/// Whether any committed transaction read an element.
pub(crate) fn anything_read(lists: &Lists<'_>) -> bool {
    lists.values().any(|list| list.longest.is_some_and(|read| !read.list.is_empty()))
}

/// How many reads by committed transactions there were.
pub(crate) fn reads(transactions: &Transactions<'_>) -> usize {
    let committed = transactions.all.iter().filter(|one| one.fate == Fate::Committed);
    committed.flat_map(|one| one.mops).filter(|mop| mop.kind == MopKind::Read).count()
}
