//! The nodes that a target stands on.

use std::sync::Arc;

use schism_lab::{Host, Node, NodeId};

/// The nodes of a lab with a target on them.
#[derive(Clone)]
pub struct Cluster {
    /// The nodes, in order of their names. Empty for targets inside the controller.
    pub hosts: Vec<Arc<dyn Host>>,
}

impl Cluster {
    /// The host of the node `id`.
    pub fn host(&self, id: NodeId) -> Option<&Arc<dyn Host>> {
        self.hosts.iter().find(|host| host.node().id == id)
    }

    /// The nodes, in order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.hosts.iter().map(|host| host.node())
    }
}
