//! `burn`: processes that take the processor away from everybody else.

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

use super::{Holding, Place};

/// Processes that compute until they are killed.
///
/// Each is in a session of its own: where the kernel shares processors among sessions (autogroups),
/// threads of one would together get no more than a single process of the node.
pub(super) struct Burn {
    threads_per_cpu: u16,
    processes: Vec<Pid>,
}

impl Burn {
    pub(super) fn new(threads_per_cpu: u16) -> Self {
        Self { threads_per_cpu, processes: Vec::new() }
    }
}

impl Holding for Burn {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let holder = nix::unistd::getpid();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cpus * usize::from(self.threads_per_cpu) {
            // SAFETY: a holder has one thread, and the child only computes.
            match unsafe { fork() } {
                Ok(ForkResult::Child) => compute(holder),
                Ok(ForkResult::Parent { child }) => self.processes.push(child),
                Err(error) => {
                    self.end(place)?;
                    return Err(format!("a process that computes: {error}"));
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        for process in self.processes.drain(..) {
            let _ = kill(process, Signal::SIGKILL);
            let _ = waitpid(process, None);
        }
        Ok(())
    }
}

/// Uses the processor until it is killed, which the kernel does when its holder dies.
fn compute(holder: Pid) -> ! {
    // SAFETY: plain numbers; the child has nothing of its own.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        // It died in between.
        if libc::getppid() != holder.as_raw() {
            libc::_exit(0);
        }
        libc::setsid();
    }
    let mut number = 1u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
    }
}
