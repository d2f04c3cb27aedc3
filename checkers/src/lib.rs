//! The promises: what a system can claim, and the checkers that decide whether a history upholds it.
//!
//! Pure, synchronous, deterministic: no clock but the budget's, no I/O, no randomness. A checker
//! never fails and never guesses: where it cannot decide it answers `Unknown`, with the reason.
//!
//! A new checker is one file and one line in [`CHECKERS`].

mod bank;
mod budget;
mod causal_reverse;
#[cfg(test)]
mod chance;
mod claim;
mod counter;
mod evidence;
mod lesson;
mod linearizable;
mod list_append;
mod lock;
mod log;
mod long_fork;
mod minimal;
mod phrase;
mod queue;
mod refutation;
mod rw_register;
mod sequential;
mod session;
mod set;
mod staleness;
mod subject;
mod survival;
mod texts;
mod timing;
mod transactional;
mod unique_ids;
mod verdict;
mod watch;
mod weak;
mod write_skew;

pub use budget::Budget;
pub use claim::{Asked, Claim, Parameters, Question};
pub use lesson::Lesson;
pub use log::{LogLags, LogPlace, LogView, PollLag};
pub use minimal::minimal;
pub use staleness::lags_of_reads;
pub use subject::{SUBJECTS, Subject};
pub use timing::{Recovery, recoveries};
pub use verdict::{
    Anomaly, Blocker, Bound, Edge, MustHold, Transaction, Validity, Verdict, Witness,
};

use schism_history::History;

/// A row of [`CHECKERS`].
pub struct CheckerEntry {
    /// The checker's name.
    pub name: &'static str,
    /// One line on what it decides, and how.
    pub summary: &'static str,
    /// The subjects whose histories it can read; empty: those of any.
    pub subjects: &'static [&'static str],
    /// The claims that it decides about them.
    pub decides: &'static [Claim],
    /// Decides: one verdict for each claim of the question, in that order. The question holds claims
    /// of `decides` only, and at least one. Never fails: what cannot be decided within the budget is
    /// `Unknown`, with the reason.
    check: fn(&Question, &History, &Budget) -> Vec<Verdict>,
}

impl CheckerEntry {
    /// Whether it decides `claim` of histories of `subject`.
    pub fn concerns(&self, subject: &str, claim: Claim) -> bool {
        (self.subjects.is_empty() || self.subjects.contains(&subject))
            && self.decides.contains(&claim)
    }

    /// One verdict for each claim of the question that this checker decides about its subject, in
    /// that order.
    pub fn check(&self, question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
        let concerns = |asked: &&Asked| self.concerns(&question.workload, asked.claim);
        let claims: Vec<Asked> = question.claims.iter().filter(concerns).copied().collect();
        if claims.is_empty() {
            return Vec::new();
        }
        (self.check)(&Question { claims, ..question.clone() }, history, budget)
    }
}

/// The checkers that there are.
pub const CHECKERS: &[CheckerEntry] = &[
    linearizable::ENTRY,
    linearizable::OBJECTS,
    set::ENTRY,
    session::SESSION,
    session::CAUSAL,
    sequential::ENTRY,
    staleness::ENTRY,
    texts::ENTRY,
    texts::SESSIONS,
    texts::MODELS,
    staleness::TEXTS,
    list_append::ENTRY,
    queue::ENTRY,
    queue::LINEARIZABLE,
    lock::ENTRY,
    lock::LEASE,
    log::ENTRY,
    watch::ENTRY,
    survival::ENTRY,
    timing::RECOVERY,
    timing::AVAILABILITY,
    weak::ENTRY,
    counter::ENTRY,
    unique_ids::ENTRY,
    bank::ENTRY,
    long_fork::ENTRY,
    causal_reverse::ENTRY,
    write_skew::ENTRY,
    rw_register::ENTRY,
];
