//! `acknowledged-writes-survive`: what the system said it had stored is there after the faults.
//!
//! Judged from *final reads* alone: ok reads invoked after every fault was healed. Linearizability
//! says more, but its proofs need an argument; a lost acknowledged write needs none, and users ask
//! for it first.
//!
//! | object | lost if |
//! |---|---|
//! | set, list | an acknowledged element is absent from every final read of its key |
//! | register | a final read returns v although every write of v had completed before an acknowledged write of another value to that key was invoked; or returns what nobody wrote, or only failed writes, after a write was acknowledged |
//!
//! *What it proves.* For a register: an acknowledged write took effect after every write of v had
//! (an indeterminate write of v might take effect at any time, and then explains the read), so that
//! v can only be back because something acknowledged was lost. The initial value counts as written
//! before everything.
//!
//! *What it cannot see.* A loss that a later write covers; keys that nobody reads at the end: with
//! such keys, without final reads, or without acknowledged writes the answer is `Unknown`.
//!
//! *A history that breaks it:* the second write is lost.
//!
//! ```text
//! p0 invoke write x 1
//! p0 ok
//! p0 invoke write x 2
//! p0 ok
//! nemesis healed
//! p1 invoke read x
//! p1 ok 1
//! ```
//!
//! Cost: O(n + e) for n operations and e elements in all final reads together.

mod checker;
mod evidence;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
