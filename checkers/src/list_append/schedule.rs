//! Schedules of snapshot isolation: when each transaction begins and ends.
//!
//! What T1 must have committed for, T2 begins after; what T2 must not have seen of T1, T1 commits
//! after T2 began. A graph of beginnings and ends with these edges has a circle just where that of the
//! transactions has one without two adjacent `rw` edges (Cerone and Gotsman 2018), and every order of
//! it is a schedule. This one ends what is under way before it begins anything, so that as little as
//! possible is under way at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use schism_history::Key;

use crate::transactional::{EdgeKind, Graph, Kinds};

/// Whether a schedule was found in which no two transactions of a group are under way at once.
/// `rank` says which should begin first where nothing else does.
pub(crate) fn scheduled(
    graph: &Graph,
    kinds: Kinds,
    rank: impl Fn(u32) -> u64,
    groups: &[(Key, Vec<u32>)],
) -> bool {
    let Some(times) = schedule(graph, kinds, rank) else { return false };
    groups.iter().all(|(_, group)| {
        let mut lives: Vec<(u32, u32)> =
            group.iter().map(|it| (times[begin(*it)], times[end(*it)])).collect();
        lives.sort_unstable();
        lives.windows(2).all(|two| two[0].1 < two[1].0)
    })
}

fn begin(node: u32) -> usize {
    2 * node as usize
}

fn end(node: u32) -> usize {
    2 * node as usize + 1
}

/// When each transaction begins, and when it ends, at its place doubled and the one after it; `None`
/// if there is no schedule at all.
fn schedule(graph: &Graph, kinds: Kinds, rank: impl Fn(u32) -> u64) -> Option<Vec<u32>> {
    let count = 2 * graph.len();
    let mut before = vec![0u32; count];
    for event in 0..count {
        follow(graph, kinds, event, |next| before[next] += 1);
    }
    // What is auxiliary goes on at once, then ends come before beginnings.
    let urgency = |event: usize| {
        let node = (event / 2) as u32;
        match event % 2 {
            _ if node >= graph.transactions() => (0, 0),
            1 => (1, 0),
            _ => (2, rank(node)),
        }
    };
    let free = (0..count).filter(|event| before[*event] == 0);
    let mut ready: BinaryHeap<Reverse<((u8, u64), usize)>> =
        free.map(|event| Reverse((urgency(event), event))).collect();
    let mut times = vec![0u32; count];
    let mut now = 0;
    while let Some(Reverse((_, event))) = ready.pop() {
        times[event] = now;
        now += 1;
        follow(graph, kinds, event, |next| {
            before[next] -= 1;
            if before[next] == 0 {
                ready.push(Reverse((urgency(next), next)));
            }
        });
    }
    (now as usize == count).then_some(times)
}

/// The events that come after an event.
fn follow(graph: &Graph, kinds: Kinds, event: usize, mut next: impl FnMut(usize)) {
    let (node, ends) = ((event / 2) as u32, event % 2 == 1);
    if node < graph.transactions() && !ends {
        next(end(node));
    }
    for (to, kind) in graph.successors(node).filter(|(_, kind)| kinds.contain(*kind)) {
        match kind {
            // Goes on as it came: over an `rw` edge, to an end, or over another, to a beginning.
            EdgeKind::Through if ends => next(end(to)),
            EdgeKind::Through => next(begin(to)),
            EdgeKind::ReadWrite if !ends => next(end(to)),
            EdgeKind::ReadWrite => {}
            _ if ends => next(begin(to)),
            _ => {}
        }
    }
}
