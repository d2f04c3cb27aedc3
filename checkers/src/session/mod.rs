//! What sessions are guaranteed by replicated registers: read-your-writes, monotonic reads, monotonic
//! writes, writes-follow-reads; PRAM; causal consistency in three strengths (CC, CM, `CCv`).
//!
//! *Papers.* Terry et al. 1994 (the four guarantees); Brzeziński, Sobaniec and Wawrzyniak 2004 (what
//! they make together); Viotti and Vukolić 2016 (formal definitions). Lipton and Sandberg 1988
//! (PRAM); Wei et al. 2016 (deciding it by closure). Ahamad et al. 1995 (causal memory); Bouajjani,
//! Enea, Guerraoui and Hamza 2017 (the bad patterns of CC, CM and `CCv`).
//!
//! A session is one process. An operation is a *step*: it reads, then writes, at one instant; so a
//! compare-and-set, and a transaction on several registers. Failed operations have no effect;
//! indeterminate ones happened if somebody, whose operation counts, read what they alone may have
//! written. Everything is judged on the whole history, never key by key. Real time says nothing here.
//!
//! | claim | what must hold |
//! |---|---|
//! | `read-your-writes` | a session's read of a key is no older than its own last write of it; its own writes are in its order, as far as nothing else is known |
//! | `monotonic-reads` | nor older than its last read of it |
//! | `monotonic-writes` | after a session has read a write W of session S, its reads of each key are no older than what S wrote there before W, and S's writes are in S's order |
//! | `writes-follow-reads` | nor older than what S read there before W |
//! | `pram` | for each session: the writes of all, and its own reads, fit into one order that keeps every session's |
//! | `causal` (CC) | for each read: its causal past fits into an order that explains this read |
//! | `causal-memory` (CM) | for each session: the causal past of its last step, and all its reads, fit into one order |
//! | `causal-convergence` (`CCv`) | one order of all writes explains every read by its causal past |
//!
//! *How.* Causal order is sessions and who read from whom, closed; vector clocks over the sessions
//! that write hold it in O(n·k). CC: for each read of W's value no write of the key lies between W
//! and the read (`WriteCORead`, `WriteCOInitRead`), and causal order has no circle (`CyclicCO`). For
//! steps that read several keys: no circle among the writers read from, of "comes before or is a
//! write of the other's key that the reader has in its past". `CCv`: causal order with "other writes of
//! the key in the read's past come before W" has no circle. CM and PRAM: that rule, for the reads of
//! one session, until nothing is new, has no circle; `saturation` proves that this suffices, for
//! steps on several keys, too. Every inferred edge is forced, so that a circle is a proof.
//!
//! The four guarantees compare versions, so their order must be *known*: initial versions come first;
//! then by version numbers in replies, by chains of compare-and-sets (of which nothing comes between
//! two links), or by the order of the only session that writes a key. A read is reported only if it is
//! older for certain, or if a session's reads on a key contradict each other whatever the order of
//! versions was (`1, 2, 1`); and a claim is upheld only if no comparison was in doubt.
//!
//! *What it cannot see.* Values must be written once: a read of a value with several possible writers
//! constrains nothing, and keeps the claim from being upheld. Two sessions that see two writes in
//! different orders break monotonic reads for one of them if there is one order of versions, and
//! neither if there is none: `Unknown`. A read of what nobody wrote is of no age: it breaks the
//! models, and leaves the four guarantees unknown.
//!
//! *A history that breaks it* (monotonic writes, and so PRAM and all the rest):
//!
//! ```text
//! p0 invoke write x 1
//! p0 ok
//! p0 invoke write y 1
//! p0 ok
//! p1 invoke read y
//! p1 ok 1
//! p1 invoke read x
//! p1 ok _
//! ```
//!
//! Cost, for n operations and k sessions that write: the guarantees and CC O(n·k·log n), `CCv` the same
//! with O(n·k) edges; PRAM and CM, for each session that reads, O(n·k) and what its reads change,
//! little in practice, O(n²·k) at worst, ended by the budget. Memory O(n·k).

mod causal;
mod checker;
mod closure;
mod dependencies;
mod explanation;
mod extract;
mod graph;
mod guarantees;
mod lessons;
#[cfg(test)]
pub(crate) mod oracle;
mod parse;
mod pending;
#[cfg(test)]
pub(crate) mod random;
mod saturation;
#[cfg(test)]
mod session_tests;
mod step;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod text_tests;
#[cfg(test)]
mod version_oracle;
mod versions;
mod words;

pub(crate) use causal::{Finding, KEPT_MAX, Past, Violation, paths_to_reads};
pub(crate) use checker::{CAUSAL, SESSION, SUBJECTS, broken, too_large, too_little, verdict};
pub(crate) use closure::{Closed, Scope, close};
pub(crate) use explanation::{Teller, anomaly_of, capitalized, shown};
pub(crate) use graph::{Clocks, Extra, Frame, Graph, Hop, Why};
pub(crate) use lessons::LESSONS;
pub(crate) use parse::Functions;
pub(crate) use step::{Session, Source, Step, Steps, Version};
