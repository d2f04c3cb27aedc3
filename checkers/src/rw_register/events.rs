//! The graph of events: when transactions take their view of the state, and when they commit.
//!
//! For snapshot isolation a transaction has two events, its start and its commit; otherwise both are
//! one. A dependency leads from a commit to a start, an anti-dependency (`rw`) from a start to a
//! commit: so circles of events are exactly the forbidden ones (Cerone and Gotsman 2018).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::facts::{Facts, Isolation, Model};
use crate::transactional::{NEVER, Order};
use crate::weak::INIT;

/// A pair of nodes: the first is before the second.
pub(crate) type Arc = (u32, u32);

/// Of two versions of one key the older one, and the newer one.
pub(crate) type Older = (u32, u32);

/// The events of a model, with what is certain of their order.
#[derive(Debug)]
pub(crate) struct Events<'a> {
    /// The facts.
    pub facts: &'a Facts<'a>,
    /// The model.
    pub model: Model,
    /// What is certain from the start.
    pub certain: Vec<Arc>,
    nodes: usize,
}

impl<'a> Events<'a> {
    /// Sessions or real time, as far as the model keeps them, what was read from whom, and that
    /// initial versions are the oldest.
    pub fn new(facts: &'a Facts<'a>, model: Model) -> Self {
        let length = facts.transactions.len();
        let nodes = if model.isolation == Isolation::Snapshot { 2 * length } else { length };
        let mut events = Self { facts, model, certain: Vec::new(), nodes };
        let all = 0..length as u32;
        if model.isolation == Isolation::Snapshot {
            events.certain.extend(all.clone().map(|it| (2 * it, 2 * it + 1)));
        }
        if model.order >= Order::Process {
            for it in all.clone() {
                if let Some(before) = facts.transactions.before(it) {
                    events.certain.push((events.commit(before), events.start(it)));
                }
            }
        }
        if model.order == Order::Realtime {
            events.add_real_time();
        }
        for version in 0..facts.transactions.writes_len() as u32 {
            let commit = events.commit(facts.writers[version as usize]);
            for &reader in facts.readers(version) {
                events.certain.push((commit, events.start(reader)));
            }
        }
        if model.isolation != Isolation::View {
            for key in 0..facts.transactions.names.len() as u32 {
                events.add_initial(key);
            }
        }
        events
    }

    /// The node at which a transaction takes its view.
    pub fn start(&self, transaction: u32) -> u32 {
        if self.model.isolation == Isolation::Snapshot { 2 * transaction } else { transaction }
    }

    /// The node at which a transaction commits.
    pub fn commit(&self, transaction: u32) -> u32 {
        if self.model.isolation == Isolation::Snapshot { 2 * transaction + 1 } else { transaction }
    }

    /// The transaction of a node, unless it is auxiliary.
    pub fn transaction(&self, node: u32) -> Option<u32> {
        let it = if self.model.isolation == Isolation::Snapshot { node / 2 } else { node };
        ((it as usize) < self.facts.transactions.len()).then_some(it)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes
    }

    fn auxiliary(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes as u32 - 1
    }

    /// A chain of moments, one for each run of completions between which nothing is invoked.
    fn add_real_time(&mut self) {
        let length = self.facts.transactions.len() as u32;
        let ends = (0..length).map(|it| (self.facts.completed[it as usize], true, it));
        let begins = (0..length).map(|it| (self.facts.invoked[it as usize], false, it));
        let mut moments: Vec<(u64, bool, u32)> =
            ends.filter(|end| end.0 != NEVER).chain(begins).collect();
        moments.sort_unstable();
        let (mut moment, mut open) = (None, false);
        for (_, completes, it) in moments {
            if completes {
                if !open {
                    let next = self.auxiliary();
                    if let Some(before) = moment {
                        self.certain.push((before, next));
                    }
                    (moment, open) = (Some(next), true);
                }
                if let Some(moment) = moment {
                    self.certain.push((self.commit(it), moment));
                }
            } else {
                open = false;
                if let Some(moment) = moment {
                    self.certain.push((moment, self.start(it)));
                }
            }
        }
    }

    /// Who read the initial version of a key comes before all who write it.
    fn add_initial(&mut self, key: u32) {
        let facts = self.facts;
        let (readers, versions) = (facts.readers(facts.initial(key)), facts.versions_of(key));
        if readers.is_empty() || versions.is_empty() {
            return;
        }
        let reads = |writer: u32| readers.binary_search(&writer).is_ok();
        let all = self.auxiliary();
        for &reader in readers {
            self.certain.push((self.start(reader), all));
        }
        for &version in versions {
            let writer = facts.writers[version as usize];
            if !reads(writer) {
                self.certain.push((all, self.commit(writer)));
                continue;
            }
            // It is no reason against itself.
            for &reader in readers.iter().filter(|reader| **reader != writer) {
                self.certain.push((self.start(reader), self.commit(writer)));
            }
        }
    }

    /// What follows from one version being older than another.
    pub fn add_older(&self, (older, newer): Older, arcs: &mut Vec<Arc>) {
        let facts = self.facts;
        let (before, after) = (facts.writers[older as usize], facts.writers[newer as usize]);
        if before == INIT || after == INIT {
            return;
        }
        arcs.push((self.commit(before), self.start(after)));
        if self.model.isolation == Isolation::View {
            return;
        }
        for &reader in facts.readers(older) {
            if reader != after {
                arcs.push((self.start(reader), self.commit(after)));
            }
        }
    }
}

/// Events with their successors.
#[derive(Debug)]
pub(crate) struct Successors {
    offsets: Vec<u32>,
    nodes: Vec<u32>,
}

impl Successors {
    /// Of some arcs between so many nodes.
    pub fn new(length: usize, arcs: &[&[Arc]]) -> Self {
        let mut offsets = vec![0; length + 1];
        for (from, _) in arcs.iter().copied().flatten() {
            offsets[*from as usize + 1] += 1;
        }
        for place in 0..length {
            offsets[place + 1] += offsets[place];
        }
        let mut next = offsets.clone();
        let mut nodes = vec![0; offsets[length] as usize];
        for (from, to) in arcs.iter().copied().flatten() {
            let place = &mut next[*from as usize];
            nodes[*place as usize] = *to;
            *place += 1;
        }
        Self { offsets, nodes }
    }

    /// Of one node.
    pub fn of(&self, node: u32) -> &[u32] {
        &self.nodes[self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize]
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Of each node how many arcs lead to it.
    pub fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.len()];
        for to in &self.nodes {
            counts[*to as usize] += 1;
        }
        counts
    }

    /// An order of the nodes that keeps all arcs, the least rank first where there is a choice;
    /// nothing if there is a circle.
    pub fn order(&self, rank: impl Fn(u32) -> u64) -> Option<Vec<u32>> {
        let mut counts = self.counts();
        let free = (0..self.len() as u32).filter(|node| counts[*node as usize] == 0);
        let mut ready: BinaryHeap<Reverse<(u64, u32)>> =
            free.map(|node| Reverse((rank(node), node))).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse((_, node))) = ready.pop() {
            order.push(node);
            for &to in self.of(node) {
                counts[to as usize] -= 1;
                if counts[to as usize] == 0 {
                    ready.push(Reverse((rank(to), to)));
                }
            }
        }
        (order.len() == self.len()).then_some(order)
    }
}
