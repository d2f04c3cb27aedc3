//! A node of the local lab as the controller sees it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use schism_agent::effects::Effect;
use schism_agent::members::{ask_to_end, in_network};

use super::holders::Holders;
use super::life::{Life, set_apart, spawn};
use crate::{Command, Datagrams, Host, HostError, Node, Output, ProcessState, Running};

/// The port of a node's socket for probes; nothing else of ours uses it.
const PROBE_PORT: u16 = 7009;
/// How long the kernel may take to remove a killed node, or to stop one.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long a file may take to or from a node.
const COPY_WITHIN: Duration = Duration::from_mins(1);
/// What `run` keeps of each stream.
const OUTPUT_MAX: usize = 1 << 20;

/// A node: its namespaces and its init.
pub(super) struct LocalHost {
    node: Node,
    life: Arc<Life>,
    holders: Arc<Holders>,
    /// The node's network namespace, as /proc names it.
    network: PathBuf,
}

impl LocalHost {
    pub(super) fn new(node: Node, network: OwnedFd, ledger: PathBuf) -> io::Result<Self> {
        let link = fs::read_link(format!("/proc/self/fd/{}", network.as_raw_fd()))?;
        let life = Arc::new(Life::new(node.id, network));
        let name = link.display().to_string();
        let holders = Arc::new(Holders::new(ledger, node.data.clone(), name));
        Ok(Self { node, life, holders, network: link })
    }

    /// The node's processes, as the kernel tells them.
    fn members(&self) -> Result<Vec<ProcessState>, HostError> {
        let members = in_network(&self.network).map_err(|error| self.error("/proc", error))?;
        Ok(members.into_iter().map(ProcessState::from).collect())
    }

    /// Has the holders of the node do something that blocks.
    async fn holders(
        &self,
        deed: impl FnOnce(&Holders) -> Result<(), String> + Send + 'static,
    ) -> Result<(), HostError> {
        let holders = self.holders.clone();
        let done = tokio::task::spawn_blocking(move || deed(&holders)).await;
        let done = done.unwrap_or_else(|error| Err(error.to_string()));
        done.map_err(|problem| self.error(problem, None))
    }

    /// Kills the node without waiting; for the end of a lab.
    pub(super) fn take_down(&self) {
        self.life.take_down();
    }

    fn error(&self, problem: impl Into<String>, source: impl Into<Option<io::Error>>) -> HostError {
        HostError { node: self.node.id, problem: problem.into(), source: source.into() }
    }

    /// Does what blocks, apart from the runtime's threads.
    async fn apart<T: Send + 'static>(
        &self,
        what: &str,
        deed: impl FnOnce(&Life) -> io::Result<T> + Send + 'static,
    ) -> Result<T, HostError> {
        let life = self.life.clone();
        let done = tokio::task::spawn_blocking(move || deed(&life)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| self.error(what, error))
    }

    /// The command that runs `command` on the node, which is brought up first.
    async fn entering(&self, command: &Command) -> Result<std::process::Command, HostError> {
        let init = self.apart("cannot be founded", Life::bring_up).await?;
        Ok(self.command(init, command))
    }

    fn command(&self, init: i32, command: &Command) -> std::process::Command {
        let folder = command.folder.as_ref().unwrap_or(&self.node.data);
        let mut enter = std::process::Command::new("/proc/self/exe");
        enter.arg("lab-enter").arg(init.to_string()).arg(folder).arg("--").args(&command.argv);
        enter.env_clear();
        enter.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        enter.env("LANG", "C.UTF-8").env("HOME", &self.node.data);
        enter.envs(command.env.iter().map(|(name, value)| (name, value)));
        enter
    }

    /// Starts `command` with these as its standard streams. Blocks until it runs.
    pub(super) fn start_with(
        &self,
        command: &Command,
        streams: [OwnedFd; 3],
    ) -> Result<Child, HostError> {
        let up = self.life.bring_up();
        let init = up.map_err(|error| self.error("cannot be founded", error))?;
        let mut enter = self.command(init, command);
        let [input, output, errors] = streams;
        enter.stdin(input).stdout(output).stderr(errors);
        spawn(enter).map_err(|error| self.error("cannot start a program", error))
    }

    /// What a copy came to, or did not within its time.
    async fn copy(&self, from: &Path, to: &Path, remote: &Path) -> Result<(), HostError> {
        // Nodes of this lab share the machine's files.
        let copied = tokio::time::timeout(COPY_WITHIN, tokio::fs::copy(from, to)).await;
        let late = |_| Err(io::Error::other(format!("was not copied within {COPY_WITHIN:?}")));
        let copied = copied.unwrap_or_else(late);
        copied.map(drop).map_err(|error| self.error(format!("{}", remote.display()), error))
    }

    /// Sends `signal` to every process until `done` holds of all, since processes may fork
    /// between the look and the signal.
    async fn signal_until(
        &self,
        signal: Signal,
        what: &str,
        done: impl Fn(&ProcessState) -> bool,
    ) -> Result<(), HostError> {
        let deadline = Instant::now() + SETTLE_WITHIN;
        loop {
            let members = self.members()?;
            let rest: Vec<_> = members.iter().filter(|state| !done(state)).collect();
            if rest.is_empty() {
                return Ok(());
            }
            for state in &rest {
                let _ = kill(Pid::from_raw(state.pid), signal);
            }
            if Instant::now() > deadline {
                let left: Vec<_> = rest.iter().map(|state| state.name.as_str()).collect();
                return Err(self
                    .error(format!("{} {what} within {SETTLE_WITHIN:?}", left.join(", ")), None));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[async_trait]
impl Host for LocalHost {
    fn node(&self) -> &Node {
        &self.node
    }

    async fn run(&self, command: &Command, limit: Duration) -> Result<Output, HostError> {
        let name = command.argv.first().cloned().unwrap_or_default();
        let mut child = self.spawn(command).await?;
        drop(child.stdin.take());
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let all = async {
            let stdout = read_stream(&mut out);
            let stderr = read_stream(&mut err);
            let (stdout, stderr, status) = tokio::join!(stdout, stderr, child.wait());
            Ok::<_, io::Error>(Output { code: status?.code().unwrap_or(-1), stdout, stderr })
        };
        match tokio::time::timeout(limit, all).await {
            Ok(output) => output.map_err(|error| self.error(name, error)),
            Err(_) => Err(self.error(format!("{name} did not end within {limit:?}"), None)),
        }
    }

    async fn spawn(&self, command: &Command) -> Result<Running, HostError> {
        let mut enter = self.entering(command).await?;
        set_apart(&mut enter);
        let mut enter = tokio::process::Command::from(enter);
        enter.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        enter.kill_on_drop(true);
        let running = enter.spawn().and_then(Running::try_from);
        running.map_err(|error| self.error("cannot start a program", error))
    }

    async fn upload(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        self.copy(from, to, to).await
    }

    async fn download(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        self.copy(from, to, from).await
    }

    async fn start(&self, name: &str, command: &Command) -> Result<(), HostError> {
        let path = self.node.logs.join(format!("{name}.log"));
        let failed = |error| self.error(format!("{}", path.display()), error);
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let errors = log.try_clone().map_err(failed)?;
        let mut enter = self.entering(command).await?;
        enter.stdin(Stdio::null()).stdout(log).stderr(errors);
        self.apart(&format!("cannot start {name}"), move |life| {
            life.remember(spawn(enter)?);
            Ok(())
        })
        .await
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        let take_down = |life: &Life| {
            life.take_down();
            Ok(())
        };
        self.apart("cannot be killed", take_down).await?;
        let deadline = Instant::now() + SETTLE_WITHIN;
        while !self.life.is_over() {
            if Instant::now() > deadline {
                return Err(self.error(format!("was not dead within {SETTLE_WITHIN:?}"), None));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn stop_all(&self, within: Duration) -> Result<bool, HostError> {
        let network = self.network.clone();
        let ask = move || ask_to_end(|| in_network(&network), within);
        let asked = tokio::task::spawn_blocking(ask).await;
        let asked = asked.unwrap_or_else(|error| Err(error.to_string()));
        let by_themselves = asked.map_err(|problem| self.error(problem, None))?;
        if !by_themselves {
            self.kill_all().await?;
        }
        Ok(by_themselves)
    }

    async fn pause_all(&self) -> Result<(), HostError> {
        let stopped = |state: &ProcessState| matches!(state.state, 'T' | 't' | 'Z' | 'X');
        self.signal_until(Signal::SIGSTOP, "did not stop", stopped).await
    }

    async fn resume_all(&self) -> Result<(), HostError> {
        let runs = |state: &ProcessState| !matches!(state.state, 'T');
        self.signal_until(Signal::SIGCONT, "did not go on", runs).await
    }

    async fn processes(&self) -> Result<Vec<ProcessState>, HostError> {
        self.members()
    }

    async fn hold(&self, name: &str, effect: &Effect) -> Result<(), HostError> {
        let (name, effect) = (name.to_owned(), effect.clone());
        self.holders(move |holders| holders.hold(&name, effect)).await
    }

    async fn release(&self, name: &str) -> Result<(), HostError> {
        let name = name.to_owned();
        self.holders(move |holders| holders.release(&name)).await
    }

    async fn datagrams(&self) -> Result<Arc<dyn Datagrams>, HostError> {
        let network =
            self.life.network().try_clone().map_err(|error| self.error("its network", error))?;
        let address = SocketAddr::new(self.node.address, PROBE_PORT);
        let open = move || -> io::Result<std::net::UdpSocket> {
            setns(&network, CloneFlags::CLONE_NEWNET)?;
            let socket = std::net::UdpSocket::bind(address)
                .or_else(|_| std::net::UdpSocket::bind(SocketAddr::new(address.ip(), 0)))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        // A socket stays in the namespace in which it was made; the thread is thrown away.
        let made = std::thread::spawn(open).join();
        let failed = |error| self.error("a socket for probes", error);
        let socket = made
            .unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
            .and_then(tokio::net::UdpSocket::from_std)
            .map_err(failed)?;
        // Until the runtime has seen that it can be written to, nothing is sent.
        let writable = tokio::time::timeout(SETTLE_WITHIN, socket.writable()).await;
        writable.unwrap_or_else(|late| Err(late.into())).map_err(failed)?;
        Ok(Arc::new(socket))
    }
}

async fn read_stream(stream: &mut Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    use tokio::io::AsyncReadExt;
    let mut kept = Vec::new();
    let Some(stream) = stream else { return kept };
    let mut buffer = vec![0; 1 << 14];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let room = OUTPUT_MAX - kept.len();
        kept.extend_from_slice(&buffer[..length.min(room)]);
    }
    kept
}
