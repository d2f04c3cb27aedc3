//! Transactions that append to lists: isolation, from the order that lists themselves show.
//!
//! *Source.* Adya 1999 (the phenomena); Kingsbury and Alvaro 2020, "Elle", section 3 (why appends of
//! unique elements make versions and their order visible).
//!
//! The longest ok read of a list is the order of its versions; every other ok read must be a prefix
//! of it. From that order follow the dependencies between committed transactions:
//!
//! | edge | T1 before T2, since |
//! |---|---|
//! | `ww` | T2 appended the element that follows one of T1's, or one that no read shows, T1's being the last of the longest read |
//! | `wr` | T2 read a list whose last element T1 appended |
//! | `rw` | T1 read a list to which T2 appended the next element, or as the longest read shows it, without an element that T2 appended |
//! | `realtime` | T1 had completed before T2 was invoked (only for `strict-serializable`) |
//!
//! A committed append that no read shows comes after everything that the longest read shows, since
//! otherwise it would stand there: not necessarily next, but later, which is a path of `ww` edges.
//! An element that was aborted has no place in the order, which goes on over it.
//!
//! A circle of such edges has no serial order. Its class is named after the edges: `G0` (only `ww`),
//! `G1c` (`wr`, no `rw`), `G-single` (one `rw`), `G-nonadjacent` (several `rw`, no two adjacent),
//! `G2-item` (two adjacent), each with `-realtime` where it needs such an edge.
//!
//! | claim | broken by |
//! |---|---|
//! | `read-uncommitted` | G0; an element twice in a list |
//! | `read-committed` | G1a (aborted read), G1b (intermediate read), G1c, incompatible orders, a read from the own future, an element that nobody appended |
//! | `snapshot-isolation` | a transaction that contradicts itself (internal), lost update, G-single, G-nonadjacent |
//! | `serializable` | G2-item |
//! | `strict-serializable` | any of these circles with an edge of real time |
//!
//! Each claim is also broken by what breaks the claims above it.
//!
//! *What it proves.* Whether there is a circle is decided exactly, by strongly connected components
//! (Tarjan 1972), for `snapshot-isolation` in the product of the graph with "came over an `rw` edge",
//! in which the circles are those without two adjacent `rw` edges.
//!
//! *What it cannot see.* Predicates; the order of appends to a list that nobody read, or among those
//! that no read shows; what indeterminate transactions read. For `serializable` and
//! `strict-serializable` nothing of that matters: where there is no circle there is a serial order.
//!
//! *A history that breaks it:* both transactions miss what the other one wrote (G2-item).
//!
//! ```text
//! p0 invoke txn [r x _, append y 1]
//! p1 invoke txn [r y _, append x 1]
//! p0 ok [r x [], append y 1]
//! p1 ok [r y [], append x 1]
//! p2 invoke txn [r x _, r y _]
//! p2 ok [r x [1], r y [1]]
//! ```
//!
//! Cost: O(n + e + c·n + u) for n transactions with e elements in all reads together, of which c run
//! at once; u is, over all lists, the reads of the longest version times the appends that it lacks.
//! Where the edges do not fit into the budget's memory, nothing is upheld.

mod anomalies;
mod atomicity;
mod checker;
mod conflicts;
mod dependencies;
mod explanation;
mod lists;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
mod transactions;

pub(crate) use checker::ENTRY;
