//! Transactions that append to lists: isolation, from the order that lists themselves show.
//!
//! *Source.* Adya 1999 (the phenomena); Kingsbury and Alvaro 2020, "Elle" (why appends of unique
//! elements make versions and their order visible); Cerone and Gotsman 2018 (which circles snapshot
//! isolation allows); Biswas and Enea 2019 (read atomic and causal, as axioms).
//!
//! The longest ok read of a list is the order of its versions; every other ok read must be a prefix
//! of it. From that order follow the dependencies between transactions that took effect, which are
//! the committed ones and the indeterminate ones of which something was read:
//!
//! | edge | T1 before T2, since |
//! |---|---|
//! | `ww` | T2 appended the element that follows one of T1's, or one that no read shows, T1's being the last of the longest read |
//! | `wr` | T2 read a list whose last element T1 appended |
//! | `rw` | T1 read a list to which T2 appended the next element, or as the longest read shows it, without an element that T2 appended |
//! | `process` | T1 came before T2 in one session |
//! | `realtime` | T1 had completed before T2 was invoked |
//!
//! A committed append that no read shows comes after everything that the longest read shows, since
//! otherwise it would stand there: not necessarily next, but later, which is a path of `ww` edges.
//! An element that was aborted has no place in the order, which goes on over it.
//!
//! A circle of such edges has no serial order; the classes of circles, and which claims they break,
//! are in [`transactional`](crate::transactional). What is wrong without a circle:
//!
//! | anomaly | weakest claim that it breaks |
//! |---|---|
//! | duplicate-elements: an element twice in a list | `read-uncommitted` |
//! | G1a (aborted read), G1b (intermediate read), dirty-update, incompatible-order, future-read, unexpected-element (nobody appended it) | `read-committed` |
//! | lost-update: two transactions read one version and both appended to it | `cursor-stability` |
//! | internal: a transaction contradicts itself; fractured-read: it saw what another one wrote last to one list, and missed what that wrote to another | `read-atomic` |
//! | causal-cycle, causal-cycle-process: it missed what came before it by `wr` and sessions | `causal` |
//!
//! *What it proves.* `serializable`, `strict-serializable`, `strong-session-serializable`,
//! `read-committed`, `read-atomic` (without the order of sessions, as Bailis et al. 2014), `causal`
//! (with it) and `repeatable-read` are decided exactly: where nothing is found, an order exists. So are
//! `consistent-view` and the kinds of snapshot isolation, which need an order even of those appends
//! that no read shows; where that takes a search, the budget may end it.
//!
//! *What it cannot see.* Predicates; what indeterminate transactions read; anything about a list to
//! which one element was appended twice: then nothing is upheld.
//!
//! *A history that breaks it:* both transactions miss what the other one wrote (G2-item).
//!
//! ```text
//! p0 invoke txn [r x _, append y 1]
//! p1 invoke txn [r y _, append x 1]
//! p0 ok [r x [], append y 1]
//! p1 ok [r y [], append x 1]
//! ```
//!
//! Cost: O(n + e) for n transactions with e elements in all reads together, if there is no circle; the
//! elements of all reads are compared once, on all cores, list by list. Where the edges do not fit into
//! the budget's memory, nothing is upheld.

mod anomalies;
mod atomicity;
mod checker;
mod circle_lessons;
mod conflicts;
mod dependencies;
mod explanation;
mod lessons;
mod lists;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod random;
mod schedule;
#[cfg(test)]
mod tests;
mod transactions;

pub(crate) use checker::ENTRY;
pub(crate) use circle_lessons::CIRCLES;
pub(crate) use lessons::LESSONS;
