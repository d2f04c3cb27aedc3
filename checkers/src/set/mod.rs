//! Sets: what was added stays, and nothing else appears.
//!
//! *Source.* The analysis "set-full" of Jepsen (Kingsbury, `jepsen.checker`), per element and over
//! time. Its count of duplicates can never fire; this one does, and is tested to.
//!
//! An element is *known* from the first completion that vouches for it: of an ok add, or of an ok
//! read that returned it. A set only grows, so a read begun after that must return it.
//!
//! | claim | broken by |
//! |---|---|
//! | `no-lost-elements` | a known element that every final read begun after it was known misses |
//! | `no-stale-reads` | a read that misses an element known before the read began |
//! | `no-duplicates` | a read that returns an element more than once |
//! | `no-unexpected-elements` | a read that returns what no add can have put there: nobody added it, or the add failed, or was invoked only after the read had completed |
//!
//! *What it proves.* Each violation is one read (for a lost element all final ones) against one add.
//! Unexpected elements count as neither stale nor lost. A lost element makes the final reads stale,
//! too: both claims forbid it.
//!
//! *What it cannot see.* Whether reads that miss different unacknowledged elements agree on an order
//! (that is linearizability). Elements that no read begun later could have shown. Without final
//! reads, after healing, nothing is known to be lost: `Unknown`. "Lost" is the one violation that a
//! longer history can take back, while its final reads go on.
//!
//! *A history that breaks it:* element 1 is lost.
//!
//! ```text
//! p0 invoke add s 1
//! p0 ok
//! nemesis healed
//! p1 invoke read s
//! p1 ok []
//! ```
//!
//! Cost: O(e + n log n) for e elements in all reads together and n operations.

mod checker;
mod elements;
mod operations;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
