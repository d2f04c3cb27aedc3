//! Links between nodes, and what is to happen to them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::NodeId;

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The controller, where the clients are that have no place of their own.
    Controller,
    /// A node, or the place of a client.
    Node(NodeId),
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Controller => formatter.write_str("controller"),
            End::Node(node) => node.fmt(formatter),
        }
    }
}

/// What happens to the frames of one directed link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkRule {
    /// Frames vanish.
    pub drop: bool,
    /// Frames are queued until a rule without `hold` is set; then they go out in order. The queue
    /// is bounded (the switch says by how much); what does not fit vanishes.
    pub hold: bool,
    /// Frames come later by this much.
    pub delay: Duration,
    /// … plus or minus up to this much, drawn evenly from the switch's seed. Order is kept.
    pub jitter: Duration,
}

/// The rules of all directed links; a link without an entry is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkRules(pub BTreeMap<(End, End), LinkRule>);
