//! The shortest ways and circles, by breadth-first search.

use std::collections::VecDeque;

use super::graph::{EdgeKind, Graph, View};

/// A way: each transaction with the kind of the edge that leads on.
pub(crate) type Steps = Vec<(u32, EdgeKind)>;

/// How a search came to a node.
#[derive(Clone, Copy, Debug, Default)]
struct Came {
    /// In which search.
    search: u32,
    /// Over how many edges.
    length: u32,
    /// From where.
    from: u32,
    /// Over which edge.
    edge: u32,
}

/// Breadth-first searches in one view of a graph. Ways through auxiliary nodes count as one edge.
pub(crate) struct Paths<'a, V> {
    graph: &'a Graph,
    view: &'a V,
    /// What each node came by.
    came: Vec<Came>,
    search: u32,
    /// How many edges were looked at, in all searches.
    pub looked: u64,
}

impl<'a, V: View> Paths<'a, V> {
    /// No search yet.
    pub fn new(graph: &'a Graph, view: &'a V) -> Self {
        Self { graph, view, came: vec![Came::default(); view.len()], search: 0, looked: 0 }
    }

    /// The shortest way of at least one edge from `start` to `target`, if it has fewer than `limit`
    /// edges; with `start == target` a circle. Only nodes of which `allowed` says so are passed.
    pub fn shortest(
        &mut self,
        start: u32,
        target: u32,
        limit: usize,
        allowed: impl Fn(u32) -> bool,
    ) -> Option<Steps> {
        self.search += 1;
        let mut queue: VecDeque<(u32, u32)> = VecDeque::from([(start, 0)]);
        let mut begun = false;
        while let Some((node, length)) = queue.pop_front() {
            if begun && node == target {
                return Some(self.walk(start, target));
            }
            let known = self.came[node as usize];
            if begun && known.search == self.search && known.length < length {
                continue;
            }
            begun = true;
            // An edge out of an auxiliary node is a part of the one that led there.
            let through = self.view.origin(node) >= self.graph.transactions();
            let length = length + u32::from(!through);
            if length as usize >= limit {
                continue;
            }
            for edge in self.view.edges(node) {
                self.looked += 1;
                let Some(to) = self.view.follow(node, edge).filter(|to| allowed(*to)) else {
                    continue;
                };
                let came = &mut self.came[to as usize];
                if came.search == self.search && came.length <= length {
                    continue;
                }
                *came = Came { search: self.search, length, from: node, edge };
                if through {
                    queue.push_front((to, length));
                } else {
                    queue.push_back((to, length));
                }
            }
        }
        None
    }

    fn walk(&self, start: u32, target: u32) -> Steps {
        let mut steps = Vec::new();
        let mut node = target;
        loop {
            let Came { from, edge, .. } = self.came[node as usize];
            let origin = self.view.origin(from);
            if origin < self.graph.transactions() {
                steps.push((origin, self.graph.edge(edge).1));
            }
            node = from;
            if node == start {
                break;
            }
        }
        steps.reverse();
        steps
    }
}
