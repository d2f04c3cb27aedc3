//! PRAM and causal memory (CM): what one session saw must fit into one order.
//!
//! Where a write of a key comes before a read of the session that returned another version, it comes
//! before that version's write. Each such edge is forced. If none is missing and there is no circle,
//! there is an order: take the session's steps in its order, before each of them whatever comes
//! before it and was not taken yet, in any order that agrees with the edges. When a read's turn comes,
//! what was taken is its past and that of earlier steps, which is in its past, too; so all writes of
//! the key that were taken come before the one that was read. This holds of steps on several keys, too.

use super::causal::{Finding, KEPT_MAX, Past, Violation};
use super::closure::{Closed, Scope, close};
use super::graph::{Clocks, Frame, Graph};
use crate::Budget;

/// Whether the writes of all and the reads of each session alone fit into one order that keeps
/// every session's: PRAM.
pub(crate) fn pram(frame: &Frame<'_>, budget: &Budget) -> Finding {
    const NAME: &str = "CyclicPRAM";
    of_each(frame, budget, |viewer| {
        let graph = Graph::new(frame, Some(viewer));
        if let Some(clocks) = Clocks::of_viewer(&graph, viewer) {
            close(graph, clocks, Scope::Session(viewer), [NAME; 2], budget)
        } else {
            let circle = graph.order().err().unwrap_or_default();
            Closed::Circle(Violation { name: NAME, circle, paths: Vec::new() })
        }
    })
}

/// The same, where the order must keep the causal one, too: CM. Assumes CC.
pub(crate) fn memory(past: &Past<'_>, budget: &Budget) -> Finding {
    let frame = past.graph.frame;
    of_each(frame, budget, |viewer| {
        let (graph, clocks) = (Graph::new(frame, None), past.clocks.clone());
        let names = ["CyclicHB", "WriteHBInitRead"];
        close(graph, clocks, Scope::Session(viewer), names, budget)
    })
}

fn of_each<'a>(frame: &Frame<'_>, budget: &Budget, view: impl Fn(u32) -> Closed<'a>) -> Finding {
    let steps = frame.steps;
    let reads = |session: u32| {
        let session = steps.sessions[session as usize];
        (session.from..session.to).any(|step| !steps.reads(step).is_empty())
    };
    let mut violations = Vec::new();
    for session in (0..steps.sessions.len() as u32).filter(|&it| reads(it)) {
        match view(session) {
            Closed::Whole(_) => {}
            Closed::Circle(violation) => violations.push(violation),
            Closed::Open if violations.is_empty() => {
                return Finding::Open(format!("{session} of {} sessions", steps.sessions.len()));
            }
            Closed::Open => break,
        }
        if violations.len() == KEPT_MAX || budget.expired() && !violations.is_empty() {
            break;
        }
    }
    if violations.is_empty() { Finding::Holds } else { Finding::Breaks(violations) }
}
