//! Updates that a get must have in its past and does not show.

use super::extract::{Shown, Texts};
use crate::session::{Clocks, Frame};

/// Which pieces the get that was looked at last shows: a mark on each.
pub(super) struct Marks {
    marks: Vec<u32>,
}

impl Marks {
    /// Nothing is marked yet.
    pub fn of(texts: &Texts<'_>) -> Self {
        Self { marks: vec![u32::MAX; texts.steps.all.len()] }
    }

    /// Marks what the get `step` shows.
    pub fn set(&mut self, step: u32, shown: &Shown) {
        for &piece in &shown.pieces {
            self.marks[piece as usize] = step;
        }
    }

    /// Whether the get `step`, which was marked last, shows `update`.
    pub fn has(&self, step: u32, update: u32) -> bool {
        self.marks[update as usize] == step
    }

    /// The last of `updates` that the get `step` does not show.
    pub fn last_hidden(&self, step: u32, updates: &[u32]) -> Option<u32> {
        updates.iter().rev().copied().find(|&it| !self.has(step, it))
    }

    /// Of each session the last update of the key before the get `step` that it does not show. What
    /// its session did earlier is before it, so that whatever follows from those follows from it.
    pub fn hidden(
        &mut self,
        frame: &Frame<'_>,
        clocks: &Clocks<'_>,
        step: u32,
        shown: &Shown,
    ) -> Vec<u32> {
        self.set(step, shown);
        let reach = clocks.of(step);
        let of_session = |(session, updates): (u32, &[u32])| {
            let reach = reach[frame.dimensions[session as usize] as usize];
            let from = frame.steps.sessions[session as usize].from;
            let before = &updates[..updates.partition_point(|&it| it - from < reach)];
            self.last_hidden(step, before)
        };
        frame.writers.of_key(shown.key).filter_map(of_session).collect()
    }
}
