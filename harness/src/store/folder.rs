//! The folder of one run, and the links to the latest.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A run's folder: `runs/<plan>/<start time>`.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
    path: PathBuf,
}

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{path}: {problem}")]
    Io {
        /// The file or folder.
        path: String,
        /// What was being done, and the operating system's answer.
        problem: String,
    },
    /// A file is not what its name says.
    #[error("{path}: {problem}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

fn failed(path: &Path, doing: &str, error: &io::Error) -> StoreError {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull => "; free some space, or choose another folder with --runs",
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
            "; choose another folder with --runs"
        }
        _ => "",
    };
    let problem = format!("cannot {doing}: {error}{remedy}");
    StoreError::Io { path: path.display().to_string(), problem }
}

impl RunFolder {
    /// Makes the folder of a run of `plan` that starts at `stamp` (`2026-11-23T14-07-12Z`), under
    /// `root`. Two runs that start in one second get `…-2`, `…-3`.
    pub fn create(root: &Path, plan: &str, stamp: &str) -> Result<Self, StoreError> {
        let parent = root.join(plan);
        fs::create_dir_all(&parent).map_err(|error| failed(&parent, "make the folder", &error))?;
        let parent = fs::canonicalize(&parent).map_err(|error| failed(&parent, "find", &error))?;
        let root = fs::canonicalize(root).map_err(|error| failed(root, "find", &error))?;
        for number in 1..10_000 {
            let name = if number == 1 { stamp.to_owned() } else { format!("{stamp}-{number}") };
            let path = parent.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { root, path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, "make the folder", &error)),
            }
        }
        let problem = "there are 9,999 runs of this second".into();
        Err(StoreError::Io { path: parent.display().to_string(), problem })
    }

    /// The folder of an earlier run.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = fs::canonicalize(path).map_err(|error| failed(path, "find", &error))?;
        let root = path.parent().and_then(Path::parent).unwrap_or(&path).to_owned();
        Ok(Self { root, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Points `latest` and `<plan>/latest` at this run. A link is replaced in one step, so that
    /// whoever follows it always finds a run.
    pub fn link_latest(&self) -> Result<(), StoreError> {
        let mut folders = vec![self.root.clone()];
        folders.extend(self.path.parent().map(Path::to_owned));
        for folder in folders {
            let Ok(target) = self.path.strip_prefix(&folder) else { continue };
            let link = folder.join("latest");
            let fresh = folder.join(format!(".latest-{}", std::process::id()));
            let _ = fs::remove_file(&fresh);
            std::os::unix::fs::symlink(target, &fresh)
                .and_then(|()| fs::rename(&fresh, &link))
                .map_err(|error| failed(&link, "set the link", &error))?;
        }
        Ok(())
    }

    /// Writes a text file whole, or not at all.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), StoreError> {
        let path = self.join(name);
        let fresh = self.join(&format!(".{name}.new"));
        let write = || -> io::Result<()> {
            let mut file = fs::File::create(&fresh)?;
            file.write_all(contents)?;
            file.sync_data()?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&fresh);
            failed(&path, "write", &error)
        })
    }

    /// Writes a record as JSON, whole or not at all.
    pub fn write_json(&self, name: &str, record: &impl Serialize) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec_pretty(record).map_err(|error| StoreError::Format {
            path: self.join(name).display().to_string(),
            problem: error.to_string(),
        })?;
        text.push(b'\n');
        self.write(name, &text)
    }

    /// Reads a text file.
    pub fn read(&self, name: &str) -> Result<String, StoreError> {
        let path = self.join(name);
        fs::read_to_string(&path).map_err(|error| failed(&path, "read", &error))
    }

    /// Reads a record from JSON.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.read(name)?).map_err(|error| StoreError::Format {
            path: self.join(name).display().to_string(),
            problem: error.to_string(),
        })
    }

    /// Removes the folder and everything in it, and the plan's folder if that was all: for a run
    /// that never began.
    pub fn remove(self) {
        let _ = fs::remove_dir_all(&self.path);
        if let Some(parent) = self.path.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_the_latest_run_and_keeps_runs_of_one_second_apart() {
        let root = tempfile::tempdir().expect("a folder");
        let first = RunFolder::create(root.path(), "bugs/x", "t").expect("a run");
        let second = RunFolder::create(root.path(), "bugs/x", "t").expect("a run");
        first.link_latest().expect("links");
        second.link_latest().expect("links");
        second.write("plan.yaml", b"name: x").expect("a file");
        assert_ne!(first.path(), second.path());
        for latest in ["latest", "bugs/x/latest"] {
            let run = RunFolder::open(&root.path().join(latest)).expect("a run");
            assert_eq!(run.path(), second.path());
            assert_eq!(run.read("plan.yaml").expect("a plan"), "name: x");
        }
    }

    #[test]
    fn removes_a_run_that_never_began() {
        let root = tempfile::tempdir().expect("a folder");
        RunFolder::create(root.path(), "x", "t").expect("a run").remove();
        assert_eq!(fs::read_dir(root.path()).expect("the root").count(), 0);
    }
}
