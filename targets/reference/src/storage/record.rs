//! Records: length, checksum, payload.

use serde::{Deserialize, Serialize};

use crate::raft::{Entry, HardState, Snapshot};

const HEADER: usize = 8;

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// Term and vote from here on.
    State(HardState),
    /// An entry; it replaces whatever stood at its index and behind it.
    Entry(Entry),
    /// A snapshot, alone in its file.
    Snapshot(Snapshot),
}

/// Appends `record` to `bytes`.
pub(super) fn encode(bytes: &mut Vec<u8>, record: &Record) {
    let payload = postcard::to_allocvec(record).expect("a record has a finite encoding");
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(crc32fast::hash(&payload).to_le_bytes());
    bytes.extend(payload);
}

/// The records of a file, and how many of its bytes are sound. What follows is torn; if a sound
/// record stands anywhere behind what is not, the file is corrupt: then its place and the problem.
///
/// Whoever does not look at checksums (the bug no-checksum) takes all that is no record for a torn end.
pub(super) fn decode(bytes: &[u8], checks: bool) -> Result<(Vec<Record>, usize), (usize, String)> {
    let mut records = Vec::new();
    let mut offset = 0;
    while let Some((record, length)) = one(&bytes[offset..], checks) {
        records.push(record);
        offset += length;
    }
    if !checks {
        return Ok((records, offset));
    }
    // A crash tears the end only. What is damaged need not tell where the next record begins, so
    // every place is tried: one that is no record seldom claims a length that fits, and hardly
    // ever matches its checksum.
    let sound = |at: &usize| one(&bytes[*at..], true).is_some();
    match (offset + 1..bytes.len()).find(sound) {
        Some(next) => {
            Err((offset, format!("what stands there is no record, although one follows at {next}")))
        }
        None => Ok((records, offset)),
    }
}

/// The length that the first record claims, if all of it is there.
fn claimed(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let whole = HEADER.checked_add(length)?;
    (length > 0 && whole <= bytes.len()).then_some(whole)
}

fn one(bytes: &[u8], checks: bool) -> Option<(Record, usize)> {
    let length = claimed(bytes)?;
    let checksum = u32::from_le_bytes(bytes.get(4..HEADER)?.try_into().ok()?);
    let payload = &bytes[HEADER..length];
    if checks && crc32fast::hash(payload) != checksum {
        return None;
    }
    Some((postcard::from_bytes(payload).ok()?, length))
}
