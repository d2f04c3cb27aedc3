//! Long fork: two reads that disagree on which of two writes came first.
//!
//! *Source.* Sovran, Power, Aguilera and Li 2011 ("Transactional storage for geo-replicated systems",
//! section 3.2): what parallel snapshot isolation allows and snapshot isolation does not. The workload
//! is Jepsen's (Kingsbury, `jepsen.tests.long-fork`): each key is written once, by a transaction of
//! its own, and a read reads a whole group of keys.
//!
//! So a read is the set of the keys that it saw written. Snapshots of one sequence of commits are
//! prefixes of it, and of two prefixes one contains the other. Two reads of which each saw a key that
//! the other did not make a cycle: write x, read of x without y, write y, read of y without x (wr, rw,
//! wr, rw). It has two rw edges that are not adjacent.
//!
//! *What it proves.* Such a cycle rules out snapshot isolation, serializability and whatever is
//! stronger. Parallel snapshot isolation and transactional causal consistency allow it; whether
//! repeatable-read does depends on whether the read of a key that is not there yet is one of an item
//! or of a predicate, and is left open.
//!
//! Sorted by how many keys they saw, the reads of a group are a chain exactly if each contains the one
//! before it, so that not every pair is compared.
//!
//! *What it cannot see.* Cycles over several groups, stale reads, lost writes. A key that was written
//! twice, read with two values, or read in two groups, or a read that does not cover its group, makes
//! a history that this argument does not fit: `Unknown`, unless another group proves a fork.
//!
//! *A history that breaks it:*
//!
//! ```text
//! p0 invoke txn [r x _, r y _]
//! p1 invoke txn [r x _, r y _]
//! p0 ok [r x 1, r y _]
//! p1 ok [r x _, r y 1]
//! ```
//!
//! Cost: O(n g + n log n) for n reads of groups of g keys; at most 128 keys a group.

mod checker;
mod groups;
mod lessons;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
