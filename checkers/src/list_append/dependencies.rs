//! The dependencies between transactions that lists show.

use rayon::prelude::*;

use super::lists::{List, Lists};
use super::transactions::{Fate, Touch, Transactions};
use crate::Budget;
use crate::transactional::{Edge, EdgeKind, Edges, Graph, Order, process_edges, realtime_edges};

/// A graph of dependencies, and whether every one found its place.
#[derive(Debug)]
pub(crate) struct Dependencies {
    /// The graph.
    pub graph: Graph,
    /// Whether nothing is missing.
    pub whole: bool,
}

/// So many lists are looked at before their edges are put together.
const LISTS_AT_ONCE: usize = 4096;

/// The dependencies of data, and those of time as far as asked for.
pub(crate) fn dependencies(
    transactions: &Transactions<'_>,
    lists: &Lists<'_>,
    more: &[Edge],
    orders: &[Order],
    budget: &Budget,
) -> Dependencies {
    let mut edges = Edges::within(transactions.all.len(), budget);
    // Some lists at a time, so that not everything is held twice.
    for some in lists.all.chunks(LISTS_AT_ONCE) {
        if budget.expired() || !edges.whole() {
            break;
        }
        let look = |list| List::dependencies(list, transactions, &lists.happened);
        let found: Vec<Found> = some.par_iter().map(look).collect();
        for found in found {
            edges.extend(&found.edges);
            for Fan { from, to, kind } in found.fans {
                edges.fan(&from, &to, kind);
            }
        }
    }
    edges.extend(more);
    let lifetimes = || {
        let both = transactions.all.iter().zip(&lists.happened);
        both.map(|(one, happened)| one.lifetime(*happened))
    };
    if orders.contains(&Order::Process) {
        process_edges(lifetimes(), &mut edges);
    }
    if orders.contains(&Order::Realtime) {
        realtime_edges(lifetimes(), &mut edges);
    }
    let whole = edges.whole() && !budget.expired();
    Dependencies { graph: Graph::new(edges), whole }
}

/// Each of some transactions comes before each of others.
struct Fan {
    from: Vec<u32>,
    to: Vec<u32>,
    kind: EdgeKind,
}

/// The dependencies that one list shows.
#[derive(Default)]
struct Found {
    edges: Vec<Edge>,
    fans: Vec<Fan>,
}

impl List<'_> {
    /// What takes part in the order of versions: the elements of what took effect, with their places.
    ///
    /// What was aborted, or nobody appended, has no place among the versions: the order of the others
    /// goes on over it. (Reads of such an element break `read-committed` by themselves.)
    pub fn versions<'s>(&'s self, happened: &'s [bool]) -> impl Iterator<Item = (usize, u32)> + 's {
        let writer = |place: usize| Some((place, self.writer(place)?));
        (0..self.writers.len()).filter_map(writer).filter(|(_, it)| happened[*it as usize])
    }

    /// The transaction that took effect and appended the element at this place.
    pub fn effective_writer(&self, place: usize, happened: &[bool]) -> Option<u32> {
        self.writer(place).filter(|writer| happened[*writer as usize])
    }

    /// The appends of transactions that took effect that no read shows, one of each transaction.
    ///
    /// In a serial order each of them comes after whatever reads and makes the longest version that
    /// was read: had it come before, that version would hold its element.
    pub fn unseen(&self, happened: &[bool]) -> Vec<Touch> {
        let mut shown = vec![false; self.appends.len()];
        for append in &self.writers {
            if let Some(shown) = shown.get_mut(*append as usize) {
                *shown = true;
            }
        }
        let hidden = self.appends.iter().zip(shown).filter(|(_, shown)| !shown);
        let mut unseen: Vec<Touch> = hidden.map(|(append, _)| append.touch).collect();
        unseen.retain(|touch| happened[touch.transaction as usize]);
        unseen.dedup_by_key(|touch| touch.transaction);
        unseen
    }

    fn dependencies(&self, transactions: &Transactions<'_>, happened: &[bool]) -> Found {
        let mut found = Found::default();
        if !self.ordered() {
            return found;
        }
        let edges = &mut found.edges;
        let mut before: Option<u32> = None;
        for (_, writer) in self.versions(happened) {
            if let Some(before) = before {
                edges.push((before, writer, EdgeKind::WriteWrite));
            }
            before = Some(writer);
        }
        let unseen = self.unseen(happened);
        let unseen: Vec<u32> = unseen.into_iter().map(|touch| touch.transaction).collect();
        // An indeterminate transaction of which something was read elsewhere may have been aborted
        // after that where dirty reads are allowed, and never have appended here.
        let kind = |place: u32| match transactions.at(place).fate {
            Fate::Committed => EdgeKind::WriteWrite,
            _ => EdgeKind::PresumedWrite,
        };
        if let Some(last) = before {
            edges.extend(unseen.iter().map(|to| (last, *to, kind(*to))));
        }
        let mut last_readers = Vec::new();
        for read in &self.reads {
            let (reader, length) = (read.transaction, transactions.list(*read).len());
            let last = length.checked_sub(1).and_then(|it| self.effective_writer(it, happened));
            if let Some(last) = last {
                edges.push((last, reader, EdgeKind::WriteRead));
            }
            // Who read his own element as the last has `ww` edges from there on.
            let own = last == Some(reader);
            if !own && let Some(next) = self.effective_writer(length, happened) {
                edges.push((reader, next, EdgeKind::ReadWrite));
            }
            if length == self.writers.len() && !own {
                last_readers.push(reader);
            }
        }
        edges.retain(|(from, to, _)| from != to);
        last_readers.dedup();
        if !unseen.is_empty() && !last_readers.is_empty() {
            found.fans.push(Fan { from: last_readers, to: unseen, kind: EdgeKind::ReadWrite });
        }
        found
    }
}
