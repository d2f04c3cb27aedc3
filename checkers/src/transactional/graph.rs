//! Graphs of dependencies between transactions, as compressed lists of successors.

use rustc_hash::FxHashMap;

use crate::Budget;

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum EdgeKind {
    /// `ww`: the other installs a later version of what it wrote.
    WriteWrite,
    /// `wr`: the other reads its version.
    WriteRead,
    /// `rw`: it read a version that the other overwrites.
    ReadWrite,
    /// `process`: it came before the other in one session.
    Process,
    /// `realtime`: it had completed before the other was invoked.
    Realtime,
    /// `ww`, presumed: as `WriteWrite`, if the other, which is indeterminate, took effect as a whole
    /// because a part of it was read. Where dirty reads are allowed that proves nothing, so that a
    /// circle with such an edge is a G1c at least.
    PresumedWrite,
    /// Out of an auxiliary node: goes on with the edge that led there.
    Through,
}

impl EdgeKind {
    /// Its name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::WriteWrite | EdgeKind::PresumedWrite => "ww",
            EdgeKind::WriteRead => "wr",
            EdgeKind::ReadWrite => "rw",
            EdgeKind::Process => "process",
            EdgeKind::Realtime => "realtime",
            EdgeKind::Through => "through",
        }
    }

    fn of(number: u32) -> Self {
        match number {
            0 => EdgeKind::WriteWrite,
            1 => EdgeKind::WriteRead,
            2 => EdgeKind::ReadWrite,
            3 => EdgeKind::Process,
            4 => EdgeKind::Realtime,
            5 => EdgeKind::PresumedWrite,
            _ => EdgeKind::Through,
        }
    }
}

/// A set of kinds of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u32);

impl Kinds {
    /// These kinds, and those out of auxiliary nodes.
    pub fn of(kinds: &[EdgeKind]) -> Self {
        let through = 1 << EdgeKind::Through as u32;
        Self(kinds.iter().fold(through, |all, kind| all | 1 << *kind as u32))
    }

    /// Whether a kind is among them.
    pub fn contain(self, kind: EdgeKind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }
}

/// An edge between two nodes.
pub(crate) type Edge = (u32, u32, EdgeKind);

/// Edges as they are found, as many as the memory of the budget holds.
///
/// Nodes below the number of transactions are transactions, by their places; the others are
/// auxiliary and spare edges: of many before many, each before the auxiliary node, and that before
/// each. An edge into an auxiliary node has its own kind, every edge out of one is `Through`, and
/// a path through auxiliary nodes stands for one edge of the kind that led in.
#[derive(Debug)]
pub(crate) struct Edges {
    found: Vec<Edge>,
    transactions: u32,
    nodes: u32,
    most: usize,
    whole: bool,
}

impl Edges {
    /// No edges yet, between `transactions` transactions.
    pub fn within(transactions: usize, budget: &Budget) -> Self {
        // A vector that grows holds each edge up to three times for a moment; the graph made of it
        // holds it once more in a third of the room.
        let most = budget.memory_bytes / (3 * size_of::<Edge>() + size_of::<u32>());
        let whole = transactions <= NODES_MAX as usize;
        let transactions = u32::try_from(transactions).map_or(NODES_MAX, |it| it.min(NODES_MAX));
        // Offsets have 32 bits.
        let most = most.min(u32::MAX as usize);
        Self { found: Vec::new(), transactions, nodes: transactions, most, whole }
    }

    /// Keeps an edge; what a transaction is to itself is none.
    pub fn push(&mut self, from: u32, to: u32, kind: EdgeKind) {
        if from == to {
            return;
        }
        self.whole &= self.found.len() < self.most && from < self.nodes && to < self.nodes;
        if self.whole {
            self.found.push((from, to, kind));
        }
    }

    /// Keeps edges that were found elsewhere.
    pub fn extend(&mut self, edges: &[Edge]) {
        self.found.reserve(edges.len().min(self.most.saturating_sub(self.found.len())));
        for &(from, to, kind) in edges {
            self.push(from, to, kind);
        }
    }

    /// A new auxiliary node.
    pub fn auxiliary(&mut self) -> u32 {
        let node = self.nodes;
        self.whole &= node < NODES_MAX;
        self.nodes += u32::from(self.whole);
        node
    }

    /// Each of some transactions comes before each of others, but for itself: where there are many,
    /// by way of auxiliary nodes. `to` holds each once.
    pub fn fan(&mut self, from: &[u32], to: &[u32], kind: EdgeKind) {
        const FEW: usize = 64;
        if from.len().saturating_mul(to.len()) <= FEW.max(4 * (from.len() + to.len())) {
            for from in from {
                for to in to {
                    self.push(*from, *to, kind);
                }
            }
            return;
        }
        // One chain from the front and one from the back, which meet at the one that is left out.
        let up = self.chain(to.iter().rev());
        let down = self.chain(to.iter());
        let place: FxHashMap<u32, usize> = to.iter().copied().zip(0..).collect();
        for &from in from {
            match place.get(&from) {
                None => self.push(from, up[to.len() - 1], kind),
                Some(&place) => {
                    if let Some(after) = (to.len() - 1 - place).checked_sub(1) {
                        self.push(from, up[after], kind);
                    }
                    if let Some(before) = place.checked_sub(1) {
                        self.push(from, down[before], kind);
                    }
                }
            }
        }
    }

    /// A chain of auxiliary nodes, each of which leads to those before it and to one of `to`.
    fn chain<'t>(&mut self, to: impl Iterator<Item = &'t u32>) -> Vec<u32> {
        let mut chain: Vec<u32> = Vec::new();
        for &to in to {
            let node = self.auxiliary();
            if let Some(&before) = chain.last() {
                self.push(node, before, EdgeKind::Through);
            }
            self.push(node, to, EdgeKind::Through);
            chain.push(node);
        }
        chain
    }

    /// Whether every edge found its place in the memory of the budget. Circles of a graph that is not
    /// whole are circles all the same; only their absence says nothing.
    pub fn whole(&self) -> bool {
        self.whole
    }
}

/// The kind of an edge stands in the upper bits beside its end.
const KIND_SHIFT: u32 = 29;
/// So many nodes can be told apart in the bits that are left.
const NODES_MAX: u32 = 1 << KIND_SHIFT;

/// A graph, as compressed lists of successors; those of a node in order of kind and end, each once.
#[derive(Debug)]
pub(crate) struct Graph {
    transactions: u32,
    offsets: Vec<u32>,
    packed: Vec<u32>,
}

impl Graph {
    /// Sorts the edges by their beginnings, by counting. O(n + e).
    pub fn new(edges: Edges) -> Self {
        let Edges { found, transactions, nodes, .. } = edges;
        let mut offsets = vec![0u32; nodes as usize + 2];
        for (from, _, _) in &found {
            offsets[*from as usize + 2] += 1;
        }
        for node in 2..offsets.len() {
            offsets[node] += offsets[node - 1];
        }
        let mut packed = vec![0u32; found.len()];
        for (from, to, kind) in found {
            let place = &mut offsets[from as usize + 1];
            packed[*place as usize] = (kind as u32) << KIND_SHIFT | to;
            *place += 1;
        }
        offsets.pop();
        let mut graph = Self { transactions, offsets, packed };
        graph.tidy();
        graph
    }

    /// Sorts the successors of each node, and keeps each once.
    fn tidy(&mut self) {
        let mut kept = 0;
        let mut begin = 0;
        for node in 0..self.len() {
            let end = self.offsets[node + 1] as usize;
            self.packed[begin..end].sort_unstable();
            let first = kept;
            for place in begin..end {
                let edge = self.packed[place];
                if kept == first || self.packed[kept - 1] != edge {
                    self.packed[kept] = edge;
                    kept += 1;
                }
            }
            begin = end;
            self.offsets[node + 1] = kept as u32;
        }
        self.packed.truncate(kept);
    }

    /// How many nodes there are, auxiliary ones included.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many nodes are transactions; the others, which come after them, are auxiliary.
    pub fn transactions(&self) -> u32 {
        self.transactions
    }

    /// The numbers of the edges out of a node.
    pub fn edges(&self, node: u32) -> std::ops::Range<u32> {
        self.offsets[node as usize]..self.offsets[node as usize + 1]
    }

    /// Where an edge leads, and its kind.
    pub fn edge(&self, edge: u32) -> (u32, EdgeKind) {
        let packed = self.packed[edge as usize];
        (packed & (NODES_MAX - 1), EdgeKind::of(packed >> KIND_SHIFT))
    }

    /// The successors of a node.
    pub fn successors(&self, node: u32) -> impl Iterator<Item = (u32, EdgeKind)> + '_ {
        self.edges(node).map(|edge| self.edge(edge))
    }

    /// What is left of the graph between `members`, which are in order: its nodes are their places.
    /// `places` has room for the place of every node.
    pub fn within(&self, members: &[u32], places: &mut [u32]) -> Self {
        let transactions = members.partition_point(|node| *node < self.transactions) as u32;
        for (place, node) in (0u32..).zip(members) {
            places[*node as usize] = place;
        }
        let inside = |node: u32| {
            let place = places[node as usize];
            (members.get(place as usize) == Some(&node)).then_some(place)
        };
        let mut offsets = vec![0];
        let mut packed = Vec::new();
        for &from in members {
            for (to, kind) in self.successors(from) {
                if let Some(to) = inside(to) {
                    packed.push((kind as u32) << KIND_SHIFT | to);
                }
            }
            offsets.push(packed.len() as u32);
        }
        Self { transactions, offsets, packed }
    }
}

/// A graph seen in some way: some of its edges, or each node more than once.
pub(crate) trait View {
    /// How many nodes there are.
    fn len(&self) -> usize;
    /// The numbers of the edges out of a node.
    fn edges(&self, node: u32) -> std::ops::Range<u32>;
    /// Where an edge out of a node leads; `None` if it is not seen.
    fn follow(&self, node: u32, edge: u32) -> Option<u32>;
    /// The node of the graph that a node is.
    fn origin(&self, node: u32) -> u32;
}

/// The edges of some kinds.
pub(crate) struct Masked<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The kinds.
    pub kinds: Kinds,
}

impl View for Masked<'_> {
    fn len(&self) -> usize {
        self.graph.len()
    }

    fn edges(&self, node: u32) -> std::ops::Range<u32> {
        self.graph.edges(node)
    }

    fn follow(&self, _: u32, edge: u32) -> Option<u32> {
        let (to, kind) = self.graph.edge(edge);
        self.kinds.contain(kind).then_some(to)
    }

    fn origin(&self, node: u32) -> u32 {
        node
    }
}

/// The product of a graph with "came over an `rw` edge": its circles are those of the graph without
/// two adjacent `rw` edges.
pub(crate) struct Nonadjacent<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The kinds.
    pub kinds: Kinds,
}

impl View for Nonadjacent<'_> {
    fn len(&self) -> usize {
        2 * self.graph.len()
    }

    fn edges(&self, node: u32) -> std::ops::Range<u32> {
        self.graph.edges(node / 2)
    }

    fn follow(&self, node: u32, edge: u32) -> Option<u32> {
        let (to, kind) = self.graph.edge(edge);
        let came_by_rw = node % 2;
        match kind {
            EdgeKind::Through => Some(2 * to + came_by_rw),
            EdgeKind::ReadWrite => (came_by_rw == 0).then_some(2 * to + 1),
            kind => self.kinds.contain(kind).then_some(2 * to),
        }
    }

    fn origin(&self, node: u32) -> u32 {
        node / 2
    }
}
