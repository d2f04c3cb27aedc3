//! The systems: how each is installed, formed, started and asked, and the clients that speak to it.
//!
//! A new target is one file and one line in [`TARGETS`].

mod archive;
mod cache;
mod clock_sight;
mod cluster;
mod entry;
mod error;
mod etcd;
#[cfg(feature = "kafka")]
mod kafka;
mod log_tail;
mod memory;
mod program;
mod redis_cluster;
mod redlock;
mod reference;
mod stream;
mod unwell;
mod upkeep;

pub use clock_sight::ClockSight;
pub use cluster::Cluster;
pub use entry::TargetEntry;
pub use error::TargetError;
pub use log_tail::last_lines;
pub use unwell::{Complaint, Unwell};
pub use upkeep::Upkeep;

use std::time::Duration;

use async_trait::async_trait;
use schism_history::{Call, Evidence, Outcome, Process};
use schism_lab::{Node, NodeId};

/// A system under test.
///
/// The methods without a body are what every target has; the others answer `Unsupported` where a
/// target has no such thing, and its row in [`TARGETS`] then does not offer it.
#[async_trait]
pub trait Target: Send + Sync {
    /// The target's name in [`TARGETS`].
    fn name(&self) -> &'static str;

    /// How the target is described in reports: name, version, variant, bug.
    fn describe(&self) -> String;

    /// The settings that a verdict is about, as the system's manual names them, in reading order.
    fn configuration(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Gets what the target needs onto the controller's machine, before there is a lab: from inside of
    /// one nothing can be fetched. Blocks.
    fn provide(&self) -> Result<(), String> {
        Ok(())
    }

    /// Puts the target's programs and configuration onto a node.
    async fn install(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let _ = (cluster, node);
        Ok(())
    }

    /// Starts the target on a node, first or after a kill, and returns without waiting for it.
    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError>;

    /// Makes one cluster of the started nodes, where that takes a step of its own.
    async fn form(&self, cluster: &Cluster) -> Result<(), TargetError> {
        let _ = cluster;
        Ok(())
    }

    /// Returns when the cluster answers, at most after `within`.
    async fn ready(&self, cluster: &Cluster, within: Duration) -> Result<(), TargetError>;

    /// Returns when a node does its part again, so that the next may be stopped; or after `within`.
    async fn caught_up(
        &self,
        cluster: &Cluster,
        _node: &Node,
        within: Duration,
    ) -> Result<(), TargetError> {
        self.ready(cluster, within).await
    }

    /// Kills the target on a node, as by `kill -9`.
    async fn kill(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        match cluster.host(node.id) {
            Some(host) => Ok(host.kill_all().await?),
            None => Err(TargetError::Unsupported { target: self.name(), what: "be killed" }),
        }
    }

    /// Removes the target's data from a node that does not run.
    async fn wipe(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let _ = (cluster, node);
        Err(TargetError::Unsupported { target: self.name(), what: "be wiped" })
    }

    /// The members as the cluster itself sees them.
    async fn members(&self, cluster: &Cluster) -> Result<Vec<NodeId>, TargetError> {
        Ok(cluster.nodes().map(|node| node.id).collect())
    }

    /// Adds a node to the cluster's members.
    async fn add(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let _ = (cluster, node);
        Err(TargetError::Unsupported { target: self.name(), what: "add a member" })
    }

    /// Removes a node from the cluster's members.
    async fn remove(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let _ = (cluster, node);
        Err(TargetError::Unsupported { target: self.name(), what: "remove a member" })
    }

    /// Does an act of upkeep while clients use the system, within the time given, and says what the
    /// nodes themselves tell of it then. It may be broken off at any moment: [`Target::settle`]
    /// makes whole what is left.
    async fn keep_up(&self, cluster: &Cluster, act: &Upkeep, within: Duration) -> Evidence {
        let _ = (cluster, act, within);
        Evidence { seen: false, text: format!("{} knows no such upkeep", self.name()).into() }
    }

    /// Finishes or undoes what is left of an act of upkeep, and says whether nothing is, as the
    /// nodes themselves tell. To be asked again where something was.
    async fn settle(&self, cluster: &Cluster, act: &Upkeep, within: Duration) -> Evidence {
        let _ = (cluster, act, within);
        Evidence { seen: true, text: "nothing is left to be done".into() }
    }

    /// The nodes that say that they lead, the most recent first; the silent are not among them.
    async fn primaries(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        let _ = (cluster, within);
        Err(TargetError::Unsupported { target: self.name(), what: "name its primaries" })
    }

    /// The nodes that play a role of [`TargetEntry::roles`] now, the most recent first. Asks the nodes;
    /// those that do not answer within `within` are not among them.
    async fn playing(
        &self,
        _cluster: &Cluster,
        _role: &str,
        _within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        Err(TargetError::Unsupported { target: self.name(), what: "name who plays such a role" })
    }

    /// Which incarnation of the target runs on a node, asked over the network: a text that changes with
    /// every start of its process; `None` without an answer. Probes of kills and restarts read it.
    async fn incarnation(
        &self,
        cluster: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let _ = (cluster, node, within);
        Err(TargetError::Unsupported { target: self.name(), what: "tell its incarnation" })
    }

    /// How far the real-time clock that the target's process itself sees is ahead of ours, asked over
    /// the network: more exact the longer `within`, `None` without an answer. Probes of clocks read it.
    async fn clock(
        &self,
        cluster: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<ClockSight>, TargetError> {
        let _ = (cluster, node, within);
        Err(TargetError::Unsupported { target: self.name(), what: "tell the time" })
    }

    /// Prometheus text of a node, or `None` if it has none.
    async fn metrics(
        &self,
        cluster: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let _ = (cluster, node, within);
        Ok(None)
    }

    /// What is not well once the load is over and everything has healed: of itself, and of what clients
    /// complained of. Asks the nodes, each for at most `within`; empty where nothing is known to be wrong.
    async fn unwell(&self, _: &Cluster, _: Complaint, _within: Duration) -> Vec<Unwell> {
        Vec::new()
    }

    /// The names of the target's log files in a node's `logs` folder.
    fn logs(&self) -> &'static [&'static str] {
        &[]
    }

    /// A client that speaks to `node`, for one process.
    async fn connect(
        &self,
        cluster: &Cluster,
        node: &Node,
        process: Process,
    ) -> Result<Box<dyn Client>, TargetError>;
}

/// One client. Dropping it closes its connection.
#[async_trait]
pub trait Client: Send {
    /// Does one operation, and says what became of it; never later than `call.timeout` from now.
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome;
}

/// The targets that there are.
pub const TARGETS: &[TargetEntry] = &[
    memory::ENTRY,
    reference::ENTRY,
    etcd::ENTRY,
    redis_cluster::ENTRY,
    redlock::ENTRY,
    #[cfg(feature = "kafka")]
    kafka::ENTRY,
];

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fake_hosts;
