//! Leaves out of a violation what it does not need.

use rustc_hash::FxHashMap;

use super::operations::Register;
use super::witness::search_part;

/// Searches may visit so many configurations altogether.
const CONFIGURATIONS_MAX: u64 = 200_000;

/// A smaller part of `places` which by itself is not linearizable in the prefix up to the rank
/// `prefix` either, if one is found cheaply; `configurations` is what the search for the whole part
/// visited.
///
/// Only such operations are left out that the rest does not need (see the module `witness`): reads,
/// and all writers at once of a value that nothing left needs. Halves are tried first, then quarters, and
/// so on down to single operations (delta debugging; Zeller & Hildebrandt 2002).
pub(crate) fn shrink(
    register: &Register,
    prefix: u64,
    places: &[u32],
    configurations: u64,
) -> Option<Vec<u32>> {
    let each = configurations.saturating_mul(2).max(1_000);
    let mut left = CONFIGURATIONS_MAX;
    let mut fails = |part: &[u32]| {
        if left < each {
            return None;
        }
        let (end, visited) = search_part(register, prefix, part, each);
        // Short searches cost something, too.
        left = left.saturating_sub(visited + part.len() as u64 / 16 + 1);
        Some(end.is_some())
    };
    let mut part = places.to_vec();
    let mut smaller = false;
    let mut size = part.len().div_ceil(2).max(1);
    'out: loop {
        let mut at = 0;
        let mut progress = false;
        while at < part.len() {
            let chunk = at..(at + size).min(part.len());
            let rest = without(register, &part, chunk.clone());
            if rest.len() == part.len() {
                at = chunk.end;
                continue;
            }
            match fails(&rest) {
                None => break 'out,
                Some(true) => (part, progress, smaller) = (rest, true, true),
                Some(false) => at = chunk.end,
            }
        }
        match (size, progress) {
            (1, false) => break,
            (1, true) => {}
            _ => size = size.div_ceil(2),
        }
    }
    smaller.then_some(part)
}

/// `part` without those operations of `chunk` that the rest does not need.
fn without(register: &Register, part: &[u32], chunk: std::ops::Range<usize>) -> Vec<u32> {
    let action = |place: u32| register.entries[place as usize].action;
    let mut needed: FxHashMap<u32, usize> = FxHashMap::default();
    for value in part.iter().filter_map(|&place| action(place).needs()) {
        *needed.entry(value).or_default() += 1;
    }
    let mut gone = vec![false; part.len()];
    // An operation that goes may leave another's value unneeded: look until nothing changes.
    loop {
        let before = gone.iter().filter(|gone| **gone).count();
        for at in chunk.clone() {
            let action = action(part[at]);
            let wanted = action.writes().is_some_and(|value| {
                let own = usize::from(action.needs() == Some(value));
                needed.get(&value).is_some_and(|&count| count > own)
            });
            if !gone[at] && !wanted {
                gone[at] = true;
                if let Some(count) = action.needs().and_then(|value| needed.get_mut(&value)) {
                    *count -= 1;
                }
            }
        }
        if gone.iter().filter(|gone| **gone).count() == before {
            break;
        }
    }
    part.iter().zip(gone).filter(|(_, gone)| !gone).map(|(&place, _)| place).collect()
}
