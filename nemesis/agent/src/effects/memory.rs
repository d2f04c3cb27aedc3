//! `memory`: a process that takes memory away from everybody else.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};

use super::{Holding, Place};
use crate::look::process::memory_available;

/// How long its beginning waits for it to be taken; what takes longer is taken while it is held.
const FILL_WITHIN: Duration = Duration::from_secs(2);
const PAGE: usize = 4096;

/// A process that holds memory until it is killed.
///
/// It is the one that the kernel kills first where memory runs out: pressure is wanted, not the
/// death of whatever else lives on the machine.
pub(super) struct Fill {
    bytes: u64,
    process: Option<Pid>,
    /// Where the process says that it has all; open, since it would not survive to say it otherwise.
    filled: Option<OwnedFd>,
}

impl Fill {
    pub(super) fn new(bytes: u64) -> Self {
        Self { bytes, process: None, filled: None }
    }
}

impl Holding for Fill {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let available = memory_available().map_err(|error| error.to_string())?;
        if self.bytes > available / 2 {
            let (wanted, half) = (self.bytes >> 20, available >> 21);
            return Err(format!(
                "{wanted} MiB are more than half of the memory that is available; at most {half} \
                 MiB are taken"
            ));
        }
        let (filled, say_filled) = pipe().map_err(|error| format!("a pipe: {error}"))?;
        let holder = nix::unistd::getpid();
        // SAFETY: a holder has one thread, and the child makes system calls alone.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                drop(filled);
                fill(self.bytes as usize, holder, &say_filled)
            }
            Ok(ForkResult::Parent { child }) => self.process = Some(child),
            Err(error) => return Err(format!("a process for memory: {error}")),
        }
        drop(say_filled);
        let poll = libc::POLLIN;
        let mut look = libc::pollfd { fd: filled.as_raw_fd(), events: poll, revents: 0 };
        // SAFETY: one entry is given, and it outlives the call.
        let ready = unsafe { libc::poll(&raw mut look, 1, FILL_WITHIN.as_millis() as i32) };
        let mut byte = [0];
        if ready == 0 || nix::unistd::read(&filled, &mut byte) == Ok(1) {
            self.filled = Some(filled);
            return Ok(());
        }
        self.end(place)?;
        Err(format!("{} MiB of memory could not be had", self.bytes >> 20))
    }

    fn tend(&mut self, _: &mut Place) -> Result<(), String> {
        let Some(process) = self.process else { return Ok(()) };
        if waitpid(process, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive) {
            return Ok(());
        }
        self.process = None;
        Err("the kernel killed what held the memory: there was too little".into())
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        if let Some(process) = self.process.take() {
            let _ = kill(process, Signal::SIGKILL);
            let _ = waitpid(process, None);
        }
        Ok(())
    }
}

/// Takes memory, says so, and keeps it until it is killed, which the kernel does when its holder
/// dies.
fn fill(bytes: usize, holder: Pid, say_filled: &OwnedFd) -> ! {
    // SAFETY: plain numbers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::getppid() != holder.as_raw() {
            libc::_exit(0);
        }
    }
    // First to die; raising it needs no rights.
    let adjusted = std::fs::write("/proc/self/oom_score_adj", "1000");
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    let own = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: memory of its own, which nobody else knows of.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), bytes, rights, own, -1, 0) };
    if adjusted.is_ok() && memory != libc::MAP_FAILED {
        for page in 0..bytes / PAGE {
            let place = memory.wrapping_byte_add(page * PAGE).cast::<u64>();
            // SAFETY: the page lies in the mapping. No two pages are alike, so that none are merged.
            unsafe { place.write_volatile(page as u64 + 1) };
        }
        // Where it may, it keeps them out of the swap space.
        // SAFETY: the range is the mapping.
        let _ = unsafe { libc::mlock(memory, bytes) };
        if nix::unistd::write(say_filled, b"f") == Ok(1) {
            loop {
                nix::unistd::pause();
            }
        }
    }
    // SAFETY: ends the process, which has nothing to clean up.
    unsafe { libc::_exit(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Effect;
    use crate::ledger::Ledger;
    use crate::members::Members;

    #[test]
    fn refuses_more_than_half_of_what_is_available() {
        let folder = tempfile::tempdir().expect("a folder");
        let effect = Effect::Memory { bytes: 1 << 50 };
        let entry = Ledger::at(folder.path()).enter("F1", &effect).expect("entered");
        let members = Members::Below(std::process::id() as i32);
        let mut place = Place { members, data: folder.path().into(), entry };
        let problem = Fill::new(1 << 50).begin(&mut place).expect_err("refused");
        assert!(problem.contains("more than half"), "{problem}");
    }
}
