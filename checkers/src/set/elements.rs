//! What the operations on one set say about each element.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use schism_history::{History, Key, Value};

use super::operations::{Operations, Read};
use super::places::Places;
use crate::Budget;
use crate::evidence::NEVER;
use crate::refutation::KEPT_MAX;

/// Which reads are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Final {
    /// Those invoked after this event: everything was healed for good.
    After(u64),
    /// The last one that was invoked: nobody marked the end.
    Last,
    /// None: the recording stopped before its end.
    None,
}

/// What every read looks at, of each element: the indexes of events, and places of reads.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The first invocation of an add that did not fail; 0 if no order is known between processes.
    added: u64,
    /// The first completion that vouches for it.
    known: u64,
    /// The last read, in order of invocation, that returned it.
    present: u32,
    /// The last read before that one that did not.
    absent: u32,
}

/// What only explanations look at, of each element.
#[derive(Clone, Copy, Debug)]
struct Origin {
    /// The number of the operation of `Seen::added`.
    added: Option<usize>,
    /// An add that failed.
    failed: Option<usize>,
    /// The number of the operation of `Seen::known`.
    known: usize,
}

/// An element against a read, by the numbers of the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Against<'a> {
    /// The element.
    pub element: &'a Value,
    /// The operation that adds it, where there is one: for an unexpected element one that failed, or
    /// was invoked later.
    pub add: Option<usize>,
    /// The operation that vouched for it first.
    pub known: Option<usize>,
    /// The last read that returned it.
    pub present: Option<usize>,
    /// The read that should (or should not) have returned it.
    pub read: usize,
    /// How many elements are wrong with that read in the same way.
    pub alike: usize,
}

/// How many violations of a kind there are, and the first of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations<'a> {
    /// All of them.
    pub count: usize,
    /// The first.
    pub kept: Vec<Against<'a>>,
}

impl<'a> Violations<'a> {
    fn add(&mut self, against: Against<'a>) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(against);
        }
    }
}

/// What is known of one set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Analysis<'a> {
    /// Which set.
    pub key: Option<Key>,
    /// How many adds and reads are ok.
    pub ok: usize,
    /// How many reads are ok.
    pub reads: usize,
    /// How many of them were looked at before the budget was used up.
    pub looked_at: usize,
    /// How many final reads are ok.
    pub final_reads: usize,
    /// How many reads began after some element was known.
    pub tested_reads: usize,
    /// How many elements all reads returned together.
    pub returned: usize,
    /// How many elements are known.
    pub known: usize,
    /// How many known elements a final read begun later could have shown.
    pub tested: usize,
    /// How many known elements no read begun later could have shown, nor the last read returned.
    pub never_read: usize,
    /// For each element that the last read returned: nanoseconds from when it was known to the last
    /// read that missed it.
    pub unstable_for: Vec<u64>,
    /// Elements that are lost.
    pub lost: Violations<'a>,
    /// Reads that are stale.
    pub stale: Violations<'a>,
    /// Elements that stand in a read more than once.
    pub duplicated: Violations<'a>,
    /// Elements that nobody can have added, once for each read that returned them.
    pub unexpected: Violations<'a>,
}

/// Analyses one set within `budget`.
pub(crate) fn analyse<'a>(
    history: &'a History,
    (key, set): &(Option<Key>, Operations<'a>),
    end: Final,
    budget: &Budget,
) -> Analysis<'a> {
    let analysis = Analysis { key: *key, ..Analysis::default() };
    let places = Places::new(set.adds.iter().map(|add| add.element));
    let (seen, origins, learned) = (Vec::new(), Vec::new(), BinaryHeap::new());
    let real_time = history.has_real_time();
    let mut table = Table { history, analysis, places, seen, origins, learned, real_time };
    table.add_all(set);
    table.read_all(set, budget);
    if table.analysis.looked_at == set.reads.len() {
        table.find_lost(set, end);
    }
    table.analysis
}

struct Table<'a> {
    history: &'a History,
    analysis: Analysis<'a>,
    places: Places<'a>,
    seen: Vec<Seen>,
    origins: Vec<Origin>,
    /// Completions that vouch for elements, and the places of those: what is not yet in the past of
    /// the reads looked at. An entry is void once the element is known from an earlier completion.
    learned: BinaryHeap<Reverse<(u64, u32)>>,
    real_time: bool,
}

/// No read has this place.
const NO_READ: u32 = u32::MAX;

impl<'a> Table<'a> {
    fn place(&mut self, value: &'a Value) -> usize {
        let (place, new) = self.places.of(value);
        if new {
            self.seen.push(Seen { added: NEVER, known: NEVER, present: NO_READ, absent: NO_READ });
            self.origins.push(Origin { added: None, failed: None, known: 0 });
        }
        place
    }

    fn add_all(&mut self, set: &Operations<'a>) {
        for add in &set.adds {
            let place = self.place(add.element);
            let (seen, origin) = (&mut self.seen[place], &mut self.origins[place]);
            if add.failed {
                origin.failed = Some(add.number);
                continue;
            }
            if origin.added.is_none() {
                // Without real time an add may come before any read.
                seen.added = if self.real_time { add.invoked } else { 0 };
                origin.added = Some(add.number);
            }
            if add.acknowledged < seen.known {
                (seen.known, origin.known) = (add.acknowledged, add.number);
            }
            self.analysis.ok += usize::from(add.acknowledged != NEVER);
        }
        let known = self.seen.iter().zip(0..).filter(|(seen, _)| seen.known != NEVER);
        self.learned = known.map(|(seen, place)| Reverse((seen.known, place))).collect();
    }

    /// Goes through all reads in order of invocation: what they vouch for, what they miss, what they
    /// return twice, what they return that cannot be there.
    ///
    /// All that completed before a read was invoked was itself invoked before, so that what is known
    /// when a read begins has been learned when its turn comes.
    fn read_all(&mut self, set: &Operations<'a>, budget: &Budget) {
        self.analysis.reads = set.reads.len();
        self.analysis.ok += set.reads.len();
        let mut wanted = 0;
        for (read, turn) in set.reads.iter().zip(0..) {
            if budget.expired() || self.bytes() > budget.memory_bytes {
                return;
            }
            while let Some(&Reverse((known, place))) = self.learned.peek()
                && known < read.invoked
            {
                self.learned.pop();
                wanted += usize::from(self.seen[place as usize].known == known);
            }
            let returned = self.read(read, turn);
            self.analysis.tested_reads += usize::from(wanted > 0);
            self.analysis.returned += read.elements.len();
            self.analysis.looked_at += 1;
            if returned < wanted && self.real_time {
                self.add_stale(read, turn, wanted - returned);
            }
        }
        self.analysis.known = self.seen.iter().filter(|it| it.known != NEVER).count();
    }

    /// One read; how many elements it returned that were known before it began.
    fn read(&mut self, read: &Read<'a>, turn: u32) -> usize {
        let before = (self.analysis.duplicated.kept.len(), self.analysis.unexpected.kept.len());
        let (mut twice, mut strange, mut returned) = (0, 0, 0);
        for value in read.elements {
            let place = self.place(value);
            let seen = &mut self.seen[place];
            if seen.present == turn {
                twice += 1;
                let against = self.against(place, read, 0);
                self.analysis.duplicated.add(against);
                continue;
            }
            // One more than no read at all is the first.
            if seen.present.wrapping_add(1) != turn {
                seen.absent = turn - 1;
            }
            seen.present = turn;
            if seen.added > read.completed {
                strange += 1;
                let against = self.against(place, read, 0);
                self.analysis.unexpected.add(against);
                continue;
            }
            returned += usize::from(seen.known < read.invoked);
            if read.completed < seen.known {
                seen.known = read.completed;
                self.origins[place].known = read.number;
                self.learned.push(Reverse((read.completed, place as u32)));
            }
        }
        let Analysis { duplicated, unexpected, .. } = &mut self.analysis;
        duplicated.kept[before.0..].iter_mut().for_each(|it| it.alike = twice);
        unexpected.kept[before.1..].iter_mut().for_each(|it| it.alike = strange);
        returned
    }

    /// Of the elements that a read misses, the one that was known for longest is the hardest to
    /// explain away.
    fn add_stale(&mut self, read: &Read<'a>, turn: u32, missed: usize) {
        if self.analysis.stale.kept.len() == KEPT_MAX {
            self.analysis.stale.count += 1;
            return;
        }
        let missing = self.seen.iter().zip(0..).filter(|(seen, _)| seen.present != turn);
        if let Some((_, longest)) = missing.min_by_key(|(seen, _)| seen.known) {
            let against = self.against(longest, read, missed);
            self.analysis.stale.add(against);
        }
    }

    /// Which known elements are lost, and since when the others have been in every read.
    fn find_lost(&mut self, set: &Operations<'a>, end: Final) {
        let is_final = |read: &&Read<'_>| match end {
            Final::After(healed) => read.invoked > healed,
            Final::Last => true,
            Final::None => false,
        };
        let Some(last) = set.reads.last().filter(|_| self.real_time) else { return };
        let turns = set.reads.len() as u32;
        self.analysis.final_reads = match end {
            Final::Last => 1,
            _ => set.reads.iter().rev().take_while(is_final).count(),
        };
        let mut lost: Vec<usize> = Vec::new();
        for (place, seen) in self.seen.iter().enumerate().filter(|(_, it)| it.known != NEVER) {
            if seen.present == turns - 1 {
                self.analysis.unstable_for.push(self.unstable_for(set, place));
            }
            if seen.known > last.invoked || !is_final(&last) {
                self.analysis.never_read += usize::from(seen.present != turns - 1);
                continue;
            }
            self.analysis.tested += 1;
            let present = set.reads.get(seen.present as usize);
            let shown = present.is_some_and(|read| match end {
                Final::Last => read.number == last.number,
                _ => is_final(&read) && read.invoked > seen.known,
            });
            if !shown {
                lost.push(place);
            }
        }
        lost.sort_by_key(|&place| self.seen[place].known);
        for &place in &lost {
            let mut against = self.against(place, last, lost.len());
            let present = set.reads.get(self.seen[place].present as usize);
            against.present = present.map(|read| read.number);
            self.analysis.lost.add(against);
        }
    }

    fn unstable_for(&self, set: &Operations<'_>, place: usize) -> u64 {
        let Some(absent) = set.reads.get(self.seen[place].absent as usize) else { return 0 };
        let known = self.history.operation(self.origins[place].known);
        let absent = self.history.operation(absent.number);
        known.end.map_or(0, |end| absent.start.since(end).as_nanos() as u64)
    }

    fn against(&self, place: usize, read: &Read<'_>, alike: usize) -> Against<'a> {
        let (seen, origin) = (&self.seen[place], &self.origins[place]);
        Against {
            element: self.places.value(place),
            add: origin.added.or(origin.failed),
            known: (seen.known != NEVER).then_some(origin.known),
            present: None,
            read: read.number,
            alike,
        }
    }

    fn bytes(&self) -> usize {
        let elements = self.seen.capacity() * size_of::<Seen>()
            + self.origins.capacity() * size_of::<Origin>();
        elements + self.learned.capacity() * 16 + self.places.bytes()
    }
}
