//! Weak isolation of transactions on registers with unique values: read committed, read atomic,
//! causal.
//!
//! *Sources.* Biswas and Enea 2019, "On the complexity of checking transactional consistency", section
//! 2 (the axioms); Møldrup and Pavlogiannis, PLDI 2025, "AWDIT: an optimal weak database isolation
//! tester", sections 3 and 4 (what follows from single reads, and the complexity).
//!
//! A level holds if there is a total order of commit that keeps every session and every "reads from",
//! and in which, whenever a transaction T3 reads key x from T1 and has *seen* another T2 that wrote x,
//! T2 comes before T1. The levels differ in what is seen:
//!
//! | level | T3 has seen, when it reads x |
//! |---|---|
//! | `read-committed` | whoever it has read from before, in its own order |
//! | `read-atomic` | whoever it reads from, and who came before it in its session |
//! | `causal` | those, and whoever they had seen, and so on |
//!
//! None of these depends on the order that is looked for, so that all that must be in it follows at
//! once; there is such an order if that is no circle. Initial values are a transaction before all
//! others. An indeterminate transaction took effect if somebody reads from it, and is left out
//! otherwise: it constrains nobody then.
//!
//! Broken by single reads, at all levels: a value that nobody wrote (`thin-air-read`), one of a failed
//! transaction (`G1a`), one that its writer overwrote itself (`G1b`), one that the reader writes later
//! (`future-read`), or another than its own last write (`internal`).
//!
//! *What it proves.* Both verdicts are exact: *valid* rests on an order of commit that was
//! constructed, *invalid* on a circle or on single reads.
//!
//! *What it cannot see.* Real time; what indeterminate transactions read. A value that several
//! transactions wrote to one key, and somebody read: `Unknown`.
//!
//! *A history that breaks it:* the second transaction sees half of the first.
//!
//! ```text
//! p0 invoke txn [w x 1, w y 1]
//! p0 ok
//! p1 invoke txn [r x _, r y _]
//! p1 ok [r x 1, r y _]
//! ```
//!
//! Cost: with n micro-operations and k sessions O(n^1.5) for read committed and read atomic, O(n·k)
//! for causal; memory O(n), since clocks are kept for 32 sessions at a time.

mod causal;
mod checker;
mod decide;
mod explanation;
mod extract;
mod infer;
mod lessons;
#[cfg(test)]
pub(crate) mod oracle;
mod order;
#[cfg(test)]
mod random;
mod resolve;
#[cfg(test)]
mod tests;
mod transactions;
mod versions;

pub(crate) use checker::{Case, ENTRY, out_of_memory, out_of_time, unread_verdicts};
pub(crate) use decide::{Level, Rule};
pub(crate) use infer::read_atomic;
pub(crate) use lessons::LESSONS;
#[cfg(test)]
pub(crate) use random::{Dice, Shape, history as random_history};
pub(crate) use resolve::Kind;
#[cfg(test)]
pub(crate) use tests::cases;
pub(crate) use transactions::{INIT, NOBODY, Transactions};
