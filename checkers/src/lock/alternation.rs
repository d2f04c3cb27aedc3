//! A lock that anybody may release: acquires and releases in turn.

use std::collections::BTreeSet;

use super::operations::{Action, Entry, Lock};

/// Where every order of a lock's operations ends; numbers are places in [`Lock::entries`].
#[derive(Clone, Debug)]
pub(crate) struct Stuck {
    /// The operation that had to take effect by its completion, and could not.
    pub impossible: u32,
    /// What took effect before, in order.
    pub order: Vec<u32>,
}

/// Places the operations of the lock in turn, or tells where that ends. O(n log n).
///
/// Nothing is placed before an operation completes that has to be; then it is placed, if need be
/// after one of the other kind, of which the one that completes first is taken (indeterminate ones
/// complete last). This finds an order if there is one: take an order, and let x be the first
/// operation to complete that is not placed yet. All that comes before x in the order and is not
/// placed completes later, so that it can be moved to just before the completion of x, keeping its
/// order; there, all are open at once, and x can change places with the first of its own kind. Since
/// kinds alternate, that is the next operation or the one after it. If it is the one after, the one
/// before it can change places, for the same reason, with the operation of its kind that completes
/// first: that one comes later in the order, or not at all, and the other completes no earlier. What
/// was moved behind x can follow at once, or not take effect if it is indeterminate and ends the
/// order.
pub(crate) fn alternate(lock: &Lock) -> Option<Stuck> {
    let mut returns: Vec<u32> = (0..lock.entries.len() as u32).collect();
    returns.retain(|&place| lock.entries[place as usize].is_ok());
    returns.sort_unstable_by_key(|&place| lock.entries[place as usize].completed);
    let entry = |place: u32| -> &Entry { &lock.entries[place as usize] };
    // What was invoked and is not placed, by completion: acquires and releases.
    let mut open: [BTreeSet<(u64, u32)>; 2] = [BTreeSet::new(), BTreeSet::new()];
    let kind = |action: Action| usize::from(action == Action::Release);
    let mut invoked = 0;
    let mut order: Vec<u32> = Vec::new();
    let mut placed = vec![false; lock.entries.len()];
    for &impossible in &returns {
        let completed = entry(impossible).completed;
        while let Some(next) = lock.entries.get(invoked).filter(|it| it.invoked < completed) {
            open[kind(next.action)].insert((next.completed, invoked as u32));
            invoked += 1;
        }
        if placed[impossible as usize] {
            continue;
        }
        let action = entry(impossible).action;
        let other = match action {
            Action::Acquire => Action::Release,
            Action::Release => Action::Acquire,
        };
        // The lock is held after an odd number of operations.
        let held = order.len() % 2 == 1;
        if held == (action == Action::Acquire) {
            let Some((_, before)) = open[kind(other)].pop_first() else {
                return Some(Stuck { impossible, order });
            };
            placed[before as usize] = true;
            order.push(before);
        }
        open[kind(action)].remove(&(completed, impossible));
        placed[impossible as usize] = true;
        order.push(impossible);
    }
    None
}
