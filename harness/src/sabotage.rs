//! Ways to cheat schism, so that its tests can show that it is not fooled.
//!
//! Each wraps one trait. A run under sabotage says so in its record and must end with `unknown`:
//! a tool that reports success on no evidence is worse than none.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{Call, Code, Outcome, Process, Reason, Reply, Value};
use schism_lab::{
    Command, Datagrams, Effect, Host, HostError, LinkRules, Network, NetworkError, Node, NodeId,
    Output, ProcessState, Running,
};
use schism_nemesis::ClientPlaces;
use schism_targets::{Client, ClockSight, Cluster, Target, TargetError};

/// A way to cheat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// No client ever gets through.
    DeadClient,
    /// Every client answers ok at once, always with the same value.
    ConstantClient,
    /// The third node refuses every write.
    RefusingNode,
    /// The switch takes rules and ignores them.
    DeafSwitch,
    /// A kill strikes another process of the node.
    WrongKill,
    /// The nemesis touches nothing.
    IdleNemesis,
}

impl Sabotage {
    /// The cluster as the nemesis sees it.
    pub fn hosts(self, cluster: &Cluster) -> Cluster {
        match self {
            Sabotage::WrongKill | Sabotage::IdleNemesis => {
                let wrap = |host: &Arc<dyn Host>| -> Arc<dyn Host> {
                    Arc::new(FakeHost { host: host.clone(), idle: self == Sabotage::IdleNemesis })
                };
                Cluster { hosts: cluster.hosts.iter().map(wrap).collect() }
            }
            _ => cluster.clone(),
        }
    }

    /// The network as the nemesis sees it.
    pub fn network(self, network: Arc<dyn Network>) -> Arc<dyn Network> {
        match self {
            Sabotage::DeafSwitch | Sabotage::IdleNemesis => Arc::new(DeafNetwork),
            _ => network,
        }
    }

    /// The target as the clients see it.
    pub fn target(self, target: Arc<dyn Target>) -> Arc<dyn Target> {
        match self {
            Sabotage::DeadClient | Sabotage::ConstantClient | Sabotage::RefusingNode => {
                Arc::new(FakeTarget { target, sabotage: self })
            }
            _ => target,
        }
    }
}

impl Sabotage {
    /// A client that is a process, as its thread sees it.
    pub fn client(self, client: Box<dyn Client>, node: &Node) -> Box<dyn Client> {
        match self {
            Sabotage::DeadClient | Sabotage::ConstantClient | Sabotage::RefusingNode => {
                Box::new(FakeClient { client, sabotage: self, third: node.id.0 == 3 })
            }
            _ => client,
        }
    }

    /// The places of clients as the nemesis sees them.
    pub fn places(self, places: Arc<dyn ClientPlaces>) -> Arc<dyn ClientPlaces> {
        match self {
            Sabotage::WrongKill | Sabotage::IdleNemesis => {
                let hosts = self.hosts(&Cluster { hosts: places.hosts().to_vec() }).hosts;
                Arc::new(FakePlaces { places, hosts })
            }
            _ => places,
        }
    }
}

/// Places where the wrong process is struck, or none.
struct FakePlaces {
    places: Arc<dyn ClientPlaces>,
    hosts: Vec<Arc<dyn Host>>,
}

#[async_trait]
impl ClientPlaces for FakePlaces {
    fn hosts(&self) -> &[Arc<dyn Host>] {
        &self.hosts
    }

    fn place_of(&self, process: Process) -> Option<NodeId> {
        self.places.place_of(process)
    }

    async fn kill(&self, place: NodeId) -> Result<(), String> {
        let host = self.hosts.iter().find(|host| host.node().id == place);
        let host = host.ok_or_else(|| format!("{place} is no client"))?;
        host.kill_all().await.map_err(|error| error.to_string())
    }

    async fn start(&self, _: NodeId) -> Result<(), String> {
        // What was never killed is not started twice.
        Ok(())
    }

    async fn clock(&self, place: NodeId, within: Duration) -> Option<ClockSight> {
        self.places.clock(place, within).await
    }
}

struct DeafNetwork;

#[async_trait]
impl Network for DeafNetwork {
    async fn set(&self, _rules: &LinkRules) -> Result<(), NetworkError> {
        Ok(())
    }
}

/// A host that strikes nobody, or a bystander.
struct FakeHost {
    host: Arc<dyn Host>,
    idle: bool,
}

#[async_trait]
impl Host for FakeHost {
    fn node(&self) -> &Node {
        self.host.node()
    }

    async fn run(&self, command: &Command, limit: Duration) -> Result<Output, HostError> {
        self.host.run(command, limit).await
    }

    async fn spawn(&self, command: &Command) -> Result<Running, HostError> {
        self.host.spawn(command).await
    }

    async fn upload(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        self.host.upload(from, to).await
    }

    async fn download(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        self.host.download(from, to).await
    }

    async fn start(&self, _name: &str, _command: &Command) -> Result<(), HostError> {
        // What was never killed is not started twice.
        Ok(())
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        if !self.idle {
            let mut bystander = self.host.spawn(&Command::new(["sleep", "60"])).await?;
            let _ = bystander.start_kill();
            let _ = bystander.wait().await;
        }
        Ok(())
    }

    async fn pause_all(&self) -> Result<(), HostError> {
        if self.idle { Ok(()) } else { self.host.pause_all().await }
    }

    async fn resume_all(&self) -> Result<(), HostError> {
        if self.idle { Ok(()) } else { self.host.resume_all().await }
    }

    async fn processes(&self) -> Result<Vec<ProcessState>, HostError> {
        self.host.processes().await
    }

    async fn datagrams(&self) -> Result<Arc<dyn Datagrams>, HostError> {
        self.host.datagrams().await
    }

    async fn hold(&self, _name: &str, _effect: &Effect) -> Result<(), HostError> {
        Ok(())
    }
}

/// A target whose clients lie.
struct FakeTarget {
    target: Arc<dyn Target>,
    sabotage: Sabotage,
}

#[async_trait]
impl Target for FakeTarget {
    fn name(&self) -> &'static str {
        self.target.name()
    }

    fn describe(&self) -> String {
        self.target.describe()
    }

    fn configuration(&self) -> Vec<(String, String)> {
        self.target.configuration()
    }

    async fn install(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        self.target.install(cluster, node).await
    }

    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        self.target.start(cluster, node).await
    }

    async fn form(&self, cluster: &Cluster) -> Result<(), TargetError> {
        self.target.form(cluster).await
    }

    async fn ready(&self, cluster: &Cluster, within: Duration) -> Result<(), TargetError> {
        self.target.ready(cluster, within).await
    }

    async fn caught_up(
        &self,
        cluster: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<(), TargetError> {
        self.target.caught_up(cluster, node, within).await
    }

    async fn primaries(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        self.target.primaries(cluster, within).await
    }

    async fn playing(
        &self,
        cluster: &Cluster,
        role: &str,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        self.target.playing(cluster, role, within).await
    }

    async fn incarnation(
        &self,
        cluster: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        self.target.incarnation(cluster, node, within).await
    }

    async fn clock(
        &self,
        cluster: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<ClockSight>, TargetError> {
        self.target.clock(cluster, node, within).await
    }

    async fn metrics(
        &self,
        cluster: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        self.target.metrics(cluster, node, within).await
    }

    fn logs(&self) -> &'static [&'static str] {
        self.target.logs()
    }

    async fn connect(
        &self,
        cluster: &Cluster,
        node: &Node,
        process: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        let client = self.target.connect(cluster, node, process).await?;
        Ok(Box::new(FakeClient { client, sabotage: self.sabotage, third: node.id.0 == 3 }))
    }
}

struct FakeClient {
    client: Box<dyn Client>,
    sabotage: Sabotage,
    third: bool,
}

#[async_trait]
impl Client for FakeClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        let reads = matches!(call.op.f.as_str(), "read" | "read-set");
        match self.sabotage {
            Sabotage::DeadClient => Outcome::Fail(Reason::new(Code::Refused, "sabotage")),
            Sabotage::ConstantClient => Outcome::Ok(Reply { value: Value::Int(1), version: None }),
            Sabotage::RefusingNode if self.third && !reads => {
                Outcome::Fail(Reason::new(Code::Unavailable, "sabotage: no writes here"))
            }
            _ => self.client.invoke(call).await,
        }
    }
}
