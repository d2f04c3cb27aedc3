//! The disk that a node sees: the folder below, what is not durable of it, and what ails it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::handles::{Handles, OpenFile};
use super::journal::Journal;
use super::names::Entry;
use super::node::{Node, Nodes};
use super::trouble::Troubles;
use super::unsynced::Unsynced;

/// How much undoing may cost before all counts as written: bytes in memory, and on the disk below.
pub(super) const KEEP_MAX: u64 = 256 << 20;
const ATTIC_MAX: u64 = 1 << 30;
const CHANGES_MAX: usize = 10_000;

/// What a loss of power is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Whether some of what was not synced had reached the disk all the same: pages drawn by lot,
    /// and the first so many changes of names. Otherwise nothing had.
    pub torn: bool,
    /// Whether the name of a new file is lost unless its folder was synced, as POSIX allows it.
    /// Otherwise syncing the file keeps its name, too, as on ext4, XFS and btrfs.
    pub strict: bool,
    /// Where chance comes from.
    pub seed: u64,
}

/// What the layer did or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Files with bytes that are not durable.
    pub files: u64,
    /// Such bytes: those that were lost, or those that are kept for the undoing.
    pub bytes: u64,
    /// Changes of names that are not durable.
    pub names: u64,
    /// How often so much was not durable that all of it had to count as written.
    pub overflows: u64,
}

/// An open folder: what it is, and its entries when they were last read from the start.
pub(super) type OpenFolder = (Arc<Node>, Mutex<Vec<Entry>>);

/// The whole disk.
pub(super) struct Disk {
    pub(super) nodes: Nodes,
    pub(super) files: Handles<OpenFile>,
    pub(super) folders: Handles<OpenFolder>,
    pub(super) troubles: Troubles,
    journal: Mutex<Journal>,
    /// What has something to lose.
    unsynced: Mutex<BTreeMap<u64, Arc<Node>>>,
    /// The bytes that are kept in memory.
    kept: AtomicU64,
    keep_max: u64,
    overflows: AtomicU64,
    /// Held by all that is under way, so that the power fails between two of them.
    gate: RwLock<()>,
}

impl Disk {
    /// A disk over the folder `root`, which keeps what was removed in the folder `attic`, and at
    /// most `keep_max` bytes in memory.
    pub(super) fn new(root: OwnedFd, attic: OwnedFd, keep_max: u64) -> io::Result<Self> {
        Ok(Self {
            nodes: Nodes::new(root)?,
            files: Handles::default(),
            folders: Handles::default(),
            troubles: Troubles::default(),
            journal: Mutex::new(Journal::new(attic)),
            unsynced: Mutex::default(),
            kept: AtomicU64::new(0),
            keep_max,
            overflows: AtomicU64::new(0),
            gate: RwLock::default(),
        })
    }

    /// To be held while something is done to the disk.
    pub(super) fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_losses(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Node>>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a file, or its rights, after `keep` kept what that needs to be undone.
    pub(super) fn change<T>(
        &self,
        node: &Arc<Node>,
        keep: impl FnOnce(&mut Unsynced) -> io::Result<u64>,
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut unsynced = node.unsynced();
        if unsynced.is_none() {
            *unsynced = Some(Unsynced::new(&node.stat()?));
            self.with_losses().insert(node.number, node.clone());
        }
        if let Some(undo) = unsynced.as_mut() {
            let kept = keep(undo)?;
            self.kept.fetch_add(kept, Ordering::Relaxed);
        }
        let done = change();
        drop(unsynced);
        if self.kept.load(Ordering::Relaxed) > self.keep_max {
            self.overflow()?;
        }
        done
    }

    /// Whether keeping so many bytes at once would be too much.
    pub(super) fn is_too_much(&self, bytes: u64) -> bool {
        bytes > self.keep_max
    }

    /// After names changed: whether too much is kept for them.
    pub(super) fn bound_names(&self) -> io::Result<()> {
        let (changes, bytes) = self.journal().size();
        if changes > CHANGES_MAX || bytes > ATTIC_MAX { self.overflow() } else { Ok(()) }
    }

    /// Makes a file durable by `sync`, while nobody changes it.
    pub(super) fn sync(
        &self,
        node: &Node,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut unsynced = node.unsynced();
        sync()?;
        self.is_durable(node, &mut unsynced);
        drop(unsynced);
        let mut journal = self.journal();
        let mut done = Ok(());
        if node.is_folder()? {
            done = journal.synced_folder(node.number);
        }
        journal.synced_itself(node.number);
        drop(journal);
        self.nodes.sweep();
        done
    }

    fn is_durable(&self, node: &Node, unsynced: &mut Option<Unsynced>) {
        if let Some(unsynced) = unsynced.take() {
            self.kept.fetch_sub(unsynced.bytes(), Ordering::Relaxed);
            self.with_losses().remove(&node.number);
        }
    }

    /// Everything counts as written, as if the kernel had found the time: better nothing lost than
    /// something that was synced.
    pub(super) fn overflow(&self) -> io::Result<()> {
        self.overflows.fetch_add(1, Ordering::Relaxed);
        let all: Vec<Arc<Node>> = self.with_losses().values().cloned().collect();
        for node in all {
            self.is_durable(&node, &mut node.unsynced());
        }
        let done = self.journal().settle_all();
        self.nodes.sweep();
        done
    }

    /// What would be lost now.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            files: self.with_losses().len() as u64,
            bytes: self.kept.load(Ordering::Relaxed),
            names: self.journal().size().0 as u64,
            overflows: self.overflows.load(Ordering::Relaxed),
        }
    }

    /// The power fails, and what was not durable is lost. To be called when nobody uses the disk.
    pub(super) fn lose(&self, loss: Loss) -> io::Result<Tally> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut dice = loss.torn.then(|| Dice::new(loss.seed));
        let mut journal = self.journal();
        let mut done = if loss.strict { Ok(()) } else { journal.settle_named() };
        if let Some(dice) = &mut dice {
            let durable = dice.below(journal.size().0 as u64 + 1);
            done = done.and(journal.settle(durable as usize));
        }
        let mut tally =
            Tally { overflows: self.overflows.load(Ordering::Relaxed), ..Tally::default() };
        let losing = std::mem::take(&mut *self.with_losses());
        for node in losing.values() {
            let Some(undo) = node.unsynced().take() else { continue };
            match undo.undo(node, dice.as_mut()) {
                Ok(lost) => {
                    tally.files += u64::from(lost > 0);
                    tally.bytes += lost;
                }
                Err(error) => done = done.and(Err(error)),
            }
        }
        self.kept.store(0, Ordering::Relaxed);
        match journal.undo() {
            Ok(names) => tally.names = names as u64,
            Err(error) => done = done.and(Err(error)),
        }
        drop(journal);
        drop(losing);
        self.nodes.sweep();
        done.map(|()| tally)
    }
}
