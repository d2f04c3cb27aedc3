//! The general search for a linearization, where values repeat.
//!
//! Wing & Gong ("Testing and verifying concurrent objects", J. Parallel Distrib. Comput. 17, 1993)
//! try all orders; Lowe ("Testing for linearizability", Concurrency Computat. 29(4), 2017) places an
//! operation just in time, when one has to return, and remembers the configurations that were seen.
//! So does this search, with these differences:
//!
//! - A configuration is a *frontier* (how many operations have returned), the state, and the placed
//!   ones among the operations still open. Operations that have returned are in none, so that a
//!   configuration is small and its hash follows every change at the cost of that change.
//! - *Observers early.* An operation that changes no state (a read) is placed as soon as it is open
//!   and possible: in any linearization that goes on from here it can be moved to this place, for
//!   it changes nothing and lies open now.
//! - *Indeterminate operations only when needed.* Let one lead from state s to t, and let the next
//!   operation placed lead from t to u. If that one leads from s to u as well, or if there is no
//!   next one, the indeterminate operation can be left out of the linearization. So one is placed
//!   only together with a next operation that cannot do the same without it; it can be moved there,
//!   since it never completes. Of several that do the same thing, the first is as good as any.
//!
//! The search goes depth first, so that a history that has a linearization seldom costs more than
//! its length. Where there is none, it visits the configurations of every frontier up to the one
//! that no operation gets past, and none behind it: what comes later in a history cannot turn a
//! violation found into an `Unknown`. The operation that has to return there is the impossible one,
//! its completion ends the shortest prefix that is not linearizable.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::frontier::{Frontiers, NO_STEP, Step, path};
use super::model::Model;
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
    /// The rank of its completion; [`NEVER`] if nobody knows whether it took effect.
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
pub(crate) enum Answer<S> {
    /// There is a linearization.
    Linearizable {
        /// How many configurations were visited.
        configurations: u64,
    },
    /// There is none.
    Impossible(Impossible<S>),
    /// The search was given up.
    Exhausted(Exhausted),
}

/// Where every order ends.
#[derive(Clone, Debug)]
pub(crate) struct Impossible<S> {
    /// The call that had to return and could not be placed.
    pub call: usize,
    /// The longest order found up to its return, with the state after each call.
    pub order: Vec<(usize, S)>,
    /// The state after that order.
    pub holds: S,
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

/// Searches for a linearization of `calls` from the state `initial`; exponential at worst.
pub(crate) fn search<M: Model>(
    model: &M,
    initial: M::State,
    calls: &[Call<M::Action>],
    limits: Limits<'_>,
) -> Answer<M::State> {
    let mut search = Search::new(model, calls, limits);
    let answer = search.run(initial);
    search.account(0);
    match answer {
        Ok(answer) => answer,
        Err(OutOfBudget) => Answer::Exhausted(Exhausted {
            placed: search.farthest as usize,
            of: search.frontiers.returns.len(),
            configurations: search.visited,
            bytes: search.bytes_max,
            elapsed: search.start.elapsed(),
        }),
    }
}

struct OutOfBudget;

/// A configuration at a frontier: no placed operation of `placed` has returned.
#[derive(Clone, Debug)]
struct Node<S> {
    frontier: u32,
    state: S,
    placed: Box<[u32]>,
    parent: u32,
    /// The next node whose hash is the same.
    same_hash: u32,
}

const NO_NODE: u32 = NO_STEP;

struct Search<'a, M: Model> {
    frontiers: Frontiers<'a, M>,
    limits: Limits<'a>,
    nodes: Vec<Node<M::State>>,
    heads: FxHashMap<u64, u32>,
    farthest: u32,
    visited: u64,
    bytes_nodes: usize,
    bytes_published: usize,
    bytes_max: usize,
    start: Instant,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, calls: &'a [Call<M::Action>], limits: Limits<'a>) -> Self {
        let frontiers = Frontiers::new(model, calls, limits.budget.memory_bytes);
        Self {
            bytes_nodes: frontiers.bytes(),
            frontiers,
            limits,
            nodes: Vec::new(),
            heads: FxHashMap::default(),
            farthest: 0,
            visited: 0,
            bytes_published: 0,
            bytes_max: 0,
            start: Instant::now(),
        }
    }

    fn run(&mut self, initial: M::State) -> Result<Answer<M::State>, OutOfBudget> {
        self.look(0)?;
        let root = Step::new(initial, &[]);
        let mut stack = Vec::from_iter(self.remember(&root, 0, NO_NODE));
        while let Some(at) = stack.pop() {
            let frontier = self.nodes[at as usize].frontier;
            self.farthest = self.farthest.max(frontier);
            if frontier as usize == self.frontiers.returns.len() {
                return Ok(Answer::Linearizable { configurations: self.visited });
            }
            let (steps, through) = self.expand(at)?;
            // The shortest way through comes first, and the stack gives back the last.
            for &way in through.iter().rev() {
                stack.extend(self.remember(&steps[way], frontier + 1, at));
            }
        }
        self.impossible().map(Answer::Impossible)
    }

    /// All configurations that the node leads to without passing the next return, and which of
    /// them have placed the call that returns next (with it taken out: it is open no more).
    #[allow(clippy::type_complexity, reason = "a pair of lists")]
    fn expand(&mut self, at: u32) -> Result<(Vec<Step<M::State>>, Vec<usize>), OutOfBudget> {
        let node = &self.nodes[at as usize];
        let frontier = node.frontier as usize;
        let call = self.frontiers.returns[frontier];
        let mut first = Step::new(node.state, &node.placed);
        self.frontiers.observe(&mut first, frontier);
        let (mut steps, mut through) = (vec![first], Vec::new());
        let mut seen: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
        let mut queue = VecDeque::from([0]);
        let mut bytes = 0;
        while let Some(from) = queue.pop_front() {
            self.visited += 1;
            if self.visited.is_multiple_of(LOOK_EVERY) {
                self.look(bytes)?;
            }
            if steps[from].pass(call) {
                through.push(from);
                continue;
            }
            for step in self.frontiers.successors(&steps[from], from as u32, frontier) {
                let same = seen.entry(step.hash).or_default();
                let equal = |other: &Step<M::State>| {
                    other.state == step.state
                        && other.unjustified == step.unjustified
                        && other.placed == step.placed
                };
                if !same.iter().any(|&other| equal(&steps[other as usize])) {
                    same.push(steps.len() as u32);
                    queue.push_back(steps.len());
                    bytes += step.bytes();
                    steps.push(step);
                }
            }
        }
        Ok((steps, through))
    }

    /// Stores a configuration at a frontier, unless it was there before.
    fn remember(&mut self, step: &Step<M::State>, frontier: u32, parent: u32) -> Option<u32> {
        let mut hasher = rustc_hash::FxHasher::default();
        std::hash::Hash::hash(&(step.state, frontier), &mut hasher);
        let hash = step.hash ^ std::hash::Hasher::finish(&hasher);
        let head = self.heads.get(&hash).copied().unwrap_or(NO_NODE);
        let mut at = head;
        while at != NO_NODE {
            let node = &self.nodes[at as usize];
            if (node.frontier, node.state) == (frontier, step.state) && *node.placed == *step.placed
            {
                return None;
            }
            at = node.same_hash;
        }
        let new = self.nodes.len() as u32;
        self.heads.insert(hash, new);
        let placed: Box<[u32]> = step.placed.as_slice().into();
        // The node, its list, and its share of the table with the room that tables keep free.
        self.bytes_nodes += size_of::<Node<M::State>>() * 3 / 2 + placed.len() * 4 + 48;
        self.nodes.push(Node { frontier, state: step.state, placed, parent, same_hash: head });
        Some(new)
    }

    /// Looks at time and memory; `passing` bytes are held beside the nodes.
    fn look(&mut self, passing: usize) -> Result<(), OutOfBudget> {
        let bytes = self.bytes_nodes + passing;
        self.bytes_max = self.bytes_max.max(bytes);
        let total = self.account(bytes);
        let Limits { budget, configurations_max, .. } = self.limits;
        let over = total > budget.memory_bytes || self.visited > configurations_max;
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
    fn impossible(&mut self) -> Result<Impossible<M::State>, OutOfBudget> {
        /// So many configurations of the last frontier are looked through for the longest order.
        const LAST_MAX: usize = 256;
        let configurations = self.visited;
        let last = (0..self.nodes.len() as u32)
            .filter(|&at| self.nodes[at as usize].frontier == self.farthest);
        let last: Vec<u32> = last.take(LAST_MAX).collect();
        let mut longest: Option<(usize, u32, Vec<u32>)> = None;
        for at in last {
            let before = self.nodes[at as usize].placed.len();
            let (steps, _) = self.expand(at)?;
            for end in 0..steps.len() {
                // An indeterminate operation that helped nothing is left out.
                if steps[end].unjustified.is_none() {
                    let calls = path(&steps, end);
                    let length = before + calls.len();
                    if longest.as_ref().is_none_or(|(most, ..)| length > *most) {
                        longest = Some((length, at, calls));
                    }
                }
            }
        }
        let (_, at, tail) = longest.expect("the first configuration is at some frontier");
        let mut calls = self.way_to(at)?;
        calls.extend(tail);
        let mut holds = self.nodes[0].state;
        let order = calls.into_iter().map(|call| {
            let action = self.frontiers.calls[call as usize].action;
            holds = self.frontiers.model.step(holds, action).expect("the search took this step");
            (call as usize, holds)
        });
        let order: Vec<_> = order.collect();
        let call = self.frontiers.returns[self.farthest as usize] as usize;
        Ok(Impossible { call, order, holds, configurations })
    }

    /// The calls placed on the way from the root to a node, found by taking each step again.
    fn way_to(&mut self, mut at: u32) -> Result<Vec<u32>, OutOfBudget> {
        let mut hops = Vec::new();
        while self.nodes[at as usize].parent != NO_NODE {
            let parent = self.nodes[at as usize].parent;
            let (steps, through) = self.expand(parent)?;
            let child = &self.nodes[at as usize];
            let found = through.into_iter().find(|&way| {
                steps[way].state == child.state && *steps[way].placed == *child.placed
            });
            hops.push(path(&steps, found.expect("a node is one of its parent's ways through")));
            at = parent;
        }
        Ok(hops.into_iter().rev().flatten().collect())
    }
}
