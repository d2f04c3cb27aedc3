//! What is not well with a system when a run's load is over, in the words of its nodes.

use schism_lab::NodeId;

/// What clients complained of, so that the system is asked about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// Members of a group were given nothing to read, or were given up by their own library.
    pub unsettled: bool,
    /// Clients were given up by their own library, not as members of a group.
    pub fatal: bool,
}

/// Something that is not well, and the node that could tell why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwell {
    /// What, as part of a sentence: `nobody leads log-0-0 (last in sync: n1), as n2 sees it`.
    pub what: String,
    /// The node that should have done better.
    pub node: Option<NodeId>,
    /// The last lines of its log; empty where there are none to be read.
    pub log: Vec<String>,
}
