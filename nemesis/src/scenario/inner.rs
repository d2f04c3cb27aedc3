//! Other faults as steps of a scenario: those that are held on nodes, or strike what nodes keep.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use schism_history::OptionError;
use schism_lab::NodeId;
use serde_json::{Map, Value, json};

use super::Place;
use crate::victims::list;
use crate::{Fault, Injection, View, spec};

/// The faults that may stand as steps, besides those that have words of their own.
pub(super) const INNER: [&str; 7] =
    ["burn", "clock", "damage", "descriptors", "disk", "memory", "power-loss"];

/// The others, each with the reason why it stands beside a scenario and not in it.
const REFUSED: [(&str, &str); 7] = [
    ("partition", "write it as `drop`, with the links that are cut"),
    ("restart", "write `kill: L` and `start: L`"),
    ("reshard", ACT),
    ("leave", ACT),
    ("compact", ACT),
    ("defragment", ACT),
    ("scenario", "write its steps here"),
];
const ACT: &str = "the target does it over a time of its own, and no step waits for that: let it begin \
                   beside the scenario";

/// A fault that begins with its step and ends with the scenario, or with an `end` before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    pub(super) name: &'static str,
    /// What stands in the plan, without its victims.
    pub(super) options: Map<String, Value>,
    pub(super) of: Vec<Place>,
    /// Tells it from the other faults of its scenario.
    pub(super) number: u32,
}

/// Why a fault is no step, if it is one that there is.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
}

/// The name of a fault that may stand as a step.
pub(super) fn known(name: &str) -> Option<&'static str> {
    INNER.into_iter().find(|known| *known == name)
}

impl Inner {
    /// The fault, when its victims are these nodes, or these clients.
    pub(super) fn fault(&self, victims: &[NodeId]) -> Result<Box<dyn Fault>, OptionError> {
        let names: Value = victims.iter().map(ToString::to_string).collect();
        let clients = victims.iter().filter(|victim| victim.is_client()).count();
        if clients > 0 && clients < victims.len() {
            let problem = format!("{} are nodes and clients: give each a step", list(victims));
            return Err(OptionError::new(Vec::<String>::new(), problem));
        }
        let mut value = self.options.clone();
        let of = if clients > 0 { json!({ "clients": names }) } else { names };
        value.insert("of".into(), of);
        spec::fault(self.name, &Value::Object(value))
    }

    /// What it comes to now, in words and as facts.
    pub(super) fn resolve(
        &self,
        victims: &[NodeId],
        view: &View,
        rng: &mut ChaCha8Rng,
    ) -> Result<(String, Injection), String> {
        let fault = self.fault(victims).map_err(|error| error.problem)?;
        match fault.plan(view, rng) {
            Injection::Nothing { reason } => Err(reason),
            injection => Ok((format!("{} {}", self.name, fault.detail()), injection)),
        }
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.name)
    }
}
