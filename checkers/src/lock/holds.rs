//! Locks that only their holder may release: from when to when each holder has them.

use rustc_hash::FxHashMap;
use schism_history::Process;

use super::operations::{Action, Lock, NEVER};

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Once, until its holder releases it.
    Owned,
    /// As often as its holder likes, until it has released it as often.
    Reentrant,
    /// Until its holder releases it, or it expires unseen.
    Lease,
}

/// From when to when a process held the lock; places in [`Lock::entries`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// The acquire.
    pub acquire: u32,
    /// The release that ends it, if one does.
    pub release: Option<u32>,
    /// The lock was taken after the event of this index.
    pub asked: u64,
    /// It was held from the completion of the acquire, the event of this index …
    pub from: u64,
    /// … until the invocation of the release, the event of this index: [`NEVER`] if nothing ends it;
    /// `from` if it was held at one moment between `asked` and `from`, and nobody knows for how long.
    pub to: u64,
}

/// What contradicts the lock; places in [`Lock::entries`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Breach {
    /// Two processes held it at once.
    TwoHolders { one: Hold, other: Hold },
    /// The process held it already, and was granted it again.
    AcquiredTwice { first: u32, again: u32 },
    /// The process released what it did not hold; with what it had done before.
    ReleasedUnheld { before: Option<u32>, release: u32 },
}

/// What each process has.
#[derive(Clone, Copy, Default)]
struct Held {
    /// How often it has acquired and not released.
    depth: u32,
    /// The first of these acquires.
    acquire: u32,
    /// The last operation.
    last: Option<u32>,
}

/// Who held the lock when, and what a process by itself did against the rules.
///
/// A process does one thing after the other. An acquire of which nobody knows is left out: its
/// process does nothing after it, so that the lock may as well not have been granted. A release of
/// which nobody knows is taken to free the lock as early as it can; of a lease it proves nothing,
/// since the lease may have expired.
pub(crate) fn holds(lock: &Lock, holding: Holding) -> (Vec<Hold>, Vec<Breach>) {
    let mut processes: FxHashMap<Process, Held> = FxHashMap::default();
    let (mut holds, mut breaches): (Vec<Hold>, Vec<Breach>) = (Vec::new(), Vec::new());
    // Where the hold of each acquire stands in the list, while it goes on.
    let mut going: FxHashMap<Process, usize> = FxHashMap::default();
    for (place, entry) in (0..).zip(&lock.entries) {
        let held = processes.entry(entry.process).or_default();
        match entry.action {
            Action::Acquire if !entry.is_ok() => continue,
            Action::Acquire if held.depth > 0 && holding == Holding::Owned => {
                breaches.push(Breach::AcquiredTwice { first: held.acquire, again: place });
            }
            Action::Acquire if held.depth > 0 && holding == Holding::Reentrant => held.depth += 1,
            Action::Acquire => {
                (held.depth, held.acquire) = (1, place);
                let (asked, from) = (entry.invoked, entry.completed);
                let to = if holding == Holding::Lease { from } else { NEVER };
                going.insert(entry.process, holds.len());
                holds.push(Hold { acquire: place, release: None, asked, from, to });
            }
            Action::Release if held.depth == 0 => {
                if entry.is_ok() && holding != Holding::Lease {
                    let before = held.last;
                    breaches.push(Breach::ReleasedUnheld { before, release: place });
                }
            }
            Action::Release => {
                held.depth -= 1;
                let ends = held.depth == 0 && (entry.is_ok() || holding != Holding::Lease);
                if let Some(&at) = going.get(&entry.process).filter(|_| ends) {
                    (holds[at].release, holds[at].to) = (Some(place), entry.invoked);
                }
            }
        }
        held.last = Some(place);
    }
    (holds, breaches)
}

/// Pairs of which one was granted while the other held the lock, `most` at most. O(n log n).
///
/// Whoever held it from `from` to `to` was alone then; a moment between `asked` and `from` must not
/// lie in between. No two such spans meet, and no stretch for a moment lies inside one, if and only
/// if the holds can be put in order: spans as they stand, a moment where there is room.
pub(crate) fn overlaps(holds: &[Hold], most: usize) -> Vec<Breach> {
    let (spans, moments): (Vec<Hold>, Vec<Hold>) =
        holds.iter().partition(|hold| hold.from < hold.to);
    let mut spans = spans;
    spans.sort_unstable_by_key(|hold| hold.from);
    let mut found: Vec<Breach> = Vec::new();
    // The one that lasts longest of those before each.
    let mut longest: Vec<Hold> = Vec::with_capacity(spans.len());
    for &span in &spans {
        match longest.last() {
            Some(&before) if before.to > span.from => {
                found.push(Breach::TwoHolders { one: before, other: span });
                longest.push(if before.to >= span.to { before } else { span });
            }
            _ => longest.push(span),
        }
        if found.len() == most {
            return found;
        }
    }
    for &moment in &moments {
        let before = spans.partition_point(|span| span.from < moment.asked);
        let Some(&around) = before.checked_sub(1).and_then(|at| longest.get(at)) else { continue };
        if around.to > moment.from {
            found.push(Breach::TwoHolders { one: around, other: moment });
        }
        if found.len() == most {
            break;
        }
    }
    found
}
