//! Where real time is kept most is decided by it, and only what runs at once is left to inference.

use rustc_hash::FxHashSet;

use super::events::{Events, Older};
use super::saturate::{LANES, View};
use crate::transactional::NEVER;
use crate::weak::NOBODY;

/// Versions whose writers run at about the same time.
pub(super) struct Windows {
    /// The versions, some at a time, each time in order of keys.
    pub groups: Vec<Vec<u32>>,
    /// The transactions in order of invocation.
    by_invocation: Vec<u32>,
    invoked: Vec<u64>,
}

/// Up to which place of an order there are events of transactions invoked before some index.
pub(super) struct Until<'a> {
    invoked: &'a [u64],
    places: Vec<u32>,
}

impl Until<'_> {
    /// The last place; 0 if there is none.
    pub fn of(&self, index: u64) -> u32 {
        let count = self.invoked.partition_point(|invoked| *invoked < index);
        count.checked_sub(1).map_or(0, |last| self.places[last])
    }
}

impl Windows {
    /// Sorts the versions of keys that more than one transaction wrote.
    pub fn new(events: &Events<'_>) -> Self {
        let facts = events.facts;
        let writer = |version: &u32| facts.writers[*version as usize] as usize;
        let (mut versions, mut endless) = (Vec::new(), Vec::new());
        for key in 0..facts.transactions.names.len() as u32 {
            let of_key = facts.versions_of(key);
            if of_key.len() > 1 {
                let ends = |version: &&u32| facts.completed[writer(version)] != NEVER;
                versions.extend(of_key.iter().filter(ends));
                endless.extend(of_key.iter().filter(|version| !ends(version)));
            }
        }
        versions.sort_by_key(|version| facts.due[writer(version)]);
        let groups = versions.chunks(LANES).chain(endless.chunks(LANES));
        let groups = groups.map(|group| {
            let mut group = group.to_vec();
            group.sort_unstable_by_key(|version| facts.keys[*version as usize]);
            group
        });
        let mut by_invocation: Vec<u32> = (0..facts.transactions.len() as u32).collect();
        by_invocation.sort_unstable_by_key(|it| facts.invoked[*it as usize]);
        let invoked = by_invocation.iter().map(|it| facts.invoked[*it as usize]).collect();
        Self { groups: groups.collect(), by_invocation, invoked }
    }

    /// Where the transactions stand in one round.
    pub fn until(&self, view: &View<'_>) -> Until<'_> {
        let mut last = 0;
        let places = self.by_invocation.iter().map(|it| {
            last = view.commit_place(*it).max(last);
            last
        });
        let places = places.collect();
        Until { invoked: &self.invoked, places }
    }

    /// The pairs of versions that time alone decides, without those that have another between; with
    /// the reader, where one had not yet been invoked when the writer of the older one completed.
    pub fn by_time(events: &Events<'_>) -> Vec<(Older, u32)> {
        let facts = events.facts;
        let (mut pairs, mut begins, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for key in 0..facts.transactions.names.len() as u32 {
            let versions = facts.versions_of(key);
            if versions.len() < 2 {
                continue;
            }
            let time = |version: u32| {
                let writer = facts.writers[version as usize] as usize;
                (facts.invoked[writer], facts.completed[writer])
            };
            begins.clear();
            begins.extend_from_slice(versions);
            begins.sort_unstable_by_key(|version| time(*version).0);
            ends.clear();
            ends.extend(versions.iter().copied().filter(|version| time(*version).1 != NEVER));
            ends.sort_unstable_by_key(|version| time(*version).1);
            for &version in versions {
                let end = time(version).1;
                let first = begins.partition_point(|other| time(*other).0 <= end);
                let mut nearest = NEVER;
                for &later in begins.get(first..).unwrap_or_default() {
                    if time(later).0 > nearest {
                        break;
                    }
                    nearest = nearest.min(time(later).1);
                    pairs.push(((version, later), NOBODY));
                }
                for &reader in facts.readers(version) {
                    let begin = facts.invoked[reader as usize];
                    let until = ends.partition_point(|other| time(*other).1 < begin);
                    let mut nearest = 0;
                    for &earlier in ends[..until].iter().rev() {
                        if time(earlier).1 < nearest {
                            break;
                        }
                        nearest = nearest.max(time(earlier).0);
                        if earlier != version {
                            pairs.push(((earlier, version), reader));
                        }
                    }
                }
            }
        }
        pairs
    }

    /// Two versions of one key whose writers ran at once, and of which nobody knows which is older.
    pub fn open(events: &Events<'_>, known: &FxHashSet<Older>) -> Option<Older> {
        let facts = events.facts;
        let mut begins: Vec<u32> = Vec::new();
        for key in 0..facts.transactions.names.len() as u32 {
            begins.clear();
            begins.extend_from_slice(facts.versions_of(key));
            let writer = |version: u32| facts.writers[version as usize] as usize;
            begins.sort_unstable_by_key(|version| facts.invoked[writer(*version)]);
            for (place, &one) in begins.iter().enumerate() {
                let end = facts.completed[writer(one)];
                let beside = begins[place + 1..].iter();
                for &other in beside.take_while(|it| facts.invoked[writer(**it)] < end) {
                    if !known.contains(&(one, other)) && !known.contains(&(other, one)) {
                        return Some((one, other));
                    }
                }
            }
        }
        None
    }
}
