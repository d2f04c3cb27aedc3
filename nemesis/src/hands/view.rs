//! What a fault is shown of the cluster when its turn has come.

use std::time::Duration;

use schism_lab::NodeId;
use schism_targets::Cluster;
use tokio::time::Instant;

use super::{Hands, Turn};
use crate::View;

/// How long the nodes are asked who leads, and how long one of them may take.
const LEADER_WITHIN: Duration = Duration::from_secs(1);
const ASK_WITHIN: Duration = Duration::from_millis(300);
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What a fault must know of the cluster to find its victims.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Matters {
    /// Who leads.
    pub(crate) leader: bool,
    /// Which client holds a lock.
    pub(crate) holder: bool,
}

impl Hands {
    /// The places of the clients that hold a lock now, as far as was heard, the most recent first.
    fn holders(&self) -> Vec<NodeId> {
        let (Some(ear), Some(places)) = (&self.ear, &self.places) else { return Vec::new() };
        let mut holders: Vec<NodeId> = Vec::new();
        for place in ear.holders().into_iter().filter_map(|holder| places.place_of(holder)) {
            if !holders.contains(&place) {
                holders.push(place);
            }
        }
        holders
    }

    /// A turn, and the cluster as it is then. Who leads is asked only where it matters, since asking
    /// takes time; others may have their turn meanwhile, so that no fault is made longer by it. Where
    /// it matters who holds a lock, it is waited for that somebody does who is not down.
    pub(crate) async fn turn_with_view(&self, matters: Matters) -> (Turn<'_>, View) {
        let deadline = Instant::now() + LEADER_WITHIN;
        loop {
            let asked = if matters.leader {
                self.target.primaries(&self.cluster, ASK_WITHIN).await
            } else {
                Ok(Vec::new())
            };
            let turn = self.turn.lock().await;
            let (down, held) = {
                let standing = self.standing();
                (standing.down(), standing.effects())
            };
            let held = held.into_iter().map(|(_, node, kind)| (node, kind)).collect();
            let hopeless = asked.is_err() || Instant::now() >= deadline;
            let mut primaries = asked.unwrap_or_default();
            // One that was struck while we asked leads no more.
            primaries.retain(|node| !down.contains(node));
            let holders = self.holders();
            let found = !matters.holder || holders.iter().any(|holder| !down.contains(holder));
            if (!matters.leader || !primaries.is_empty()) && found || hopeless {
                let nodes = self.cluster.nodes().map(|node| node.id).collect();
                let clients = self.clients().iter().map(|host| host.node().id).collect();
                let all = View { nodes, primaries, down, clients, holders, held };
                return (turn, all);
            }
            drop(turn);
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// The nodes that say now that they lead, the most recent first. Those that are held down are
    /// not asked: they would only keep the others' answers waiting.
    pub(crate) async fn leaders(&self, within: Duration) -> Result<Vec<NodeId>, String> {
        let down = self.standing().down();
        let up = self.cluster.hosts.iter().filter(|host| !down.contains(&host.node().id));
        let up = Cluster { hosts: up.cloned().collect() };
        let asked = tokio::time::timeout(within * 2, self.target.primaries(&up, within)).await;
        match asked {
            Ok(leaders) => leaders.map_err(|error| error.to_string()),
            Err(_) => Ok(Vec::new()),
        }
    }
}
