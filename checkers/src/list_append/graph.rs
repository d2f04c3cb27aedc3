//! The dependencies between committed transactions.

use schism_history::{Key, MopKind};

use super::transactions::{Fate, NEVER, Transactions, number};
use super::versions::Lists;

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The other appended the element that follows, at this place of this list.
    WriteWrite(Key, u32),
    /// The other read a list that ends with its element, at this place.
    WriteRead(Key, u32),
    /// The other appended the element that follows what it read, at this place.
    ReadWrite(Key, u32),
    /// It had completed before the other was invoked.
    Realtime,
}

impl Edge {
    /// Its name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Edge::WriteWrite(..) => "ww",
            Edge::WriteRead(..) => "wr",
            Edge::ReadWrite(..) => "rw",
            Edge::Realtime => "realtime",
        }
    }

    /// Whether it is an anti-dependency.
    pub fn is_rw(self) -> bool {
        matches!(self, Edge::ReadWrite(..))
    }
}

/// A graph over the places of transactions, as lists of successors.
#[derive(Debug)]
pub(crate) struct Graph {
    offsets: Vec<u32>,
    successors: Vec<(u32, Edge)>,
}

impl Graph {
    /// The data dependencies, and those of real time if asked for.
    pub fn of(transactions: &Transactions<'_>, lists: &Lists<'_>, realtime: bool) -> Self {
        let mut edges: Vec<(u32, u32, Edge)> = Vec::new();
        let committed = observed(transactions, lists);
        for (&key, list) in lists {
            let Some(order) = list.order() else { continue };
            let writer = |place: usize| {
                let element = number(order.get(place)?);
                let writer = transactions.writers.get(&(key, element))?.transaction;
                committed[writer as usize].then_some(writer)
            };
            for place in 1..order.len() {
                if let (Some(from), Some(to)) = (writer(place - 1), writer(place)) {
                    edges.push((from, to, Edge::WriteWrite(key, place as u32)));
                }
            }
            for read in &list.reads {
                let reader = read.transaction;
                let last = read.list.len().checked_sub(1).and_then(writer);
                if let Some(last) = last {
                    edges.push((last, reader, Edge::WriteRead(key, read.list.len() as u32 - 1)));
                }
                // Who read his own element as the last has `ww` edges from there on.
                if last != Some(reader)
                    && let Some(next) = writer(read.list.len())
                {
                    edges.push((reader, next, Edge::ReadWrite(key, read.list.len() as u32)));
                }
            }
        }
        if realtime {
            realtime_edges(transactions, &committed, &mut edges);
        }
        edges.retain(|(from, to, _)| from != to);
        // The sort is stable: edges of data stand before those of time, and are preferred.
        edges.sort_by_key(|(from, _, _)| *from);
        let mut offsets = vec![0; transactions.all.len() + 1];
        for (from, _, _) in &edges {
            offsets[*from as usize + 1] += 1;
        }
        for place in 1..offsets.len() {
            offsets[place] += offsets[place - 1];
        }
        Self { offsets, successors: edges.into_iter().map(|(_, to, edge)| (to, edge)).collect() }
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

/// From the transactions that completed last before each invocation; all earlier ones come before
/// those. So the edges are few: as many as run at once.
fn realtime_edges(
    transactions: &Transactions<'_>,
    committed: &[bool],
    edges: &mut Vec<(u32, u32, Edge)>,
) {
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
    let mut before: rustc_hash::FxHashMap<u32, Vec<u32>> = rustc_hash::FxHashMap::default();
    for (_, place, completes) in events {
        if completes {
            let covered = before.remove(&place).unwrap_or_default();
            frontier.retain(|earlier| !covered.contains(earlier));
            frontier.push(place);
        } else {
            edges.extend(frontier.iter().map(|&earlier| (earlier, place, Edge::Realtime)));
            before.insert(place, frontier.clone());
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
