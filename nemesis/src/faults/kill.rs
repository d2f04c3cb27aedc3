//! `kill`: every process of the victims dies at once, as by `kill -9`; they start again afterwards.

use rand_chacha::ChaCha8Rng;
use schism_history::OptionError;
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "kill",
    summary: "kill -9 of every process of a node; started again when the fault ends",
    forms: &["kill: one | minority | majority | all | leader | followers | n1 | [n1, n2]"],
    construct,
};

struct Kill(Victims);

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let victims = Victims::parse(given);
    let victims = victims.map_err(|problem| OptionError::new(Vec::<String>::new(), problem))?;
    Ok(Box::new(Kill(victims)))
}

impl Fault for Kill {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        self.0.words()
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.0.fit(nodes)
    }

    fn needs_leader(&self) -> bool {
        self.0.by_role()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        match self.0.resolve(view, &view.down, rng) {
            Ok(victims) => Injection::Kill(victims),
            Err(reason) => Injection::Nothing { reason },
        }
    }
}
