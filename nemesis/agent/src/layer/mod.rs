//! A disk of our own under a node's data folder, which can be full, slow or failing, and which
//! knows what would be lost with the power.
//!
//! The folder is opened, and then mounted over: whoever enters it afterwards meets the layer
//! (`filesystem`), which does to the folder below what it is asked and keeps what undoing needs
//! until it is synced (`unsynced`, `journal`). Troubles are held through a socket (`control`):
//! each for as long as its connection lasts, so that none outlives its holder.
//!
//! What it cannot see: `sync` and `syncfs`, which the kernel keeps to itself (a program that counts
//! on them loses more than it would on a disk), and what the kernel answers from its memory, which
//! is never slow and never fails, as with a disk.

mod contents;
mod control;
mod dice;
mod disk;
mod filesystem;
mod handles;
mod journal;
mod mount;
mod names;
mod node;
mod trouble;
mod unsynced;

pub use control::{Ask, HeldTrouble, ask};
pub use disk::{Loss, Tally};
pub use mount::{Layer, clean, is_mounted};
pub use trouble::{Operation, Trouble};

#[cfg(test)]
pub(crate) mod tests;
