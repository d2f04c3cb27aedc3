//! The search for one order of all steps, where inference leaves something open.
//!
//! Steps that only read are taken as soon as they find what they returned: they disturb nobody. So
//! only writes are chosen. A write is not taken while somebody has yet to read what it replaces,
//! since that value never comes back. A state is how far each session has come, and what is held
//! where it has yet to be read; from a state that led nowhere the search does not go on again.

use rustc_hash::FxHashSet;

use crate::Budget;
use crate::session::{Graph, Source, Steps};

/// What a search came to.
pub(super) enum Answer {
    /// There is such an order.
    Found,
    /// There is none.
    Impossible {
        /// The steps that no order found a place for, at the point where most were placed.
        blocked: Vec<u32>,
        /// How many steps were placed there.
        placed: usize,
        /// How many states were visited.
        states: u64,
    },
    /// The budget ended.
    Open {
        /// How many steps were placed at most.
        placed: usize,
        /// How many states were visited.
        states: u64,
    },
}

/// A choice: the writes that could be taken, and how many of them have been tried.
struct Choice {
    writes: Vec<u32>,
    tried: usize,
    /// How many steps had been placed.
    placed: usize,
}

struct Search<'a> {
    graph: &'a Graph<'a>,
    steps: &'a Steps<'a>,
    /// Of each session its next step.
    next: Vec<u32>,
    /// Of each step how many that must come before it are left.
    open: Vec<u32>,
    /// Of each key what it holds.
    held: Vec<u32>,
    /// Of each version how many steps have yet to read it.
    unread: Vec<u32>,
    /// The steps that were placed.
    order: Vec<u32>,
    /// What each placed write replaced, in order.
    replaced: Vec<u32>,
}

/// Looks for an order that agrees with `graph`. Every read has one source.
pub(super) fn search<'a>(graph: &'a Graph<'a>, budget: &Budget) -> Answer {
    let mut search = Search::new(graph);
    let total = search.steps.all.len();
    let state_bytes = (search.next.len() + search.held.len()) * 4 + 64;
    let mut dead: FxHashSet<Box<[u32]>> = FxHashSet::default();
    let mut choices: Vec<Choice> = Vec::new();
    let (mut states, mut most, mut blocked) = (0u64, 0, Vec::new());
    search.take_reads();
    loop {
        if search.order.len() == total {
            return Answer::Found;
        }
        states += 1;
        if states % 128 == 0 && (budget.expired() || dead.len() * state_bytes > budget.memory_bytes)
        {
            return Answer::Open { placed: most, states };
        }
        let writes = if !dead.is_empty() && dead.contains(&search.state()) {
            Vec::new()
        } else {
            search.writes()
        };
        if search.order.len() >= most {
            most = search.order.len();
            blocked.clone_from(&search.next);
        }
        choices.push(Choice { writes, tried: 0, placed: search.order.len() });
        loop {
            let Some(choice) = choices.last_mut() else {
                let sessions = search.steps.sessions.iter().zip(blocked);
                let left = sessions.filter(|(session, next)| *next < session.to);
                let blocked = left.map(|(_, next)| next).collect();
                return Answer::Impossible { blocked, placed: most, states };
            };
            search.undo(choice.placed);
            if let Some(&write) = choice.writes.get(choice.tried) {
                choice.tried += 1;
                search.take(write);
                search.take_reads();
                break;
            }
            if !choice.writes.is_empty() {
                dead.insert(search.state());
            }
            choices.pop();
        }
    }
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph<'a>) -> Self {
        let steps = graph.frame.steps;
        let total = steps.all.len();
        let mut open = vec![0; total];
        for step in 0..total as u32 {
            graph.before(step, |_, _| open[step as usize] += 1);
        }
        let mut unread = vec![0; steps.versions.len()];
        for &version in &steps.read {
            unread[version as usize] += 1;
        }
        Self {
            graph,
            steps,
            next: steps.sessions.iter().map(|session| session.from).collect(),
            open,
            held: steps.initial.clone(),
            unread,
            order: Vec::with_capacity(total),
            replaced: Vec::new(),
        }
    }

    fn key(&self, version: u32) -> usize {
        self.steps.versions[version as usize].key as usize
    }

    /// Whether the step can be taken now, and nothing that others have yet to read is lost by it.
    fn fits(&self, step: u32) -> bool {
        let finds = |&version: &u32| self.held[self.key(version)] == version;
        let reads = self.steps.reads(step);
        let spares = |&version: &u32| {
            let held = self.held[self.key(version)];
            self.unread[held as usize] == u32::from(reads.contains(&held))
        };
        self.open[step as usize] == 0
            && reads.iter().all(finds)
            && self.steps.writes(step).iter().all(spares)
    }

    fn take(&mut self, step: u32) {
        let steps = self.steps;
        self.order.push(step);
        self.next[steps.all[step as usize].session as usize] += 1;
        for &version in steps.reads(step) {
            self.unread[version as usize] -= 1;
        }
        for &version in steps.writes(step) {
            let key = self.key(version);
            self.replaced.push(std::mem::replace(&mut self.held[key], version));
        }
        let open = &mut self.open;
        self.graph.after(step, |next, _| open[next as usize] -= 1);
    }

    /// Takes back what was placed after the first `placed` steps.
    fn undo(&mut self, placed: usize) {
        let steps = self.steps;
        while self.order.len() > placed {
            let Some(step) = self.order.pop() else { return };
            self.next[steps.all[step as usize].session as usize] -= 1;
            for &version in steps.reads(step) {
                self.unread[version as usize] += 1;
            }
            for &version in steps.writes(step).iter().rev() {
                let key = self.key(version);
                if let Some(before) = self.replaced.pop() {
                    self.held[key] = before;
                }
            }
            let open = &mut self.open;
            self.graph.after(step, |next, _| open[next as usize] += 1);
        }
    }

    /// Takes every step that only reads and can be taken.
    fn take_reads(&mut self) {
        let mut idle = 0;
        let mut session = 0;
        while idle < self.next.len() {
            let step = self.next[session];
            let there = step < self.steps.sessions[session].to;
            if there && self.steps.writes(step).is_empty() && self.fits(step) {
                self.take(step);
                idle = 0;
            } else {
                session = (session + 1) % self.next.len();
                idle += 1;
            }
        }
    }

    /// The writes that can be taken, in the order in which they were invoked.
    fn writes(&self) -> Vec<u32> {
        let next = self.next.iter().zip(&self.steps.sessions);
        let there = next.filter(|(step, session)| **step < session.to).map(|(step, _)| *step);
        let mut writes: Vec<u32> =
            there.filter(|&it| !self.steps.writes(it).is_empty() && self.fits(it)).collect();
        writes.sort_unstable_by_key(|&it| self.steps.all[it as usize].number);
        writes
    }

    /// How far each session has come, and what is held where it has yet to be read.
    fn state(&self) -> Box<[u32]> {
        let held = self.held.iter().map(|&version| {
            let read = self.unread[version as usize] > 0;
            if read || self.steps.versions[version as usize].source == Source::Nobody {
                version
            } else {
                u32::MAX
            }
        });
        self.next.iter().copied().chain(held).collect()
    }
}
