//! What is done to a system: faults, the schedule of a run, the injector and its probes.
//!
//! A [`Fault`] is pure: it is shown a [`View`] of the cluster and answers with an [`Injection`],
//! the resolved facts. The injector alone touches nodes and links. Every fault has a probe, and a
//! probe reads no state that the injector wrote.
//!
//! A new fault is one file and one line in [`FAULTS`].

mod clients;
mod damage;
mod deed;
mod ear;
mod ends;
mod faults;
mod hands;
mod injection;
mod injector;
mod probe;
mod roles;
mod scenario;
mod schedule;
mod spec;
mod standing;
mod victims;
mod view;

pub use clients::ClientPlaces;
pub use damage::{Damage, Flip};
pub use ear::Ear;
pub use injection::{Injection, Rolling};
pub use injector::{Bounds, Healing, Nemesis, Recorder};
pub use roles::LEADER;
pub use scenario::Scenario;

use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::{FaultId, OptionError};
use schism_lab::{Effect, NodeId};
use serde::{Deserialize, Serialize};

/// A way to break a system, with its parameters.
pub trait Fault: Send + Sync {
    /// The fault's name in [`FAULTS`].
    fn name(&self) -> &'static str;

    /// The variant in words, as in `isolate leader`; before the victims are resolved.
    fn detail(&self) -> String;

    /// Whether a cluster of `nodes` can be broken in this way; otherwise why not.
    fn fits(&self, nodes: u16) -> Result<(), String>;

    /// The same of a cluster whose `clients` are processes in places of their own; 0: they live in
    /// the controller, where no fault can strike them.
    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        let _ = clients;
        self.fits(nodes)
    }

    /// How long it must last at least, so that a probe has time to see it.
    fn least(&self) -> Duration {
        Duration::ZERO
    }

    /// The names of the faults that it is made of, besides its own: what a target has to take, too.
    fn parts(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The roles on which its victims depend: who plays them is asked when it begins. Asking takes
    /// time while nodes are silent, so that only those who must know ask.
    fn roles(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The roles that are named in it, whenever they are asked for: those that a target has to have.
    fn named_roles(&self) -> Vec<&'static str> {
        self.roles()
    }

    /// Whether the victims depend on which client holds a lock.
    fn needs_holder(&self) -> bool {
        false
    }

    /// Whether it is done to whole machines, which must be there to be thrown away.
    fn needs_disposable(&self) -> bool {
        false
    }

    /// Why it needs the virtual switch, which stands between no hosts but those of the local lab; `None`
    /// if it does not.
    fn needs_switch(&self) -> Option<&'static str> {
        None
    }

    /// What has to be held on every node from before the target's first start to the end of the
    /// run, for the fault to be possible.
    fn prepares(&self) -> Option<Effect> {
        None
    }

    /// Resolves the victims. Pure: the same view and randomness give the same injection.
    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection;
}

/// What the nemesis knows of the cluster when a fault begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// All nodes, in order.
    pub nodes: Vec<NodeId>,
    /// The nodes that play each of the roles that were asked for ([`LEADER`]: those that say that
    /// they lead), the most recent first.
    pub playing: BTreeMap<&'static str, Vec<NodeId>>,
    /// Nodes and clients that another fault already holds down (killed or paused), or lets leave.
    pub down: Vec<NodeId>,
    /// The places of clients that are processes; empty where clients live in the controller.
    pub clients: Vec<NodeId>,
    /// The clients that were granted a lock and have not given it back, the most recent first.
    pub holders: Vec<NodeId>,
    /// Nodes on which another fault holds an effect, with its kind.
    pub held: Vec<(NodeId, &'static str)>,
}

/// A fault of a plan: what, when, for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultSpec {
    /// When it begins: once, or again and again.
    pub when: When,
    /// How long it lasts.
    pub length: Duration,
    /// What to choose from, each as it stands in the plan: `{"partition": "halves"}`. A choice of
    /// two keys or more is as many faults at once.
    pub choices: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Whether the choices stand in a list under `any`; otherwise there is one, beside `for`.
    pub listed: bool,
}

/// When a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Once, at this time of the load.
    At(Duration),
    /// Once in every period of this length. A period is quiet first and ends with the fault, so
    /// that no window reaches into the next period or beyond the load.
    Every(Duration),
}

/// The faults of a run, expanded before it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The faults, in order of their starts, numbered from `F1` in that order.
    pub entries: Vec<Planned>,
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Its number.
    pub fault: FaultId,
    /// When it begins, from the beginning of the load.
    pub start: Duration,
    /// When its healing begins.
    pub stop: Duration,
    /// The fault as it stands in the plan: `{"partition": {"isolate": "leader"}}`.
    pub spec: serde_json::Value,
    /// The seed of the stream that resolves its victims.
    pub seed: u64,
}

/// A row of [`FAULTS`].
pub struct FaultEntry {
    /// The fault's name in plans.
    pub name: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// How it is written in a plan, one form a line.
    pub forms: &'static [&'static str],
    /// Makes it from what stands behind its name in a plan.
    pub construct: fn(&serde_json::Value) -> Result<Box<dyn Fault>, OptionError>,
}

/// The faults that there are.
pub const FAULTS: &[FaultEntry] = &[
    faults::PARTITION,
    faults::KILL,
    faults::PAUSE,
    faults::DELAY,
    faults::HOLD,
    faults::BURN,
    faults::DISK,
    faults::POWER_LOSS,
    faults::DAMAGE,
    faults::MEMORY,
    faults::DESCRIPTORS,
    faults::CLOCK,
    faults::RESHARD,
    faults::LEAVE,
    faults::COMPACT,
    faults::DEFRAGMENT,
    faults::RESTART,
    faults::SCENARIO,
];
