//! One process: whose stub is in its vDSO, and how it gets there and away.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::Trouble;
use super::image::{self, Image, JUMP};
use super::stopped::Stopped;
use super::stub::{self, Figures, HEAD, TRUE_TIME};

/// `ELFCLASS64`, the fifth byte of a program of 64 bits.
const CLASS_64: u8 = 2;

/// The memory of a process, and where its vDSO is in it.
///
/// It is that of one program: when the process has begun another, this reads and writes nothing.
struct Memory {
    file: fs::File,
    base: u64,
}

impl Memory {
    fn open(pid: i32) -> Result<Self, Trouble> {
        let vector =
            fs::read(format!("/proc/{pid}/auxv")).map_err(|error| failed("auxv", &error))?;
        // The kernel's own threads have none, and neither have the dead.
        if vector.is_empty() {
            return Err(Trouble::Gone);
        }
        if !is_64_bit(pid)? {
            return Err(Trouble::Refused("is a program of 32 bits".into()));
        }
        let base = image::base(&vector);
        let base = base.ok_or_else(|| Trouble::Refused("has no vDSO".into()))?;
        let file = fs::OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
        Ok(Self { file: file.map_err(|error| failed("memory", &error))?, base })
    }

    fn read(&self, place: usize, length: usize) -> Result<Vec<u8>, Trouble> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, self.base + place as u64);
        read.map_err(|error| failed("vDSO", &error))?;
        Ok(bytes)
    }

    fn write(&self, place: usize, bytes: &[u8]) -> Result<(), Trouble> {
        let written = self.file.write_all_at(bytes, self.base + place as u64);
        written.map_err(|error| match error.kind() {
            // The program has ended, or has become another.
            io::ErrorKind::WriteZero => Trouble::Gone,
            _ => Trouble::Refused(format!("its vDSO cannot be written: {error}")),
        })
    }

    /// Whose stub is there.
    fn owner(&self, image: &Image) -> Result<Option<u64>, Trouble> {
        Ok(stub::owner(&self.read(image.slot, HEAD)?))
    }

    fn places(&self, range: std::ops::Range<usize>) -> std::ops::Range<u64> {
        self.base + range.start as u64..self.base + range.end as u64
    }
}

/// Whose stub is in the process, if one is.
pub fn owner(pid: i32, image: &Image) -> Result<Option<u64>, Trouble> {
    Memory::open(pid)?.owner(image)
}

/// Makes the process see the time of these figures. Only for one without a stub.
pub fn set(pid: i32, image: &Image, owner: u64, figures: &Figures) -> Result<(), Trouble> {
    let stopped = Stopped::all(pid)?;
    // While everything stands still, no other program can have begun.
    let memory = Memory::open(pid)?;
    if memory.read(0, image.bytes.len())? != image.bytes {
        return Err(Trouble::Refused("has another vDSO than ours, or one that was changed".into()));
    }
    // A thread at the very entry runs the jump, and one behind it never sees it.
    let between = |(entry, _): &(usize, _)| memory.places(entry + 1..entry + JUMP);
    let between: Vec<_> = image.entries.iter().map(between).collect();
    if stopped.is_in(&between, &memory.file)? {
        return Err(Trouble::Busy("stands where its code would be changed".into()));
    }
    let put = || {
        let stub = stub::bytes(owner, figures);
        // By its head it is found and taken away by whoever comes after us.
        memory.write(image.slot, &stub[..HEAD])?;
        memory.write(image.slot + HEAD, &stub[HEAD..])?;
        for (entry, jump) in &image.entries {
            memory.write(*entry, jump)?;
        }
        Ok(())
    };
    put().inspect_err(|_| {
        // What was refused was refused as a whole, the first byte included.
        let _ = take_away(&stopped, &memory, image);
    })
}

/// Lets the process see the true time from now on, without a stop; the stub stays.
pub fn set_true(pid: i32, image: &Image, owner: u64) -> Result<(), Trouble> {
    let memory = Memory::open(pid)?;
    if memory.owner(image)? != Some(owner) {
        return Ok(());
    }
    memory.write(image.slot + stub::which(), &TRUE_TIME.to_le_bytes())
}

/// Takes the stub of this owner away: afterwards the vDSO is what the kernel made it, to the byte.
/// What is not whole, since its owner was killed while it was put there, is taken away as well.
pub fn clear(pid: i32, image: &Image, owner: u64) -> Result<(), Trouble> {
    let stopped = Stopped::all(pid)?;
    let memory = Memory::open(pid)?;
    if memory.owner(image)? != Some(owner) {
        return Ok(());
    }
    take_away(&stopped, &memory, image)
}

/// First the entries, so that nobody comes in any more; then those that are inside are sent back;
/// then the stub goes, its head last.
fn take_away(stopped: &Stopped, memory: &Memory, image: &Image) -> Result<(), Trouble> {
    for (entry, _) in &image.entries {
        memory.write(*entry, &image.bytes[*entry..entry + JUMP])?;
    }
    let code = stub::code();
    let places = memory.places(image.slot + code.start..image.slot + code.end);
    let back = |place: u64| {
        let inside = (place - memory.base) as usize - image.slot;
        let mut entries = stub::entries().into_iter().zip(&image.entries);
        // The last function that begins at or before the place.
        let of = entries.rfind(|((_, begins), _)| *begins <= inside);
        let (begins, entry) = of.map_or((0, 0), |((_, begins), (entry, _))| (begins, *entry));
        (memory.base + (image.slot + begins) as u64, memory.base + entry as u64)
    };
    if stopped.send_back(&places, &memory.file, back)? {
        return Err(Trouble::Busy("was interrupted by a signal inside the stub".into()));
    }
    let (head, end) = (image.slot + HEAD, image.slot + code.end);
    memory.write(head, &image.bytes[head..end])?;
    memory.write(image.slot, &image.bytes[image.slot..head])?;
    if memory.read(0, image.bytes.len())? != image.bytes {
        return Err(Trouble::Refused("its vDSO was changed by somebody else, too".into()));
    }
    Ok(())
}

fn is_64_bit(pid: i32) -> Result<bool, Trouble> {
    let mut class = [0; 5];
    let file = fs::File::open(format!("/proc/{pid}/exe"));
    let read = file.and_then(|file| file.read_exact_at(&mut class, 0));
    read.map_err(|error| failed("program", &error))?;
    Ok(class[4] == CLASS_64)
}

/// What became of a process that does not let us look at it.
fn failed(what: &str, error: &io::Error) -> Trouble {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof, _) | (_, Some(libc::ESRCH)) => {
            Trouble::Gone
        }
        // It begins another program at this moment, or has moved its vDSO.
        (_, Some(libc::EIO)) => Trouble::Busy("has no vDSO where the kernel had put it".into()),
        _ => Trouble::Refused(format!("its {what} cannot be read: {error}")),
    }
}
