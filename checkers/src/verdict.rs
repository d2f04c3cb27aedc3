//! What a checker answers.

use std::sync::Arc;

use schism_history::FaultId;
use serde::{Deserialize, Serialize};

use crate::{Asked, LogLags};

/// Whether a claim holds of a history, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// It holds of everything that was seen, and there was something to see.
    Valid,
    /// Nobody can say; the reason tells why.
    Unknown,
    /// A witness proves that it does not hold.
    Invalid,
}

/// The answer to one claim.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The claim, with its parameters.
    pub asked: Asked,
    /// Whether it holds.
    pub validity: Validity,
    /// One or two sentences: what was judged, or why it is unknown, or how it fails. Whole
    /// sentences with figures, fit for the evidence column of the report.
    pub reason: String,
    /// How many operations were judged.
    pub judged: usize,
    /// The proofs, worst first; empty unless `Invalid`.
    pub anomalies: Vec<Anomaly>,
    /// Of a log, where the messages were read: how far consumers were behind. It is found on the way
    /// to the verdicts, and the same for all of them.
    pub lags: Option<Arc<LogLags>>,
}

impl Verdict {
    /// The claim holds, on the evidence of `judged` operations.
    pub fn valid(asked: Asked, judged: usize, reason: impl Into<String>) -> Self {
        let validity = Validity::Valid;
        Self { asked, validity, reason: reason.into(), judged, anomalies: Vec::new(), lags: None }
    }

    /// Nobody can say whether the claim holds.
    pub fn unknown(asked: Asked, judged: usize, reason: impl Into<String>) -> Self {
        let validity = Validity::Unknown;
        Self { asked, validity, reason: reason.into(), judged, anomalies: Vec::new(), lags: None }
    }

    /// The claim does not hold; `anomalies` prove it.
    pub fn invalid(
        asked: Asked,
        judged: usize,
        reason: impl Into<String>,
        anomalies: Vec<Anomaly>,
    ) -> Self {
        debug_assert!(!anomalies.is_empty(), "a violation has a proof");
        Self {
            asked,
            validity: Validity::Invalid,
            reason: reason.into(),
            judged,
            anomalies,
            lags: None,
        }
    }
}

/// One proof that a claim does not hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The anomaly's name in the literature: `nonlinearizable`, `G-single`, `lost-update` …
    pub name: String,
    /// The key, where it concerns one.
    pub key: Option<String>,
    /// The indexes of the invocations of the operations that matter, the impossible one last.
    pub operations: Vec<u64>,
    /// Whole sentences that explain it to someone who knows the field but not this run.
    pub explanation: String,
    /// The proof in a form that can be drawn.
    pub witness: Witness,
}

/// A proof, by its shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// No order of the operations explains what was returned.
    Linearization {
        /// The invocation index of the operation that cannot be placed.
        impossible: u64,
        /// The index of the last event of the shortest prefix of the history that fails.
        prefix: u64,
        /// The longest order that was found, as (invocation index, state after it).
        order: Vec<(u64, String)>,
        /// The last configuration: what the model then held.
        holds: String,
        /// What the impossible operation needs, in the same terms.
        needs: String,
        /// The operations that are left at that point, each with why it cannot come next.
        blocked: Vec<Blocker>,
        /// For unique values: the values that must be held from one time to another, of which two
        /// overlap. Empty when the general search found the violation.
        must_hold: Vec<MustHold>,
        /// How many configurations the general search visited; 0 for zones of chains.
        configurations: u64,
    },
    /// Transactions each of which must come before the next, in a circle.
    Cycle {
        /// The transactions.
        transactions: Vec<Transaction>,
        /// The edges, in order around the circle.
        edges: Vec<Edge>,
    },
    /// Operations that contradict each other by themselves.
    Operations,
    /// A bound on time that was not kept.
    Bound(Bound),
}

/// Why an operation cannot come next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blocker {
    /// The invocation index of the operation.
    pub operation: u64,
    /// What it needs.
    pub needs: String,
    /// What it would find.
    pub finds: String,
    /// A sentence.
    pub why: String,
}

/// A value, and the events between which the register must have held it.
///
/// If `from` is greater than `to`, it must have been held at some moment between `to` and `from`,
/// but nothing says for how long. The initial value is held from the first event on, and the one
/// operation that forces its end stands for both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MustHold {
    /// The value, or a chain of values as `412 → 418`.
    pub value: String,
    /// The index of the event (a completion) from which on it must be held.
    pub from: u64,
    /// The index of the event (an invocation) until which it must be held.
    pub to: u64,
    /// The invocation indexes of the operations that force the two ends.
    pub forced_by: [u64; 2],
}

/// A transaction of a cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// `T1`, `T2` …
    pub name: String,
    /// The index of its invocation.
    pub operation: u64,
}

/// An edge of a cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// The name of the transaction that comes before.
    pub from: String,
    /// The name of the transaction that comes after.
    pub to: String,
    /// `ww`, `wr`, `rw`, `process` or `realtime`.
    pub kind: String,
    /// The sentence that proves it.
    pub says: String,
}

/// A bound that was not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// What was measured, in words.
    pub what: String,
    /// What was allowed, with its unit.
    pub bound: String,
    /// What was seen, with its unit.
    pub seen: String,
    /// The fault concerned, where there is one.
    pub fault: Option<FaultId>,
    /// When it was seen, in seconds of the load.
    pub at_s: f64,
}
