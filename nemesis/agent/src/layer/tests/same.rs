//! Through the layer and in a plain folder, the same calls have the same answers.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};

use nix::fcntl::{FallocateFlags, Flock, FlockArg, RenameFlags, fallocate, renameat2};
use nix::libc;

use super::*;
use crate::layer::dice::Dice;

/// One step, drawn once and taken in both worlds.
#[derive(Clone, Debug)]
enum Step {
    Create(String, bool),
    Open(String),
    Close(usize),
    Write(usize, u64, usize, u8),
    Append(String, usize, u8),
    Read(usize, u64, usize),
    SetSize(usize, u64),
    Cut(String, u64),
    Allocate(usize, FallocateFlags, u64, u64),
    Map(usize, usize, u8),
    Sync(usize, bool),
    SyncFolder(String),
    Rename(String, String, RenameFlags),
    Link(String, String),
    Symlink(String, String),
    ReadLink(String),
    Remove(String),
    MakeFolder(String),
    RemoveFolder(String),
    Chmod(String, u32),
    Stat(String),
    List(String),
}

/// A folder and what is open in it.
struct World {
    root: PathBuf,
    open: Vec<Option<File>>,
}

fn number(error: &io::Error) -> String {
    format!("error {:?}", error.raw_os_error())
}

impl World {
    fn take(&mut self, step: &Step) -> String {
        self.try_take(step).unwrap_or_else(|error| number(&error))
    }

    fn file(&self, slot: usize) -> io::Result<&File> {
        self.open[slot].as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn try_take(&mut self, step: &Step) -> io::Result<String> {
        let at = |path: &str| self.root.join(path);
        let done = |()| "done".to_owned();
        match step {
            Step::Create(path, new) => {
                let mut options = OpenOptions::new();
                options.read(true).write(true);
                if *new {
                    options.create_new(true)
                } else {
                    options.create(true)
                };
                let file = options.open(at(path))?;
                Ok(self.keep(file))
            }
            Step::Open(path) => {
                let file = OpenOptions::new().read(true).write(true).open(at(path))?;
                Ok(self.keep(file))
            }
            Step::Close(slot) => {
                self.open[*slot] = None;
                Ok("closed".into())
            }
            Step::Write(slot, offset, length, byte) => {
                self.file(*slot)?.write_all_at(&vec![*byte; *length], *offset).map(done)
            }
            Step::Append(path, length, byte) => {
                let mut file = OpenOptions::new().append(true).open(at(path))?;
                file.write_all(&vec![*byte; *length])?;
                Ok(format!("at {}", file.stream_position()?))
            }
            Step::Read(slot, offset, length) => {
                let mut bytes = vec![0; *length];
                let read = self.file(*slot)?.read_at(&mut bytes, *offset)?;
                Ok(format!("{read}: {:x}", sum(&bytes[..read])))
            }
            Step::SetSize(slot, size) => self.file(*slot)?.set_len(*size).map(done),
            Step::Cut(path, size) => {
                let path = CString::new(at(path).as_os_str().as_bytes()).expect("no zero");
                // SAFETY: the path ends with a zero and outlives the call.
                match unsafe { libc::truncate(path.as_ptr(), *size as i64) } {
                    0 => Ok("cut".into()),
                    _ => Err(io::Error::last_os_error()),
                }
            }
            Step::Allocate(slot, mode, offset, length) => {
                fallocate(self.file(*slot)?, *mode, *offset as i64, *length as i64)?;
                Ok("allocated".into())
            }
            Step::Map(slot, offset, byte) => map(self.file(*slot)?, *offset, *byte),
            Step::Sync(slot, data) => {
                let file = self.file(*slot)?;
                if *data { file.sync_data() } else { file.sync_all() }.map(done)
            }
            Step::SyncFolder(path) => File::open(at(path))?.sync_all().map(done),
            Step::Rename(from, to, flags) => {
                let here = nix::fcntl::AT_FDCWD;
                renameat2(here, &at(from), here, &at(to), *flags)?;
                Ok("renamed".into())
            }
            Step::Link(from, to) => fs::hard_link(at(from), at(to)).map(done),
            Step::Symlink(to, path) => std::os::unix::fs::symlink(to, at(path)).map(done),
            Step::ReadLink(path) => Ok(format!("{:?}", fs::read_link(at(path))?)),
            Step::Remove(path) => fs::remove_file(at(path)).map(done),
            Step::MakeFolder(path) => fs::create_dir(at(path)).map(done),
            Step::RemoveFolder(path) => fs::remove_dir(at(path)).map(done),
            Step::Chmod(path, mode) => {
                fs::set_permissions(at(path), fs::Permissions::from_mode(*mode)).map(done)
            }
            Step::Stat(path) => Ok(stat(&fs::symlink_metadata(at(path))?)),
            Step::List(path) => list(&at(path)),
        }
    }

    fn keep(&mut self, file: File) -> String {
        let slot = self.open.iter().position(Option::is_none).unwrap_or(0);
        self.open[slot] = Some(file);
        format!("slot {slot}")
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

fn stat(found: &fs::Metadata) -> String {
    let size = if found.is_dir() { 0 } else { found.len() };
    let links = if found.is_dir() { 0 } else { found.nlink() };
    format!("{:o} {size} {links} {}:{}", found.mode(), found.uid(), found.gid())
}

fn list(path: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        names.push((entry.file_name(), stat(&entry.metadata()?)));
    }
    names.sort();
    Ok(format!("{names:?}"))
}

/// Changes a byte through memory that is shared with the file, and reads it by a call, and the
/// other way round.
fn map(file: &File, offset: usize, byte: u8) -> io::Result<String> {
    let length = file.metadata()?.len() as usize;
    if length == 0 {
        return Ok("empty".into());
    }
    let place = offset % length;
    let (rights, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping of a file that nobody cuts off meanwhile.
    let memory =
        unsafe { libc::mmap(std::ptr::null_mut(), length, rights, shared, file.as_raw_fd(), 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping has `length` bytes, and nobody else knows of it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(memory.cast::<u8>(), length) };
    bytes[place] = byte;
    // A change by a call shows in memory at once, as bbolt has it.
    file.write_all_at(&[byte ^ 1], (length / 2) as u64)?;
    let seen = (sum(bytes), bytes[length / 2] == byte ^ 1);
    // SAFETY: the mapping ends here, and so do the bytes.
    unsafe { libc::munmap(memory, length) };
    Ok(format!("{seen:?}"))
}

fn draw(dice: &mut Dice) -> Step {
    let name = |dice: &mut Dice| {
        let name = ["a", "b", "c", "d", "e"][dice.below(5) as usize];
        match dice.below(4) {
            0 => format!("one/{name}"),
            1 => format!("two/{name}"),
            _ => name.to_owned(),
        }
    };
    let folder = |dice: &mut Dice| ["one", "two", "one/a", "."][dice.below(4) as usize].to_owned();
    let slot = |dice: &mut Dice| dice.below(6) as usize;
    let byte = |dice: &mut Dice| dice.next() as u8;
    match dice.below(34) {
        0..=2 => Step::Create(name(dice), dice.coin()),
        3 => Step::Open(name(dice)),
        4 => Step::Close(slot(dice)),
        5..=8 => {
            Step::Write(slot(dice), dice.below(60_000), dice.below(20_000) as usize, byte(dice))
        }
        9..=10 => Step::Append(name(dice), dice.below(9_000) as usize, byte(dice)),
        11..=13 => Step::Read(slot(dice), dice.below(60_000), dice.below(70_000) as usize),
        14 => Step::SetSize(slot(dice), dice.below(50_000)),
        15 => Step::Cut(name(dice), dice.below(50_000)),
        16 => {
            let keep = FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let mode = match dice.below(4) {
                0 => FallocateFlags::empty(),
                1 => keep,
                2 => keep | FallocateFlags::FALLOC_FL_PUNCH_HOLE,
                _ => FallocateFlags::FALLOC_FL_ZERO_RANGE,
            };
            Step::Allocate(slot(dice), mode, dice.below(40_000), 1 + dice.below(20_000))
        }
        17 => Step::Map(slot(dice), dice.below(60_000) as usize, byte(dice)),
        18..=19 => Step::Sync(slot(dice), dice.coin()),
        20 => Step::SyncFolder(folder(dice)),
        21..=23 => {
            let flags = match dice.below(5) {
                0 => RenameFlags::RENAME_EXCHANGE,
                1 => RenameFlags::RENAME_NOREPLACE,
                _ => RenameFlags::empty(),
            };
            let from = if dice.below(4) == 0 { folder(dice) } else { name(dice) };
            let to = if dice.below(4) == 0 { folder(dice) } else { name(dice) };
            Step::Rename(from, to, flags)
        }
        24 => Step::Link(name(dice), name(dice)),
        25 => Step::Symlink(name(dice), name(dice)),
        26 => Step::ReadLink(name(dice)),
        27 => Step::Remove(name(dice)),
        28 => Step::MakeFolder(if dice.coin() { folder(dice) } else { name(dice) }),
        29 => Step::RemoveFolder(folder(dice)),
        30 => Step::Chmod(name(dice), 0o400 + dice.below(0o400) as u32),
        31..=32 => Step::Stat(name(dice)),
        _ => Step::List(folder(dice)),
    }
}

#[test]
fn random_calls_have_the_same_answers_as_in_a_plain_folder() {
    let mut failed = 0;
    for seed in 0..6 {
        let Some(mounted) = Mounted::new() else { return };
        let plain = tempfile::tempdir().expect("a folder");
        let open = || (0..6).map(|_| None).collect();
        let mut layered = World { root: mounted.data(), open: open() };
        let mut reference = World { root: plain.path().to_owned(), open: open() };
        let mut dice = Dice::new(seed);
        for count in 0..2500 {
            let step = draw(&mut dice);
            let (expected, found) = (reference.take(&step), layered.take(&step));
            assert_eq!(found, expected, "seed {seed}, step {count}: {step:?}");
            failed += u32::from(expected.starts_with("error"));
        }
        for folder in [".", "one", "two"] {
            let list = Step::List(folder.into());
            assert_eq!(layered.take(&list), reference.take(&list));
        }
    }
    // Most steps must be possible, or little was compared.
    assert!(failed < 9000, "{failed} of 15000 steps failed");
}

#[test]
fn locks_keep_others_out() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("lock");
    let open = || OpenOptions::new().create(true).append(true).open(&path).expect("open");
    let held = Flock::lock(open(), FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error);
    let held = held.expect("locked");
    let second = Flock::lock(open(), FlockArg::LockExclusiveNonblock);
    assert_eq!(second.err().map(|(_, error)| error), Some(nix::Error::EWOULDBLOCK));
    drop(held);
    assert!(Flock::lock(open(), FlockArg::LockExclusiveNonblock).is_ok());
}

#[test]
fn many_writers_at_once_lose_nothing_of_each_other() {
    const EACH: usize = 200;
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("file");
    File::create(&path).expect("made");
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let path = path.clone();
            std::thread::spawn(move || {
                let file: OwnedFd = OpenOptions::new().write(true).open(path).expect("open").into();
                let file = File::from(file);
                for count in 0..EACH {
                    let place = (count * 8 + writer) * 16;
                    file.write_all_at(&[writer as u8 + 1; 16], place as u64).expect("written");
                    if count % 20 == 0 {
                        file.sync_data().expect("synced");
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("written");
    }
    let bytes = fs::read(&path).expect("read");
    assert_eq!(bytes.len(), EACH * 8 * 16);
    for (place, piece) in bytes.chunks(16).enumerate() {
        assert!(piece.iter().all(|byte| usize::from(*byte) == place % 8 + 1), "piece {place}");
    }
}
