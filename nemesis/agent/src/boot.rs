//! What survives a reboot is undone after it: a unit of systemd, there for as long as the ledger has
//! an entry that a new start of the node does not undo by itself.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use crate::ledger::Entry;
use crate::leftovers::ledger;

/// Where systemd looks for the units of a machine's administrator.
const UNITS: &str = "etc/systemd/system";
/// Is there only where systemd runs the machine.
const RUNNING: &str = "run/systemd/system";

/// Installs the unit of this agent's folder if the ledger has an entry that survives a reboot, and
/// removes it otherwise; where systemd does not run, nothing is installed.
pub fn follow_ledger(folder: &Path) -> io::Result<()> {
    let program = std::env::current_exe()?;
    Boot { root: "/".into(), folder: folder.to_owned() }.follow_ledger(&program)
}

struct Boot {
    /// `/`, but for tests.
    root: PathBuf,
    folder: PathBuf,
}

impl Boot {
    fn follow_ledger(&self, program: &Path) -> io::Result<()> {
        let unit = self.root.join(UNITS).join(self.name());
        if self.is_wanted() == unit.exists() {
            return Ok(());
        }
        // Two holders that come and go at once must not take each other's unit away.
        let lock = File::create(self.folder.join("boot.lock"))?;
        // SAFETY: the descriptor is open.
        if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if !self.is_wanted() {
            remove(&self.wish())?;
            remove(&unit)
        } else if unit.exists() {
            Ok(())
        } else {
            self.install(&unit, program)
        }
    }

    fn is_wanted(&self) -> bool {
        let none = |entries: Vec<Entry>| entries.iter().all(|entry| !entry.survives_reboot);
        // A damaged entry may be one that survives.
        let nothing_survives = ledger(&self.folder).entries().is_ok_and(none);
        !nothing_survives && self.root.join(RUNNING).is_dir()
    }

    /// One for each folder: two users may have two agents.
    fn name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let folder: String = self.folder.display().to_string().chars().map(plain).collect();
        format!("schism-clean{folder}.service")
    }

    /// The link by which systemd starts the unit with the machine, as `systemctl enable` makes it.
    fn wish(&self) -> PathBuf {
        self.root.join(UNITS).join("multi-user.target.wants").join(self.name())
    }

    fn install(&self, unit: &Path, program: &Path) -> io::Result<()> {
        let wish = self.wish();
        fs::create_dir_all(wish.parent().unwrap_or(Path::new("/")))?;
        let fresh = unit.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(self.text(program).as_bytes())?;
        // The node may lose its power in the next moment.
        file.sync_all()?;
        fs::rename(&fresh, unit)?;
        match std::os::unix::fs::symlink(Path::new("..").join(self.name()), &wish) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for folder in [unit.parent(), wish.parent()].into_iter().flatten() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn text(&self, program: &Path) -> String {
        let (program, folder) = (quote(program), quote(&self.folder));
        format!(
            "[Unit]\nDescription=Undo what schism left on this machine\n\
             RequiresMountsFor={folder}\n\n\
             [Service]\nType=oneshot\nExecStart={program} agent --clean --folder {folder}\n\n\
             [Install]\nWantedBy=multi-user.target\n"
        )
    }
}

/// A word as systemd reads it.
fn quote(path: &Path) -> String {
    let mut word = String::from("\"");
    for c in path.display().to_string().chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            '%' | '$' => word.extend([c, c]),
            '\n' => word += "\\n",
            c => word.push(c),
        }
    }
    word + "\""
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Effect;

    /// A machine in a folder, with systemd or without.
    fn machine(systemd: bool) -> (tempfile::TempDir, Boot) {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("var/it's 100%");
        fs::create_dir_all(&folder).expect("a folder");
        if systemd {
            fs::create_dir_all(root.path().join(RUNNING)).expect("a folder");
        }
        let boot = Boot { root: root.path().to_owned(), folder };
        (root, boot)
    }

    fn enter(boot: &Boot, survives: bool) -> crate::ledger::Entry {
        let burn = Effect::Burn { threads_per_cpu: 1 };
        let mut entry = ledger(&boot.folder).enter("F1", &burn).expect("an entry");
        entry.survives_reboot = survives;
        entry.note(serde_json::Value::Null).expect("noted");
        entry
    }

    #[test]
    fn a_unit_is_there_for_as_long_as_an_entry_that_survives() {
        let (root, boot) = machine(true);
        let unit = root.path().join(UNITS).join(boot.name());
        let follow = || boot.follow_ledger(Path::new("/opt/schism")).expect("followed");
        follow();
        assert!(!unit.exists());
        let entry = enter(&boot, true);
        follow();
        // What systemd would start leads to the unit.
        let text = fs::read_to_string(boot.wish()).expect("a link that leads somewhere");
        let line = format!(
            "ExecStart=\"/opt/schism\" agent --clean --folder \"{}/var/it's 100%%\"\n",
            root.path().display()
        );
        assert!(text.contains(&line), "{text}");
        entry.remove().expect("removed");
        follow();
        assert!(!unit.exists() && fs::symlink_metadata(boot.wish()).is_err());
    }

    #[test]
    fn nothing_is_installed_for_what_a_reboot_undoes_or_where_systemd_does_not_run() {
        let (root, boot) = machine(true);
        enter(&boot, false);
        boot.follow_ledger(Path::new("/opt/schism")).expect("followed");
        assert!(!root.path().join("etc").exists());
        let (root, boot) = machine(false);
        enter(&boot, true);
        boot.follow_ledger(Path::new("/opt/schism")).expect("followed");
        assert!(!root.path().join("etc").exists());
    }

    #[test]
    fn a_damaged_entry_keeps_the_unit() {
        let (root, boot) = machine(true);
        fs::create_dir_all(boot.folder.join("ledger")).expect("a folder");
        fs::write(boot.folder.join("ledger/F1.json"), "{").expect("a file");
        boot.follow_ledger(Path::new("/opt/schism")).expect("followed");
        assert!(root.path().join(UNITS).join(boot.name()).exists());
    }
}
