//! PRAM and causal memory (CM): what one session saw must fit into one order.

use super::causal::{Finding, KEPT_MAX, Past, Violation, paths_to_reads};
use super::graph::{Extra, Frame, Graph, Why};
use super::step::Source;
use crate::Budget;

/// What one session's view came to.
enum View {
    Holds,
    Breaks(Violation),
    Open,
}

/// Whether the writes of all and the reads of each session alone fit into one order that keeps
/// every session's: PRAM.
pub(crate) fn pram(frame: &Frame<'_>, budget: &Budget) -> Finding {
    of_each(frame, budget, |viewer| {
        view(Graph::new(frame, Some(viewer)), viewer, "CyclicPRAM", budget)
    })
}

/// The same, where the order must keep the causal one, too: CM. Assumes CC.
pub(crate) fn memory(past: &Past<'_>, budget: &Budget) -> Finding {
    let frame = past.graph.frame;
    of_each(frame, budget, |viewer| view(Graph::new(frame, None), viewer, "CyclicHB", budget))
}

fn of_each(frame: &Frame<'_>, budget: &Budget, view: impl Fn(u32) -> View) -> Finding {
    let steps = frame.steps;
    let reads = |session: u32| {
        let session = steps.sessions[session as usize];
        (session.from..session.to).any(|step| !steps.reads(step).is_empty())
    };
    let mut violations = Vec::new();
    for session in (0..steps.sessions.len() as u32).filter(|&it| reads(it)) {
        match view(session) {
            View::Holds => {}
            View::Breaks(violation) => violations.push(violation),
            View::Open if violations.is_empty() => {
                let of = steps.sessions.len();
                let reason = format!("{session} of {of} sessions");
                return Finding::Open(reason);
            }
            View::Open => break,
        }
        if violations.len() == KEPT_MAX || budget.expired() && !violations.is_empty() {
            break;
        }
    }
    if violations.is_empty() { Finding::Holds } else { Finding::Breaks(violations) }
}

/// Infers, until nothing is new: where a write of a key comes before a read of `viewer` that
/// returned another version, it comes before that version's write.
///
/// Each such edge is forced. If none is missing and there is no circle, there is an order: take the
/// reads of `viewer` in its order, before each of them whatever comes before it and was not taken
/// yet. Then the writes of the key taken so far all come before the one that was read.
fn view(mut graph: Graph<'_>, viewer: u32, name: &'static str, budget: &Budget) -> View {
    let frame = graph.frame;
    let steps = frame.steps;
    let session = steps.sessions[viewer as usize];
    loop {
        let order = match graph.order() {
            Ok(order) => order,
            Err(circle) => {
                let paths = paths_to_reads(&graph, &circle);
                return View::Breaks(Violation { name, circle, paths });
            }
        };
        let clocks = graph.clocks(&order);
        let known = graph.extra.len();
        for step in session.from..session.to {
            if step % 256 == 0
                && (budget.expired()
                    || graph.extra.len() * size_of::<Extra>() > budget.memory_bytes)
            {
                return View::Open;
            }
            for &version in steps.reads(step) {
                let key = steps.versions[version as usize].key;
                match steps.versions[version as usize].source {
                    Source::Initial => {
                        let Some(write) = clocks.last_writes(step, key).next() else { continue };
                        let name = if name == "CyclicHB" { "WriteHBInitRead" } else { name };
                        let mut circle = graph.path(write, step, None).unwrap_or_default();
                        circle.push((step, Why::ReplacedLater(version), write));
                        let paths = paths_to_reads(&graph, &circle);
                        return View::Breaks(Violation { name, circle, paths });
                    }
                    Source::Step(writer) => {
                        for write in clocks.last_writes(step, key) {
                            if write != writer && !clocks.precedes(write, writer) {
                                let why = Why::Overwritten { read: step, version };
                                graph.add(write, writer, why);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        if graph.extra.len() == known {
            return View::Holds;
        }
    }
}
