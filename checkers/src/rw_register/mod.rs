//! Transactions on registers with unique values: isolation up to strict serializability.
//!
//! *Sources.* Adya 1999 (the phenomena); Kingsbury and Alvaro 2020, "Elle" (register histories,
//! certain version orders); Cobra (Tan et al. 2020), `PolySI` (Huang et al. 2023) and Viper (Zhang et
//! al. 2023): inference first, search only for what it leaves open; Cerone and Gotsman 2018 (snapshot
//! isolation as a graph).
//!
//! A register shows its last value only, so that a history does not say in which order versions were
//! installed. A claim is broken if *every* order of the versions of each key has a circle that the
//! claim forbids. In this order:
//!
//! 1. What single reads prove: `G1a`, `G1b`, `internal`, `future-read`, `unwritten-read`; and what
//!    transactions that read a version and overwrite it prove: `lost-update`, `cyclic-versions`.
//! 2. A serial order is *constructed*, transaction by transaction, and played back. Wrong choices end
//!    in deadlocks, each of which tells which choice to turn round. Histories of correct systems end
//!    here.
//! 3. Where that fails it tells around which transactions: steps 4 and 5 are tried on those near
//!    them first. A part of a history demands no more than the whole, so that what breaks the part
//!    breaks the whole.
//! 4. Otherwise what is certain is *inferred* to a fixpoint: initial versions are the oldest; who has
//!    committed before a reader took its view is older than what the reader read; of two writers of
//!    which one must come first the versions are ordered so. A circle of that is a proof.
//! 5. Otherwise the versions left open are taken as they seem due, and if that has no circle and can
//!    be played back, the claim holds; if it has, both orders of a pair are tried, and so on, until
//!    the budget ends.
//!
//! | claim | broken by |
//! |---|---|
//! | `read-uncommitted` | versions read and overwritten in a circle |
//! | `read-committed` | G1a, G1b, reads in a circle (G1c) |
//! | `cursor-stability` | that, and lost updates |
//! | `read-atomic`, `causal` | as in [`crate::weak`], `read-atomic` without sessions |
//! | `consistent-view` | circles with at most one `rw` |
//! | `snapshot-isolation` | circles without two adjacent `rw` |
//! | `repeatable-read`, `serializable` | any circle |
//! | `strong-session-…`, `strong-…`, `strict-…` | the same with edges of sessions, or of real time |
//!
//! *Initial values.* Nil, unless something else is known. A value that nobody in the history wrote,
//! on a key of which no read returned nil, is what the key held before the recording began; two such
//! values on one key, or one beside a nil, are `unwritten-read`.
//!
//! *What it proves.* *Valid* of a serial or snapshot claim rests on an order that was played back;
//! *invalid* on circles whose every edge is told.
//!
//! *What it cannot see.* Predicates; what indeterminate transactions read. An indeterminate
//! transaction took effect if somebody reads from it; one from which nobody reads constrains nobody.
//!
//! *A history that breaks it:* both overwrite what both had read (lost-update).
//!
//! ```text
//! p0 invoke txn [r x _, w x 1]
//! p1 invoke txn [r x _, w x 2]
//! p0 ok [r x _, w x 1]
//! p1 ok [r x _, w x 2]
//! ```
//!
//! Cost: O(n log n) where a serial order is found, and what deadlocks take back, which where real
//! time counts is a few transactions for each deadlock (100,000 transactions on 100 hot keys: some
//! hundred deadlocks). A round of inference takes O(w·e / 64) for w writes and e edges. What is left to
//! the search is exponential (it is NP-complete: Papadimitriou 1979), and ends with the budget.

mod checker;
mod deadlock;
mod events;
mod explanation;
mod facts;
mod lessons;
#[cfg(test)]
mod oracle;
mod place;
#[cfg(test)]
mod place_tests;
mod saturate;
mod search;
#[cfg(test)]
mod tests;
mod verify;
mod versions;
mod windows;

pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
