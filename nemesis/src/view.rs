//! What follows from what the nemesis knows of the cluster.

use schism_lab::{End, NodeId};

use crate::View;

impl View {
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
