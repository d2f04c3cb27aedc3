//! Strongly connected components (Tarjan 1972), without recursion: histories are long.

/// The components of more than one node of a graph of `count` nodes; `successor(node, i)` is where
/// the i-th edge leads, `Some(None)` for one that is left out, and `None` past the last. O(n + e).
pub(crate) fn components(
    count: usize,
    successor: impl Fn(u32, usize) -> Option<Option<u32>>,
) -> Vec<Vec<u32>> {
    const UNSEEN: u32 = u32::MAX;
    let mut number = vec![UNSEEN; count];
    let mut low = vec![0u32; count];
    let mut on_stack = vec![false; count];
    let (mut stack, mut found) = (Vec::new(), Vec::new());
    let mut next = 0;
    for root in 0..count as u32 {
        if number[root as usize] != UNSEEN {
            continue;
        }
        let mut work: Vec<(u32, usize)> = vec![(root, 0)];
        while let Some((node, edge)) = work.pop() {
            let at = node as usize;
            if edge == 0 {
                (number[at], low[at]) = (next, next);
                next += 1;
                stack.push(node);
                on_stack[at] = true;
            }
            if let Some(to) = successor(node, edge) {
                work.push((node, edge + 1));
                let Some(to) = to else { continue };
                if number[to as usize] == UNSEEN {
                    work.push((to, 0));
                } else if on_stack[to as usize] {
                    low[at] = low[at].min(number[to as usize]);
                }
                continue;
            }
            // All edges are done: the node is the root of its component, or hands on what it saw.
            if low[at] == number[at] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member as usize] = false;
                    component.push(member);
                    if member == node {
                        break;
                    }
                }
                if component.len() > 1 {
                    component.sort_unstable();
                    found.push(component);
                }
            }
            if let Some((parent, _)) = work.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(low[at]);
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: usize, edges: &[(u32, u32)], expected: &[&[u32]]) {
        let successor = |node: u32, place: usize| {
            let mut all = edges.iter().filter(|(from, _)| *from == node);
            all.nth(place).map(|(_, to)| Some(*to))
        };
        assert_eq!(components(count, successor), expected);
    }

    #[test]
    fn finds_what_is_connected_both_ways() {
        check(4, &[(0, 1), (1, 2), (2, 0), (2, 3)], &[&[0, 1, 2]]);
        check(4, &[(0, 1), (1, 0), (1, 2), (2, 3), (3, 2)], &[&[0, 1], &[2, 3]]);
        check(3, &[(0, 1), (1, 2), (0, 2)], &[]);
    }

    #[test]
    fn bears_long_chains() {
        let length = 300_000;
        let ring = |node: u32, place: usize| (place == 0).then_some(Some((node + 1) % length));
        assert_eq!(components(length as usize, ring)[0].len(), length as usize);
    }
}
