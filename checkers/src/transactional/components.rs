//! Strongly connected components (Tarjan 1972), without recursion: histories are long.

use super::graph::View;

const UNSEEN: u32 = u32::MAX;
const DONE: u32 = u32::MAX - 1;

/// The components of more than one node, each in order of its nodes, in order of the first. O(n + e).
pub(crate) fn components(view: &impl View) -> Vec<Vec<u32>> {
    let count = view.len();
    let mut number = vec![UNSEEN; count];
    let mut low = vec![0u32; count];
    let (mut stack, mut found) = (Vec::new(), Vec::new());
    let mut next = 0;
    let mut work: Vec<(u32, u32)> = Vec::new();
    for root in 0..count as u32 {
        if number[root as usize] != UNSEEN {
            continue;
        }
        work.push((root, view.edges(root).start));
        (number[root as usize], low[root as usize]) = (next, next);
        next += 1;
        stack.push(root);
        while let Some((node, edge)) = work.last_mut() {
            let node = *node;
            let end = view.edges(node).end;
            let mut deeper = None;
            while *edge < end {
                let to = view.follow(node, *edge);
                *edge += 1;
                let Some(to) = to else { continue };
                match number[to as usize] {
                    UNSEEN => {
                        deeper = Some(to);
                        break;
                    }
                    DONE => {}
                    seen => low[node as usize] = low[node as usize].min(seen),
                }
            }
            if let Some(to) = deeper {
                (number[to as usize], low[to as usize]) = (next, next);
                next += 1;
                stack.push(to);
                work.push((to, view.edges(to).start));
                continue;
            }
            work.pop();
            // All edges are done: the node is the root of its component, or hands on what it saw.
            if low[node as usize] == number[node as usize] {
                found.extend(cut(&mut stack, node, &mut number));
            } else if let Some((parent, _)) = work.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(low[node as usize]);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Takes the component of which `root` is the root off the stack.
fn cut(stack: &mut Vec<u32>, root: u32, number: &mut [u32]) -> Option<Vec<u32>> {
    if stack.last() == Some(&root) {
        stack.pop();
        number[root as usize] = DONE;
        return None;
    }
    let begin = stack.iter().rposition(|node| *node == root)?;
    let mut component = stack.split_off(begin);
    for &member in &component {
        number[member as usize] = DONE;
    }
    component.sort_unstable();
    Some(component)
}

#[cfg(test)]
mod tests {
    use super::super::graph::{EdgeKind, Edges, Graph, Kinds, Masked};
    use super::*;
    use crate::Budget;

    fn of(count: usize, ends: &[(u32, u32)]) -> Vec<Vec<u32>> {
        let mut edges = Edges::within(count, &Budget::default());
        for &(from, to) in ends {
            edges.push(from, to, EdgeKind::WriteWrite);
        }
        let graph = Graph::new(edges);
        components(&Masked { graph: &graph, kinds: Kinds::of(&[EdgeKind::WriteWrite]) })
    }

    #[test]
    fn finds_what_is_connected_both_ways() {
        assert_eq!(of(4, &[(0, 1), (1, 2), (2, 0), (2, 3)]), [[0, 1, 2]]);
        assert_eq!(of(4, &[(0, 1), (1, 0), (1, 2), (2, 3), (3, 2)]), [[0, 1], [2, 3]]);
        assert!(of(3, &[(0, 1), (1, 2), (0, 2)]).is_empty());
    }

    #[test]
    fn bears_long_chains() {
        let length = 300_000;
        let ring: Vec<(u32, u32)> = (0..length).map(|node| (node, (node + 1) % length)).collect();
        assert_eq!(of(length as usize, &ring)[0].len(), length as usize);
    }
}
