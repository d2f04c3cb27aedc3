//! Where nodes stand: hosts on which programs run, and the network between them.
//!
//! [`Host`] is one node as the controller sees it; [`Network`] the links between all of them. The
//! lab knows nothing of what runs on the nodes.

mod datagrams;
mod id;
mod links;
pub mod local;
mod running;
pub mod ssh;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use datagrams::Datagrams;
pub use id::NodeId;
pub use links::{End, LinkRule, LinkRules};
pub use running::{Control, Running};
pub use schism_agent::effects::{Effect, Wound};
pub use schism_agent::layer::{Loss, Operation, Trouble};

/// What a node is.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// Where the other nodes and the controller reach it.
    pub address: IpAddr,
    /// Where its programs may keep data, as seen on the node.
    pub data: PathBuf,
    /// Where its logs end up, as seen by the controller.
    pub logs: PathBuf,
    /// What runs there.
    pub platform: Platform,
}

/// Operating system and processor of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// As in `std::env::consts::OS`.
    pub os: String,
    /// As in `std::env::consts::ARCH`.
    pub arch: String,
}

/// A program and how to run it on a node.
#[derive(Clone, Debug)]
pub struct Command {
    /// Program and arguments. `["schism", …]` runs this very binary, wherever it is.
    pub argv: Vec<String>,
    /// Variables added to a small, fixed environment.
    pub env: Vec<(String, String)>,
    /// The working folder on the node; `None`: the node's data folder.
    pub folder: Option<PathBuf>,
}

impl Command {
    /// The program `argv[0]` with its arguments.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), env: Vec::new(), folder: None }
    }
}

/// What a program that has ended left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 + n for signal n.
    pub code: i32,
    /// Its standard output, at most 1 MiB.
    pub stdout: Vec<u8>,
    /// Its standard error, at most 1 MiB.
    pub stderr: Vec<u8>,
}

/// A process of a node, as /proc tells it at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessState {
    /// Its number as the controller sees it.
    pub pid: i32,
    /// Its command name.
    pub name: String,
    /// The state letter of /proc/PID/stat: R running, S sleeping, T stopped, Z zombie …
    pub state: char,
    /// Processor time that it has used, in nanoseconds.
    pub cpu_ns: u64,
    /// When it started, in clock ticks since boot; together with `pid` it names one process.
    pub started: u64,
}

impl From<schism_agent::protocol::Process> for ProcessState {
    fn from(process: schism_agent::protocol::Process) -> Self {
        let schism_agent::protocol::Process { pid, name, state, cpu_ns, started } = process;
        Self { pid, name, state, cpu_ns, started }
    }
}

/// Why a node could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{node}: {problem}")]
pub struct HostError {
    /// The node.
    pub node: NodeId,
    /// What went wrong, and the remedy where there is one.
    pub problem: String,
    /// The cause, where the system gave one.
    #[source]
    pub source: Option<std::io::Error>,
}

/// One node as the controller sees it.
#[async_trait]
pub trait Host: Send + Sync {
    /// What the node is.
    fn node(&self) -> &Node;

    /// Runs `command` to its end, at most for `limit`; then it is killed and that is an error.
    async fn run(&self, command: &Command, limit: Duration) -> Result<Output, HostError>;

    /// Runs `command` with its standard input and output connected to the caller.
    async fn spawn(&self, command: &Command) -> Result<Running, HostError>;

    /// Copies a file to the node; one that is there already with the same content is left alone.
    async fn upload(&self, from: &Path, to: &Path) -> Result<(), HostError>;

    /// Copies a file from the node.
    async fn download(&self, from: &Path, to: &Path) -> Result<(), HostError>;

    /// Starts a long-lived program; its output is appended to `<logs>/<name>.log`. A node that was
    /// killed as a whole is brought up again first.
    async fn start(&self, name: &str, command: &Command) -> Result<(), HostError>;

    /// Kills every process of the node with SIGKILL, and returns when none is left. Files stay.
    async fn kill_all(&self) -> Result<(), HostError>;

    /// Asks every process of the node to end (SIGTERM), kills those that are left after that time, and
    /// returns when none is; whether all ended by themselves. Files stay.
    async fn stop_all(&self, _within: Duration) -> Result<bool, HostError> {
        let problem = "programs cannot be asked to end on this node".into();
        Err(HostError { node: self.node().id, problem, source: None })
    }

    /// Stops every process of the node (SIGSTOP), repeated until no unstopped one is left.
    async fn pause_all(&self) -> Result<(), HostError>;

    /// Lets every process of the node go on (SIGCONT).
    async fn resume_all(&self) -> Result<(), HostError>;

    /// The node's processes, read anew from /proc; the lab's own init is not among them. For
    /// probes: nothing that this program remembers goes into the answer.
    async fn processes(&self) -> Result<Vec<ProcessState>, HostError>;

    /// Begins an effect on the node, under a name of its own; it is held, also for processes that
    /// start later, until it is released or this program dies.
    async fn hold(&self, name: &str, effect: &Effect) -> Result<(), HostError> {
        let (node, what) = (self.node().id, effect.kind());
        let problem = format!("{name}: no {what} can be held on this node");
        Err(HostError { node, problem, source: None })
    }

    /// Ends an effect, exactly. One that is not held is released already.
    async fn release(&self, _name: &str) -> Result<(), HostError> {
        Ok(())
    }

    /// A UDP socket on the node, outside its processes (it works while the node is killed or
    /// paused). For probes of links.
    async fn datagrams(&self) -> Result<Arc<dyn Datagrams>, HostError>;
}

/// Why rules could not be set.
#[derive(Debug, thiserror::Error)]
#[error("network: {problem}")]
pub struct NetworkError {
    /// What went wrong.
    pub problem: String,
}

/// The links between the nodes and the controller.
#[async_trait]
pub trait Network: Send + Sync {
    /// Replaces all rules by these. Takes effect for every frame that is forwarded afterwards.
    async fn set(&self, rules: &LinkRules) -> Result<(), NetworkError>;
}
