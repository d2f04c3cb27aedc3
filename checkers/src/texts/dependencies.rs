//! Monotonic writes and writes-follow-reads: what an update that was seen says about others.
//!
//! A session that a text has shown an update W of session S has seen W. From then on
//! - monotonic writes: its gets must have in their past what S had done before W, and no text shows
//!   two updates of S in the other order;
//! - writes-follow-reads: its gets must have in their past what S had seen before W, and no text
//!   shows W before that.

use rustc_hash::FxHashMap;

use super::extract::{Shown, Texts};
use super::guarantees::Demand;
use super::hidden::Marks;
use crate::Claim;
use crate::session::Frame;

/// Two updates that a session saw in the wrong order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrong {
    /// The get that shows it.
    pub read: u32,
    /// The update that must come first.
    pub first: u32,
    /// The one that was seen first.
    pub second: u32,
    /// For writes-follow-reads: the get of the second one's session that had shown the first.
    pub because: Option<u32>,
    /// Where one get showed the second without the first, and `read` the first without the second:
    /// that get.
    pub earlier: Option<u32>,
}

/// Updates that were seen, each with the put at the beginning of the text: and the get.
type Seen = FxHashMap<(u32, Option<u32>), u32>;

/// What one session has seen.
pub(super) struct Dependencies<'a> {
    texts: &'a Texts<'a>,
    claim: Claim,
    /// Of each session its latest update that was seen, and the get that showed it.
    latest: Vec<Option<(u32, u32)>>,
    sources: Vec<u32>,
    /// By session and key: updates that were seen, with the put of the text and the get.
    by_base: FxHashMap<(u32, u32), Seen>,
    /// For writes-follow-reads, by session and key: its gets in order, and whether the next one's
    /// text is the same or a longer one.
    gets: FxHashMap<(u32, u32), Vec<(u32, bool)>>,
    /// For writes-follow-reads, by session and update: its first get that shows it.
    first: FxHashMap<(u32, u32), u32>,
}

impl<'a> Dependencies<'a> {
    /// What each session read, where the claim is about that. O(p) for pieces p in all texts.
    pub fn of(texts: &'a Texts<'a>, claim: Claim) -> Self {
        let mut gets: FxHashMap<(u32, u32), Vec<(u32, bool)>> = FxHashMap::default();
        let mut first = FxHashMap::default();
        if claim == Claim::WritesFollowReads {
            for (step, shown) in (0..).zip(&texts.shown) {
                let Some(shown) = shown else { continue };
                let session = texts.steps.all[step as usize].session;
                for &piece in &shown.pieces {
                    first.entry((session, piece)).or_insert(step);
                }
                let of_key = gets.entry((session, shown.key)).or_default();
                if let Some((last, extended)) = of_key.last_mut() {
                    let last = texts.shown[*last as usize].as_ref();
                    *extended = last.is_some_and(|it| shown.pieces.starts_with(&it.pieces));
                }
                of_key.push((step, false));
            }
        }
        let latest = vec![None; texts.steps.sessions.len()];
        let (sources, by_base) = (Vec::new(), FxHashMap::default());
        Self { texts, claim, latest, sources, by_base, gets, first }
    }

    /// Another session begins, which has seen nothing.
    pub fn begin(&mut self) {
        for source in self.sources.drain(..) {
            self.latest[source as usize] = None;
        }
        self.by_base.clear();
    }

    fn session(&self, step: u32) -> u32 {
        self.texts.steps.all[step as usize].session
    }

    /// The session gets `step`.
    pub fn see(&mut self, step: u32) {
        let steps = &self.texts.steps;
        for writer in steps.reads(step).iter().filter_map(|&version| steps.writer(version)) {
            let source = self.session(writer);
            let known = &mut self.latest[source as usize];
            if known.is_none() {
                self.sources.push(source);
            }
            if known.is_none_or(|(other, _)| other < writer) {
                *known = Some((writer, step));
            }
        }
    }

    /// What the get `step` shows in the wrong order. O(p·k) for pieces p, of k sessions.
    pub fn swapped(&mut self, step: u32, shown: &Shown, marks: &Marks) -> Option<Wrong> {
        // Of each session the latest of its updates so far.
        let mut so_far: Vec<(u32, u32)> = Vec::new();
        let wrong = |first, second, because, earlier| {
            Some(Wrong { read: step, first, second, because, earlier })
        };
        for &piece in &shown.pieces {
            let session = self.session(piece);
            for &(other, latest) in &so_far {
                if self.claim == Claim::MonotonicWrites && other == session && piece < latest {
                    return wrong(piece, latest, None, None);
                }
                let read = self.first.get(&(other, piece)).filter(|&&it| it < latest);
                if let Some(&read) = read {
                    return wrong(piece, latest, Some(read), None);
                }
            }
            match so_far.iter_mut().find(|it| it.0 == session) {
                Some(it) => it.1 = it.1.max(piece),
                None => so_far.push((session, piece)),
            }
        }
        if self.claim != Claim::MonotonicWrites {
            return None;
        }
        let base = shown.base();
        if let Some(base) = base {
            let seen = self.by_base.get(&(self.session(base), shown.key)).into_iter().flatten();
            // What was seen of the same session without the put that this text begins with.
            let other = seen.filter(|((update, with), _)| {
                *update > base && *with != Some(base) && !marks.has(step, *update)
            });
            if let Some((&(second, _), &get)) = other.min_by_key(|(_, get)| **get) {
                return wrong(base, second, None, Some(get));
            }
        }
        for &piece in &shown.pieces {
            let seen = self.by_base.entry((self.session(piece), shown.key)).or_default();
            seen.entry((piece, base)).or_insert(step);
        }
        None
    }

    /// Which updates the get `step` misses, of how many sessions that it has seen something of.
    pub fn missing(
        &self,
        frame: &Frame<'_>,
        step: u32,
        shown: &Shown,
        marks: &Marks,
    ) -> (usize, Vec<Demand>) {
        let (mut all, mut found) = (0, Vec::new());
        for &source in &self.sources {
            let Some(seen @ (write, _)) = self.latest[source as usize] else { continue };
            let demand = |missing: u32, because: u32| Demand {
                read: step,
                missing,
                because,
                seen: Some(seen),
            };
            if self.claim == Claim::MonotonicWrites {
                let updates = frame.writers.of_session(shown.key, source);
                let before = &updates[..updates.partition_point(|&it| it < write)];
                // A put that is only now seen hides what its session did before it: no get could
                // show less.
                let hides = shown.base() == Some(write) && seen.1 == step;
                all += usize::from(!before.is_empty() && !hides);
                let missing = marks.last_hidden(step, before);
                found.extend(missing.map(|missing| demand(missing, missing)));
                continue;
            }
            let Some(gets) = self.gets.get(&(source, shown.key)) else { continue };
            let before = &gets[..gets.partition_point(|&(it, _)| it < write)];
            all += usize::from(!before.is_empty());
            for (place, &(get, extended)) in before.iter().enumerate() {
                // What the next text shows, too, is demanded on its account.
                if extended && place + 1 < before.len() {
                    continue;
                }
                let pieces = self.texts.shown[get as usize].as_ref();
                let missing = pieces.and_then(|it| marks.last_hidden(step, &it.pieces));
                found.extend(missing.map(|missing| demand(missing, get)));
            }
        }
        (all, found)
    }
}
