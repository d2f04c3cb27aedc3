//! Names of files and folders: making, finding, moving and removing them.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{DirEntryExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use fuser::{FileType, RenameFlags};
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat2};
use nix::libc;
use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, fchownat, getegid, geteuid, linkat, symlinkat};

use super::contents::no_space;
use super::disk::Disk;
use super::journal::{Change, Name};
use super::node::{Node, ROOT};

/// The folder in the root that only the layer sees.
pub(super) const ATTIC: &str = ".schism-layer";

/// Who asks, to whom new files belong.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// An entry of a folder.
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) kind: FileType,
    pub(super) name: OsString,
}

/// What kind of thing a new name is for.
pub(super) enum Make<'a> {
    Folder { mode: u32 },
    Special { mode: u32, device: u32 },
    Symlink(&'a Path),
}

impl Disk {
    pub(super) fn look_up(&self, folder: &Node, name: &OsStr) -> io::Result<Arc<Node>> {
        if is_attic(folder, name) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        self.nodes.look_up(folder, name)
    }

    /// Makes a file and opens it; with `O_EXCL` in `flags` there must be none.
    pub(super) fn create(
        &self,
        caller: Caller,
        folder: &Arc<Node>,
        name: &OsStr,
        mode: u32,
        flags: i32,
    ) -> io::Result<(Arc<Node>, File)> {
        let mut journal = self.journal();
        self.may_make(folder, name)?;
        let how = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(mode);
        match openat(&folder.place, name, how, mode) {
            Ok(made) => {
                let node = self.nodes.look_up(folder, name)?;
                journal.push(Change::Made {
                    at: Name::new(folder, name),
                    node: node.clone(),
                    is_folder: false,
                });
                drop(journal);
                hand_over(&node, caller, folder, Some(mode.bits()))?;
                self.bound_names()?;
                Ok((node, File::from(made)))
            }
            Err(nix::Error::EEXIST) if flags & libc::O_EXCL == 0 => {
                drop(journal);
                let node = self.nodes.look_up(folder, name)?;
                let file = node.open(flags & libc::O_ACCMODE != libc::O_RDONLY)?;
                Ok((node, file))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes something that is no file.
    pub(super) fn make(
        &self,
        caller: Caller,
        folder: &Arc<Node>,
        name: &OsStr,
        what: Make<'_>,
    ) -> io::Result<Arc<Node>> {
        let mut journal = self.journal();
        self.may_make(folder, name)?;
        let mode = match what {
            Make::Folder { mode } => {
                mkdirat(&folder.place, name, Mode::from_bits_truncate(mode))?;
                Some(mode)
            }
            Make::Special { mode, device } => {
                let (kind, rights) = (SFlag::from_bits_truncate(mode) & SFlag::S_IFMT, mode);
                let rights = Mode::from_bits_truncate(rights);
                mknodat(&folder.place, name, kind, rights, device.into())?;
                Some(mode)
            }
            Make::Symlink(to) => {
                symlinkat(to, &folder.place, name)?;
                None
            }
        };
        let node = self.nodes.look_up(folder, name)?;
        let is_folder = matches!(what, Make::Folder { .. });
        journal.push(Change::Made { at: Name::new(folder, name), node: node.clone(), is_folder });
        drop(journal);
        hand_over(&node, caller, folder, mode)?;
        self.bound_names()?;
        Ok(node)
    }

    /// Gives a file one more name.
    pub(super) fn link(
        &self,
        node: &Arc<Node>,
        folder: &Arc<Node>,
        name: &OsStr,
    ) -> io::Result<Arc<Node>> {
        let mut journal = self.journal();
        self.may_make(folder, name)?;
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        linkat(AT_FDCWD, node.path().as_str(), &folder.place, name, follow)?;
        let node = self.nodes.look_up(folder, name)?;
        let (at, is_folder) = (Name::new(folder, name), false);
        journal.push(Change::Made { at, node: node.clone(), is_folder });
        Ok(node)
    }

    /// Removes a name, of a file or of an empty folder.
    pub(super) fn remove(&self, folder: &Arc<Node>, name: &OsStr) -> io::Result<()> {
        let mut journal = self.journal();
        if is_attic(folder, name) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        let node = self.nodes.peek(folder, name)?;
        must_be_empty(&node)?;
        let at = Name::new(folder, name);
        let kept = journal.take_away(&at, node)?;
        journal.push(Change::Removed { at, kept });
        drop(journal);
        self.bound_names()
    }

    pub(super) fn rename(
        &self,
        from: (&Arc<Node>, &OsStr),
        to: (&Arc<Node>, &OsStr),
        flags: RenameFlags,
    ) -> io::Result<()> {
        let mut journal = self.journal();
        if is_attic(from.0, from.1) || is_attic(to.0, to.1) {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        let (from, to) = (Name::new(from.0, from.1), Name::new(to.0, to.1));
        let flags = nix::fcntl::RenameFlags::from_bits_truncate(flags.bits());
        let rename = || {
            let (old, new) = (&from.folder.place, &to.folder.place);
            renameat2(old, from.name.as_os_str(), new, to.name.as_os_str(), flags)
        };
        if flags.contains(nix::fcntl::RenameFlags::RENAME_EXCHANGE) {
            rename()?;
            journal.push(Change::Exchanged { one: from, other: to });
            return Ok(());
        }
        let node = self.nodes.peek(&from.folder, &from.name)?;
        let replaced = match self.nodes.peek(&to.folder, &to.name) {
            Err(_) => None,
            Ok(_) if flags.contains(nix::fcntl::RenameFlags::RENAME_NOREPLACE) => {
                return Err(io::Error::from_raw_os_error(libc::EEXIST));
            }
            // Two names of one file: by definition, nothing happens.
            Ok(old) if old.number == node.number => return Ok(()),
            Ok(old) => match (node.is_folder()?, old.is_folder()?) {
                (false, false) => Some(journal.keep_link(&to, old)?),
                (true, true) => {
                    must_be_empty(&old)?;
                    Some(journal.take_away(&to, old)?)
                }
                (false, true) => return Err(io::Error::from_raw_os_error(libc::EISDIR)),
                (true, false) => return Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
            },
        };
        if let Err(error) = rename() {
            if let Some(kept) = replaced {
                journal.put_back(&kept, &to)?;
            }
            return Err(error.into());
        }
        journal.push(Change::Moved { from, to, node, replaced });
        drop(journal);
        self.bound_names()
    }

    fn may_make(&self, folder: &Node, name: &OsStr) -> io::Result<()> {
        if is_attic(folder, name) {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        if self.troubles.is_full() { Err(no_space()) } else { Ok(()) }
    }
}

/// The entries of a folder, as they are now.
pub(super) fn entries(node: &Node) -> io::Result<Vec<Entry>> {
    let mut entries = vec![
        Entry { number: node.number, kind: FileType::Directory, name: ".".into() },
        Entry { number: ROOT, kind: FileType::Directory, name: "..".into() },
    ];
    for entry in std::fs::read_dir(node.path())? {
        let entry = entry?;
        let name = entry.file_name();
        if is_attic(node, &name) {
            continue;
        }
        // One that vanished meanwhile is no entry.
        let kind = entry.file_type().ok().and_then(FileType::from_std);
        entries.extend(kind.map(|kind| Entry { number: entry.ino(), kind, name }));
    }
    Ok(entries)
}

fn is_attic(folder: &Node, name: &OsStr) -> bool {
    folder.number == ROOT && name == ATTIC
}

fn must_be_empty(node: &Node) -> io::Result<()> {
    if node.is_folder()? && std::fs::read_dir(node.path())?.next().is_some() {
        return Err(io::Error::from_raw_os_error(libc::ENOTEMPTY));
    }
    Ok(())
}

/// Gives something new to whoever asked for it, as the kernel does it: in a folder with the bit for
/// it, the group is the folder's.
fn hand_over(node: &Node, caller: Caller, folder: &Node, mode: Option<u32>) -> io::Result<()> {
    let by_folder = folder.stat()?.st_mode & libc::S_ISGID;
    let user = Some(Uid::from_raw(caller.user)).filter(|user| *user != geteuid());
    let group =
        Some(Gid::from_raw(caller.group)).filter(|group| by_folder == 0 && *group != getegid());
    if user.is_some() || group.is_some() {
        let flags = AtFlags::AT_EMPTY_PATH | AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(&node.place, "", user, group, flags)?;
    }
    let Some(mode) = mode else { return Ok(()) };
    // Our own mask is not the caller's, whose has been applied to the mode already.
    let by_folder = if node.is_folder()? { by_folder } else { 0 };
    let mode = mode & 0o7777 | by_folder;
    if node.stat()?.st_mode & 0o7777 == mode {
        return Ok(());
    }
    std::fs::set_permissions(node.path(), Permissions::from_mode(mode))
}
