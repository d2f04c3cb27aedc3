//! How far consumers are behind, in time.

use rustc_hash::FxHashMap;
use schism_history::Process;

use super::partition::Log;
use super::records::Records;
use super::teller::Teller;

/// A time at which nothing has happened.
const NEVER: u64 = u64::MAX;

/// For each poll that returned something of the log: since when the furthest message that its
/// process had polled had not been the newest, when the poll began.
///
/// A message is known to be there when the first operation that names it completes: that is the
/// latest moment at which the one before it can have been the newest, so that no lag is overstated.
pub(crate) fn lags(log: &Log<'_>, teller: &Teller<'_>, records: &Records<'_>) -> Vec<(u64, u32)> {
    // First, when each dense index is known to hold a message; then, when any after it is.
    let mut gone = vec![NEVER; log.offsets.len()];
    let sends = log.rows.sends.iter().map(|row| (row.offset, row.operation));
    let polls = log.rows.polls.iter().map(|row| (row.offset, row.operation));
    for (offset, operation) in sends.chain(polls) {
        let Some(index) = log.offsets.index(offset) else { continue };
        let known = &mut gone[index as usize];
        *known = records.ends[operation as usize].min(*known);
    }
    let mut after = NEVER;
    for known in gone.iter_mut().rev() {
        after = std::mem::replace(known, after).min(after);
    }
    let mut furthest: FxHashMap<Process, (u32, u32)> = FxHashMap::default();
    let mut lags = Vec::new();
    for group in log.rows.polls.chunk_by(|one, other| one.operation == other.operation) {
        let indexes = group.iter().filter_map(|row| log.offsets.index(row.offset));
        let Some(index) = indexes.max() else { continue };
        let number = group[0].operation;
        let operation = teller.operation(number);
        let before = furthest.get(&operation.process).filter(|(before, _)| {
            records.assignments.keeps(operation.process, log.rows.key, *before, number)
        });
        let index = before.map_or(index, |(_, before)| index.max(*before));
        furthest.insert(operation.process, (number, index));
        lags.push((operation.start.0.saturating_sub(gone[index as usize]), number));
    }
    lags
}
