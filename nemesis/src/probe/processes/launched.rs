//! Looks at nodes that were started on damaged files, and may not come up.

use std::collections::BTreeMap;

use schism_history::FaultId;
use schism_lab::NodeId;
use tokio::time::Instant;

use super::{Before, LOOK_EVERY, ProcessProbe, Was, survivor};
use crate::deed::THERE_WITHIN;

/// What became of a node that was started.
pub(crate) enum Launched {
    /// It answers as another incarnation, or something else keeps it from that.
    Up(String),
    /// Nothing runs there, for which another fault answers.
    Struck(String),
    /// Its program ended, and nothing runs there any more.
    Refused,
    /// It runs, and does not answer.
    Silent(String),
}

impl ProcessProbe {
    /// Looks at each node until it answers as another incarnation than before, or nothing runs there
    /// for as long as a program may take to be there.
    ///
    /// `silenced` names another fault that has kept a node from answering since.
    pub(crate) async fn launched(
        &self,
        before: &Before,
        silenced: impl Fn(NodeId) -> Option<FaultId> + Clone + Send + Sync + 'static,
    ) -> BTreeMap<NodeId, Launched> {
        self.each(before.keys().copied(), |probe, node| {
            let was = before.get(&node).cloned().unwrap_or_default();
            let silenced = silenced.clone();
            async move { probe.launched_one(node, &was, || silenced(node)).await }
        })
        .await
    }

    async fn launched_one(
        &self,
        node: NodeId,
        was: &Was,
        silenced: impl Fn() -> Option<FaultId>,
    ) -> Launched {
        let Some(host) = self.host(node) else { return Launched::Silent("is not there".into()) };
        let begun = Instant::now();
        let mut nothing_since: Option<Instant> = None;
        let mut problem = "runs, but does not answer".to_owned();
        loop {
            match host.processes().await {
                Ok(now) if now.is_empty() => {
                    // Whoever was killed since has refused nothing.
                    if let Some(other) = silenced() {
                        return Launched::Struck(format!("is down, as {other} struck it since"));
                    }
                    let since = *nothing_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= THERE_WITHIN {
                        return Launched::Refused;
                    }
                }
                Ok(now) => {
                    nothing_since = None;
                    if let Some(alive) = survivor(&was.processes, &now) {
                        let (name, pid) = (&alive.name, alive.pid);
                        return Launched::Silent(format!("{name} (process {pid}) was never dead"));
                    }
                    let answer = self.incarnation(node).await;
                    if answer.is_some() && answer != was.incarnation {
                        let took = begun.elapsed().as_millis();
                        return Launched::Up(format!(
                            "answers as a new incarnation after {took} ms"
                        ));
                    }
                    if let Some(other) = silenced() {
                        return Launched::Up(format!("runs; {other} kept it from answering since"));
                    }
                    problem = "runs, but does not answer".into();
                }
                Err(error) => {
                    nothing_since = None;
                    problem = error.to_string();
                }
            }
            if nothing_since.is_none() && begun.elapsed() > self.back_within {
                return Launched::Silent(problem);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
