//! The faults, one a file.

mod burn;
mod clock;
mod compact;
mod damage;
mod defragment;
mod delay;
mod disk;
mod hold;
mod kill;
mod leave;
mod partition;
mod pause;
mod power_loss;
mod pressure;
mod reshard;
mod restart;
mod scenario;
mod size;

pub(crate) use burn::ENTRY as BURN;
pub(crate) use clock::{ENTRY as CLOCK, SEEN_FROM, drifts_for};
pub(crate) use compact::ENTRY as COMPACT;
pub(crate) use damage::{ENTRY as DAMAGE, Found};
pub(crate) use defragment::ENTRY as DEFRAGMENT;
pub(crate) use delay::ENTRY as DELAY;
pub(crate) use disk::ENTRY as DISK;
pub(crate) use hold::ENTRY as HOLD;
pub(crate) use kill::ENTRY as KILL;
pub(crate) use leave::ENTRY as LEAVE;
pub(crate) use partition::ENTRY as PARTITION;
pub(crate) use pause::ENTRY as PAUSE;
pub(crate) use power_loss::ENTRY as POWER_LOSS;
pub(crate) use pressure::{DESCRIPTORS, MEMORY};
pub(crate) use reshard::ENTRY as RESHARD;
pub(crate) use restart::ENTRY as RESTART;
pub(crate) use scenario::ENTRY as SCENARIO;
