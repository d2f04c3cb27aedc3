//! Sequential consistency: one order of all operations that keeps each session's.
//!
//! *Papers.* Lamport 1979 defines it; Gibbons and Korach 1997 prove that deciding it is NP-complete,
//! even with unique values. It is not local: a history that is sequential key by key need not be, so
//! that all keys are judged together. Operations are steps as in the room `session`.
//!
//! *How.* First what every such order must contain: sessions; W before whoever read W's value; for
//! such a read, other writes of the key that come before the read come before W, and those that come
//! after W come after the read; all that until nothing is new. A circle is a proof. If there is none,
//! a history with real time is looked at for linearizability, which is stronger, local, and cheap
//! where values are unique. What is left is searched: an order is built step by step, reads as soon as
//! they fit, writes only when nobody has yet to read what they replace, and no state twice. The states
//! are kept whole, so that `Invalid` rests on no hash.
//!
//! *What it cannot see.* Values must be written once, unless the history is linearizable: a read of a
//! value with several possible writers constrains nothing, and nothing is upheld then. Where the
//! budget ends, it answers `Unknown`.
//!
//! *A history that breaks it*, although each key alone is sequential:
//!
//! ```text
//! p0 invoke write x 1
//! p0 ok
//! p1 invoke write y 1
//! p1 ok
//! p0 invoke read y
//! p0 ok _
//! p1 invoke read x
//! p1 ok _
//! ```
//!
//! Cost: inference O(n·k·log n) for n operations and k sessions, and what reads change, little in
//! practice, O(n²·k) at worst; the search is exponential at worst.

mod checker;
mod inference;
mod lessons;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
