//! Causal consistency (CC) and causal convergence (`CCv`) of texts, from the causal past of each get.

use rustc_hash::FxHashSet;

use super::extract::Texts;
use super::hidden::Marks;
use crate::Budget;
use crate::session::{Extra, Finding, Graph, KEPT_MAX, Past, Violation, Why, paths_to_reads};

/// Whether every get is explained by some order of its own causal past: CC.
///
/// The past of a get holds the pieces that it shows. They stand in their order, the put that the
/// text begins with first, and all other updates of the key that are in the past before that put.
/// So no later piece may come causally before an earlier one, nor any that is shown before one that
/// is not; and where the text begins with what was there first, all are shown. That suffices, since
/// causal order is closed. O(p·k) for pieces p in all texts.
pub(super) fn causal(past: &Past<'_>, texts: &Texts<'_>, budget: &Budget) -> Finding {
    let mut marks = Marks::of(texts);
    let mut violations = Vec::new();
    for step in 0..texts.steps.all.len() as u32 {
        if step % 256 == 0 && budget.expired() {
            if violations.is_empty() {
                return Finding::Open(format!("{step} of {} operations", texts.steps.all.len()));
            }
            break;
        }
        if let Some(violation) = wrong(past, texts, &mut marks, step) {
            violations.push(violation);
            if violations.len() == KEPT_MAX {
                break;
            }
        }
    }
    if violations.is_empty() { Finding::Holds } else { Finding::Breaks(violations) }
}

fn wrong(past: &Past<'_>, texts: &Texts<'_>, marks: &mut Marks, step: u32) -> Option<Violation> {
    let shown = texts.shown[step as usize].as_ref()?;
    let (graph, clocks) = (&past.graph, &past.clocks);
    let (frame, steps) = (graph.frame, graph.frame.steps);
    // How many steps of each session come before some piece that was looked at.
    let mut reach = vec![0u32; frame.width];
    let is_before = |reach: &[u32], update: u32| {
        let dimension = frame.dimensions[steps.all[update as usize].session as usize];
        reach[dimension as usize] > steps.position(update)
    };
    let path = |from: u32, to: u32| graph.path(from, to, None).unwrap_or_default();
    for &piece in &shown.pieces {
        if is_before(&reach, piece) {
            let earlier = shown.pieces.iter().copied();
            let mut earlier = earlier.take_while(|&it| it != piece);
            let earlier = earlier.find(|&it| clocks.precedes(piece, it))?;
            let mut circle = path(piece, earlier);
            circle.push((earlier, Why::Shown(step), piece));
            return Some(Violation { name: "WriteCORead", circle, paths: Vec::new() });
        }
        for (reach, &own) in reach.iter_mut().zip(clocks.of(piece)) {
            *reach = own.max(*reach);
        }
    }
    for update in marks.hidden(frame, clocks, step, shown) {
        let Some(base) = shown.base() else {
            let mut circle = path(update, step);
            circle.push((step, Why::NotShown, update));
            return Some(Violation { name: "WriteCOInitRead", circle, paths: Vec::new() });
        };
        // What comes before a piece may be in between the pieces only if it comes before the put.
        let after = |&it: &u32| it == update || clocks.precedes(it, update);
        if let Some(piece) = shown.pieces.iter().copied().find(after) {
            let mut circle = path(piece, update);
            circle.push((update, Why::Hidden(step), base));
            if piece != base {
                circle.push((base, Why::Shown(step), piece));
            }
            return Some(Violation {
                name: "WriteCORead",
                circle,
                paths: vec![path(update, step)],
            });
        }
    }
    None
}

/// Whether one order of all updates explains every get by its own causal past: `CCv`. Assumes CC.
///
/// That order has the pieces of each text one after the other, and before the put at its beginning
/// whatever else of the key is in the get's past; and an order that has all that explains every get.
/// So there is one exactly if that turns in no circle.
pub(super) fn convergent(past: &Past<'_>, texts: &Texts<'_>, budget: &Budget) -> Finding {
    let frame = past.graph.frame;
    let mut graph = Graph::new(frame, None);
    let mut marks = Marks::of(texts);
    let mut known = FxHashSet::default();
    for step in 0..texts.steps.all.len() as u32 {
        if step % 256 == 0 {
            let full = graph.extra.len() * size_of::<Extra>() > budget.memory_bytes;
            if full || budget.expired() {
                return Finding::Open(format!("{step} of {} operations", texts.steps.all.len()));
            }
        }
        let Some(shown) = &texts.shown[step as usize] else { continue };
        for pair in shown.pieces.windows(2) {
            if !past.clocks.precedes(pair[0], pair[1]) && known.insert((pair[0], pair[1])) {
                graph.add(pair[0], pair[1], Why::Shown(step));
            }
        }
        let Some(base) = shown.base() else { continue };
        for update in marks.hidden(frame, &past.clocks, step, shown) {
            if !past.clocks.precedes(update, base) && known.insert((update, base)) {
                graph.add(update, base, Why::Hidden(step));
            }
        }
    }
    match graph.order() {
        Ok(_) => Finding::Holds,
        Err(circle) => {
            let paths = paths_to_reads(&past.graph, &circle);
            Finding::Breaks(vec![Violation { name: "CyclicCF", circle, paths }])
        }
    }
}
