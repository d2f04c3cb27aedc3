//! Banks: transfers move money between accounts, and every read of all accounts finds the same total.
//!
//! *Source.* The workload "bank" of Jepsen (Kingsbury, `jepsen.tests.bank`); the models after Adya
//! 1999.
//!
//! | claim | broken by |
//! |---|---|
//! | `total-conserved` | `wrong-total`: a read whose balances sum up to something else; `nil-balance`: an account without a balance; `unexpected-key`: an account that neither the first read found nor any transfer names |
//! | `no-negative-balances` | `negative-value`: a balance below zero, unless overdrafts are declared |
//!
//! The total is the one that was declared, or else what the first ok read found.
//!
//! *Which models that rules out.* Two reads of the same accounts with different totals rule out
//! consistent-view (PL-2+), repeatable-read and whatever is stronger, if the reads find every account
//! that a transfer may have changed. For let a read see some of a transfer's writes and miss others:
//! then it misses (rw) the version that succeeds the one it saw, which leads by ww to the transfer and
//! by ww and wr back to the read: a cycle with one rw, over items. So it sees whole transfers. And a
//! transfer that reads an account and writes it installs the very next version, or there is a cycle
//! with one rw again (a lost update). So every read sees the initial total. Neither read-atomic (which allows lost updates) nor cursor-stability (which allows
//! torn reads) is ruled out by a total alone. A read of fewer accounts may come from before they were
//! opened, and a balance below zero from transfers that do not look: they rule out no model.
//!
//! *What it cannot see.* Transfers that moved the wrong amount, or none: no total shows that. The
//! order of the reads. A kept total proves no model.
//!
//! *A history that breaks it:* the read saw one half of the transfer.
//!
//! ```text
//! p1 invoke read _
//! p1 ok {0 10, 1 0}
//! p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
//! p1 invoke read _
//! p1 ok {0 5, 1 0}
//! ```
//!
//! Cost: O(b) for b balances in all reads together; 64 bytes a read.

mod accounts;
mod checker;
mod judgement;
mod lessons;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
