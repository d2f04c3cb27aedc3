//! Which logs were read to their end after all faults were healed.

use rustc_hash::FxHashMap;
use schism_history::{History, Key, MopKind, Operation, Value};

use super::operations::{Functions, Step, What};
use super::records::Records;

/// So many polls in a row must return nothing of a log before they have found its end: a consumer's
/// first polls may return nothing while it still looks for the leader.
pub(crate) const EMPTY_MIN: usize = 3;

/// The end of a log, as the last polls of it found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// All of the last polls were invoked at this index or later.
    pub since: u64,
    /// The number of the last of them.
    pub last: u32,
}

/// The logs after whose last message [`EMPTY_MIN`] polls or more, all of them invoked after the mark of
/// healing, returned nothing of any log. Only polls that name the log count, in question or answer, and those of
/// processes that chose it themselves. A subscriber's do not: what the system assigns to it is not in the
/// history, and it may have begun behind what another has polled and never told of.
pub(crate) fn endings(history: &History, records: &Records<'_>) -> FxHashMap<Key, Ending> {
    let mut found = FxHashMap::default();
    let Some((healed, _)) = history.healed().filter(|_| history.has_real_time()) else {
        return found;
    };
    let functions = Functions::new();
    // The invocations of the last polls of each log that returned nothing.
    let mut empty: FxHashMap<Key, Vec<(u64, u32)>> = FxHashMap::default();
    let cut = records.alien.as_ref().map_or(u64::MAX, |alien| alien.index);
    let mut returned: Vec<Key> = Vec::new();
    for operation in history.operations() {
        let done = operation.ok().is_some() && operation.completed.is_some_and(|it| it < cut);
        if operation.invoked < healed || !done || !functions.polls(&operation) {
            continue;
        }
        returned.clear();
        let read = functions.read(&operation, |step| {
            if let Step::Polled(key, ..) = step {
                returned.push(key);
            }
        });
        if !matches!(read, Ok(What::Messages)) {
            continue;
        }
        for key in &returned {
            empty.remove(key);
        }
        let number = operation.number as u32;
        if records.assignments.is_subscribed(operation.process, number) {
            continue;
        }
        let chosen = records.assignments.chosen(operation.process, number);
        let mut asked: Vec<Key> = chosen.iter().chain(&operation.op.key).copied().collect();
        asked.extend(named(&operation));
        asked.sort_unstable();
        asked.dedup();
        // A poll that returned something may not have looked at the other logs.
        if returned.is_empty() {
            for key in asked {
                empty.entry(key).or_default().push((operation.invoked, number));
            }
        }
    }
    for (key, polls) in empty {
        if let Some(place) = polls.len().checked_sub(EMPTY_MIN) {
            let (since, last) = (polls[place].0, polls[polls.len() - 1].1);
            found.insert(key, Ending { since, last });
        }
    }
    found
}

/// The logs that an answer names, be it that it returned nothing of them.
fn named(operation: &Operation<'_>) -> Vec<Key> {
    let Some(Value::Mops(mops)) = operation.ok().map(|reply| &reply.value) else {
        return Vec::new();
    };
    let polls = mops.iter().filter(|mop| mop.kind == MopKind::Poll);
    polls.map(|mop| mop.key).filter(|key| !key.as_str().is_empty()).collect()
}
