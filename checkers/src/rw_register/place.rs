//! A serial order, one transaction at a time.
//!
//! Whoever has all before it placed, and overwrites nothing that is still to be read, may come next;
//! of several the one that is due first. Where that ends in a deadlock, the write that came too early
//! is taken back, and put behind the one that waits for its readers. Nothing here needs to be right,
//! since an order is played back before it counts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::events::{Arc, Events, Successors};
use super::facts::{Facts, Isolation, Model};
use super::verify::explains_serially;
use crate::Budget;
use crate::transactional::Order;
use crate::weak::INIT;

/// Deadlocks after which another procedure may try.
const DEADLOCKS_MAX: usize = 20_000;
/// The same as long as nothing was inferred.
const DEADLOCKS_FIRST: usize = 1_000;
/// Nodes that are looked at to find what one of them waits for.
const SEEN_MAX: usize = 100_000;
/// Writers for one version that are put before it since they were done when it was still read.
const ZONE_MAX: usize = 64;

/// The strongest order that some serial order keeps.
pub(crate) fn place(facts: &Facts<'_>, strongest: Order, budget: &Budget) -> Result<Order, ()> {
    for order in Order::ALL.into_iter().rev().filter(|order| *order <= strongest) {
        let model = Model { isolation: Isolation::Serial, order };
        let events = Events::new(facts, model);
        if place_all(&events, &[], DEADLOCKS_FIRST, budget) {
            return Ok(order);
        }
        if budget.expired() {
            break;
        }
    }
    Err(())
}

/// Whether a serial order was found, with what was inferred of the order of events.
pub(crate) fn place_inferred(events: &Events<'_>, inferred: &[Arc], budget: &Budget) -> bool {
    place_all(events, inferred, DEADLOCKS_MAX, budget)
}

fn place_all(events: &Events<'_>, inferred: &[Arc], deadlocks: usize, budget: &Budget) -> bool {
    let serial = Placing::new(events, inferred).run(deadlocks, budget);
    serial.is_some_and(|serial| explains_serially(events.facts, events.model.order, &serial))
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
    predecessors: Successors,
    /// What was learned: pairs of which the first must come before the second.
    learned: FxHashMap<u32, Vec<u32>>,
    /// The same from the second to the first.
    learned_before: FxHashMap<u32, Vec<u32>>,
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
    fn new(events: &'a Events<'a>, inferred: &[Arc]) -> Self {
        let facts = events.facts;
        let mut arcs = zones(events);
        arcs.extend_from_slice(inferred);
        let sessions = events.model.order >= Order::Process;
        let seen = crate::weak::read_atomic(facts.transactions, sessions);
        arcs.extend(seen.edges.iter().map(|edge| (*edge as u32, (*edge >> 32) as u32)));
        let successors = Successors::new(events.len(), &[&events.certain, &arcs]);
        let counts = successors.counts();
        let versions = facts.versions_len();
        let keys = facts.transactions.names.len() as u32;
        Self {
            events,
            learned: FxHashMap::default(),
            learned_before: FxHashMap::default(),
            predecessors: successors.reversed(),
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

    fn run(mut self, deadlocks_max: usize, budget: &Budget) -> Option<Vec<u32>> {
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
                let enough = deadlocks > deadlocks_max || self.undone > self.undone_max();
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
        for to in self.learned.get(&node).cloned().unwrap_or_default() {
            self.free(to);
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
        let Some((late, version)) = self.too_early() else { return false };
        let writer = self.events.facts.writers[version as usize];
        let until = self.places[version as usize] as usize;
        let mut loose: Vec<u32> = Vec::new();
        for key in 0..self.held.len() {
            loose.append(&mut self.waiting[self.held[key] as usize]);
        }
        self.undone += self.trail.len() - until;
        while self.trail.len() > until {
            let Some(Placed { node, held }) = self.trail.pop() else { break };
            self.take_back(node, held as usize);
            loose.push(node);
        }
        self.learned.entry(late).or_default().push(writer);
        self.learned_before.entry(writer).or_default().push(late);
        self.counts[writer as usize] += 1;
        for node in loose {
            if self.counts[node as usize] == 0 && !self.placed[node as usize] {
                self.ready.push(Reverse((self.rank(node), node)));
            }
        }
        true
    }

    /// A node that waits for readers of a version, and that version, which must be newer than what
    /// the node writes: its readers wait for the node. If they wait for others that wait in the same
    /// way, and those for the node, then one of them is in that case, and nobody knows which: the one
    /// of which it is most likely.
    fn too_early(&self) -> Option<(u32, u32)> {
        let facts = self.events.facts;
        let mut blocked: Vec<(u64, u32, u32)> = Vec::new();
        for &version in &self.held {
            let nodes = self.waiting[version as usize].iter();
            blocked.extend(nodes.map(|&node| (self.rank(node), node, version)));
        }
        blocked.sort_unstable();
        let of: FxHashMap<u32, u32> =
            blocked.iter().map(|(_, node, version)| (*node, *version)).collect();
        let likely = |node: u32| {
            let version = *of.get(&node)?;
            let writer = facts.writers[version as usize];
            let may = writer != INIT && self.places[version as usize] != u32::MAX;
            may.then(|| (self.rank(node) as i64 - self.rank(writer) as i64, node, version))
        };
        // From each that waits on to those that its readers wait for, until one comes again.
        let mut seen: FxHashMap<u32, usize> = FxHashMap::default();
        for &(_, first, _) in &blocked {
            let mut way: Vec<u32> = Vec::new();
            let mut node = first;
            while let Some(&version) = of.get(&node) {
                if let Some(&place) = seen.get(&node) {
                    let circle = way.get(place..).unwrap_or_default();
                    if let Some((_, late, version)) =
                        circle.iter().filter_map(|node| likely(*node)).min()
                    {
                        return Some((late, version));
                    }
                    break;
                }
                seen.insert(node, way.len());
                way.push(node);
                let Some(next) = self.waits_for(node, version, &of) else { break };
                node = next;
            }
        }
        None
    }

    /// A blocked node that the readers of a version wait for, at best `node` itself.
    fn waits_for(&self, node: u32, version: u32, blocked: &FxHashMap<u32, u32>) -> Option<u32> {
        let events = self.events;
        let readers = events.facts.readers(version).iter();
        let mut stack: Vec<u32> =
            readers.copied().filter(|it| !self.placed[*it as usize] && *it != node).collect();
        let mut seen: FxHashSet<u32> = stack.iter().copied().collect();
        let mut found = None;
        while let Some(at) = stack.pop() {
            if at == node {
                return Some(node);
            }
            if blocked.contains_key(&at) {
                found = found.or(Some(at));
            }
            if seen.len() > SEEN_MAX {
                break;
            }
            let learned = self.learned_before.get(&at).map_or(&[][..], Vec::as_slice);
            for &before in self.predecessors.of(at).iter().chain(learned) {
                if !self.placed[before as usize] && seen.insert(before) {
                    stack.push(before);
                }
            }
        }
        found
    }

    fn take_back(&mut self, node: u32, held: usize) {
        let facts = self.events.facts;
        self.placed[node as usize] = false;
        for &to in self.successors.of(node) {
            self.counts[to as usize] += 1;
        }
        for &to in self.learned.get(&node).map_or(&[][..], Vec::as_slice) {
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
