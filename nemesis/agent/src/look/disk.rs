//! What a program sees of the disk under the node's data folder, and of what it lost.
//!
//! It reads and writes files that are there from before, so that no name is made and synced: that
//! would make the names of other files durable, too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Where the files for looks are, in the data folder.
pub(crate) const FOLDER: &str = ".schism-look";
/// The files in it: for reading and writing, and those that are synced before a loss or not.
pub(crate) const FILES: [&str; 3] = ["disk", "synced", "unsynced"];

const PAGE: usize = 4096;
/// A disk that takes longer for one look is looked at less thoroughly.
const LOOK_FOR: Duration = Duration::from_millis(1500);
/// How many pages are to be lost: that none of them is would be a wonder.
const PAGES: usize = 32;

/// What was asked of a disk, how often it failed, and how long it took.
#[derive(Default)]
struct Seen {
    failed: u64,
    took: Vec<Duration>,
}

impl Seen {
    fn measure<T>(&mut self, deed: impl FnOnce() -> io::Result<T>) -> Option<T> {
        let start = Instant::now();
        let done = deed();
        self.took.push(start.elapsed());
        self.failed += u64::from(done.is_err());
        done.ok()
    }

    fn tell(&mut self) -> Value {
        self.took.sort_unstable();
        let median = self.took.get(self.took.len() / 2).copied().unwrap_or_default();
        json!({ "tries": self.took.len(), "failed": self.failed, "median_us": median.as_micros() as u64 })
    }
}

/// Writes, syncs and reads so many times on the disk of this data folder, and then tries to make a file longer.
pub(crate) fn disk(data: &Path, rounds: usize) -> io::Result<Value> {
    let path = data.join(FOLDER).join(FILES[0]);
    let (mut write, mut sync, mut read) = (Seen::default(), Seen::default(), Seen::default());
    let start = Instant::now();
    for round in 0..rounds {
        if round > 0 && start.elapsed() > LOOK_FOR {
            break;
        }
        let file = OpenOptions::new().write(true).open(&path)?;
        write.measure(|| file.write_all_at(&[round as u8; PAGE], 0));
        sync.measure(|| file.sync_data());
        drop(file);
        // Opened anew, so that the answer does not come from memory.
        let file = File::open(&path)?;
        read.measure(|| file.read_exact_at(&mut [0; PAGE], 0));
    }
    let file = OpenOptions::new().write(true).open(&path)?;
    let more = file.write_all_at(&[1; PAGE], PAGE as u64);
    let full = more.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull);
    if !full {
        file.set_len(PAGE as u64)?;
    }
    let (write, fsync, read) = (write.tell(), sync.tell(), read.tell());
    Ok(json!({ "write": write, "fsync": fsync, "read": read, "full": full }))
}

/// Looks for what an earlier look with the same token left, and leaves it where there is nothing:
/// `{"planted":true}`, or how many of the pages that were not synced are lost.
///
/// That what was synced is there is told by the token: a disk that lost it is planted anew.
pub(crate) fn loss(data: &Path, token: u64) -> io::Result<Value> {
    let mut page = [0; PAGE];
    for (place, byte) in page.iter_mut().enumerate() {
        *byte = token.to_le_bytes()[place % 8];
    }
    let all = page.repeat(PAGES);
    let [synced, unsynced] = [FILES[1], FILES[2]].map(|name| data.join(FOLDER).join(name));
    if std::fs::read(&synced)? != all {
        for path in [&unsynced, &synced] {
            // What it holds before is synced, so that all of the token is to be lost.
            let file = OpenOptions::new().write(true).open(path)?;
            file.write_all_at(&vec![0; all.len()], 0)?;
            file.sync_data()?;
        }
        OpenOptions::new().write(true).open(&unsynced)?.write_all_at(&all, 0)?;
        let file = OpenOptions::new().write(true).open(&synced)?;
        file.write_all_at(&all, 0)?;
        file.sync_data()?;
        return Ok(json!({ "planted": true }));
    }
    let found = std::fs::read(&unsynced)?;
    let kept = found.chunks(PAGE).filter(|found| *found == page).count();
    Ok(json!({ "planted": false, "pages": PAGES, "lost": PAGES - kept }))
}
