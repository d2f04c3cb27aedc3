//! What is held on a node, written down before it is done: one file for each.
//!
//! Whoever finds an entry whose holder is dead undoes what it says. An entry is written whole or
//! not at all, and is on the disk before the node is touched.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::effects::{self, Effect};
use crate::members::state_of;

/// How long a holder that lost its master may take to end what it holds, and one that was killed to
/// die.
const HOLDER_WITHIN: Duration = Duration::from_millis(1500);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A folder of entries.
#[derive(Clone, Debug)]
pub struct Ledger {
    folder: PathBuf,
}

/// One thing that is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, as its file is called.
    pub name: String,
    /// What is done.
    pub effect: Effect,
    /// The process that holds it.
    pub holder: Holder,
    /// Whether it is still there after the node was started anew.
    #[serde(default)]
    pub survives_reboot: bool,
    /// Between which two starts of the node it was begun.
    #[serde(default)]
    pub boot: String,
    /// What has to be known to undo it from outside.
    pub facts: Value,
    #[serde(skip)]
    path: PathBuf,
}

/// A process, told from later ones of its number by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

impl Holder {
    /// This very process.
    pub fn own() -> Self {
        let pid = std::process::id() as i32;
        Self { pid, started: state_of(pid).map_or(0, |process| process.started) }
    }

    /// Whether it lives.
    pub fn lives(&self) -> bool {
        let dead = |state| matches!(state, 'Z' | 'X');
        state_of(self.pid).is_some_and(|it| it.started == self.started && !dead(it.state))
    }
}

impl Ledger {
    /// The ledger in this folder, which need not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new entry of this process, on the disk.
    pub fn enter(&self, name: &str, effect: &Effect) -> io::Result<Entry> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{name}.json"));
        let (name, effect) = (name.to_owned(), effect.clone());
        let entry = Entry {
            name,
            survives_reboot: effect.survives_reboot(),
            effect,
            holder: Holder::own(),
            boot: boot(),
            facts: Value::Null,
            path,
        };
        entry.write()?;
        Ok(entry)
    }

    /// All entries; a file that is none is an error, since nobody may overlook it.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        self.files()?.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Every file, by its name, with the entry that it should be.
    fn files(&self) -> io::Result<Vec<(String, io::Result<Entry>)>> {
        let mut entries = Vec::new();
        let files = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
            files => files?,
        };
        for file in files {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            match Entry::read(path) {
                // It was undone meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                entry => entries.push((name, entry)),
            }
        }
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(entries)
    }

    /// Undoes everything that is held by nobody, or by a holder that does not end by itself. What
    /// could not be undone stays in the ledger: `(name, problem)`.
    pub fn clean(&self) -> Vec<(String, String)> {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) => return vec![(self.folder.display().to_string(), error.to_string())],
        };
        let deadline = Instant::now() + HOLDER_WITHIN;
        let mut problems = Vec::new();
        for (name, entry) in files {
            let cleaned = match entry {
                Ok(entry) => entry.clean(deadline),
                Err(error) => Err(format!(
                    "{error}; it cannot be read, so that nobody but you can undo what it says: do \
                     that, and remove it"
                )),
            };
            problems.extend(cleaned.err().map(|problem| (name, problem)));
        }
        problems
    }

    /// Undoes one entry, if it is there.
    pub fn clean_one(&self, name: &str) -> Result<(), String> {
        let entries = self.entries().map_err(|error| error.to_string())?;
        let deadline = Instant::now() + HOLDER_WITHIN;
        entries.iter().filter(|entry| entry.name == name).try_for_each(|it| it.clean(deadline))
    }
}

impl Entry {
    /// A file beside the entry, which is no entry itself.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// Writes down what is about to become true, before it does.
    pub fn note(&mut self, facts: Value) -> io::Result<()> {
        self.facts = facts;
        self.write()
    }

    fn read(path: PathBuf) -> io::Result<Self> {
        let text = fs::read_to_string(&path)?;
        let entry: Self = serde_json::from_str(&text)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        Ok(Self { path, ..entry })
    }

    fn write(&self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    /// It was undone.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// A holder that has lost its master ends by itself; one that does not is killed, and what it
    /// held is undone here.
    fn clean(&self, deadline: Instant) -> Result<(), String> {
        if self.boot != boot() {
            // Its holder is dead, whoever has its number now.
            if self.survives_reboot {
                effects::clean(&self.effect, &self.facts)?;
            }
            return self.remove().map_err(|error| format!("{}: {error}", self.path.display()));
        }
        while self.holder.lives() && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        if !self.path.exists() {
            return Ok(());
        }
        if self.holder.lives() {
            let _ = kill(Pid::from_raw(self.holder.pid), Signal::SIGKILL);
            let deadline = Instant::now() + HOLDER_WITHIN;
            while self.holder.lives() {
                if Instant::now() > deadline {
                    return Err(format!("its holder (process {}) does not die", self.holder.pid));
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        effects::clean(&self.effect, &self.facts)?;
        self.remove().map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// What the kernel calls the time since its last start; nothing where it does not say.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFECT: Effect = Effect::Burn { threads_per_cpu: 1 };

    #[test]
    fn an_entry_is_there_until_it_was_undone() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::at(folder.path().join("ledger"));
        assert!(ledger.entries().expect("no entries").is_empty());
        let mut entry = ledger.enter("F1", &EFFECT).expect("an entry");
        entry.note(serde_json::json!({ "pid": 7 })).expect("noted");
        let read = ledger.entries().expect("entries");
        assert_eq!((read.len(), &read[0].facts["pid"]), (1, &serde_json::json!(7)));
        assert!(read[0].holder.lives());
        entry.remove().expect("removed");
        assert!(ledger.entries().expect("no entries").is_empty());
    }

    #[test]
    fn undoes_what_a_dead_process_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::at(folder.path());
        let mut entry = ledger.enter("F1", &EFFECT).expect("an entry");
        // Another process had this number before.
        entry.holder.started = 1;
        entry.note(Value::Null).expect("noted");
        assert_eq!(ledger.clean(), []);
        assert!(ledger.entries().expect("no entries").is_empty());
    }

    #[test]
    fn touches_no_process_of_another_boot() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::at(folder.path());
        // By chance this process has the number and the start of the holder.
        let mut entry = ledger.enter("F1", &EFFECT).expect("an entry");
        assert!(!entry.survives_reboot);
        entry.boot = "another".into();
        entry.note(Value::Null).expect("noted");
        assert_eq!(ledger.clean(), []);
        assert!(ledger.entries().expect("no entries").is_empty());
    }

    #[test]
    fn a_damaged_entry_is_told_and_keeps_no_other_from_being_undone() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::at(folder.path());
        fs::write(folder.path().join("F1.json"), "{").expect("a file");
        let mut entry = ledger.enter("F2", &EFFECT).expect("an entry");
        entry.holder.started = 1;
        entry.note(Value::Null).expect("noted");
        let problems = ledger.clean();
        assert!(matches!(problems.as_slice(), [(name, _)] if name == "F1"), "{problems:?}");
        assert!(ledger.entries().is_err());
        assert!(!folder.path().join("F2.json").exists());
    }
}
