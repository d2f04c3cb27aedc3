//! What is done to a node for as long as it is held: one file for each kind.
//!
//! An effect is held by a process of its own ([`crate::holder`]), so that neither the agent nor the
//! controller can take it along when they die: the holder ends it when its standard input closes,
//! and whoever finds its entry in the [`Ledger`] ends it when the holder is gone.

mod burn;
mod clock;
mod real_clock;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Skew;
use crate::ledger::Entry;
use crate::members::Members;

/// An effect, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Processes that do nothing but use the processor.
    Burn {
        /// How many for each processor of the node.
        threads_per_cpu: u16,
    },
    /// The processes' real-time clocks are wrong.
    Clock {
        /// By how many milliseconds they are ahead.
        offset_ms: i64,
        /// By how many millionths they run faster, from the beginning on.
        drift_ppm: i32,
        /// The offset comes and goes, each for so many milliseconds; otherwise it stays.
        strobe_ms: Option<u64>,
    },
    /// The clock of the whole machine is wrong, which only a machine that is there to be thrown away
    /// may have done to it.
    RealClock {
        /// By how much it jumps, in milliseconds.
        offset_ms: i64,
        /// By how much it drifts from then on, in parts per million, up to 100,000 either way.
        drift_ppm: i32,
        /// After how long it jumps to the true time, and then back again, and so on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strobe_ms: Option<u64>,
    },
}

impl Effect {
    /// The kind, as its variant is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Effect::Burn { .. } => "burn",
            Effect::Clock { .. } => "clock",
            Effect::RealClock { .. } => "real-clock",
        }
    }

    /// Whether it is about the whole machine, which must be one that may be thrown away.
    pub fn needs_disposable(&self) -> bool {
        matches!(self, Effect::RealClock { .. })
    }

    /// Whether it is still there when the node was started anew: processes, mounts and the kernel's
    /// rules are not, files and clocks of the machine are.
    pub fn survives_reboot(&self) -> bool {
        match self {
            // A clock may have been written into the hardware.
            Effect::RealClock { .. } => true,
            Effect::Burn { .. } | Effect::Clock { .. } => false,
        }
    }

    /// What holds it.
    pub(crate) fn holding(&self) -> Box<dyn Holding> {
        match *self {
            Effect::Burn { threads_per_cpu } => Box::new(burn::Burn::new(threads_per_cpu)),
            Effect::Clock { offset_ms, drift_ppm, strobe_ms } => {
                let strobe = strobe_ms.map(Duration::from_millis);
                Box::new(clock::Clock::new(Skew { offset_ms, drift_ppm, strobe }))
            }
            Effect::RealClock { offset_ms, drift_ppm, strobe_ms } => {
                Box::new(real_clock::RealClock::new(offset_ms, drift_ppm, strobe_ms))
            }
        }
    }
}

/// Where an effect is held.
pub struct Place {
    /// The processes that it is about.
    pub members: Members,
    /// The node's data folder.
    pub data: PathBuf,
    /// The entry in the ledger, to which facts are added before they become true.
    pub entry: Entry,
}

/// An effect that is being held.
pub(crate) trait Holding {
    /// Begins it. What cannot be begun has left nothing behind.
    fn begin(&mut self, place: &mut Place) -> Result<(), String>;

    /// Is called again and again while it is held: for what comes later, such as new processes.
    fn tend(&mut self, _: &mut Place) -> Result<(), String> {
        Ok(())
    }

    /// Ends it, exactly.
    fn end(&mut self, place: &mut Place) -> Result<(), String>;
}

/// Ends an effect whose holder is dead, from what the ledger says of it.
pub(crate) fn clean(effect: &Effect, facts: &Value) -> Result<(), String> {
    match effect {
        // Its processes die with their holder.
        Effect::Burn { .. } => Ok(()),
        Effect::Clock { .. } => clock::clean(facts),
        Effect::RealClock { .. } => real_clock::clean(facts),
    }
}
