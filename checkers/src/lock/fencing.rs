//! Fencing tokens: they rise, and nothing is accepted under an old one.

use rustc_hash::FxHashMap;
use schism_history::Process;

use super::operations::{Action, Lock, Write};

/// A grant with its token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    /// The acquire, as a place in [`Lock::entries`].
    pub acquire: u32,
    /// The token.
    pub token: i64,
    /// The index of the acquire's invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
}

/// What breaks the fence.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gap {
    /// `later` was asked for after `earlier` had been granted, but its token is no greater; or both
    /// have one token.
    NotRising { earlier: Grant, later: Grant },
    /// `stale` began after `newer` had been accepted under a greater token, and was accepted, too.
    Stale { newer: Write, stale: Write },
}

/// What is known of the tokens of one lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fence {
    /// What breaks it, `most` of each kind at most.
    pub gaps: Vec<Gap>,
    /// Grants and writes that came after another one, and could have broken it.
    pub tested: usize,
    /// An ok acquire that returned no token, as a place in [`Lock::entries`].
    pub without_token: Option<u32>,
}

/// Looks for `most` gaps of each kind. O(n log n).
///
/// If a process is granted the token that it has, without a release in between, it has renewed its
/// lease: that is no new grant.
pub(crate) fn fence(lock: &Lock, most: usize) -> Fence {
    let mut fence = Fence::default();
    let mut has: FxHashMap<Process, i64> = FxHashMap::default();
    let mut grants: Vec<Grant> = Vec::new();
    for (place, entry) in (0..).zip(&lock.entries) {
        if entry.action == Action::Release {
            has.remove(&entry.process);
            continue;
        }
        if !entry.is_ok() {
            continue;
        }
        let Some(token) = entry.token else {
            fence.without_token = fence.without_token.or(Some(place));
            continue;
        };
        if has.insert(entry.process, token) != Some(token) {
            let (invoked, completed) = (entry.invoked, entry.completed);
            grants.push(Grant { acquire: place, token, invoked, completed });
        }
    }
    rising(&grants, most, &mut fence);
    accepted(&lock.writes, most, &mut fence);
    fence
}

fn rising(grants: &[Grant], most: usize, fence: &mut Fence) {
    let mut ended: Vec<Grant> = grants.to_vec();
    ended.sort_unstable_by_key(|grant| grant.completed);
    let mut ended = ended.into_iter().peekable();
    let mut greatest: Option<Grant> = None;
    let mut by_token: FxHashMap<i64, Grant> = FxHashMap::default();
    let mut left = most;
    for &later in grants {
        while let Some(grant) = ended.next_if(|grant| grant.completed < later.invoked) {
            if greatest.is_none_or(|greatest| greatest.token < grant.token) {
                greatest = Some(grant);
            }
        }
        fence.tested += usize::from(greatest.is_some());
        let before = greatest.filter(|greatest| greatest.token >= later.token);
        // Of two grants at once nobody knows which came first, but one token is no rise.
        let same = by_token.insert(later.token, later);
        if let Some(earlier) = before.or(same).filter(|_| left > 0) {
            left -= 1;
            fence.gaps.push(Gap::NotRising { earlier, later });
        }
    }
}

fn accepted(writes: &[Write], most: usize, fence: &mut Fence) {
    let mut ended: Vec<Write> = writes.to_vec();
    ended.sort_unstable_by_key(|write| write.completed);
    let mut ended = ended.into_iter().peekable();
    let mut greatest: Option<Write> = None;
    let mut left = most;
    for &stale in writes {
        while let Some(write) = ended.next_if(|write| write.completed < stale.invoked) {
            if greatest.is_none_or(|greatest| greatest.token < write.token) {
                greatest = Some(write);
            }
        }
        fence.tested += usize::from(greatest.is_some());
        if let Some(newer) = greatest.filter(|it| it.token > stale.token && left > 0) {
            left -= 1;
            fence.gaps.push(Gap::Stale { newer, stale });
        }
    }
}
