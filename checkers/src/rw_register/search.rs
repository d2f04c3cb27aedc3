//! What inference leaves open: of two versions of one key one is older, so both cases are tried.

use super::events::{Arc, Events, Older, Successors};
use super::facts::Isolation;
use super::place::place;
use super::saturate::{Saturated, Stopped, saturate};
use super::verify::explains;
use crate::Budget;

/// Cases of which the contradictions are kept.
const KEPT_MAX: usize = 2;

/// A contradiction, and what was assumed.
#[derive(Debug)]
pub(crate) struct Contradiction {
    /// What was assumed: pairs of versions, the older one first.
    pub assumed: Vec<Older>,
    /// What followed.
    pub saturated: Saturated,
}

/// What became of the search.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There is an order, and it was played back.
    Holds,
    /// There is none; the first contradictions, and in how many cases there was one.
    Broken(Vec<Contradiction>, usize),
    /// Nobody can say within the budget; how many cases were tried.
    Stopped(Stopped, usize),
}

/// Decides a model.
pub(crate) fn search(events: &Events<'_>, budget: &Budget) -> Answer {
    let mut cases: Vec<Vec<Older>> = vec![Vec::new()];
    let mut contradictions = Vec::new();
    let (mut tried, mut broken) = (0, 0);
    while let Some(assumed) = cases.pop() {
        let saturated = match saturate(events, &assumed, budget) {
            Ok(saturated) => saturated,
            Err(stopped) => return Answer::Stopped(stopped, tried),
        };
        tried += 1;
        let Some(order) = &saturated.order else {
            broken += 1;
            if contradictions.len() < KEPT_MAX {
                contradictions.push(Contradiction { assumed, saturated });
            }
            continue;
        };
        if tried == 1 && events.model.isolation == Isolation::Serial {
            let mut arcs: Vec<Arc> = Vec::new();
            saturated.older.iter().for_each(|pair| events.add_older(*pair, &mut arcs));
            if place(events.facts, events.model.order, &arcs, budget).is_ok() {
                return Answer::Holds;
            }
        }
        match completed(events, &saturated, order, budget) {
            Ok(true) => return Answer::Holds,
            Ok(false) => {}
            Err(stopped) => return Answer::Stopped(stopped, tried),
        }
        let Some((one, other)) = saturated.open else {
            // All is decided and in order, and yet the order was no proof: say nothing.
            return Answer::Stopped(Stopped::Time, tried);
        };
        let held: usize = cases.iter().map(Vec::len).sum();
        if held * 16 > budget.memory_bytes {
            return Answer::Stopped(Stopped::Memory(held * 16), tried);
        }
        let mut opposite = assumed.clone();
        opposite.push((other, one));
        cases.push(opposite);
        let mut straight = assumed;
        straight.push((one, other));
        cases.push(straight);
    }
    Answer::Broken(contradictions, broken)
}

/// Whether the versions that are left open can be taken in the order in which they seem due.
fn completed(
    events: &Events<'_>,
    saturated: &Saturated,
    order: &[u32],
    budget: &Budget,
) -> Result<bool, Stopped> {
    let facts = events.facts;
    let mut places = vec![0_u32; events.len()];
    for (place, node) in (0_u32..).zip(order) {
        places[*node as usize] = place;
    }
    let mut older = saturated.older.clone();
    let mut versions: Vec<u32> = Vec::new();
    for key in 0..facts.transactions.names.len() as u32 {
        versions.clear();
        versions.extend_from_slice(facts.versions_of(key));
        versions.sort_unstable_by_key(|version| {
            places[events.commit(facts.writers[*version as usize]) as usize]
        });
        older.extend(versions.windows(2).map(|pair| (pair[0], pair[1])));
    }
    older.sort_unstable();
    older.dedup();
    if events.model.isolation == Isolation::View {
        let all = saturate(events, &older, budget)?;
        return Ok(all.order.is_some() && all.open.is_none());
    }
    let mut arcs: Vec<Arc> = Vec::new();
    for pair in older {
        events.add_older(pair, &mut arcs);
    }
    let successors = Successors::new(events.len(), &[&events.certain, &arcs]);
    let rank = |node: u32| events.transaction(node).map_or(0, |it| facts.due[it as usize]);
    Ok(successors.order(rank).is_some_and(|order| explains(events, &order)))
}
