//! How the topics of a run are made.

use super::keys::Layout;

/// What every topic that a workload's keys mean is made with. Whoever first uses a key makes its topic;
/// one that exists already is fine, since all are made alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    /// Which keys stand on which topics, and how many partitions those have.
    pub(crate) layout: Layout,
    /// How many replicas each partition has.
    pub(crate) replication: i32,
    /// The topics' own configuration, by Kafka's names.
    pub(crate) config: Vec<(String, String)>,
}
