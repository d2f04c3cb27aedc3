//! Probes of kills and pauses: /proc, and the target's own answer over the network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schism_history::{Evidence, FaultId};
use schism_lab::{Host, NodeId, ProcessState};
use schism_targets::{Cluster, Target};
use tokio::task::JoinSet;
use tokio::time::Instant;

mod launched;

use super::evidence;

pub(crate) use launched::Launched;

/// How long a node may take to answer, or a killed one not to.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);
/// Over how long a stopped process must use no processor time.
const STILL_FOR: Duration = Duration::from_millis(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What ran on the victims before the fault.
pub(crate) type Before = BTreeMap<NodeId, Was>;

/// What ran on a node: its processes, and the target's incarnation if it answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Was {
    processes: Vec<ProcessState>,
    incarnation: Option<String>,
    /// Whether the fault kills it; otherwise it is only paused.
    pub(crate) killed: bool,
    /// Whether it may have died and been started again, though the fault did not kill it.
    pub(crate) spared: bool,
}

/// What is seen on the nodes right after their fault was healed, while no other can begin.
pub(crate) type Healed = BTreeMap<NodeId, (bool, String)>;

/// Looks at processes of nodes.
#[derive(Clone)]
pub(crate) struct ProcessProbe {
    cluster: Cluster,
    /// The places of clients. They answer nobody, so that only /proc tells of them.
    clients: Vec<Arc<dyn Host>>,
    target: Arc<dyn Target>,
    /// How long a node may take to answer again after it was started or resumed.
    back_within: Duration,
}

impl ProcessProbe {
    pub(crate) fn new(
        cluster: Cluster,
        clients: Vec<Arc<dyn Host>>,
        target: Arc<dyn Target>,
        back_within: Duration,
    ) -> Self {
        Self { cluster, clients, target, back_within }
    }

    fn host(&self, id: NodeId) -> Option<&Arc<dyn Host>> {
        let client = self.clients.iter().find(|host| host.node().id == id);
        client.or_else(|| self.cluster.host(id))
    }

    /// The same question about every node at once; the answers in the order of the nodes.
    async fn each<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        ask: impl Fn(Self, NodeId) -> F,
    ) -> BTreeMap<NodeId, T> {
        let mut asked = JoinSet::new();
        for node in nodes {
            let answer = ask(self.clone(), node);
            asked.spawn(async move { (node, answer.await) });
        }
        let mut answers = BTreeMap::new();
        while let Some(answer) = asked.join_next().await {
            answers.extend(answer.ok());
        }
        answers
    }

    /// The evidence of all victims together; a victim without an answer is one against it.
    async fn evidence<F: Future<Output = (bool, String)> + Send + 'static>(
        &self,
        before: &Before,
        ask: impl Fn(Self, NodeId, Was) -> F,
    ) -> Evidence {
        let answers = self
            .each(before.keys().copied(), |probe, node| {
                ask(probe, node, before.get(&node).cloned().unwrap_or_default())
            })
            .await;
        let all = answers.len() == before.len() && answers.values().all(|(seen, _)| *seen);
        let parts: Vec<String> =
            answers.iter().map(|(node, (_, text))| format!("{node}: {text}")).collect();
        evidence(all && !before.is_empty(), parts.join("; "))
    }

    /// What runs on the victims now, who are to be killed or only paused.
    pub(crate) async fn before(&self, victims: &[NodeId], killed: bool) -> Before {
        self.each(victims.iter().copied(), move |probe, node| async move {
            let Some(host) = probe.host(node) else { return Was::default() };
            let processes = host.processes().await.unwrap_or_default();
            Was { processes, incarnation: probe.incarnation(node).await, killed, spared: false }
        })
        .await
    }

    /// Whether the processes that were there are dead and the nodes silent.
    pub(crate) async fn killed(&self, before: &Before) -> Evidence {
        self.evidence(before, async |probe: Self, node, was| probe.killed_one(node, &was).await)
            .await
    }

    async fn killed_one(&self, victim: NodeId, was: &Was) -> (bool, String) {
        let Some(host) = self.host(victim) else {
            return (false, "is not in the cluster".into());
        };
        if was.processes.is_empty() {
            return (false, "nothing ran there before".into());
        }
        let now = match host.processes().await {
            Ok(now) => now,
            Err(error) => return (false, error.to_string()),
        };
        if let Some(alive) = survivor(&was.processes, &now) {
            return (false, format!("{} (process {}) is still alive", alive.name, alive.pid));
        }
        let gone = names(&was.processes);
        match (&was.incarnation, self.incarnation(victim).await) {
            (Some(was), Some(now)) if *was == now => {
                (false, "the same incarnation still answers".into())
            }
            (_, Some(_)) => (true, format!("{gone} gone, though another incarnation answers")),
            (Some(_), None) => (true, format!("{gone} gone, and it answers no more")),
            // A node that did not answer before says nothing by its silence now.
            (None, None) => (true, format!("{gone} gone")),
        }
    }

    /// Whether every process stands still and uses no processor time, and the nodes are silent.
    pub(crate) async fn paused(&self, before: &Before) -> Evidence {
        self.evidence(before, async |probe: Self, node, was| {
            match probe.paused_one(node, &was).await {
                Ok(text) => (true, text),
                Err(text) => (false, text),
            }
        })
        .await
    }

    /// What /proc alone says at once: whether a node that was struck is down.
    pub(crate) async fn is_down(&self, victim: NodeId, was: &Was) -> Result<String, String> {
        let host = self.host(victim).ok_or("is not in the cluster")?;
        let now = host.processes().await.map_err(|error| error.to_string())?;
        if was.processes.is_empty() {
            return Err("nothing ran there before".into());
        }
        if was.killed {
            return match survivor(&was.processes, &now) {
                Some(alive) => Err(format!("{} (process {}) is alive", alive.name, alive.pid)),
                None => Ok(format!("{} gone", names(&was.processes))),
            };
        }
        match now.iter().find(|state| !matches!(state.state, 'T' | 't' | 'Z')) {
            Some(runs) => Err(format!("{} (process {}) is not stopped", runs.name, runs.pid)),
            None => Ok(format!("{} stopped", names(&now))),
        }
    }

    /// Whether a node that was struck is down for as long as this looks.
    pub(crate) async fn stays_down(&self, victim: NodeId, was: &Was) -> Result<String, String> {
        if !was.killed {
            return self.paused_one(victim, was).await;
        }
        match self.killed_one(victim, was).await {
            (true, text) => Ok(text),
            (false, text) => Err(text),
        }
    }

    async fn paused_one(&self, victim: NodeId, was: &Was) -> Result<String, String> {
        let host = self.host(victim).ok_or("is not in the cluster")?;
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
        let silent = if was.incarnation.is_some() { ", and it answers no more" } else { "" };
        Ok(format!("{} stopped, no processor time used{silent}", names(&second)))
    }

    /// What runs on the nodes again, by /proc: after a kill other processes than before, after a
    /// pause none that is stopped. To be asked before another fault may begin.
    pub(crate) async fn healed(&self, before: &Before) -> Healed {
        self.each(before.keys().copied(), |probe, node| {
            let was = before.get(&node).cloned().unwrap_or_default();
            async move {
                match probe.healed_one(node, &was).await {
                    Ok(text) => (true, text),
                    Err(text) => (false, text),
                }
            }
        })
        .await
    }

    async fn healed_one(&self, node: NodeId, was: &Was) -> Result<String, String> {
        let host = self.host(node).ok_or("is not in the cluster")?;
        let now = host.processes().await.map_err(|error| error.to_string())?;
        if now.is_empty() {
            return Err("nothing runs there".into());
        }
        if was.killed
            && let Some(alive) = survivor(&was.processes, &now)
        {
            return Err(format!("{} (process {}) was never dead", alive.name, alive.pid));
        }
        match now.iter().find(|state| matches!(state.state, 'T' | 't')) {
            Some(stopped) => Err(format!("{} (process {}) is stopped", stopped.name, stopped.pid)),
            None => Ok(format!("{} there", names(&now))),
        }
    }

    /// Whether the nodes answer again: after a kill as another incarnation than before, after a
    /// pause as the same.
    ///
    /// `silenced` names another fault that has kept a node from answering since it was healed. Then
    /// what was seen when it was `healed` has to do.
    pub(crate) async fn back(
        &self,
        before: &Before,
        healed: &Healed,
        silenced: impl Fn(NodeId) -> Option<FaultId> + Clone + Send + Sync + 'static,
    ) -> Evidence {
        self.evidence(before, |probe, node, was| {
            let (seen, silenced) = (healed.get(&node).cloned(), silenced.clone());
            async move {
                let (seen, text) = seen.unwrap_or((false, "was not looked at".into()));
                if !seen || node.is_client() {
                    return (seen, text);
                }
                match probe.answers(node, &was, || silenced(node)).await {
                    Ok(answer) => (true, answer),
                    Err(Some(other)) => {
                        (true, format!("{text}; {other} kept it from answering since"))
                    }
                    Err(None) => (false, format!("{text}, but it does not answer as expected")),
                }
            }
        })
        .await
    }

    /// Waits until the node answers as it should; otherwise the other fault that keeps it from
    /// that, or nothing when the time is over.
    async fn answers(
        &self,
        node: NodeId,
        was: &Was,
        silenced: impl Fn() -> Option<FaultId>,
    ) -> Result<String, Option<FaultId>> {
        let start = Instant::now();
        loop {
            let answer = self.incarnation(node).await;
            let same = answer == was.incarnation;
            let as_expected = was.spared || was.incarnation.is_none() || same != was.killed;
            if answer.is_some() && as_expected {
                let how = match &was.incarnation {
                    // It did not answer before, so that nothing is known of which it was.
                    None => "",
                    Some(_) if same => " as before",
                    Some(_) => " as a new incarnation",
                };
                return Ok(format!("answers{how} after {} ms", start.elapsed().as_millis()));
            }
            if let Some(other) = silenced() {
                return Err(Some(other));
            }
            if start.elapsed() > self.back_within {
                return Err(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn incarnation(&self, node: NodeId) -> Option<String> {
        let host = self.cluster.host(node)?;
        let asked = self.target.incarnation(&self.cluster, host.node(), ANSWER_WITHIN);
        tokio::time::timeout(ANSWER_WITHIN * 2, asked).await.ok()?.ok()?
    }
}

/// A process of `before` that is there now.
fn survivor<'a>(before: &'a [ProcessState], now: &[ProcessState]) -> Option<&'a ProcessState> {
    let there = |old: &&ProcessState| {
        now.iter().any(|new| new.pid == old.pid && new.started == old.started)
    };
    before.iter().find(there)
}

/// `raft (process 4711)`, or how many there were.
fn names(processes: &[ProcessState]) -> String {
    match processes {
        [one] => format!("{} (process {})", one.name, one.pid),
        many => format!("{} processes", many.len()),
    }
}
