//! Dequeues that found nothing: whether the queue can have been empty at some moment of each.

use super::elements::{Elements, NONE};

/// A dequeue that found nothing, although at every moment of it something was inside.
#[derive(Clone, Debug)]
pub(crate) struct FalseEmpty {
    /// The dequeue, as a place in [`Queue::empties`](super::operations::Queue::empties).
    pub empty: u32,
    /// Messages, places in [`Elements::all`], that were inside one after the other during all of it;
    /// nothing if only their number proves it, since some dequeues may have removed some of them.
    pub inside: Vec<u32>,
}

/// The dequeues, `most` at most, that cannot have found the queue empty.
///
/// A moment is a gap, named by the rank of the event before it. `deadlines`: the elements that nobody
/// took, in order of `in_by`, with the rank before which each has to be out for other reasons
/// ([`NONE`]: none). O(n), or O(n log n) if there are dequeues of which nobody knows.
pub(crate) fn false_empties(
    elements: &Elements,
    deadlines: &[(u32, u32)],
    most: usize,
) -> Vec<FalseEmpty> {
    if elements.empties.is_empty() {
        return Vec::new();
    }
    let span = elements.span as usize;
    let counted = !elements.unseen.is_empty();
    // How many more elements are certainly inside after each event than before it.
    let mut change = vec![0i32; span + 1];
    for element in elements.all.iter().filter(|it| it.taken() || !counted) {
        if element.in_by < element.out_from {
            change[element.in_by as usize] += 1;
            change[span.min(element.out_from as usize)] -= 1;
        }
    }
    let possible = if counted { removable(elements, deadlines) } else { Vec::new() };
    // How many gaps up to each may have been empty.
    let mut before = Vec::with_capacity(span + 1);
    let (mut inside, mut free) = (0, 0u32);
    for (gap, change) in change.into_iter().enumerate().take(span) {
        before.push(free);
        inside += change;
        free += u32::from(inside == 0 && possible.get(gap).copied().unwrap_or(true));
    }
    before.push(free);
    let covered = elements
        .empties
        .iter()
        .filter(|(_, from, to)| before[*from as usize] == before[*to as usize]);
    let covered: Vec<(u32, u32, u32)> = covered.take(most).copied().collect();
    covered
        .into_iter()
        .map(|(empty, from, to)| FalseEmpty { empty, inside: cover(elements, from, to) })
        .collect()
}

/// The fewest elements that were inside one after the other from one rank to another; nothing if
/// there are none such that need no counting.
fn cover(elements: &Elements, from: u32, to: u32) -> Vec<u32> {
    let stays = |place: &u32| {
        let element = &elements.all[*place as usize];
        (element.taken() || elements.unseen.is_empty())
            && element.in_by < element.out_from.min(to)
            && element.out_from > from
    };
    let mut places: Vec<u32> = (0..elements.all.len() as u32).filter(stays).collect();
    places.sort_unstable_by_key(|&place| elements.all[place as usize].in_by);
    let mut places = places.into_iter().peekable();
    let (mut chosen, mut reached) = (Vec::new(), from);
    while reached < to {
        let mut best: Option<(u32, u32)> = None;
        while let Some(place) =
            places.next_if(|&place| elements.all[place as usize].in_by <= reached)
        {
            best = best.max(Some((elements.all[place as usize].out_from, place)));
        }
        match best {
            Some((out_from, place)) if out_from > reached => {
                chosen.push(place);
                reached = out_from;
            }
            _ => return Vec::new(),
        }
    }
    chosen
}

/// For each gap, whether the dequeues of which nobody knows can have removed all that nobody else
/// took and that was in by then, and still meet every deadline after it.
fn removable(elements: &Elements, deadlines: &[(u32, u32)]) -> Vec<bool> {
    let span = elements.span as usize;
    let mut slack = vec![0i32; span];
    for &rank in &elements.unseen {
        slack[rank as usize] += 1;
    }
    // Out before the event `deadline` means: in the gap before it.
    let due = |deadline: u32| if deadline == NONE { span } else { deadline as usize - 1 };
    for &(_, deadline) in deadlines.iter().filter(|(_, deadline)| *deadline != NONE) {
        slack[due(deadline)] -= 1;
    }
    for gap in 1..span {
        slack[gap] += slack[gap - 1];
    }
    let mut tree = Minima::new(&slack);
    let mut entered = deadlines.iter().peekable();
    let mut possible = Vec::with_capacity(span);
    for gap in 0..span {
        while let Some(&(_, deadline)) =
            entered.next_if(|(place, _)| elements.all[*place as usize].in_by as usize <= gap)
        {
            // If the queue is empty here, it has to be out here, and not only by its deadline.
            tree.lower(gap, due(deadline));
        }
        possible.push(tree.least_from(gap) >= 0);
    }
    possible
}

/// Numbers of which a range can be lowered by one, and the least of those from a place on be told,
/// each in O(log n): a tree of minima.
struct Minima {
    leaves: usize,
    /// The least of each subtree, without what was lowered above it.
    least: Vec<i32>,
    /// By how much each subtree as a whole was lowered.
    lowered: Vec<i32>,
}

impl Minima {
    fn new(numbers: &[i32]) -> Self {
        let leaves = numbers.len().next_power_of_two();
        let mut least = vec![i32::MAX / 2; 2 * leaves];
        least[leaves..leaves + numbers.len()].copy_from_slice(numbers);
        for at in (1..leaves).rev() {
            least[at] = least[2 * at].min(least[2 * at + 1]);
        }
        Self { leaves, least, lowered: vec![0; 2 * leaves] }
    }

    /// Lowers the numbers from `from` up to, and without, `to`.
    fn lower(&mut self, from: usize, to: usize) {
        let (mut low, mut high) = (from + self.leaves, to + self.leaves);
        let ends = [low, high - 1];
        while low < high {
            if low % 2 == 1 {
                self.lower_subtree(low);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                self.lower_subtree(high);
            }
            (low, high) = (low / 2, high / 2);
        }
        for end in ends {
            let mut at = end / 2;
            while at > 0 {
                let below = self.least[2 * at].min(self.least[2 * at + 1]);
                self.least[at] = below - self.lowered[at];
                at /= 2;
            }
        }
    }

    fn lower_subtree(&mut self, at: usize) {
        self.least[at] -= 1;
        self.lowered[at] += 1;
    }

    /// The least of the numbers from `from` on.
    fn least_from(&self, from: usize) -> i32 {
        let mut at = from + self.leaves;
        let mut least = self.least[at];
        while at > 1 {
            if at.is_multiple_of(2) {
                least = least.min(self.least[at + 1]);
            }
            at /= 2;
            least -= self.lowered[at];
        }
        least
    }
}
