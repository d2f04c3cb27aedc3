//! The programs that the agent starts, and the reaping of all that they leave behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::members::{SERVES, ask_to_end, descendants, signal_until};
use crate::protocol::Process;

/// How long a program that the agent needs itself, such as nft, may take.
pub const HELP_WITHIN: Duration = Duration::from_secs(10);

/// All children of this process.
#[derive(Default)]
pub struct Children {
    inner: Mutex<Inner>,
    spawned: Condvar,
}

#[derive(Default)]
struct Inner {
    /// Who waits for which process.
    waiting: BTreeMap<i32, Sender<i32>>,
    /// Programs that serve the agent and are no part of what it started.
    helpers: BTreeSet<i32>,
    /// How many were ever started.
    spawns: u64,
}

/// What a program that serves the agent left behind.
pub struct Helped {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Children {
    /// Makes this process the one to which every orphan below it falls, and begins to reap.
    pub fn adopt() -> io::Result<Arc<Self>> {
        // SAFETY: prctl with plain numbers.
        if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let children = Arc::new(Self::default());
        let reaping = children.clone();
        std::thread::Builder::new().name("reaper".into()).spawn(move || reaping.reap())?;
        Ok(children)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a program in a session of its own; the exit code comes when it has ended.
    ///
    /// To be called from a thread that lasts: the kernel kills the program when that thread ends.
    pub fn spawn(&self, command: Command) -> io::Result<(Child, Receiver<i32>)> {
        self.spawn_as(command, false)
    }

    /// Starts a process that holds an effect. It ends what it holds when this process is gone, and
    /// must not be killed before.
    pub fn hold(&self, mut command: Command) -> io::Result<Child> {
        // SAFETY: between fork and exec only system calls are made.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                SigSet::empty().thread_set_mask()?;
                Ok(())
            });
        }
        let (child, _) = self.place(command, true)?;
        Ok(child)
    }

    fn spawn_as(&self, mut command: Command, helper: bool) -> io::Result<(Child, Receiver<i32>)> {
        // SAFETY: between fork and exec only system calls are made.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                // The signals that this process waits for are blocked in it.
                SigSet::empty().thread_set_mask()?;
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
                Ok(())
            });
        }
        self.place(command, helper)
    }

    fn place(&self, mut command: Command, helper: bool) -> io::Result<(Child, Receiver<i32>)> {
        let (sender, receiver) = channel();
        // Held over the start, so that the reaper cannot come before somebody waits.
        let mut inner = self.lock();
        let child = command.spawn()?;
        let pid = child.id() as i32;
        inner.waiting.insert(pid, sender);
        inner.spawns += 1;
        if helper {
            inner.helpers.insert(pid);
        }
        self.spawned.notify_all();
        Ok((child, receiver))
    }

    /// Runs a program for the agent itself, with this on its standard input.
    pub fn help(&self, mut command: Command, input: &[u8]) -> io::Result<Helped> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env(SERVES, "1");
        let (mut child, ended) = self.spawn_as(command, true)?;
        let pid = child.id() as i32;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not want to read says why.
            let _ = stdin.write_all(input);
        }
        let code = ended.recv_timeout(HELP_WITHIN).map_err(|_| {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            io::Error::other(format!("did not end within {HELP_WITHIN:?}"))
        });
        // A program that says more than a pipe holds does not end, and is not one that helps here.
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let Some(stream) = child.stdout.take() {
            stream.take(1 << 16).read_to_end(&mut stdout)?;
        }
        if let Some(stream) = child.stderr.take() {
            stream.take(1 << 16).read_to_end(&mut stderr)?;
        }
        Ok(Helped { code: code?, stdout, stderr })
    }

    /// Takes what ends away, for ever.
    fn reap(&self) {
        let mut seen = 0;
        loop {
            let Some(pid) = next_ended() else {
                let mut inner = self.lock();
                while inner.spawns == seen {
                    inner = self.spawned.wait(inner).unwrap_or_else(PoisonError::into_inner);
                }
                seen = inner.spawns;
                continue;
            };
            // A look first, the taking under the lock: a start that fails waits for its child
            // itself, and must find it.
            let mut inner = self.lock();
            let Some(code) = take(pid) else { continue };
            inner.helpers.remove(&pid);
            if let Some(sender) = inner.waiting.remove(&pid) {
                // Nobody waits for it any more.
                let _ = sender.send(code);
            }
        }
    }

    /// All that was ever started here and lives.
    pub fn all(&self) -> io::Result<Vec<Process>> {
        let helpers = self.lock().helpers.clone();
        descendants(std::process::id() as i32, &helpers)
    }

    /// Kills all of them, and returns when none is left.
    pub fn kill_all(&self) -> Result<(), String> {
        signal_until(Signal::SIGKILL, "did not die", || self.all(), |_| false)
    }

    /// Asks all of them to end, and kills those that are left after that time; whether there were none.
    pub fn stop_all(&self, within: Duration) -> Result<bool, String> {
        let by_themselves = ask_to_end(|| self.all(), within)?;
        if !by_themselves {
            self.kill_all()?;
        }
        Ok(by_themselves)
    }

    /// Stops all of them, and returns when none runs.
    pub fn pause_all(&self) -> Result<(), String> {
        let stopped = |process: &Process| matches!(process.state, 'T' | 't');
        signal_until(Signal::SIGSTOP, "did not stop", || self.all(), stopped)
    }

    /// Lets all of them go on.
    pub fn resume_all(&self) -> Result<(), String> {
        let runs = |process: &Process| process.state != 'T';
        signal_until(Signal::SIGCONT, "did not go on", || self.all(), runs)
    }
}

/// Kills one program, its session's group and its children.
pub fn kill_tree(pid: i32) {
    let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
    for process in descendants(pid, &BTreeSet::new()).unwrap_or_default() {
        let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
    }
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Waits until a child has ended, and leaves it there; `None` if there is no child at all.
fn next_ended() -> Option<i32> {
    loop {
        // SAFETY: the structure is plain data, which the kernel fills in.
        let (result, pid) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOWAIT;
            (libc::waitid(libc::P_ALL, 0, &raw mut info, flags), info.si_pid())
        };
        if result == 0 {
            return Some(pid);
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// The exit code of a child that has ended, which is gone then.
fn take(pid: i32) -> Option<i32> {
    match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, code)) => Some(code),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(128 + signal as i32),
        _ => None,
    }
}
