//! The switch's decisions, without the switch: pure, with time passed in.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::LinkRule;

/// Bytes that one link may hold back; what does not fit vanishes.
const HELD_BYTES: usize = 4 << 20;

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
    held: Vec<Held>,
    /// When the last delayed frame of a link goes out: a link keeps its order.
    last: Vec<Option<Instant>>,
    delayed: BinaryHeap<Reverse<Delayed>>,
    sequence: u64,
    rng: ChaCha8Rng,
}

#[derive(Default)]
struct Held {
    frames: VecDeque<Box<[u8]>>,
    bytes: usize,
}

#[derive(PartialEq, Eq)]
struct Delayed {
    at: Instant,
    sequence: u64,
    frame: Frame,
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Wire {
    pub(super) fn new(ports: usize, seed: u64) -> Self {
        Self {
            ports,
            rules: vec![LinkRule::default(); ports * ports],
            held: (0..ports * ports).map(|_| Held::default()).collect(),
            last: vec![None; ports * ports],
            delayed: BinaryHeap::new(),
            sequence: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Replaces the rules. Frames that were held on links that no longer hold are returned, in
    /// their order, to go out now; delayed frames of links that now drop vanish when due.
    pub(super) fn set(&mut self, rules: Vec<LinkRule>, now: Instant) -> Vec<Frame> {
        self.rules = rules;
        let mut released = Vec::new();
        for link in 0..self.rules.len() {
            let rule = self.rules[link];
            if rule.hold || self.held[link].frames.is_empty() {
                continue;
            }
            let held = std::mem::take(&mut self.held[link]);
            if rule.drop {
                continue;
            }
            let (from, to) = (link / self.ports, link % self.ports);
            for bytes in held.frames {
                let frame = Frame { from, to, bytes };
                if rule.delay.is_zero() && rule.jitter.is_zero() {
                    released.push(frame);
                } else {
                    self.delay(frame, rule, now);
                }
            }
        }
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
            let held = &mut self.held[link];
            let bytes = copy();
            if held.bytes + bytes.len() <= HELD_BYTES {
                held.bytes += bytes.len();
                held.frames.push_back(bytes);
            }
            return Decision::Taken;
        }
        // Frames must not overtake those that still wait from a rule that has since gone.
        let waits = self.last[link].is_some_and(|last| last > now);
        if rule.delay.is_zero() && rule.jitter.is_zero() && !waits {
            return Decision::Forward;
        }
        self.delay(Frame { from, to, bytes: copy() }, rule, now);
        Decision::Taken
    }

    fn delay(&mut self, frame: Frame, rule: LinkRule, now: Instant) {
        let jitter = rule.jitter.as_nanos() as i64;
        let drawn = if jitter > 0 { self.rng.random_range(-jitter..=jitter) } else { 0 };
        let delay = (rule.delay.as_nanos() as i64).saturating_add(drawn).max(0);
        let link = frame.from * self.ports + frame.to;
        let mut at = now + Duration::from_nanos(delay as u64);
        if let Some(last) = self.last[link] {
            at = at.max(last);
        }
        self.last[link] = Some(at);
        let sequence = self.sequence;
        self.sequence += 1;
        self.delayed.push(Reverse(Delayed { at, sequence, frame }));
    }

    /// The next delayed frame that is due, if one is.
    pub(super) fn due(&mut self, now: Instant) -> Option<Frame> {
        loop {
            if self.next()? > now {
                return None;
            }
            let Reverse(Delayed { frame, .. }) = self.delayed.pop()?;
            if !self.rules[frame.from * self.ports + frame.to].drop {
                return Some(frame);
            }
        }
    }

    /// When the next delayed frame is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.delayed.peek().map(|Reverse(delayed)| delayed.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: usize = 3;

    fn rules(link: (usize, usize), rule: LinkRule) -> Vec<LinkRule> {
        let mut rules = vec![LinkRule::default(); PORTS * PORTS];
        rules[link.0 * PORTS + link.1] = rule;
        rules
    }

    fn send(wire: &mut Wire, number: u8, now: Instant) -> Decision {
        wire.decide(1, 2, now, || vec![number].into())
    }

    fn numbers(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
        frames.into_iter().map(|frame| frame.bytes[0]).collect()
    }

    #[test]
    fn drops_one_direction_only() {
        let mut wire = Wire::new(PORTS, 1);
        let now = Instant::now();
        wire.set(rules((1, 2), LinkRule { drop: true, ..LinkRule::default() }), now);
        assert_eq!(send(&mut wire, 0, now), Decision::Taken);
        assert_eq!(wire.next(), None);
        assert_eq!(wire.decide(2, 1, now, || vec![].into()), Decision::Forward);
    }

    #[test]
    fn releases_what_was_held_in_order_and_whole() {
        let mut wire = Wire::new(PORTS, 1);
        let now = Instant::now();
        wire.set(rules((1, 2), LinkRule { hold: true, ..LinkRule::default() }), now);
        for number in 0..100 {
            assert_eq!(send(&mut wire, number, now), Decision::Taken);
        }
        let released = wire.set(rules((1, 2), LinkRule::default()), now);
        assert_eq!(numbers(released), (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn delays_within_the_jitter_and_keeps_the_order() {
        let mut wire = Wire::new(PORTS, 7);
        let now = Instant::now();
        let (delay, jitter) = (Duration::from_millis(50), Duration::from_millis(10));
        wire.set(rules((1, 2), LinkRule { delay, jitter, ..LinkRule::default() }), now);
        for number in 0..50 {
            send(&mut wire, number, now);
        }
        assert!(wire.due(now + Duration::from_millis(39)).is_none());
        let end = now + Duration::from_millis(60);
        let out = std::iter::from_fn(|| wire.due(end));
        assert_eq!(numbers(out), (0..50).collect::<Vec<u8>>());
    }

    #[test]
    fn lets_nothing_overtake_delayed_frames_when_the_rule_goes() {
        let mut wire = Wire::new(PORTS, 7);
        let now = Instant::now();
        let rule = LinkRule { delay: Duration::from_millis(50), ..LinkRule::default() };
        wire.set(rules((1, 2), rule), now);
        send(&mut wire, 0, now);
        wire.set(rules((1, 2), LinkRule::default()), now);
        assert_eq!(send(&mut wire, 1, now), Decision::Taken);
        let end = now + Duration::from_millis(50);
        let out: Vec<_> = std::iter::from_fn(|| wire.due(end)).collect();
        assert_eq!(numbers(out), [0, 1]);
        assert_eq!(send(&mut wire, 2, end + Duration::from_millis(1)), Decision::Forward);
    }

    #[test]
    fn drops_delayed_frames_of_a_link_that_is_cut_meanwhile() {
        let mut wire = Wire::new(PORTS, 7);
        let now = Instant::now();
        let rule = LinkRule { delay: Duration::from_millis(50), ..LinkRule::default() };
        wire.set(rules((1, 2), rule), now);
        send(&mut wire, 0, now);
        wire.set(rules((1, 2), LinkRule { drop: true, ..LinkRule::default() }), now);
        assert!(wire.due(now + Duration::from_secs(1)).is_none());
    }

    #[test]
    fn draws_the_same_delays_from_the_same_seed() {
        let delays = |seed| {
            let mut wire = Wire::new(PORTS, seed);
            let now = Instant::now();
            let rule = LinkRule { jitter: Duration::from_millis(10), ..LinkRule::default() };
            wire.set(rules((1, 2), rule), now);
            send(&mut wire, 0, now);
            wire.next().map(|at| at - now)
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}
