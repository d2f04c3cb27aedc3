//! Clocks of single processes, set wrong from outside through the vDSO: offset, drift, strobe.
//!
//! A program asks for the time by a function that the kernel has put into it, the vDSO. A [`Hold`]
//! puts a few hundred bytes of its own into the empty end of that, in each process that it is shown,
//! and lets the functions begin with a jump there. The process' real-time clock is wrong from then
//! on; its monotonic clock is not. Nobody else's clock is touched, and least of all the machine's.
//!
//! What it cannot reach: programs that ask the kernel directly, and waits until a moment of the
//! real-time clock, which the kernel measures by its own. A program that a process becomes (exec) has
//! a vDSO of its own and sees the true time until it is shown to the hold again. A child has its
//! parent's from the beginning.
//!
//! Each stub bears the number of its hold, so that all of them can be found and taken away by
//! whoever knows the number, from the processes alone: [`undo`]. x86-64 only.

#[cfg(target_arch = "x86_64")]
mod image;
#[cfg(target_arch = "x86_64")]
mod process;
#[cfg(target_arch = "x86_64")]
mod stopped;
#[cfg(target_arch = "x86_64")]
mod stub;

#[cfg(target_arch = "x86_64")]
mod hold;
#[cfg(not(target_arch = "x86_64"))]
#[path = "elsewhere.rs"]
mod hold;

use std::time::Duration;

pub use hold::{Hold, undo};

/// How a clock goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    /// Milliseconds that the clock is ahead.
    pub offset_ms: i64,
    /// Millionths by which it runs faster, from the beginning of the hold on.
    pub drift_ppm: i32,
    /// The offset comes and goes, each for as long as this. It is there first.
    pub strobe: Option<Duration>,
}

/// Why a process' clock could not be set.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    /// The process is there no more, or is another program by now.
    Gone,
    /// Not at this moment.
    Busy(String),
    /// It cannot be.
    Refused(String),
}
