//! What an agent leaves on its node if it dies, and how it is undone by whoever comes after: its
//! watcher, the next agent, or a person who runs `schism agent --clean --folder FOLDER`.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::boot;
use crate::children::{HELP_WITHIN, Helped};
use crate::ledger::{Entry, Ledger};
use crate::links;
use crate::members::{Members, descendants, marked, signal_until};
use crate::protocol::Process;
use crate::shape;

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
        undone.take_rules_away(folder, alone);
        undone.clean_ledger(folder);
        undone
    }

    /// Undoes what the agent below this process left. After an `orderly` end no rule is among it.
    pub fn below_this_process(folder: &Path, orderly: bool) -> Self {
        let mut undone = Self::default();
        let own = std::process::id() as i32;
        let reaped = |list: io::Result<Vec<Process>>| {
            reap_all();
            list
        };
        if !orderly {
            undone.take_rules_away(folder, alone);
        }
        // Holders end by themselves what they hold, and the ledger waits for them.
        undone.kill(folder, || reaped(Members::Below(own).list()));
        undone.clean_ledger(folder);
        // One that had only begun may have entered the ledger since.
        undone.kill(folder, || reaped(descendants(own, &BTreeSet::new())));
        undone.kill(folder, || marked(folder));
        undone.clean_ledger(folder);
        undone
    }

    /// Undoes what the ledger says that nobody holds any more.
    pub fn clean_ledger(&mut self, folder: &Path) {
        let ledger = ledger(folder);
        let name = |entry: &Entry| format!("{} ({})", entry.effect.kind(), entry.name);
        let names: Vec<(String, String)> = ledger.entries().map_or_else(
            |_| Vec::new(),
            |entries| entries.iter().map(|it| (it.name.clone(), name(it))).collect(),
        );
        let problems = again(|| match ledger.clean() {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems),
        });
        let problems = problems.err().unwrap_or_default();
        for (name, shown) in &names {
            if !problems.iter().any(|(other, _)| other == name) {
                self.cleaned.push(shown.clone());
            }
        }
        for (name, problem) in problems {
            let shown = names.iter().find(|(other, _)| *other == name);
            let shown = shown.map_or(name.as_str(), |(_, shown)| shown.as_str());
            self.tell(folder, shown, Err(problem));
        }
        let followed = boot::follow_ledger(folder).map_err(|error| error.to_string());
        self.tell(folder, "the unit that cleans after a reboot", followed.map(|()| false));
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

    /// Takes the firewall's table and the queues of slow links away where there are any.
    pub fn take_rules_away(
        &mut self,
        folder: &Path,
        help: impl Fn(Command, &[u8]) -> io::Result<Helped>,
    ) {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        if links::has_nft() {
            let removed = again(|| links::remove(&help));
            self.tell(folder, &format!("the firewall table {}", links::TABLE), removed);
        }
        let removed = again(|| shape::remove(&help));
        self.tell(folder, "the queues of slow links", removed);
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

/// Where the agent of this folder writes down what it does.
pub fn ledger(folder: &Path) -> Ledger {
    Ledger::at(folder.join("ledger"))
}

/// What a person runs on the node to clean it.
fn command(folder: &Path) -> String {
    let own = std::env::current_exe().unwrap_or_else(|_| "schism".into());
    let quote = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    format!("{} agent --clean --folder {}", quote(&own), quote(folder))
}

/// Tries a few times: what hinders may pass.
fn again<T, E>(deed: impl Fn() -> Result<T, E>) -> Result<T, E> {
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
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let Some(stream) = child.stdout.take() {
        stream.take(1 << 16).read_to_end(&mut stdout)?;
    }
    if let Some(stream) = child.stderr.take() {
        stream.take(1 << 16).read_to_end(&mut stderr)?;
    }
    Ok(Helped { code: status.code().unwrap_or(-1), stdout, stderr })
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

    #[test]
    fn tells_what_of_the_ledger_was_cleaned_and_what_was_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let burn = crate::effects::Effect::Burn { threads_per_cpu: 1 };
        let mut entry = ledger(folder.path()).enter("F1", &burn).expect("an entry");
        entry.holder.started = 1;
        entry.note(serde_json::Value::Null).expect("noted");
        let mut undone = Undone::default();
        undone.clean_ledger(folder.path());
        assert_eq!((undone.cleaned, undone.dirty), (vec!["burn (F1)".to_owned()], vec![]));
        std::fs::write(folder.path().join("ledger/F2.json"), "{").expect("a file");
        let mut undone = Undone::default();
        undone.clean_ledger(folder.path());
        assert!(undone.dirty.join("").contains("F2.json"), "{undone:?}");
    }
}
