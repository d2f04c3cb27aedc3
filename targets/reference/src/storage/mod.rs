//! What a node keeps on disk: a log of records, and a snapshot beside it.
//!
//! Each record is `length, CRC-32, payload`, four bytes, four bytes, postcard. The log is appended
//! to and synced once for a batch. A record that a crash has torn stands at the end, was never
//! acknowledged, and is cut off when the node comes up; a damaged record with sound ones anywhere
//! behind it is corruption, and refused. So is a log that lacks the term and vote that were written
//! before what stands with it. Snapshots, and the log that is rewritten after one, replace their
//! files by rename.

mod disk;
mod record;

use std::io;

pub use self::disk::{Disk, FolderDisk};
use self::record::{Record, decode, encode};
use crate::raft::{Bug, Entry, HardState, Log, Snapshot, Write};

const LOG: &str = "log";
const SNAPSHOT: &str = "snapshot";
/// With the bug buffered-log, up to so many bytes are kept back from the operating system.
const KEPT_BACK: usize = 4096;

/// Why a node's files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A file holds what no crash leaves behind.
    #[error(
        "{file}: {problem} at byte {offset}; the file is damaged: restore it, or wipe the node"
    )]
    Corrupt {
        /// The file.
        file: &'static str,
        /// Where.
        offset: usize,
        /// What is wrong.
        problem: String,
    },
}

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Term and vote.
    pub state: HardState,
    /// The snapshot, if there is one.
    pub snapshot: Option<Snapshot>,
    /// The log behind it.
    pub log: Log,
    /// Bytes of a torn record that were cut off.
    pub torn_bytes: usize,
}

/// A node's files.
pub struct Storage<D> {
    disk: D,
    state: HardState,
    bug: Option<Bug>,
    /// Records on their way to the log.
    buffer: Vec<u8>,
}

impl<D: Disk> Storage<D> {
    /// Reads what is there, cuts off a torn end, and is then ready to write.
    pub fn recover(mut disk: D, bug: Option<Bug>) -> Result<(Self, Recovered), StorageError> {
        // Bug no-checksum: what stands there is taken as it is.
        let checks = bug != Some(Bug::NoChecksum);
        let snapshot = read_snapshot(&mut disk, checks)?;
        let bytes = disk.read(LOG).map_err(failed(LOG))?.unwrap_or_default();
        let (records, sound) = decode(&bytes, checks)
            .map_err(|(offset, problem)| StorageError::Corrupt { file: LOG, offset, problem })?;
        let torn_bytes = bytes.len() - sound;
        if torn_bytes > 0 {
            disk.truncate(LOG, sound).map_err(failed(LOG))?;
        }
        // A node that was killed before it had synced finds what it wrote all the same, and counts
        // it from now on among what it may acknowledge.
        if sound > 0 {
            disk.sync(LOG).map_err(failed(LOG))?;
        }
        let (state, log) = replay(records, snapshot.as_ref())?;
        let storage = Self { disk, state, bug, buffer: Vec::new() };
        Ok((storage, Recovered { state, snapshot, log, torn_bytes }))
    }

    /// Makes `writes` durable, in order. When this returns, they survive a crash.
    pub fn write(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        for write in writes {
            match write {
                Write::State(state) => {
                    self.state = *state;
                    encode(&mut self.buffer, &Record::State(*state));
                }
                Write::Entries(entries) => {
                    for entry in entries {
                        encode(&mut self.buffer, &Record::Entry(entry.clone()));
                    }
                }
                Write::Snapshot { snapshot, rest } => {
                    self.flush()?;
                    self.replace(snapshot, rest)?;
                }
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        // Bug buffered-log: the operating system gets nothing until enough has come together.
        if self.bug == Some(Bug::BufferedLog) && self.buffer.len() < KEPT_BACK {
            return Ok(());
        }
        self.disk.append(LOG, &self.buffer).map_err(failed(LOG))?;
        self.buffer.clear();
        // Bug no-fsync: the operating system writes when it likes.
        if self.bug == Some(Bug::NoFsync) {
            return Ok(());
        }
        self.disk.sync(LOG).map_err(failed(LOG))
    }

    fn replace(&mut self, snapshot: &Snapshot, rest: &[Entry]) -> Result<(), StorageError> {
        let mut bytes = Vec::new();
        encode(&mut bytes, &Record::Snapshot(snapshot.clone()));
        self.disk.replace(SNAPSHOT, &bytes).map_err(failed(SNAPSHOT))?;
        bytes.clear();
        encode(&mut bytes, &Record::State(self.state));
        for entry in rest {
            encode(&mut bytes, &Record::Entry(entry.clone()));
        }
        self.disk.replace(LOG, &bytes).map_err(failed(LOG))
    }

    /// The disk: the simulation stops it in the middle of a write.
    pub(crate) fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The disk, as it is.
    pub fn into_disk(self) -> D {
        self.disk
    }
}

fn failed(file: &'static str) -> impl Fn(io::Error) -> StorageError {
    move |source| StorageError::Io { file, source }
}

fn read_snapshot(disk: &mut impl Disk, checks: bool) -> Result<Option<Snapshot>, StorageError> {
    let Some(bytes) = disk.read(SNAPSHOT).map_err(failed(SNAPSHOT))? else { return Ok(None) };
    let corrupt =
        |offset, problem: String| StorageError::Corrupt { file: SNAPSHOT, offset, problem };
    let (records, sound) =
        decode(&bytes, checks).map_err(|(offset, problem)| corrupt(offset, problem))?;
    // A snapshot replaces its file in one step: a torn one was never left by a crash.
    match <[Record; 1]>::try_from(records) {
        Ok([Record::Snapshot(snapshot)]) if sound == bytes.len() => Ok(Some(snapshot)),
        _ => Err(corrupt(sound, "no whole snapshot".into())),
    }
}

/// The state and log that the records leave.
fn replay(
    records: Vec<Record>,
    snapshot: Option<&Snapshot>,
) -> Result<(HardState, Log), StorageError> {
    let (base, base_term) = snapshot.map_or((0, 0), |snapshot| (snapshot.index, snapshot.term));
    let mut state = HardState::default();
    let mut entries: Vec<Entry> = Vec::new();
    for record in records {
        match record {
            Record::State(newer) => state = newer,
            Record::Snapshot(_) => {}
            Record::Entry(entry) => {
                while entries.last().is_some_and(|last| last.index >= entry.index) {
                    entries.pop();
                }
                let gap = entries.last().map_or(base, |last| last.index) + 1 < entry.index;
                if gap {
                    let problem = format!("entry {} follows a gap", entry.index);
                    return Err(StorageError::Corrupt { file: LOG, offset: 0, problem });
                }
                entries.push(entry);
            }
        }
    }
    // A crash between the two files of a snapshot leaves the older log. Where it disagrees with
    // the snapshot, what follows belongs to another history.
    let at_base = entries.iter().find(|entry| entry.index == base);
    if at_base.is_some_and(|entry| entry.term != base_term) {
        entries.clear();
    }
    entries.retain(|entry| entry.index > base);
    // A node takes a term over before it writes anything of it.
    let newest = entries.last().map_or(base_term, |entry| entry.term);
    if state.term < newest {
        let problem = format!("term {newest} stands there, and no vote of it: records are missing");
        return Err(StorageError::Corrupt { file: LOG, offset: 0, problem });
    }
    Ok((state, Log::new(base, base_term, entries)))
}

#[cfg(test)]
mod tests;
