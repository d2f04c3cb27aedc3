//! The power fails: what was synced stays, and what was not is gone.

mod model;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};

use super::*;

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[test]
fn what_was_overwritten_or_added_since_the_last_sync_is_lost() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    fs::write(&path, "synced").expect("written");
    sync(&path);
    let file = OpenOptions::new().write(true).open(&path).expect("open");
    file.write_all_at(b"S", 0).expect("written");
    file.write_all_at(b" and more", 6).expect("written");
    assert_eq!(text(&path).as_deref(), Some("Synced and more"));
    let tally = mounted.lose(false, 0);
    assert_eq!(text(&path).as_deref(), Some("synced"));
    assert_eq!((tally.files, tally.names), (1, 0));
}

#[test]
fn a_file_that_was_cut_off_has_its_bytes_back() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&path, &bytes).expect("written");
    sync(&path);
    fs::write(&path, "short").expect("written");
    OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(9000)).expect("cut");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
    mounted.lose(false, 0);
    assert_eq!(fs::read(&path).expect("read"), bytes);
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o644);
}

#[test]
fn names_come_and_go_with_the_syncing_of_their_folder() {
    let Some(mounted) = Mounted::new() else { return };
    let data = mounted.data();
    fs::write(data.join("old"), "old").expect("written");
    sync(&data.join("old"));
    sync(&data);
    fs::write(data.join("new"), "new").expect("written");
    sync(&data.join("new"));
    fs::rename(data.join("old"), data.join("moved")).expect("moved");
    fs::create_dir(data.join("folder")).expect("made");
    fs::write(data.join("folder/inside"), "x").expect("written");
    let tally = mounted.lose_strictly();
    assert_eq!(tally.names, 4);
    // With `strict`, syncing a file says nothing about its name.
    assert_eq!(text(&data.join("new")), None);
    assert_eq!(text(&data.join("old")).as_deref(), Some("old"));
    assert!(!data.join("moved").exists() && !data.join("folder").exists());
    // The same again, synced.
    fs::rename(data.join("old"), data.join("moved")).expect("moved");
    sync(&data);
    fs::remove_file(data.join("moved")).expect("removed");
    mounted.lose_strictly();
    assert_eq!(text(&data.join("moved")).as_deref(), Some("old"));
    assert!(!data.join("old").exists());
}

#[test]
fn a_synced_file_keeps_its_name_as_on_the_usual_disks() {
    let Some(mounted) = Mounted::new() else { return };
    let data = mounted.data();
    fs::create_dir(data.join("folder")).expect("made");
    fs::write(data.join("folder/file"), "kept").expect("written");
    sync(&data.join("folder/file"));
    fs::write(data.join("folder/other"), "lost").expect("written");
    mounted.lose(false, 0);
    assert_eq!(text(&data.join("folder/file")).as_deref(), Some("kept"));
    assert!(!data.join("folder/other").exists());
}

#[test]
fn a_new_file_put_in_the_place_of_an_old_one_leaves_one_of_both() {
    let Some(mounted) = Mounted::new() else { return };
    let data = mounted.data();
    let (path, fresh) = (data.join("state"), data.join("state.new"));
    let replace = |content: &str, synced: bool| {
        fs::write(&fresh, content).expect("written");
        if synced {
            sync(&fresh);
        }
        fs::rename(&fresh, &path).expect("renamed");
    };
    replace("one", true);
    sync(&data);
    replace("two", true);
    mounted.lose(false, 0);
    assert_eq!(text(&path).as_deref(), Some("one"));
    assert_eq!(text(&fresh).as_deref(), Some("two"));
    fs::remove_file(&fresh).expect("removed");
    // The classic mistake: the new name is there, and nothing in it.
    replace("three", false);
    sync(&data);
    mounted.lose(false, 0);
    assert_eq!(text(&path).as_deref(), Some(""));
}

#[test]
fn a_file_that_is_open_without_a_name_is_read_and_written_and_comes_back() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    fs::write(&path, "content").expect("written");
    sync(&path);
    let file = OpenOptions::new().read(true).write(true).open(&path).expect("open");
    fs::remove_file(&path).expect("removed");
    assert_eq!(file.metadata().expect("open").nlink(), 0);
    file.write_all_at(b"C", 0).expect("written");
    let mut bytes = [0; 7];
    file.read_exact_at(&mut bytes, 0).expect("read");
    assert_eq!(&bytes, b"Content");
    drop(file);
    mounted.lose(false, 0);
    assert_eq!(text(&path).as_deref(), Some("content"));
    assert_eq!(fs::metadata(&path).expect("there").nlink(), 1);
}

#[test]
fn a_write_that_is_synced_by_its_flag_stays() {
    use std::os::unix::fs::OpenOptionsExt as _;
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    let mut options = OpenOptions::new();
    options.create(true).write(true).custom_flags(nix::libc::O_DSYNC);
    let file = options.open(&path).expect("open");
    file.write_all_at(b"stays", 0).expect("written");
    mounted.lose(false, 0);
    assert_eq!(text(&path).as_deref(), Some("stays"));
}

#[test]
fn a_torn_loss_leaves_each_page_old_or_new_and_differs_by_seed() {
    const PAGES: usize = 32;
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..6 {
        fs::write(&path, vec![b'o'; PAGES * 4096]).expect("written");
        sync(&path);
        let file = OpenOptions::new().write(true).open(&path).expect("open");
        file.write_all_at(&vec![b'n'; 2 * PAGES * 4096], 0).expect("written");
        drop(file);
        mounted.lose(true, seed);
        let bytes = fs::read(&path).expect("read");
        assert!((PAGES * 4096..=2 * PAGES * 4096).contains(&bytes.len()));
        let pages: String = bytes
            .chunks(4096)
            .enumerate()
            .map(|(number, page)| {
                assert!(page.iter().all(|byte| *byte == page[0]), "page {number} is mixed");
                let allowed: &[u8] = if number < PAGES { b"on" } else { b"n\0" };
                assert!(allowed.contains(&page[0]), "page {number} is {}", page[0]);
                char::from(page[0])
            })
            .collect();
        assert!(pages.contains('n') && pages.contains('o'), "{pages}");
        seen.insert(pages);
    }
    assert!(seen.len() > 4, "{seen:?}");
}

#[test]
fn counts_all_as_written_rather_than_keep_too_much() {
    let Some(mounted) = Mounted::keeping(1 << 20) else { return };
    let path = mounted.data().join("file");
    fs::write(&path, vec![1; 4 << 20]).expect("written");
    sync(&path);
    let file = OpenOptions::new().write(true).open(&path).expect("open");
    file.write_all_at(&vec![2; 3 << 20], 0).expect("written");
    let tally = mounted.ask(&Ask::Tally).0;
    assert!(tally.overflows >= 1 && tally.bytes <= 1 << 20, "{tally:?}");
    // A file that is cut off by more than fits into memory counts as written at once.
    File::create(&path).expect("cut off");
    assert!(mounted.ask(&Ask::Tally).0.overflows > tally.overflows);
    mounted.lose(false, 0);
    assert_eq!(fs::read(&path).expect("read"), b"");
}
