//! What a rolling restart does to a node.

use std::time::Duration;

use schism_history::FaultId;
use schism_lab::NodeId;

use super::{Hands, problems};
use crate::deed::Deed;

impl Hands {
    /// Holds a node to be down for this fault; `false` while another fault does.
    pub(crate) async fn reserve(&self, fault: FaultId, node: NodeId) -> bool {
        let _turn = self.turn.lock().await;
        let mut standing = self.standing();
        if standing.who_holds(node).is_some_and(|other| other != fault) {
            return false;
        }
        standing.strike(fault, node);
        true
    }

    /// Asks the node's programs to end, and kills those that have not after `patience`; whether all
    /// ended by themselves.
    ///
    /// It takes no turn: the node is held to be down already, and others need not wait for it.
    pub(crate) async fn stop(&self, node: NodeId, patience: Duration) -> Result<bool, String> {
        let host =
            self.cluster.host(node).ok_or_else(|| format!("{node} is not in the cluster"))?;
        let within = patience + self.bounds.act;
        match tokio::time::timeout(within, host.stop_all(patience)).await {
            Ok(stopped) => stopped.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{node} was not stopped within {within:?}")),
        }
    }

    /// Does something to a node that is held to be down already.
    pub(crate) async fn deed(&self, node: NodeId, deed: Deed) -> Result<(), String> {
        let problems = problems(self.on_each(&[node], &deed).await);
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// Waits until the target says that a node does its part again.
    pub(crate) async fn caught_up(&self, node: NodeId, within: Duration) -> Result<(), String> {
        let host =
            self.cluster.host(node).ok_or_else(|| format!("{node} is not in the cluster"))?;
        let caught_up = self.target.caught_up(&self.cluster, host.node(), within);
        match tokio::time::timeout(within + self.bounds.act, caught_up).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{node} did not do its part again within {within:?}")),
        }
    }
}
