//! PRAM and causal memory (CM) of texts: what one session saw must fit into one order.
//!
//! The pieces of each text that the session saw come one after the other. Another update of the key
//! that comes before such a get, without being shown, comes before the put at the text's beginning;
//! there must be one. Each such edge is forced. If none is missing and there is no circle, there is an
//! order: take the session's steps in its order, before each of them whatever comes before it and was
//! not taken yet, in any order that agrees with the edges. When a get's turn comes, what was taken
//! is its past: of its key that is the pieces in their order, and before them what is hidden by the
//! put. All that no get of the session has before it comes at the end, where nobody looks.

use rustc_hash::FxHashSet;

use super::extract::Texts;
use super::hidden::Marks;
use crate::Budget;
use crate::session::{
    Clocks, Extra, Finding, Frame, Graph, Hop, KEPT_MAX, Past, Violation, Why, paths_to_reads,
};

/// Whether all updates and the gets of each session alone fit into one order that keeps every
/// session's: PRAM.
pub(super) fn pram(frame: &Frame<'_>, texts: &Texts<'_>, budget: &Budget) -> Finding {
    let names = ["CyclicPRAM", "CyclicPRAM"];
    of_each(texts, budget, |viewer| {
        close(Graph::new(frame, Some(viewer)), texts, viewer, names, budget)
    })
}

/// The same, where the order must keep the causal one, too: CM. Assumes CC.
pub(super) fn memory(past: &Past<'_>, texts: &Texts<'_>, budget: &Budget) -> Finding {
    let names = ["CyclicHB", "WriteHBInitRead"];
    let frame = past.graph.frame;
    of_each(texts, budget, |viewer| close(Graph::new(frame, None), texts, viewer, names, budget))
}

/// What following came to.
enum Closed {
    Whole,
    Circle(Violation),
    Open,
}

fn of_each(texts: &Texts<'_>, budget: &Budget, view: impl Fn(u32) -> Closed) -> Finding {
    let mut violations = Vec::new();
    for (place, session) in (0..).zip(&texts.steps.sessions) {
        if !(session.from..session.to).any(|step| texts.shown[step as usize].is_some()) {
            continue;
        }
        match view(place) {
            Closed::Whole => {}
            Closed::Circle(violation) => violations.push(violation),
            Closed::Open if violations.is_empty() => {
                let all = texts.steps.sessions.len();
                return Finding::Open(format!("{place} of {all} sessions"));
            }
            Closed::Open => break,
        }
        if violations.len() == KEPT_MAX || budget.expired() && !violations.is_empty() {
            break;
        }
    }
    if violations.is_empty() { Finding::Holds } else { Finding::Breaks(violations) }
}

/// Adds what the gets of `viewer` force until nothing is new. `names`: of a circle, and of one that a
/// text without a put closes by itself.
fn close(
    mut graph: Graph<'_>,
    texts: &Texts<'_>,
    viewer: u32,
    names: [&'static str; 2],
    budget: &Budget,
) -> Closed {
    let frame = graph.frame;
    let session = texts.steps.sessions[viewer as usize];
    let gets = || {
        (session.from..session.to).filter_map(|it| Some((it, texts.shown[it as usize].as_ref()?)))
    };
    let mut known: FxHashSet<(u32, u32)> = FxHashSet::default();
    for (step, shown) in gets() {
        for pair in shown.pieces.windows(2) {
            if known.insert((pair[0], pair[1])) {
                graph.add(pair[0], pair[1], Why::Shown(step));
            }
        }
    }
    let circle = |graph: &Graph<'_>, name, circle: Vec<Hop>| {
        let paths = paths_to_reads(graph, &circle);
        Closed::Circle(Violation { name, circle, paths })
    };
    let mut marks = Marks::of(texts);
    loop {
        let order = match graph.order() {
            Ok(order) => order,
            Err(hops) => return circle(&graph, names[0], hops),
        };
        if budget.expired() || graph.extra.len() * size_of::<Extra>() > budget.memory_bytes {
            return Closed::Open;
        }
        let clocks: Clocks<'_> = graph.clocks(&order);
        let before = graph.extra.len();
        for (step, shown) in gets() {
            for update in marks.hidden(frame, &clocks, step, shown) {
                let Some(base) = shown.base() else {
                    let mut hops = graph.path(update, step, None).unwrap_or_default();
                    hops.push((step, Why::NotShown, update));
                    return circle(&graph, names[1], hops);
                };
                if !clocks.precedes(update, base) && known.insert((update, base)) {
                    graph.add(update, base, Why::Hidden(step));
                }
            }
        }
        if graph.extra.len() == before {
            return Closed::Whole;
        }
    }
}
