//! `recovers` and `availability`: how soon and how well the system answers.
//!
//! *Latency* is counted from the intended start of an operation (in an open loop the time at which
//! it was due), so that a stalled system cannot hide behind clients that wait for it.
//!
//! **`recovers: within`.** From the healing of a fault to the beginning of the first second in which
//! at least 90 % of the offered operations are answered and the 99th percentile of their latency is
//! at most the greater of twice the baseline (before the first fault) and the plan's bound. Faults
//! that overlap are one: their recovery counts from the end of the last. A fault during whose
//! recovery another one begins, or the load ends, cannot be judged; nor one after which no second
//! was offered enough to judge it.
//!
//! **`availability: p99`.** The 99th percentile over all operations offered outside every fault
//! window and its recovery. What was not answered counts as infinitely late, so that the claim also
//! breaks where more than one in a hundred fails.
//!
//! *What they cannot see.* The controller's own lateness looks like the system's. Its canary records
//! it; seconds in which it exceeds a tenth of the bound never count against the system.
//!
//! An *answer* is an ok, or a compare-and-set that was refused since it found another value.
//!
//! *A history that breaks `recovers: within 1s`*: nobody is answered after the fault.
//!
//! ```text
//! 1s nemesis start F1 kill n1 one
//! 2s nemesis stop F1
//! 2.1s p0 invoke write x 1
//! 2.2s p1 invoke write x 2
//! 2.3s p2 invoke write x 3
//! 3.1s p0 info timeout none
//! 3.2s p1 info timeout none
//! 3.3s p2 info timeout none
//! 4.2s p3 invoke write x 4
//! ```
//!
//! Cost: O(n log n).

mod availability;
mod load;
mod recoveries;
mod recovery;
#[cfg(test)]
mod tests;

pub(crate) use availability::ENTRY as AVAILABILITY;
pub use recoveries::{Recovery, recoveries};
pub(crate) use recovery::ENTRY as RECOVERY;
