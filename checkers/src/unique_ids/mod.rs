//! Unique identifiers: no value is handed out twice.
//!
//! *Source.* The analysis "unique-ids" of Jepsen (Kingsbury, `jepsen.checker`).
//!
//! *What it proves.* Two ok `generate`s of one generator (one key) that returned one value: nothing
//! else explains that, in whatever order they ran, so real time is not needed.
//!
//! *What it cannot see.* Identifiers of operations that timed out; whether identifiers rise, or can
//! be guessed.
//!
//! *A history that breaks it:*
//!
//! ```text
//! p0 invoke generate _
//! p0 ok 7
//! p1 invoke generate _
//! p1 ok 7
//! ```
//!
//! Cost: O(n) for n operations; 100 bytes an identifier.

mod checker;
#[cfg(test)]
mod tests;

pub(crate) use checker::{ENTRY, LESSONS};
