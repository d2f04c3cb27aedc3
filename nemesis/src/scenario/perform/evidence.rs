//! What was seen of a scenario, when all of it is over.

use schism_history::Evidence;
use schism_lab::LinkRules;

use super::Performance;
use crate::probe::{all, evidence};

impl Performance {
    /// Everything is about to be healed: nothing is looked at any more, and whatever links keep is
    /// about to go out.
    pub(crate) fn before_healing(&mut self) {
        for look in &self.looks {
            look.end();
        }
        self.before_ending();
        if let Some(parcels) = &mut self.parcels {
            parcels.release();
        }
    }

    /// Whether the scenario came to its end and everything that it did was seen, to be asked when it
    /// is healed; and the links that it ever had rules for.
    pub(crate) async fn seen(&self) -> (Evidence, LinkRules) {
        let mut parts = Vec::new();
        match &self.broken {
            Some((number, why)) => {
                parts.push(evidence(false, format!("broken off at step {number}: {why}")));
            }
            None => parts.push(evidence(true, "every step was taken")),
        }
        parts.extend(self.met.iter().map(|met| evidence(true, met.clone())));
        let touched = LinkRules(self.touched.clone());
        if !touched.0.is_empty() {
            parts.push(self.delivered(&touched).await);
        }
        for look in &self.looks {
            let (seen, text) = match look.answer() {
                Ok(text) => (true, text),
                Err(text) => (false, text),
            };
            parts.push(evidence(seen, format!("{}: {text}", look.node)));
        }
        parts.extend(self.inner_seen());
        (all(parts, ""), touched)
    }

    async fn delivered(&self, touched: &LinkRules) -> Evidence {
        let fault = self.planned.fault;
        let shared = |link| self.hands.standing().shared_since(self.begun, link, fault);
        let Some(parcels) = &self.parcels else {
            return evidence(false, "links could not be probed");
        };
        if touched.0.keys().all(|link| shared(*link)) {
            let text = "another fault was about all its links, so that nothing of them can be seen";
            return evidence(false, text);
        }
        parcels.delivered(shared).await
    }
}
