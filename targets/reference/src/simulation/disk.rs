//! A disk that loses what was not synced.

use std::collections::BTreeMap;
use std::io;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::storage::Disk;

/// Files as the operating system sees them, and how much of each is on the disk itself.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedDisk {
    files: BTreeMap<&'static str, File>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
}

impl SimulatedDisk {
    /// The machine loses power: of what was not synced a random part, from its beginning, survives.
    pub(super) fn crash(&mut self, rng: &mut ChaCha8Rng) {
        for file in self.files.values_mut() {
            let unsynced = (file.bytes.len() - file.synced) as u64;
            let kept =
                if rng.next_u32().is_multiple_of(2) { 0 } else { rng.next_u64() % (unsynced + 1) };
            file.bytes.truncate(file.synced + kept as usize);
            file.synced = file.bytes.len();
        }
    }
}

impl Disk for SimulatedDisk {
    fn read(&mut self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.get(name).map(|file| file.bytes.clone()))
    }

    fn append(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        self.files.entry(name).or_default().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, name: &'static str) -> io::Result<()> {
        if let Some(file) = self.files.get_mut(name) {
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn replace(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        self.files.insert(name, File { bytes: bytes.to_vec(), synced: bytes.len() });
        Ok(())
    }

    fn truncate(&mut self, name: &'static str, length: usize) -> io::Result<()> {
        if let Some(file) = self.files.get_mut(name) {
            file.bytes.truncate(length);
            file.synced = file.synced.min(length);
        }
        Ok(())
    }
}
