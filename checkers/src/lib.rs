//! The promises: what a system can claim, and the checkers that decide whether a history upholds it.
//!
//! Pure, synchronous, deterministic: no clock but the budget's, no I/O, no randomness. A checker
//! never fails and never guesses: where it cannot decide it answers `Unknown`, with the reason.
//!
//! A new checker is one file and one line in [`CHECKERS`].

mod budget;
mod claim;
mod linearizable;
mod list_append;
mod phrase;
mod set;
mod survival;
mod timing;
mod verdict;

pub use budget::Budget;
pub use claim::{Asked, Claim, Question};
pub use timing::{Recovery, recoveries};
pub use verdict::{
    Anomaly, Blocker, Bound, Edge, MustHold, Transaction, Validity, Verdict, Witness,
};

use schism_history::History;

/// Decides some claims about a history.
pub trait Checker: Send + Sync {
    /// The checker's name in [`CHECKERS`].
    fn name(&self) -> &'static str;

    /// The claims that it can decide.
    fn decides(&self) -> &'static [Claim];

    /// One verdict for each claim of `question` that this checker decides, in that order.
    ///
    /// Never fails and never panics: what cannot be decided within `budget` is `Unknown`.
    fn check(&self, question: &Question, history: &History, budget: &Budget) -> Vec<Verdict>;
}

/// A row of [`CHECKERS`].
pub struct CheckerEntry {
    /// The checker's name.
    pub name: &'static str,
    /// One line on what it decides, and how.
    pub summary: &'static str,
    /// The claims that it decides.
    pub decides: &'static [Claim],
    /// Makes it.
    pub construct: fn() -> Box<dyn Checker>,
}

/// The checkers that there are.
pub const CHECKERS: &[CheckerEntry] = &[
    linearizable::ENTRY,
    set::ENTRY,
    list_append::ENTRY,
    survival::ENTRY,
    timing::RECOVERY,
    timing::AVAILABILITY,
];
