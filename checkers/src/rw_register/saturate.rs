//! Which versions are older than which, as far as that follows.
//!
//! Two rules, to a fixpoint (Cobra 2020, section 4; Biswas and Enea 2019, section 4):
//!
//! 1. T3 reads key x from T1, and T2, which wrote x as well, commits before T3 takes its view: T2's
//!    version is older than T1's.
//! 2. T1 and T2 wrote x, and T1 takes its view before T2 commits: T1's version is older than T2's,
//!    since one of them must have committed before the other took its view.
//!
//! What comes before what is asked for the writers of some keys at a time, one bit for each.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::events::{Arc, Events, Older, Successors};
use super::facts::Isolation;
use super::windows::{Until, Windows};
use crate::Budget;
use crate::transactional::Order;
use crate::weak::{INIT, NOBODY};

/// Bits of writers that are asked for at once, unless one key has more.
pub(super) const LANES: usize = 256;
/// Among so many writers of a key all pairs are kept; among more only the nearest.
const FEW: usize = 24;

/// Why one version is older than another: a reader of the newer one by rule 1; none by rule 2.
pub(crate) type Reasons = FxHashMap<Older, u32>;

/// What follows.
#[derive(Debug)]
pub(crate) struct Saturated {
    /// The versions of which one is older, in the order in which that was found.
    pub older: Vec<Older>,
    /// Why.
    pub reasons: Reasons,
    /// An order of all events that keeps it, least due first; none if there is a circle.
    pub order: Option<Vec<u32>>,
    /// Two versions of one key of which nobody knows which is older.
    pub open: Option<Older>,
}

/// Why nothing followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The time is over.
    Time,
    /// So many bytes are not there.
    Memory(usize),
}

/// What follows from what is certain and from `assumed`.
pub(crate) fn saturate(
    events: &Events<'_>,
    assumed: &[Older],
    budget: &Budget,
) -> Result<Saturated, Stopped> {
    let facts = events.facts;
    let mut older = assumed.to_vec();
    let mut known: FxHashSet<Older> = older.iter().copied().collect();
    let mut reasons = Reasons::default();
    let mut arcs: Vec<Arc> = Vec::new();
    for pair in assumed {
        events.add_older(*pair, &mut arcs);
    }
    let windows = (events.model.order == Order::Realtime).then(|| Windows::new(events));
    let groups = if windows.is_some() { Vec::new() } else { groups(events) };
    if windows.is_some() {
        for (pair, reason) in Windows::by_time(events) {
            if known.insert(pair) {
                older.push(pair);
                events.add_older(pair, &mut arcs);
                if reason != NOBODY {
                    reasons.insert(pair, reason);
                }
            }
        }
    }
    let rank = |node: u32| events.transaction(node).map_or(0, |it| facts.due[it as usize]);
    loop {
        if budget.expired() {
            return Err(Stopped::Time);
        }
        let bytes = (arcs.len() + events.certain.len()) * 24 + older.len() * 48;
        if bytes > budget.memory_bytes {
            return Err(Stopped::Memory(bytes));
        }
        let successors = Successors::new(events.len(), &[&events.certain, &arcs]);
        let Some(order) = successors.order(rank) else {
            return Ok(Saturated { older, reasons, order: None, open: None });
        };
        let mut places = vec![0_u32; events.len()];
        for (place, node) in (0_u32..).zip(&order) {
            places[*node as usize] = place;
        }
        let view = View { events, successors: &successors, order: &order, places: &places };
        let found: Result<Vec<Found>, Stopped> = match &windows {
            None => groups.par_iter().map(|keys| view.look(keys, budget)).collect(),
            Some(windows) => {
                let until = windows.until(&view);
                let groups = windows.groups.par_iter();
                groups.map(|group| view.look_around(group, &until, budget)).collect()
            }
        };
        let mut open = None;
        let mut overwritten = false;
        let before = older.len();
        for found in found? {
            open = open.or(found.open);
            overwritten |= found.overwritten;
            for (pair, reason) in found.pairs {
                if known.insert(pair) {
                    older.push(pair);
                    events.add_older(pair, &mut arcs);
                    if reason != NOBODY {
                        reasons.insert(pair, reason);
                    }
                }
            }
        }
        if overwritten || older.len() == before {
            if windows.is_some() {
                open = Windows::open(events, &known);
            }
            let order = Some(order).filter(|_| !overwritten);
            return Ok(Saturated { older, reasons, order, open });
        }
    }
}

/// The keys that somebody wrote, some at a time.
fn groups(events: &Events<'_>) -> Vec<Vec<u32>> {
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut lanes = usize::MAX;
    for key in 0..events.facts.transactions.names.len() as u32 {
        let writers = events.facts.versions_of(key).len();
        let view = events.model.isolation == Isolation::View;
        let initial = view && !events.facts.readers(events.facts.initial(key)).is_empty();
        if writers < 2 && !(initial && writers == 1) {
            continue;
        }
        if lanes.saturating_add(writers) > LANES {
            groups.push(Vec::new());
            lanes = 0;
        }
        if let Some(group) = groups.last_mut() {
            group.push(key);
        }
        lanes += writers;
    }
    groups
}

/// What is known in one round.
pub(super) struct View<'a> {
    events: &'a Events<'a>,
    successors: &'a Successors,
    order: &'a [u32],
    places: &'a [u32],
}

#[derive(Default)]
struct Found {
    pairs: Vec<(Older, u32)>,
    open: Option<Older>,
    /// Somebody read an initial version, and must have seen another.
    overwritten: bool,
}

/// Rows of bits for a stretch of the order.
struct Rows {
    first: u32,
    words: usize,
    bits: Vec<u64>,
}

impl Rows {
    fn row(&self, place: u32) -> &[u64] {
        let start = (place - self.first) as usize * self.words;
        &self.bits[start..start + self.words]
    }
}

fn ones(row: &[u64]) -> impl Iterator<Item = usize> + '_ {
    row.iter().enumerate().flat_map(|(word, bits)| {
        let mut bits = *bits;
        std::iter::from_fn(move || {
            let bit = bits.trailing_zeros() as usize;
            (bits != 0).then(|| {
                bits &= bits - 1;
                word * 64 + bit
            })
        })
    })
}

impl View<'_> {
    /// The place of an event in the order of this round.
    pub fn place(&self, node: u32) -> u32 {
        self.places[node as usize]
    }

    /// The place at which a transaction commits.
    pub fn commit_place(&self, transaction: u32) -> u32 {
        self.place(self.events.commit(transaction))
    }

    /// Everything that follows about some keys.
    fn look(&self, keys: &[u32], budget: &Budget) -> Result<Found, Stopped> {
        let mut found = Found::default();
        if budget.expired() {
            return Err(Stopped::Time);
        }
        let facts = self.events.facts;
        let (mut first, mut last) = (u32::MAX, 0);
        let mut lanes: Vec<u32> = Vec::new();
        for &key in keys {
            for &version in facts.versions_of(key) {
                lanes.push(version);
                let writer = facts.writers[version as usize];
                first = first.min(self.place(self.events.start(writer)));
                last = last.max(self.place(self.events.commit(writer)));
                for &reader in facts.readers(version) {
                    last = last.max(self.place(self.events.start(reader)));
                }
            }
            for &reader in facts.readers(facts.initial(key)) {
                last = last.max(self.place(self.events.start(reader)));
            }
        }
        if lanes.is_empty() || last < first {
            return Ok(found);
        }
        let words = lanes.len().div_ceil(64);
        let snapshot = self.events.model.isolation == Isolation::Snapshot;
        let tables = if snapshot { 2 } else { 1 };
        let bytes = (last - first + 1) as usize * words * 8 * tables + lanes.len() * words * 16;
        if bytes > budget.memory_bytes / rayon::current_num_threads().max(1) {
            return Err(Stopped::Memory(bytes));
        }
        let writer = |version: &u32| facts.writers[*version as usize];
        let commits = lanes.iter().map(|it| self.events.commit(writer(it)));
        let committed = self.spread(commits, first, last, words);
        let started = snapshot.then(|| {
            let starts = lanes.iter().map(|it| self.events.start(writer(it)));
            self.spread(starts, first, last, words)
        });
        let mut base = 0;
        for &key in keys {
            let versions = facts.versions_of(key);
            let lanes = base..base + versions.len();
            base += versions.len();
            self.key(key, versions, lanes, &committed, started.as_ref(), &mut found);
        }
        Ok(found)
    }

    /// What follows about some versions, in order of their keys, where real time is kept: from events
    /// that may run beside their writers. What is later than that is later by time alone.
    fn look_around(&self, group: &[u32], until: &Until, budget: &Budget) -> Result<Found, Stopped> {
        let mut found = Found::default();
        if budget.expired() {
            return Err(Stopped::Time);
        }
        let (events, facts) = (self.events, self.events.facts);
        let writer = |version: &u32| facts.writers[*version as usize];
        let first = group.iter().map(|it| self.place(events.start(writer(it)))).min().unwrap_or(0);
        let last = group.iter().map(|it| until.of(facts.completed[writer(it) as usize])).max();
        let Some(last) = last.filter(|last| *last >= first) else { return Ok(found) };
        let words = group.len().div_ceil(64);
        let snapshot = events.model.isolation == Isolation::Snapshot;
        let bytes = (last - first + 1) as usize * words * if snapshot { 16 } else { 8 };
        if bytes > budget.memory_bytes / rayon::current_num_threads().max(1) {
            return Err(Stopped::Memory(bytes));
        }
        let commits = group.iter().map(|it| events.commit(writer(it)));
        let committed = self.spread(commits, first, last, words);
        let started = snapshot.then(|| {
            self.spread(group.iter().map(|it| events.start(writer(it))), first, last, words)
        });
        let of_key = |key: u32| {
            let start = group.partition_point(|it| facts.keys[*it as usize] < key);
            (start..group.len()).take_while(move |lane| facts.keys[group[*lane] as usize] == key)
        };
        let has = |row: &[u64], lane: usize| row[lane / 64] >> (lane % 64) & 1 == 1;
        for place in first..=last {
            let node = self.order[place as usize];
            let Some(it) = events.transaction(node) else { continue };
            if node == events.start(it) {
                let row = committed.row(place);
                for &version in facts.versions_read(it) {
                    if writer(&version) == INIT || row.iter().all(|word| *word == 0) {
                        continue;
                    }
                    for lane in of_key(facts.keys[version as usize]) {
                        let other = group[lane];
                        if has(row, lane) && other != version && writer(&other) != it {
                            found.pairs.push(((other, version), it));
                        }
                    }
                }
            }
            if node == events.commit(it) {
                let row = started.as_ref().unwrap_or(&committed).row(place);
                for version in facts.versions_left(it) {
                    for lane in of_key(facts.keys[version as usize]) {
                        if has(row, lane) && group[lane] != version {
                            found.pairs.push(((group[lane], version), NOBODY));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// Of each event from `first` to `last` which of the sources come before it.
    fn spread(
        &self,
        sources: impl Iterator<Item = u32>,
        first: u32,
        last: u32,
        words: usize,
    ) -> Rows {
        let mut bits = vec![0_u64; (last - first + 1) as usize * words];
        for (lane, node) in sources.enumerate() {
            let start = (self.place(node) - first) as usize * words;
            bits[start + lane / 64] |= 1 << (lane % 64);
        }
        let mut row = vec![0_u64; words];
        for place in first..=last {
            let start = (place - first) as usize * words;
            row.copy_from_slice(&bits[start..start + words]);
            if row.iter().all(|word| *word == 0) {
                continue;
            }
            for &to in self.successors.of(self.order[place as usize]) {
                let to = self.place(to);
                if to <= last {
                    let start = (to - first) as usize * words;
                    for (word, more) in bits[start..start + words].iter_mut().zip(&row) {
                        *word |= more;
                    }
                }
            }
        }
        Rows { first, words, bits }
    }

    fn key(
        &self,
        key: u32,
        versions: &[u32],
        lanes: std::ops::Range<usize>,
        committed: &Rows,
        started: Option<&Rows>,
        found: &mut Found,
    ) {
        let facts = self.events.facts;
        let length = versions.len();
        let words = length.div_ceil(64);
        let writer = |place: usize| facts.writers[versions[place] as usize];
        // Of each version those that are older.
        let mut older = vec![0_u64; length * words];
        let own = |row: &[u64]| -> Vec<usize> {
            let inside = ones(row).filter(|lane| lanes.contains(lane));
            inside.map(|lane| lane - lanes.start).collect()
        };
        for newer in 0..length {
            let rows = started.unwrap_or(committed);
            let row = rows.row(self.place(self.events.commit(writer(newer))));
            for place in own(row).into_iter().filter(|place| *place != newer) {
                older[newer * words + place / 64] |= 1 << (place % 64);
            }
        }
        self.nearest(versions, &older, words, found);
        for newer in 0..length {
            for &reader in facts.readers(versions[newer]) {
                let row = committed.row(self.place(self.events.start(reader)));
                for place in own(row) {
                    let bit = &mut older[newer * words + place / 64];
                    let seen = writer(place) == reader || place == newer;
                    if !seen && *bit >> (place % 64) & 1 == 0 {
                        *bit |= 1 << (place % 64);
                        found.pairs.push(((versions[place], versions[newer]), reader));
                    }
                }
            }
        }
        if self.events.model.isolation == Isolation::View {
            for &reader in facts.readers(facts.initial(key)) {
                let place = self.place(self.events.start(reader));
                if place < committed.first {
                    continue;
                }
                found.overwritten |=
                    own(committed.row(place)).iter().any(|it| writer(*it) != reader);
            }
        }
        let is = |newer: usize, place: usize| older[newer * words + place / 64] >> (place % 64) & 1;
        if found.open.is_none() {
            let pairs = (0..length).flat_map(|one| (0..one).map(move |other| (other, one)));
            let open =
                pairs.into_iter().find(|(one, other)| is(*one, *other) + is(*other, *one) == 0);
            found.open = open.map(|(one, other)| (versions[one], versions[other]));
        }
    }

    /// Pairs by rule 2. Of many only those without another version between.
    fn nearest(&self, versions: &[u32], older: &[u64], words: usize, found: &mut Found) {
        let facts = self.events.facts;
        let row = |place: usize| &older[place * words..(place + 1) * words];
        let has = |row: &[u64], place: usize| row[place / 64] >> (place % 64) & 1 == 1;
        let mut covered = vec![0_u64; words];
        let mut candidates: Vec<usize> = Vec::new();
        for newer in 0..versions.len() {
            covered.fill(0);
            candidates.clear();
            candidates.extend(ones(row(newer)));
            if versions.len() > FEW {
                let commit = |place: &usize| {
                    let writer = facts.writers[versions[*place] as usize];
                    std::cmp::Reverse(self.place(self.events.commit(writer)))
                };
                candidates.sort_unstable_by_key(commit);
            }
            for &place in &candidates {
                let both = has(row(place), newer);
                if versions.len() > FEW && has(&covered, place) && !both {
                    continue;
                }
                found.pairs.push(((versions[place], versions[newer]), NOBODY));
                for (word, more) in covered.iter_mut().zip(row(place)) {
                    *word |= more;
                }
            }
        }
    }
}
