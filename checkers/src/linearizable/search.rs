//! The general search for a linearization, where values repeat.
//!
//! Wing & Gong ("Testing and verifying concurrent objects", J. Parallel Distrib. Comput. 17, 1993)
//! try all orders; Lowe ("Testing for linearizability", Concurrency Computat. 29(4), 2017) places an
//! operation just in time, when one has to return, and remembers the configurations that were seen.
//! So does this search, with these differences:
//!
//! - A configuration is a *frontier* (how many operations have returned), the state, the placed
//!   ones among the operations still open (one bit each), and the indeterminate ones that were used
//!   (the number of a collection). Operations that have returned are in none.
//! - *Observers early.* An operation that changes no state (a read) is placed as soon as it is open
//!   and possible: in any linearization that goes on from here it can be moved to this place, for
//!   it changes nothing and lies open now.
//! - *Eager and lazy ones.* A model may say of an action that it only makes more possible (putting
//!   something into a bag that nobody finds empty); such a one is placed as soon as it is open. One
//!   that only makes less possible is placed when it returns, and not before.
//! - *Alike in the order of their returns.* Of open operations that do the same and return the same,
//!   the first to return is placed first: two that stand the other way round in a linearization
//!   can be exchanged. An indeterminate one returns last of all.
//! - *Indeterminate operations only when needed.* Let one lead from state s to t, and let the next
//!   operation placed lead from t to u. If that one leads from s to u as well, or if there is no
//!   next one, the indeterminate operation can be left out of the linearization. So one is placed
//!   only together with a next operation that cannot do the same without it; it can be moved there,
//!   since it never completes.
//! - *Writes only when needed.* The same is done with writes that return; see `steps`.
//! - *The fewer are used, and the more is observed, the better.* Of two configurations that differ
//!   only in the indeterminate operations that they have used and in the observers that they have
//!   placed, that which has used a part of what the other has, and has placed all observers that the
//!   other has, can go on in every way in which the other can. So the other is dropped. Instead of
//!   an operation that the other has used it can have used a less able one: a compare-and-set to 5
//!   where the other used a write of 5, which it has kept (see `used`).
//!
//! The search goes depth first, so that a history that has a linearization seldom costs more than
//! its length. If that leads nowhere it goes on in breadth, where no work is done on configurations
//! that are dropped later; and if that becomes too broad, in depth again, each time for longer. Where there is none, it visits the configurations of every frontier up to the one
//! that no operation gets past, and none behind it: what comes later in a history cannot turn a
//! violation found into an `Unknown`. The operation that has to return there is the impossible one.
//! If what the open ones return does not change what they do, its completion ends the shortest
//! prefix that is not linearizable, and no shorter prefix fails in any case: with what they return
//! later the open ones explain it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::memo::{Memo, NONE};
use super::model::Model;
use super::steps::Steps;
use super::timeline::Timeline;
use crate::Budget;

/// So many configurations are visited between two looks at the clock.
const LOOK_EVERY: u64 = 512;

/// An operation, as the search sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<A> {
    /// What it does, and what it returned.
    pub action: A,
    /// The rank of its invocation.
    pub invoked: u64,
    /// The rank of its completion; [`super::operations::NEVER`] if nobody knows whether it took
    /// effect.
    pub returned: u64,
}

/// What a search may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    /// The bound on time and memory of the whole check.
    pub budget: &'a Budget,
    /// Bytes held by all searches of the check together.
    pub held_bytes: &'a AtomicUsize,
    /// Configurations that this search may visit.
    pub configurations_max: u64,
}

/// What the search found.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// There is a linearization.
    Linearizable {
        /// How many configurations were visited.
        configurations: u64,
        /// The linearization, with the state after each call; empty unless the model wants it.
        order: Vec<(usize, u32)>,
    },
    /// There is none.
    Impossible(Impossible),
    /// The search was given up.
    Exhausted(Exhausted),
}

/// Where every order ends.
#[derive(Clone, Debug)]
pub(crate) struct Impossible {
    /// The call that had to return and could not be placed.
    pub call: usize,
    /// The longest order found up to its return, with the state after each call.
    pub order: Vec<(usize, u32)>,
    /// The state after that order.
    pub holds: u32,
    /// How many configurations were visited.
    pub configurations: u64,
}

/// How far a search came that was given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exhausted {
    /// How many operations had returned at the farthest frontier.
    pub placed: usize,
    /// How many had to.
    pub of: usize,
    /// How many configurations were visited.
    pub configurations: u64,
    /// Bytes that the search held.
    pub bytes: usize,
    /// How long it took.
    pub elapsed: Duration,
}

/// Searches for a linearization of `calls` from the model's initial state; exponential at worst.
pub(crate) fn search_operations<M: Model>(
    model: &mut M,
    calls: &[Call<M::Action>],
    limits: Limits<'_>,
) -> Answer {
    let timeline = Timeline::new(calls, limits.budget.memory_bytes);
    match timeline.width {
        0..=64 => Search::<M, 1>::new(model, calls, timeline, limits).answer(),
        65..=256 => Search::<M, 4>::new(model, calls, timeline, limits).answer(),
        257..=2048 => Search::<M, 32>::new(model, calls, timeline, limits).answer(),
        // So many open at once are beyond any search.
        _ => Search::<M, 1>::new(model, calls, timeline, limits).given_up(),
    }
}

struct OutOfBudget;

/// The configurations that have yet to be visited.
enum Waiting {
    /// The last one reached comes first: where there is a linearization, this way leads to it.
    Deep(Vec<u32>),
    /// One of the first frontier comes first, and of these one that has used the fewest
    /// indeterminate calls: no work is done on what is dropped later, when a better one is found.
    Broad(BinaryHeap<Reverse<(u32, u32, u32)>>),
}

impl Waiting {
    fn pop(&mut self) -> Option<u32> {
        match self {
            Waiting::Deep(stack) => stack.pop(),
            Waiting::Broad(heap) => heap.pop().map(|Reverse((.., at))| at),
        }
    }

    fn push(&mut self, at: u32, (frontier, used): (u32, u32)) {
        match self {
            Waiting::Deep(stack) => stack.push(at),
            Waiting::Broad(heap) => heap.push(Reverse((frontier, used, at))),
        }
    }

    /// Goes on in the other way; `urgency`: the frontier, and how many were used.
    fn turn(&mut self, urgency: impl Fn(u32) -> (u32, u32)) {
        *self = match self {
            Waiting::Deep(stack) => {
                let urgent = |at| {
                    let (frontier, used) = urgency(at);
                    Reverse((frontier, used, at))
                };
                Waiting::Broad(stack.drain(..).map(urgent).collect())
            }
            Waiting::Broad(heap) => {
                // The last, which is tried first, has come farthest.
                let sorted = std::mem::take(heap).into_sorted_vec();
                Waiting::Deep(sorted.into_iter().rev().map(|Reverse((.., at))| at).collect())
            }
        };
    }
}

struct Search<'a, M: Model, const WORDS: usize> {
    steps: Steps<'a, M>,
    limits: Limits<'a>,
    memo: Memo<WORDS>,
    farthest: u32,
    visited: u64,
    bytes_published: usize,
    bytes_max: usize,
    start: Instant,
}

impl<'a, M: Model, const WORDS: usize> Search<'a, M, WORDS> {
    fn new(
        model: &'a mut M,
        calls: &'a [Call<M::Action>],
        timeline: Timeline<M::Action>,
        limits: Limits<'a>,
    ) -> Self {
        Self {
            steps: Steps::new(model, calls, timeline),
            limits,
            memo: Memo::new(),
            farthest: 0,
            visited: 0,
            bytes_published: 0,
            bytes_max: 0,
            start: Instant::now(),
        }
    }

    fn answer(mut self) -> Answer {
        let answer = self.run();
        self.account(0);
        answer.unwrap_or_else(|OutOfBudget| self.given_up())
    }

    fn given_up(&self) -> Answer {
        Answer::Exhausted(Exhausted {
            placed: self.farthest as usize,
            of: self.steps.timeline.returns.len(),
            configurations: self.visited,
            bytes: self.bytes_max,
            elapsed: self.start.elapsed(),
        })
    }

    fn run(&mut self) -> Result<Answer, OutOfBudget> {
        self.look()?;
        let root = self.steps.root();
        let mut waiting = Waiting::Deep(Vec::from_iter(self.memo.remember(root, &self.steps.used)));
        let mut next = Vec::new();
        let mut patience = self.steps.calls.len() as u64 * 8 + 10_000;
        while let Some(at) = waiting.pop() {
            let node = self.memo.nodes[at as usize];
            if node.superseded {
                continue;
            }
            self.farthest = self.farthest.max(node.frontier);
            if node.frontier as usize == self.steps.timeline.returns.len() {
                let order = if M::TELLS_ORDER { self.way_to(at) } else { Vec::new() };
                return Ok(Answer::Linearizable { configurations: self.visited, order });
            }
            self.visited += 1;
            if self.visited.is_multiple_of(LOOK_EVERY) {
                self.look()?;
            }
            self.steps.successors(at, &node, &mut next);
            // What returns first is tried first, and the stack gives back the last.
            for node in next.drain(..).rev() {
                let urgency = (node.frontier, self.steps.used.len(node.used) as u32);
                if let Some(at) = self.memo.remember(node, &self.steps.used) {
                    waiting.push(at, urgency);
                }
            }
            if self.visited >= patience {
                patience *= 4;
                let (nodes, used) = (&self.memo.nodes, &self.steps.used);
                waiting.turn(|at| {
                    let node = &nodes[at as usize];
                    (node.frontier, used.len(node.used) as u32)
                });
            }
        }
        Ok(Answer::Impossible(self.impossible()))
    }

    /// Looks at time and memory.
    fn look(&mut self) -> Result<(), OutOfBudget> {
        let lists = self.steps.timeline.bytes() + self.steps.used.bytes();
        let bytes = lists + self.memo.bytes() + self.steps.model.bytes();
        self.bytes_max = self.bytes_max.max(bytes);
        let total = self.account(bytes);
        let Limits { budget, configurations_max, .. } = self.limits;
        let work = self.visited + self.memo.compared / 64;
        let over = total > budget.memory_bytes || work > configurations_max;
        if over || budget.expired() { Err(OutOfBudget) } else { Ok(()) }
    }

    /// Publishes how many bytes this search holds; returns what all hold together.
    fn account(&mut self, bytes: usize) -> usize {
        let held = self.limits.held_bytes;
        let before = std::mem::replace(&mut self.bytes_published, bytes);
        if bytes >= before {
            held.fetch_add(bytes - before, Ordering::Relaxed) + (bytes - before)
        } else {
            held.fetch_sub(before - bytes, Ordering::Relaxed) - (before - bytes)
        }
    }

    /// The witness, when no configuration gets past the farthest frontier.
    fn impossible(&mut self) -> Impossible {
        let mut longest = (0, 0);
        for (at, node) in self.memo.nodes.iter().enumerate() {
            // An indeterminate operation that helped nothing is left out.
            if node.frontier == self.farthest && node.before == NONE {
                let length = 1 + node.open() + self.steps.used.len(node.used);
                if length > longest.0 {
                    longest = (length, at as u32);
                }
            }
        }
        let order = self.way_to(longest.1);
        let holds = self.memo.nodes[longest.1 as usize].state;
        let call = self.steps.timeline.returns[self.farthest as usize] as usize;
        Impossible { call, order, holds, configurations: self.visited }
    }

    /// The calls placed on the way from the root to a node.
    fn way_to(&mut self, mut at: u32) -> Vec<(usize, u32)> {
        let mut way = Vec::new();
        while at != NONE {
            let node = self.memo.nodes[at as usize];
            way.push(node);
            at = node.parent;
        }
        way.reverse();
        self.steps.order(&way)
    }
}
