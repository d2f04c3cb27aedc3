//! A node of the local lab as the controller sees it.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::supervise::die_with_parent;
use crate::{Command, Host, HostError, Node, Output, ProcessState};

/// The port of a node's socket for probes; nothing else of ours uses it.
const PROBE_PORT: u16 = 7009;
/// How long the kernel may take to remove a killed node, or to stop one.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// What `run` keeps of each stream.
const OUTPUT_MAX: usize = 1 << 20;

/// A node: its namespaces and its init.
pub(super) struct LocalHost {
    node: Node,
    network: OwnedFd,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The init and the process that founded it, while the node is up.
    init: Option<Init>,
    /// Programs that were started, for reaping.
    started: Vec<Child>,
}

struct Init {
    founder: Child,
    pid: i32,
    /// What /proc/PID/ns/pid shows for every process of this node.
    namespace: PathBuf,
}

impl LocalHost {
    pub(super) fn new(node: Node, network: OwnedFd) -> Self {
        Self { node, network, state: Mutex::default() }
    }

    /// Kills the node without waiting; for the end of a lab.
    pub(super) fn take_down(&self) {
        let state = self.lock();
        if let Some(init) = &state.init {
            let _ = kill(Pid::from_raw(init.pid), Signal::SIGKILL);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, problem: impl Into<String>, source: impl Into<Option<io::Error>>) -> HostError {
        HostError { node: self.node.id, problem: problem.into(), source: source.into() }
    }

    /// The pid of the node's init; founds the node if it is down.
    fn bring_up(&self) -> Result<i32, HostError> {
        let mut state = self.lock();
        if let Some(init) = &state.init {
            return Ok(init.pid);
        }
        let init = self.found().map_err(|error| self.error("cannot be founded", error))?;
        let pid = init.pid;
        state.init = Some(init);
        Ok(pid)
    }

    fn found(&self) -> io::Result<Init> {
        let network = self.network.as_raw_fd();
        let mut command = std::process::Command::new("/proc/self/exe");
        command.arg("lab-init").arg(self.node.id.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: between fork and exec only system calls are made.
        unsafe {
            command.pre_exec(move || {
                let network = std::os::fd::BorrowedFd::borrow_raw(network);
                setns(network, CloneFlags::CLONE_NEWNET)?;
                Ok(())
            });
        }
        let mut founder = spawn(command)?;
        let mut line = String::new();
        if let Some(output) = founder.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let pid: i32 =
            line.trim().parse().map_err(|_| io::Error::other("its init did not come up"))?;
        let namespace = fs::read_link(format!("/proc/{pid}/ns/pid"))?;
        Ok(Init { founder, pid, namespace })
    }

    /// The command that runs `command` on the node.
    fn entering(&self, command: &Command) -> Result<std::process::Command, HostError> {
        let init = self.bring_up()?;
        let folder = command.folder.as_ref().unwrap_or(&self.node.data);
        let mut enter = std::process::Command::new("/proc/self/exe");
        enter.arg("lab-enter").arg(init.to_string()).arg(folder).arg("--").args(&command.argv);
        enter.env_clear();
        enter.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        enter.env("LANG", "C.UTF-8").env("HOME", &self.node.data);
        enter.envs(command.env.iter().map(|(name, value)| (name, value)));
        Ok(enter)
    }

    /// Starts `command` with these as its standard streams.
    pub(super) fn start_with(
        &self,
        command: &Command,
        streams: [OwnedFd; 3],
    ) -> Result<Child, HostError> {
        let mut enter = self.entering(command)?;
        let [input, output, errors] = streams;
        enter.stdin(input).stdout(output).stderr(errors);
        spawn(enter).map_err(|error| self.error("cannot start a program", error))
    }

    /// The processes of the node's pid namespace, its init left out.
    fn members(&self) -> io::Result<Vec<ProcessState>> {
        let (init, namespace) = match &self.lock().init {
            Some(init) => (init.pid, init.namespace.clone()),
            None => return Ok(Vec::new()),
        };
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
            else {
                continue;
            };
            // A process that ends meanwhile is none of the node's any more.
            if pid == init
                || fs::read_link(entry.path().join("ns/pid")).ok().as_ref() != Some(&namespace)
            {
                continue;
            }
            members.extend(read_state(pid));
        }
        members.sort_by_key(|state| state.pid);
        Ok(members)
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
            let members = self.members().map_err(|error| self.error("/proc", error))?;
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

    async fn spawn(&self, command: &Command) -> Result<tokio::process::Child, HostError> {
        let mut enter = tokio::process::Command::from(self.entering(command)?);
        enter.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        enter.kill_on_drop(true);
        enter.spawn().map_err(|error| self.error("cannot start a program", error))
    }

    async fn upload(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        // Nodes of this lab share the machine's files.
        let copied = tokio::fs::copy(from, to).await;
        copied.map(drop).map_err(|error| self.error(format!("{}", to.display()), error))
    }

    async fn download(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        let copied = tokio::fs::copy(from, to).await;
        copied.map(drop).map_err(|error| self.error(format!("{}", from.display()), error))
    }

    async fn start(&self, name: &str, command: &Command) -> Result<(), HostError> {
        let path = self.node.logs.join(format!("{name}.log"));
        let failed = |error| self.error(format!("{}", path.display()), error);
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let errors = log.try_clone().map_err(failed)?;
        let mut enter = self.entering(command)?;
        enter.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child =
            spawn(enter).map_err(|error| self.error(format!("cannot start {name}"), error))?;
        let mut state = self.lock();
        state.started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        state.started.push(child);
        Ok(())
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        let Some(pid) = self.lock().init.as_ref().map(|init| init.pid) else { return Ok(()) };
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        // The founder ends when the init has, and the init ends last in its namespace.
        let deadline = Instant::now() + SETTLE_WITHIN;
        loop {
            let gone = {
                let mut state = self.lock();
                let ended = match &mut state.init {
                    Some(init) => !matches!(init.founder.try_wait(), Ok(None)),
                    None => true,
                };
                if ended {
                    state.init = None;
                    state.started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
                }
                ended
            };
            if gone {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.error(format!("was not dead within {SETTLE_WITHIN:?}"), None));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
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
        self.members().map_err(|error| self.error("/proc", error))
    }

    async fn datagrams(&self) -> Result<tokio::net::UdpSocket, HostError> {
        let network = self.network.try_clone().map_err(|error| self.error("its network", error))?;
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
        made.unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
            .and_then(tokio::net::UdpSocket::from_std)
            .map_err(|error| self.error("a socket for probes", error))
    }
}

/// Spawns from a thread that never ends: the kernel kills a child when the *thread* that forked
/// it ends, and threads of a runtime come and go.
fn spawn(mut command: std::process::Command) -> io::Result<Child> {
    use std::sync::OnceLock;
    use std::sync::mpsc::{Sender, channel};
    type Job = (std::process::Command, Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    // SAFETY: between fork and exec only a system call is made.
    unsafe {
        command.pre_exec(|| {
            die_with_parent();
            Ok(())
        });
    }
    let (answer, answers) = channel();
    let gone = || io::Error::other("the spawning thread is gone");
    let sender = spawner.lock().unwrap_or_else(PoisonError::into_inner).clone();
    sender.send((command, answer)).map_err(|_| gone())?;
    answers.recv().map_err(|_| gone())?
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

/// The fields of /proc/PID/stat; `None` if the process is gone.
fn read_state(pid: i32) -> Option<ProcessState> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses included.
    let (name, rest) = (text.find('(')?, text.rfind(')')?);
    let fields: Vec<&str> = text[rest + 1..].split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    // SAFETY: sysconf has no preconditions.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    Some(ProcessState {
        pid,
        name: text[name + 1..rest].into(),
        state: fields.first()?.chars().next()?,
        cpu_ns: (number(11)? + number(12)?) * (1_000_000_000 / ticks),
        started: number(19)?,
    })
}
