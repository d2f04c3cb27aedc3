//! The two small programs that stand between the controller and what runs on a node.
//!
//! `schism lab-init NAME` founds a node: it was started inside the node's network
//! namespace, takes new mount, uts, ipc and pid namespaces, and forks the node's pid 1, which
//! reaps. Killing that pid 1 kills everything on the node; a process that has called setsid or
//! forked twice cannot escape.
//!
//! `schism lab-enter PID FOLDER -- PROGRAM …` runs a program on the node whose init is PID.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{ForkResult, fork, pipe2};

use super::supervise::{
    as_code, die_with_parent, drop_capabilities, exit, mount, pass_signals_to, wait_for,
};
use super::{CLIENTS_MAX, device};
use crate::NodeId;

/// `lab-init`: prints the pid of the node's init when it is ready, and ends with it.
pub fn found_node(name: &str) -> i32 {
    match try_found(name) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{name}: the node could not be founded: {error}");
            1
        }
    }
}

fn try_found(name: &str) -> io::Result<i32> {
    die_with_parent();
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWPID,
    )?;
    drop_capabilities();
    let (ready, say_ready) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    // SAFETY: this program has one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(say_ready);
            let mut byte = [0];
            if nix::unistd::read(&ready, &mut byte) == Ok(1) {
                println!("{child}");
                io::stdout().flush()?;
            }
            Ok(as_code(wait_for(child)))
        }
        ForkResult::Child => {
            die_with_parent();
            furnish(name);
            nix::unistd::write(&say_ready, b"x")?;
            drop((ready, say_ready));
            reap_for_ever()
        }
    }
}

/// What a node sees instead of the machine's own: its name, its processes, its neighbours. Where
/// the kernel refuses a mount, as in some containers, the old one stays.
fn furnish(name: &str) {
    let _ = nix::unistd::sethostname(name);
    let _ = mount("none", "/", "none", libc::MS_REC | libc::MS_PRIVATE);
    let _ = mount("proc", "/proc", "proc", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC);
    let _ = mount("sysfs", "/sys", "sysfs", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC);
    // Sockets of the machine's services (docker, dbus) would be a way around the partition.
    if mount("tmpfs", "/run", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV).is_ok() {
        let own = "/run/hosts";
        if fs::write(own, hosts_file()).is_ok() {
            let _ = mount(own, "/etc/hosts", "none", libc::MS_BIND);
        }
    }
}

/// Names for every node and every client that a lab can have.
fn hosts_file() -> String {
    let mut text = format!("127.0.0.1 localhost\n{} controller\n", device::address(None));
    let clients = (1..=CLIENTS_MAX).map(NodeId::client);
    for place in (1..=64).map(NodeId).chain(clients) {
        let _ = writeln!(text, "{} {place}", device::address(Some(place)));
    }
    text
}

fn reap_for_ever() -> io::Result<i32> {
    loop {
        match nix::sys::wait::waitpid(None, None) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            // Nothing to reap: wait until there is. SIGCHLD is not needed for that.
            Err(nix::Error::ECHILD) => std::thread::sleep(std::time::Duration::from_millis(200)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `lab-enter`: returns the exit code of `program`, 128 + n for signal n.
pub fn enter_node(init: i32, folder: &str, program: &[String]) -> i32 {
    match try_enter(init, folder, program) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error}", program.first().map_or("", String::as_str));
            127
        }
    }
}

/// This very program. Where its file was replaced while it ran, as by a new build, the name that it
/// had is nobody's, and the kernel's own link still leads to what runs here.
fn own_program() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(if own.exists() { own } else { PathBuf::from("/proc/self/exe") })
}

fn try_enter(init: i32, folder: &str, program: &[String]) -> io::Result<i32> {
    die_with_parent();
    let own = own_program()?;
    // All are opened before the first is entered, since /proc changes with the mount namespace.
    let open = |name: &str| fs::File::open(format!("/proc/{init}/ns/{name}"));
    let namespaces = [open("net")?, open("uts")?, open("ipc")?, open("pid")?, open("mnt")?];
    for namespace in &namespaces {
        setns(namespace, CloneFlags::empty())?;
    }
    drop_capabilities();
    // SAFETY: this program has one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            pass_signals_to(child);
            Ok(as_code(wait_for(child)))
        }
        ForkResult::Child => {
            die_with_parent();
            std::env::set_current_dir(folder)?;
            let (name, arguments) =
                program.split_first().ok_or_else(|| io::Error::other("no program"))?;
            let name = if name == "schism" { own.as_os_str() } else { name.as_ref() };
            let error = Command::new(name).args(arguments).exec();
            eprintln!("{}: {error}", name.display());
            exit(127)
        }
    }
}
