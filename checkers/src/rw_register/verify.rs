//! Orders are played back before anything is upheld: whoever found them may err.

use super::events::Events;
use super::facts::{Facts, Isolation};
use crate::transactional::Order;
use crate::weak::{INIT, NOBODY};

/// Whether each transaction, one after the other, reads what it read, in an order that keeps
/// sessions and real time as far as it must.
pub(crate) fn explains_serially(facts: &Facts<'_>, order: Order, serial: &[u32]) -> bool {
    let transactions = facts.transactions;
    if serial.len() != transactions.len() {
        return false;
    }
    let mut held: Vec<u32> = vec![INIT; transactions.names.len()];
    let mut next: Vec<u32> = transactions.starts.clone();
    let mut placed = vec![false; transactions.len()];
    let mut invoked = 0;
    for &it in serial {
        if std::mem::replace(&mut placed[it as usize], true) {
            return false;
        }
        let session = transactions.sessions[it as usize] as usize;
        if order >= Order::Process && next[session] != it {
            return false;
        }
        next[session] = it + 1;
        // Somebody before it was invoked only after it had completed.
        if order == Order::Realtime && facts.completed[it as usize] < invoked {
            return false;
        }
        invoked = invoked.max(facts.invoked[it as usize]);
        for read in transactions.reads(it) {
            if read.writer != NOBODY && held[read.key as usize] != read.writer {
                return false;
            }
        }
        for &key in transactions.writes(it) {
            held[key as usize] = it;
        }
    }
    true
}

/// Whether in this order of starts and commits each transaction reads what was committed before it
/// started, and no two that wrote one key overlap.
pub(crate) fn explains_snapshots(events: &Events<'_>, order: &[u32]) -> bool {
    let facts = events.facts;
    let transactions = facts.transactions;
    let mut held: Vec<u32> = vec![INIT; transactions.names.len()];
    let mut started: Vec<Option<usize>> = vec![None; transactions.len()];
    let mut committed: Vec<Option<usize>> = vec![None; transactions.len()];
    // The last invocation among those that have committed is of no use: what has completed must
    // have committed before anybody starts who was invoked later.
    let mut invoked_started = 0;
    for (place, &node) in order.iter().enumerate() {
        let Some(it) = events.transaction(node) else { continue };
        let index = it as usize;
        if node == events.start(it) {
            if events.model.order >= Order::Process
                && transactions.before(it).is_some_and(|it| committed[it as usize].is_none())
            {
                return false;
            }
            for read in transactions.reads(it) {
                if read.writer != NOBODY && held[read.key as usize] != read.writer {
                    return false;
                }
            }
            started[index] = Some(place);
            invoked_started = invoked_started.max(facts.invoked[index]);
            continue;
        }
        let Some(start) = started[index] else { return false };
        if events.model.order == Order::Realtime && facts.completed[index] < invoked_started {
            return false;
        }
        for &key in transactions.writes(it) {
            let before = held[key as usize];
            if before != INIT && committed[before as usize].is_none_or(|commit| commit > start) {
                return false;
            }
            held[key as usize] = it;
        }
        committed[index] = Some(place);
    }
    committed.iter().all(Option::is_some)
}

/// Whether an order of events is a proof, by the model's own measure.
pub(crate) fn explains(events: &Events<'_>, order: &[u32]) -> bool {
    match events.model.isolation {
        Isolation::Serial => {
            let serial: Vec<u32> =
                order.iter().filter_map(|node| events.transaction(*node)).collect();
            explains_serially(events.facts, events.model.order, &serial)
        }
        Isolation::Snapshot => explains_snapshots(events, order),
        Isolation::View => false,
    }
}
