//! A serial order, one transaction at a time.
//!
//! Since values are unique, a version that somebody has yet to read cannot be overwritten: so whoever
//! has all before it placed, and overwrites nothing that is still to be read, may come next. That
//! leaves a choice only between writers of one key whose versions are both read, and which neither
//! time nor other reads put in order; of those the one that is due first comes first. Where a choice
//! was wrong the placing ends in a deadlock, which tells the wrong choice: see `deadlock`. Nothing
//! here needs to be right, since an order is played back before it counts.
//!
//! What a transaction waits for is always one that is not placed, and it is looked at again when that
//! one is: so each is looked at a few times, and the cost is O(n log n) but for what deadlocks take
//! back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::deadlock::{Learned, Trouble};
use super::events::{Arc, Successors};
use super::facts::Facts;
use super::verify::explains_serially;
use crate::Budget;
use crate::transactional::Order;

/// In place of a transaction: nobody.
pub(super) const NONE: u32 = u32::MAX;

/// A serial order that keeps `order` and what was inferred; where none was found, where to look for
/// the reason.
pub(crate) fn place(
    facts: &Facts<'_>,
    order: Order,
    inferred: &[Arc],
    budget: &Budget,
) -> Result<(), Trouble> {
    let serial = Placing::new(facts, order, inferred).run(budget)?;
    if explains_serially(facts, order, &serial) { Ok(()) } else { Err(Trouble::default()) }
}

/// What was placed, to be taken back.
struct Placed {
    transaction: u32,
    /// What the keys held that it wrote: from here on in `overwritten`.
    held: u32,
}

pub(super) struct Placing<'a> {
    pub facts: &'a Facts<'a>,
    pub order: Order,
    /// Of each transaction those that come before it, as far as that was known beforehand.
    pub before: Successors,
    /// What deadlocks have taught.
    pub learned: Learned,
    /// The place of each transaction in the order, or `NONE`.
    pub places: Vec<u32>,
    trail: Vec<Placed>,
    /// What the keys held before writes on the trail, in order.
    overwritten: Vec<u32>,
    /// Of each key the version that it holds.
    pub held: Vec<u32>,
    /// Of each version how many have yet to read it.
    pub unread: Vec<u32>,
    /// Of each version the first reader that may not have been placed.
    pub reader: Vec<u32>,
    /// The transactions, the first due first, and the first of them that may not have been placed.
    by_due: Vec<u32>,
    due_places: Vec<u32>,
    due_next: usize,
    /// The transactions in order of invocation, and how many have been looked at.
    by_invocation: Vec<u32>,
    invoked_next: usize,
    /// The versions of each key, the first due first; where they begin; the first that may not have
    /// been placed; and of each version its place.
    zones: Vec<u32>,
    zone_starts: Vec<u32>,
    zone_next: Vec<u32>,
    zone_places: Vec<u32>,
    /// Of each version when its last reader was invoked; 0 if there is none.
    last_read: Vec<u64>,
    /// What the ready ones are sorted by.
    ranks: Vec<u64>,
    ready: BinaryHeap<Reverse<(u64, u32)>>,
    /// Of each transaction the first that waits for it, and the next that waits for the same.
    waiting: Vec<u32>,
    next_waiting: Vec<u32>,
    /// How many were taken back in all.
    pub undone: usize,
}

impl<'a> Placing<'a> {
    fn new(facts: &'a Facts<'a>, order: Order, inferred: &[Arc]) -> Self {
        let length = facts.transactions.len();
        let versions = facts.versions_len();
        let keys = facts.transactions.names.len() as u32;
        let all = || (0..length as u32).collect::<Vec<u32>>();
        let (mut by_due, mut by_invocation) = (all(), all());
        by_due.sort_unstable_by_key(|it| facts.due[*it as usize]);
        by_invocation.sort_unstable_by_key(|it| facts.invoked[*it as usize]);
        let mut due_places = vec![0; length];
        for (place, it) in (0..).zip(&by_due) {
            due_places[*it as usize] = place;
        }
        // Who has read from a writer of a key, and reads the key from another, says who is first.
        // Sessions are seen to by time where that counts.
        let seen = crate::weak::read_atomic(facts.transactions, order == Order::Process);
        let seen: Vec<Arc> =
            seen.edges.iter().map(|edge| ((*edge >> 32) as u32, *edge as u32)).collect();
        let turned: Vec<Arc> = inferred.iter().map(|(from, to)| (*to, *from)).collect();
        let mut placing = Self {
            facts,
            order,
            before: Successors::new(length, &[&seen, &turned]),
            learned: Learned::new(length),
            places: vec![NONE; length],
            trail: Vec::with_capacity(length),
            overwritten: Vec::with_capacity(facts.transactions.writes_len()),
            held: (0..keys).map(|key| facts.initial(key)).collect(),
            unread: (0..versions as u32).map(|it| facts.readers(it).len() as u32).collect(),
            reader: vec![0; versions],
            by_due,
            due_places,
            due_next: 0,
            by_invocation,
            invoked_next: 0,
            zones: Vec::with_capacity(versions),
            zone_starts: vec![0],
            zone_next: Vec::new(),
            zone_places: vec![0; versions],
            last_read: Vec::new(),
            ranks: Vec::new(),
            ready: BinaryHeap::new(),
            waiting: vec![NONE; length],
            next_waiting: vec![NONE; length],
            undone: 0,
        };
        placing.sort_zones(keys);
        placing.ranks = (0..length as u32).map(|it| placing.rank(it)).collect();
        placing
    }

    fn sort_zones(&mut self, keys: u32) {
        let facts = self.facts;
        for key in 0..keys {
            let start = self.zones.len();
            self.zones.extend_from_slice(facts.versions_of(key));
            let due = |it: &u32| facts.due[facts.writers[*it as usize] as usize];
            self.zones[start..].sort_unstable_by_key(due);
            self.zone_next.push(start as u32);
            self.zone_starts.push(self.zones.len() as u32);
        }
        for (place, version) in (0..).zip(&self.zones) {
            self.zone_places[*version as usize] = place;
        }
        let last = |version| {
            let readers = facts.readers(version).iter();
            readers.map(|it| facts.invoked[*it as usize]).max().unwrap_or(0)
        };
        self.last_read = (0..facts.transactions.writes_len() as u32).map(last).collect();
    }

    /// Those that never come too early are first: of each key that they write they have read what
    /// they overwrite, or nobody reads what they leave. Of the others the one that is due first.
    fn rank(&self, it: u32) -> u64 {
        let facts = self.facts;
        let safe = facts.versions_left(it).all(|version| {
            let key = facts.keys[version as usize];
            let read = |other: &u32| facts.keys[*other as usize] == key;
            facts.readers(version).is_empty() || facts.versions_read(it).iter().any(read)
        });
        facts.due[it as usize] >> 1 | u64::from(!safe) << 63
    }

    fn run(mut self, budget: &Budget) -> Result<Vec<u32>, Trouble> {
        if self.order != Order::Realtime {
            (0..self.places.len() as u32).for_each(|it| self.push(it));
        }
        let mut steps = 0_usize;
        while self.trail.len() < self.places.len() {
            steps += 1;
            if steps.is_multiple_of(4096) && budget.expired() {
                return Err(Trouble::default());
            }
            self.open();
            let Some(Reverse((_, it))) = self.ready.pop() else {
                self.resolve()?;
                continue;
            };
            if self.places[it as usize] != NONE {
                continue;
            }
            match self.wait(it) {
                Some(wait) => {
                    self.next_waiting[it as usize] = self.waiting[wait.on as usize];
                    self.waiting[wait.on as usize] = it;
                }
                None => self.put(it),
            }
        }
        Ok(self.trail.iter().map(|placed| placed.transaction).collect())
    }

    /// Looks at those that have been invoked by now.
    fn open(&mut self) {
        if self.order != Order::Realtime {
            return;
        }
        let until = self.facts.due[self.first_due() as usize];
        while let Some(&it) = self.by_invocation.get(self.invoked_next) {
            if self.facts.invoked[it as usize] > until {
                break;
            }
            self.invoked_next += 1;
            self.push(it);
        }
    }

    /// The transaction that is due first of those that are not placed, of which there is one.
    pub fn first_due(&mut self) -> u32 {
        while self.is_placed(self.by_due[self.due_next]) {
            self.due_next += 1;
        }
        self.by_due[self.due_next]
    }

    /// Who writes the key of a version, and must do so before its writer does, since it is due before
    /// the last reader of the version was invoked.
    pub fn zone(&mut self, version: u32) -> Option<u32> {
        let facts = self.facts;
        let last = self.last_read[version as usize];
        let key = facts.keys[version as usize] as usize;
        let end = self.zone_starts[key + 1];
        let writer = |place: u32| facts.writers[self.zones[place as usize] as usize];
        let mut place = self.zone_next[key];
        while place < end && self.is_placed(writer(place)) {
            place += 1;
        }
        let next = place;
        while place < end
            && (self.is_placed(writer(place)) || self.zones[place as usize] == version)
        {
            place += 1;
        }
        let first = (place < end).then(|| writer(place));
        self.zone_next[key] = next;
        first.filter(|it| facts.due[*it as usize] < last)
    }

    /// Whether it has its place.
    pub fn is_placed(&self, it: u32) -> bool {
        self.places[it as usize] != NONE
    }

    /// Has it looked at.
    pub fn push(&mut self, it: u32) {
        self.ready.push(Reverse((self.ranks[it as usize], it)));
    }

    /// Has those looked at that wait for it.
    pub fn wake(&mut self, it: u32) {
        let mut next = std::mem::replace(&mut self.waiting[it as usize], NONE);
        while next != NONE {
            self.push(next);
            next = self.next_waiting[next as usize];
        }
    }

    fn put(&mut self, it: u32) {
        let facts = self.facts;
        self.places[it as usize] = self.trail.len() as u32;
        self.trail.push(Placed { transaction: it, held: self.overwritten.len() as u32 });
        for &version in facts.versions_read(it) {
            self.unread[version as usize] -= 1;
        }
        for version in facts.versions_left(it) {
            let key = facts.keys[version as usize] as usize;
            self.overwritten.push(std::mem::replace(&mut self.held[key], version));
        }
        self.wake(it);
    }

    /// Takes back what was placed from a place on.
    pub fn take_back(&mut self, until: u32) {
        let facts = self.facts;
        self.undone += self.trail.len() - until as usize;
        while self.trail.len() > until as usize {
            let Some(Placed { transaction: it, held }) = self.trail.pop() else { break };
            self.places[it as usize] = NONE;
            self.due_next = self.due_next.min(self.due_places[it as usize] as usize);
            for &version in facts.versions_read(it) {
                self.unread[version as usize] += 1;
                self.reader[version as usize] = 0;
            }
            for (place, version) in facts.versions_left(it).enumerate() {
                let key = facts.keys[version as usize] as usize;
                self.held[key] = self.overwritten[held as usize + place];
                let zone = self.zone_places[version as usize];
                self.zone_next[key] = self.zone_next[key].min(zone);
                // Nobody has to wait for its readers any more.
                for &reader in facts.readers(version) {
                    self.wake(reader);
                }
            }
            self.overwritten.truncate(held as usize);
            for first in self.learned.forget(it, self.trail.len() as u32) {
                self.wake(first);
            }
            self.push(it);
        }
    }

    /// How many are placed.
    pub fn placed(&self) -> u32 {
        self.trail.len() as u32
    }
}
