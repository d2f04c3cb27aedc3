//! Which `rw` edges close a circle of dependencies: reachability for many pairs at once.
//!
//! The dependencies have no circle of their own when this is asked, so that they have a topological
//! order. An edge from a to b closes a circle if b reaches a; that takes b to stand before a, which
//! rules out most. The others are answered 256 at a time by one sweep over the part of the order
//! between the first b and the last a: O(k·e / 256) in the worst case for k such edges.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::graph::{EdgeKind, Masked, View};
use crate::Budget;

/// So many edges are answered in one sweep.
const LANES: usize = 256;
type Bits = [u64; LANES / 64];

/// What is known about the `rw` edges of a graph.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    /// Some that close a circle, as (from, to); empty if none does.
    pub edges: Vec<(u32, u32)>,
    /// Whether the time was enough.
    pub whole: bool,
}

/// The `rw` edges that close a circle of `dependencies`, which have none of their own; of the first
/// sweep that finds any.
pub(crate) fn closing(dependencies: &Masked<'_>, budget: &Budget) -> Closing {
    let graph = dependencies.graph;
    let order = topological(dependencies);
    let mut place = vec![u32::MAX; graph.len()];
    for (number, node) in (0u32..).zip(&order) {
        place[*node as usize] = number;
    }
    let mut asked: Vec<(u32, u32)> = Vec::new();
    for from in 0..graph.transactions() {
        for (to, kind) in graph.successors(from) {
            let (to, from) = (place[to as usize], place[from as usize]);
            if kind == EdgeKind::ReadWrite && to < from && from != u32::MAX {
                asked.push((to, from));
            }
        }
    }
    asked.sort_unstable();
    let mut sweep = Sweep { dependencies, order: &order, place: &place, bits: Vec::new() };
    let mut begin = 0;
    while begin < asked.len() {
        if budget.expired() {
            return Closing { edges: Vec::new(), whole: false };
        }
        let block = block(&asked[begin..]);
        let found = sweep.answer(block);
        if !found.is_empty() {
            return Closing { edges: found, whole: true };
        }
        begin += block.len();
    }
    Closing { edges: Vec::new(), whole: true }
}

/// As many pairs as have no more different beginnings than there are lanes.
fn block(asked: &[(u32, u32)]) -> &[(u32, u32)] {
    let mut lanes = 0;
    let mut last = None;
    for (number, (begin, _)) in asked.iter().enumerate() {
        if last != Some(*begin) {
            if lanes == LANES {
                return &asked[..number];
            }
            lanes += 1;
            last = Some(*begin);
        }
    }
    asked
}

struct Sweep<'a> {
    dependencies: &'a Masked<'a>,
    order: &'a [u32],
    place: &'a [u32],
    bits: Vec<Bits>,
}

impl Sweep<'_> {
    /// Those pairs of places of which the first reaches the second, as edges back.
    fn answer(&mut self, pairs: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let Some(&(first, _)) = pairs.first() else { return Vec::new() };
        let last = pairs.iter().map(|(_, end)| *end).max().unwrap_or(first);
        self.bits.clear();
        self.bits.resize((last - first + 1) as usize, [0; LANES / 64]);
        let mut lanes: Vec<usize> = Vec::with_capacity(pairs.len());
        for (number, (begin, _)) in pairs.iter().enumerate() {
            let lane = match number.checked_sub(1) {
                None => 0,
                Some(before) => lanes[before] + usize::from(pairs[before].0 != *begin),
            };
            lanes.push(lane);
            self.bits[(begin - first) as usize][lane / 64] |= 1 << (lane % 64);
        }
        for number in first..=last {
            let bits = self.bits[(number - first) as usize];
            if bits == [0; LANES / 64] {
                continue;
            }
            let node = self.order[number as usize];
            for edge in self.dependencies.edges(node) {
                let Some(to) = self.dependencies.follow(node, edge) else { continue };
                let to = self.place[to as usize];
                if to <= last {
                    let reached = &mut self.bits[(to - first) as usize];
                    for (word, more) in reached.iter_mut().zip(bits) {
                        *word |= more;
                    }
                }
            }
        }
        let reaches = |(number, (_, end)): &(usize, &(u32, u32))| {
            let lane = lanes[*number];
            self.bits[(*end - first) as usize][lane / 64] >> (lane % 64) & 1 == 1
        };
        let found = pairs.iter().enumerate().filter(reaches);
        found
            .map(|(_, (to, from))| (self.order[*from as usize], self.order[*to as usize]))
            .collect()
    }
}

/// The nodes in an order that all edges keep, earliest first where there is a choice: so edges are
/// short. Nodes on circles are left out.
pub(crate) fn topological(view: &Masked<'_>) -> Vec<u32> {
    let mut before = vec![0u32; view.len()];
    let successors = |node: u32| view.edges(node).filter_map(move |edge| view.follow(node, edge));
    for node in 0..view.len() as u32 {
        for to in successors(node) {
            before[to as usize] += 1;
        }
    }
    // What is auxiliary goes on at once.
    let rank = |node: u32| if node < view.graph.transactions() { node + 1 } else { 0 };
    let free = (0..view.len() as u32).filter(|node| before[*node as usize] == 0);
    let mut ready: BinaryHeap<Reverse<(u32, u32)>> =
        free.map(|node| Reverse((rank(node), node))).collect();
    let mut order = Vec::with_capacity(view.len());
    while let Some(Reverse((_, node))) = ready.pop() {
        order.push(node);
        for to in successors(node) {
            before[to as usize] -= 1;
            if before[to as usize] == 0 {
                ready.push(Reverse((rank(to), to)));
            }
        }
    }
    order
}
