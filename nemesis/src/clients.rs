//! Clients that are processes of their own, as the nemesis reaches them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schism_history::Process;
use schism_lab::{Host, NodeId};
use schism_targets::ClockSight;

/// The places of the load's clients. What can be done to a node by its [`Host`] can be done to a
/// client's place; to end a process and to begin one is left to whoever speaks to it.
#[async_trait]
pub trait ClientPlaces: Send + Sync {
    /// The places, in order.
    fn hosts(&self) -> &[Arc<dyn Host>];

    /// Where the client runs that a history calls by this number.
    fn place_of(&self, process: Process) -> Option<NodeId>;

    /// Kills a client, which stays dead until it is started.
    async fn kill(&self, place: NodeId) -> Result<(), String>;

    /// Starts a client where none runs, and returns when it can be asked.
    async fn start(&self, place: NodeId) -> Result<(), String>;

    /// How far the real-time clock that the client's own process sees is ahead of ours, by its next
    /// answer; `None` if none comes in that time, or it does not say. What probes of clocks read.
    async fn clock(&self, place: NodeId, within: Duration) -> Option<ClockSight>;
}
