//! What of one file would be lost with the power: how to undo it.
//!
//! A file on a disk is what it was when it was last synced; what was written since stands in the
//! folder below already, and the bytes that it replaced stand here.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use nix::fcntl::AtFlags;
use nix::sys::stat::FileStat;
use nix::unistd::{Gid, Uid, fchownat};

use super::dice::Dice;
use super::node::Node;

/// In which pieces a disk loses.
pub(super) const PAGE: u64 = 4096;

/// The state of a file when it was last synced, as far as it has changed since.
pub(super) struct Unsynced {
    size: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
    mode: u32,
    owner: (u32, u32),
}

impl Unsynced {
    /// Before the first change.
    pub(super) fn new(stat: &FileStat) -> Self {
        Self {
            size: stat.st_size as u64,
            pages: BTreeMap::new(),
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
        }
    }

    /// Keeps what is to be overwritten between `from` and `to`, and says how many bytes that took.
    /// What lies beyond the size that was synced needs no keeping.
    pub(super) fn keep(&mut self, file: &File, from: u64, to: u64) -> io::Result<u64> {
        let to = to.min(self.size);
        let mut taken = 0;
        if from >= to {
            return Ok(0);
        }
        for page in from / PAGE..to.div_ceil(PAGE) {
            if self.pages.contains_key(&page) {
                continue;
            }
            let start = page * PAGE;
            let mut bytes = vec![0; (self.size - start).min(PAGE) as usize];
            read_full(file, &mut bytes, start)?;
            taken += bytes.len() as u64;
            self.pages.insert(page, bytes.into());
        }
        Ok(taken)
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.pages.values().map(|page| page.len() as u64).sum()
    }

    /// Makes the file what it was, and says how many bytes that lost. With dice, some pages had
    /// reached the disk all the same, as they do when the power fails in the middle.
    pub(super) fn undo(self, node: &Node, mut dice: Option<&mut Dice>) -> io::Result<u64> {
        if !node.is_file()? {
            return self.undo_rights(node).map(|()| 0);
        }
        let file = node.open(true)?;
        let now = file.metadata()?.len();
        let mut lost = 0;
        let mut last_is_old = false;
        for (page, bytes) in &self.pages {
            if !dice.as_mut().is_some_and(|dice| dice.coin()) {
                file.write_all_at(bytes, page * PAGE)?;
                lost += bytes.len() as u64;
                last_is_old |= page * PAGE + bytes.len() as u64 == self.size;
            }
        }
        let size = match dice.as_mut() {
            Some(dice) if now > self.size => {
                // The file had grown up to some page; those before it are there, or zero.
                let pages = (now - self.size).div_ceil(PAGE);
                let size = now.min((self.size / PAGE + dice.below(pages + 1)) * PAGE);
                size.max(self.size)
            }
            _ => self.size,
        };
        lost += now.saturating_sub(size);
        file.set_len(size)?;
        if let Some(dice) = dice {
            // The page in which the synced part ends is as old or as new as that part.
            let first = if last_is_old { self.size / PAGE } else { self.size.div_ceil(PAGE) };
            for page in first..size.div_ceil(PAGE) {
                let start = (page * PAGE).max(self.size);
                if start > page * PAGE || dice.coin() {
                    let zeros = vec![0; (size - start).min((page + 1) * PAGE - start) as usize];
                    file.write_all_at(&zeros, start)?;
                    lost += zeros.len() as u64;
                }
            }
        }
        self.undo_rights(node)?;
        Ok(lost)
    }

    /// Gives a file or a folder the rights back that it had.
    fn undo_rights(&self, node: &Node) -> io::Result<()> {
        let stat = node.stat()?;
        let (user, group) = self.owner;
        if (stat.st_uid, stat.st_gid) != self.owner {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            fchownat(&node.place, "", Some(user), Some(group), AtFlags::AT_EMPTY_PATH)?;
        }
        if stat.st_mode & 0o7777 != self.mode {
            std::fs::set_permissions(node.path(), Permissions::from_mode(self.mode))?;
        }
        Ok(())
    }
}

/// Reads until the buffer is full; what the file does not have is zero, as behind its end.
fn read_full(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read_at(bytes, offset) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
