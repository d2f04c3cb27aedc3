//! A serial order, one transaction at a time.
//!
//! Whoever has all before it placed, and overwrites nothing that is still to be read, may come next;
//! of several the one that is due first. Where that ends in a deadlock, the write that came too early
//! is taken back, and put behind the one that waits for its readers. Nothing here needs to be right,
//! since an order is played back before it counts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::events::{Arc, Events, Successors};
use super::facts::{Facts, Isolation, Model};
use super::verify::explains_serially;
use crate::Budget;
use crate::transactional::Order;
use crate::weak::INIT;

/// Deadlocks after which another procedure may try.
const DEADLOCKS_MAX: usize = 20_000;
/// Writers for one version that are put before it since they were done when it was still read.
const ZONE_MAX: usize = 64;

/// The strongest order that some serial order keeps.
pub(crate) fn place(facts: &Facts<'_>, strongest: Order, budget: &Budget) -> Result<Order, ()> {
    for order in Order::ALL.into_iter().rev().filter(|order| *order <= strongest) {
        let model = Model { isolation: Isolation::Serial, order };
        let events = Events::new(facts, model);
        if let Some(serial) = Placing::new(&events).run(budget)
            && explains_serially(facts, order, &serial)
        {
            return Ok(order);
        }
        if budget.expired() {
            break;
        }
    }
    Err(())
}

/// What was placed, to be taken back.
struct Placed {
    node: u32,
    /// What the keys held that it wrote.
    held: u32,
}

struct Placing<'a> {
    events: &'a Events<'a>,
    successors: Successors,
    /// What was learned: who must come after whom, beyond the successors.
    learned: Vec<Vec<u32>>,
    counts: Vec<u32>,
    placed: Vec<bool>,
    trail: Vec<Placed>,
    /// What the keys held before writes on the trail, in order.
    overwritten: Vec<u32>,
    /// Of each key the version that it holds.
    held: Vec<u32>,
    /// Of each version how many have yet to read it.
    unread: Vec<u32>,
    ready: BinaryHeap<Reverse<(u64, u32)>>,
    /// Those that wait for readers of a version.
    waiting: Vec<Vec<u32>>,
    /// Of each version the place on the trail of who wrote it.
    places: Vec<u32>,
    /// How many were taken back in all.
    undone: usize,
}

impl<'a> Placing<'a> {
    fn new(events: &'a Events<'a>) -> Self {
        let facts = events.facts;
        let mut arcs = zones(events);
        let inferred =
            crate::weak::read_atomic(facts.transactions, events.model.order >= Order::Process);
        arcs.extend(inferred.edges.iter().map(|edge| (*edge as u32, (*edge >> 32) as u32)));
        let successors = Successors::new(events.len(), &[&events.certain, &arcs]);
        let counts = successors.counts();
        let versions = facts.versions_len();
        let keys = facts.transactions.names.len() as u32;
        Self {
            events,
            learned: Vec::new(),
            placed: vec![false; events.len()],
            trail: Vec::with_capacity(events.len()),
            overwritten: Vec::new(),
            held: (0..keys).map(|key| facts.initial(key)).collect(),
            unread: (0..versions as u32).map(|it| facts.readers(it).len() as u32).collect(),
            ready: BinaryHeap::new(),
            waiting: vec![Vec::new(); versions],
            places: vec![u32::MAX; versions],
            successors,
            counts,
            undone: 0,
        }
    }

    fn rank(&self, node: u32) -> u64 {
        let facts = self.events.facts;
        self.events.transaction(node).map_or(0, |it| facts.due[it as usize])
    }

    fn run(mut self, budget: &Budget) -> Option<Vec<u32>> {
        for node in 0..self.events.len() as u32 {
            if self.counts[node as usize] == 0 {
                self.ready.push(Reverse((self.rank(node), node)));
            }
        }
        let mut deadlocks = 0;
        let mut steps = 0_usize;
        while self.trail.len() < self.events.len() {
            steps += 1;
            if steps.is_multiple_of(4096) && budget.expired() {
                return None;
            }
            let Some(Reverse((_, node))) = self.ready.pop() else {
                deadlocks += 1;
                let enough = deadlocks > DEADLOCKS_MAX || self.undone > self.undone_max();
                if enough || !self.resolve() {
                    return None;
                }
                continue;
            };
            match self.blocked(node) {
                Some(version) => self.waiting[version as usize].push(node),
                None => self.put(node),
            }
        }
        let transactions = self.trail.iter().filter_map(|it| self.events.transaction(it.node));
        Some(transactions.collect())
    }

    /// After so many another procedure may try.
    fn undone_max(&self) -> usize {
        1_000_000 + 10 * self.events.len()
    }

    /// A version that somebody has yet to read, and that a node would overwrite.
    fn blocked(&self, node: u32) -> Option<u32> {
        let facts = self.events.facts;
        let it = self.events.transaction(node)?;
        let read = facts.versions_read(it);
        facts.versions_left(it).find_map(|version| {
            let held = self.held[facts.keys[version as usize] as usize];
            let own = u32::from(read.binary_search(&held).is_ok());
            (self.unread[held as usize] > own).then_some(held)
        })
    }

    fn put(&mut self, node: u32) {
        let facts = self.events.facts;
        self.placed[node as usize] = true;
        let held = self.overwritten.len() as u32;
        if let Some(it) = self.events.transaction(node) {
            for &version in facts.versions_read(it) {
                self.unread[version as usize] -= 1;
                if self.unread[version as usize] <= 1 {
                    self.wake(version);
                }
            }
            for version in facts.versions_left(it) {
                let key = facts.keys[version as usize] as usize;
                let before = std::mem::replace(&mut self.held[key], version);
                self.overwritten.push(before);
                self.places[version as usize] = self.trail.len() as u32;
                self.wake(before);
            }
        }
        self.trail.push(Placed { node, held });
        for place in 0..self.successors.of(node).len() {
            self.free(self.successors.of(node)[place]);
        }
        for place in 0..self.learned.get(node as usize).map_or(0, Vec::len) {
            self.free(self.learned[node as usize][place]);
        }
    }

    fn free(&mut self, node: u32) {
        self.counts[node as usize] -= 1;
        if self.counts[node as usize] == 0 {
            self.ready.push(Reverse((self.rank(node), node)));
        }
    }

    fn wake(&mut self, version: u32) {
        for node in std::mem::take(&mut self.waiting[version as usize]) {
            self.ready.push(Reverse((self.rank(node), node)));
        }
    }

    /// Takes back a write that came too early. False if that is not the trouble.
    fn resolve(&mut self) -> bool {
        let facts = self.events.facts;
        // Of all that are blocked the one that is due first.
        let mut waiting: Vec<(u64, u32, u32)> = Vec::new();
        for key in 0..self.held.len() {
            let version = self.held[key];
            let nodes = self.waiting[version as usize].iter();
            waiting.extend(nodes.map(|&node| (self.rank(node), node, version)));
        }
        waiting.sort_unstable();
        let early = waiting.iter().find(|(_, node, version)| {
            let writer = facts.writers[*version as usize];
            writer != INIT && writer != *node && self.places[*version as usize] != u32::MAX
        });
        let Some(&(_, late, version)) = early else { return false };
        let writer = facts.writers[version as usize];
        let until = self.places[version as usize] as usize;
        let mut loose: Vec<u32> = Vec::with_capacity(waiting.len());
        for (_, node, version) in waiting {
            loose.push(node);
            self.waiting[version as usize].clear();
        }
        self.undone += self.trail.len() - until;
        while self.trail.len() > until {
            let Some(Placed { node, held }) = self.trail.pop() else { break };
            self.take_back(node, held as usize);
            loose.push(node);
        }
        if self.learned.is_empty() {
            self.learned = vec![Vec::new(); self.events.len()];
        }
        self.learned[late as usize].push(writer);
        self.counts[writer as usize] += 1;
        for node in loose {
            if self.counts[node as usize] == 0 && !self.placed[node as usize] {
                self.ready.push(Reverse((self.rank(node), node)));
            }
        }
        true
    }

    fn take_back(&mut self, node: u32, held: usize) {
        let facts = self.events.facts;
        self.placed[node as usize] = false;
        for &to in self.successors.of(node) {
            self.counts[to as usize] += 1;
        }
        for &to in self.learned.get(node as usize).map_or(&[][..], Vec::as_slice) {
            self.counts[to as usize] += 1;
        }
        let Some(it) = self.events.transaction(node) else { return };
        for &version in facts.versions_read(it) {
            self.unread[version as usize] += 1;
        }
        for (version, before) in facts.versions_left(it).zip(self.overwritten.drain(held..)) {
            self.held[facts.keys[version as usize] as usize] = before;
            self.places[version as usize] = u32::MAX;
        }
    }
}

/// Who wrote a key, and had completed when an older write was still read, comes before that one.
fn zones(events: &Events<'_>) -> Vec<Arc> {
    let facts = events.facts;
    let mut arcs = Vec::new();
    if events.model.order != Order::Realtime {
        return arcs;
    }
    let mut ends: Vec<(u64, u32)> = Vec::new();
    for key in 0..facts.transactions.names.len() as u32 {
        ends.clear();
        let versions = facts.versions_of(key);
        let writers = versions.iter().map(|it| facts.writers[*it as usize]);
        ends.extend(writers.map(|it| (facts.completed[it as usize], it)));
        ends.sort_unstable();
        for &version in versions {
            let writer = facts.writers[version as usize];
            let readers = facts.readers(version).iter();
            let Some(last) = readers.map(|it| facts.invoked[*it as usize]).max() else { continue };
            let first = ends.partition_point(|(end, _)| *end < facts.invoked[writer as usize]);
            let during = ends[first..].iter().take_while(|(end, _)| *end < last).take(ZONE_MAX);
            arcs.extend(during.filter(|(_, it)| *it != writer).map(|(_, it)| (*it, writer)));
        }
    }
    arcs
}
