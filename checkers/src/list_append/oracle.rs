//! The definition itself: is there a serial order that explains what was read? By trying them all.

use std::collections::BTreeMap;

use schism_history::{History, Key, MopKind, Value};

use super::transactions::{Fate, Transactions, elements};

/// Whether some order of the committed transactions, and of any of the indeterminate ones, explains
/// every read; with `realtime` only orders that agree with it. Exponential: for small histories.
pub(super) fn serializable(history: &History, realtime: bool) -> bool {
    let transactions = Transactions::of(history);
    let left: Vec<usize> = (0..transactions.all.len())
        .filter(|place| transactions.all[*place].fate != Fate::Aborted)
        .collect();
    extend(&transactions, &left, &BTreeMap::new(), realtime)
}

type State = BTreeMap<Key, Vec<Value>>;

fn extend(transactions: &Transactions<'_>, left: &[usize], state: &State, realtime: bool) -> bool {
    let must = |place: &&usize| transactions.all[**place].fate == Fate::Committed;
    if !left.iter().any(|place| must(&place)) {
        return true;
    }
    for (number, &place) in left.iter().enumerate() {
        let one = &transactions.all[place];
        let late = left
            .iter()
            .any(|&other| other != place && transactions.all[other].completed < one.invoked);
        if realtime && late {
            continue;
        }
        let Some(next) = apply(one.mops, one.fate == Fate::Committed, state) else { continue };
        let mut rest = left.to_vec();
        rest.remove(number);
        if extend(transactions, &rest, &next, realtime) {
            return true;
        }
    }
    false
}

fn apply(mops: &[schism_history::Mop], reads: bool, state: &State) -> Option<State> {
    let mut state = state.clone();
    for mop in mops {
        let list = state.entry(mop.key).or_default();
        match mop.kind {
            MopKind::Append => list.push(mop.value.clone()),
            _ if reads && elements(&mop.value) != Some(list.as_slice()) => return None,
            _ => {}
        }
    }
    Some(state)
}
