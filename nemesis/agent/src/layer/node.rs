//! The files and folders that the kernel knows of, each held open by a descriptor without rights.
//!
//! A descriptor follows its file through every rename and pins its number, so that the numbers of
//! the folder below can be those of the layer.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use super::unsynced::Unsynced;

/// The number of the root, by definition of the protocol.
pub(super) const ROOT: u64 = INodeNo::ROOT.0;

/// A file, folder or anything else that has a name.
pub(super) struct Node {
    /// Its number.
    pub(super) number: u64,
    /// Opened with `O_PATH`.
    pub(super) place: OwnedFd,
    /// What of it would be lost with the power.
    unsynced: Mutex<Option<Unsynced>>,
    /// How many of its links are ours, so that it comes back if its name does.
    pub(super) kept_links: AtomicU32,
}

impl Node {
    pub(super) fn unsynced(&self) -> MutexGuard<'_, Option<Unsynced>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name of it that lasts as long as it is held, whatever becomes of its names.
    pub(super) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.place.as_raw_fd())
    }

    pub(super) fn stat(&self) -> io::Result<FileStat> {
        Ok(fstat(&self.place)?)
    }

    fn is(&self, kind: SFlag) -> io::Result<bool> {
        Ok(SFlag::from_bits_truncate(self.stat()?.st_mode) & SFlag::S_IFMT == kind)
    }

    pub(super) fn is_file(&self) -> io::Result<bool> {
        self.is(SFlag::S_IFREG)
    }

    pub(super) fn is_folder(&self) -> io::Result<bool> {
        self.is(SFlag::S_IFDIR)
    }

    /// Opens what it is; what is written needs to be read, too, to be undone.
    pub(super) fn open(&self, write: bool) -> io::Result<File> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        OpenOptions::new().read(true).write(write).custom_flags(flags).open(self.path())
    }

    /// Where a symbolic link leads.
    pub(super) fn target(&self) -> io::Result<OsString> {
        Ok(readlinkat(&self.place, "")?)
    }

    pub(super) fn attributes(&self) -> io::Result<FileAttr> {
        let stat = self.stat()?;
        Ok(FileAttr {
            ino: INodeNo(self.number),
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
            atime: time(stat.st_atime, stat.st_atime_nsec),
            mtime: time(stat.st_mtime, stat.st_mtime_nsec),
            ctime: time(stat.st_ctime, stat.st_ctime_nsec),
            crtime: UNIX_EPOCH,
            kind: kind(stat.st_mode),
            perm: (stat.st_mode & 0o7777) as u16,
            nlink: (stat.st_nlink as u32).saturating_sub(self.kept_links.load(Ordering::Relaxed)),
            uid: stat.st_uid,
            gid: stat.st_gid,
            rdev: stat.st_rdev as u32,
            blksize: 4096,
            flags: 0,
        })
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let fraction = Duration::from_nanos(nanoseconds as u64);
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds) + fraction,
        Err(_) => UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()) + fraction,
    }
}

fn kind(mode: u32) -> FileType {
    match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => FileType::Directory,
        SFlag::S_IFLNK => FileType::Symlink,
        SFlag::S_IFIFO => FileType::NamedPipe,
        SFlag::S_IFSOCK => FileType::Socket,
        SFlag::S_IFCHR => FileType::CharDevice,
        SFlag::S_IFBLK => FileType::BlockDevice,
        _ => FileType::RegularFile,
    }
}

/// All that the kernel knows, or that still has something to lose.
pub(super) struct Nodes {
    device: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: BTreeMap<u64, Known>,
    /// What the kernel has forgotten, and somebody here has not.
    forgotten: BTreeSet<u64>,
}

struct Known {
    node: Arc<Node>,
    /// How often the kernel was told of it.
    lookups: u64,
}

impl Nodes {
    /// Begins with the root, which is never forgotten.
    pub(super) fn new(root: OwnedFd) -> io::Result<Self> {
        let device = fstat(&root)?.st_dev;
        let nodes = Self { device, inner: Mutex::default() };
        let known = Known { node: Arc::new(node(ROOT, root)), lookups: 1 };
        nodes.inner().known.insert(ROOT, known);
        Ok(nodes)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the kernel means by a number.
    pub(super) fn get(&self, number: INodeNo) -> io::Result<Arc<Node>> {
        let inner = self.inner();
        let known = inner.known.get(&number.0).map(|known| known.node.clone());
        known.ok_or_else(|| io::Error::from_raw_os_error(libc::ESTALE))
    }

    /// What stands under a name; the kernel is about to be told of it.
    pub(super) fn look_up(&self, folder: &Node, name: &OsStr) -> io::Result<Arc<Node>> {
        self.find(folder, name, 1)
    }

    /// What stands under a name, between us.
    pub(super) fn peek(&self, folder: &Node, name: &OsStr) -> io::Result<Arc<Node>> {
        self.find(folder, name, 0)
    }

    fn find(&self, folder: &Node, name: &OsStr, lookups: u64) -> io::Result<Arc<Node>> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let place = openat(&folder.place, name, flags, Mode::empty())?;
        let stat = fstat(&place)?;
        if stat.st_dev != self.device {
            // Another file system is mounted there, whose numbers are not ours.
            return Err(io::Error::from_raw_os_error(libc::EXDEV));
        }
        // Some file systems give the number of the root to a file.
        let number = if stat.st_ino == ROOT { 1 << 63 | ROOT } else { stat.st_ino };
        let mut inner = self.inner();
        let known = inner
            .known
            .entry(number)
            .or_insert_with(|| Known { node: Arc::new(node(number, place)), lookups: 0 });
        known.lookups += lookups;
        let (node, forgotten) = (known.node.clone(), known.lookups == 0);
        if forgotten {
            inner.forgotten.insert(number)
        } else {
            inner.forgotten.remove(&number)
        };
        Ok(node)
    }

    /// The kernel has forgotten so many times that it was told of this.
    pub(super) fn forget(&self, number: INodeNo, times: u64) {
        if number.0 == ROOT {
            return;
        }
        let mut inner = self.inner();
        let Some(known) = inner.known.get_mut(&number.0) else { return };
        known.lookups = known.lookups.saturating_sub(times);
        if known.lookups == 0 {
            inner.forgotten.insert(number.0);
            inner.sweep();
        }
    }

    /// Lets go of what nobody needs any more: to be called after something was synced.
    pub(super) fn sweep(&self) {
        self.inner().sweep();
    }
}

impl Inner {
    /// Whoever else holds a node got it from here, so that a count of one cannot rise meanwhile.
    fn sweep(&mut self) {
        let Inner { known, forgotten } = self;
        forgotten.retain(|number| match known.get(number) {
            Some(held) if Arc::strong_count(&held.node) == 1 => {
                known.remove(number);
                false
            }
            other => other.is_some(),
        });
    }
}

fn node(number: u64, place: OwnedFd) -> Node {
    Node { number, place, unsynced: Mutex::default(), kept_links: AtomicU32::new(0) }
}
