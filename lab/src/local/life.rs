//! The life of a node: its init is founded, programs enter it, and all of it is killed.

use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::supervise::die_with_parent;
use crate::NodeId;

/// How long the founding of a node, or the start of a program, may take.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// What of a node may be there or not: its init, and what was started on it.
pub(super) struct Life {
    name: NodeId,
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
}

impl Life {
    pub(super) fn new(name: NodeId, network: OwnedFd) -> Self {
        Self { name, network, state: Mutex::default() }
    }

    /// The node's network namespace, which outlives its processes.
    pub(super) fn network(&self) -> &OwnedFd {
        &self.network
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pid of the node's init; founds the node if it is down. Blocks, for a bounded time.
    pub(super) fn bring_up(&self) -> io::Result<i32> {
        let mut state = self.lock();
        if let Some(init) = &state.init {
            return Ok(init.pid);
        }
        let init = self.found()?;
        let pid = init.pid;
        state.init = Some(init);
        Ok(pid)
    }

    fn found(&self) -> io::Result<Init> {
        let network = self.network.as_raw_fd();
        let mut command = Command::new("/proc/self/exe");
        command.arg("lab-init").arg(self.name.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: between fork and exec only a system call is made, and the descriptor outlives it.
        unsafe {
            command.pre_exec(move || {
                setns(BorrowedFd::borrow_raw(network), CloneFlags::CLONE_NEWNET)?;
                Ok(())
            });
        }
        let mut founder = spawn(command)?;
        match founder.stdout.take().map_or(Ok(None), |output| read_pid(output, FOUND_WITHIN)) {
            Ok(Some(pid)) => Ok(Init { founder, pid }),
            other => {
                // Half a node must not stay: with its founder an init dies.
                let _ = founder.kill();
                let _ = founder.wait();
                other?;
                Err(io::Error::other("its init did not come up"))
            }
        }
    }

    /// Remembers a program that was started, so that it is reaped.
    pub(super) fn remember(&self, child: Child) {
        let mut state = self.lock();
        reap(&mut state.started);
        state.started.push(child);
    }

    /// Kills the node without waiting.
    pub(super) fn take_down(&self) {
        if let Some(init) = &self.lock().init {
            let _ = kill(Pid::from_raw(init.pid), Signal::SIGKILL);
        }
    }

    /// Whether nothing of the node is left. The founder ends when the init has, and the init ends
    /// last in its namespace.
    pub(super) fn is_over(&self) -> bool {
        let mut state = self.lock();
        let over = match &mut state.init {
            Some(init) => !matches!(init.founder.try_wait(), Ok(None)),
            None => true,
        };
        if over {
            state.init = None;
            reap(&mut state.started);
        }
        over
    }
}

fn reap(started: &mut Vec<Child>) {
    started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// The number that the founder prints, `None` if it ended without, or did not within its time.
fn read_pid(output: ChildStdout, within: Duration) -> io::Result<Option<i32>> {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis() as i32;
        let mut poll = libc::pollfd { fd: output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd is given, and it outlives the call.
        match unsafe { libc::poll(&raw mut poll, 1, left) } {
            0 => return Ok(None),
            1 => break,
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    // The line is written in one piece, so that what can be read is the whole of it.
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok(line.trim().parse().ok())
}

/// Takes the program out of the controller's session: no signal to the controller's group, and no
/// terminal, reaches what runs on a node.
pub(super) fn set_apart(command: &mut Command) {
    // SAFETY: between fork and exec only a system call is made. It cannot fail in a process that
    // has just been forked.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
}

/// Spawns from a thread that never ends: the kernel kills a child when the *thread* that forked
/// it ends, and threads of a runtime come and go.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    type Job = (Command, Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in jobs {
                // Nobody waits any more for what took too long.
                if let Err(late) = answer.send(command.spawn())
                    && let Ok(mut child) = late.0
                {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        });
        Mutex::new(sender)
    });
    set_apart(&mut command);
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
    let late = |_| io::Error::other(format!("no process was made within {FOUND_WITHIN:?}"));
    answers.recv_timeout(FOUND_WITHIN).map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_an_init_that_does_not_say_its_number() {
        let check = |program: &[&str], expected: Option<i32>| {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]).stdout(Stdio::piped());
            let mut child = command.spawn().expect("a program");
            let output = child.stdout.take().expect("its output");
            let start = Instant::now();
            let pid = read_pid(output, Duration::from_millis(300)).expect("no error");
            assert_eq!(pid, expected, "{program:?}");
            assert!(start.elapsed() < Duration::from_secs(3), "{program:?}");
            let _ = child.kill();
            let _ = child.wait();
        };
        check(&["echo", "4711"], Some(4711));
        check(&["echo", "what"], None);
        check(&["true"], None);
        check(&["sleep", "5"], None);
    }
}
