//! Bounded staleness, and eventual convergence, of each key by itself.
//!
//! *Papers.* Torres-Rojas, Ahamad and Raynal 1999 (timed consistency); Golab, Li and Shah 2011, and
//! Bermbach and Kuhlenkamp 2013 (measuring it in time and versions); Vogels 2009 (eventual
//! consistency); Viotti and Vukolić 2016.
//!
//! `bounded-staleness`: a read that returns version v *lags* by the time from the first
//! acknowledgement of a version known to be newer than v to the read's invocation, and by as many
//! versions as had been acknowledged by then and are known to be newer. Known to be newer is, where
//! the system numbers all versions of the key, what has a greater number; otherwise what was invoked
//! after v was there, which is after its write or a read of it had completed, and what replaced v by
//! compare-and-set. The distribution and the worst read are told whatever the verdict.
//!
//! `eventual-convergence`: the ok reads of a key that are invoked after the mark of healing, and after
//! its last acknowledged write has completed, return one value, and one that was written (the initial
//! one if no write was acknowledged). Without a mark of healing nothing says that the system had been
//! given time, so that reads that disagree prove nothing, and those that agree uphold the claim.
//!
//! *What it cannot see.* Where versions have no numbers, writes that overlap are in no known order,
//! and none counts as newer than the other: the lag told is a lower bound. Where a value was written
//! more than once, a read counts by the newest of its possible writers for a violation, and by the
//! oldest for an upheld claim. Reads of one node say nothing of the other replicas. An indeterminate
//! write may take effect between two final reads: then they may differ, `Unknown`.
//!
//! Texts that grow (`kv-append`) are judged alike: what a get misses is any update that must have come
//! after the put with which its text begins, and is not shown (`texts`). A final text was written if
//! puts and appends that may have happened make it; it need not hold each that was acknowledged.
//!
//! *A history that breaks it:* with the usual bound of five seconds.
//!
//! ```text
//! 1s p0 invoke write x 1
//! 2s p0 ok
//! 9s p1 invoke read x
//! 9s p1 ok _
//! ```
//!
//! Cost: O(n log n); of texts O(t·l + p + m) besides, for t bytes, pieces p of l different lengths in
//! them, and m misses.

mod checker;
mod convergence;
mod distribution;
mod lag;
mod lessons;
mod registers;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
mod texts;

pub(crate) use checker::{ENTRY, TEXTS};
pub use distribution::lags_of_reads;
pub(crate) use lessons::LESSONS;
