//! Linearizability of registers with read, write and compare-and-set.
//!
//! *Papers.* Herlihy & Wing, "Linearizability: a correctness condition for concurrent objects",
//! TOPLAS 12(3), 1990, defines it; it is local, so that every key is judged by itself. Gibbons &
//! Korach 1997 decide registers with unique values in O(n log n), see `chains`; Wing & Gong 1993 and
//! Lowe 2017 search where values repeat, see `search`.
//!
//! *What it proves.* `Invalid`: no placing of every operation at one instant between its invocation
//! and its completion explains what was returned. Order is the index of events, never the time.
//! Operations of which nobody knows may have taken effect at any time after their invocation, or
//! never; failed ones never. A prefix that is `Invalid` stays so in every longer history, within
//! the same budget. `Valid`: there is such a placing.
//!
//! *What it cannot see.* What no read returned: an acknowledged write that is lost, but never looked
//! for, breaks nothing. Whether a failed operation really had no effect, if nothing shows one.
//! Where values repeat and the budget ends: it answers `Unknown`, unless something was returned that
//! nobody wrote. It answers `Unknown`, too, where hardly any operation could have shown a violation.
//!
//! *A history that breaks it:* the read returns 1 although 2 had replaced it before the read began.
//!
//! ```text
//! p0 invoke write x 1
//! p0 ok
//! p0 invoke write x 2
//! p0 ok
//! p1 invoke read x
//! p1 ok 1
//! ```

mod chains;
mod checker;
mod explanation;
mod extract;
mod frontier;
mod model;
mod operations;
#[cfg(test)]
mod oracle;
mod prefix;
#[cfg(test)]
mod random;
mod search;
mod shrink;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts;
mod witness;

pub(crate) use checker::ENTRY;
