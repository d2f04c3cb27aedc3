//! The order of sessions and of real time, in as many edges as there are events.

use rustc_hash::FxHashMap;
use schism_history::Process;

use super::graph::{EdgeKind, Edges};

/// An index of no event.
pub(crate) const NEVER: u64 = u64::MAX;

/// When a transaction was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The session.
    pub process: Process,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its ok completion; `NEVER` for one that may still have taken effect later.
    pub completed: u64,
    /// Whether it took effect. What did not has no edges.
    pub happened: bool,
}

/// `process` edges between the consecutive transactions of each session that took effect.
///
/// `lifetimes` are in order of invocation, and their places are the nodes.
pub(crate) fn process_edges(lifetimes: impl Iterator<Item = Lifetime>, edges: &mut Edges) {
    let mut last: FxHashMap<Process, u32> = FxHashMap::default();
    for (place, one) in (0u32..).zip(lifetimes).filter(|(_, one)| one.happened) {
        if let Some(&before) = last.get(&one.process) {
            edges.push(before, place, EdgeKind::Process);
        }
        if one.completed != NEVER {
            last.insert(one.process, place);
        }
    }
}

/// `realtime` edges, by a chain of auxiliary nodes instead of the transitive reduction, of which
/// there are as many as run at once for every transaction: each completion leads to the moment
/// after it, each moment to the next one and to the invocations that follow it.
pub(crate) fn realtime_edges(lifetimes: impl Iterator<Item = Lifetime>, edges: &mut Edges) {
    let mut completions: Vec<(u64, u32)> = Vec::new();
    let mut invocations: Vec<(u64, u32)> = Vec::new();
    for (place, one) in (0u32..).zip(lifetimes).filter(|(_, one)| one.happened) {
        invocations.push((one.invoked, place));
        if one.completed != NEVER {
            completions.push((one.completed, place));
        }
    }
    completions.sort_unstable();
    let mut moment: Option<u32> = None;
    let mut completed = completions.into_iter().peekable();
    for (invoked, place) in invocations {
        let mut fresh = false;
        while let Some((_, earlier)) = completed.next_if(|(index, _)| *index < invoked) {
            if !fresh {
                let next = edges.auxiliary();
                if let Some(before) = moment {
                    edges.push(before, next, EdgeKind::Through);
                }
                (moment, fresh) = (Some(next), true);
            }
            if let Some(moment) = moment {
                edges.push(earlier, moment, EdgeKind::Realtime);
            }
        }
        if let Some(moment) = moment {
            edges.push(moment, place, EdgeKind::Through);
        }
        if !edges.whole() {
            return;
        }
    }
}
