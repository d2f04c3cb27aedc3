//! What became of every message of a queue, whatever its order: lost, unexpected, duplicated, and
//! out of its producer's order.

use rustc_hash::FxHashMap;
use schism_history::{History, Process};

use super::operations::{Empty, Fate, NEVER, Queue, Take, Told};

/// No place.
const NONE: u32 = u32::MAX;

/// A dequeue of what cannot have been there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unexpected {
    /// The dequeue, as a place in [`Queue::takes`].
    pub take: u32,
    /// The enqueue that failed or came too late, as a place in [`Queue::enqueues`].
    pub enqueue: Option<u32>,
}

/// Two messages of one producer that came out in the other order; places in [`Queue::enqueues`]
/// and [`Queue::takes`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overtaking {
    /// The enqueue of the message that went in first.
    pub first: u32,
    /// The first dequeue of that message.
    pub first_out: u32,
    /// The enqueue of the message that went in later.
    pub second: u32,
    /// The dequeue of that message that completed first.
    pub second_out: u32,
}

/// The end of a queue's history: the queue was found empty after all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emptied {
    /// The dequeue or drain that found it so.
    pub by: Empty,
}

/// What became of the messages of one queue. Violations are in the order in which they show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messages {
    /// Acknowledged enqueues.
    pub acknowledged: usize,
    /// Messages that were returned.
    pub taken: usize,
    /// Enqueues of which nobody knew, whose message was returned.
    pub recovered: usize,
    /// What was returned and cannot have been there, by value.
    pub unexpected: Vec<Unexpected>,
    /// The dequeues of a value that was returned more often than it was enqueued; the last is one
    /// too many.
    pub duplicated: Vec<Vec<u32>>,
    /// Acknowledged enqueues, one of each value at most so many times as it is missing: nobody is
    /// known to have taken these.
    pub missing: Vec<u32>,
    /// Dequeues of which nobody knows whether they removed a message.
    pub unseen: usize,
    /// A drain of which nobody knows how many messages it removed, as its operation's number.
    pub unseen_drain: Option<u32>,
    /// That the queue was empty after all.
    pub emptied: Option<Emptied>,
    /// Overtaken messages.
    pub overtakings: Vec<Overtaking>,
    /// Messages that were returned, and had one of the same producer before them that was, too.
    pub ordered: usize,
    /// A value that was enqueued twice, as the place of the second enqueue.
    pub repeated: Option<u32>,
}

/// What is known of one value.
#[derive(Clone, Copy)]
struct Tally {
    /// Enqueues that may have taken effect.
    attempts: u32,
    /// Acknowledged ones.
    acknowledged: u32,
    /// How often it was returned.
    taken: u32,
    /// The first enqueue that may have taken effect, or else one that failed.
    enqueue: u32,
    /// Whether that one may have.
    attempted: bool,
    /// The dequeue invoked first.
    first_out: u32,
    /// The dequeue completed first.
    soonest_out: u32,
}

impl Messages {
    /// What became of the messages of `queue`. `healed`: the index after which no fault was open;
    /// `None` if the history knows of no faults. O(n).
    pub fn new(history: &History, queue: &Queue<'_>, healed: Option<u64>) -> Self {
        let timed = history.has_real_time();
        let tallies = tally(queue);
        let drains = queue.unseen.iter().filter(|it| it.drain);
        let mut messages = Self {
            acknowledged: queue.enqueues.iter().filter(|it| it.fate == Fate::Ok).count(),
            taken: queue.takes.len(),
            unseen: queue.unseen.iter().filter(|it| !it.drain).count(),
            unseen_drain: drains.map(|it| it.number).next(),
            emptied: if timed { emptied(queue, healed) } else { None },
            ..Self::default()
        };
        messages.count(queue, &tallies, timed);
        if timed {
            messages.follow_producers(history, queue, &tallies);
        }
        messages
    }

    fn count(&mut self, queue: &Queue<'_>, tallies: &[Tally], timed: bool) {
        for tally in tallies.iter().filter(|it| it.taken > 0) {
            let first = &queue.takes[tally.soonest_out as usize];
            let writer = queue.enqueues.get(tally.enqueue as usize);
            // Without real time nobody knows what came too late.
            let begun = |it: &super::operations::Enqueue| !timed || it.invoked < first.completed;
            if !tally.attempted || !writer.is_some_and(begun) {
                let enqueue = writer.map(|_| tally.enqueue);
                self.unexpected.push(Unexpected { take: tally.soonest_out, enqueue });
            } else if tally.taken > tally.attempts {
                let value = first.value;
                let same = (0..).zip(&queue.takes).filter(|(_, it)| it.value == value);
                let mut takes: Vec<u32> = same.map(|(place, _)| place).collect();
                takes.sort_by_key(|&place| queue.takes[place as usize].completed);
                // Each repeated value costs a look at all dequeues: some are enough.
                if self.duplicated.len() < DUPLICATED_MAX {
                    self.duplicated.push(takes);
                } else {
                    self.duplicated.push(vec![tally.soonest_out]);
                }
            }
            self.recovered += tally
                .taken
                .saturating_sub(tally.acknowledged)
                .min(if tally.attempted { tally.attempts - tally.acknowledged } else { 0 })
                as usize;
        }
        let at = |take: u32| queue.takes[take as usize].completed;
        self.unexpected.sort_by_key(|it| at(it.take));
        self.duplicated.sort_by_key(|it| it.last().map_or(0, |&take| at(take)));
        let mut left: Vec<u32> =
            tallies.iter().map(|tally| tally.acknowledged.saturating_sub(tally.taken)).collect();
        for (place, enqueue) in (0..).zip(&queue.enqueues) {
            let left = &mut left[enqueue.value as usize];
            if enqueue.fate == Fate::Ok && *left > 0 {
                *left -= 1;
                self.missing.push(place);
            }
        }
        let mut seen = vec![false; queue.values.len()];
        let tried = (0..).zip(&queue.enqueues).filter(|(_, it)| it.fate != Fate::Failed);
        let mut again =
            tried.filter(|(_, it)| std::mem::replace(&mut seen[it.value as usize], true));
        self.repeated = again.next().map(|(place, _)| place);
    }

    /// Looks for messages that overtook an earlier one of the same process.
    fn follow_producers(&mut self, history: &History, queue: &Queue<'_>, tallies: &[Tally]) {
        // Of each producer's messages so far, the one whose first dequeue was invoked last.
        let mut latest: FxHashMap<Process, (u64, u32)> = FxHashMap::default();
        for (place, enqueue) in (0..).zip(&queue.enqueues) {
            let tally = tallies[enqueue.value as usize];
            // Of equal messages nobody knows which one came out.
            if enqueue.fate != Fate::Ok || tally.attempts != 1 || tally.taken == 0 {
                continue;
            }
            let producer = history.operation(enqueue.number as usize).process;
            let soonest = &queue.takes[tally.soonest_out as usize];
            let invoked = queue.takes[tally.first_out as usize].invoked;
            let Some(before) = latest.get_mut(&producer) else {
                latest.insert(producer, (invoked, place));
                continue;
            };
            self.ordered += 1;
            if soonest.completed < before.0 {
                let first = before.1;
                let value = queue.enqueues[first as usize].value;
                let first_out = tallies[value as usize].first_out;
                let second_out = tally.soonest_out;
                self.overtakings.push(Overtaking { first, first_out, second: place, second_out });
            }
            if invoked > before.0 {
                *before = (invoked, place);
            }
        }
    }
}

/// So many values are followed through all their dequeues.
const DUPLICATED_MAX: usize = 8;

fn tally(queue: &Queue<'_>) -> Vec<Tally> {
    let nothing = Tally {
        attempts: 0,
        acknowledged: 0,
        taken: 0,
        enqueue: NONE,
        attempted: false,
        first_out: NONE,
        soonest_out: NONE,
    };
    let mut tallies = vec![nothing; queue.values.len()];
    for (place, enqueue) in (0..).zip(&queue.enqueues) {
        let tally = &mut tallies[enqueue.value as usize];
        let counts = enqueue.fate != Fate::Failed;
        tally.attempts += u32::from(counts);
        tally.acknowledged += u32::from(enqueue.fate == Fate::Ok);
        if tally.enqueue == NONE || (counts && !tally.attempted) {
            (tally.enqueue, tally.attempted) = (place, counts);
        }
    }
    for (place, take) in (0..).zip(&queue.takes) {
        let tally = &mut tallies[take.value as usize];
        tally.taken += 1;
        let less = |other: u32, part: fn(&Take) -> u64| {
            queue.takes.get(other as usize).is_none_or(|other| part(take) < part(other))
        };
        if less(tally.first_out, |it| it.invoked) {
            tally.first_out = place;
        }
        if less(tally.soonest_out, |it| it.completed) {
            tally.soonest_out = place;
        }
    }
    tallies
}

/// Whether the queue was found empty after all: by a dequeue or drain invoked after every
/// acknowledged enqueue had completed and everything was healed, and after whose completion nobody
/// invoked a dequeue that still returned a message.
fn emptied(queue: &Queue<'_>, healed: Option<u64>) -> Option<Emptied> {
    let settled = queue.enqueues.iter().map(|it| it.completed).filter(|&it| it != NEVER).max();
    let from = settled.unwrap_or(0).max(healed.unwrap_or(0));
    let last_take = queue.takes.iter().map(|it| it.invoked).max().unwrap_or(0);
    let last = |it: &&Empty| {
        // A drain that returns messages is invoked before them all.
        it.invoked > from && it.completed > last_take
    };
    let by =
        queue.empties.iter().filter(last).max_by_key(|it| (it.told != Told::Refusal, it.invoked));
    by.map(|&by| Emptied { by })
}
