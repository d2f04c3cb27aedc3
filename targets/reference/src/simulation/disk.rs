//! A disk that loses what was not synced, and power in the middle of what it is asked to do.

use std::collections::BTreeMap;
use std::io;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::storage::Disk;

/// Files as the operating system sees them, and how much of each is on the disk itself.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedDisk {
    files: BTreeMap<&'static str, File>,
    /// So many operations still take effect before power is lost; `None`: it is not lost.
    left: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
}

impl SimulatedDisk {
    /// Power is lost after so many operations more: nothing takes effect then until the crash.
    pub(super) fn lose_power_after(&mut self, operations: u64) {
        self.left = Some(operations);
    }

    /// Counts one operation; whether there still is power for it.
    fn powered(&mut self) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// The machine loses power: of what was not synced a random part, from its beginning, survives.
    pub(super) fn crash(&mut self, rng: &mut ChaCha8Rng) {
        self.left = None;
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
        if self.powered() {
            self.files.entry(name).or_default().bytes.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn sync(&mut self, name: &'static str) -> io::Result<()> {
        if self.powered()
            && let Some(file) = self.files.get_mut(name)
        {
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn replace(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        if self.powered() {
            self.files.insert(name, File { bytes: bytes.to_vec(), synced: bytes.len() });
        }
        Ok(())
    }

    fn truncate(&mut self, name: &'static str, length: usize) -> io::Result<()> {
        if self.powered()
            && let Some(file) = self.files.get_mut(name)
        {
            file.bytes.truncate(length);
            file.synced = file.synced.min(length);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::raft::{Entry, HardState, Snapshot, Write};
    use crate::storage::Storage;

    /// Writes two entries and then a snapshot of the first, with power for so many operations;
    /// what is found after it: the snapshot's index and the log's last.
    fn check(operations: u64, expected: &[(u64, u64)]) {
        let entry = |index| Entry { index, term: 1, request: None };
        let snapshot = Snapshot { index: 1, term: 1, state: vec![7] };
        let writes = [
            Write::State(HardState { term: 1, vote: None }),
            Write::Entries(vec![entry(1), entry(2)]),
            Write::Snapshot { snapshot, rest: vec![entry(2)] },
        ];
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut disk = SimulatedDisk::default();
            disk.lose_power_after(operations);
            let (mut storage, _) = Storage::recover(disk, None).expect("an empty disk");
            storage.write(&writes).expect("nobody sees the loss of power");
            let mut disk = storage.into_disk();
            disk.crash(&mut ChaCha8Rng::seed_from_u64(seed));
            let (_, found) = Storage::recover(disk, None).expect("what a crash leaves is sound");
            let snapshot = found.snapshot.map_or(0, |snapshot| snapshot.index);
            seen.insert((snapshot, found.log.last_index()));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected, "after {operations}");
    }

    #[test]
    fn loses_power_between_any_two_operations() {
        check(0, &[(0, 0)]);
        check(1, &[(0, 0), (0, 1), (0, 2)]);
        check(2, &[(0, 2)]);
        check(3, &[(1, 2)]);
        check(4, &[(1, 2)]);
    }
}
