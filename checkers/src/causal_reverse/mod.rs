//! Causal reverse: a read sees a write without one that had completed before that write began.
//!
//! *Source.* Kingsbury, Jepsen, `jepsen.tests.causal-reverse`, from the analysis of `CockroachDB`
//! beta-20160829 (2016). Elements are written once each, by transactions of their own; a read returns
//! all elements of its key, in one transaction.
//!
//! Let w' be acknowledged before w was invoked, and let a read return w and not w'. Then w' precedes w
//! in real time, w precedes the read (wr) and the read precedes w' (rw): a cycle with one rw edge and
//! one of real time.
//!
//! *What it proves.* That rules out strict serializability and strong snapshot isolation. If one
//! session wrote both, the edge is one of the session's order, which also rules out strong session
//! serializability and strong session snapshot isolation. Serializability allows it: without a clock,
//! w may come before w'.
//!
//! *What it cannot see.* Stale reads that miss the last writes altogether; reads that disagree on two
//! concurrent writes (that is a long fork); order that follows from reads between the writes. An
//! element that was written twice leaves open which of the writes was seen: `Unknown`. Where only the
//! order within processes is known, only pairs of one session can be proven.
//!
//! *A history that breaks it:*
//!
//! ```text
//! p0 invoke write k 1
//! p0 ok
//! p1 invoke write k 2
//! p2 invoke read k
//! p2 ok [2]
//! ```
//!
//! Cost: O(e + n log n) for e elements in all reads together and n operations; 100 bytes a write.

mod checker;
mod groups;
mod lessons;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
