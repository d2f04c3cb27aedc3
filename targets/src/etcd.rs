//! etcd, from 3.4 on: a system package, a given program, or a release built from its module.
//!
//! Nodes are asked over the JSON gateway that every release has, by plain HTTP: no retries, and each
//! answer is the node's own.

mod changes;
mod client;
mod first_start;
mod gateway;
mod locks;
mod members;
mod membership;
mod registers;
mod release;
mod session;
mod sets;
mod settings;
#[cfg(test)]
mod tests;
mod transactions;
mod trouble;
mod upkeep;
mod watches;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{Evidence, OptionError, Process};
use schism_lab::{Command, Host, HostError, Node, NodeId};
use tokio::time::Instant;

use crate::clock_sight::by_seconds;
use crate::log_tail::last_lines;
use crate::program::run;
use crate::{Client, ClockSight, Cluster, Target, TargetEntry, TargetError, Upkeep};
use changes::{CHANGE, Change, change};
use client::EtcdClient;
use first_start::Turns;
use members::{Questions, leaders, peer_url, settled, standing_on};
use settings::Settings;
use wire::Member;

const NAME: &str = "etcd";

/// How long one node is given to answer while the cluster is waited for, and the pause after.
const ASK: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);
/// How long a program may take to say its version.
const RUN: Duration = Duration::from_secs(10);
/// How long the members may take to be told.
const LIST: Duration = Duration::from_secs(15);

/// The row of this target.
pub(crate) const ENTRY: TargetEntry = TargetEntry {
    name: NAME,
    summary: "etcd 3.4 or later, over its JSON gateway",
    needs_lab: true,
    operations: &[
        "read", "write", "cas", "add", "read-set", "txn", "append", "acquire", "release", "delete",
        "watch",
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
        "leave",
        "compact",
        "defragment",
    ],
    roles: &[],
    options: settings::OPTIONS,
    fits: |_, _| Ok(()),
    construct,
};

/// Where a node listens, on its own address.
#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    peers: u16,
    /// Served from the moment that the process starts; the clients' port only when there is a
    /// leader, so that it does not tell a node that is there from one that waits for others.
    metrics: u16,
}

const PORTS: Ports = Ports { clients: 2379, peers: 2380, metrics: 2381 };

struct Etcd {
    settings: Settings,
    /// The release, once somebody asked.
    version: OnceLock<Option<String>>,
    questions: Questions,
    /// With which members those nodes start that were added later: `n1=http://…,n2=…`.
    joined: Mutex<BTreeMap<NodeId, String>>,
    /// The nodes that leave or have left, each with the number of the member that stood there.
    left: Mutex<BTreeMap<NodeId, String>>,
    turns: Turns,
}

fn construct(given: &serde_json::Value) -> Result<Arc<dyn Target>, OptionError> {
    Ok(Arc::new(Etcd::from_options(given)?))
}

impl Etcd {
    fn from_options(given: &serde_json::Value) -> Result<Self, OptionError> {
        Ok(Self {
            settings: Settings::read(given)?,
            version: OnceLock::new(),
            questions: Questions::new(),
            joined: Mutex::default(),
            left: Mutex::default(),
            turns: Turns::default(),
        })
    }

    /// Where a node keeps what must survive a crash.
    fn data(node: &Node) -> PathBuf {
        node.data.join(NAME)
    }

    /// How a node is started.
    fn command(&self, cluster: &Cluster, node: &Node) -> Command {
        let url = |port| format!("http://{}", SocketAddr::new(node.address, port));
        let all = cluster.nodes().map(|node| format!("{}={}", node.id, peer_url(node)));
        let all = all.collect::<Vec<_>>().join(",");
        let joined = self.joined.lock().expect("no code panics while it holds this lock");
        let (members, state) = match joined.get(&node.id) {
            Some(members) => (members.clone(), "existing"),
            None => (all, "new"),
        };
        let mut argv = vec![self.settings.program.on(node).display().to_string()];
        let mut option = |name: &str, value: String| argv.push(format!("--{name}={value}"));
        option("name", node.id.to_string());
        option("data-dir", Self::data(node).display().to_string());
        option("listen-peer-urls", url(PORTS.peers));
        option("initial-advertise-peer-urls", url(PORTS.peers));
        option("listen-client-urls", url(PORTS.clients));
        option("advertise-client-urls", url(PORTS.clients));
        option("listen-metrics-urls", url(PORTS.metrics));
        option("initial-cluster", members);
        option("initial-cluster-state", state.into());
        option("initial-cluster-token", "schism".into());
        // One line of JSON an event, in every release.
        option("logger", "zap".into());
        for (name, value) in self.settings.arguments() {
            option(name, value);
        }
        argv.extend(self.settings.flags.iter().cloned());
        Command::new(argv)
    }

    /// Who leaves or has left. Never held over a wait.
    fn left(&self) -> MutexGuard<'_, BTreeMap<NodeId, String>> {
        self.left.lock().expect("no code panics while it holds this lock")
    }

    /// Keeps with which members a node starts that was added.
    fn joins(&self, cluster: &Cluster, node: &Node, members: &[Member]) {
        let named = cluster.nodes().filter(|node| standing_on(members, node).is_some());
        let named = named.map(|node| format!("{}={}", node.id, peer_url(node)));
        let named = named.collect::<Vec<_>>().join(",");
        let mut joined = self.joined.lock().expect("no code panics while it holds this lock");
        joined.insert(node.id, named);
    }

    /// Why the cluster is not ready: the first node that is silent, or the want of a leader.
    async fn not_ready(
        &self,
        cluster: &Cluster,
        silent: Option<NodeId>,
        within: Duration,
    ) -> TargetError {
        let Some(node) = silent.and_then(|id| cluster.nodes().find(|node| node.id == id)) else {
            let what = "not all nodes knew the same leader".into();
            let (who, log) = (self.describe(), String::new());
            return TargetError::NotReady { who, what, within, log };
        };
        let what = format!("etcd did not answer a read on {}", PORTS.clients);
        let log = last_lines(&node.logs.join(self.logs()[0])).await;
        TargetError::NotReady { who: node.id.to_string(), what, within, log }
    }

    /// What the program is missing, if it cannot be started.
    fn absent(&self, node: &Node, problem: &str) -> TargetError {
        let (program, remedy) =
            (self.settings.program.here().display(), self.settings.program.remedy());
        let problem = format!("{program} does not say its version ({problem}); {remedy}");
        HostError { node: node.id, problem, source: None }.into()
    }

    /// A change of the members that did not come about.
    fn unchanged(node: &Node, what: &str, problem: &str) -> TargetError {
        let problem = format!("could not be {what} among etcd's members: {problem}");
        HostError { node: node.id, problem, source: None }.into()
    }
}

fn host<'a>(cluster: &'a Cluster, node: &Node) -> Result<&'a Arc<dyn Host>, TargetError> {
    let outside = TargetError::Unsupported { target: NAME, what: "run outside its cluster" };
    cluster.host(node.id).ok_or(outside)
}

#[async_trait]
impl Target for Etcd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> String {
        let version = self.version.get_or_init(|| release::version(self.settings.program.here()));
        let version = version.as_deref().unwrap_or("of an unknown version");
        let reads = if self.settings.reads.serializable() { ", serializable reads" } else { "" };
        format!("{NAME} {version}{reads}")
    }

    fn configuration(&self) -> Vec<(String, String)> {
        self.settings.configuration()
    }

    fn provide(&self) -> Result<(), String> {
        self.settings.program.provide()
    }

    /// Looks whether the program is there, and is an etcd; brings it there, if it is kept here.
    async fn install(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        self.settings.program.bring(&**host(cluster, node)?).await?;
        let binary = self.settings.program.on(node).display().to_string();
        let output = host(cluster, node)?.run(&Command::new([&*binary, "--version"]), RUN).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        if release::said(&text).is_some() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.lines().next().unwrap_or("it said nothing").to_owned();
        Err(self.absent(node, words.trim()))
    }

    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let (host, command) = (host(cluster, node)?, self.command(cluster, node));
        let peers = SocketAddr::new(node.address, PORTS.peers);
        Ok(self.turns.start(node.id, peers, host.start(NAME, &command)).await?)
    }

    /// Returns when every node answers a linearizable read, and all know the same leader.
    async fn ready(&self, cluster: &Cluster, within: Duration) -> Result<(), TargetError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let read = self.questions.readable(cluster, ASK.min(left)).await;
            let silent = read.iter().find(|(_, answer)| answer.is_none()).map(|(id, _)| *id);
            if silent.is_none() && settled(&self.questions.statuses(cluster, ASK.min(left)).await) {
                return Ok(());
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(self.not_ready(cluster, silent, within).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn wipe(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let data = Self::data(node).display().to_string();
        run(&**host(cluster, node)?, &["rm", "-rf", "--", &data]).await?;
        self.turns.wiped(node.id);
        Ok(())
    }

    async fn members(&self, cluster: &Cluster) -> Result<Vec<NodeId>, TargetError> {
        let listed = self.questions.members(cluster, None, LIST).await;
        let (members, _) = listed.map_err(|problem| TargetError::NotReady {
            who: NAME.into(),
            what: format!("no node told the members ({problem})"),
            within: LIST,
            log: String::new(),
        })?;
        let stands = |node: &&Node| standing_on(&members, node).is_some();
        Ok(cluster.nodes().filter(stands).map(|node| node.id).collect())
    }

    /// Adds a node, whose data must have been wiped and which is started afterwards.
    async fn add(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let members = change(&self.questions, cluster, node, Change::Add, CHANGE).await;
        let members = members.map_err(|problem| Self::unchanged(node, "added", &problem))?;
        self.joins(cluster, node, &members);
        Ok(())
    }

    async fn remove(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let members = change(&self.questions, cluster, node, Change::Remove, CHANGE).await;
        members.map(drop).map_err(|problem| Self::unchanged(node, "removed", &problem))
    }

    async fn keep_up(&self, cluster: &Cluster, act: &Upkeep, within: Duration) -> Evidence {
        match act {
            Upkeep::Compact { keep } => self.compact(cluster, *keep, within).await,
            Upkeep::Defragment(nodes) => self.defragment(cluster, nodes, within).await,
            Upkeep::Leave(nodes) => self.let_go(cluster, nodes, within).await,
            Upkeep::Reshard { .. } => {
                Evidence { seen: false, text: format!("{NAME} cannot {act}").into() }
            }
        }
    }

    async fn settle(&self, cluster: &Cluster, act: &Upkeep, within: Duration) -> Evidence {
        match act {
            Upkeep::Leave(nodes) => self.bring_back(cluster, nodes, within).await,
            _ => self.answering(cluster, within).await,
        }
    }

    async fn primaries(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        Ok(leaders(&self.questions.statuses(cluster, within).await))
    }

    /// When the process started, as it says itself, to a hundredth of a second.
    async fn incarnation(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let text = self.questions.of(node).metrics(within).await;
        let line = |text: String| {
            let line = text.lines().find_map(|it| it.strip_prefix("process_start_time_seconds "));
            line.map(str::to_owned)
        };
        Ok(text.and_then(line))
    }

    async fn clock(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<ClockSight>, TargetError> {
        let gateway = self.questions.of(node);
        Ok(by_seconds(within, |left| gateway.date(left)).await)
    }

    /// Without the counters of every method by every code, five sixths of the text and nearly all
    /// of them zero.
    async fn metrics(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let text = self.questions.of(node).metrics(within).await;
        let wanted = |line: &&str| !line.contains("grpc_server_");
        let keep = |text: String| {
            text.lines().filter(wanted).fold(String::new(), |kept, line| kept + line + "\n")
        };
        Ok(text.map(keep))
    }

    fn logs(&self) -> &'static [&'static str] {
        &["etcd.log"]
    }

    /// A client that speaks to `node` alone. It connects when it is first asked.
    async fn connect(
        &self,
        _: &Cluster,
        node: &Node,
        _: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        Ok(Box::new(EtcdClient::new(node, &self.settings)))
    }
}
