//! A disk that loses what was not synced, and may stop in the middle of what it is asked to do.

use std::collections::BTreeMap;
use std::io;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::storage::Disk;

/// Files as the operating system sees them, and how much of each is on the disk itself.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedDisk {
    files: BTreeMap<&'static str, File>,
    /// So many operations still take effect; `None`: all of them.
    left: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
}

impl SimulatedDisk {
    /// Nothing takes effect after so many operations more, until the node comes up again.
    pub(super) fn stop_after(&mut self, operations: u64) {
        self.left = Some(operations);
    }

    /// Counts one operation; whether it still takes effect.
    fn runs(&mut self) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// The process is killed: what it had handed to the operating system is there, synced or not.
    pub(super) fn kill(&mut self) {
        self.left = None;
    }

    /// The machine loses power: of what was not synced a random part, from its beginning, survives.
    pub(super) fn crash(&mut self, rng: &mut ChaCha8Rng) {
        self.kill();
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
        if self.runs() {
            self.files.entry(name).or_default().bytes.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn sync(&mut self, name: &'static str) -> io::Result<()> {
        if self.runs()
            && let Some(file) = self.files.get_mut(name)
        {
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn replace(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        if self.runs() {
            self.files.insert(name, File { bytes: bytes.to_vec(), synced: bytes.len() });
        }
        Ok(())
    }

    fn truncate(&mut self, name: &'static str, length: usize) -> io::Result<()> {
        if self.runs()
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

    /// Writes two entries and then a snapshot of the first, of which so many operations take effect;
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
            disk.stop_after(operations);
            let (mut storage, _) = Storage::recover(disk, None).expect("an empty disk");
            storage.write(&writes).expect("nobody sees it stop");
            let mut disk = storage.into_disk();
            disk.crash(&mut ChaCha8Rng::seed_from_u64(seed));
            let (_, found) = Storage::recover(disk, None).expect("what a crash leaves is sound");
            let snapshot = found.snapshot.map_or(0, |snapshot| snapshot.index);
            seen.insert((snapshot, found.log.last_index()));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected, "after {operations}");
    }

    #[test]
    fn keeps_what_a_killed_node_found_again() {
        let mut disk = SimulatedDisk::default();
        // Two operations of the first batch, and the append of the second, without its sync.
        disk.stop_after(3);
        let (mut storage, _) = Storage::recover(disk, None).expect("an empty disk");
        let entry = |index| Entry { index, term: 1, request: None };
        storage.write(&[Write::State(HardState { term: 1, vote: None })]).expect("the first batch");
        storage.write(&[Write::Entries(vec![entry(1), entry(2)])]).expect("the second");
        let mut disk = storage.into_disk();
        disk.kill();
        let (storage, found) = Storage::recover(disk, None).expect("what a kill leaves is sound");
        assert_eq!(found.log.last_index(), 2);
        let disk = storage.into_disk();
        for seed in 0..20 {
            let mut disk = disk.clone();
            disk.crash(&mut ChaCha8Rng::seed_from_u64(seed));
            let (_, again) = Storage::recover(disk, None).expect("what a crash leaves is sound");
            assert_eq!(again.log.last_index(), 2, "seed {seed}");
        }
    }

    #[test]
    fn stops_between_any_two_operations() {
        check(0, &[(0, 0)]);
        check(1, &[(0, 0), (0, 1), (0, 2)]);
        check(2, &[(0, 2)]);
        check(3, &[(1, 2)]);
        check(4, &[(1, 2)]);
    }
}
