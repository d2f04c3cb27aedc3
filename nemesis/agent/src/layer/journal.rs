//! Names that changed since their folders were synced, in the order in which they changed.
//!
//! As in the journal of ext4 or XFS, names become durable in order: what makes one change durable
//! makes all those before it durable. The changes after it are undone from the last to the first,
//! and what was removed meanwhile is kept under a name that only the layer sees.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::fcntl::{AtFlags, RenameFlags, renameat2};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::node::Node;

/// A name in a folder.
#[derive(Clone)]
pub(super) struct Name {
    pub(super) folder: Arc<Node>,
    pub(super) name: OsString,
}

impl Name {
    pub(super) fn new(folder: &Arc<Node>, name: &OsStr) -> Self {
        Self { folder: folder.clone(), name: name.to_owned() }
    }
}

/// Something that has lost its name, kept for the case that the name comes back.
pub(super) struct Kept {
    node: Arc<Node>,
    name: OsString,
    is_folder: bool,
    bytes: u64,
}

/// One change of names.
pub(super) enum Change {
    /// A name was made, for something new or as one more of something old.
    Made { at: Name, node: Arc<Node>, is_folder: bool },
    /// A name was removed.
    Removed { at: Name, kept: Kept },
    /// A name became another one, and perhaps took the place of something.
    Moved { from: Name, to: Name, node: Arc<Node>, replaced: Option<Kept> },
    /// Two names changed places.
    Exchanged { one: Name, other: Name },
}

impl Change {
    /// Whether syncing this folder makes the change durable.
    fn is_in(&self, folder: u64) -> bool {
        match self {
            Change::Made { at, .. } | Change::Removed { at, .. } => at.folder.number == folder,
            Change::Moved { from: one, to: other, .. } | Change::Exchanged { one, other } => {
                one.folder.number == folder || other.folder.number == folder
            }
        }
    }

    /// Whether the change gave this file the name that it has.
    fn named(&self, file: u64) -> bool {
        match self {
            Change::Made { node, .. } | Change::Moved { node, .. } => node.number == file,
            Change::Removed { .. } | Change::Exchanged { .. } => false,
        }
    }
}

/// The changes that are not durable, the first one first.
pub(super) struct Journal {
    /// Where what was removed is kept.
    attic: OwnedFd,
    changes: VecDeque<Change>,
    /// So many of the first changes are durable where syncing a file keeps its name.
    named: usize,
    kept: u64,
    bytes: u64,
}

impl Journal {
    pub(super) fn new(attic: OwnedFd) -> Self {
        Self { attic, changes: VecDeque::new(), named: 0, kept: 0, bytes: 0 }
    }

    /// How many changes are not durable, and how many bytes are kept for them.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.changes.len(), self.bytes)
    }

    pub(super) fn push(&mut self, change: Change) {
        self.changes.push_back(change);
    }

    /// Takes a name away from something and keeps it; the name is free afterwards.
    pub(super) fn take_away(&mut self, at: &Name, node: Arc<Node>) -> io::Result<Kept> {
        let kept = self.keep(node)?;
        let attic = &self.attic;
        let flags = RenameFlags::empty();
        renameat2(&at.folder.place, at.name.as_os_str(), attic, kept.name.as_os_str(), flags)?;
        self.count(&kept);
        Ok(kept)
    }

    /// Keeps a file that is about to lose a name in one step with something else.
    pub(super) fn keep_link(&mut self, at: &Name, node: Arc<Node>) -> io::Result<Kept> {
        let kept = self.keep(node)?;
        let attic = &self.attic;
        let flags = AtFlags::empty();
        linkat(&at.folder.place, at.name.as_os_str(), attic, kept.name.as_os_str(), flags)?;
        self.count(&kept);
        Ok(kept)
    }

    /// What was to be replaced, and was not, is where it was.
    pub(super) fn put_back(&mut self, kept: &Kept, at: &Name) -> io::Result<()> {
        // A file has never lost its name.
        self.let_go(kept, kept.is_folder.then_some(at))
    }

    fn keep(&mut self, node: Arc<Node>) -> io::Result<Kept> {
        let (is_folder, bytes) = (node.is_folder()?, node.stat()?.st_blocks as u64 * 512);
        self.kept += 1;
        Ok(Kept { node, name: self.kept.to_string().into(), is_folder, bytes })
    }

    fn count(&mut self, kept: &Kept) {
        kept.node.kept_links.fetch_add(1, Ordering::Relaxed);
        self.bytes += kept.bytes;
    }

    /// What was kept is kept no more, and has its name again if it has `one`.
    fn let_go(&mut self, kept: &Kept, name: Option<&Name>) -> io::Result<()> {
        self.bytes = self.bytes.saturating_sub(kept.bytes);
        kept.node.kept_links.fetch_sub(1, Ordering::Relaxed);
        let (attic, old) = (&self.attic, kept.name.as_os_str());
        match name {
            Some(at) => {
                let flags = RenameFlags::empty();
                renameat2(attic, old, &at.folder.place, at.name.as_os_str(), flags)?;
            }
            None => unlinkat(attic, old, removal(kept.is_folder))?,
        }
        Ok(())
    }

    /// A folder was synced: its names are durable, and all that changed before them.
    pub(super) fn synced_folder(&mut self, folder: u64) -> io::Result<()> {
        let last = self.changes.iter().rposition(|change| change.is_in(folder));
        last.map_or(Ok(()), |last| self.settle(last + 1))
    }

    /// A file or folder was synced that has its name from here.
    pub(super) fn synced_itself(&mut self, file: u64) {
        let last = self.changes.iter().rposition(|change| change.named(file));
        self.named = self.named.max(last.map_or(0, |last| last + 1));
    }

    /// The names of those that were synced are durable, and all that changed before them.
    pub(super) fn settle_named(&mut self) -> io::Result<()> {
        self.settle(self.named)
    }

    pub(super) fn settle_all(&mut self) -> io::Result<()> {
        self.settle(self.changes.len())
    }

    /// The first `count` changes are durable.
    pub(super) fn settle(&mut self, count: usize) -> io::Result<()> {
        let durable: Vec<Change> = self.changes.drain(..count).collect();
        self.named = self.named.saturating_sub(count);
        let mut done = Ok(());
        for change in durable {
            let kept = match change {
                Change::Removed { kept, .. } => Some(kept),
                Change::Moved { replaced, .. } => replaced,
                Change::Made { .. } | Change::Exchanged { .. } => None,
            };
            if let Some(kept) = kept {
                done = done.and(self.let_go(&kept, None));
            }
        }
        done
    }

    /// Undoes all changes, from the last to the first, and says how many there were.
    pub(super) fn undo(&mut self) -> io::Result<usize> {
        let mut undone = 0;
        self.named = 0;
        while let Some(change) = self.changes.pop_back() {
            self.undo_one(change)?;
            undone += 1;
        }
        Ok(undone)
    }

    fn undo_one(&mut self, change: Change) -> io::Result<()> {
        let swap = |one: &Name, other: &Name, flags| {
            let (from, to) = (&one.folder.place, &other.folder.place);
            renameat2(from, one.name.as_os_str(), to, other.name.as_os_str(), flags)
        };
        match change {
            Change::Made { at, is_folder, .. } => {
                unlinkat(&at.folder.place, at.name.as_os_str(), removal(is_folder))?;
            }
            Change::Removed { at, kept } => self.let_go(&kept, Some(&at))?,
            Change::Moved { from, to, replaced, .. } => {
                swap(&to, &from, RenameFlags::empty())?;
                if let Some(kept) = replaced {
                    self.let_go(&kept, Some(&to))?;
                }
            }
            Change::Exchanged { one, other } => {
                swap(&one, &other, RenameFlags::RENAME_EXCHANGE)?;
            }
        }
        Ok(())
    }
}

fn removal(is_folder: bool) -> UnlinkatFlags {
    if is_folder { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir }
}
