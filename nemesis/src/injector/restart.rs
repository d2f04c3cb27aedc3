//! A rolling restart: each node is stopped, started, and waited for before the next one's turn.

use std::time::{Duration, Instant};

use schism_history::{FaultMark, Phase};
use schism_lab::NodeId;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Act;
use crate::deed::Deed;
use crate::probe::processes::Before;
use crate::probe::{all, evidence};
use crate::{Injection, Rolling};

/// How often it is looked whether another fault lets a node go.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Act {
    /// Restarts the nodes in their order, until the fault's time is over or one does not come back;
    /// then heals what is left, and says what was seen of each.
    pub(super) async fn restart(
        &self,
        rolling: &Rolling,
        injection: &Injection,
        stop: &CancellationToken,
    ) {
        let fault = self.planned.fault;
        let (mut struck, mut parts) = (Before::new(), Vec::new());
        for (number, node) in (1..).zip(&rolling.nodes) {
            let done = async {
                if number > 1 {
                    self.unless_over(tokio::time::sleep(rolling.pause), stop).await?;
                }
                self.restart_one((number, *node), rolling.patience, &mut struck, stop).await
            };
            let done = done.await;
            let seen = done.is_ok();
            let text = done.unwrap_or_else(|problem| problem);
            parts.push(evidence(seen, format!("{node}: {text}")));
            // The others wait for a node that does not come back.
            if !seen {
                break;
            }
        }
        let record = |mark| self.hands.record(mark);
        record(FaultMark::Probe { fault, phase: Phase::Bites, evidence: all(parts, "") });
        // What was not healed is said at the end of the run.
        let Some((ended, healed)) = self.heal(injection, &struck).await else { return };
        record(FaultMark::Stop { fault });
        let gone = if struck.is_empty() {
            evidence(true, "nothing was touched, and nothing is to be undone")
        } else {
            self.back(&struck, &healed, ended).await
        };
        record(FaultMark::Probe { fault, phase: Phase::Gone, evidence: gone });
    }

    /// Stops a node, starts it, and waits until it does its part again; what was seen of that.
    async fn restart_one(
        &self,
        (number, node): (u32, NodeId),
        patience: Option<Duration>,
        struck: &mut Before,
        stop: &CancellationToken,
    ) -> Result<String, String> {
        let (hands, fault) = (&self.hands, self.planned.fault);
        let free = async {
            while !hands.reserve(fault, node).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        self.unless_over(free, stop).await?;
        // A fault before this one may have left other processes there than when this one began.
        let before = hands.processes().before(&[node], true).await;
        struck.extend(before.clone());
        let was = before.get(&node).cloned().unwrap_or_default();
        let begun = Instant::now();
        self.mark_restart(number, format!("stop {node}"), json!({ "stop": [node.to_string()] }));
        let ended = if let Some(patience) = patience {
            // A stop that has begun is not broken off: its time is bounded as it is.
            hands.stop(node, patience).await?
        } else {
            hands.deed(node, Deed::Kill).await?;
            false
        };
        let took = begun.elapsed().as_millis();
        let gone = hands.processes().is_down(node, &was).await?;
        let how = match (patience, ended) {
            (Some(_), true) => format!("{gone} {took} ms after SIGTERM"),
            (Some(_), false) => format!("{gone}, killed {took} ms after SIGTERM, in vain"),
            (None, _) => format!("{gone} by kill -9"),
        };
        hands.take_up(fault, &[node], Deed::Start).await?;
        let started = Instant::now();
        let left = self.planned.stop.saturating_sub(hands.elapsed());
        self.unless_over(hands.caught_up(node, left), stop).await??;
        let back = hands.processes().healed(&before).await;
        let now = hands.standing().now();
        let answers = self.back(&before, &back, now).await;
        if !answers.seen {
            return Err(format!("{how}; {}", answers.text));
        }
        let took = started.elapsed().as_millis();
        let facts = json!({ "back": [node.to_string()], "took_ms": took as u64 });
        self.mark_restart(number, format!("{node} does its part again after {took} ms"), facts);
        Ok(format!("{how}; started anew, it does its part after {took} ms"))
    }

    fn mark_restart(&self, step: u32, detail: String, injection: serde_json::Value) {
        self.hands.record(FaultMark::Step {
            fault: self.planned.fault,
            step,
            detail: detail.into(),
            injection: injection.into(),
            late_us: 0,
        });
    }

    /// Waits for `done`, but not beyond the end of the fault's time or of the run.
    async fn unless_over<T>(
        &self,
        done: impl Future<Output = T>,
        stop: &CancellationToken,
    ) -> Result<T, String> {
        tokio::select! {
            biased;
            done = done => Ok(done),
            in_time = self.hands.wait_until(self.planned.stop, stop) => {
                let over = if in_time { "the time of the fault was over" } else { "the run ended" };
                Err(format!("{over} before it did its part again"))
            }
        }
    }
}
