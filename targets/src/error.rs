//! Why a target could not do what it was asked.

use std::time::Duration;

use schism_lab::{HostError, NodeId};

/// Why a target could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The node could not.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A node or the cluster did not come up in time.
    #[error("{who}: {what} within {within:?}{log}")]
    NotReady {
        /// The node or the target.
        who: String,
        /// What did not happen.
        what: String,
        /// How long was waited.
        within: Duration,
        /// The last lines of its log, or nothing.
        log: String,
    },
    /// The target has no such operation.
    #[error("{target} cannot {what}")]
    Unsupported {
        /// The target.
        target: &'static str,
        /// What was asked.
        what: &'static str,
    },
    /// The nodes do not suffice for what the plan asks.
    #[error("{target}: {problem}")]
    Unfit {
        /// The target.
        target: &'static str,
        /// What is missing, and the remedy.
        problem: String,
    },
    /// No connection to a node.
    #[error("{node}: no connection: {problem}")]
    Connect {
        /// The node.
        node: NodeId,
        /// What went wrong.
        problem: String,
    },
}
