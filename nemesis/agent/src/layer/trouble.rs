//! What ails the disk at the moment.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::libc;
use serde::{Deserialize, Serialize};

use super::dice::Dice;

const MILLION: u64 = 1_000_000;

/// What can ail a disk, for as long as somebody holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// No byte more fits: what would grow a file or make a name fails with `ENOSPC`.
    Full,
    /// Each operation takes longer.
    Slow {
        /// By so many microseconds.
        by_us: u64,
        /// … plus or minus up to so many, drawn evenly.
        jitter_us: u64,
        /// Which operations.
        operations: Vec<Operation>,
        /// Where chance comes from.
        seed: u64,
    },
    /// Some operations fail with `EIO`.
    Failing {
        /// So many of a million.
        of_million: u32,
        /// Which operations.
        operations: Vec<Operation>,
        /// Where chance comes from.
        seed: u64,
    },
}

/// What a program asks of a disk. What the kernel answers from its memory does not reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Bytes of a file that are not in memory.
    Read,
    /// Bytes into a file.
    Write,
    /// What was written is to last: fsync and fdatasync, of files and folders.
    Fsync,
}

/// The troubles of a disk.
#[derive(Default)]
pub(super) struct Troubles(Mutex<Held>);

#[derive(Default)]
struct Held {
    last: u64,
    all: BTreeMap<u64, (Trouble, Dice)>,
}

impl Troubles {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a trouble, and gives it a number.
    pub(super) fn begin(&self, trouble: Trouble) -> u64 {
        let dice = match &trouble {
            Trouble::Full => Dice::new(0),
            Trouble::Slow { seed, .. } | Trouble::Failing { seed, .. } => Dice::new(*seed),
        };
        let mut held = self.held();
        held.last += 1;
        let number = held.last;
        held.all.insert(number, (trouble, dice));
        number
    }

    pub(super) fn end(&self, number: u64) {
        self.held().all.remove(&number);
    }

    pub(super) fn is_full(&self) -> bool {
        self.held().all.values().any(|(trouble, _)| *trouble == Trouble::Full)
    }

    /// An operation reaches the disk: it waits, and then fails or not. Nothing is locked meanwhile.
    pub(super) fn meet(&self, operation: Operation) -> io::Result<()> {
        let (wait, fails) = self.draw(operation);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        if fails { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    fn draw(&self, operation: Operation) -> (Duration, bool) {
        let (mut wait, mut fails) = (Duration::ZERO, false);
        for (trouble, dice) in self.held().all.values_mut() {
            match trouble {
                Trouble::Slow { by_us, jitter_us, operations, .. }
                    if operations.contains(&operation) =>
                {
                    let most = by_us.saturating_add(*jitter_us);
                    let width = 2 * *jitter_us + 1;
                    wait += Duration::from_micros(most.saturating_sub(dice.below(width)));
                }
                Trouble::Failing { of_million, operations, .. }
                    if operations.contains(&operation) =>
                {
                    fails |= dice.below(MILLION) < u64::from(*of_million);
                }
                _ => {}
            }
        }
        (wait, fails)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ails_only_while_it_is_held_and_only_what_it_is_about() {
        let troubles = Troubles::default();
        let operations = vec![Operation::Fsync];
        let fails = Trouble::Failing { of_million: 1_000_000, operations, seed: 1 };
        let number = troubles.begin(fails);
        assert!(troubles.meet(Operation::Fsync).is_err());
        assert!(troubles.meet(Operation::Write).is_ok());
        troubles.end(number);
        assert!(troubles.meet(Operation::Fsync).is_ok());
    }

    #[test]
    fn draws_within_bounds_and_as_often_as_it_was_told() {
        let troubles = Troubles::default();
        let operations = vec![Operation::Write];
        let slow = Trouble::Slow {
            by_us: 10_000,
            jitter_us: 4_000,
            operations: operations.clone(),
            seed: 3,
        };
        troubles.begin(slow);
        troubles.begin(Trouble::Failing { of_million: 250_000, operations, seed: 4 });
        let drawn: Vec<_> = (0..4000).map(|_| troubles.draw(Operation::Write)).collect();
        let micros = |number| Duration::from_micros(number);
        let least = drawn.iter().map(|(wait, _)| *wait).min().expect("some");
        let most = drawn.iter().map(|(wait, _)| *wait).max().expect("some");
        assert!(least >= micros(6_000) && least < micros(6_100), "{least:?}");
        assert!(most <= micros(14_000) && most > micros(13_900), "{most:?}");
        let failed = drawn.iter().filter(|(_, fails)| *fails).count();
        assert!((900..1100).contains(&failed), "{failed} of 4000");
    }
}
