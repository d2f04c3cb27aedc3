//! Zones of chains: linearizability of registers with unique values, in O(n log n).
//!
//! Gibbons & Korach ("Testing shared memories", SIAM J. Comput. 26(4), 1997) decide a read/write
//! register whose written values are unique by zones: the *cluster* of a value is its write and
//! its reads, its zone lies between the cluster's least completion and its greatest invocation.
//! They also treat read-modify-write where every operation is known to have happened. What is added
//! here: plain writes, compare-and-sets and reads together, the clusters being whole chains of
//! compare-and-sets, and operations of which nobody knows whether they took effect.
//!
//! # The procedure
//!
//! Every value has one writer: a write, a compare-and-set that leaves it behind, or the initial
//! state, which is a write before everything. Failed operations, and reads that are not ok, are
//! left out: they constrain nothing.
//!
//! 1. **Which indeterminate operations took effect.** A value is *needed* if an ok read returned
//!    it, an ok compare-and-set expected it, or an indeterminate compare-and-set expected it whose
//!    own new value is needed. Indeterminate operations whose value nobody needs are dropped; the
//!    others took effect, and complete never. A needed value without a writer is a violation.
//! 2. **Chains.** A compare-and-set a→b comes directly after a's writer and reads of a: two that
//!    took effect from one value are a violation, and so is one that hangs, through the values
//!    expected, on no plain write nor the initial state (a circle). Otherwise every operation
//!    belongs to the chain of one root.
//! 3. **Inside a chain** the order is given but for that of the reads of one value: writer, its
//!    reads, the next compare-and-set, its reads … If an operation completed before another was
//!    invoked that must come before it, that is a violation.
//! 4. **Between chains.** Let f be the least completion in a chain and s its greatest invocation.
//!    Say A → B if f(A) < s(B). If A → B and B → A for two chains, that is a violation. (In the
//!    words of zones: two forward zones meet, or a backward one lies inside a forward one.)
//!
//! # Why it is right
//!
//! *Dropping is right.* In a linearization, look at the last operation that step 1 drops. What
//! follows it directly does not need its value, for the value is not needed by what is ok, nor by
//! an indeterminate compare-and-set that is kept; so what follows is a plain write, or nothing, and
//! the linearization without it stands. Repeat. *Keeping is right*: values being unique, a needed
//! value can have come from its writer only.
//!
//! *Violations are violations.* Between the writer of a value and the last operation that needs it
//! no other operation that writes can stand, since the value is never written again. So steps 1 to 3
//! only state what every linearization does, and a chain stands in it as one block. If f(A) < s(B),
//! an operation of A completed before one of B was invoked, so block A comes before block B; not
//! both ways.
//!
//! *No violation, then a linearization.* If → has no circle of two chains, it has none at all.
//! For in a circle A → B → C → A of three, not being circles of two,
//! f(A) ≥ s(C) > f(B) ≥ s(A) > f(C) ≥ s(B) > f(A), which is absurd. And on a shortest circle of four
//! or more, A → B → C → D, C → B does not hold, so f(A) < s(B) ≤ f(C) < s(D): hence A → D, and
//! leaving out B and C makes a shorter circle. So → can be completed to an order of the chains. Put
//! the chains in this order, each in the order of step 3. If an operation completed before another
//! was invoked, they stand in this order too: inside a chain by step 3, and between two chains since
//! then f(A) ≤ completion < invocation ≤ s(B), that is, A → B. ∎
//!
//! A pair with A → B and B → A is found by sorting: let f(A) < f(B). Then A → B and B → A say
//! f(A) < s(B) and f(B) < s(A), so B breaks with some A exactly if the greatest s among the chains
//! with f less than min(f(B), s(B)) exceeds f(B).

use super::operations::{Action, Entry, Fate, INITIAL, NEVER, Register};

/// No entry: the writer of the initial value, or of none.
pub(crate) const NONE: u32 = u32::MAX;

/// After so many violations no more are collected: one is reported.
const VIOLATIONS_MAX: usize = 64;

/// A value with the operations on it; entries are places in [`Register::entries`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// The operation that wrote the value, if any.
    pub writer: u32,
    /// The compare-and-set that replaced it, if any.
    pub next: u32,
    /// The read of it that completed first.
    pub first_read: u32,
    /// The read of it that was invoked last.
    pub last_read: u32,
    needed: bool,
}

const EMPTY: Level =
    Level { writer: NONE, next: NONE, first_read: NONE, last_read: NONE, needed: false };

/// The zone of a chain, with the operations that make its ends ([`NONE`]: the initial state).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zone {
    /// The value that the chain begins with.
    pub root: u32,
    /// f: the least completion.
    pub first: (u64, u32),
    /// s: the greatest invocation.
    pub last: (u64, u32),
}

/// Why a register is not linearizable.
#[derive(Clone, Debug)]
pub(crate) enum Violation {
    /// `by` needs a value that nobody wrote.
    Unwritten { by: u32 },
    /// Two compare-and-sets took effect from one value.
    Forked { one: u32, other: u32 },
    /// `later` completed before `earlier` was invoked, but comes after it in their chain.
    Disordered { earlier: u32, later: u32 },
    /// The compare-and-set waits, through the values expected, for itself.
    Circular { one: u32 },
    /// Each of two chains must come before the other.
    Met { one: Zone, other: Zone },
}

/// The chains of one register, in a prefix of the history.
pub(crate) struct Chains<'a> {
    /// The operations.
    pub register: &'a Register<'a>,
    prefix: u64,
    /// By value.
    pub levels: Vec<Level>,
    /// How many operations took effect.
    pub effective: usize,
    violations: Vec<Violation>,
}

impl<'a> Chains<'a> {
    /// Runs the procedure on the prefix of `register` up to the rank `prefix`, in which values must
    /// be unique ([`Register::unique_until`]). O(n log n).
    pub fn check(register: &'a Register<'a>, prefix: u64) -> Self {
        let levels = vec![EMPTY; register.values.len()];
        let mut chains = Self { register, prefix, levels, effective: 0, violations: Vec::new() };
        chains.place_writers_and_reads();
        chains.find_needed();
        let waiting = chains.hang_compare_and_sets();
        let (mut zones, hanging) = chains.walk();
        if hanging < waiting && chains.violations.is_empty() {
            chains.find_circle();
        }
        chains.compare(&mut zones);
        chains
    }

    /// The violations found, the one that shows in the shortest prefix first; with the last rank
    /// of a prefix in which it certainly shows.
    pub fn worst(&self) -> Option<(u64, &Violation)> {
        self.violations.iter().map(|it| (self.shows_at(it), it)).min_by_key(|(rank, _)| *rank)
    }

    /// The entry at a place.
    pub fn entry(&self, place: u32) -> &'a Entry {
        &self.register.entries[place as usize]
    }

    /// The rank before which the operation took effect; 0 for the initial state.
    pub fn end(&self, place: u32) -> u64 {
        if place == NONE { 0 } else { self.entry(place).end(self.prefix) }
    }

    /// The rank after which the operation took effect; 0 for the initial state.
    pub fn begin(&self, place: u32) -> u64 {
        if place == NONE { 0 } else { self.entry(place).invoked }
    }

    /// The entries that are invoked in the prefix.
    fn entries(&self) -> impl Iterator<Item = (u32, &'a Entry)> + use<'a> {
        let prefix = self.prefix;
        let entries = self.register.entries.iter().take_while(move |it| it.invoked <= prefix);
        entries.enumerate().map(|(place, entry)| (place as u32, entry))
    }

    fn took_effect(&self, place: u32, entry: &Entry) -> bool {
        let needed = |value: u32| {
            let level = &self.levels[value as usize];
            level.needed && level.writer == place
        };
        entry.is_ok(self.prefix) || entry.action.writes().is_some_and(needed)
    }

    fn place_writers_and_reads(&mut self) {
        for (place, entry) in self.entries() {
            match entry.action {
                Action::Read(value) if entry.is_ok(self.prefix) => {
                    let first = self.levels[value as usize].first_read;
                    let earliest = first == NONE || entry.completed < self.entry(first).completed;
                    let level = &mut self.levels[value as usize];
                    level.first_read = if earliest { place } else { first };
                    // Entries come in order of invocation, so that the last is the latest.
                    level.last_read = place;
                }
                Action::Read(_) | Action::Write(INITIAL) | Action::CompareAndSet(_, INITIAL) => {}
                Action::Write(value) | Action::CompareAndSet(_, value) => {
                    let writer = &mut self.levels[value as usize].writer;
                    // A failed operation is still open in some prefixes. If another operation
                    // writes the same value, that one is the writer.
                    let last_resort = entry.fate == Fate::Failed && *writer != NONE;
                    if !entry.is_failed(self.prefix) && !last_resort {
                        *writer = place;
                    }
                }
            }
        }
    }

    fn find_needed(&mut self) {
        let prefix = self.prefix;
        for (place, entry) in self.entries().filter(|(_, entry)| entry.is_ok(prefix)) {
            let mut by = place;
            let mut needs = entry.action.needs();
            while let Some(value) = needs.take() {
                let level = &mut self.levels[value as usize];
                if std::mem::replace(&mut level.needed, true) || value == INITIAL {
                    break;
                }
                if level.writer == NONE {
                    self.report(Violation::Unwritten { by });
                    break;
                }
                by = level.writer;
                needs = self.entry(by).action.needs();
            }
        }
    }

    /// Gives every value the compare-and-set that replaced it; returns how many took effect.
    fn hang_compare_and_sets(&mut self) -> usize {
        let mut waiting = 0;
        for (place, entry) in self.entries() {
            if !self.took_effect(place, entry) {
                continue;
            }
            self.effective += 1;
            let Action::CompareAndSet(expected, _) = entry.action else { continue };
            waiting += 1;
            match self.levels[expected as usize].next {
                NONE => self.levels[expected as usize].next = place,
                one => self.report(Violation::Forked { one, other: place }),
            }
        }
        waiting
    }

    /// Walks every chain from its root; returns the zones, and how many compare-and-sets hang on
    /// a root.
    fn walk(&mut self) -> (Vec<Zone>, usize) {
        let mut zones = Vec::new();
        let mut hanging = 0;
        zones.extend(self.walk_chain(INITIAL, &mut hanging));
        for (place, entry) in self.entries() {
            let Action::Write(value) = entry.action else { continue };
            if self.took_effect(place, entry) {
                zones.extend(self.walk_chain(value, &mut hanging));
            }
        }
        (zones, hanging)
    }

    /// The zone of the chain that begins with `root`, or none if its own order is broken.
    fn walk_chain(&mut self, root: u32, hanging: &mut usize) -> Option<Zone> {
        let writer = self.levels[root as usize].writer;
        let mut zone = Zone { root, first: (self.end(writer), writer), last: (0, NONE) };
        let mut value = root;
        loop {
            let Level { writer, next, first_read, last_read, .. } = self.levels[value as usize];
            let (mut before, mut fine) = (zone.last, true);
            for (first, last) in [(writer, writer), (first_read, last_read)] {
                if first == NONE {
                    continue;
                }
                let (end, begin) = (self.end(first), self.begin(last));
                if end < before.0 {
                    self.report(Violation::Disordered { earlier: before.1, later: first });
                    fine = false;
                }
                zone.first = zone.first.min((end, first));
                zone.last = zone.last.max((begin, last));
                before = zone.last;
            }
            if next == NONE || !fine {
                *hanging += if fine { 0 } else { self.count_from(next) };
                return fine.then_some(zone);
            }
            *hanging += 1;
            let Some(new) = self.entry(next).action.writes() else { return Some(zone) };
            value = new;
        }
    }

    /// How many compare-and-sets follow in the chain from `next` on.
    fn count_from(&self, mut next: u32) -> usize {
        let mut count = 0;
        while next != NONE {
            count += 1;
            let new = self.entry(next).action.writes();
            next = new.map_or(NONE, |new| self.levels[new as usize].next);
        }
        count
    }

    /// Reports a compare-and-set from which no root is reached.
    fn find_circle(&mut self) {
        let mut rooted = vec![false; self.levels.len()];
        for root in 0..self.levels.len() as u32 {
            let writer = self.levels[root as usize].writer;
            let plain = root == INITIAL
                || writer != NONE && matches!(self.entry(writer).action, Action::Write(_));
            let mut value = plain.then_some(root);
            while let Some(at) = value {
                rooted[at as usize] = true;
                let next = self.levels[at as usize].next;
                value = if next == NONE { None } else { self.entry(next).action.writes() };
            }
        }
        let unrooted = self.entries().find(|&(place, entry)| {
            matches!(entry.action, Action::CompareAndSet(_, new) if !rooted[new as usize])
                && self.took_effect(place, entry)
        });
        if let Some((one, _)) = unrooted {
            self.report(Violation::Circular { one });
        }
    }

    /// Step 4: finds chains each of which must come before the other.
    fn compare(&mut self, zones: &mut [Zone]) {
        zones.sort_unstable_by_key(|zone| zone.first);
        // The zone with the greatest s among the zones up to each.
        let mut greatest: Vec<u32> = Vec::with_capacity(zones.len());
        for (place, zone) in zones.iter().enumerate() {
            let best = greatest.last().copied().unwrap_or(0);
            let better = zone.last > zones[best as usize].last;
            greatest.push(if better { place as u32 } else { best });
        }
        for (place, &other) in zones.iter().enumerate() {
            let before = if other.last.0 >= other.first.0 {
                place
            } else {
                zones[..place].partition_point(|zone| zone.first.0 < other.last.0)
            };
            if before == 0 {
                continue;
            }
            let one = zones[greatest[before - 1] as usize];
            if one.last.0 > other.first.0 {
                self.report(Violation::Met { one, other });
            }
        }
    }

    fn report(&mut self, violation: Violation) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }

    /// The rank of a prefix in which the violation shows.
    fn shows_at(&self, violation: &Violation) -> u64 {
        let settled = |places: &[u32]| {
            places.iter().map(|&place| self.end(self.settler(place))).max().unwrap_or(NEVER)
        };
        match violation {
            Violation::Unwritten { by } => {
                let value = self.entry(*by).action.needs().unwrap_or(INITIAL);
                let failed = |entry: &&Entry| {
                    entry.action.writes() == Some(value) && entry.is_failed(self.prefix)
                };
                let failed = self.entries().map(|(_, entry)| entry).filter(failed);
                failed.map(|entry| entry.completed).fold(settled(&[*by]), u64::max)
            }
            Violation::Forked { one, other } => settled(&[*one, *other]),
            Violation::Disordered { earlier, later } => settled(&[*earlier, *later]),
            Violation::Circular { .. } => NEVER,
            Violation::Met { one, other } => {
                settled(&[one.first.1, one.last.1, other.first.1, other.last.1])
            }
        }
    }

    /// The first ok operation that proves that the operation took effect: itself if it is ok, else
    /// one further on in its chain.
    pub fn settler(&self, place: u32) -> u32 {
        if place == NONE || self.end(place) != NEVER {
            return place;
        }
        let mut best = place;
        let mut value = self.entry(place).action.writes();
        let mut steps = 0;
        while let Some(at) = value {
            let Level { next, first_read, .. } = self.levels[at as usize];
            for candidate in [first_read, next] {
                if candidate != NONE && self.end(candidate) < self.end(best) {
                    best = candidate;
                }
            }
            steps += 1;
            let onward = next != NONE && steps <= self.levels.len();
            value = if onward { self.entry(next).action.writes() } else { None };
        }
        best
    }
}
