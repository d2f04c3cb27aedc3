//! What is done to a node for as long as it is held: one file for each kind.
//!
//! An effect is held by a process of its own ([`crate::holder`]), so that neither the agent nor the
//! controller can take it along when they die: the holder ends it when its standard input closes,
//! and whoever finds its entry in the [`crate::ledger`] ends it when the holder is gone.

mod burn;
mod clock;
mod damage;
mod descriptors;
mod disk;
mod layer;
mod memory;
mod real_clock;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Skew;
use crate::layer::{Loss, Trouble};
use crate::ledger::Entry;
use crate::members::Members;

pub use damage::Wound;

/// An effect, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Processes that do nothing but use the processor.
    Burn {
        /// How many for each processor of the node.
        threads_per_cpu: u16,
    },
    /// A disk of our own over the data folder, sound until it is told otherwise.
    Layer,
    /// That disk ails.
    Disk(Trouble),
    /// That disk loses what was not synced; nothing may run on the node.
    Loss(Loss),
    /// These files are damaged, which they stay; nothing may run on the node.
    Damage(Vec<Wound>),
    /// A process that takes memory.
    Memory {
        /// How many bytes.
        bytes: u64,
    },
    /// The node's processes may open few descriptors more.
    Descriptors {
        /// How many more than they have open.
        leave: u64,
    },
    /// The processes' real-time clocks are wrong.
    Clock {
        /// By how many milliseconds they are ahead.
        offset_ms: i64,
        /// By how many millionths they run faster, from the beginning on.
        drift_ppm: i32,
        /// The offset comes and goes, each for so many milliseconds; otherwise it stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
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
            Effect::Layer => "layer",
            Effect::Disk(_) => "disk",
            Effect::Loss(_) => "loss",
            Effect::Damage(_) => "damage",
            Effect::Memory { .. } => "memory",
            Effect::Descriptors { .. } => "descriptors",
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
            // A clock may have been written into the hardware. The layer's mount is gone, and what it
            // kept in the folder below is not.
            Effect::RealClock { .. } | Effect::Layer => true,
            // Files stay damaged, but nothing of that is ever to be undone.
            Effect::Damage(_)
            | Effect::Burn { .. }
            | Effect::Disk(_)
            | Effect::Loss(_)
            | Effect::Memory { .. }
            | Effect::Descriptors { .. }
            | Effect::Clock { .. } => false,
        }
    }

    /// The same on the node of this number: no two nodes have the same luck.
    pub fn on_node(&self, number: u16) -> Self {
        let mut own = self.clone();
        match &mut own {
            Effect::Disk(Trouble::Slow { seed, .. } | Trouble::Failing { seed, .. }) => {
                *seed = mix(*seed, number);
            }
            Effect::Loss(loss) => loss.seed = mix(loss.seed, number),
            _ => {}
        }
        own
    }

    /// What holds it.
    pub(crate) fn holding(&self) -> Box<dyn Holding> {
        match self {
            Effect::Burn { threads_per_cpu } => Box::new(burn::Burn::new(*threads_per_cpu)),
            Effect::Layer => Box::new(layer::Mounted::default()),
            Effect::Disk(trouble) => Box::new(disk::Ailing::new(trouble.clone())),
            Effect::Loss(loss) => Box::new(disk::Losing(*loss)),
            Effect::Damage(wounds) => Box::new(damage::Damaging(wounds.clone())),
            Effect::Memory { bytes } => Box::new(memory::Fill::new(*bytes)),
            Effect::Descriptors { leave } => Box::new(descriptors::Limits::new(*leave)),
            &Effect::Clock { offset_ms, drift_ppm, strobe_ms } => {
                let strobe = strobe_ms.map(Duration::from_millis);
                Box::new(clock::Clock::new(Skew { offset_ms, drift_ppm, strobe }))
            }
            &Effect::RealClock { offset_ms, drift_ppm, strobe_ms } => {
                Box::new(real_clock::RealClock::new(offset_ms, drift_ppm, strobe_ms))
            }
        }
    }
}

/// Another seed for each number; the streams are far from each other.
fn mix(seed: u64, number: u16) -> u64 {
    seed ^ u64::from(number).wrapping_mul(0xd134_2543_de82_ef95)
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
        // Processes die with their holder, and the layer ends a trouble with the connection of its
        // holder. What is lost is lost, and what is damaged stays so.
        Effect::Burn { .. }
        | Effect::Memory { .. }
        | Effect::Disk(_)
        | Effect::Loss(_)
        | Effect::Damage(_) => Ok(()),
        Effect::Layer => layer::clean(facts),
        Effect::Descriptors { .. } => descriptors::clean(facts),
        Effect::Clock { .. } => clock::clean(facts),
        Effect::RealClock { .. } => real_clock::clean(facts),
    }
}
