//! `kill`: every process of the victims dies at once, as by `kill -9`; they start again afterwards.

use rand_chacha::ChaCha8Rng;
use schism_history::OptionError;
use serde_json::Value;

use crate::victims::Whom;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "kill",
    summary: "kill -9 of every process of a node; started again when the fault ends",
    forms: &[
        "kill: one | minority | majority | all | leader | followers | ROLE | n1 | [n1, n2]",
        "kill: { clients: one | minority | all | holder | c1 | [c1, c2] }   with `load: { host: process }`",
    ],
    construct,
};

struct Kill(Whom);

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let victims = Whom::parse(given);
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
        self.0.fit(nodes, u16::MAX)
    }

    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        self.0.fit(nodes, clients)
    }

    fn roles(&self) -> Vec<&'static str> {
        self.0.roles()
    }

    fn needs_holder(&self) -> bool {
        self.0.needs_holder()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        match self.0.resolve(view, &view.down, rng) {
            Ok(victims) => Injection::Kill(victims),
            Err(reason) => Injection::Nothing { reason },
        }
    }
}
