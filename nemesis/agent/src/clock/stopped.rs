//! All threads of a process, stopped for a moment, so that its code can be changed under it.
//!
//! The threads are traced by the thread that stopped them, and let go when this is dropped. If that
//! thread or its whole program ends before, however it ends, the kernel lets them go: nothing stays
//! stopped, and a signal that was on its way is delivered.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use super::Trouble;

/// How long a process may take to stop. It is more than a moment where a thread waits for its disk,
/// or for a child that it is about to start.
const STOP_WITHIN: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_micros(100);
/// How much of a thread's stack is looked at for a place at which a signal interrupted it.
const STACK_MAX: usize = 32 << 10;
/// Segments of code and stack of a program of 64 bits, by which the registers are known that the
/// kernel puts on the stack before it calls a signal's handler.
const CODE_SEGMENT: u64 = 0x33;
const STACK_SEGMENT: u64 = 0x2b;

/// Stopped threads, each with the signal that it has yet to get, or 0.
pub struct Stopped {
    pid: i32,
    threads: BTreeMap<i32, Thread>,
}

enum Thread {
    /// Told to stop.
    Stopping,
    Stopped {
        signal: i32,
    },
}

impl Stopped {
    /// Stops every thread. A thread that begins meanwhile is stopped, too: it is over when a look at
    /// a process whose known threads all stand still finds no other.
    pub fn all(pid: i32) -> Result<Self, Trouble> {
        let mut stopped = Self { pid, threads: BTreeMap::new() };
        let deadline = Instant::now() + STOP_WITHIN;
        loop {
            let news = stopped.seize_new()?;
            let moving = stopped.take_stops();
            if !news && !moving {
                let gone = stopped.threads.is_empty();
                return if gone { Err(Trouble::Gone) } else { Ok(stopped) };
            }
            if Instant::now() > deadline {
                return Err(Trouble::Busy(format!("did not stop within {STOP_WITHIN:?}")));
            }
            if moving {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    /// Takes hold of every thread that is not held; whether there was one.
    fn seize_new(&mut self) -> Result<bool, Trouble> {
        let mut news = false;
        for tid in threads(self.pid) {
            if self.threads.contains_key(&tid) {
                continue;
            }
            match request(libc::PTRACE_SEIZE, tid, 0, 0) {
                Ok(()) => {}
                Err(error) if is_over(self.pid, tid) || gone(&error) => continue,
                Err(error) => return Err(refusal(self.pid, tid, &error)),
            }
            // One that ended in between is found to be gone when it is waited for.
            let _ = request(libc::PTRACE_INTERRUPT, tid, 0, 0);
            self.threads.insert(tid, Thread::Stopping);
            news = true;
        }
        Ok(news)
    }

    /// Takes note of those that have stopped or ended; whether some are still moving.
    fn take_stops(&mut self) -> bool {
        self.threads.retain(|tid, thread| {
            if let Thread::Stopped { .. } = thread {
                return true;
            }
            let mut status = 0;
            // SAFETY: the number is ours to be written.
            let found =
                unsafe { libc::waitpid(*tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
            if found == 0 {
                return true;
            }
            if found < 0 || !libc::WIFSTOPPED(status) {
                return false;
            }
            // Above the signal stands why it stopped; nothing there means that the signal has come.
            let signal = if status >> 16 == 0 { libc::WSTOPSIG(status) } else { 0 };
            *thread = Thread::Stopped { signal };
            true
        });
        self.threads.values().any(|thread| matches!(thread, Thread::Stopping))
    }

    /// Whether a thread stands in one of these places, or will return to one from a signal's
    /// handler.
    pub fn is_in(&self, places: &[Range<u64>], memory: &fs::File) -> Result<bool, Trouble> {
        let inside = |place: &u64| places.iter().any(|range| range.contains(place));
        for tid in self.threads.keys() {
            let registers = registers(*tid)?;
            if inside(&registers.rip) || returns_to(inside, registers.rsp, memory) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends threads that stand in the stub back to the entries by which they came, to ask again;
    /// whether there is another that will return into it from a signal's handler.
    ///
    /// `back` tells the entry for a place inside.
    pub fn send_back(
        &self,
        places: &Range<u64>,
        memory: &fs::File,
        back: impl Fn(u64) -> (u64, u64),
    ) -> Result<bool, Trouble> {
        let mut left = false;
        for tid in self.threads.keys() {
            let mut registers = registers(*tid)?;
            left |= returns_to(|place| places.contains(place), registers.rsp, memory);
            if !places.contains(&registers.rip) {
                continue;
            }
            let (begins, entry) = back(registers.rip);
            if registers.rip > begins {
                registers.rdi = registers.r8;
            }
            registers.rip = entry;
            // It is in no system call any more that could be begun again.
            registers.orig_rax = u64::MAX;
            let data = &raw const registers as usize;
            request(libc::PTRACE_SETREGS, *tid, 0, data).map_err(|error| lost(*tid, &error))?;
        }
        Ok(left)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for (tid, thread) in &self.threads {
            // One that has not stopped is let go when this thread ends.
            if let Thread::Stopped { signal } = thread {
                let _ = request(libc::PTRACE_DETACH, *tid, 0, *signal as usize);
            }
        }
    }
}

/// Whether the kernel has put the registers of a thread onto its stack that stood inside: `rip`,
/// flags, and segments.
fn returns_to(inside: impl Fn(&u64) -> bool, stack: u64, memory: &fs::File) -> bool {
    let mut bytes = vec![0; STACK_MAX];
    let mut length = 0;
    // The stack may end before, and then page by page.
    while length < STACK_MAX {
        let page = (4096 - (stack as usize + length) % 4096).min(STACK_MAX - length);
        match memory.read_at(&mut bytes[length..length + page], stack + length as u64) {
            Ok(read @ 1..) => length += read,
            _ => break,
        }
    }
    let words: Vec<u64> = bytes[..length]
        .chunks_exact(8)
        .filter_map(|word| word.first_chunk().map(|word| u64::from_le_bytes(*word)))
        .collect();
    words.windows(3).any(|window| {
        let segments = (window[2] & 0xffff, window[2] >> 48);
        inside(&window[0]) && segments == (CODE_SEGMENT, STACK_SEGMENT)
    })
}

/// The threads of a process; none of one that is gone.
fn threads(pid: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a thread has ended: the first one stays as a zombie while others run.
fn is_over(pid: i32, tid: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")) else { return true };
    let state = text.rfind(')').and_then(|end| text[end + 1..].trim_start().chars().next());
    matches!(state, Some('Z' | 'X') | None)
}

fn refusal(pid: i32, tid: i32, error: &io::Error) -> Trouble {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).map(str::trim);
    match tracer {
        // Another of our kind holds it for a moment; a debugger for longer than is waited.
        Some(tracer) if tracer != "0" => Trouble::Busy(format!("is traced by process {tracer}")),
        _ => Trouble::Refused(format!("may not be stopped: {error}")),
    }
}

fn registers(tid: i32) -> Result<libc::user_regs_struct, Trouble> {
    // SAFETY: plain numbers, for which all zeros are a value.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let data = &raw mut registers as usize;
    request(libc::PTRACE_GETREGS, tid, 0, data).map_err(|error| lost(tid, &error))?;
    Ok(registers)
}

/// A stopped thread can still be killed.
fn lost(tid: i32, error: &io::Error) -> Trouble {
    if gone(error) {
        return Trouble::Busy(format!("lost its thread {tid} meanwhile"));
    }
    Trouble::Refused(format!("its thread {tid} does not tell its registers: {error}"))
}

fn gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH)
}

fn request(what: libc::c_uint, tid: i32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: the callers' data is either a number or a structure of the size that is asked for.
    let done = unsafe { libc::ptrace(what, tid, address, data) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
