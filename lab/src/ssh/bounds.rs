//! How long a lab behind SSH may wait for what.

use std::time::Duration;

use super::USUAL_LEASE;

/// The longest waits; what does not come in time is an error that names the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For how long an agent keeps up what it does without hearing from here.
    pub lease: Duration,
    /// For each step of the way to a host: connection, greeting, log-in, channel, agent.
    pub reach: Duration,
    /// For what takes an agent a moment; killing and stopping have 5 s of their own.
    pub answer: Duration,
    /// For a file to be copied to or from a host.
    pub copy: Duration,
    /// For the last of a node's logs.
    pub logs: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            lease: USUAL_LEASE,
            reach: Duration::from_secs(10),
            answer: Duration::from_secs(7),
            copy: Duration::from_mins(5),
            logs: Duration::from_secs(30),
        }
    }
}

impl Bounds {
    /// For a new agent: it may have to wait for its predecessor's end.
    pub(super) fn agent(&self) -> Duration {
        self.reach + Duration::from_secs(2)
    }

    /// For the first way to a host, on which programs are copied.
    pub(super) fn first(&self) -> Duration {
        self.reach * 5 + self.copy
    }
}
