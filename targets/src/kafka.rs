//! Apache Kafka in `KRaft` mode: brokers that are controllers, too.
//!
//! Each node is asked for its own view, over Kafka's own protocol: who leads, who controls, who
//! coordinates. Metrics, and with them starts and clocks, come from an agent in each JVM.

mod client;
mod distribution;
mod keys;
mod metrics;
mod node;
mod properties;
mod questions;
mod settings;
mod topics;
mod unwell;
mod view;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{OptionError, Process};
use schism_lab::{Host, Node, NodeId};
use tokio::time::Instant;

use crate::clock_sight::by_seconds;
use crate::log_tail::last_lines;
use crate::program::run;
use crate::{Client, ClockSight, Cluster, Complaint, Target, TargetEntry, TargetError, Unwell};
use client::{KafkaClient, KnownTopics};
use questions::{Coordinated, coordinators, each};
use settings::Settings;

const NAME: &str = "kafka";

/// How long one node is given to answer while the cluster is waited for, and the pause after.
const ASK: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// How long the members may take to be told.
const LIST: Duration = Duration::from_secs(15);

/// The consumer group of all clients, and what their transactional ids begin with.
const GROUP: &str = "schism";

/// So many of the processes that became clients last are held to be those that are there now.
const PROCESSES: usize = 16;

/// The row of this target.
pub(crate) const ENTRY: TargetEntry = TargetEntry {
    name: NAME,
    summary: "Apache Kafka 3.9 or 4.x in KRaft mode: a log a partition, consumer groups, transactions",
    needs_lab: true,
    operations: &["send", "poll", "txn", "assign", "subscribe", "crash"],
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
    roles: &["controller", "group-coordinator", "transaction-coordinator"],
    options: settings::OPTIONS,
    // What is wrong with the options themselves is said where they are read.
    fits: |given, nodes| Settings::read(given).map_or(Ok(()), |settings| settings.fits(nodes)),
    construct,
};

/// Where a node listens, on its own address.
#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    controllers: u16,
    metrics: u16,
}

const PORTS: Ports = Ports { clients: 9092, controllers: 9093, metrics: 9094 };

struct Kafka {
    settings: Settings,
    http: reqwest::Client,
    /// How many nodes there are: so many that every replica finds one, until a cluster is seen.
    nodes: AtomicUsize,
    /// The nodes that are formatted, so that they start without being looked at again.
    formatted: Mutex<BTreeSet<NodeId>>,
    /// The processes that became clients last: their transactional ids are known by that.
    processes: Mutex<VecDeque<Process>>,
    topics: KnownTopics,
}

fn construct(given: &serde_json::Value) -> Result<Arc<dyn Target>, OptionError> {
    Ok(Arc::new(Kafka::from_options(given)?))
}

impl Kafka {
    fn from_options(given: &serde_json::Value) -> Result<Self, OptionError> {
        Ok(Self {
            settings: Settings::read(given)?,
            http: metrics::http(),
            nodes: AtomicUsize::new(usize::from(u16::MAX)),
            formatted: Mutex::default(),
            processes: Mutex::default(),
            topics: KnownTopics::default(),
        })
    }

    /// Who is formatted. Never held over a wait.
    fn formatted(&self) -> std::sync::MutexGuard<'_, BTreeSet<NodeId>> {
        self.formatted.lock().expect("no code panics while it holds this lock")
    }

    /// What is still missing, as all nodes see it; asks for the internal topics, which are made by that.
    async fn missing(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Option<(Option<NodeId>, String)> {
        let nodes: Vec<NodeId> = cluster.nodes().map(|node| node.id).collect();
        let sights = each(cluster, |node| async move { questions::sight(&node, within).await });
        let controllers =
            each(cluster, |node| async move { questions::controls(&node, within).await });
        let (sights, controllers) = tokio::join!(sights, controllers);
        let missing = view::missing(&nodes, &sights, &controllers);
        let without = |topic: &str| {
            let has =
                |sight: &questions::Sight| sight.partitions.iter().any(|it| it.topic == topic);
            !sights.iter().any(|(_, sight)| has(sight))
        };
        // Topics with as many replicas as nodes can be made once all of them are registered.
        let registered = sights.len() == nodes.len()
            && sights.iter().all(|(_, sight)| nodes.iter().all(|id| sight.brokers.contains(id)));
        if let (true, Some(node)) = (registered, cluster.nodes().next()) {
            let kinds = [
                (view::OFFSETS, Coordinated::Group, GROUP.to_owned()),
                (view::TRANSACTIONS, Coordinated::Transaction, format!("{GROUP}-0")),
            ];
            for (topic, what, id) in kinds {
                if without(topic) {
                    // The first such question makes the topic; whether it did is seen the next time.
                    let _ = coordinators(node, what, &[id], within).await;
                }
            }
        }
        missing
    }

    /// A client connects.
    fn connects(&self, process: Process) {
        let mut processes = self.processes.lock().expect("no code panics while it holds this lock");
        processes.push_back(process);
        if processes.len() > PROCESSES {
            processes.pop_front();
        }
    }

    /// The transactional ids of the clients that connected last. Where they are processes of their own
    /// they connect behind our back, and have the first numbers, until they are retired.
    fn transactional_ids(&self) -> Vec<String> {
        let processes = self.processes.lock().expect("no code panics while it holds this lock");
        let id = |process: u32| format!("{GROUP}-{process}");
        if processes.is_empty() {
            return (0..PROCESSES as u32).map(id).collect();
        }
        processes.iter().map(|process| id(process.0)).collect()
    }

    /// Who coordinates the most of the groups, or transactional ids, of this run's clients.
    async fn coordinating(
        &self,
        cluster: &Cluster,
        what: Coordinated,
        within: Duration,
    ) -> Vec<NodeId> {
        let ids: Vec<String> = match what {
            Coordinated::Group => vec![GROUP.into()],
            Coordinated::Transaction => self.transactional_ids(),
        };
        let ids = Arc::new(ids);
        let answers = each(cluster, |node| {
            let ids = ids.clone();
            async move { coordinators(&node, what, &ids, within).await }
        });
        view::coordinating(&answers.await)
    }
}

fn host<'a>(cluster: &'a Cluster, node: &Node) -> Result<&'a Arc<dyn Host>, TargetError> {
    let outside = TargetError::Unsupported { target: NAME, what: "run outside its cluster" };
    cluster.host(node.id).ok_or(outside)
}

#[async_trait]
impl Target for Kafka {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> String {
        let Settings { distribution, clients, .. } = &self.settings;
        format!("{NAME} {}, {}, {}", distribution.words(), self.settings.words(), clients.words())
    }

    /// Everything that brokers and topics are configured with besides where they stand, by Kafka's names,
    /// and the flags of their JVMs.
    fn configuration(&self) -> Vec<(String, String)> {
        let nodes = self.nodes.load(Ordering::Relaxed);
        let broker = properties::shared(&self.settings, nodes).into_iter();
        let broker = broker.map(|(name, value)| (format!("broker.{name}"), value));
        let topics = self.settings.topics(nodes);
        let topic = topics.config.into_iter().map(|(name, value)| (format!("topic.{name}"), value));
        let features = self.settings.features.iter();
        let feature = features.map(|(name, level)| (format!("feature.{name}"), level.to_string()));
        let mut all: Vec<_> = broker.chain(topic).chain(feature).collect();
        all.push(("topic.replication.factor".into(), topics.replication.to_string()));
        all.push(("topic.partitions".into(), topics.layout.partitions.to_string()));
        all.push(("jvm".into(), node::flags(&self.settings).join(" ")));
        all.extend(self.settings.clients.configuration());
        all
    }

    fn provide(&self) -> Result<(), String> {
        self.settings.distribution.provide()
    }

    async fn install(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        self.nodes.store(cluster.hosts.len(), Ordering::Relaxed);
        node::install(&self.settings, cluster, &**host(cluster, node)?).await
    }

    /// Formats a node that has no data yet, and starts its broker.
    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let host = host(cluster, node)?;
        // A broker that has lost what says that it was formatted must not be made a new one unasked:
        // it refuses to start then, and that is what is to be seen.
        if !self.formatted().contains(&node.id) {
            node::format(&self.settings, cluster, &**host).await?;
            self.formatted().insert(node.id);
        }
        Ok(host.start(NAME, &node::command(&self.settings, node)).await?)
    }

    /// Returns when every broker is registered and not fenced, a controller says that it leads, the
    /// internal topics are there, and no partition of any topic lacks its leader or a replica.
    async fn ready(&self, cluster: &Cluster, within: Duration) -> Result<(), TargetError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some((node, what)) = self.missing(cluster, ASK.min(left)).await else {
                return Ok(());
            };
            if Instant::now() + PAUSE >= deadline {
                // Of a cluster that lacks something as a whole, any log says more than none; but nobody's
                // log is shown as that of a node that nobody waits for.
                let first = cluster.nodes().next();
                let log_of = node.map_or(first, |id| cluster.host(id).map(|host| host.node()));
                let log = match log_of {
                    Some(node) => last_lines(&node.logs.join(self.logs()[0])).await,
                    None => String::new(),
                };
                let who = node.map_or_else(|| self.describe(), |node| node.to_string());
                return Err(TargetError::NotReady { who, what, within, log });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn wipe(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let data = node::data(node).display().to_string();
        self.formatted().remove(&node.id);
        run(&**host(cluster, node)?, &["rm", "-rf", "--", &data]).await
    }

    /// The brokers that are registered and not fenced, as the first node says that knows the most.
    async fn members(&self, cluster: &Cluster) -> Result<Vec<NodeId>, TargetError> {
        let sights = each(cluster, |node| async move { questions::sight(&node, LIST).await }).await;
        let known = sights.into_iter().map(|(_, sight)| sight.brokers).max_by_key(Vec::len);
        known.ok_or_else(|| TargetError::NotReady {
            who: NAME.into(),
            what: "no broker told who is registered".into(),
            within: LIST,
            log: String::new(),
        })
    }

    async fn primaries(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        let sights =
            each(cluster, |node| async move { questions::sight(&node, within).await }).await;
        Ok(view::leading(&sights))
    }

    async fn playing(
        &self,
        cluster: &Cluster,
        role: &str,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        match role {
            "controller" => {
                let answers =
                    each(cluster, |node| async move { questions::controls(&node, within).await });
                Ok(view::controlling(&answers.await))
            }
            "group-coordinator" => Ok(self.coordinating(cluster, Coordinated::Group, within).await),
            "transaction-coordinator" => {
                Ok(self.coordinating(cluster, Coordinated::Transaction, within).await)
            }
            _ => Err(TargetError::Unsupported { target: NAME, what: "name who plays such a role" }),
        }
    }

    async fn incarnation(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let text = metrics::text(&self.http, node, within).await;
        Ok(text.as_deref().and_then(metrics::started))
    }

    async fn clock(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<ClockSight>, TargetError> {
        Ok(by_seconds(within, |left| metrics::date(&self.http, node, left)).await)
    }

    async fn metrics(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        Ok(metrics::text(&self.http, node, within).await)
    }

    async fn unwell(
        &self,
        cluster: &Cluster,
        complaint: Complaint,
        within: Duration,
    ) -> Vec<Unwell> {
        self.troubles(cluster, complaint, within).await
    }

    fn logs(&self) -> &'static [&'static str] {
        &["kafka.log"]
    }

    /// A client that knows all brokers, and that of `node` first. It connects when it is first asked.
    async fn connect(
        &self,
        cluster: &Cluster,
        node: &Node,
        process: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        self.connects(process);
        let others = cluster.nodes().filter(|other| other.id != node.id);
        let brokers = std::iter::once(node).chain(others);
        let brokers = brokers.map(|node| SocketAddr::new(node.address, PORTS.clients)).collect();
        let topics = self.settings.topics(cluster.hosts.len());
        let (settings, known) = (self.settings.clients.clone(), self.topics.clone());
        Ok(Box::new(KafkaClient::new(settings, topics, known, brokers, process)))
    }
}
