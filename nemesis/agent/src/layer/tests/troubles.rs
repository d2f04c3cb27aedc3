//! Troubles, as a program meets them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::*;

#[test]
fn a_full_disk_takes_nothing_that_grows_and_all_that_does_not() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    fs::write(&path, [7; 5000]).expect("written");
    let (_, full) = mounted.ask(&Ask::Hold(Trouble::Full));
    let file = OpenOptions::new().write(true).open(&path).expect("open");
    file.write_all_at(&[8; 100], 200).expect("overwritten");
    let kind = |error: std::io::Error| error.kind();
    assert_eq!(file.write_all_at(&[8; 100], 4950).map_err(kind), Err(ErrorKind::StorageFull));
    assert_eq!(
        File::create(mounted.data().join("new")).err().map(kind),
        Some(ErrorKind::StorageFull)
    );
    assert_eq!(
        fs::create_dir(mounted.data().join("new")).map_err(kind),
        Err(ErrorKind::StorageFull)
    );
    assert_eq!(statvfs(&mounted.data()).expect("asked").blocks_available(), 0);
    fs::remove_file(&path).expect("removed");
    drop(full);
    wait_until(|| fs::write(&path, "fits again").is_ok());
    assert!(statvfs(&mounted.data()).expect("asked").blocks_available() > 0);
}

/// A trouble ends when the layer has seen that its connection closed.
fn wait_until(mut well: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while !well() {
        assert!(Instant::now() < deadline, "still in trouble");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_slow_sync_holds_up_nobody_else() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    fs::write(&path, "x").expect("written");
    let slow = Trouble::Slow {
        by_us: 2_000_000,
        jitter_us: 0,
        operations: vec![Operation::Fsync],
        seed: 1,
    };
    let _held = mounted.ask(&Ask::Hold(slow));
    let start = Instant::now();
    let syncing = std::thread::spawn({
        let path = path.clone();
        move || {
            sync(&path);
            start.elapsed()
        }
    });
    // The sync is under way by then.
    std::thread::sleep(Duration::from_millis(200));
    fs::write(mounted.data().join("other"), "y").expect("written");
    assert_eq!(fs::read(&path).expect("read"), b"x");
    let others = start.elapsed();
    let took = syncing.join().expect("synced");
    assert!(took >= Duration::from_secs(2) && others < took, "{others:?}, {took:?}");
}

#[test]
fn a_failing_disk_fails_what_it_was_told_to_and_keeps_it_losable() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    fs::write(&path, "old").expect("written");
    sync(&path);
    let failing = |operation| Trouble::Failing {
        of_million: 1_000_000,
        operations: vec![operation],
        seed: 1,
    };
    let (_, held) = mounted.ask(&Ask::Hold(failing(Operation::Fsync)));
    fs::write(&path, "new").expect("written");
    let file = File::open(&path).expect("open");
    assert_eq!(file.sync_all().expect_err("fails").raw_os_error(), Some(nix::libc::EIO));
    assert_eq!(file.sync_data().expect_err("fails").raw_os_error(), Some(nix::libc::EIO));
    drop((held, file));
    // What a sync that failed did not write is lost with the power.
    mounted.lose(false, 0);
    assert_eq!(fs::read(&path).expect("read"), b"old");
    let _held = mounted.ask(&Ask::Hold(failing(Operation::Write)));
    let mut file = OpenOptions::new().append(true).open(&path).expect("open");
    assert_eq!(file.write(b"x").expect_err("fails").raw_os_error(), Some(nix::libc::EIO));
}

#[test]
fn reads_that_reach_the_disk_fail_and_those_from_memory_do_not() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    fs::write(&path, [1; 4096]).expect("written");
    let file = File::open(&path).expect("open");
    let mut bytes = [0; 4096];
    file.read_exact_at(&mut bytes, 0).expect("read");
    let operations = vec![Operation::Read];
    let failing = Trouble::Failing { of_million: 1_000_000, operations, seed: 1 };
    let _held = mounted.ask(&Ask::Hold(failing));
    file.read_exact_at(&mut bytes, 0).expect("read from memory");
    // Opened anew, nothing is in memory.
    let again = File::open(&path).expect("open");
    assert_eq!(
        again.read_at(&mut bytes, 0).expect_err("fails").raw_os_error(),
        Some(nix::libc::EIO)
    );
}
