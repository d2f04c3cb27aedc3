//! One agent a node: a lock on a file, which falls with the processes that hold it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long an agent whose connection broke may take to undo what it did; from the half of it on
/// nobody asks any more.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(8);
/// For so long an agent of another run may be about to end: its controller may have been killed a
/// moment ago.
const OTHERS_END_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What /proc calls both of an agent's processes.
pub const WATCHER_NAME: &str = "schism-watcher";
/// The other.
pub const AGENT_NAME: &str = "schism-agent";

/// The node is this agent's for as long as this lives, in the watcher or in the agent.
pub struct Claim {
    file: File,
    path: PathBuf,
    token: String,
}

/// Who holds a claim.
struct Holder {
    /// Watcher and agent; 0 where there is none yet.
    processes: [i32; 2],
    token: String,
}

impl Claim {
    /// Takes the node, also from an agent of the same `token`: the controller has lost the
    /// connection to that one, which may not have noticed.
    pub fn take(folder: &Path, token: &str) -> Result<Self, String> {
        let path = folder.join("agent.lock");
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(failed)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut claim = Self { file, path: path.clone(), token: token.to_owned() };
        claim.wait_for_lock()?;
        claim.write(std::process::id(), 0).map_err(failed)?;
        Ok(claim)
    }

    fn wait_for_lock(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let (mut asked, mut killed) = (false, false);
        while !lock(&self.file) {
            let waited = began.elapsed();
            let holder = self.holder();
            let processes = holder.as_ref().map_or([0, 0], |holder| holder.processes);
            let own = holder.as_ref().is_none_or(|holder| holder.token == self.token);
            if !own && waited > OTHERS_END_WITHIN {
                return Err(format!(
                    "another schism works on this node (process {}); wait until its run is over, \
                     or end that process",
                    processes[0]
                ));
            }
            if own && waited > HAND_OVER_WITHIN {
                return Err(format!(
                    "the agent of the broken connection (process {}) did not end within \
                     {HAND_OVER_WITHIN:?}",
                    processes[0]
                ));
            }
            if own && holder.is_some() {
                if !asked {
                    signal(processes, Signal::SIGTERM);
                    asked = true;
                }
                // It may be stopped, and its watcher dead.
                if !killed && waited > HAND_OVER_WITHIN / 2 {
                    signal(processes, Signal::SIGKILL);
                    killed = true;
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Says that this process is the agent, and its parent the watcher.
    pub fn name_agent(&mut self) -> io::Result<()> {
        self.write(Pid::parent().as_raw() as u32, std::process::id() as i32)
    }

    fn write(&mut self, watcher: u32, agent: i32) -> io::Result<()> {
        let text = format!("{watcher} {agent} {}\n", self.token);
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file
            .write_all(text.as_bytes())
            .map_err(|error| io::Error::other(format!("{}: {error}", self.path.display())))
    }

    /// Who holds the lock, if it has written that already.
    fn holder(&mut self) -> Option<Holder> {
        let mut text = String::new();
        self.file.rewind().ok()?;
        self.file.read_to_string(&mut text).ok()?;
        let mut words = text.split_whitespace();
        let mut number = || words.next()?.parse().ok();
        let processes = [number()?, number()?];
        Some(Holder { processes, token: words.next()?.to_owned() })
    }
}

fn lock(file: &File) -> bool {
    // SAFETY: the descriptor is open.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Numbers are given anew: none but an agent's own processes are sent anything.
fn signal(processes: [i32; 2], signal: Signal) {
    for pid in processes {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if [WATCHER_NAME, AGENT_NAME].contains(&name.trim()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_node_that_another_works_on_and_takes_one_that_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Claim::take(folder.path(), "one").expect("a free node");
        let refused = Claim::take(folder.path(), "two").map(drop).expect_err("it is taken");
        let own = format!("process {}", std::process::id());
        assert!(refused.contains(&own), "{refused}");
        drop(first);
        Claim::take(folder.path(), "two").expect("a free node");
    }

    #[test]
    fn waits_for_another_that_is_about_to_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Claim::take(folder.path(), "one").expect("a free node");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(200));
                drop(first);
            });
            Claim::take(folder.path(), "two").expect("a node that becomes free");
        });
    }
}
