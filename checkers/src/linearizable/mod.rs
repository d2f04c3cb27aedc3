//! Linearizability: of registers with read, write and compare-and-set; of several registers as one
//! object; of texts that are appended to; and the search for queues, bags and locks.
//!
//! *Papers.* Herlihy & Wing, "Linearizability: a correctness condition for concurrent objects",
//! TOPLAS 12(3), 1990, defines it; it is local, so that every key is judged by itself. Gibbons &
//! Korach 1997 decide registers with unique values in O(n log n), see `chains`; Wing & Gong 1993 and
//! Lowe 2017 search where values repeat, and for every other object, see `search` and `steps`.
//!
//! *What it proves.* `Invalid`: no placing of every operation at one instant between its invocation
//! and its completion explains what was returned. Order is the index of events, never the time.
//! Operations of which nobody knows may have taken effect at any time after their invocation, or
//! never; failed ones never. A prefix that is `Invalid` stays so in every longer history, within
//! the same budget. `Valid`: there is such a placing.
//!
//! *What it cannot see.* What no read returned: an acknowledged write that is lost, but never looked
//! for, breaks nothing. Whether a failed operation really had no effect, if nothing shows one.
//! Where values repeat and the budget ends: it answers `Unknown`, unless something was returned that
//! nobody wrote. It answers `Unknown`, too, where fewer ok operations than the question wants tell
//! what they found, and where the history does not know what came before what between processes.
//! Joined registers whose initial values nobody says may hold anything at first.
//!
//! *Cost.* O(n log n) where values are unique; the search is exponential at worst, and keeps to the
//! budget.
//!
//! *A history that breaks it:* the read returns 1 although 2 had replaced it before the read began.
//!
//! ```text
//! p0 invoke write x 1
//! p0 ok
//! p0 invoke write x 2
//! p0 ok
//! p1 invoke read x
//! p1 ok 1
//! ```

mod chains;
mod checker;
mod explanation;
mod extract;
mod lessons;
mod memo;
mod model;
mod multi_register;
mod objects;
#[cfg(test)]
mod objects_tests;
mod operations;
#[cfg(test)]
mod oracle;
mod prefix;
#[cfg_attr(not(test), allow(dead_code, reason = "the room of queues is built apart"))]
mod queue;
#[cfg(test)]
mod random;
mod search;
mod shrink;
mod steps;
mod subjects;
mod summary;
#[cfg(test)]
mod tests;
mod text;
#[cfg(test)]
mod texts;
mod timeline;
mod used;
mod witness;

pub(crate) use checker::{ENTRY, OBJECTS};
pub(crate) use lessons::LESSONS;
// What the room of queues and locks takes from here.
#[allow(unused_imports, reason = "the room of queues and locks is built apart")]
pub(crate) use self::{
    checker::judge_queues,
    extract::Alien,
    model::Model,
    objects::{Item, Object, judge},
    queue::{LockAction, Mutex},
    search::{Answer, Call, Limits, search_operations},
    summary::{Evidence, Label},
};
