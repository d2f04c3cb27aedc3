//! What operators do to a system that runs, and that must not be noticed by its clients.

use std::fmt;

use schism_lab::NodeId;

/// An act of upkeep, done while the load runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// So many slots go from the primary that has most of them to the one that has least.
    Reshard {
        /// How many.
        slots: usize,
    },
    /// These nodes leave the cluster, emptied first; they come back when this is settled.
    Leave(Vec<NodeId>),
    /// What keys held before is forgotten, but for the last revisions.
    Compact {
        /// How many of those are kept.
        keep: u64,
    },
    /// These nodes give the space of what was forgotten back to their disks, one after the other.
    Defragment(Vec<NodeId>),
}

impl fmt::Display for Upkeep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Upkeep::Reshard { slots } => write!(formatter, "reshard {slots} slots"),
            Upkeep::Leave(nodes) => write!(formatter, "leave of {}", names(nodes)),
            Upkeep::Compact { keep: 0 } => formatter.write_str("compact"),
            Upkeep::Compact { keep } => write!(formatter, "compact all but {keep} revisions"),
            Upkeep::Defragment(nodes) => write!(formatter, "defragment {}", names(nodes)),
        }
    }
}

fn names(nodes: &[NodeId]) -> String {
    let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    names.join(", ")
}
