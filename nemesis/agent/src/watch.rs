//! The watcher: the first of an agent's two processes, which outlives the other.
//!
//! It is the parent of the agent, to which all that the agent's death leaves behind falls, and it
//! does nothing but wait. When the agent is dead, however that came, it kills what is left below it
//! and undoes what the agent did; an agent that is stopped or hangs past its lease it kills first.
//! When the watcher dies, the kernel tells the agent, which undoes everything and ends.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use crate::claim::{AGENT_NAME, Claim, WATCHER_NAME};
use crate::lease::{GRACE, Leash};
use crate::leftovers::Undone;

/// How long an agent may take to begin; from then on its lease counts.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// How long an agent that was asked to end may take to undo everything.
const END_WITHIN: Duration = Duration::from_secs(4);

/// Forks. The child becomes the agent and returns what `agent` returns; this process becomes its
/// watcher, and returns when the agent is dead and everything below is undone.
///
/// Must be called while the process has one thread.
pub fn watched(
    folder: &Path,
    lease: Duration,
    claim: &mut Claim,
    agent: impl FnOnce(Leash) -> i32,
) -> io::Result<i32> {
    let mut waited = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        waited.add(signal);
    }
    // Before the fork, so that no signal finds either of both unprepared.
    waited.thread_block()?;
    let (renewals, leash) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // Whatever loses its parent while the agent dies falls to this process.
    // SAFETY: prctl with plain numbers.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let watcher = Pid::this();
    // SAFETY: the process has one thread, so that the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(renewals);
            name_process(AGENT_NAME);
            // SAFETY: prctl with plain numbers. The signal is blocked until somebody waits for it.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM, 0, 0, 0) };
            if Pid::parent() != watcher {
                return Err(io::Error::other("its watcher died before it began"));
            }
            claim.name_agent()?;
            Ok(agent(Leash(leash)))
        }
        ForkResult::Parent { child } => {
            drop(leash);
            name_process(WATCHER_NAME);
            leave_the_channel()?;
            let signals = SignalFd::with_flags(&waited, SfdFlags::SFD_NONBLOCK)?;
            let watch = Watch { agent: child, signals, renewals, lease };
            let code = watch.until_it_is_dead();
            let undone = Undone::below_this_process(folder, code == 0);
            for dirt in &undone.dirty {
                // Whoever still listens to the channel's standard error hears it.
                let _ = writeln!(io::stderr(), "node left dirty: {dirt}");
            }
            Ok(code)
        }
    }
}

/// The name under which /proc shows a process.
fn name_process(name: &str) {
    let mut bytes = [0_u8; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    // SAFETY: the kernel copies at most 16 bytes, which end with a zero.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr(), 0, 0, 0) };
}

/// Standard input and output are the agent's alone: when it has ended, the channel must close.
fn leave_the_channel() -> io::Result<()> {
    let nothing = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        // SAFETY: both descriptors are open.
        if unsafe { libc::dup2(nothing.as_raw_fd(), stream) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

struct Watch {
    agent: Pid,
    signals: SignalFd,
    renewals: OwnedFd,
    lease: Duration,
}

impl Watch {
    /// The agent's exit code; 128 + n for signal n.
    fn until_it_is_dead(&self) -> i32 {
        let mut deadline = Instant::now() + BEGIN_WITHIN;
        let mut ending = false;
        loop {
            if let Some(code) = self.reap() {
                return code;
            }
            self.wait_until(deadline);
            while let Ok(Some(signal)) = self.signals.read_signal() {
                // The end of the session is no reason to end: the agent learns it from its channel.
                let asked = [Signal::SIGTERM, Signal::SIGINT].map(|signal| signal as u32);
                if asked.contains(&signal.ssi_signo) && !ending {
                    let _ = kill(self.agent, Signal::SIGTERM);
                    ending = true;
                    deadline = Instant::now() + END_WITHIN;
                }
            }
            if self.was_renewed() && !ending {
                deadline = Instant::now() + self.lease + GRACE;
            }
            if Instant::now() >= deadline {
                // It is stopped, or hangs. Whatever it holds is undone when it is dead.
                let _ = kill(self.agent, Signal::SIGKILL);
                ending = true;
                deadline = Instant::now() + GRACE;
            }
        }
    }

    /// Takes away whatever has ended below this process; the agent's exit code, if it is among them.
    fn reap(&self) -> Option<i32> {
        loop {
            let (pid, code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
                Err(Errno::EINTR) => continue,
                // Nobody is below: then the agent is none either.
                Err(_) => return Some(128 + Signal::SIGKILL as i32),
                Ok(_) => return None,
            };
            if pid == self.agent {
                return Some(code);
            }
        }
    }

    fn wait_until(&self, deadline: Instant) {
        // Rounded up, so that the deadline is over when the time is.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let mut watched = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.renewals.as_fd(), PollFlags::POLLIN),
        ];
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut watched, left);
        let closed = watched[1].revents().is_some_and(|seen| seen == PollFlags::POLLHUP);
        if closed {
            // The agent is about to be dead; its end of the pipe closed a moment before.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether anything came since the last look.
    fn was_renewed(&self) -> bool {
        let mut came = false;
        let mut bytes = [0; 256];
        while let Ok(1..) = nix::unistd::read(&self.renewals, &mut bytes) {
            came = true;
        }
        came
    }
}
