//! The local lab: nodes as namespaces of this machine, joined by a virtual switch.
//!
//! Nothing to install and no root. [`supervise`] founds the namespaces while the process is still
//! single-threaded; [`Lab::up`] makes the nodes. Everything hangs on processes and descriptors
//! that die with the controller, so that the kernel itself cleans up after `kill -9`.
#![allow(unsafe_code)] // Namespaces and TAP devices have no safe interface.

pub mod control;
mod device;
pub mod doctor;
mod holders;
mod host;
mod life;
mod netlink;
pub mod node_init;
mod packet;
pub mod sshd;
mod supervise;
mod switch;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::supervise::{Ended, Refused, supervise};

use self::device::{Attachment, LinkLayer, Ports};
use self::host::LocalHost;
use self::switch::{Switch, SwitchHandle};
use crate::{Host, Network, Node, Platform};

/// How long the making of a whole lab may take; the kernel is slow with 64 nodes, never that slow.
const UP_WITHIN: Duration = Duration::from_mins(1);

/// How many places for clients a lab can have: the addresses that nodes leave free.
pub const CLIENTS_MAX: u16 = 100;

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes, 1 to 64.
    pub nodes: u16,
    /// How many places for clients, at most [`CLIENTS_MAX`]: ports of the switch with namespaces
    /// like a node's, which are no part of the cluster.
    pub clients: u16,
    /// The folder under which each node keeps its data.
    pub data: PathBuf,
    /// The folder under which each node's logs end up.
    pub logs: PathBuf,
    /// The seed of everything that the switch draws.
    pub seed: u64,
}

/// Why a lab could not be made.
#[derive(Debug, thiserror::Error)]
#[error("local lab: {doing}: {source}")]
pub struct LabError {
    /// What was being done.
    pub doing: String,
    /// The operating system's answer.
    #[source]
    pub source: std::io::Error,
}

impl LabError {
    fn new(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self { doing: doing.into(), source }
    }
}

/// A running lab. Dropping it takes it down.
pub struct Lab {
    hosts: Vec<Arc<LocalHost>>,
    clients: Vec<Arc<LocalHost>>,
    switch: Arc<SwitchHandle>,
    link_layer: &'static str,
}

impl Lab {
    /// Makes the nodes and starts the switch. Must be called inside [`supervise`].
    pub async fn up(options: Options) -> Result<Self, LabError> {
        let building = tokio::task::spawn_blocking(move || Self::build(&options));
        let late = |_| {
            let problem = format!("it was not up within {UP_WITHIN:?}");
            LabError::new("nodes and links", std::io::Error::other(problem))
        };
        tokio::time::timeout(UP_WITHIN, building)
            .await
            .map_err(late)?
            .map_err(|error| LabError::new("a thread broke off", std::io::Error::other(error)))?
    }

    fn build(options: &Options) -> Result<Self, LabError> {
        let ports = Ports { nodes: options.nodes, clients: options.clients };
        let mut attachments = Vec::with_capacity(ports.count());
        let layer = LinkLayer::choose();
        attachments.push(device::attach_controller(layer, ports)?);
        for port in 1..ports.count() {
            attachments.push(device::attach_node(layer, port, ports)?);
        }
        let mut hosts = Vec::new();
        let mut frames = Vec::new();
        for (port, attachment) in attachments.into_iter().enumerate() {
            let Attachment { frames: descriptor, namespace } = attachment;
            frames.push(descriptor);
            let (Some(namespace), Some(id)) = (namespace, ports.owner(port)) else { continue };
            let make = |root: &PathBuf| -> Result<PathBuf, LabError> {
                let folder = root.join(id.to_string());
                std::fs::create_dir_all(&folder)
                    .map_err(|error| LabError::new(folder.display().to_string(), error))?;
                Ok(folder)
            };
            let node = Node {
                id,
                address: device::address(Some(id)).into(),
                data: make(&options.data)?,
                logs: make(&options.logs)?,
                platform: Platform {
                    os: std::env::consts::OS.into(),
                    arch: std::env::consts::ARCH.into(),
                },
            };
            let ledger = options.data.join("ledger").join(id.to_string());
            let host = LocalHost::new(node, namespace, ledger)
                .map_err(|error| LabError::new(format!("{id}: its network"), error))?;
            hosts.push(Arc::new(host));
        }
        let clients = hosts.split_off(usize::from(options.nodes));
        let switch = Switch::start(frames, ports, options.seed)?;
        Ok(Self { hosts, clients, switch: Arc::new(switch), link_layer: layer.name() })
    }

    /// The nodes, in order.
    pub fn hosts(&self) -> Vec<Arc<dyn Host>> {
        self.hosts.iter().map(|host| host.clone() as Arc<dyn Host>).collect()
    }

    /// The places of clients, in order. They share the switch with the nodes and nothing else.
    pub fn clients(&self) -> Vec<Arc<dyn Host>> {
        self.clients.iter().map(|host| host.clone() as Arc<dyn Host>).collect()
    }

    /// The links between the nodes, the places of clients, and the controller.
    pub fn network(&self) -> Arc<dyn Network> {
        self.switch.clone()
    }

    /// The controller's own address on the lab's network.
    pub fn controller_address(&self) -> std::net::IpAddr {
        device::address(None).into()
    }

    /// The lab in words.
    pub fn describe(&self) -> String {
        let how = if rootless() { "rootless" } else { "as root" };
        format!("local, {} nodes, virtual switch over {}, {how}", self.hosts.len(), self.link_layer)
    }
}

/// Whether this is root of a user namespace alone. Inside one everybody has the uid 0, so that the
/// map tells who we really are.
fn rootless() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().nth(2) == Some("1"))
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in self.hosts.iter().chain(&self.clients) {
            host.take_down();
        }
    }
}
