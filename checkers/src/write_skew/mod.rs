//! Write skew over a predicate: two inserts that exclude each other, and both commit.
//!
//! *Source.* Adya 1999, section 4.2 (G2, anti-dependency cycles), and Berenson et al. 1995 (A5B, write
//! skew). The workload is Jepsen's (Kingsbury, `jepsen.tests.adya`): for each key two transactions
//! each look whether any row of that key is there, in either of two tables, and insert their own row
//! only if there is none.
//!
//! In any serial order the later of two ok inserts would have found the earlier one's row, and failed.
//! Each misses what the other inserts: a cycle of two rw edges, over a predicate.
//!
//! *What it proves.* Two ok inserts of one key rule out serializability and whatever is stronger. If
//! one of them had completed before the other began, they rule out strong snapshot isolation too, since
//! the later one's snapshot holds the earlier row; if one session did both, strong session snapshot
//! isolation. Snapshot isolation itself allows write skew, and repeatable-read (PL-2.99) allows cycles
//! over predicates.
//!
//! *What it cannot see.* Inserts that timed out. Keys for which only one insert was sent are no
//! evidence, and that no pair committed proves no model.
//!
//! *A history that breaks it:*
//!
//! ```text
//! p0 invoke insert 1 [7 _]
//! p1 invoke insert 1 [_ 8]
//! p0 ok
//! p1 ok
//! ```
//!
//! Cost: O(n) for n operations; 100 bytes a key.

mod checker;
#[cfg(test)]
mod tests;

pub(crate) use checker::{ENTRY, LESSONS};
