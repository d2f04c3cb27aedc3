//! Causal consistency (CC) and causal convergence (`CCv`), from the causal past of each read.

use super::graph::{Clocks, Frame, Graph, Hop, Why};
use super::step::Source;
use crate::Budget;

/// What was found out about one model.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Nothing is wrong.
    Holds,
    /// Each of these is wrong.
    Breaks(Vec<Violation>),
    /// The budget ended.
    Open(String),
}

/// A circle, and its name.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// The name of the pattern.
    pub name: &'static str,
    /// The circle.
    pub circle: Vec<Hop>,
    /// What led from an overwritten write to the read that shows it.
    pub paths: Vec<Vec<Hop>>,
}

/// Paths that are told with one circle.
const PATHS_MAX: usize = 4;
/// Proofs that are kept.
pub(crate) const KEPT_MAX: usize = 8;

/// The causal order, or the circle in it.
pub(crate) struct Past<'a> {
    /// Sessions and what was read.
    pub graph: Graph<'a>,
    /// How far each step's causal past reaches.
    pub clocks: Clocks<'a>,
}

impl<'a> Past<'a> {
    /// The causal past of every step. O(n·k) for k sessions.
    pub fn of(frame: &'a Frame<'a>) -> Result<Self, Violation> {
        let graph = Graph::new(frame, None);
        match graph.order() {
            Ok(order) => Ok(Self { clocks: graph.clocks(&order), graph }),
            Err(circle) => Err(Violation { name: "CyclicCO", circle, paths: Vec::new() }),
        }
    }

    /// Whether every read is explained by some order of its own causal past: CC.
    pub fn causal(&self, budget: &Budget) -> Finding {
        let steps = self.graph.frame.steps;
        let mut violations = Vec::new();
        for step in 0..steps.all.len() as u32 {
            if step % 1024 == 0 && budget.expired() {
                let reason = format!("{step} of {} operations", steps.all.len());
                return if violations.is_empty() {
                    Finding::Open(reason)
                } else {
                    Finding::Breaks(violations)
                };
            }
            if let Some(violation) = self.wrong(step) {
                violations.push(violation);
                if violations.len() == KEPT_MAX {
                    break;
                }
            }
        }
        if violations.is_empty() { Finding::Holds } else { Finding::Breaks(violations) }
    }

    /// What is wrong with what `step` read: between the steps that it read from there is a circle
    /// of "comes causally before, or is, a write of a key whose other version was read".
    fn wrong(&self, step: u32) -> Option<Violation> {
        let steps = self.graph.frame.steps;
        let mut sources: Vec<u32> = Vec::new();
        for &version in steps.reads(step) {
            let key = steps.versions[version as usize].key;
            match steps.versions[version as usize].source {
                Source::Initial => {
                    if let Some(write) = self.clocks.last_writes(step, key).next() {
                        let name = "WriteCOInitRead";
                        return Some(self.before_the_first(name, write, step, version));
                    }
                }
                Source::Step(writer) => {
                    let overwritten = self
                        .clocks
                        .last_writes(step, key)
                        .find(|&write| write != writer && self.clocks.precedes(writer, write));
                    if let Some(write) = overwritten {
                        return Some(self.overwritten(&[(writer, write, version)], step));
                    }
                    if !sources.contains(&writer) {
                        sources.push(writer);
                    }
                }
                _ => {}
            }
        }
        if sources.len() > 1 { self.fractured(step, &sources) } else { None }
    }

    /// A read of several keys for which the order of its past would have to turn in a circle.
    fn fractured(&self, step: u32, sources: &[u32]) -> Option<Violation> {
        let steps = self.graph.frame.steps;
        // Of each pair of sources: over which write of the second's key, read as which version.
        let mut edges: Vec<Vec<Edge>> = vec![Vec::new(); sources.len()];
        for &version in steps.reads(step) {
            let Some(writer) = steps.writer(version) else { continue };
            let Some(to) = sources.iter().position(|&it| it == writer) else { continue };
            let key = steps.versions[version as usize].key;
            for write in self.clocks.last_writes(step, key).filter(|&write| write != writer) {
                for (from, &source) in sources.iter().enumerate() {
                    if source == write || self.clocks.precedes(source, write) {
                        edges[from].push((to, write, version));
                    }
                }
            }
            for (from, &source) in sources.iter().enumerate() {
                if self.clocks.precedes(source, writer) {
                    edges[from].push((to, writer, version));
                }
            }
        }
        let circle = circle_of(&edges)?;
        let hops: Vec<(u32, u32, u32)> = circle
            .iter()
            .map(|&(from, (_, write, version))| (sources[from], write, version))
            .collect();
        Some(self.overwritten(&hops, step))
    }

    /// `write` comes causally before `read`, which read what was there before any write.
    pub fn before_the_first(
        &self,
        name: &'static str,
        write: u32,
        read: u32,
        version: u32,
    ) -> Violation {
        let mut circle = self.graph.path(write, read, None).unwrap_or_default();
        circle.push((read, Why::ReplacedLater(version), write));
        Violation { name, circle, paths: Vec::new() }
    }

    /// Each source comes before, or is, a write that the read of `step` makes come before the next.
    fn overwritten(&self, hops: &[(u32, u32, u32)], step: u32) -> Violation {
        let steps = self.graph.frame.steps;
        let (mut circle, mut paths) = (Vec::new(), Vec::new());
        for &(source, write, version) in hops {
            if source != write {
                circle.extend(self.graph.path(source, write, None).unwrap_or_default());
            }
            let writer = steps.writer(version).unwrap_or(write);
            if write != writer {
                circle.push((write, Why::Overwritten { read: step, version }, writer));
                paths.extend(self.graph.path(write, step, None));
            }
        }
        Violation { name: "WriteCORead", circle, paths }
    }

    /// Whether one order of all writes explains every read by its own causal past: `CCv`. Assumes CC
    /// of what was read first.
    pub fn convergent(&self, budget: &Budget) -> Finding {
        let frame = self.graph.frame;
        let steps = frame.steps;
        let mut graph = Graph::new(frame, None);
        for step in 0..steps.all.len() as u32 {
            if step % 1024 == 0 && budget.expired() {
                return Finding::Open(format!("{step} of {} operations", steps.all.len()));
            }
            for &version in steps.reads(step) {
                let Some(writer) = steps.writer(version) else { continue };
                let key = steps.versions[version as usize].key;
                for write in self.clocks.last_writes(step, key) {
                    if write != writer && !self.clocks.precedes(write, writer) {
                        graph.add(write, writer, Why::Overwritten { read: step, version });
                    }
                }
            }
            if graph.extra.len() * size_of::<super::graph::Extra>() > budget.memory_bytes {
                return Finding::Open("the memory of the budget was full".into());
            }
        }
        match graph.order() {
            Ok(_) => Finding::Holds,
            Err(circle) => {
                let paths = paths_to_reads(&self.graph, &circle);
                Finding::Breaks(vec![Violation { name: "CyclicCF", circle, paths }])
            }
        }
    }
}

/// How each overwritten write of a circle comes before the read that shows it.
pub(crate) fn paths_to_reads(graph: &Graph<'_>, circle: &[Hop]) -> Vec<Vec<Hop>> {
    // A path that itself was inferred is told only where there is no other.
    let plain = graph.observed();
    let shown = circle.iter().filter_map(|&(from, why, _)| match why {
        Why::Overwritten { read, .. } | Why::Hidden(read) => {
            plain.path(from, read, None).or_else(|| graph.path(from, read, None))
        }
        _ => None,
    });
    shown.take(PATHS_MAX).collect()
}

/// An edge between the sources of a read: to which, over which write, read as which version.
type Edge = (usize, u32, u32);

/// A circle in a small graph: (from, edge) around it.
fn circle_of(edges: &[Vec<Edge>]) -> Option<Vec<(usize, Edge)>> {
    let mut open: Vec<bool> = vec![true; edges.len()];
    // Whatever leads nowhere is taken away until nothing changes; the rest holds a circle.
    loop {
        let leads = |from: usize| edges[from].iter().any(|edge| open[edge.0]);
        let gone: Vec<usize> =
            (0..edges.len()).filter(|&from| open[from] && !leads(from)).collect();
        if gone.is_empty() {
            break;
        }
        for from in gone {
            open[from] = false;
        }
    }
    let mut at = open.iter().position(|&it| it)?;
    let mut walk: Vec<(usize, Edge)> = Vec::new();
    loop {
        if let Some(start) = walk.iter().position(|&(from, _)| from == at) {
            return Some(walk.split_off(start));
        }
        let edge = *edges[at].iter().find(|edge| open[edge.0])?;
        walk.push((at, edge));
        at = edge.0;
    }
}
