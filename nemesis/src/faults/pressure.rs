//! `memory` and `descriptors`: what a node's programs need gets scarce.

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options};
use schism_lab::Effect;
use serde_json::Value;

use super::size::bytes;
use crate::victims::{Victims, Whom};
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const MEMORY: FaultEntry = FaultEntry {
    name: "memory",
    summary: "a process on the node takes so much memory; refused where it is more than half of the rest",
    forms: &["memory: { of: VICTIMS | { clients: one }, fill: 200MiB }"],
    construct: memory,
};

pub(crate) const DESCRIPTORS: FaultEntry = FaultEntry {
    name: "descriptors",
    summary: "the node's processes may open few descriptors (files, connections) more than they have",
    forms: &["descriptors: { of: VICTIMS | { clients: one }, leave: 0 }"],
    construct: descriptors,
};

/// What is less is lost in what programs take and give anyway.
const FILL_MIN: u64 = 16 << 20;
const FILL_MAX: u64 = 1 << 40;
/// Of thousands that are left no program takes notice.
const LEAVE_MAX: u64 = 1000;

struct Pressure {
    entry: &'static FaultEntry,
    of: Whom,
    effect: Effect,
}

fn victims(given: &Value, options: &Options<'_>) -> Result<Whom, OptionError> {
    match given.get("of") {
        Some(of) => Whom::parse(of).map_err(|problem| options.error("of", problem)),
        None => Ok(Whom::Nodes(Victims::All)),
    }
}

fn memory(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["of", "fill"])?;
    let of = victims(given, &options)?;
    let Some(fill) = given.get("fill") else {
        let problem = "memory: `fill` is missing; it must be a size such as 200MiB";
        return Err(OptionError::new(Vec::<String>::new(), problem));
    };
    let size = fill.as_str().and_then(bytes).filter(|size| (FILL_MIN..=FILL_MAX).contains(size));
    let Some(bytes) = size else {
        let problem =
            format!("`fill` is {fill}; it must be a size from 16MiB, such as 200MiB or 2GiB");
        return Err(options.error("fill", problem));
    };
    Ok(Box::new(Pressure { entry: &MEMORY, of, effect: Effect::Memory { bytes } }))
}

fn descriptors(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["of", "leave"])?;
    let of = victims(given, &options)?;
    let leave = options.count("leave", 0..=LEAVE_MAX)?.unwrap_or(0);
    Ok(Box::new(Pressure { entry: &DESCRIPTORS, of, effect: Effect::Descriptors { leave } }))
}

impl Fault for Pressure {
    fn name(&self) -> &'static str {
        self.entry.name
    }

    fn detail(&self) -> String {
        let of = self.of.words();
        match self.effect {
            Effect::Memory { bytes } => format!("{of}, {} MiB", bytes >> 20),
            Effect::Descriptors { leave } => format!("{of}, {leave} left"),
            _ => of,
        }
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.of.fit(nodes, u16::MAX)
    }

    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        self.of.fit(nodes, clients)
    }

    fn roles(&self) -> Vec<&'static str> {
        self.of.roles()
    }

    fn needs_holder(&self) -> bool {
        self.of.needs_holder()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let effect = self.effect.clone();
        match self.of.resolve(view, &view.taken(effect.kind()), rng) {
            Ok(victims) => Injection::Hold { victims, effect },
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_sizes_and_counts() {
        let fill = memory(&json!({ "of": "n1", "fill": "200MiB" })).expect("it");
        assert_eq!(fill.detail(), "n1, 200 MiB");
        assert_eq!(memory(&json!({ "fill": "2GiB" })).expect("it").detail(), "all, 2048 MiB");
        let leave = descriptors(&json!({ "of": "leader", "leave": 3 })).expect("it");
        assert_eq!(leave.detail(), "leader, 3 left");
        for given in [json!({}), json!({ "fill": "1MiB" }), json!({ "fill": "200MB" })] {
            assert!(memory(&given).is_err(), "{given}");
        }
        assert!(descriptors(&json!({ "leave": -1 })).is_err());
    }
}
