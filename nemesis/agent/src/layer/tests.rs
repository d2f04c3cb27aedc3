//! The layer over real folders, asked by real system calls.

mod losses;
mod mapped;
mod same;
mod troubles;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::*;

/// A folder with a layer over it, in a mount namespace of this thread alone.
struct Mounted {
    layer: Option<Layer>,
    folder: tempfile::TempDir,
}

/// Whether this thread could be put into a mount namespace of its own, and layers can be; otherwise
/// the reason is said on standard error.
pub(crate) fn apart() -> bool {
    let apart = || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
    };
    if let Err(error) = apart() {
        skip(&format!("no mount namespace of its own: {error}"));
        return false;
    }
    match std::fs::File::open("/dev/fuse") {
        Ok(_) => true,
        Err(error) => {
            skip(&format!("/dev/fuse: {error}"));
            false
        }
    }
}

/// Says so past the harness of tests, which keeps to itself what a test prints that passes.
fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("disk layer");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

impl Mounted {
    /// `None`, said on standard error, where this user may not mount.
    fn new() -> Option<Self> {
        Self::keeping(64 << 20)
    }

    fn keeping(keep_max: u64) -> Option<Self> {
        if !apart() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("data")).expect("a folder");
        let mut mounted = Self { layer: None, folder };
        let (data, socket) = (mounted.data(), mounted.socket());
        let layer = Layer::mount_keeping(&data, &socket, keep_max);
        mounted.layer = Some(layer.expect("a layer"));
        Some(mounted)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("layer.sock")
    }

    fn ask(&self, question: &Ask) -> (Tally, HeldTrouble) {
        ask(&self.socket(), question).expect("an answer")
    }

    fn lose(&self, torn: bool, seed: u64) -> Tally {
        self.ask(&Ask::Lose(Loss { torn, strict: false, seed })).0
    }

    fn lose_strictly(&self) -> Tally {
        self.ask(&Ask::Lose(Loss { torn: false, strict: true, seed: 0 })).0
    }
}

fn sync(path: &Path) {
    std::fs::File::open(path).expect("a file").sync_all().expect("synced");
}

#[test]
fn is_there_while_it_is_held_and_leaves_the_folder_as_it_was_written() {
    let Some(mut mounted) = Mounted::new() else { return };
    let data = mounted.data();
    assert!(is_mounted(&data));
    std::fs::write(data.join("file"), "not synced").expect("written");
    std::fs::write(data.join("gone"), "x").expect("written");
    sync(&data);
    std::fs::remove_file(data.join("gone")).expect("removed");
    let names = |path: &Path| -> Vec<_> {
        std::fs::read_dir(path).expect("a folder").flatten().map(|one| one.file_name()).collect()
    };
    assert_eq!(names(&data), ["file"]);
    drop(mounted.layer.take());
    assert!(!is_mounted(&data) && !mounted.socket().exists());
    assert_eq!(names(&data), ["file"]);
    assert_eq!(std::fs::read_to_string(data.join("file")).expect("read"), "not synced");
}

#[test]
fn refuses_a_second_layer_over_the_same_folder() {
    let Some(mounted) = Mounted::new() else { return };
    let second = Layer::mount(&mounted.data(), &mounted.folder.path().join("two"));
    let problem = second.err().expect("refused");
    assert!(problem.contains("mounted already"), "{problem}");
}
