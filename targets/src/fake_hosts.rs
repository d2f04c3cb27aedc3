//! Hosts that are made up, for the tests of targets: they write down what they are asked.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schism_lab::{
    Command, Datagrams, Host, HostError, Node, NodeId, Output, Platform, ProcessState, Running,
};
use tokio::net::TcpListener;

use crate::Cluster;

/// A host that writes down what it is asked.
pub(crate) struct FakeHost {
    pub(crate) node: Node,
    pub(crate) asked: Mutex<Vec<String>>,
    /// What programs end with.
    code: i32,
}

impl FakeHost {
    fn write_down(&self, asked: String) {
        self.asked.lock().expect("no panic").push(asked);
    }

    /// What no target has asked of it so far: a test that meets this fails, and says so.
    fn never<T>(&self, what: &str) -> Result<T, HostError> {
        let problem = format!("a made-up host cannot {what}");
        Err(HostError { node: self.node.id, problem, source: None })
    }
}

#[async_trait]
impl Host for FakeHost {
    fn node(&self) -> &Node {
        &self.node
    }

    async fn run(&self, command: &Command, _: Duration) -> Result<Output, HostError> {
        self.write_down(command.argv.join(" "));
        Ok(Output { code: self.code, stdout: Vec::new(), stderr: b"no such luck\n".into() })
    }

    async fn start(&self, name: &str, command: &Command) -> Result<(), HostError> {
        self.write_down(format!("{name}: {}", command.argv.join(" ")));
        Ok(())
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        self.write_down("kill".into());
        Ok(())
    }

    async fn spawn(&self, _: &Command) -> Result<Running, HostError> {
        self.never("spawn")
    }

    async fn upload(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        self.write_down(format!("upload {} to {}", from.display(), to.display()));
        Ok(())
    }

    async fn download(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        self.never("give files")
    }

    async fn pause_all(&self) -> Result<(), HostError> {
        self.never("pause")
    }

    async fn resume_all(&self) -> Result<(), HostError> {
        self.never("resume")
    }

    async fn processes(&self) -> Result<Vec<ProcessState>, HostError> {
        self.never("tell its processes")
    }

    async fn datagrams(&self) -> Result<Arc<dyn Datagrams>, HostError> {
        self.never("send datagrams")
    }
}

/// Three nodes on addresses of the loopback.
pub(crate) struct FakeHosts {
    pub(crate) cluster: Cluster,
    pub(crate) hosts: Vec<Arc<FakeHost>>,
    /// One a node, all on one port.
    pub(crate) listeners: Vec<TcpListener>,
    /// That port.
    pub(crate) port: u16,
    _logs: tempfile::TempDir,
}

impl FakeHosts {
    /// Three nodes, whose programs end with `code`.
    pub(crate) async fn three(code: i32) -> Self {
        let logs = tempfile::tempdir().expect("a folder");
        let (mut hosts, mut listeners, mut port) = (Vec::new(), Vec::new(), 0);
        for number in 1..=3u16 {
            let address: IpAddr = format!("127.0.0.{number}").parse().expect("an address");
            let listener = TcpListener::bind((address, port)).await.expect("the port is free");
            port = listener.local_addr().expect("it is bound").port();
            listeners.push(listener);
            let platform = Platform { os: "linux".into(), arch: "x86_64".into() };
            let (id, data) = (NodeId(number), PathBuf::from("/data"));
            let node = Node { id, address, data, logs: logs.path().into(), platform };
            hosts.push(Arc::new(FakeHost { node, asked: Mutex::default(), code }));
        }
        let of_host = |host: &Arc<FakeHost>| Arc::clone(host) as Arc<dyn Host>;
        let cluster = Cluster { hosts: hosts.iter().map(of_host).collect() };
        Self { cluster, hosts, listeners, port, _logs: logs }
    }
}
