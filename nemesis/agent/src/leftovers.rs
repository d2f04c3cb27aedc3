//! What an agent leaves on its node if it dies, and how it is undone by whoever comes after: its
//! watcher, the next agent, or a person who runs `schism agent --clean --folder FOLDER`.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::children::{HELP_WITHIN, Helped};
use crate::links;
use crate::members::{descendants, marked, signal_until};
use crate::protocol::Process;

/// How often something that cannot be undone is tried again.
const ATTEMPTS: usize = 3;
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What was undone, and what could not be, each with the command that does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    pub cleaned: Vec<String>,
    pub dirty: Vec<String>,
}

impl Undone {
    /// Undoes what an agent of this folder left that has no watcher any more. To be called where
    /// nobody else reaps this process' children.
    pub fn by_a_successor(folder: &Path) -> Self {
        let mut undone = Self::default();
        undone.kill(folder, || marked(folder));
        undone.take_table_away(folder, alone);
        undone
    }

    /// Undoes what the agent below this process left; after an `orderly` end that is nothing but
    /// what nobody could have seen.
    pub fn below_this_process(folder: &Path, orderly: bool) -> Self {
        let mut undone = Self::default();
        let own = std::process::id() as i32;
        undone.kill(folder, || {
            reap_all();
            descendants(own, &BTreeSet::new())
        });
        if !orderly {
            undone.take_table_away(folder, alone);
        }
        undone
    }

    /// Kills all that `list` tells, until it tells nothing.
    pub fn kill(&mut self, folder: &Path, list: impl Fn() -> io::Result<Vec<Process>>) {
        let names = |all: &[Process]| {
            let names: Vec<String> =
                all.iter().map(|process| format!("{} ({})", process.name, process.pid)).collect();
            names.join(", ")
        };
        let left = list().unwrap_or_default();
        if left.is_empty() {
            return;
        }
        let killed = again(|| signal_until(Signal::SIGKILL, "did not die", &list, |_| false));
        self.tell(folder, &format!("processes {}", names(&left)), killed.map(|()| true));
    }

    /// Takes the firewall's table away where there is one.
    pub fn take_table_away(
        &mut self,
        folder: &Path,
        help: impl Fn(Command, &[u8]) -> io::Result<Helped>,
    ) {
        if !links::can_be_cut() {
            return;
        }
        let removed = again(|| links::remove(&help));
        self.tell(folder, &format!("the firewall table {}", links::TABLE), removed);
    }

    /// Notes what came of undoing `what`: `false` means that there was nothing to undo.
    fn tell(&mut self, folder: &Path, what: &str, done: Result<bool, String>) {
        match done {
            Ok(true) => self.cleaned.push(what.to_owned()),
            Ok(false) => {}
            Err(problem) => {
                self.dirty.push(format!("{what}: {problem}; run: {}", command(folder)));
            }
        }
    }
}

/// What a person runs on the node to clean it.
pub fn command(folder: &Path) -> String {
    let own = std::env::current_exe().unwrap_or_else(|_| "schism".into());
    let quote = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    format!("{} agent --clean --folder {}", quote(&own), quote(folder))
}

/// Tries a few times: what hinders may pass.
pub fn again<T>(deed: impl Fn() -> Result<T, String>) -> Result<T, String> {
    let mut done = deed();
    for _ in 1..ATTEMPTS {
        if done.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        done = deed();
    }
    done
}

fn reap_all() {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
        waitpid(None, Some(WaitPidFlag::WNOHANG))
    {}
}

/// Runs a program to its end, where this process has one thread and nobody else reaps.
pub fn alone(mut command: Command, input: &[u8]) -> io::Result<Helped> {
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to read says why.
        let _ = stdin.write_all(input);
    }
    let deadline = Instant::now() + HELP_WITHIN;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(io::Error::other(format!("did not end within {HELP_WITHIN:?}")));
            }
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    let mut stderr = Vec::new();
    if let Some(stream) = child.stderr.take() {
        stream.take(1 << 16).read_to_end(&mut stderr)?;
    }
    Ok(Helped { code: status.code().unwrap_or(-1), stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_what_bears_the_mark_of_its_folder_and_nothing_else() {
        let folder = Path::new("/nowhere/of this test");
        let mut ours = Command::new("sleep")
            .arg("30")
            .env(crate::members::MARK, folder)
            .spawn()
            .expect("a program");
        let mut other = Command::new("sleep")
            .arg("30")
            .env(crate::members::MARK, "/nowhere/of this test, either")
            .spawn()
            .expect("a program");
        let mut undone = Undone::default();
        undone.kill(folder, || marked(folder));
        assert_eq!(undone.dirty, Vec::<String>::new());
        assert_eq!(undone.cleaned, [format!("processes sleep ({})", ours.id())]);
        assert!(other.try_wait().expect("its state").is_none());
        let _ = other.kill();
        let _ = (ours.wait(), other.wait());
    }

    #[test]
    fn what_cannot_be_undone_is_tried_again_and_named_with_its_command() {
        let tries = std::cell::Cell::new(0);
        let failed: Result<bool, String> = again(|| {
            tries.set(tries.get() + 1);
            Err("no".to_owned())
        });
        assert_eq!(tries.get(), ATTEMPTS);
        let mut undone = Undone::default();
        undone.tell(Path::new("/a b"), "the thing", failed);
        let said = undone.dirty.join("");
        assert!(said.starts_with("the thing: no; run: '/"), "{said}");
        assert!(said.ends_with(" agent --clean --folder '/a b'"), "{said}");
    }
}
