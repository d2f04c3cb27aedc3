//! One agent a node: a lock on a file, which falls with the process that holds it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long an agent whose connection broke may take to undo what it did.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(8);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The node is this agent's for as long as this lives.
pub struct Claim {
    _file: File,
}

impl Claim {
    /// Takes the node, also from an agent of the same `token`: the controller has lost the
    /// connection to that one, which may not have noticed.
    pub fn take(folder: &Path, token: &str) -> Result<Self, String> {
        let path = folder.join("agent.lock");
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let deadline = Instant::now() + HAND_OVER_WITHIN;
        let mut told = false;
        while !lock(&file) {
            let (pid, holder) = holder(&mut file).unwrap_or((0, String::new()));
            if holder != token && !holder.is_empty() {
                return Err(format!(
                    "another schism works on this node (process {pid}); wait until its run is over, \
                     or end that process"
                ));
            }
            if pid > 0 && !told {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
                told = true;
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the agent of the broken connection (process {pid}) did not end within \
                     {HAND_OVER_WITHIN:?}"
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let text = format!("{} {token}\n", std::process::id());
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn lock(file: &File) -> bool {
    // SAFETY: the descriptor is open.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Who holds the lock, if it has written that already.
fn holder(file: &mut File) -> Option<(i32, String)> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let (pid, token) = text.trim().split_once(' ')?;
    Some((pid.parse().ok()?, token.to_owned()))
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
}
