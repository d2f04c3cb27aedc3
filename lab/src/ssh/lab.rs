//! Brings a lab behind SSH up, on all nodes at once, and down again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schism_agent::protocol::{Deed, Hello};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::addresses::{Reached, in_one_family};
use super::bounds::Bounds;
use super::host::SshHost;
use super::install::Programs;
use super::logs::follow;
use super::network::{SshNetwork, distinct};
use super::reach::{Left, Reach, Ware};
use crate::{End, Host, Network, Node, NodeId, Platform};

/// The lease where nobody says otherwise.
pub const USUAL_LEASE: Duration = Duration::from_secs(10);

/// Is told in one line what happens on a node.
pub type Tell = Arc<dyn Fn(String) + Send + Sync>;

/// What a lab is made of.
pub struct Options {
    /// The hosts, in order: the first is n1.
    pub hosts: Vec<Access>,
    /// The folder under which each node's logs end up, here.
    pub logs: PathBuf,
    /// This program as the nodes see it, where they share this machine's files; otherwise it is
    /// copied there.
    pub shared: Option<PathBuf>,
    /// The places of clients, which stand beside the hosts and are reached by nobody over SSH.
    pub places: Vec<(NodeId, IpAddr)>,
    /// How long it may wait for what.
    pub bounds: Bounds,
    /// Is told how it goes.
    pub tell: Tell,
}

/// Why a lab could not be made: every node that is not as it should be, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct LabError {
    /// The problems, each with its node.
    pub problems: Vec<String>,
}

impl LabError {
    fn one(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()] }
    }
}

/// A host that was reached.
struct Met {
    hello: Hello,
    /// Where its sshd was found.
    peer: Option<IpAddr>,
}

/// A running lab. [`Lab::down`] takes it down; dropped, the nodes find that out by themselves.
pub struct Lab {
    hosts: Vec<Arc<SshHost>>,
    network: Arc<SshNetwork>,
    met: Vec<Met>,
    followers: JoinSet<()>,
    stop: CancellationToken,
}

impl Lab {
    /// Connects to all hosts, and starts their agents.
    pub async fn up(options: Options) -> Result<Self, LabError> {
        let ware = if let Some(path) = options.shared.clone() {
            Ware::Shared(path)
        } else {
            let found = tokio::task::spawn_blocking(Programs::find).await;
            let found = found.map_err(|error| LabError::one(error.to_string()))?;
            Ware::Copied(found.map_err(LabError::one)?)
        };
        let token = token();
        let shared = options.shared.is_some();
        let reaches: Vec<Arc<Reach>> = (1..)
            .zip(&options.hosts)
            .map(|(number, access)| {
                let (access, ware) = (access.clone(), ware.clone());
                let (id, token) = (NodeId(number), token.clone());
                Arc::new(Reach::new(id, access, ware, token, options.bounds))
            })
            .collect();
        let met = meet(&reaches, &options.tell).await?;
        let lab = Self::of(reaches, met, &options, shared);
        if lab.is_err() {
            // The agents end with their channels, which are dropped here.
            (options.tell)("the lab is given up".into());
        }
        lab
    }

    fn of(
        reaches: Vec<Arc<Reach>>,
        met: Vec<Met>,
        options: &Options,
        shared: bool,
    ) -> Result<Self, LabError> {
        let mut all = BTreeMap::from([(End::Controller, schism_agent::addresses())]);
        for (reach, met) in reaches.iter().zip(&met) {
            let mut addresses = met.hello.addresses.clone();
            addresses.extend(reach.access.address);
            addresses.sort();
            addresses.dedup();
            all.insert(End::Node(reach.id), addresses);
        }
        let places = options.places.iter();
        all.extend(places.map(|(place, address)| (End::Node(*place), vec![*address])));
        let addresses = distinct(all);
        let mut hosts = Vec::new();
        let mut problems = Vec::new();
        let reached: Vec<Reached> = reaches
            .iter()
            .zip(&met)
            .map(|(reach, met)| {
                let id = reach.id;
                let own = addresses.get(&End::Node(id)).map(Vec::as_slice).unwrap_or_default();
                Reached { id, access: &reach.access, peer: met.peer, own }
            })
            .collect();
        let places = in_one_family(&reached).map_err(|problems| LabError { problems })?;
        for ((reach, met), address) in reaches.iter().zip(&met).zip(places) {
            match make(reach, met, address, options, shared) {
                Ok(host) => hosts.push(Arc::new(host)),
                Err(problem) => problems.push(format!("{}: {problem}", reach.id)),
            }
        }
        if !problems.is_empty() {
            return Err(LabError { problems });
        }
        let stop = CancellationToken::new();
        let mut followers = JoinSet::new();
        // What nodes log that share this machine's files is here already.
        for host in hosts.iter().filter(|_| !shared) {
            followers.spawn(follow(host.clone(), stop.child_token()));
        }
        let network = Arc::new(SshNetwork { reaches, addresses });
        Ok(Self { hosts, network, met, followers, stop })
    }

    /// The nodes, in order.
    pub fn hosts(&self) -> Vec<Arc<dyn Host>> {
        self.hosts.iter().map(|host| host.clone() as Arc<dyn Host>).collect()
    }

    /// The links between the nodes and the controller.
    pub fn network(&self) -> Arc<dyn Network> {
        self.network.clone()
    }

    /// Why links cannot be cut here, if they cannot: the first node that lacks something.
    pub fn cannot_cut(&self) -> Option<String> {
        self.hosts.iter().zip(&self.met).find_map(|(host, met)| {
            let node = host.node.id;
            match (met.hello.root, met.hello.nft) {
                (false, _) => {
                    Some(format!("{node}: its agent is not root, who alone may cut links"))
                }
                (_, false) => Some(format!("{node}: it has no `nft`: `apt-get install nftables`")),
                _ => None,
            }
        })
    }

    /// Why links cannot be slowed down here, if they cannot: the first node that lacks something.
    pub async fn cannot_delay(&self) -> Option<String> {
        for host in &self.hosts {
            if let Err(error) = host.reach.ask(Deed::TryNetem, host.reach.bounds.answer).await {
                return Some(error.to_string());
            }
        }
        None
    }

    /// The lab in words, without anybody's keys.
    pub fn describe(&self) -> String {
        let nodes = self.hosts.iter().map(|host| format!("{} {}", host.node.id, host.node.address));
        let nodes: Vec<String> = nodes.collect();
        format!("SSH, {} nodes: {}", nodes.len(), nodes.join(", "))
    }

    /// Fetches the last of the logs, has everything undone, and closes the connections.
    pub async fn down(mut self) -> Left {
        self.stop.cancel();
        // Each of them ends on its own; the bound is for all.
        let logs = self.hosts.first().map_or(Duration::ZERO, |host| host.reach.bounds.logs);
        let followers = std::mem::take(&mut self.followers);
        let _ = timeout(logs, followers.join_all()).await;
        let mut byes = JoinSet::new();
        for host in &self.hosts {
            let host = host.clone();
            byes.spawn(async move {
                host.note_room().await;
                host.reach.bye().await;
            });
        }
        byes.join_all().await;
        let mut all = Left::default();
        for host in &self.hosts {
            let Left { notes, lost, dirty } = host.reach.take_left();
            all.notes.extend(notes);
            all.lost.extend(lost);
            all.dirty.extend(dirty);
        }
        all
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// All hosts at once; every one that is not within reach is named.
async fn meet(reaches: &[Arc<Reach>], tell: &Tell) -> Result<Vec<Met>, LabError> {
    let mut meetings = JoinSet::new();
    for reach in reaches {
        let (reach, tell) = (reach.clone(), tell.clone());
        meetings.spawn(async move {
            let met = match reach.held().await {
                Ok(held) => {
                    let copied = match held.copied_bytes {
                        0 => String::new(),
                        bytes => format!(", {:.1} MB copied", bytes as f64 / 1e6),
                    };
                    tell(format!("{}: {} is there{copied}", reach.id, reach.access));
                    let (hello, peer) = (held.agent.hello().clone(), held.connection.peer);
                    Ok(Met { hello, peer })
                }
                Err(error) => Err(error.to_string()),
            };
            (reach.id, met)
        });
    }
    let mut met = meetings.join_all().await;
    met.sort_by_key(|(id, _)| *id);
    let (mut there, mut problems) = (Vec::new(), Vec::new());
    for (_, one) in met {
        match one {
            Ok(met) => there.push(met),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(there) } else { Err(LabError { problems }) }
}

fn make(
    reach: &Arc<Reach>,
    met: &Met,
    address: IpAddr,
    options: &Options,
    shared: bool,
) -> Result<SshHost, String> {
    let logs = options.logs.join(reach.id.to_string());
    std::fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let folder = reach.access.folder();
    let there = if shared { logs.clone() } else { folder.join("logs") };
    let node = Node {
        id: reach.id,
        address,
        data: folder.join("data"),
        logs,
        platform: Platform { os: met.hello.os.clone(), arch: met.hello.arch.clone() },
    };
    Ok(SshHost { node, reach: reach.clone(), logs: there.display().to_string() })
}

/// Something that no other run has. It decides nothing, so that it may come from the clock.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}
