//! Workloads with an invariant: what breaks it, and which models that rules out.
//!
//! A broken invariant rules a model out; a kept one proves nothing about it, since the model promises
//! more than the invariant. So such a claim is violated or unknown, and never upheld.

use crate::{Anomaly, Asked, Verdict};

/// Proofs of one verdict that are kept; the others are counted.
pub(crate) const KEPT_MAX: usize = 8;

/// How many violations there are, and the first of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proofs {
    /// All of them.
    pub count: usize,
    /// The first.
    pub kept: Vec<Anomaly>,
}

impl Proofs {
    /// One more; it is told only if it is kept.
    pub fn add(&mut self, tell: impl FnOnce() -> Anomaly) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(tell());
        }
    }

    /// Whether there is one.
    pub fn any(&self) -> bool {
        self.count > 0
    }
}

/// The verdict on a model that `proofs` rule out, and that their absence does not prove.
///
/// `broken` is a sentence that says how often; `because` one that says why that rules the model out;
/// `unbroken` a clause without its full stop.
pub(crate) fn refute(
    asked: Asked,
    judged: usize,
    proofs: &Proofs,
    [broken, because, unbroken]: [&str; 3],
) -> Verdict {
    if proofs.any() {
        return Verdict::invalid(asked, judged, format!("{broken} {because}"), proofs.kept.clone());
    }
    let claim = asked.claim;
    let reason = format!("{unbroken}, but this workload can only refute {claim}, not prove it.");
    Verdict::unknown(asked, judged, reason)
}
