//! What is known of the order of one key's updates, and what more a session's gets demand of it.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::extract::Texts;
use crate::session::Frame;

/// Whose updates of a key are taken to come in their session's order. Where one session alone
/// writes a key, its order is that of the key in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sessions {
    None,
    One(u32),
    All,
}

/// An update, and one that comes after it.
pub(super) type Pair = (u32, u32);

/// By key: the pairs of pieces that some text shows one after the other, with the first get that does.
pub(super) struct Pairs {
    keys: Vec<FxHashMap<Pair, u32>>,
}

impl Pairs {
    /// Takes the pairs out of all texts. O(p) for p pieces in all of them.
    pub fn of(texts: &Texts<'_>) -> Self {
        let mut keys = vec![FxHashMap::default(); texts.steps.keys.len()];
        for (step, shown) in (0..).zip(&texts.shown) {
            let Some(shown) = shown else { continue };
            for pair in shown.pieces.windows(2) {
                keys[shown.key as usize].entry((pair[0], pair[1])).or_insert(step);
            }
        }
        Self { keys }
    }

    /// The get that shows the second directly after the first.
    pub fn shown_by(&self, key: u32, pair: Pair) -> Option<u32> {
        self.keys[key as usize].get(&pair).copied()
    }
}

/// What is known of the order of one key's updates: an edge from each to some that come after it.
pub(super) struct Known {
    /// The updates of the key, session by session.
    updates: Vec<u32>,
    places: FxHashMap<u32, u32>,
    after: Vec<Vec<u32>>,
    /// Of each update how many of each session that has a dimension come before it; `None` where
    /// what is known contradicts itself.
    reach: Option<Vec<u32>>,
    width: usize,
    /// Of each update its dimension, if its session has one, and its place in the session.
    own: Vec<(Option<u32>, u32)>,
}

impl Known {
    /// What texts, and the order of these sessions, tell of `key`. O(k·(u + e)) for u updates, e
    /// pairs and k sessions that count.
    pub fn of(frame: &Frame<'_>, pairs: &Pairs, key: u32, sessions: Sessions) -> Self {
        let groups: Vec<(u32, &[u32])> = frame.writers.of_key(key).collect();
        let mut known = Self {
            updates: Vec::new(),
            places: FxHashMap::default(),
            after: Vec::new(),
            reach: None,
            width: 0,
            own: Vec::new(),
        };
        for &(session, updates) in &groups {
            let counts = groups.len() == 1
                || sessions == Sessions::All
                || sessions == Sessions::One(session);
            let dimension = counts.then_some(known.width as u32);
            known.width += usize::from(counts);
            for (place, &update) in (0..).zip(updates) {
                let at = known.updates.len() as u32;
                known.places.insert(update, at);
                known.updates.push(update);
                known.own.push((dimension, place));
                known.after.push(Vec::new());
                if counts && place > 0 {
                    known.after[at as usize - 1].push(at);
                }
            }
        }
        let mut told: Vec<Pair> = pairs.keys[key as usize].keys().copied().collect();
        // Deterministic, whatever the order of the table.
        told.sort_unstable();
        for (from, to) in told {
            known.after[known.places[&from] as usize].push(known.places[&to]);
        }
        known.reach = known.order(&[]).map(|order| known.clocks(&order));
        known
    }

    /// Whether there is any order at all that agrees with what is known.
    pub fn is_sound(&self) -> bool {
        self.reach.is_some()
    }

    /// Whether it is known that `from` comes before `to`, which is a put. No text shows anything
    /// before a put, so that only its own session's order leads to one, and only if that counts.
    /// `from` is of a session that counts wherever another does that may have put: one session's
    /// own updates, the only writer's, or those of all.
    pub fn implies(&self, (from, to): Pair) -> bool {
        let (from, to) = (self.places[&from] as usize, self.places[&to] as usize);
        let (Some(reach), (Some(dimension), place)) = (&self.reach, self.own[from]) else {
            return false;
        };
        reach[to * self.width + dimension as usize] > place
    }

    /// Whether some order agrees with what is known and these pairs, too.
    pub fn allows(&self, more: &[Pair]) -> bool {
        self.order(&self.local(more)).is_some()
    }

    /// A shortest way from one update to another over what is known and `more`.
    pub fn path(&self, from: u32, to: u32, more: &[Pair]) -> Option<Vec<Pair>> {
        let more = self.local(more);
        let (from, to) = (self.places[&from], self.places[&to]);
        let mut came: Vec<Option<u32>> = vec![None; self.updates.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            let extra = more.iter().filter(|pair| pair.0 == at).map(|pair| &pair.1);
            for &next in self.after[at as usize].iter().chain(extra) {
                if came[next as usize].is_none() && next != from {
                    came[next as usize] = Some(at);
                    queue.push_back(next);
                }
            }
        }
        let (mut path, mut at) = (Vec::new(), to);
        while at != from {
            let before = came[at as usize]?;
            path.push((self.updates[before as usize], self.updates[at as usize]));
            at = before;
        }
        path.reverse();
        Some(path)
    }

    fn local(&self, pairs: &[Pair]) -> Vec<Pair> {
        pairs.iter().map(|(from, to)| (self.places[from], self.places[to])).collect()
    }

    /// An order that agrees with all edges (Kahn 1962).
    fn order(&self, more: &[Pair]) -> Option<Vec<u32>> {
        let mut after: Vec<Vec<u32>> = vec![Vec::new(); self.updates.len()];
        for &(from, to) in more {
            after[from as usize].push(to);
        }
        let mut open = vec![0u32; self.updates.len()];
        let edges = self.after.iter().chain(&after).flatten();
        edges.for_each(|&to| open[to as usize] += 1);
        let mut order: Vec<u32> =
            (0..self.updates.len() as u32).filter(|&at| open[at as usize] == 0).collect();
        let mut done = 0;
        while done < order.len() {
            let at = order[done] as usize;
            done += 1;
            for &next in self.after[at].iter().chain(&after[at]) {
                open[next as usize] -= 1;
                if open[next as usize] == 0 {
                    order.push(next);
                }
            }
        }
        (order.len() == self.updates.len()).then_some(order)
    }

    fn clocks(&self, order: &[u32]) -> Vec<u32> {
        let width = self.width;
        let mut reach = vec![0u32; width * self.updates.len()];
        for &at in order {
            let mut past = reach[at as usize * width..][..width].to_vec();
            if let (Some(dimension), place) = self.own[at as usize] {
                past[dimension as usize] = past[dimension as usize].max(place + 1);
            }
            for &next in &self.after[at as usize] {
                let own = &mut reach[next as usize * width..][..width];
                own.iter_mut().zip(&past).for_each(|(own, &other)| *own = other.max(*own));
            }
        }
        reach
    }
}
