//! What a fault is shown of the cluster when its turn has come.

use std::collections::BTreeMap;
use std::time::Duration;

use schism_lab::NodeId;
use schism_targets::Cluster;
use tokio::time::Instant;

use super::{Hands, Turn};
use crate::{LEADER, View};

/// How long the nodes are asked who leads, or who plays a role that takes more than one question to
/// find out, and how long one of them may take.
const LEADER_WITHIN: Duration = Duration::from_secs(1);
const ROLES_WITHIN: Duration = Duration::from_secs(3);
const ASK_WITHIN: Duration = Duration::from_millis(300);
const ASK_ROLE_WITHIN: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What a fault must know of the cluster to find its victims.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matters {
    /// Who plays these roles.
    pub(crate) roles: Vec<&'static str>,
    /// Which client holds a lock.
    pub(crate) holder: bool,
}

impl Matters {
    /// Whether all that matters is known.
    pub(crate) fn known(&self, view: &View) -> bool {
        let held = || view.holders.iter().any(|holder| !view.down.contains(holder));
        self.roles.iter().all(|role| view.player(role).is_ok()) && (!self.holder || held())
    }
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

    /// A turn, and the cluster as it is then. Who plays which role is asked only where it matters,
    /// since asking takes time; others may have their turn meanwhile, so that no fault is made longer
    /// by it. Where it matters who holds a lock, it is waited for that somebody does who is not down.
    pub(crate) async fn turn_with_view(&self, matters: &Matters) -> (Turn<'_>, View) {
        let leads = matters.roles.iter().all(|role| *role == LEADER);
        let deadline = Instant::now() + if leads { LEADER_WITHIN } else { ROLES_WITHIN };
        loop {
            let asked = self.players(&matters.roles).await;
            let turn = self.turn.lock().await;
            let (down, held) = {
                let standing = self.standing();
                (standing.down(), standing.effects())
            };
            let held = held.into_iter().map(|(_, node, kind)| (node, kind)).collect();
            let hopeless = asked.is_err() || Instant::now() >= deadline;
            let mut playing = asked.unwrap_or_default();
            // One that was struck while we asked plays nothing more.
            for players in playing.values_mut() {
                players.retain(|node| !down.contains(node));
            }
            let nodes = self.cluster.nodes().map(|node| node.id).collect();
            let clients = self.clients().iter().map(|host| host.node().id).collect();
            let view = View { nodes, playing, down, clients, holders: self.holders(), held };
            if matters.known(&view) || hopeless {
                return (turn, view);
            }
            drop(turn);
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Who plays each of these roles.
    async fn players(
        &self,
        roles: &[&'static str],
    ) -> Result<BTreeMap<&'static str, Vec<NodeId>>, String> {
        let mut playing = BTreeMap::new();
        for role in roles {
            let within = if *role == LEADER { ASK_WITHIN } else { ASK_ROLE_WITHIN };
            playing.insert(*role, self.playing(role, within).await?);
        }
        Ok(playing)
    }

    /// The nodes that play this role now, the most recent first. Those that are held down are not
    /// asked: they would only keep the others' answers waiting.
    pub(crate) async fn playing(
        &self,
        role: &'static str,
        within: Duration,
    ) -> Result<Vec<NodeId>, String> {
        let down = self.standing().down();
        let up = self.cluster.hosts.iter().filter(|host| !down.contains(&host.node().id));
        let up = Cluster { hosts: up.cloned().collect() };
        let asked = async {
            match role {
                LEADER => self.target.primaries(&up, within).await,
                role => self.target.playing(&up, role, within).await,
            }
        };
        match tokio::time::timeout(within * 2, asked).await {
            Ok(players) => players.map_err(|error| error.to_string()),
            Err(_) => Ok(Vec::new()),
        }
    }
}
