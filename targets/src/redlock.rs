//! Redlock: a lock over several Redis servers that know nothing of each other.
//!
//! *Source.* "Distributed Locks with Redis", the algorithm as Redis' documentation has it. A client
//! asks all servers for the lock (`SET key owner NX PX lease`), each for a short time; it has the lock
//! if a majority granted it before the lease, less what clocks may drift, ran out. A server that
//! forgets what it granted, because it was killed before that was on its disk or because its clock
//! jumped, takes part in a second majority. And nothing tells a holder that sleeps past its lease:
//! there is no token that what it guards could look at (Kleppmann, "How to do distributed locking").

mod client;
mod settings;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{OptionError, Process};
use schism_lab::{Command, Node, NodeId};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::redis_cluster::{self, PORT, metrics, nodes};
use crate::{Client, ClockSight, Cluster, Target, TargetEntry, TargetError, log_tail};
use client::RedlockClient;
use settings::Settings;

const NAME: &str = "redlock";
/// How long one server is given to answer while all are waited for, and the pause after.
const ASK: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);

/// The row of this target.
pub(crate) const ENTRY: TargetEntry = TargetEntry {
    name: NAME,
    summary: "Redlock: locks granted by a majority of Redis servers that know nothing of each other",
    needs_lab: true,
    operations: &["acquire", "release", "write"],
    faults: &["partition", "kill", "pause", "delay", "hold", "burn", "clock"],
    roles: &[],
    options: settings::OPTIONS,
    fits: |_, _| Ok(()),
    construct,
};

struct Redlock {
    settings: Settings,
    /// What a server said when it was waited for.
    version: OnceLock<String>,
}

fn construct(given: &serde_json::Value) -> Result<Arc<dyn Target>, OptionError> {
    let settings = Settings::read(given)?;
    Ok(Arc::new(Redlock { settings, version: OnceLock::new() }))
}

impl Redlock {
    fn command(&self, node: &Node) -> Command {
        let mut argv = vec![self.settings.program.on(node).display().to_string()];
        let mut option = |name: &str, value: String| argv.extend([format!("--{name}"), value]);
        option("port", PORT.to_string());
        option("bind", node.address.to_string());
        // A server that is bound to an address refuses strangers otherwise; here all are strangers.
        option("protected-mode", "no".into());
        option("daemonize", "no".into());
        option("dir", redis_cluster::data(node).display().to_string());
        option("save", String::new());
        argv.extend(self.settings.arguments());
        Command::new(argv)
    }

    /// What each server says of itself, all asked at once, in their order.
    async fn views(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Vec<(NodeId, Option<nodes::View>)> {
        let mut asked = JoinSet::new();
        for node in cluster.nodes() {
            let (id, address) = (node.id, address(node));
            asked.spawn(async move { (id, nodes::info(address, within).await) });
        }
        let mut views = asked.join_all().await;
        views.sort_by_key(|(id, _)| *id);
        views
    }
}

fn address(node: &Node) -> SocketAddr {
    SocketAddr::new(node.address, PORT)
}

#[async_trait]
impl Target for Redlock {
    fn name(&self) -> &'static str {
        NAME
    }

    /// The version is known once the servers have answered.
    fn describe(&self) -> String {
        let version = self.version.get().map(|it| format!(" on Redis {it}")).unwrap_or_default();
        format!("{NAME}{version}, {}", self.settings.words())
    }

    fn configuration(&self) -> Vec<(String, String)> {
        self.settings.configuration()
    }

    fn provide(&self) -> Result<(), String> {
        self.settings.program.provide()
    }

    async fn install(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        redis_cluster::install(cluster, node, &self.settings.program, NAME).await
    }

    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let host = redis_cluster::host_of(cluster, node)?;
        Ok(host.start("redis", &self.command(node)).await?)
    }

    /// Returns when every server answers.
    async fn ready(&self, cluster: &Cluster, within: Duration) -> Result<(), TargetError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let views = self.views(cluster, ASK.min(left)).await;
            let version = views.iter().find_map(|(_, view)| view.as_ref()?.field("redis_version"));
            if let Some(version) = version {
                let _ = self.version.set(version.to_owned());
            }
            let Some((silent, _)) = views.iter().find(|(_, view)| view.is_none()) else {
                return Ok(());
            };
            if Instant::now() + PAUSE >= deadline {
                let host = cluster.host(*silent);
                let log = host.map(|it| it.node().logs.join(self.logs()[0])).unwrap_or_default();
                let what = format!("redis-server did not answer on {PORT}");
                let (who, log) = (silent.to_string(), log_tail::last_lines(&log).await);
                return Err(TargetError::NotReady { who, what, within, log });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn wipe(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        redis_cluster::wipe(cluster, node).await
    }

    async fn incarnation(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let view = nodes::info(address(node), within).await;
        Ok(view.and_then(|view| view.field("run_id").map(str::to_owned)))
    }

    /// By which it ends what it granted.
    async fn clock(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<ClockSight>, TargetError> {
        Ok(nodes::clock(address(node), within).await)
    }

    async fn metrics(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        Ok(nodes::info(address(node), within).await.as_ref().map(metrics::text))
    }

    fn logs(&self) -> &'static [&'static str] {
        &["redis.log"]
    }

    /// A client of all servers, whichever node it is said to speak to.
    async fn connect(
        &self,
        cluster: &Cluster,
        _: &Node,
        process: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        let servers = cluster.nodes().map(|node| (node.id, address(node))).collect();
        Ok(Box::new(RedlockClient::new(servers, process, &self.settings)))
    }
}
