//! The folders of a run on a node.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What a run leaves in the agent's folder: data and logs.
pub const OURS: [&str; 2] = ["data", "logs"];
/// The folder for data. At a run's beginning it is empty, and so is that of the logs: both names are
/// ours, and so is what they hold.
pub fn prepare(folder: &Path, fresh: bool) -> Result<PathBuf, String> {
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    for path in OURS.map(|name| folder.join(name)).iter().filter(|_| fresh) {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(path, error));
            }
            _ => {}
        }
    }
    let data = folder.join(OURS[0]);
    fs::create_dir_all(&data).map_err(|error| failed(&data, error))?;
    // Targets may run as another user.
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755))
        .map_err(|error| failed(&data, error))?;
    Ok(data)
}

/// A file for a program to log to, whose folder is made if need be.
pub fn open_log(path: &Path) -> io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_a_run_with_an_empty_data_folder_and_keeps_it_afterwards() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = prepare(folder.path(), true).expect("a folder");
        fs::write(data.join("old"), "x").expect("a file");
        prepare(folder.path(), false).expect("a folder");
        assert!(data.join("old").exists());
        prepare(folder.path(), true).expect("a folder");
        assert!(data.exists() && !data.join("old").exists());
    }
}
