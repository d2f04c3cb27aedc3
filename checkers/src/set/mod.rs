//! Sets: what was added stays, and nothing else appears.
//!
//! *Source.* The analyses "set" and "set-full" of Jepsen (Kingsbury, `jepsen.checker`), per element
//! and over time. Its count of duplicates can never fire; this one does, and is tested to.
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
//! Final reads are those invoked after the mark of healing. A history without any mark was recorded
//! by others, who end it with a read: then, as in set-full, an element is lost if the read that was
//! invoked last began after it was known and misses it, since it is absent from every read after the
//! last that showed it.
//!
//! *What it proves.* Each violation is one read (for a lost element all final ones) against one add.
//! Unexpected elements count as neither stale nor lost. A lost element makes the final reads stale,
//! too: both claims forbid it. A verdict on lost elements tells how long elements took to be in every
//! read, in quantiles.
//!
//! *What it cannot see.* Whether reads that miss different unacknowledged elements agree on an order
//! (that is linearizability). Elements that no read begun later could have shown. Where the recording
//! stopped before healing nothing is known to be lost: `Unknown`. "Lost" is the one violation that a
//! longer history can take back, while its final reads go on. Where only the order within processes
//! is known, neither lost nor stale can be told.
//!
//! *A history that breaks it:* element 1 is lost.
//!
//! ```text
//! p0 invoke add s 1
//! p0 ok
//! p1 invoke read s
//! p1 ok []
//! ```
//!
//! Cost: O(e + n log n) for e elements in all reads together and n operations, in one pass over the
//! reads; 100 bytes an element.

mod checker;
mod elements;
mod lessons;
mod operations;
#[cfg(test)]
mod oracle;
mod places;
#[cfg(test)]
mod tests;
mod texts;

pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
