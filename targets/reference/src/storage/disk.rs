//! A folder on a disk, and what the simulation puts in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A few small files.
pub trait Disk {
    /// The whole file, or `None` if there is none.
    fn read(&mut self, name: &'static str) -> io::Result<Option<Vec<u8>>>;
    /// Hands bytes to the operating system, at the file's end.
    fn append(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()>;
    /// Makes all that was appended durable.
    fn sync(&mut self, name: &'static str) -> io::Result<()>;
    /// Replaces the file in one step, durably.
    fn replace(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file, durably.
    fn truncate(&mut self, name: &'static str, length: usize) -> io::Result<()>;
}

/// A real folder.
pub struct FolderDisk {
    folder: PathBuf,
    /// The file appended to last, kept open.
    open: Option<(&'static str, File)>,
}

impl FolderDisk {
    /// The folder at `folder`, made if it is not there.
    pub fn new(folder: PathBuf) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let missing = folder.ancestors().take_while(|level| !level.exists()).count();
        fs::create_dir_all(&folder)?;
        // The names in the folder, which a node that was killed may not have synced, and, in the
        // folders above, the names of those that were made just now.
        for level in folder.ancestors().take(missing + 1) {
            sync_folder(level)?;
        }
        Ok(Self { folder, open: None })
    }

    fn file(&mut self, name: &'static str) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != name) {
            let path = self.folder.join(name);
            let fresh = !path.exists();
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            if fresh {
                sync_folder(&self.folder)?;
            }
            self.open = Some((name, file));
        }
        let (_, file) = self.open.as_mut().expect("the file was opened just above");
        Ok(file)
    }
}

/// A file's name is durable only when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Disk for FolderDisk {
    fn read(&mut self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all(bytes)
    }

    fn sync(&mut self, name: &'static str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn replace(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        self.open = None;
        let fresh = self.folder.join(format!("{name}.new"));
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, self.folder.join(name))?;
        sync_folder(&self.folder)
    }

    fn truncate(&mut self, name: &'static str, length: usize) -> io::Result<()> {
        self.open = None;
        let file = OpenOptions::new().write(true).open(self.folder.join(name))?;
        file.set_len(length as u64)?;
        file.sync_all()
    }
}
