//! What must come before what in every order that explains a history.

use crate::Budget;
use crate::session::{Extra, Frame, Graph, Source, Violation, Why, paths_to_reads};

/// What inference came to.
pub(super) enum Inferred<'a> {
    /// No circle; the search may go on from here.
    Order(Graph<'a>),
    /// A circle.
    Circle(Violation),
    /// The budget ended.
    Open,
}

/// Infers, until nothing is new, for a read of what W had written to a key:
/// - another write of the key that comes before the read comes before W;
/// - another write of the key that comes after W comes after the read.
pub(super) fn infer<'a>(frame: &'a Frame<'a>, budget: &Budget) -> Inferred<'a> {
    let steps = frame.steps;
    let mut graph = Graph::new(frame, None);
    for step in 0..steps.steps.len() as u32 {
        for &version in steps.reads(step) {
            let read = &steps.versions[version as usize];
            if read.source == Source::Initial {
                let first = frame.writers.of_key(read.key).map(|(_, writes)| writes[0]);
                for write in first.filter(|&write| write != step) {
                    graph.add(step, write, Why::ReplacedLater(version));
                }
                // What replaces it itself comes before every later write of its session anyway.
            }
        }
        if step % 1024 == 0 && over(&graph, budget) {
            return Inferred::Open;
        }
    }
    loop {
        let order = match graph.order() {
            Ok(order) => order,
            Err(circle) => {
                let paths = paths_to_reads(&graph, &circle);
                return Inferred::Circle(Violation { name: "nonsequential", circle, paths });
            }
        };
        let clocks = graph.clocks(&order);
        let known = graph.extra.len();
        for step in 0..steps.steps.len() as u32 {
            if step % 256 == 0 && over(&graph, budget) {
                return Inferred::Open;
            }
            for &version in steps.reads(step) {
                let Source::Step(writer) = steps.versions[version as usize].source else {
                    continue;
                };
                let key = steps.versions[version as usize].key;
                for write in clocks.last_writes(step, key) {
                    if write != writer && !clocks.precedes(write, writer) {
                        graph.add(write, writer, Why::Overwritten { read: step, version });
                    }
                }
                for write in clocks.next_writes(writer, key) {
                    if write != step && !clocks.precedes(step, write) {
                        graph.add(step, write, Why::ReplacedLater(version));
                    }
                }
            }
        }
        if graph.extra.len() == known {
            return Inferred::Order(graph);
        }
    }
}

fn over(graph: &Graph<'_>, budget: &Budget) -> bool {
    budget.expired() || graph.extra.len() * size_of::<Extra>() > budget.memory_bytes
}
