//! Counters: a read lies between what was certainly added and what may have been.
//!
//! *Source.* The analysis "counter" of Jepsen (Kingsbury, `jepsen.checker`), with negative amounts
//! sorted by sign, as a PN-counter needs it (Shapiro et al. 2011, section 3.1.3).
//!
//! Let a read begin at i and complete at c. The adds that were acknowledged before i have certainly
//! taken effect; those that began before c and did not fail may have. So the read is at least the sum
//! of the positive amounts of the first kind and the negative ones of the second, and at most the
//! other way around. An indeterminate add may take effect at any time after its invocation, for ever.
//!
//! *What it proves.* Every linearizable counter keeps these bounds, so a read beyond them breaks
//! linearizability, and eventual consistency alone does not: a stale read is below its bound.
//!
//! *What it cannot see.* Whether some choice of the uncertain adds comes to just the sum that was
//! read, and whether two reads agree on the choice. Where only the order within processes is known,
//! any add may have taken effect before any read: only the sums over the whole history bound it then,
//! and a read within them is `Unknown`.
//!
//! *A history that breaks it:* the add was acknowledged, and is not there.
//!
//! ```text
//! p0 invoke add c 1
//! p0 ok
//! p1 invoke read c
//! p1 ok 0
//! ```
//!
//! Cost: O(n log n) for n operations; 64 bytes an operation.

mod checker;
mod lessons;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
