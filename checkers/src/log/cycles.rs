//! Circles of transactions that poll each other's messages.

use rustc_hash::FxHashMap;

/// The operations of each circle's component, which is as large as can be, with one short circle
/// in it; both in order. O(v + e) for the components.
pub(crate) struct Circle {
    /// How many operations are in circles with each other.
    pub component: usize,
    /// The operations of one circle, each of which polls a message of the one before it.
    pub operations: Vec<u32>,
}

/// The components of more than one operation, in order of their first; a circle is searched in the
/// first `kept` of them only, and left empty in others.
pub(crate) fn circles(edges: &[(u32, u32)], kept: usize) -> Vec<Circle> {
    let graph = Graph::new(edges);
    let mut components = graph.components();
    components.sort_unstable();
    let circle = |(place, component): (usize, &Vec<u32>)| {
        let circle = if place < kept { graph.circle(component) } else { Vec::new() };
        let operations = circle.iter().map(|&node| graph.names[node as usize]).collect();
        Circle { component: component.len(), operations }
    };
    components.iter().enumerate().map(circle).collect()
}

/// Operations and edges, numbered.
struct Graph {
    /// The operation of each node, in order.
    names: Vec<u32>,
    /// Where the targets of each node begin.
    starts: Vec<u32>,
    /// The targets of all nodes.
    targets: Vec<u32>,
}

/// A node that was not reached.
const NONE: u32 = u32::MAX;

impl Graph {
    fn new(edges: &[(u32, u32)]) -> Self {
        let mut names: Vec<u32> = edges.iter().flat_map(|edge| [edge.0, edge.1]).collect();
        names.sort_unstable();
        names.dedup();
        let node = |name: u32| names.partition_point(|&other| other < name) as u32;
        let mut numbered: Vec<(u32, u32)> =
            edges.iter().map(|edge| (node(edge.0), node(edge.1))).collect();
        numbered.sort_unstable();
        numbered.dedup();
        let mut starts = vec![0; names.len() + 1];
        for (from, _) in &numbered {
            starts[*from as usize + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        Self { names, starts, targets: numbered.into_iter().map(|edge| edge.1).collect() }
    }

    fn targets(&self, node: u32) -> &[u32] {
        let (from, to) = (self.starts[node as usize], self.starts[node as usize + 1]);
        &self.targets[from as usize..to as usize]
    }

    /// The strongly connected components of more than one node (Tarjan 1972), each in order.
    fn components(&self) -> Vec<Vec<u32>> {
        let length = self.names.len();
        let (mut order, mut low) = (vec![NONE; length], vec![0; length]);
        let mut waiting = vec![false; length];
        let (mut stack, mut path): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
        let (mut next, mut found) = (0, Vec::new());
        for root in 0..length as u32 {
            if order[root as usize] != NONE {
                continue;
            }
            path.push((root, 0));
            while let Some((node, edge)) = path.pop() {
                let place = node as usize;
                if edge == 0 {
                    (order[place], low[place], waiting[place]) = (next, next, true);
                    next += 1;
                    stack.push(node);
                } else {
                    // The target before has been walked.
                    low[place] = low[place].min(low[self.targets(node)[edge - 1] as usize]);
                }
                let rest = self.targets(node).iter().enumerate().skip(edge);
                let mut into = None;
                for (edge, &target) in rest {
                    if order[target as usize] == NONE {
                        into = Some((edge, target));
                        break;
                    }
                    if waiting[target as usize] {
                        low[place] = low[place].min(order[target as usize]);
                    }
                }
                if let Some((edge, target)) = into {
                    path.push((node, edge + 1));
                    path.push((target, 0));
                } else if low[place] == order[place] {
                    let at = stack.iter().rposition(|&other| other == node).unwrap_or(0);
                    let mut component = stack.split_off(at);
                    for &node in &component {
                        waiting[node as usize] = false;
                    }
                    if component.len() > 1 {
                        component.sort_unstable();
                        found.push(component);
                    }
                }
            }
        }
        found
    }

    /// A shortest circle through the first node of a component.
    fn circle(&self, component: &[u32]) -> Vec<u32> {
        let root = component[0];
        let mut before: FxHashMap<u32, u32> = FxHashMap::default();
        let mut queue = std::collections::VecDeque::from([root]);
        while let Some(node) = queue.pop_front() {
            for &target in self.targets(node) {
                if target == root {
                    let mut circle = vec![node];
                    while let Some(&last) = before.get(&circle[circle.len() - 1]) {
                        circle.push(last);
                    }
                    circle.reverse();
                    return circle;
                }
                if component.binary_search(&target).is_ok() && !before.contains_key(&target) {
                    before.insert(target, node);
                    queue.push_back(target);
                }
            }
        }
        Vec::new()
    }
}
