//! What programs hold open, by the numbers that the kernel knows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::FileHandle;
use nix::libc;
use nix::unistd::{Whence, lseek64};

use super::node::Node;

/// An open file.
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) node: Arc<Node>,
    /// Whether every write is to last (`O_SYNC`, `O_DSYNC`).
    pub(super) always_synced: bool,
}

impl OpenFile {
    /// Opens a file. The kernel names the place where something is appended, and checks alignment
    /// for `O_DIRECT` itself, so that neither flag is passed down.
    pub(super) fn open(node: &Arc<Node>, flags: i32) -> io::Result<Self> {
        let write = flags & libc::O_ACCMODE != libc::O_RDONLY;
        Ok(Self::new(node.open(write)?, node, flags))
    }

    pub(super) fn new(file: File, node: &Arc<Node>, flags: i32) -> Self {
        // O_SYNC contains the bit of O_DSYNC.
        Self { file, node: node.clone(), always_synced: flags & libc::O_DSYNC != 0 }
    }

    /// Finds data or a hole.
    pub(super) fn seek(&self, offset: i64, whence: i32) -> io::Result<i64> {
        let whence = match whence {
            libc::SEEK_DATA => Whence::SeekData,
            libc::SEEK_HOLE => Whence::SeekHole,
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        Ok(lseek64(&self.file, offset, whence)?)
    }
}

/// Open things of one kind.
pub(super) struct Handles<T>(Mutex<Open<T>>);

struct Open<T> {
    last: u64,
    all: BTreeMap<u64, Arc<T>>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self(Mutex::new(Open { last: 0, all: BTreeMap::new() }))
    }
}

impl<T> Handles<T> {
    fn open(&self) -> MutexGuard<'_, Open<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, opened: T) -> FileHandle {
        let mut open = self.open();
        open.last += 1;
        let number = open.last;
        open.all.insert(number, Arc::new(opened));
        FileHandle(number)
    }

    pub(super) fn get(&self, handle: FileHandle) -> io::Result<Arc<T>> {
        let opened = self.open().all.get(&handle.0).cloned();
        opened.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    pub(super) fn remove(&self, handle: FileHandle) {
        self.open().all.remove(&handle.0);
    }
}
