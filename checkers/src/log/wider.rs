//! Circles that no claim about logs forbids, and that are told of all the same: those that need the
//! order of a process, or real time, or the order in which messages stand.

use rustc_hash::FxHashMap;
use schism_history::{History, Process};

use super::cycles::circles;
use super::operations::Fate;
use super::partition::{Log, NONE};

/// Who polled whose messages, and who stands directly before whom; of all operations that
/// certainly took place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wide {
    /// From the sender of a message to who polled it.
    pub wr: Vec<(u32, u32)>,
    /// From the sender of a message to that of the next in its log.
    pub ww: Vec<(u32, u32)>,
}

impl Wide {
    /// The edges of one log.
    pub fn new(log: &Log<'_>) -> Self {
        let mut wide = Wide::default();
        for (poll, &number) in log.rows.polls.iter().zip(&log.polled) {
            let Some(send) = log.acknowledged(&log.messages[number as usize]) else { continue };
            let edge = (send.operation, poll.operation);
            if edge.0 != edge.1 && wide.wr.last() != Some(&edge) {
                wide.wr.push(edge);
            }
        }
        // The sender of what stands at each dense index, where that is the only thing there.
        let mut senders = vec![NONE; log.offsets.len()];
        for message in log.messages.iter().filter(|it| it.first != NONE && it.first == it.last) {
            let sender = log.sender(message).filter(|send| send.fate == Fate::Ok);
            senders[message.first as usize] = sender.map_or(NONE, |send| send.operation);
        }
        for pair in senders.windows(2).filter(|pair| !pair.contains(&NONE) && pair[0] != pair[1]) {
            let edge = (pair[0], pair[1]);
            if wide.ww.last() != Some(&edge) {
                wide.ww.push(edge);
            }
        }
        for edges in [&mut wide.wr, &mut wide.ww] {
            edges.sort_unstable();
            edges.dedup();
        }
        wide
    }
}

/// How many groups of operations are in circles, by what makes the circles.
pub(crate) fn groups(wide: &[&Wide], history: &History) -> Vec<(&'static str, usize)> {
    let wr: Vec<(u32, u32)> = wide.iter().flat_map(|wide| &wide.wr).copied().collect();
    let ww: Vec<(u32, u32)> = wide.iter().flat_map(|wide| &wide.ww).copied().collect();
    let count = |edges: &[(u32, u32)]| circles(edges, 0).len();
    let mut found = vec![("G0", count(&ww))];
    let both: Vec<(u32, u32)> = ww.iter().chain(&wr).copied().collect();
    drop(ww);
    found.push(("G1c with the order of the log", count(&both)));
    drop(both);
    let mut nodes: Vec<u32> = wr.iter().flat_map(|edge| [edge.0, edge.1]).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let mut edges = wr.clone();
    edges.extend(process_edges(&nodes, history));
    found.push(("G1c-process", count(&edges)));
    // The moments of completion take the numbers after those of the operations.
    let room = u32::try_from(history.len() + nodes.len()).is_ok();
    if history.has_real_time() && room {
        let mut edges = wr;
        edges.extend(realtime_edges(&nodes, history));
        found.push(("G1c-realtime", count(&edges)));
    }
    found
}

/// From each operation to the next of its process.
fn process_edges(nodes: &[u32], history: &History) -> Vec<(u32, u32)> {
    let mut last: FxHashMap<Process, u32> = FxHashMap::default();
    let edge = |&node: &u32| {
        let process = history.operation(node as usize).process;
        last.insert(process, node).map(|before| (before, node))
    };
    nodes.iter().filter_map(edge).collect()
}

/// From each operation to the moment of its completion, from each such moment to the next, and from
/// the last before an invocation to that operation.
fn realtime_edges(nodes: &[u32], history: &History) -> Vec<(u32, u32)> {
    let completed = |&node: &u32| {
        let completed = history.operation(node as usize).completed;
        completed.map(|completed| (completed, node))
    };
    let mut moments: Vec<(u64, u32)> = nodes.iter().filter_map(completed).collect();
    moments.sort_unstable();
    let moment = |place: usize| (history.len() + place) as u32;
    let mut edges = Vec::with_capacity(nodes.len() * 3);
    for (place, (_, node)) in moments.iter().enumerate() {
        edges.push((*node, moment(place)));
        if place > 0 {
            edges.push((moment(place - 1), moment(place)));
        }
    }
    for &node in nodes {
        let invoked = history.operation(node as usize).invoked;
        let before = moments.partition_point(|(completed, _)| *completed < invoked);
        if before > 0 {
            edges.push((moment(before - 1), node));
        }
    }
    edges
}
