//! What follows from what the nemesis knows of the cluster.

use std::collections::BTreeMap;

use schism_lab::{End, NodeId};

use crate::View;
use crate::roles::nobody;

impl View {
    /// The node that plays a role now; where several say so, the one that was given it last.
    pub(crate) fn player(&self, role: &str) -> Result<NodeId, String> {
        let players = self.playing.get(role).and_then(|players| players.first());
        players.copied().ok_or_else(|| nobody(role))
    }

    /// Roles in thought, each played by another of these nodes as long as there are some.
    pub(crate) fn cast(
        roles: &[&'static str],
        nodes: &[NodeId],
        first: usize,
    ) -> BTreeMap<&'static str, Vec<NodeId>> {
        let turn = nodes.iter().cycle().skip(first % nodes.len().max(1));
        roles.iter().zip(turn).map(|(role, node)| (*role, vec![*node])).collect()
    }

    /// The ends of links where clients are.
    pub(crate) fn client_ends(&self) -> Vec<End> {
        if self.clients.is_empty() {
            return vec![End::Controller];
        }
        self.clients.iter().copied().map(End::Node).collect()
    }

    /// The nodes on which an effect of this kind can't be held now: one of the kind is there already,
    /// or nothing runs that it could be about.
    pub(crate) fn taken(&self, kind: &str) -> Vec<NodeId> {
        let held = self.held.iter().filter(|(_, other)| *other == kind).map(|(node, _)| *node);
        let mut taken: Vec<NodeId> = self.down.iter().copied().chain(held).collect();
        taken.sort_unstable();
        taken.dedup();
        taken
    }
}
