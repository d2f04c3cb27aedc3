//! The switch's decisions, without the switch: pure, with time passed in.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::LinkRule;

/// Bytes that one link may hold back; what does not fit vanishes.
const HELD_BYTES: usize = 4 << 20;
/// Bytes that may be on their way over one slow link; what does not fit vanishes.
const DELAYED_BYTES: usize = 32 << 20;

/// A frame on its way out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub from: usize,
    pub to: usize,
    pub bytes: Box<[u8]>,
}

/// What to do with a frame now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Pass it on, untouched.
    Forward,
    /// It was taken: queued for later, or vanished.
    Taken,
}

/// The rules of all directed links, and the frames that they keep.
pub(super) struct Wire {
    ports: usize,
    rules: Vec<LinkRule>,
    /// What each link keeps, held and delayed frames in one queue: a link keeps its order whatever
    /// rules follow one another. A link without hold or delay keeps nothing.
    kept: Vec<Queue>,
    /// When the first frame of each link that keeps some and does not hold goes out.
    fronts: BTreeSet<(Instant, usize)>,
    rng: ChaCha8Rng,
}

/// Frames in their order, each with the time when it goes out; these times never fall.
#[derive(Default)]
struct Queue {
    frames: VecDeque<(Instant, Box<[u8]>)>,
    bytes: usize,
}

impl Queue {
    /// Takes a frame in, at the end of the queue, unless it is full.
    fn push(&mut self, at: Instant, bytes: Box<[u8]>, room: usize) {
        if self.bytes + bytes.len() > room {
            return;
        }
        self.bytes += bytes.len();
        let at = self.frames.back().map_or(at, |(last, _)| at.max(*last));
        self.frames.push_back((at, bytes));
    }

    fn pop(&mut self) -> Option<Box<[u8]>> {
        let (_, bytes) = self.frames.pop_front()?;
        self.bytes -= bytes.len();
        Some(bytes)
    }
}

/// Whether the link lets its frames go out later.
fn slow(rule: LinkRule) -> bool {
    !rule.delay.is_zero() || !rule.jitter.is_zero()
}

impl Wire {
    pub(super) fn new(ports: usize, seed: u64) -> Self {
        Self {
            ports,
            rules: vec![LinkRule::default(); ports * ports],
            kept: (0..ports * ports).map(|_| Queue::default()).collect(),
            fronts: BTreeSet::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Replaces the rules. Frames of links that keep nothing any more are returned, in their order,
    /// to go out now: a healed link is as fast as it was at once. What a cut link kept vanishes.
    pub(super) fn set(&mut self, rules: Vec<LinkRule>, now: Instant) -> Vec<Frame> {
        let old = std::mem::replace(&mut self.rules, rules);
        let mut released = Vec::new();
        for (link, old) in old.into_iter().enumerate() {
            let rule = self.rules[link];
            if self.kept[link].frames.is_empty() || (rule.hold && !rule.drop) {
                continue;
            }
            if !rule.drop && slow(rule) && !old.hold {
                // These have their times already.
                continue;
            }
            let kept = std::mem::take(&mut self.kept[link]);
            if rule.drop {
                continue;
            }
            let (from, to) = (link / self.ports, link % self.ports);
            for (_, bytes) in kept.frames {
                if slow(rule) {
                    let at = self.draw(rule, now);
                    self.kept[link].push(at, bytes, DELAYED_BYTES);
                } else {
                    released.push(Frame { from, to, bytes });
                }
            }
        }
        self.fronts = (0..self.kept.len()).filter_map(|link| self.front(link)).collect();
        released
    }

    /// What happens to a frame that arrives on the link now. `copy` is called only if it is kept.
    pub(super) fn decide(
        &mut self,
        from: usize,
        to: usize,
        now: Instant,
        copy: impl FnOnce() -> Box<[u8]>,
    ) -> Decision {
        let link = from * self.ports + to;
        let rule = self.rules[link];
        if rule.drop {
            return Decision::Taken;
        }
        if rule.hold {
            self.kept[link].push(now, copy(), HELD_BYTES);
            return Decision::Taken;
        }
        if !slow(rule) {
            return Decision::Forward;
        }
        let at = self.draw(rule, now);
        self.kept[link].push(at, copy(), DELAYED_BYTES);
        self.fronts.extend(self.front(link));
        Decision::Taken
    }

    /// When a frame that comes now goes out.
    fn draw(&mut self, rule: LinkRule, now: Instant) -> Instant {
        let jitter = rule.jitter.as_nanos() as i64;
        let drawn = if jitter > 0 { self.rng.random_range(-jitter..=jitter) } else { 0 };
        let delay = (rule.delay.as_nanos() as i64).saturating_add(drawn).max(0);
        now + Duration::from_nanos(delay as u64)
    }

    /// When the first frame of the link goes out, if time alone decides that.
    fn front(&self, link: usize) -> Option<(Instant, usize)> {
        let (at, _) = self.kept[link].frames.front()?;
        (!self.rules[link].hold).then_some((*at, link))
    }

    /// The next delayed frame that is due, if one is.
    pub(super) fn due(&mut self, now: Instant) -> Option<Frame> {
        let (at, link) = self.fronts.first().copied()?;
        if at > now {
            return None;
        }
        self.fronts.pop_first();
        let bytes = self.kept[link].pop();
        self.fronts.extend(self.front(link));
        Some(Frame { from: link / self.ports, to: link % self.ports, bytes: bytes? })
    }

    /// When the next delayed frame is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.fronts.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests;
