//! A crash at any byte leaves what was synced, and nothing that was not asked for.

use std::collections::BTreeMap;

use super::*;
use crate::raft::NodeId;
use crate::store::{Operation, Request};

/// Files in memory.
#[derive(Clone, Default)]
struct Files(BTreeMap<&'static str, Vec<u8>>);

impl Disk for Files {
    fn read(&mut self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(name).cloned())
    }

    fn append(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        self.0.entry(name).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, _name: &'static str) -> io::Result<()> {
        Ok(())
    }

    fn replace(&mut self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        self.0.insert(name, bytes.to_vec());
        Ok(())
    }

    fn truncate(&mut self, name: &'static str, length: usize) -> io::Result<()> {
        self.0.entry(name).or_default().truncate(length);
        Ok(())
    }
}

fn entry(index: u64, term: u64) -> Entry {
    let operation = Operation::Write { key: "x".into(), value: index as i64 };
    Entry { index, term, request: Some(Request { client: 1, sequence: index, operation }) }
}

fn state(term: u64) -> HardState {
    HardState { term, vote: Some(NodeId(1)) }
}

/// Some batches, each with the length of the log file once it was durable.
fn batches() -> (Vec<Vec<Write>>, Vec<usize>, Files) {
    let batches = vec![
        vec![Write::State(state(1)), Write::Entries(vec![entry(1, 1), entry(2, 1)])],
        vec![Write::Entries(vec![entry(3, 1)])],
        vec![Write::State(state(2)), Write::Entries(vec![entry(2, 2), entry(3, 2), entry(4, 2)])],
        vec![Write::Entries(vec![entry(5, 2)])],
    ];
    let (mut storage, _) = Storage::recover(Files::default(), None).expect("an empty disk");
    let mut lengths = Vec::new();
    for batch in &batches {
        storage.write(batch).expect("memory");
        lengths.push(storage.disk.0[LOG].len());
    }
    (batches, lengths, storage.into_disk())
}

/// Term, and (index, term) of the entries.
fn content(recovered: &Recovered) -> (u64, Vec<(u64, u64)>) {
    let entries = recovered.log.from(1, usize::MAX);
    (recovered.state.term, entries.iter().map(|entry| (entry.index, entry.term)).collect())
}

#[test]
fn a_crash_at_any_byte_keeps_all_that_was_synced() {
    let (batches, lengths, files) = batches();
    let whole = files.0[LOG].clone();
    let mut after = vec![(0, vec![])];
    for count in 1..=batches.len() {
        let (mut storage, _) = Storage::recover(Files::default(), None).expect("an empty disk");
        for batch in &batches[..count] {
            storage.write(batch).expect("memory");
        }
        let (_, recovered) = Storage::recover(storage.into_disk(), None).expect("a sound log");
        after.push(content(&recovered));
    }
    for cut in 0..=whole.len() {
        let torn = Files(BTreeMap::from([(LOG, whole[..cut].to_vec())]));
        let (mut storage, recovered) = Storage::recover(torn, None).expect("a torn log");
        let synced = lengths.iter().filter(|&&length| length <= cut).count();
        let (term, entries) = content(&recovered);
        let (synced_term, synced_entries) = &after[synced];
        assert!(term >= *synced_term, "cut at {cut}");
        // A part of the next batch may be there too; it may replace entries, as it was to.
        let next = after.get(synced + 1).map_or(&[][..], |(_, entries)| entries);
        let kept = synced_entries.iter().zip(&entries).all(|(a, b)| a == b || next.contains(b));
        assert!(kept, "cut at {cut}: {entries:?}");
        assert!(
            entries.len() >= synced_entries.len() || next.starts_with(&entries),
            "cut at {cut}: {entries:?}"
        );
        // What is written next stands behind it and is found again.
        let index = recovered.log.last_index() + 1;
        let next = [Write::State(state(9)), Write::Entries(vec![entry(index, 9)])];
        storage.write(&next).expect("memory");
        let (_, again) = Storage::recover(storage.into_disk(), None).expect("a sound log");
        assert_eq!((again.log.last_index(), again.torn_bytes), (index, 0), "cut at {cut}");
    }
}

/// The log with some bytes changed by `damage`: refused, or taken for torn.
fn check_damage(what: &str, refused: bool, damage: impl FnOnce(&mut Vec<u8>)) {
    let (_, _, mut files) = batches();
    damage(files.0.get_mut(LOG).expect("the log"));
    match Storage::recover(files, None) {
        Ok(_) => assert!(!refused, "{what}: taken for a torn end"),
        Err(error) => {
            assert!(refused, "{what}: {error}");
            let text = error.to_string();
            let names = ["log: ", "at byte ", "restore it, or wipe the node"];
            assert!(names.iter().all(|name| text.contains(name)), "{what}: {text}");
        }
    }
}

/// Where the last record begins.
fn last_record() -> usize {
    let mut bytes = Vec::new();
    encode(&mut bytes, &Record::Entry(entry(5, 2)));
    batches().2.0[LOG].len() - bytes.len()
}

#[test]
fn refuses_any_damaged_byte_before_the_last_record() {
    let length = batches().2.0[LOG].len();
    for byte in 0..length {
        for bit in 0..8 {
            let what = format!("byte {byte}, bit {bit}");
            check_damage(&what, byte < last_record(), |bytes| bytes[byte] ^= 1 << bit);
        }
    }
}

#[test]
fn refuses_damaged_neighbours() {
    check_damage("two records", true, |bytes| bytes[2..60].fill(0xff));
    check_damage("zeros", true, |bytes| bytes[..last_record()].fill(0));
}

#[test]
fn refuses_a_log_that_lost_its_beginning() {
    check_damage("no vote", true, |bytes| {
        bytes.clear();
        encode(bytes, &Record::Entry(entry(1, 1)));
    });
}

#[test]
fn keeps_snapshot_and_rest_when_a_crash_falls_between_the_two_files() {
    let (_, _, files) = batches();
    let (mut storage, recovered) = Storage::recover(files.clone(), None).expect("a sound log");
    let snapshot = Snapshot { index: 4, term: 2, state: vec![1, 2, 3] };
    let rest = recovered.log.from(5, usize::MAX);
    storage.write(&[Write::Snapshot { snapshot: snapshot.clone(), rest }]).expect("memory");
    let after = storage.into_disk();
    let mut between = files;
    between.0.insert(SNAPSHOT, after.0[SNAPSHOT].clone());
    for disk in [between, after] {
        let (_, recovered) = Storage::recover(disk, None).expect("sound files");
        assert_eq!(recovered.snapshot.as_ref(), Some(&snapshot));
        assert_eq!((recovered.log.base(), recovered.log.last_index()), (4, 5));
        assert_eq!(recovered.state.term, 2);
    }
}

#[test]
fn drops_a_log_that_disagrees_with_an_installed_snapshot() {
    let (_, _, files) = batches();
    let mut between = files;
    let log = between.0.get_mut(LOG).expect("the log");
    encode(log, &Record::State(state(7)));
    let mut bytes = Vec::new();
    encode(&mut bytes, &Record::Snapshot(Snapshot { index: 4, term: 7, state: vec![] }));
    between.0.insert(SNAPSHOT, bytes);
    let (_, recovered) = Storage::recover(between, None).expect("sound files");
    assert_eq!((recovered.log.base(), recovered.log.last_index()), (4, 4));
}

#[test]
fn only_the_bug_no_checksum_believes_what_is_damaged() {
    let (_, lengths, _) = batches();
    let (mut storage, _) = Storage::recover(Files::default(), None).expect("an empty disk");
    for batch in batches().0 {
        storage.write(&batch).expect("memory");
    }
    let mut disk = storage.into_disk();
    // The last byte of the second batch is that of a value.
    let byte = lengths[1] - 1;
    disk.0.get_mut(LOG).expect("a log")[byte] ^= 2;
    assert!(Storage::recover(disk.clone(), None).is_err());
    let (_, recovered) = Storage::recover(disk, Some(Bug::NoChecksum)).expect("it believes");
    assert_eq!(recovered.torn_bytes, 0);
}
