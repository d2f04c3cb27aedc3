//! The nodes as a client's process knows them: by name and address, and no further.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schism_lab::{
    Command, Datagrams, Host, HostError, Node, NodeId, Output, Platform, ProcessState, Running,
};

/// A node that can be reached over the network and in no other way.
pub(super) struct KnownNode(Node);

impl KnownNode {
    pub(super) fn new(id: NodeId, address: IpAddr) -> Self {
        let (os, arch) = (std::env::consts::OS.into(), std::env::consts::ARCH.into());
        let platform = Platform { os, arch };
        Self(Node { id, address, data: PathBuf::new(), logs: PathBuf::new(), platform })
    }

    fn refuse<T>(&self) -> Result<T, HostError> {
        let problem = "a client's process has no hand on nodes".into();
        Err(HostError { node: self.0.id, problem, source: None })
    }
}

#[async_trait]
impl Host for KnownNode {
    fn node(&self) -> &Node {
        &self.0
    }

    async fn run(&self, _: &Command, _: Duration) -> Result<Output, HostError> {
        self.refuse()
    }

    async fn spawn(&self, _: &Command) -> Result<Running, HostError> {
        self.refuse()
    }

    async fn upload(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        self.refuse()
    }

    async fn download(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        self.refuse()
    }

    async fn start(&self, _: &str, _: &Command) -> Result<(), HostError> {
        self.refuse()
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        self.refuse()
    }

    async fn pause_all(&self) -> Result<(), HostError> {
        self.refuse()
    }

    async fn resume_all(&self) -> Result<(), HostError> {
        self.refuse()
    }

    async fn processes(&self) -> Result<Vec<ProcessState>, HostError> {
        self.refuse()
    }

    async fn datagrams(&self) -> Result<Arc<dyn Datagrams>, HostError> {
        self.refuse()
    }
}
