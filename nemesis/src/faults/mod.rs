//! The faults, one a file.

mod delay;
mod kill;
mod partition;
mod pause;

pub(crate) use delay::ENTRY as DELAY;
pub(crate) use kill::ENTRY as KILL;
pub(crate) use partition::ENTRY as PARTITION;
pub(crate) use pause::ENTRY as PAUSE;
