//! Files that a program maps into its memory, as the JVM does with Kafka's indexes: what it writes
//! there is in no call that the layer could see, and comes when the kernel writes pages back.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::libc;

use super::*;

const PAGE: usize = 4096;
/// As long as Kafka makes an index before there is anything in it.
const LONG: usize = 10 << 20;
/// Names the file to the program that maps it, which is this test's own, started once more.
const FILE: &str = "SCHISM_TEST_MAPS";

/// A file in the memory of this process, shared with all who read it.
struct Mapping {
    place: *mut libc::c_void,
    length: usize,
    file: File,
}

impl Mapping {
    fn of(path: &Path, length: usize) -> Self {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).read(true).write(true).open(path);
        let file = file.expect("open");
        if file.metadata().expect("there").len() < length as u64 {
            file.set_len(length as u64).expect("long enough");
        }
        let (rights, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let place = std::ptr::null_mut();
        // SAFETY: a new mapping of a file that nobody cuts off while it is there.
        let place = unsafe { libc::mmap(place, length, rights, shared, file.as_raw_fd(), 0) };
        assert_ne!(place, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Self { place, length, file }
    }

    fn set(&self, page: usize, byte: u8) {
        assert!((page + 1) * PAGE <= self.length);
        // SAFETY: the page lies within the mapping, which nobody else of this process knows.
        unsafe { std::ptr::write_bytes(self.place.cast::<u8>().add(page * PAGE), byte, PAGE) };
    }

    fn sync(&self) -> std::io::Result<()> {
        // SAFETY: the mapping is there.
        match unsafe { libc::msync(self.place, self.length, libc::MS_SYNC) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping ends here, and nobody has a reference into it.
        unsafe { libc::munmap(self.place, self.length) };
    }
}

/// Another program that has a file mapped, and does to it what it is told.
struct Mapper {
    program: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Mapper {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a name"));
        command.args(["--exact", "layer::tests::mapped::mapper", "--nocapture"]).env(FILE, path);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = pipes.spawn().expect("a program");
        let asks = program.stdin.take().expect("a pipe");
        let answers = BufReader::new(program.stdout.take().expect("a pipe"));
        let mut mapper = Self { program, asks, answers };
        mapper.wait();
        mapper
    }

    fn wait(&mut self) {
        let mut line = String::new();
        // The harness of tests says things of its own before.
        while !line.contains("mapper is ready") {
            line.clear();
            let read = self.answers.read_line(&mut line).expect("an answer");
            assert_ne!(read, 0, "the program that maps has ended");
        }
    }

    /// Writes into pages of the mapping.
    fn set(&mut self, pages: std::ops::Range<usize>, byte: u8) {
        writeln!(self.asks, "{} {} {byte}", pages.start, pages.end).expect("asked");
        self.wait();
    }

    /// Ends as a program does whose machine loses its power.
    fn kill(mut self) {
        self.program.kill().expect("killed");
        self.program.wait().expect("gone");
    }
}

/// Not a test, unless it is started by [`Mapper::start`].
#[test]
fn mapper() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let mapping = Mapping::of(Path::new(&path), LONG);
    println!("mapper is ready");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        for page in numbers[0]..numbers[1] {
            mapping.set(page, numbers[2] as u8);
        }
        println!("mapper is ready");
    }
}

/// The first byte of each of the first pages, as one who opens the file anew reads it.
fn pages(path: &Path, count: usize) -> Vec<u8> {
    let bytes = fs::read(path).expect("read");
    bytes.chunks(PAGE).take(count).map(|page| page[0]).collect()
}

#[test]
fn mapped_pages_that_were_never_synced_are_lost_with_the_program() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("index");
    let mut mapper = Mapper::start(&path);
    mapper.set(0..8, 1);
    // Another descriptor of another program: what it syncs is the whole file, mapped pages and all.
    sync(&path);
    mapper.set(4..12, 2);
    assert_eq!(pages(&path, 14), [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0]);
    mapper.kill();
    let tally = mounted.lose(false, 0);
    assert_eq!(pages(&path, 14), [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!((tally.files, tally.bytes), (1, 8 * PAGE as u64));
    // It is as long as it was made, and still takes no room where nothing was written.
    let found = fs::metadata(&path).expect("there");
    assert_eq!(found.len(), LONG as u64);
    assert!(found.blocks() * 512 < LONG as u64 / 8, "{} blocks", found.blocks());
    // Whoever maps it next meets what the disk has, not what memory had.
    assert_eq!(Mapping::of(&path, LONG).file.metadata().expect("there").len(), LONG as u64);
    let mut again = Mapper::start(&path);
    again.set(8..9, 3);
    assert_eq!(pages(&path, 10), [1, 1, 1, 1, 1, 1, 1, 1, 3, 0]);
    again.kill();
}

#[test]
fn pages_that_the_kernel_wrote_back_by_itself_are_lost_unless_synced() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("index");
    let mut mapper = Mapper::start(&path);
    sync(&path);
    mapper.set(0..4, 1);
    // The kernel writes pages back when it likes to; told to do so, it syncs nothing.
    let file = OpenOptions::new().write(true).open(&path).expect("open");
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, all) }, 0);
    drop(file);
    assert_eq!(mounted.ask(&Ask::Tally).0.bytes, 4 * PAGE as u64);
    mapper.kill();
    mounted.lose(false, 0);
    assert_eq!(pages(&path, 4), [0; 4]);
}

#[test]
fn what_was_synced_through_the_mapping_stays() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("index");
    let mapping = Mapping::of(&path, 4 * PAGE);
    mapping.set(1, 7);
    mapping.sync().expect("synced");
    mapping.set(2, 8);
    drop(mapping);
    mounted.lose(false, 0);
    assert_eq!(pages(&path, 4), [0, 7, 0, 0]);
}

#[test]
fn a_mapped_file_is_cut_off_renamed_and_sent_as_kafka_does() {
    let Some(mounted) = Mounted::new() else { return };
    let (path, moved) = (mounted.data().join("log"), mounted.data().join("log.deleted"));
    let mapping = Mapping::of(&path, LONG);
    mapping.set(0, 5);
    // An index is cut down to what is in it while it is still mapped.
    mapping.file.set_len(PAGE as u64 + 100).expect("cut off");
    mapping.file.write_all_at(&[6; 100], PAGE as u64).expect("written");
    fs::rename(&path, &moved).expect("renamed");
    let mut whole = vec![5; PAGE];
    whole.extend([6; 100]);
    assert_eq!(fs::read(&moved).expect("read"), whole);
    // Consumers are sent files without a copy through the program.
    let mut out = tempfile::tempfile().expect("a file");
    let source = File::open(&moved).expect("open");
    let (to, from, nowhere) = (out.as_raw_fd(), source.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: both descriptors are open, and the offset is that of the descriptor.
    let sent = unsafe { libc::sendfile(to, from, nowhere, whole.len()) };
    assert_eq!(sent, whole.len() as isize);
    out.rewind().expect("at its start");
    let mut received = vec![0; whole.len()];
    out.read_exact_at(&mut received, 0).expect("read");
    assert_eq!(received, whole);
    drop(mapping);
    assert_eq!(fs::read(&moved).expect("read"), whole);
}

#[test]
fn a_failing_disk_fails_the_syncing_of_mapped_pages() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.data().join("index");
    let mapping = Mapping::of(&path, 4 * PAGE);
    mapping.set(0, 1);
    mapping.sync().expect("synced");
    let failing = |operation| Trouble::Failing {
        of_million: 1_000_000,
        operations: vec![operation],
        seed: 1,
    };
    let (_, held) = mounted.ask(&Ask::Hold(failing(Operation::Fsync)));
    mapping.set(1, 2);
    assert_eq!(mapping.sync().expect_err("fails").raw_os_error(), Some(libc::EIO));
    drop(held);
    let (_, held) = mounted.ask(&Ask::Hold(failing(Operation::Write)));
    mapping.set(2, 3);
    assert_eq!(mapping.sync().expect_err("fails").raw_os_error(), Some(libc::EIO));
    drop((held, mapping));
    // Neither of both was made durable.
    mounted.lose(false, 0);
    assert_eq!(pages(&path, 4), [1, 0, 0, 0]);
}
