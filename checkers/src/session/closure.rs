//! What reads make come before what, followed until nothing is new.

use std::collections::VecDeque;

use super::causal::{Violation, paths_to_reads};
use super::graph::{Clocks, Extra, Graph, Hop, NONE, Why};
use super::step::Source;
use crate::Budget;

/// Whose reads count, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of one session. A write of a key that comes before a read of it, but is not the one that
    /// was read, comes before that one.
    Session(u32),
    /// Those of all sessions; and besides, whoever read what a write replaces comes before that write.
    All,
}

/// What following came to.
pub(crate) enum Closed<'a> {
    /// Nothing more must come before anything.
    Whole(Graph<'a>),
    /// Something would have to come before itself.
    Circle(Violation),
    /// The budget ended.
    Open,
}

/// A graph, the past of each step in it, and what is left to be looked at.
struct Closure<'a> {
    graph: Graph<'a>,
    clocks: Clocks<'a>,
    scope: Scope,
    /// Steps whose past has grown, so that what comes after them has yet to hear of it.
    grown: Queue,
    /// Steps of which it has yet to be looked at what they tell.
    due: Queue,
}

/// Steps in order, each at most once.
struct Queue {
    steps: VecDeque<u32>,
    there: Vec<bool>,
}

impl Queue {
    fn new(total: usize) -> Self {
        Self { steps: VecDeque::new(), there: vec![false; total] }
    }

    fn push(&mut self, step: u32) {
        if !std::mem::replace(&mut self.there[step as usize], true) {
            self.steps.push_back(step);
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let step = self.steps.pop_front()?;
        self.there[step as usize] = false;
        Some(step)
    }
}

/// Follows what the reads of `scope` tell. `clocks` are those of `graph`, which has no circle.
/// `names`: of a circle, and of one that a read of an initial version closes by itself.
///
/// Work is done only where a past grows, so that the cost is that of the edges found and of the steps
/// that hear of them; where that are very many, all are told in order. A step that comes into its own
/// past is a circle.
pub(crate) fn close<'a>(
    graph: Graph<'a>,
    clocks: Clocks<'a>,
    scope: Scope,
    names: [&'static str; 2],
    budget: &Budget,
) -> Closed<'a> {
    let steps = graph.frame.steps;
    let total = steps.all.len();
    let (grown, mut due) = (Queue::new(total), Queue::new(total));
    let range = match scope {
        Scope::Session(session) => {
            let session = steps.sessions[session as usize];
            session.from..session.to
        }
        Scope::All => 0..total as u32,
    };
    range.for_each(|step| due.push(step));
    let mut closure = Closure { graph, clocks, scope, grown, due };
    loop {
        let known = closure.graph.extra.len();
        let mut looks = 0u32;
        while let Some(step) = closure.due.pop() {
            looks = looks.wrapping_add(1);
            let bytes = closure.graph.extra.len() * size_of::<Extra>();
            if looks.is_multiple_of(64) && (budget.expired() || bytes > budget.memory_bytes) {
                return Closed::Open;
            }
            if let Some((write, version)) = closure.replaced_initial(step) {
                let mut circle = closure.graph.path(write, step, None).unwrap_or_default();
                circle.push((step, Why::ReplacedLater(version), write));
                let paths = paths_to_reads(&closure.graph, &circle);
                return Closed::Circle(Violation { name: names[1], circle, paths });
            }
            closure.look(step);
        }
        if closure.graph.extra.len() == known {
            return Closed::Whole(closure.graph);
        }
        let spread = match closure.spread() {
            Spread::Everywhere => Ok(()),
            Spread::Circle => Err(closure.graph.order().err().unwrap_or_default()),
            Spread::TooMuch => closure.spread_in_order(),
        };
        if let Err(circle) = spread {
            let paths = paths_to_reads(&closure.graph, &circle);
            return Closed::Circle(Violation { name: names[0], circle, paths });
        }
    }
}

/// How far news went.
enum Spread {
    /// To everybody whom it concerns.
    Everywhere,
    /// To where it came from.
    Circle,
    /// To so many that all are better told at once.
    TooMuch,
}

impl Closure<'_> {
    /// A write that comes before `step`, though that read what was there before any.
    fn replaced_initial(&self, step: u32) -> Option<(u32, u32)> {
        let steps = self.graph.frame.steps;
        steps.reads(step).iter().find_map(|&version| {
            let read = &steps.versions[version as usize];
            let initial = read.source == Source::Initial;
            let write =
                initial.then(|| self.clocks.last_writes(step, read.key).next()).flatten()?;
            Some((write, version))
        })
    }

    /// Adds what `step` makes come before what.
    fn look(&mut self, step: u32) {
        let steps = self.graph.frame.steps;
        let mut found: Vec<(u32, u32, Why)> = Vec::new();
        for &version in steps.reads(step) {
            let Some(writer) = steps.writer(version) else { continue };
            let key = steps.versions[version as usize].key;
            let others = self.clocks.last_writes(step, key).filter(|&write| write != writer);
            let why = Why::Overwritten { read: step, version };
            found.extend(others.map(|write| (write, writer, why)));
        }
        if self.scope == Scope::All {
            for &version in steps.writes(step) {
                let key = steps.versions[version as usize].key;
                for write in self.clocks.last_writes(step, key) {
                    let readers = self.graph.frame.readers(write).iter();
                    let of_key = readers.filter(|(reader, read)| {
                        *reader != step && steps.versions[*read as usize].key == key
                    });
                    let edge =
                        |&(reader, read): &(u32, u32)| (reader, step, Why::ReplacedLater(read));
                    found.extend(of_key.map(edge));
                }
            }
        }
        for (from, to, why) in found {
            if !self.clocks.precedes(from, to) {
                self.graph.add(from, to, why);
                if self.clocks.join(to, from) {
                    self.grown.push(to);
                }
            }
        }
    }

    /// Whether a step tells anything if its past grows.
    fn tells(&self, step: u32) -> bool {
        match self.scope {
            Scope::Session(session) => self.graph.frame.steps.all[step as usize].session == session,
            Scope::All => true,
        }
    }

    /// Tells what comes after that their past has grown.
    fn spread(&mut self) -> Spread {
        let most = self.graph.frame.steps.all.len() / 2 + 64;
        for _ in 0..most {
            let Some(step) = self.grown.pop() else { return Spread::Everywhere };
            if self.clocks.precedes(step, step) {
                return Spread::Circle;
            }
            if self.tells(step) {
                self.due.push(step);
            }
            let (clocks, grown) = (&mut self.clocks, &mut self.grown);
            self.graph.after(step, |next, _| {
                if clocks.join(next, step) {
                    grown.push(next);
                }
            });
        }
        Spread::TooMuch
    }

    /// Tells all steps, each after whatever comes before it.
    fn spread_in_order(&mut self) -> Result<(), Vec<Hop>> {
        while let Some(step) = self.grown.pop() {
            if self.tells(step) {
                self.due.push(step);
            }
        }
        for step in self.graph.order()? {
            let (clocks, mut news) = (&mut self.clocks, false);
            self.graph.before(step, |from, _| news |= clocks.join(step, from));
            if news && self.tells(step) {
                self.due.push(step);
            }
        }
        Ok(())
    }
}

impl<'a> Clocks<'a> {
    /// The past of each step if nobody had read anything but `viewer`. `None` if that one read what
    /// it itself did later, or at once.
    pub fn of_viewer(graph: &Graph<'a>, viewer: u32) -> Option<Self> {
        let (frame, steps) = (graph.frame, graph.frame.steps);
        let mut clocks = Clocks::none(frame);
        for (session, dimension) in steps.sessions.iter().zip(&frame.dimensions) {
            if *dimension != NONE {
                for step in session.from..session.to {
                    clocks.set(step, *dimension, step - session.from);
                }
            }
        }
        let session = steps.sessions[viewer as usize];
        for step in session.from..session.to {
            let mut own = true;
            graph.before(step, |from, _| {
                own &= from < step || from >= session.to;
                clocks.join(step, from);
            });
            if !own {
                return None;
            }
        }
        Some(clocks)
    }
}
