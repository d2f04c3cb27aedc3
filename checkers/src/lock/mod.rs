//! Locks: mutual exclusion and fencing.
//!
//! *Sources.* The model `mutex` of Knossos (Kingsbury): acquire where the lock is free, release where
//! it is held, by anybody. `owner-aware-mutex` and `reentrant-mutex` of Jepsen's tests of Hazelcast:
//! only its holder releases it. Leases and fencing: Kleppmann, "How to do distributed locking", 2016;
//! Burrows, "The Chubby lock service", OSDI 2006, section 2.4.
//!
//! | subject | rules | decided by |
//! |---|---|---|
//! | `mutex` | acquires and releases take effect in turn | a greedy order, see `alternation` |
//! | `owner-aware-mutex` | a process releases what it acquired; it acquires once | spans, see `holds` |
//! | `reentrant-mutex` | the same, as often as it likes | spans |
//! | `lease` | a holder has it until it releases it, or it expires unseen | spans and moments |
//!
//! *What it proves.* `mutual-exclusion` of the first three is linearizability, decided exactly,
//! operations of which nobody knows included, and without a search: where a release may be
//! anybody's, operations of one kind differ in nothing but their intervals; where it is the holder's,
//! the lock is certainly held from the completion of an acquire to the invocation of its release, and
//! need be no longer. Of a lease, an ok release proves that it was held until then; without one it
//! was granted at some moment of its acquire, and may have expired at once. `fencing`: tokens rise
//! with grants that follow each other in real time, no two grants have one token, and no write is
//! accepted that began after a write under a newer token had been accepted. A process that is granted
//! its own token again, without releasing it, has renewed its lease.
//!
//! *What it cannot see.* A holder that was never granted the lock in the history. Whether a lease
//! that nobody released was still held. Of a failed operation why it failed: that a lock was refused
//! although it was free breaks nothing here. Where several processes are one owner by name, some
//! histories are `Unknown`. A process is the owner; the client behind it goes on as another one after
//! an operation of unknown outcome.
//!
//! *A history that breaks it:*
//!
//! ```text
//! p0 invoke acquire x
//! p0 ok
//! p1 invoke acquire x
//! p1 ok
//! ```
//!
//! Cost: O(n log n).

mod alternation;
mod checker;
mod fencing;
mod holds;
mod lessons;
mod operations;
#[cfg(test)]
mod oracle;
mod teller;
#[cfg(test)]
mod tests;

pub(crate) use checker::{ENTRY, LEASE};
pub(crate) use lessons::LESSONS;
