//! The messages of a queue whose values are unique: when each can have gone in, and come out.

use super::operations::{Fate, NEVER, Queue};

/// No place, and the rank of what never happens.
pub(crate) const NONE: u32 = u32::MAX;

/// A message that certainly was in the queue, with the ranks between which it went in and came out.
///
/// It goes in after `in_from` and before `in_by`, and comes out after `out_from` and before `out_by`.
/// Since it goes in before it comes out, `in_by` is no later than `out_by`, and `out_from` no earlier
/// than `in_from`. What nobody took comes out at [`NONE`], that is never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    /// The enqueue, as a place in [`Queue::enqueues`].
    pub enqueue: u32,
    /// The dequeue, as a place in [`Queue::takes`]; [`NONE`] if nobody is known to have taken it.
    pub take: u32,
    /// The rank after which it went in.
    pub in_from: u32,
    /// The rank before which it was in.
    pub in_by: u32,
    /// The rank after which it came out.
    pub out_from: u32,
    /// The rank before which it was out.
    pub out_by: u32,
}

impl Element {
    /// Whether an ok dequeue returned it.
    pub fn taken(&self) -> bool {
        self.take != NONE
    }
}

/// A violation that one message shows by itself; places in [`Queue::takes`] and
/// [`Queue::enqueues`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Oddity {
    /// Nobody can have enqueued it: nobody tried, or it failed, or it began too late.
    Unexpected { take: u32, enqueue: Option<u32> },
    /// It was enqueued once, and returned before.
    Repeated { take: u32, before: u32 },
}

/// The messages of one queue with unique values, on its own time.
#[derive(Debug)]
pub(crate) struct Elements {
    /// Those that certainly went in, in order of invocation of their enqueues.
    pub all: Vec<Element>,
    /// What contradicts itself.
    pub odd: Vec<Oddity>,
    /// The dequeues that found nothing: places in [`Queue::empties`], with the ranks of invocation
    /// and completion.
    pub empties: Vec<(u32, u32, u32)>,
    /// The ranks of the invocations of dequeues of which nobody knows, rising.
    pub unseen: Vec<u32>,
    /// Every rank is less.
    pub span: u32,
}

impl Elements {
    /// The messages of `queue`, in which no value is enqueued twice. O(n), or O(n log n) where its
    /// events lie thin in the history.
    pub fn new(queue: &Queue<'_>) -> Self {
        let ranks = Ranks::new(queue);
        let mut writers = vec![NONE; queue.values.len()];
        for (place, enqueue) in (0..).zip(&queue.enqueues) {
            let writer = &mut writers[enqueue.value as usize];
            // What failed is remembered only to be named.
            if *writer == NONE || enqueue.fate != Fate::Failed {
                *writer = place;
            }
        }
        let mut takers = vec![NONE; queue.values.len()];
        let mut odd = Vec::new();
        for (place, take) in (0..).zip(&queue.takes) {
            let writer = writers[take.value as usize];
            let known = queue.enqueues.get(writer as usize);
            if !known.is_some_and(|it| it.fate != Fate::Failed && it.invoked < take.completed) {
                odd.push(Oddity::Unexpected { take: place, enqueue: known.map(|_| writer) });
            } else if takers[take.value as usize] != NONE {
                odd.push(Oddity::Repeated { take: place, before: takers[take.value as usize] });
            } else {
                takers[take.value as usize] = place;
            }
        }
        let element = |(place, enqueue): (u32, &super::operations::Enqueue)| {
            let take = takers[enqueue.value as usize];
            let kept = match enqueue.fate {
                Fate::Ok => true,
                // Nothing shows that it happened: then it need not have.
                Fate::Open => take != NONE,
                Fate::Failed => false,
            };
            kept.then(|| {
                let in_from = ranks.of(enqueue.invoked);
                let (mut out_from, mut out_by) = (NONE, NONE);
                if let Some(take) = queue.takes.get(take as usize) {
                    out_from = ranks.of(take.invoked).max(in_from);
                    out_by = ranks.of(take.completed);
                }
                let in_by = ranks.of(enqueue.completed).min(out_by);
                Element { enqueue: place, take, in_from, in_by, out_from, out_by }
            })
        };
        let all = (0..).zip(&queue.enqueues).filter_map(element).collect();
        let empties = (0..).zip(&queue.empties);
        let empties = empties
            .filter(|(_, it)| it.told == super::operations::Told::Nil)
            .map(|(place, it)| (place, ranks.of(it.invoked), ranks.of(it.completed)))
            .collect();
        let unseen = queue.unseen.iter().map(|it| ranks.of(it.invoked)).collect();
        Self { all, odd, empties, unseen, span: ranks.span }
    }

    /// The bytes that the procedures hold for a queue, about.
    pub fn bytes(queue: &Queue<'_>) -> usize {
        let operations = queue.enqueues.len() + queue.takes.len() + queue.empties.len();
        // The elements, and a few words for each rank.
        operations * (size_of::<Element>() + 4 * 12) + queue.values.len() * 8
    }
}

/// The indexes of one queue's events as small numbers in the same order.
struct Ranks {
    first: u64,
    /// The indexes in order, where they are too thin to be counted from the first.
    thin: Vec<u64>,
    span: u32,
}

impl Ranks {
    fn new(queue: &Queue<'_>) -> Self {
        let mut indexes: Vec<u64> = Vec::new();
        indexes.extend(queue.enqueues.iter().flat_map(|it| [it.invoked, it.completed]));
        indexes.extend(queue.takes.iter().flat_map(|it| [it.invoked, it.completed]));
        indexes.extend(queue.empties.iter().flat_map(|it| [it.invoked, it.completed]));
        indexes.extend(queue.unseen.iter().map(|it| it.invoked));
        indexes.retain(|&index| index != NEVER);
        let first = indexes.iter().copied().min().unwrap_or(0);
        let last = indexes.iter().copied().max().unwrap_or(0);
        let most = 4 * indexes.len() as u64 + 64;
        if last - first < most && most < u64::from(NONE) {
            return Self { first, thin: Vec::new(), span: (last - first) as u32 + 1 };
        }
        indexes.sort_unstable();
        indexes.dedup();
        let span = indexes.len() as u32;
        Self { first, thin: indexes, span }
    }

    fn of(&self, index: u64) -> u32 {
        if index == NEVER {
            return NONE;
        }
        match self.thin.as_slice() {
            [] => (index - self.first) as u32,
            thin => thin.partition_point(|&other| other < index) as u32,
        }
    }
}
