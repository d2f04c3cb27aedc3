//! First in, first out: which messages the order of the queue cannot explain.

use super::elements::{Element, Elements, NONE};

/// A violation of the order; numbers are places in [`Elements::all`].
#[derive(Clone, Debug)]
pub(crate) enum Disorder {
    /// `first` was in before `second` was enqueued, and `second` was out before any dequeue can have
    /// removed `first`.
    Overtaken { first: u32, second: u32 },
    /// All of `stuck` had to be out before `second`, but fewer dequeues that may have removed them
    /// had begun.
    Stuck { stuck: Vec<u32>, second: u32, unseen: usize },
}

/// For each element that nobody took: the least `out_by` of those that were enqueued after it was
/// in. Before that rank it had to be out. [`NONE`]: it may stay for ever.
pub(crate) fn deadlines(elements: &Elements) -> Vec<(u32, u32)> {
    let mut untaken = sorted_by_entry(elements, |it| !it.taken());
    let mut later = elements.all.iter().rev().filter(|it| it.taken()).peekable();
    let mut least = NONE;
    let mut deadlines = Vec::with_capacity(untaken.len());
    while let Some(place) = untaken.pop() {
        let in_by = elements.all[place as usize].in_by;
        while let Some(next) = later.next_if(|it| it.in_from > in_by) {
            least = least.min(next.out_by);
        }
        deadlines.push((place, least));
    }
    deadlines.reverse();
    deadlines
}

/// The places of some elements, in order of `in_by`.
fn sorted_by_entry(elements: &Elements, which: impl Fn(&Element) -> bool) -> Vec<u32> {
    let places = (0..elements.all.len() as u32).filter(|&at| which(&elements.all[at as usize]));
    let mut places: Vec<u32> = places.collect();
    places.sort_unstable_by_key(|&place| elements.all[place as usize].in_by);
    places
}

/// Up to `most` violations of the order, for `deadlines` of what nobody took. O(n log n).
pub(crate) fn disorders(
    elements: &Elements,
    deadlines: &[(u32, u32)],
    most: usize,
) -> Vec<Disorder> {
    let mut found = overtaken(elements, most);
    if found.len() < most && !elements.unseen.is_empty() {
        found.extend(stuck(elements, deadlines));
    }
    found
}

/// Pairs that are in one order when they go in, and in the other when they come out.
fn overtaken(elements: &Elements, most: usize) -> Vec<Disorder> {
    // With dequeues of which nobody knows, what nobody took may have been removed by them.
    let stays = |it: &Element| it.taken() || elements.unseen.is_empty();
    // Which element is in by each rank: a sort, for ranks are small.
    let mut in_by = vec![NONE; elements.span as usize + 1];
    for (place, element) in (0..).zip(&elements.all).filter(|(_, it)| stays(it)) {
        if let Some(slot) = in_by.get_mut(element.in_by as usize) {
            *slot = place;
        }
    }
    let mut found = Vec::new();
    let (mut rank, mut last_out, mut last) = (0, 0, NONE);
    for (place, second) in (0..).zip(&elements.all).filter(|(_, it)| it.taken()) {
        while rank < second.in_from {
            let entered = in_by[rank as usize];
            rank += 1;
            let Some(first) = elements.all.get(entered as usize) else { continue };
            if first.out_from > last_out {
                (last_out, last) = (first.out_from, entered);
            }
        }
        if second.out_by < last_out {
            found.push(Disorder::Overtaken { first: last, second: place });
            if found.len() == most {
                break;
            }
        }
    }
    found
}

/// The first deadline before which more had to be out than dequeues can have removed.
fn stuck(elements: &Elements, deadlines: &[(u32, u32)]) -> Option<Disorder> {
    let mut due: Vec<(u32, u32)> =
        deadlines.iter().filter(|it| it.1 != NONE).map(|&(place, due)| (due, place)).collect();
    due.sort_unstable();
    let late = |&number: &usize| elements.unseen.get(number).is_none_or(|&it| it > due[number].0);
    let number = (0..due.len()).find(late)?;
    let deadline = due[number].0;
    let unseen = elements.unseen.partition_point(|&it| it < deadline);
    let mut stuck: Vec<u32> = due[..=number].iter().map(|&(_, place)| place).collect();
    stuck.sort_unstable();
    let second = elements.all.iter().position(|it| it.out_by == deadline)? as u32;
    Some(Disorder::Stuck { stuck, second, unseen })
}
