//! What is known of the order of versions, and what a session's reads say about it.

use rustc_hash::FxHashMap;
use schism_history::F;

use super::step::{Source, Steps};

/// What is known of two versions of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The second is the first, or comes after it.
    NotOlder,
    /// The second comes before the first.
    Older,
    /// Nobody can say.
    Unknown,
}

/// How the order of a key's versions is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The system numbers them.
    Numbers,
    /// One session wrote all that did not replace a version by compare-and-set.
    OneWriter,
    /// Only inside chains of compare-and-sets, and of what the system numbered.
    Chains,
    /// What the system and its clients say does not fit together.
    Contradiction,
}

/// A version's place. Versions that compare-and-sets lead from one to the next make a *block*:
/// nothing comes between them.
#[derive(Clone, Copy, Debug)]
struct Place {
    block: u32,
    level: u32,
}

/// The order of the versions of every key, as far as it is known.
#[derive(Debug)]
pub(crate) struct Orders {
    places: Vec<Place>,
    /// Of each block its rank among the blocks of its key that have one.
    ranks: Vec<Option<u64>>,
    /// Of each key how its order is known.
    pub by: Vec<By>,
}

impl Orders {
    /// What `steps` tell: initial versions come first; then version numbers; chains of
    /// compare-and-sets; the order of the only session that writes a key.
    pub fn of(steps: &Steps<'_>) -> Self {
        let mut by = vec![By::Chains; steps.keys.len()];
        let parents = parents(steps, &mut by);
        let mut orders = Self { places: blocks(steps, &parents), ranks: Vec::new(), by };
        let blocks = orders.places.iter().map(|place| place.block + 1).max().unwrap_or(0);
        orders.ranks = vec![None; blocks as usize];
        let mut of_keys: Vec<Vec<u32>> = vec![Vec::new(); steps.keys.len()];
        for (version, it) in (0..).zip(&steps.versions) {
            if matches!(it.source, Source::Step(_)) {
                of_keys[it.key as usize].push(version);
            }
        }
        for (key, versions) in (0..).zip(&of_keys) {
            let initial = steps.initial[key as usize];
            if steps.versions[initial as usize].source == Source::Initial {
                orders.ranks[orders.places[initial as usize].block as usize] = Some(0);
            }
            orders.rank_key(steps, key, versions);
        }
        orders
    }

    fn rank_key(&mut self, steps: &Steps<'_>, key: u32, versions: &[u32]) {
        let numbered = |version: &u32| steps.versions[*version as usize].number.is_some();
        if versions.iter().any(numbered) {
            match self.numbers(steps, versions) {
                None => {
                    self.by[key as usize] = By::Contradiction;
                    return;
                }
                Some(ranks) => {
                    let first = Some(0);
                    let open = |version: &&u32| {
                        let block = self.places[**version as usize].block;
                        self.ranks[block as usize] != first && !ranks.contains_key(&block)
                    };
                    let all = versions.iter().filter(open).count() == 0;
                    if all || self.writer(steps, versions).is_none() {
                        for (block, rank) in ranks {
                            let own = &mut self.ranks[block as usize];
                            *own = own.or(Some(rank));
                        }
                        if all {
                            self.by[key as usize] = By::Numbers;
                        }
                        return;
                    }
                }
            }
        }
        if self.writer(steps, versions).is_some() {
            for &version in versions {
                let place = self.places[version as usize];
                if let (0, Source::Step(step)) =
                    (place.level, steps.versions[version as usize].source)
                {
                    let rank = &mut self.ranks[place.block as usize];
                    *rank = rank.or(Some(u64::from(steps.position(step)) + 1));
                }
            }
            self.by[key as usize] = By::OneWriter;
        }
    }

    /// The session that wrote the first version of each block; none if a compare-and-set did, which
    /// replaced nobody knows what.
    fn writer(&self, steps: &Steps<'_>, versions: &[u32]) -> Option<u32> {
        let cas = F::new("cas");
        let mut writer = None;
        for &version in versions.iter().filter(|&&it| self.places[it as usize].level == 0) {
            let step = steps.all[steps.writer(version)? as usize];
            let replaces = steps.history.operation(step.number as usize).op.f == cas;
            if replaces || writer.is_some_and(|other| other != step.session) {
                return None;
            }
            writer = Some(step.session);
        }
        // Where there is none, every version hangs on the initial one.
        Some(writer.unwrap_or(0))
    }

    /// The least number of each block that has one; `None` if numbers and blocks contradict.
    fn numbers(&self, steps: &Steps<'_>, versions: &[u32]) -> Option<FxHashMap<u32, u64>> {
        let mut numbered: Vec<(u64, u32, u32)> = Vec::new();
        for &version in versions {
            let Some(number) = steps.versions[version as usize].number else { continue };
            let Place { block, level } = self.places[version as usize];
            numbered.push((number, block, level));
        }
        numbered.sort_unstable();
        let mut ranks: FxHashMap<u32, u64> = FxHashMap::default();
        let mut before: Option<(u64, u32, u32)> = None;
        for &(number, block, level) in &numbered {
            if number == u64::MAX {
                return None;
            }
            let fits = before.is_none_or(|(other, last, lower)| {
                other < number && (last != block || lower < level)
            });
            // A block that begins again, or the first one after another, is out of order.
            let again = ranks.contains_key(&block) && before.is_some_and(|(_, it, _)| it != block);
            let first = self.ranks[block as usize] == Some(0) && !ranks.is_empty();
            let first = first && before.is_some_and(|(_, it, _)| it != block);
            if !fits || again || first {
                return None;
            }
            // Rank 0 is that of the initial version.
            ranks.entry(block).or_insert_with(|| number.saturating_add(1));
            before = Some((number, block, level));
        }
        Some(ranks)
    }

    /// Whether `second` is older than `first`, both of one key.
    pub fn compare(&self, first: u32, second: u32) -> Known {
        let (one, other) = (self.places[first as usize], self.places[second as usize]);
        if first == second {
            return Known::NotOlder;
        }
        if one.block == other.block {
            return if other.level < one.level { Known::Older } else { Known::NotOlder };
        }
        match (self.ranks[one.block as usize], self.ranks[other.block as usize]) {
            (Some(0), _) => Known::NotOlder,
            (_, Some(0)) => Known::Older,
            (Some(one), Some(other)) if other < one => Known::Older,
            (Some(_), Some(_)) => Known::NotOlder,
            _ => Known::Unknown,
        }
    }

    /// The block of a version, and its rank.
    pub fn block(&self, version: u32) -> (u32, Option<u64>) {
        let block = self.places[version as usize].block;
        (block, self.ranks[block as usize])
    }
}

/// Of each version the one that a compare-and-set replaced by it. Where two replaced one, or they
/// turn in a circle, the key's chains tell nothing.
fn parents(steps: &Steps<'_>, by: &mut [By]) -> Vec<Option<u32>> {
    let cas = F::new("cas");
    let mut parents: Vec<Option<u32>> = vec![None; steps.versions.len()];
    let mut replaced = vec![false; steps.versions.len()];
    let key_of = |version: u32| steps.versions[version as usize].key as usize;
    for step in 0..steps.all.len() as u32 {
        let number = steps.all[step as usize].number as usize;
        let (&[from], &[to]) = (steps.reads(step), steps.writes(step)) else { continue };
        if steps.history.operation(number).op.f != cas || steps.writer(to) != Some(step) {
            continue;
        }
        if std::mem::replace(&mut replaced[from as usize], true) {
            by[key_of(from)] = By::Contradiction;
        }
        parents[to as usize] = Some(from);
    }
    // Whoever walks back from a version and meets one that this walk has seen is in a circle.
    let mut walks: Vec<u32> = vec![u32::MAX; steps.versions.len()];
    for version in 0..steps.versions.len() as u32 {
        let mut at = version;
        while walks[at as usize] == u32::MAX {
            walks[at as usize] = version;
            let Some(parent) = parents[at as usize] else { break };
            if walks[parent as usize] == version {
                by[key_of(version)] = By::Contradiction;
            }
            at = parent;
        }
    }
    for (version, parent) in parents.iter_mut().enumerate() {
        if by[key_of(version as u32)] == By::Contradiction {
            *parent = None;
        }
    }
    parents
}

fn blocks(steps: &Steps<'_>, parents: &[Option<u32>]) -> Vec<Place> {
    let mut places: Vec<Option<Place>> = vec![None; steps.versions.len()];
    let mut blocks = 0;
    for version in 0..steps.versions.len() {
        let (mut at, mut path) = (version, Vec::new());
        let mut place = loop {
            if let Some(place) = places[at] {
                break place;
            }
            if let Some(parent) = parents[at] {
                path.push(at);
                at = parent as usize;
            } else {
                let place = Place { block: blocks, level: 0 };
                blocks += 1;
                places[at] = Some(place);
                break place;
            }
        };
        for at in path.into_iter().rev() {
            place.level += 1;
            places[at] = Some(place);
        }
    }
    places.into_iter().map(|place| place.unwrap_or(Place { block: 0, level: 0 })).collect()
}
