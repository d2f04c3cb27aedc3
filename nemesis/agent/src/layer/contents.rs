//! Bytes of files: reading, writing, cutting off, syncing.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::sync::Arc;

use fuser::{FileHandle, TimeOrNow};
use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, fallocate};
use nix::libc;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};

use super::disk::Disk;
use super::handles::OpenFile;
use super::node::Node;
use super::trouble::Operation;
use super::unsynced::Unsynced;

/// What of a file's attributes is to change.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) mode: Option<u32>,
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) accessed: Option<TimeOrNow>,
    pub(super) modified: Option<TimeOrNow>,
}

impl Disk {
    pub(super) fn read(&self, open: &OpenFile, offset: u64, size: u32) -> io::Result<Vec<u8>> {
        self.troubles.meet(Operation::Read)?;
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match open.file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    pub(super) fn write(&self, open: &OpenFile, offset: u64, data: &[u8]) -> io::Result<()> {
        self.troubles.meet(Operation::Write)?;
        let end = offset + data.len() as u64;
        let keep = |undo: &mut Unsynced| {
            if self.troubles.is_full() && end > open.file.metadata()?.len() {
                return Err(no_space());
            }
            undo.keep(&open.file, offset, end)
        };
        self.change(&open.node, keep, || open.file.write_all_at(data, offset))?;
        if open.always_synced { self.sync_file(open, true) } else { Ok(()) }
    }

    pub(super) fn sync_file(&self, open: &OpenFile, data_only: bool) -> io::Result<()> {
        self.troubles.meet(Operation::Fsync)?;
        self.sync(
            &open.node,
            || {
                if data_only { open.file.sync_data() } else { open.file.sync_all() }
            },
        )
    }

    pub(super) fn sync_folder(&self, node: &Node) -> io::Result<()> {
        self.troubles.meet(Operation::Fsync)?;
        self.sync(node, || node.open(false)?.sync_all())
    }

    /// Sets the size of a file.
    fn set_size(&self, node: &Arc<Node>, file: &File, size: u64) -> io::Result<()> {
        self.replace(node, file, size, u64::MAX, || file.set_len(size))
    }

    /// Does something that changes bytes between `from` and `to`, of which there may be too many to
    /// be kept.
    fn replace(
        &self,
        node: &Arc<Node>,
        file: &File,
        from: u64,
        to: u64,
        change: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if self.is_too_much(file.metadata()?.len().min(to).saturating_sub(from)) {
            change()?;
            return self.overflow();
        }
        self.change(node, |undo| undo.keep(file, from, to), change)
    }

    /// Reserves, punches or zeroes.
    pub(super) fn allocate(
        &self,
        open: &OpenFile,
        offset: u64,
        length: u64,
        mode: i32,
    ) -> io::Result<()> {
        self.troubles.meet(Operation::Write)?;
        let mode = FallocateFlags::from_bits_truncate(mode);
        let zeroes = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_ZERO_RANGE;
        if self.troubles.is_full() && !mode.contains(FallocateFlags::FALLOC_FL_PUNCH_HOLE) {
            return Err(no_space());
        }
        let end = offset.saturating_add(length);
        let start = if mode.intersects(zeroes) { offset } else { end };
        self.replace(&open.node, &open.file, start, end, || {
            Ok(fallocate(&open.file, mode, offset as i64, length as i64)?)
        })
    }

    pub(super) fn set_attributes(
        &self,
        node: &Arc<Node>,
        handle: Option<FileHandle>,
        wanted: Wanted,
    ) -> io::Result<()> {
        if let Some(size) = wanted.size {
            self.troubles.meet(Operation::Write)?;
            match handle.and_then(|handle| self.files.get(handle).ok()) {
                Some(open) => self.set_size(node, &open.file, size)?,
                None => self.set_size(node, &node.open(true)?, size)?,
            }
        }
        let Wanted { mode, user, group, .. } = wanted;
        if mode.is_some() || user.is_some() || group.is_some() {
            self.change(node, |_| Ok(0), || set_rights(node, mode, user, group))?;
        }
        if wanted.accessed.is_some() || wanted.modified.is_some() {
            let (accessed, modified) = (time(wanted.accessed), time(wanted.modified));
            let follow = UtimensatFlags::FollowSymlink;
            utimensat(AT_FDCWD, node.path().as_str(), &accessed, &modified, follow)?;
        }
        Ok(())
    }
}

pub(super) fn no_space() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOSPC)
}

fn set_rights(
    node: &Node,
    mode: Option<u32>,
    user: Option<u32>,
    group: Option<u32>,
) -> io::Result<()> {
    if user.is_some() || group.is_some() {
        let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
        fchownat(&node.place, "", user, group, AtFlags::AT_EMPTY_PATH)?;
    }
    match mode {
        Some(mode) => std::fs::set_permissions(node.path(), Permissions::from_mode(mode & 0o7777)),
        None => Ok(()),
    }
}

fn time(wanted: Option<TimeOrNow>) -> TimeSpec {
    match wanted {
        None => TimeSpec::UTIME_OMIT,
        Some(TimeOrNow::Now) => TimeSpec::UTIME_NOW,
        Some(TimeOrNow::SpecificTime(time)) => match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => TimeSpec::from_duration(since),
            Err(before) => {
                let nanoseconds = -(before.duration().as_nanos() as i128);
                let second = 1_000_000_000;
                TimeSpec::new(
                    nanoseconds.div_euclid(second) as i64,
                    nanoseconds.rem_euclid(second) as i64,
                )
            }
        },
    }
}
