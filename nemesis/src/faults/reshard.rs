//! `reshard`: slots move from one primary to another while clients use them.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options};
use schism_targets::Upkeep;
use serde_json::Value;

use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "reshard",
    summary: "slots with their keys move to another primary under load, over the fault's whole length",
    forms: &["reshard: { slots: 500 }        those with keys first"],
    construct,
};

/// All slots of a Redis Cluster.
const SLOTS_MAX: u64 = 16_384;
const SLOTS_USUAL: u64 = 100;
/// What it takes to look, to move a slot, and to look again.
const LEAST: Duration = Duration::from_secs(2);

struct Reshard {
    slots: usize,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["slots"])?;
    let slots = options.count("slots", 1..=SLOTS_MAX)?.unwrap_or(SLOTS_USUAL) as usize;
    Ok(Box::new(Reshard { slots }))
}

impl Fault for Reshard {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        format!("{} slots", self.slots)
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        if nodes < 2 { Err("one node has nobody to give slots to".into()) } else { Ok(()) }
    }

    fn least(&self) -> Duration {
        LEAST
    }

    fn plan(&self, _: &View, _: &mut ChaCha8Rng) -> Injection {
        Injection::Upkeep(Upkeep::Reshard { slots: self.slots })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moves_as_many_slots_as_there_are_at_most() {
        assert_eq!(construct(&json!({"slots": 7})).expect("a fault").detail(), "7 slots");
        assert_eq!(construct(&Value::Null).expect("a fault").detail(), "100 slots");
        assert!(construct(&json!({"slots": 16_385})).is_err());
        assert!(construct(&json!({"slot": 1})).is_err());
    }
}
