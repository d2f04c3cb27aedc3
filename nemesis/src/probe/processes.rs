//! Probes of kills and pauses: /proc, and the target's own answer over the network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schism_history::Evidence;
use schism_lab::{Host, NodeId, ProcessState};
use schism_targets::{Cluster, Target};
use tokio::time::Instant;

use super::evidence;

/// How long a node may take to answer, or a killed one not to.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);
/// Over how long a stopped process must use no processor time.
const STILL_FOR: Duration = Duration::from_millis(60);
/// How long a node may take to answer again after it was started or resumed.
const BACK_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What ran on the victims before the fault: processes, and the target's incarnation.
pub(crate) type Before = BTreeMap<NodeId, (Vec<ProcessState>, Option<String>)>;

/// Looks at processes of nodes.
#[derive(Clone)]
pub(crate) struct ProcessProbe {
    cluster: Cluster,
    target: Arc<dyn Target>,
}

impl ProcessProbe {
    pub(crate) fn new(cluster: Cluster, target: Arc<dyn Target>) -> Self {
        Self { cluster, target }
    }

    /// What runs on the victims now.
    pub(crate) async fn before(&self, victims: &[NodeId]) -> Before {
        let mut before = Before::new();
        for &victim in victims {
            let Some(host) = self.cluster.host(victim) else { continue };
            let processes = host.processes().await.unwrap_or_default();
            before.insert(victim, (processes, self.incarnation(victim).await));
        }
        before
    }

    /// Whether the processes that were there are dead and the nodes silent.
    pub(crate) async fn killed(&self, before: &Before) -> Evidence {
        let mut parts = Vec::new();
        let mut all = !before.is_empty();
        for (&victim, (processes, incarnation)) in before {
            let (seen, text) = self.killed_one(victim, processes, incarnation.as_deref()).await;
            all &= seen;
            parts.push(format!("{victim}: {text}"));
        }
        evidence(all, parts.join("; "))
    }

    async fn killed_one(
        &self,
        victim: NodeId,
        before: &[ProcessState],
        incarnation: Option<&str>,
    ) -> (bool, String) {
        let Some(host) = self.cluster.host(victim) else {
            return (false, "is not in the cluster".into());
        };
        if before.is_empty() {
            return (false, "nothing ran there before".into());
        }
        let now = match host.processes().await {
            Ok(now) => now,
            Err(error) => return (false, error.to_string()),
        };
        let same = |old: &&ProcessState| {
            now.iter().any(|new| new.pid == old.pid && new.started == old.started)
        };
        if let Some(alive) = before.iter().find(same) {
            return (false, format!("{} (process {}) is still alive", alive.name, alive.pid));
        }
        // A node that did not answer before says nothing by its silence now.
        match self.incarnation(victim).await {
            Some(answer) if Some(answer.as_str()) == incarnation => {
                (false, "the same incarnation still answers".into())
            }
            _ => {
                let silent = if incarnation.is_some() { ", and it answers no more" } else { "" };
                (true, format!("{} gone{silent}", names(before)))
            }
        }
    }

    /// Whether the nodes answer again, as another incarnation than before.
    pub(crate) async fn restarted(&self, before: &Before) -> Evidence {
        self.back(before, |before, now| Some(now) != before, "answers as a new incarnation").await
    }

    /// Whether every process stands still and uses no processor time, and the nodes are silent.
    pub(crate) async fn paused(&self, before: &Before) -> Evidence {
        let mut parts = Vec::new();
        let mut all = !before.is_empty();
        for &victim in before.keys() {
            let Some(host) = self.cluster.host(victim) else { continue };
            let (seen, text) = match self.paused_one(victim, host, before).await {
                Ok(text) => (true, text),
                Err(text) => (false, text),
            };
            all &= seen;
            parts.push(format!("{victim}: {text}"));
        }
        evidence(all, parts.join("; "))
    }

    async fn paused_one(
        &self,
        victim: NodeId,
        host: &Arc<dyn Host>,
        before: &Before,
    ) -> Result<String, String> {
        let look = async || host.processes().await.map_err(|error| error.to_string());
        let first = look().await?;
        tokio::time::sleep(STILL_FOR).await;
        let second = look().await?;
        if second.is_empty() {
            return Err("no process is there".into());
        }
        if let Some(runs) = second.iter().find(|state| !matches!(state.state, 'T' | 't' | 'Z')) {
            let ProcessState { name, pid, state, .. } = runs;
            return Err(format!("{name} (process {pid}) is not stopped but in state {state}"));
        }
        let used = |states: &[ProcessState]| states.iter().map(|state| state.cpu_ns).sum::<u64>();
        if used(&first) != used(&second) {
            return Err("used processor time".into());
        }
        if self.incarnation(victim).await.is_some() {
            return Err("still answers".into());
        }
        let answered = before.get(&victim).is_some_and(|(_, incarnation)| incarnation.is_some());
        let silent = if answered { ", and it answers no more" } else { "" };
        Ok(format!("{} stopped, no processor time used{silent}", names(&second)))
    }

    /// Whether the nodes answer again, as the incarnation that they were.
    pub(crate) async fn resumed(&self, before: &Before) -> Evidence {
        let same = |before: Option<&str>, now: &str| before.is_none_or(|before| before == now);
        self.back(before, |before, now| same(before, now), "answers as before").await
    }

    async fn back(
        &self,
        before: &Before,
        expected: impl Fn(Option<&str>, &str) -> bool,
        what: &str,
    ) -> Evidence {
        let start = Instant::now();
        let mut parts = Vec::new();
        let mut all = true;
        for (&victim, (_, incarnation)) in before {
            let back = loop {
                match self.incarnation(victim).await {
                    Some(now) if expected(incarnation.as_deref(), &now) => break true,
                    _ if start.elapsed() > BACK_WITHIN => break false,
                    _ => tokio::time::sleep(LOOK_EVERY).await,
                }
            };
            all &= back;
            let after = start.elapsed().as_millis();
            parts.push(if back {
                format!("{victim} {what} after {after} ms")
            } else {
                format!("{victim} does not answer as expected after {after} ms")
            });
        }
        evidence(all, parts.join("; "))
    }

    async fn incarnation(&self, node: NodeId) -> Option<String> {
        let host = self.cluster.host(node)?;
        let asked = self.target.incarnation(&self.cluster, host.node(), ANSWER_WITHIN);
        tokio::time::timeout(ANSWER_WITHIN * 2, asked).await.ok()?.ok()?
    }
}

/// `raft (process 4711)`, or how many there were.
fn names(processes: &[ProcessState]) -> String {
    match processes {
        [one] => format!("{} (process {})", one.name, one.pid),
        many => format!("{} processes", many.len()),
    }
}
