//! Founds the namespaces of a lab, and waits outside them.
//!
//! ```text
//! outer ── founder (unshare) ── init of the pid namespace (reaps) ── controller (body)
//! ```
//!
//! Each dies with its parent. The init is apart from the controller so that reaping orphans never
//! takes a child away from the controller's own runtime.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid, pipe2};

/// Capabilities that nothing in a lab may have: the machine's clock, its power, its modules.
const FORBIDDEN: [libc::c_ulong; 3] = [25, 22, 16];
/// The founder says with this exit code that the kernel refused; the reason is in the pipe.
const REFUSED: i32 = 121;
/// What is refused where parts of the /proc around are covered up, as in most containers.
pub(super) const FRESH_PROC: &str = "a /proc of its own";
/// What helps then.
pub(super) const FRESH_PROC_REMEDY: &str = "docker run --privileged …, or --security-opt systempaths=unconfined --cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun";

/// How the controller ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exit(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// Why this machine does not allow a lab.
#[derive(Debug, thiserror::Error)]
#[error("this machine refuses a local lab: {doing}: {problem}")]
pub struct Refused {
    /// What was being done.
    pub doing: String,
    /// The operating system's answer, and what helps where that is known.
    pub problem: String,
}

impl Refused {
    fn new(doing: &str, error: impl std::fmt::Display) -> Self {
        Self { doing: doing.into(), problem: error.to_string() }
    }
}

/// The child to which signals for this process are passed on.
static CHILD: AtomicI32 = AtomicI32::new(0);

extern "C" fn pass_on(signal: libc::c_int) {
    let child = CHILD.load(Ordering::Relaxed);
    if child > 0 {
        // SAFETY: kill is allowed in a signal handler.
        unsafe { libc::kill(child, signal) };
    }
}

/// Runs `body` as the controller of a lab, inside new namespaces, and waits for it outside.
///
/// Must be called while the process has one thread. SIGINT and SIGTERM reach the controller, each
/// once: everything inside is in a session of its own, where no terminal and no signal to this
/// process' group reaches it, and this process passes on what it gets.
pub fn supervise(body: impl FnOnce() -> i32) -> Result<Ended, Refused> {
    let failed = |doing: &str, error: nix::Error| Refused::new(doing, error);
    // Closed by the death of this process: the founder's init notices even if the parent had died
    // before it asked to be told.
    let (alive, keep_alive) =
        pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|error| failed("a pipe", error))?;
    let (reasons, reason) =
        pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|error| failed("a pipe", error))?;
    let outer = Pid::this();
    // SAFETY: the process has one thread, so the child may do anything.
    match unsafe { fork() }.map_err(|error| failed("a fork", error))? {
        ForkResult::Parent { child } => {
            drop((alive, reason));
            pass_signals_to(child);
            let ended = wait_for(child);
            restore_signals();
            drop(keep_alive);
            match ended {
                Ended::Exit(REFUSED) => Err(read_reason(reasons)),
                // Exit codes of a run end below 128.
                Ended::Exit(code) if code > 128 => Ok(Ended::Signal(code - 128)),
                ended => Ok(ended),
            }
        }
        ForkResult::Child => {
            drop((keep_alive, reasons));
            // Cannot fail: a process that has just been forked leads no group.
            let _ = nix::unistd::setsid();
            let code = match found(outer, &alive) {
                Ok(()) => become_init(&alive, reason, body),
                Err(refused) => say_refused(&reason, &refused),
            };
            exit(code)
        }
    }
}

/// Tells the outer process why there is no lab; the exit code that goes with it.
fn say_refused(reason: &OwnedFd, refused: &Refused) -> i32 {
    let text = format!("{}\n{}", refused.doing, refused.problem);
    let _ = nix::unistd::write(reason, text.as_bytes());
    REFUSED
}

fn read_reason(reasons: OwnedFd) -> Refused {
    let mut text = String::new();
    let _ = io::Read::read_to_string(&mut fs::File::from(reasons), &mut text);
    let (doing, problem) = text.split_once('\n').unwrap_or(("founding the namespaces", &text));
    if doing == FRESH_PROC {
        return Refused::new(doing, format!("{problem}; what helps: {FRESH_PROC_REMEDY}"));
    }
    Refused::new(doing, problem)
}

/// Enters new namespaces and becomes root in them.
fn found(outer: Pid, alive: &OwnedFd) -> Result<(), Refused> {
    let (uid, gid) = (geteuid(), getegid());
    let mut flags = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    if !uid.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(|error| Refused::new("unshare of namespaces", error))?;
    if !uid.is_root() {
        let write = |file: &str, text: String| {
            fs::write(file, text).map_err(|error| Refused::new(file, error))
        };
        write("/proc/self/setgroups", "deny".into())?;
        write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    drop_capabilities();
    // Last, since changes of credentials clear it.
    die_with_parent();
    if nix::unistd::getppid() != outer || closed(alive) {
        exit(9);
    }
    Ok(())
}

/// Forks the init of the new pid namespace, and waits for it.
fn become_init(alive: &OwnedFd, reason: OwnedFd, body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this process has one thread, as its parent had.
    match unsafe { fork() } {
        Err(_) => 3,
        Ok(ForkResult::Parent { child }) => {
            drop(reason);
            pass_signals_to(child);
            as_code(wait_for(child))
        }
        Ok(ForkResult::Child) => {
            die_with_parent();
            if closed(alive) {
                exit(9);
            }
            // Without it every look at a node would read the numbers of other processes.
            if let Err(error) = fresh_mounts() {
                return say_refused(&reason, &Refused::new(FRESH_PROC, error));
            }
            drop(reason);
            init(body)
        }
    }
}

/// Pid 1 of the namespace: forks the controller, reaps everything, and ends with the controller,
/// whereupon the kernel kills what is left.
fn init(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this process has one thread, as its parent had.
    match unsafe { fork() } {
        Err(_) => 3,
        Ok(ForkResult::Parent { child }) => {
            pass_signals_to(child);
            as_code(wait_for(child))
        }
        Ok(ForkResult::Child) => {
            die_with_parent();
            restore_signals();
            body()
        }
    }
}

/// A private mount tree with a /proc of this pid namespace.
fn fresh_mounts() -> io::Result<()> {
    mount("none", "/", "none", libc::MS_REC | libc::MS_PRIVATE)?;
    mount("proc", "/proc", "proc", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)
}

pub(super) fn mount(
    source: &str,
    target: &str,
    kind: &str,
    flags: libc::c_ulong,
) -> io::Result<()> {
    let text = |text: &str| CString::new(text).map_err(io::Error::other);
    let (source, target, kind) = (text(source)?, text(target)?, text(kind)?);
    // SAFETY: the strings outlive the call; no data is passed.
    let result = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes the forbidden capabilities out of the bounding set, and out of what this process has.
pub(super) fn drop_capabilities() {
    for capability in FORBIDDEN {
        // SAFETY: prctl with plain numbers.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    drop_held(&FORBIDDEN);
}

/// `capset` without the given capabilities: the bounding set alone binds only what is executed.
fn drop_held(forbidden: &[libc::c_ulong]) {
    const VERSION_3: u32 = 0x2008_0522;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: the structures have the layout of the kernel's interface of version 3.
    unsafe {
        if libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) < 0 {
            return;
        }
        for &capability in forbidden {
            let mask = !(1u32 << capability);
            sets[0].effective &= mask;
            sets[0].permitted &= mask;
            sets[0].inheritable &= mask;
        }
        libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr());
    }
}

/// SIGKILL when the parent's thread ends; to be asked for by each process anew.
pub(super) fn die_with_parent() {
    // SAFETY: prctl with plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
}

fn closed(alive: &OwnedFd) -> bool {
    let mut poll = libc::pollfd { fd: alive.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd is given, and it outlives the call.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
}

pub(super) fn pass_signals_to(child: Pid) {
    CHILD.store(child.as_raw(), Ordering::Relaxed);
    let handler = pass_on as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler does nothing but kill, which is allowed in one.
    unsafe {
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
    }
}

fn restore_signals() {
    CHILD.store(0, Ordering::Relaxed);
    // SAFETY: the default dispositions.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
    }
}

/// Reaps whatever ends, until `child` does.
pub(super) fn wait_for(child: Pid) -> Ended {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ended::Exit(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Ended::Signal(signal as i32);
            }
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return Ended::Signal(Signal::SIGKILL as i32),
        }
    }
}

/// Passes the way in which a child ended on to the parent: a signal as itself.
pub(super) fn as_code(ended: Ended) -> i32 {
    match ended {
        Ended::Exit(code) => code,
        Ended::Signal(signal) => {
            // A pid 1 cannot be killed by its own signal, so the number travels in the code, and
            // SIGKILL is what the outer supervisor has to tell apart.
            128 + signal
        }
    }
}

/// Ends the process at once, without the destructors that belong to its parent.
pub(super) fn exit(code: i32) -> ! {
    use std::io::Write;
    let _ = io::stdout().flush();
    // SAFETY: _exit never returns.
    unsafe { libc::_exit(code) }
}
