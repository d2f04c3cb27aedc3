//! The keys that are in use, and how they move on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schism_history::Key;

/// How many keys have been opened so far, shared between the load, which opens them, and the final
/// reads, which read every key that was.
#[derive(Clone, Debug, Default)]
pub struct KeysOpened(Arc<AtomicU32>);

impl KeysOpened {
    /// The keys opened so far, in the order of their opening.
    pub fn keys(&self) -> Vec<Key> {
        (0..self.0.load(Ordering::Acquire)).map(key).collect()
    }

    /// Notes that the keys with numbers below `count` have been opened.
    fn reach(&self, count: u32) {
        self.0.fetch_max(count, Ordering::AcqRel);
    }
}

/// A window of live keys, named by numbers from `0`: a key that has been used so many times is
/// retired, and the next number takes its place.
///
/// Short histories of single keys are what keeps a check cheap and its counterexamples small.
///
/// ```
/// # use schism_workloads::generator::{KeyWindow, KeysOpened};
/// let mut window = KeyWindow::new(2, Some(3), KeysOpened::default());
/// assert_eq!(window.key(0).as_str(), "0");
/// assert!(!window.used(0) && !window.used(0));
/// assert!(window.used(0), "the third use retires the key");
/// assert_eq!(window.key(0).as_str(), "2");
/// ```
#[derive(Clone, Debug)]
pub struct KeyWindow {
    slots: Vec<Slot>,
    uses_per_key: u64,
    next: u32,
    opened: KeysOpened,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    number: u32,
    key: Key,
    uses: u64,
}

impl KeyWindow {
    /// A window of `width` keys (at least one), each retired after `uses_per_key`, or never.
    pub fn new(width: u32, uses_per_key: Option<u64>, opened: KeysOpened) -> Self {
        let width = width.max(1);
        opened.reach(width);
        let slot = |number| Slot { number, key: key(number), uses: 0 };
        Self {
            slots: (0..width).map(slot).collect(),
            uses_per_key: uses_per_key.unwrap_or(u64::MAX),
            next: width,
            opened,
        }
    }

    /// How many keys are live.
    pub fn width(&self) -> usize {
        self.slots.len()
    }

    /// A place in the window, drawn evenly.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        rng.random_range(0..self.slots.len())
    }

    /// The key in the place `slot`.
    pub fn key(&self, slot: usize) -> Key {
        self.slots[slot].key
    }

    /// The number of the key in the place `slot`; keys are numbered in the order of their opening.
    pub fn number(&self, slot: usize) -> u32 {
        self.slots[slot].number
    }

    /// How often the key in the place `slot` has been used before.
    pub fn uses(&self, slot: usize) -> u64 {
        self.slots[slot].uses
    }

    /// Counts one use of the key in the place `slot`; true if that retired it, and another key
    /// has taken the place.
    pub fn used(&mut self, slot: usize) -> bool {
        self.slots[slot].uses += 1;
        let retired = self.slots[slot].uses >= self.uses_per_key;
        if retired {
            self.retire(slot);
        }
        retired
    }

    /// Retires the key in the place `slot` and opens another there.
    pub fn retire(&mut self, slot: usize) {
        let number = self.next;
        self.next += 1;
        self.opened.reach(self.next);
        self.slots[slot] = Slot { number, key: key(number), uses: 0 };
    }
}

fn key(number: u32) -> Key {
    Key::new(&number.to_string())
}
