//! The bundled reference systems, as targets on the nodes of a lab.
//!
//! The nodes themselves are a crate of their own, which this one does not import: they are started
//! as `schism node …` and spoken to over the network, as any other system is.

mod client;
mod status;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use schism_history::{OptionError, Options, Process, TraceId};
use schism_lab::{Command, Node, NodeId};
use tokio::time::Instant;

use crate::clock_sight::Asked;
use crate::{Client, ClockSight, Cluster, Target, TargetEntry, TargetError};
use client::ReferenceClient;
use status::{Health, Status, leaders, settled};

const NAME: &str = "reference";

/// The protocols that there are.
const PROTOCOLS: &[&str] = &["raft"];

/// The bugs that can be planted into a raft node.
const BUGS: &[&str] = &[
    "stale-read",
    "ack-before-commit",
    "buffered-log",
    "drop-on-snapshot",
    "apply-twice",
    "commit-old-term",
    "forget-vote",
    "no-fsync",
    "no-checksum",
];

/// How long one node is given to answer while the cluster is waited for, and the pause after.
const ASK: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);

/// How long removing a node's data may take.
const WIPE: Duration = Duration::from_secs(10);

/// The row of this target.
pub(crate) const ENTRY: TargetEntry = TargetEntry {
    name: NAME,
    summary: "the bundled Raft cluster, correct or with a planted bug",
    needs_lab: true,
    operations: &["read", "write", "cas", "add", "read-set", "txn", "append"],
    faults: &[
        "partition",
        "kill",
        "pause",
        "delay",
        "hold",
        "scenario",
        "burn",
        "clock",
        "disk",
        "power-loss",
        "damage",
        "restart",
        "memory",
        "descriptors",
    ],
    roles: &[],
    options: &[
        ("protocol", "which system: raft; required"),
        (
            "bug",
            "a bug to plant: stale-read, ack-before-commit, buffered-log, drop-on-snapshot, \
             apply-twice, commit-old-term, forget-vote, no-fsync or no-checksum; default: none",
        ),
        ("snapshot_every", "a snapshot after so many log entries; default: the node's own"),
    ],
    fits: |_, _| Ok(()),
    construct,
};

/// Where a node listens, on its own address.
#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    http: u16,
}

const PORTS: Ports = Ports { clients: 7000, http: 7002 };

struct Reference {
    protocol: &'static str,
    bug: Option<&'static str>,
    snapshot_every: Option<u64>,
    ports: Ports,
    status: Status,
    /// How many nodes were started; goes into their seeds.
    starts: AtomicU64,
    /// How many clients were made, and what tells them from those of other controllers.
    clients: AtomicU64,
    salt: u64,
}

fn construct(given: &serde_json::Value) -> Result<Arc<dyn Target>, OptionError> {
    Ok(Arc::new(Reference::from_options(given)?))
}

impl Reference {
    fn from_options(given: &serde_json::Value) -> Result<Self, OptionError> {
        let known: Vec<&str> = ENTRY.options.iter().map(|(key, _)| *key).collect();
        let given = Options::read(given, &known)?;
        let Some(protocol) = given.choice("protocol", PROTOCOLS)? else {
            let problem = format!("`protocol` is missing; it must be {}", PROTOCOLS.join(" or "));
            return Err(OptionError::new(Vec::<String>::new(), problem));
        };
        Ok(Self {
            protocol,
            bug: given.choice("bug", &[&["none"], BUGS].concat())?.filter(|bug| *bug != "none"),
            snapshot_every: given.count("snapshot_every", 1..=1_000_000_000)?,
            ports: PORTS,
            status: Status::new(),
            starts: AtomicU64::new(0),
            clients: AtomicU64::new(0),
            salt: salt(),
        })
    }

    /// Where a node keeps what must survive a crash.
    fn data(&self, node: &Node) -> PathBuf {
        node.data.join(self.protocol)
    }

    /// How a node is started: `schism node raft …`.
    fn command(&self, cluster: &Cluster, node: &Node) -> Command {
        let peers: Vec<String> =
            cluster.nodes().map(|node| format!("{}={}", node.id, node.address)).collect();
        // No two starts draw the same election timeouts, so that no election is tied for ever.
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let seed = u64::from(node.id.0) << 32 | start;
        let mut argv: Vec<String> = ["schism", "node", self.protocol].map(Into::into).into();
        let mut option = |name: &str, value: String| argv.extend([format!("--{name}"), value]);
        option("id", node.id.to_string());
        option("address", node.address.to_string());
        option("peers", peers.join(","));
        option("data", self.data(node).display().to_string());
        option("seed", seed.to_string());
        if let Some(bug) = self.bug {
            option("bug", bug.into());
        }
        if let Some(entries) = self.snapshot_every {
            option("snapshot-every", entries.to_string());
        }
        Command::new(argv)
    }

    /// The identity under which a client's requests are told from those of all others: no other
    /// client of this target has it, though process numbers may come again in another run, and the
    /// salt keeps the clients of other controllers apart.
    fn identity(&self, process: Process) -> u64 {
        let number = self.clients.fetch_add(1, Ordering::Relaxed);
        // The first word is a bijection of the index, so distinct indexes cannot meet in it.
        (TraceId::derive(self.salt, number << 32 | u64::from(process.0)).0 >> 64) as u64
    }

    fn http(&self, node: &Node) -> SocketAddr {
        SocketAddr::new(node.address, self.ports.http)
    }

    /// The health of all nodes, asked at once; `None` for those that do not answer `within`.
    async fn healths(&self, cluster: &Cluster, within: Duration) -> Vec<(NodeId, Option<Health>)> {
        let nodes = cluster.nodes().map(|node| (node.id, self.http(node)));
        self.status.healths(nodes.collect(), within).await
    }

    /// Why the cluster is not ready: the first node that is silent, or the want of a leader.
    async fn not_ready(
        &self,
        cluster: &Cluster,
        silent: Option<NodeId>,
        within: Duration,
    ) -> TargetError {
        let Some(node) = silent.and_then(|id| cluster.nodes().find(|node| node.id == id)) else {
            let (who, what) = (self.describe(), "no single leader was known".into());
            return TargetError::NotReady { who, what, within, log: String::new() };
        };
        let what = format!("{} did not answer on port {}", self.protocol, self.ports.http);
        let log = crate::log_tail::last_lines(&node.logs.join(self.logs()[0])).await;
        TargetError::NotReady { who: node.id.to_string(), what, within, log }
    }
}

#[async_trait]
impl Target for Reference {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> String {
        match self.bug {
            Some(bug) => format!("{NAME} {}, bug {bug}", self.protocol),
            None => format!("{NAME} {}", self.protocol),
        }
    }

    fn configuration(&self) -> Vec<(String, String)> {
        let settings = [
            ("protocol", Some(self.protocol.to_owned())),
            ("bug", self.bug.map(str::to_owned)),
            ("snapshot-every", self.snapshot_every.map(|entries| entries.to_string())),
        ];
        let given = settings.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
        given.collect()
    }

    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let Some(host) = cluster.host(node.id) else {
            return Err(TargetError::Unsupported { target: NAME, what: "run outside its cluster" });
        };
        Ok(host.start(self.protocol, &self.command(cluster, node)).await?)
    }

    /// Returns when every node answers and one of them leads in the latest term.
    async fn ready(&self, cluster: &Cluster, within: Duration) -> Result<(), TargetError> {
        let deadline = Instant::now() + within;
        let mut silent = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let healths = self.healths(cluster, ASK.min(left)).await;
            let first = healths.iter().find(|(_, health)| health.is_none()).map(|(id, _)| *id);
            if first.is_none() && settled(&healths) {
                return Ok(());
            }
            // In a last round that was cut short everybody is silent: that names nobody.
            if left >= ASK || silent.is_none() {
                silent = Some(first);
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(self.not_ready(cluster, silent.flatten(), within).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn wipe(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let Some(host) = cluster.host(node.id) else {
            return Err(TargetError::Unsupported { target: NAME, what: "run outside its cluster" });
        };
        let data = self.data(node).display().to_string();
        let mut command = Command::new(["rm", "-rf", "--", &data]);
        // Removing the working folder, or a part of it, from inside would be asking for trouble.
        command.folder = Some(PathBuf::from("/"));
        let output = host.run(&command, WIPE).await?;
        if output.code == 0 {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let problem = format!("{data} could not be removed: {}", words.trim());
        Err(schism_lab::HostError { node: node.id, problem, source: None }.into())
    }

    async fn primaries(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        let mut leaders = leaders(&self.healths(cluster, within).await);
        leaders.sort_by_key(|&(term, id)| (std::cmp::Reverse(term), id));
        Ok(leaders.into_iter().map(|(_, id)| id).collect())
    }

    async fn incarnation(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let health = self.status.health(self.http(node), within).await;
        Ok(health.map(|health| health.incarnation))
    }

    async fn clock(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<ClockSight>, TargetError> {
        let (asked, health) = Asked::now(self.status.health(self.http(node), within)).await;
        let now_us = health.and_then(|health| health.now_us);
        Ok(now_us.map(|now_us| ClockSight::exact(asked, now_us as f64 / 1e6)))
    }

    async fn metrics(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        Ok(self.status.metrics(self.http(node), within).await)
    }

    fn logs(&self) -> &'static [&'static str] {
        &["raft.log"]
    }

    /// A client that speaks to `node` alone. It connects when it is first asked.
    async fn connect(
        &self,
        _: &Cluster,
        node: &Node,
        process: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        let address = SocketAddr::new(node.address, self.ports.clients);
        Ok(Box::new(ReferenceClient::new(node.id, address, self.identity(process))))
    }
}

/// Something that differs from controller to controller. It is in no history and decides nothing,
/// so that it may come from the clock.
fn salt() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64) ^ u64::from(std::process::id()).rotate_left(40)
}

#[cfg(test)]
mod tests;
