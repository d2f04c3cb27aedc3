//! What the kernel asks, put to the disk, and its answers.
//!
//! Nothing of names or attributes is remembered by the kernel, so that what befalls the disk shows
//! at once; bytes that were read are, until a file is opened again. What is written comes here at
//! once, never later. Locks are the kernel's own affair: all that lock are on this machine.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::sys::statvfs::fstatvfs;

use super::contents::Wanted;
use super::disk::Disk;
use super::handles::OpenFile;
use super::names::{Caller, Make, entries as read_entries};
use super::node::Node;

/// How long the kernel may remember names and attributes: not at all.
const KNOWN_FOR: Duration = Duration::ZERO;
const GENERATION: Generation = Generation(0);

/// The disk, as the kernel sees it.
pub(super) struct Served(pub(super) Arc<Disk>);

impl Served {
    /// Puts a question to the disk, unless its power is failing just now.
    fn ask<T>(&self, ask: impl FnOnce(&Disk) -> io::Result<T>) -> Result<T, Errno> {
        let _entered = self.0.enter();
        ask(&self.0).map_err(Errno::from)
    }

    fn entry(&self, reply: ReplyEntry, find: impl FnOnce(&Disk) -> io::Result<Arc<Node>>) {
        let found = self.ask(|disk| {
            let node = find(disk)?;
            // The kernel forgets only what it was told.
            let attributes = node.attributes();
            if attributes.is_err() {
                disk.nodes.forget(INodeNo(node.number), 1);
            }
            attributes
        });
        match found {
            Ok(attributes) => reply.entry(&KNOWN_FOR, &attributes, GENERATION),
            Err(error) => reply.error(error),
        }
    }

    fn done(&self, reply: ReplyEmpty, act: impl FnOnce(&Disk) -> io::Result<()>) {
        match self.ask(act) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }
}

fn caller(request: &Request) -> Caller {
    Caller { user: request.uid(), group: request.gid() }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.entry(reply, |disk| disk.look_up(&*disk.nodes.get(parent)?, name));
    }

    fn forget(&self, _: &Request, number: INodeNo, times: u64) {
        self.0.nodes.forget(number, times);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.ask(|disk| disk.nodes.get(number)?.attributes()) {
            Ok(attributes) => reply.attr(&KNOWN_FOR, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        user: Option<u32>,
        group: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let wanted = Wanted { mode, user, group, size, accessed, modified };
        let set = self.ask(|disk| {
            let node = disk.nodes.get(number)?;
            disk.set_attributes(&node, handle, wanted)?;
            node.attributes()
        });
        match set {
            Ok(attributes) => reply.attr(&KNOWN_FOR, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        match self.ask(|disk| disk.nodes.get(number)?.target()) {
            Ok(target) => reply.data(std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str())),
            Err(error) => reply.error(error),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        let what = Make::Special { mode, device };
        self.entry(reply, |disk| disk.make(caller(request), &disk.nodes.get(parent)?, name, what));
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let what = Make::Folder { mode };
        self.entry(reply, |disk| disk.make(caller(request), &disk.nodes.get(parent)?, name, what));
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let what = Make::Symlink(target);
        self.entry(reply, |disk| disk.make(caller(request), &disk.nodes.get(parent)?, name, what));
    }

    fn link(&self, _: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.entry(reply, |disk| {
            disk.link(&disk.nodes.get(number)?, &disk.nodes.get(parent)?, name)
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.done(reply, |disk| disk.remove(&disk.nodes.get(parent)?, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.done(reply, |disk| disk.remove(&disk.nodes.get(parent)?, name));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.done(reply, |disk| {
            let (from, to) = (disk.nodes.get(parent)?, disk.nodes.get(new_parent)?);
            disk.rename((&from, name), (&to, new_name), flags)
        });
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let open = self.ask(|disk| {
            let open = OpenFile::open(&disk.nodes.get(number)?, flags.0)?;
            Ok(disk.files.add(open))
        });
        match open {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.ask(|disk| {
            let folder = disk.nodes.get(parent)?;
            let (node, file) = disk.create(caller(request), &folder, name, mode, flags)?;
            let attributes = node.attributes()?;
            Ok((attributes, disk.files.add(OpenFile::new(file, &node, flags))))
        });
        match created {
            Ok((attributes, handle)) => {
                reply.created(&KNOWN_FOR, &attributes, GENERATION, handle, FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.ask(|disk| disk.read(&*disk.files.get(handle)?, offset, size)) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.ask(|disk| disk.write(&*disk.files.get(handle)?, offset, data)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    /// A program closed a descriptor: nothing is held back that it would have to wait for.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.0.files.remove(handle);
        reply.ok();
    }

    fn fsync(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        self.done(reply, |disk| disk.sync_file(&*disk.files.get(handle)?, data_only));
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let open = self.ask(|disk| {
            let node = disk.nodes.get(number)?;
            Ok(disk.folders.add((node, std::sync::Mutex::default())))
        });
        match open {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = self.ask(|disk| {
            let open = disk.folders.get(handle)?;
            let mut entries = open.1.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if offset == 0 {
                *entries = read_entries(&open.0)?;
            }
            let mut next = offset;
            for entry in entries.iter().skip(offset as usize) {
                next += 1;
                if reply.add(INodeNo(entry.number), next, entry.kind, &entry.name) {
                    break;
                }
            }
            Ok(())
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.0.folders.remove(handle);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.done(reply, |disk| disk.sync_folder(&*disk.nodes.get(number)?));
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.done(reply, |disk| disk.allocate(&*disk.files.get(handle)?, offset, length, mode));
    }

    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        match self.ask(|disk| disk.files.get(handle)?.seek(offset, whence)) {
            Ok(offset) => reply.offset(offset),
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let asked = self.ask(|disk| {
            let root = disk.nodes.get(INodeNo::ROOT)?;
            Ok((fstatvfs(&root.place)?, disk.troubles.is_full()))
        });
        match asked {
            Ok((found, full)) => {
                let free = |count| if full { 0 } else { count };
                reply.statfs(
                    found.blocks(),
                    free(found.blocks_free()),
                    free(found.blocks_available()),
                    found.files(),
                    free(found.files_free()),
                    found.block_size() as u32,
                    found.name_max() as u32,
                    found.fragment_size() as u32,
                );
            }
            Err(error) => reply.error(error),
        }
    }
}
