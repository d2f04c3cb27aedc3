//! Redis Cluster, from the system's own package or a given binary.
//!
//! Nodes are started empty, joined by the commands that `redis-cli --cluster create` gives, and asked
//! over the network alone. The client's mapping of errors stands in `refusal`, and what a write is
//! worth (`WAIT`, `min-replicas-to-write`, append-only files) is for the plan to say.

mod client;
mod close;
mod command;
pub(crate) mod connection;
mod formation;
mod health;
mod locks;
mod membership;
pub(crate) mod metrics;
pub(crate) mod nodes;
pub(crate) mod refusal;
mod reshard;
pub(crate) mod resp;
pub(crate) mod settings;
mod slot;
mod upkeep;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{Evidence, OptionError, Process};
use schism_lab::{Command, Host, HostError, Node, NodeId};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::program::{Program, run};
use crate::{Client, ClockSight, Cluster, Target, TargetEntry, TargetError, Upkeep, log_tail};
use client::RedisClient;
use health::Views;
use locks::Locks;
pub(crate) use locks::RELEASE;
use settings::Settings;
pub(crate) use slot::slot_of;

const NAME: &str = "redis_cluster";

/// Where nodes listen for clients; the cluster's own port is ten thousand above it.
pub(crate) const PORT: u16 = 6379;

/// How long fresh nodes may take to come up and meet.
const FORM_WITHIN: Duration = Duration::from_secs(20);
/// How long one node is given to answer while the cluster is waited for, and the pause after.
const ASK: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);
/// How long a program may take to say its version.
const SAY_WITHIN: Duration = Duration::from_secs(10);

/// The row of this target.
pub(crate) const ENTRY: TargetEntry = TargetEntry {
    name: NAME,
    summary: "Redis Cluster: primaries with replicas, asynchronous replication, failover",
    needs_lab: true,
    operations: &[
        "read",
        "write",
        "cas",
        "add",
        "read-set",
        "increment",
        "txn",
        "append",
        "acquire",
        "release",
    ],
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
        "reshard",
        "leave",
    ],
    roles: &[],
    options: settings::OPTIONS,
    fits: |given, nodes| {
        let replicas = Settings::read(given).map_or(1, |settings| settings.replicas);
        formation::whole(usize::from(nodes), replicas)
    },
    construct,
};

struct RedisCluster {
    settings: Settings,
    port: u16,
    /// What the nodes said when they were formed.
    version: OnceLock<String>,
}

fn construct(given: &serde_json::Value) -> Result<Arc<dyn Target>, OptionError> {
    Ok(Arc::new(RedisCluster::from_options(given)?))
}

impl RedisCluster {
    fn from_options(given: &serde_json::Value) -> Result<Self, OptionError> {
        Ok(Self { settings: Settings::read(given)?, port: PORT, version: OnceLock::new() })
    }

    fn address(&self, node: &Node) -> SocketAddr {
        SocketAddr::new(node.address, self.port)
    }

    fn addresses(&self, cluster: &Cluster) -> Vec<(NodeId, SocketAddr)> {
        cluster.nodes().map(|node| (node.id, self.address(node))).collect()
    }

    fn command(&self, node: &Node) -> Command {
        let mut argv = vec![self.settings.program.on(node).display().to_string()];
        let mut option = |name: &str, value: String| argv.extend([format!("--{name}"), value]);
        let address = node.address.to_string();
        option("port", self.port.to_string());
        option("bind", address.clone());
        // A node that is bound to an address refuses strangers otherwise; here all are strangers.
        option("protected-mode", "no".into());
        option("daemonize", "no".into());
        option("dir", data(node).display().to_string());
        option("cluster-enabled", "yes".into());
        option("cluster-config-file", "nodes.conf".into());
        option("cluster-announce-ip", address);
        // A primary waits so long for more replicas before a full copy; here there are few, and they
        // come one by one.
        option("repl-diskless-sync-delay", "0".into());
        argv.extend(self.settings.arguments());
        Command::new(argv)
    }

    /// What all nodes say, asked at once, in their order.
    async fn views(&self, cluster: &Cluster, within: Duration) -> Views {
        let mut asked = JoinSet::new();
        for (id, address) in self.addresses(cluster) {
            asked.spawn(async move { (id, nodes::view(address, within).await) });
        }
        let mut views = asked.join_all().await;
        views.sort_by_key(|(id, _)| *id);
        views
    }

    /// Why the cluster is not there: the node's own log may tell more.
    async fn not_ready(
        &self,
        cluster: &Cluster,
        (id, what): (NodeId, String),
        within: Duration,
    ) -> TargetError {
        let log = match cluster.host(id) {
            Some(host) => log_tail::last_lines(&host.node().logs.join(self.logs()[0])).await,
            None => String::new(),
        };
        TargetError::NotReady { who: id.to_string(), what, within, log }
    }
}

#[async_trait]
impl Target for RedisCluster {
    fn name(&self) -> &'static str {
        NAME
    }

    /// The version is known once the cluster is formed.
    fn describe(&self) -> String {
        let version = self.version.get().map(|version| format!(" {version}")).unwrap_or_default();
        format!("{NAME}{version}, {}", self.settings.words())
    }

    fn configuration(&self) -> Vec<(String, String)> {
        self.settings.configuration()
    }

    fn provide(&self) -> Result<(), String> {
        self.settings.program.provide()
    }

    async fn install(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        install(cluster, node, &self.settings.program, NAME).await
    }

    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        Ok(host_of(cluster, node)?.start("redis", &self.command(node)).await?)
    }

    async fn form(&self, cluster: &Cluster) -> Result<(), TargetError> {
        let nodes = self.addresses(cluster);
        let roles = formation::roles(nodes.len(), self.settings.replicas)
            .map_err(|problem| TargetError::Unfit { target: NAME, problem })?;
        let deadline = Instant::now() + FORM_WITHIN;
        if let Err(problem) = formation::form(&nodes, &roles, deadline).await {
            return Err(self.not_ready(cluster, problem, FORM_WITHIN).await);
        }
        for (_, address) in nodes {
            let view = nodes::view(address, ASK).await;
            if let Some(version) = view.as_ref().and_then(|view| view.field("redis_version")) {
                let _ = self.version.set(version.to_owned());
                break;
            }
        }
        Ok(())
    }

    /// Returns when every node holds the cluster to be whole, all agree about it, and every replica
    /// is linked to its primary.
    async fn ready(&self, cluster: &Cluster, within: Duration) -> Result<(), TargetError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let views = self.views(cluster, ASK.min(left)).await;
            let Some((node, what)) = health::problem(&views) else { return Ok(()) };
            if Instant::now() + PAUSE >= deadline {
                let problem = (node, format!("{what}, and was not well"));
                return Err(self.not_ready(cluster, problem, within).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn wipe(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        wipe(cluster, node).await
    }

    /// The members as the first node that answers sees them.
    async fn members(&self, cluster: &Cluster) -> Result<Vec<NodeId>, TargetError> {
        let views = self.views(cluster, ASK).await;
        let Some(view) = views.iter().find_map(|(_, view)| view.as_ref()) else {
            let (who, what) = (NAME.to_owned(), "no node answered".to_owned());
            return Err(TargetError::NotReady { who, what, within: ASK, log: String::new() });
        };
        let is_member = |address: &SocketAddr| {
            let mut members = view.members.iter();
            members.any(|member| member.address == Some(*address) && !member.is("handshake"))
        };
        let nodes = self.addresses(cluster).into_iter();
        Ok(nodes.filter(|(_, address)| is_member(address)).map(|(id, _)| id).collect())
    }

    async fn keep_up(&self, cluster: &Cluster, act: &Upkeep, within: Duration) -> Evidence {
        match act {
            Upkeep::Reshard { slots } => self.reshard(cluster, *slots, within).await,
            Upkeep::Leave(nodes) => self.let_go(cluster, nodes, within).await,
            other => Evidence { seen: false, text: format!("{NAME} cannot {other}").into() },
        }
    }

    async fn settle(&self, cluster: &Cluster, act: &Upkeep, within: Duration) -> Evidence {
        match act {
            Upkeep::Leave(_) => self.make_whole(cluster, within).await,
            _ => self.settle_slots(cluster, within).await,
        }
    }

    /// Every node that says that it serves slots as their primary; whoever took over last comes first.
    async fn primaries(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        let views = self.views(cluster, within).await;
        let epoch = |(id, view): &(NodeId, Option<nodes::View>)| {
            view.as_ref().and_then(nodes::View::leads).map(|epoch| (epoch, *id))
        };
        let mut primaries: Vec<(u64, NodeId)> = views.iter().filter_map(epoch).collect();
        primaries.sort_by_key(|&(epoch, id)| (std::cmp::Reverse(epoch), id));
        Ok(primaries.into_iter().map(|(_, id)| id).collect())
    }

    async fn incarnation(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let view = nodes::view(self.address(node), within).await;
        Ok(view.and_then(|view| view.field("run_id").map(str::to_owned)))
    }

    async fn clock(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<ClockSight>, TargetError> {
        Ok(nodes::clock(self.address(node), within).await)
    }

    async fn metrics(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let view = nodes::view(self.address(node), within).await;
        Ok(view.as_ref().map(metrics::text))
    }

    fn logs(&self) -> &'static [&'static str] {
        &["redis.log"]
    }

    /// A client that enters the cluster at `node`. It connects when it is first asked.
    async fn connect(
        &self,
        cluster: &Cluster,
        node: &Node,
        process: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        let names = self.addresses(cluster).into_iter().map(|(id, address)| (address, id));
        let names = Arc::new(names.collect());
        let locks = Locks::new(process, &self.settings);
        Ok(Box::new(RedisClient::new(self.address(node), self.settings.manner, names, locks)))
    }
}

/// Where a node keeps its data, and who else is in its cluster.
pub(crate) fn data(node: &Node) -> PathBuf {
    node.data.join("redis")
}

/// Brings the program to the node where it is kept here, looks whether it runs there, and makes the
/// folder of its data.
pub(crate) async fn install(
    cluster: &Cluster,
    node: &Node,
    program: &Program,
    target: &str,
) -> Result<(), TargetError> {
    let host = host_of(cluster, node)?;
    program.bring(&**host).await?;
    let path = program.on(node).display().to_string();
    let output = host.run(&Command::new([&*path, "--version"]), SAY_WITHIN).await?;
    if output.code != 0 {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("it said nothing").trim().to_owned();
        let remedy = program.remedy();
        let problem = format!("{path}, which {target} needs, does not run here ({said}); {remedy}");
        return Err(HostError { node: node.id, problem, source: None }.into());
    }
    run(&**host, &["mkdir", "-p", "--", &data(node).display().to_string()]).await
}

/// Empties the folder of a node's data.
pub(crate) async fn wipe(cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
    let (host, folder) = (host_of(cluster, node)?, data(node).display().to_string());
    run(&**host, &["rm", "-rf", "--", &folder]).await?;
    run(&**host, &["mkdir", "-p", "--", &folder]).await
}

/// The host of a node.
pub(crate) fn host_of<'a>(
    cluster: &'a Cluster,
    node: &Node,
) -> Result<&'a Arc<dyn Host>, TargetError> {
    let outside = TargetError::Unsupported { target: NAME, what: "run outside its cluster" };
    cluster.host(node.id).ok_or(outside)
}

#[cfg(test)]
mod tests;
