//! Circles of dependencies: whether there are any of a class, and the shortest of them.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};

use super::components::components;
use super::graph::{Edge, Graph};
use crate::Budget;

/// Starting points from which the shortest circle of a component is looked for.
const STARTS_MAX: usize = 200;

/// Which circles are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Of `ww` edges alone.
    Writes,
    /// Without `rw` edges.
    WritesAndReads,
    /// Without two adjacent `rw` edges.
    NoAdjacent,
    /// All.
    Any,
}

impl Class {
    fn takes(self, edge: Edge) -> bool {
        match self {
            Class::Writes => edge.is_ww(),
            Class::WritesAndReads => !edge.is_rw(),
            Class::NoAdjacent | Class::Any => true,
        }
    }
}

/// A circle: each transaction with the edge that leads to the next.
pub(crate) type Cycle = Vec<(u32, Edge)>;

/// One short circle of each component, at most `most`; empty if there is none at all.
pub(crate) fn cycles(graph: &Graph, class: Class, most: usize, budget: &Budget) -> Vec<Cycle> {
    // A node of the product is a transaction and whether the way to it ended with an `rw` edge;
    // only where that matters are there two of each.
    let layers = if class == Class::NoAdjacent { 2 } else { 1 };
    let step = |node: u32, place: usize| {
        let (transaction, came_by_rw) = (node / layers, node % layers == 1);
        let (to, edge) = *graph.successors(transaction).get(place)?;
        let allowed = class.takes(edge) && !(came_by_rw && edge.is_rw());
        let layer = u32::from(layers == 2 && edge.is_rw());
        Some(allowed.then_some(to * layers + layer))
    };
    let found = components(graph.len() * layers as usize, step);
    let mut cycles = Vec::new();
    for component in found.into_iter().take(most) {
        cycles.extend(shortest(graph, layers, &component, step, budget));
    }
    cycles
}

/// A shortest circle through some of the component's nodes.
fn shortest(
    graph: &Graph,
    layers: u32,
    component: &[u32],
    step: impl Fn(u32, usize) -> Option<Option<u32>>,
    budget: &Budget,
) -> Option<Cycle> {
    let members: FxHashSet<u32> = component.iter().copied().collect();
    let mut best: Option<Cycle> = None;
    for (number, &start) in component.iter().take(STARTS_MAX).enumerate() {
        // The first start gives a proof; the others only make it shorter.
        if number > 0 && budget.expired() {
            break;
        }
        let limit = best.as_ref().map_or(usize::MAX, Vec::len);
        if let Some(cycle) = through(graph, layers, start, &members, &step, limit) {
            best = Some(cycle);
        }
        if best.as_ref().is_some_and(|cycle| cycle.len() == 2) {
            break;
        }
    }
    best
}

/// The shortest circle through `start` that is shorter than `limit`, by breadth-first search.
fn through(
    graph: &Graph,
    layers: u32,
    start: u32,
    members: &FxHashSet<u32>,
    step: &impl Fn(u32, usize) -> Option<Option<u32>>,
    limit: usize,
) -> Option<Cycle> {
    let mut came: FxHashMap<u32, (u32, usize)> = FxHashMap::default();
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some((node, length)) = queue.pop_front() {
        if length + 1 >= limit {
            return None;
        }
        for place in 0.. {
            let Some(to) = step(node, place) else { break };
            let Some(to) = to.filter(|to| members.contains(to)) else { continue };
            if to == start {
                return Some(walk(graph, layers, start, node, place, &came));
            }
            if let Entry::Vacant(entry) = came.entry(to) {
                entry.insert((node, place));
                queue.push_back((to, length + 1));
            }
        }
    }
    None
}

fn walk(
    graph: &Graph,
    layers: u32,
    start: u32,
    last: u32,
    place: usize,
    came: &FxHashMap<u32, (u32, usize)>,
) -> Cycle {
    let edge = |node: u32, place: usize| {
        let transaction = node / layers;
        (transaction, graph.successors(transaction)[place].1)
    };
    let mut cycle = vec![edge(last, place)];
    let mut node = last;
    while node != start {
        let (from, place) = came[&node];
        cycle.push(edge(from, place));
        node = from;
    }
    cycle.reverse();
    cycle
}

/// The name of a circle, from its edges.
pub(crate) fn name(cycle: &Cycle) -> String {
    let rw = cycle.iter().filter(|(_, edge)| edge.is_rw()).count();
    let adjacent = (0..cycle.len())
        .any(|place| cycle[place].1.is_rw() && cycle[(place + 1) % cycle.len()].1.is_rw());
    let only_ww = cycle.iter().all(|(_, edge)| edge.is_ww() || *edge == Edge::Realtime);
    let class = match rw {
        0 if only_ww => "G0",
        0 => "G1c",
        1 => "G-single-item",
        _ if !adjacent => "G-nonadjacent-item",
        _ => "G2-item",
    };
    let realtime = cycle.iter().any(|(_, edge)| *edge == Edge::Realtime);
    format!("{class}{}", if realtime { "-realtime" } else { "" })
}
