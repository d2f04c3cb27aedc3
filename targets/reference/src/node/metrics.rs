//! A node's figures, as Prometheus text.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::raft::{Machine, Role};

/// The label of a client's operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    /// ok, fail or info.
    pub outcome: &'static str,
}

/// The figures.
pub(super) struct Metrics {
    registry: Registry,
    term: Gauge,
    is_leader: Gauge,
    commit_index: Gauge,
    applied_index: Gauge,
    log_entries: Gauge,
    /// Campaigns of this node.
    pub elections: Counter<u64, AtomicU64>,
    /// Snapshots that it took.
    pub snapshots: Counter<u64, AtomicU64>,
    /// How long writing and syncing the log took.
    pub sync_s: Histogram,
    /// Clients' operations by outcome.
    pub operations: Family<Outcome, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("schism_raft"),
            term: Gauge::default(),
            is_leader: Gauge::default(),
            commit_index: Gauge::default(),
            applied_index: Gauge::default(),
            log_entries: Gauge::default(),
            elections: Counter::default(),
            snapshots: Counter::default(),
            sync_s: Histogram::new(exponential_buckets(0.0001, 2.0, 14)),
            operations: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("term", "The latest term seen", self.term.clone());
        registry.register("is_leader", "1 if this node leads", self.is_leader.clone());
        registry.register("commit_index", "The last committed index", self.commit_index.clone());
        registry.register("applied_index", "The last applied index", self.applied_index.clone());
        registry.register("log_entries", "Entries behind the snapshot", self.log_entries.clone());
        registry.register("elections", "Campaigns of this node", self.elections.clone());
        registry.register("snapshots", "Snapshots taken", self.snapshots.clone());
        registry.register("sync_seconds", "Writing and syncing the log", self.sync_s.clone());
        registry.register("client_operations", "Operations of clients", self.operations.clone());
    }

    /// Takes the machine's figures over.
    pub(super) fn update(&self, machine: &Machine) {
        self.term.set(machine.state().term as i64);
        self.is_leader.set(i64::from(*machine.role() == Role::Leader));
        self.commit_index.set(machine.commit() as i64);
        self.applied_index.set(machine.applied() as i64);
        self.log_entries.set(machine.log().len() as i64);
    }

    /// All figures, as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
