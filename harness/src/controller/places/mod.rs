//! Clients that are processes, each in a place of its own on the lab's network.
//!
//! The controller hands out operations one by one, records what it hands out before the line leaves
//! and what comes back after the line was read, and knows nothing else of a client. A process that is
//! stopped has the line in its pipe, and does what it says when it goes on, as a program does that
//! was stopped between two of its own lines.

mod place;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schism_history::Process;
use schism_lab::{Command, Host, Node, NodeId};
use schism_nemesis::ClientPlaces;
use schism_targets::{Client, ClockSight, Cluster};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::place::{Place, PlacedClient};
use crate::client::lines::{Hello, NodeLine, VERSION};
use crate::plan::Choice;

/// How long an answer may be on its way through the pipe, in seconds, on a machine that is not late.
const PIPE_S: f64 = 0.02;

/// All clients of a run.
pub struct Places {
    places: Vec<Arc<Place>>,
    hosts: Vec<Arc<dyn Host>>,
}

impl Places {
    /// One client for each of `hosts`; `command` runs there, or this program's own client.
    /// Clients are dealt to the nodes in turn.
    pub fn new(
        hosts: Vec<Arc<dyn Host>>,
        command: Option<&[String]>,
        target: &Choice,
        cluster: &Cluster,
    ) -> Self {
        let own = || vec!["schism".to_owned(), "client".to_owned()];
        let mut command = Command::new(command.map_or_else(own, <[String]>::to_vec));
        // Where the plan was started, so that a script is found by the name that the plan has for it.
        command.folder = std::env::current_dir().ok();
        let line = |node: &Node| NodeLine { node: node.id.to_string(), address: node.address };
        let nodes: Vec<NodeLine> = cluster.nodes().map(line).collect();
        let place = |(number, host): (usize, &Arc<dyn Host>)| {
            let node = nodes.get(number % nodes.len().max(1));
            let hello = Hello {
                version: VERSION,
                client: host.node().id.to_string(),
                target: target.name.clone(),
                options: target.options.clone(),
                nodes: nodes.clone(),
                node: node.map(|node| node.node.clone()).unwrap_or_default(),
            };
            Arc::new(Place::new(host.clone(), command.clone(), hello))
        };
        let places = hosts.iter().enumerate().map(place).collect();
        Self { places, hosts }
    }

    /// Starts all of them, at once.
    pub async fn start_all(&self) -> Result<(), String> {
        let mut starts = JoinSet::new();
        for place in &self.places {
            let place = place.clone();
            starts.spawn(async move { place.start().await });
        }
        // One is enough to tell what is wrong with all.
        starts.join_all().await.into_iter().collect()
    }

    /// Returns when the client of `thread` is there and idle: the number of its process' life.
    pub async fn ready(
        &self,
        thread: u32,
        patience: Duration,
        stop: &CancellationToken,
    ) -> Option<u32> {
        self.places.get(thread as usize)?.ready(patience, stop).await
    }

    /// A client for `process` of `thread`; `None` where there is no such thread.
    pub fn client(&self, thread: u32, process: Process) -> Option<Box<dyn Client>> {
        let place = self.places.get(thread as usize)?.clone();
        Some(Box::new(PlacedClient { place, process }))
    }

    /// What the reader of the report should know.
    pub fn take_notes(&self) -> Vec<String> {
        let notes = self.places.iter().flat_map(|place| place.take_notes());
        notes.map(|note| format!("{note}.")).collect()
    }

    fn place(&self, id: NodeId) -> Result<&Arc<Place>, String> {
        let place = self.places.iter().find(|place| place.host().node().id == id);
        place.ok_or_else(|| format!("{id} is no client"))
    }
}

#[async_trait]
impl ClientPlaces for Places {
    fn hosts(&self) -> &[Arc<dyn Host>] {
        &self.hosts
    }

    /// Process numbers go up by the count of threads and one for what is shed.
    fn place_of(&self, process: Process) -> Option<NodeId> {
        let thread = process.0 as usize % (self.places.len() + 1);
        self.hosts.get(thread).map(|host| host.node().id)
    }

    async fn kill(&self, place: NodeId) -> Result<(), String> {
        self.place(place)?.kill().await
    }

    async fn start(&self, place: NodeId) -> Result<(), String> {
        self.place(place)?.start().await
    }

    async fn clock(&self, place: NodeId, within: Duration) -> Option<ClockSight> {
        let ahead_s = self.place(place).ok()?.ahead_s(within).await?;
        // What an answer takes through the pipe makes the clock seem behind, by little.
        Some(ClockSight { ahead_s, give_or_take_s: PIPE_S })
    }
}
