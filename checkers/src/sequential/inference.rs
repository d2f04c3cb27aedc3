//! What must come before what in every order that explains a history.

use crate::Budget;
use crate::session::{Closed, Frame, Graph, Scope, Source, Violation, Why, close, paths_to_reads};

/// Infers, until nothing is new, for a read of what W had written to a key:
/// - another write of the key that comes before the read comes before W;
/// - another write of the key that comes after W comes after the read.
pub(super) fn infer<'a>(frame: &'a Frame<'a>, budget: &Budget) -> Closed<'a> {
    const NAME: &str = "nonsequential";
    let steps = frame.steps;
    let mut graph = Graph::new(frame, None);
    for step in 0..steps.all.len() as u32 {
        if step % 1024 == 0 && budget.expired() {
            return Closed::Open;
        }
        let initial = steps.reads(step).iter().copied();
        for version in initial.filter(|&it| steps.versions[it as usize].source == Source::Initial) {
            let key = steps.versions[version as usize].key;
            // What replaces it itself comes before every later write of its session anyway.
            let first = frame.writers.of_key(key).map(|(_, writes)| writes[0]);
            for write in first.filter(|&write| write != step) {
                graph.add(step, write, Why::ReplacedLater(version));
            }
        }
    }
    match graph.order() {
        Ok(order) => {
            let clocks = graph.clocks(&order);
            close(graph, clocks, Scope::All, [NAME; 2], budget)
        }
        Err(circle) => {
            let paths = paths_to_reads(&graph, &circle);
            Closed::Circle(Violation { name: NAME, circle, paths })
        }
    }
}
