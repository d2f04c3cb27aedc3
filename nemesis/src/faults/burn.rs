//! `burn`: threads take the victims' processors away from everything else that runs there.

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options};
use schism_lab::Effect;
use serde_json::Value;

use crate::victims::{Victims, Whom};
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "burn",
    summary: "threads that use the processor; whatever runs on the node gets less of it",
    forms: &[
        "burn: one | minority | majority | all | leader | followers | ROLE | n1 | [n1, n2]",
        "burn: { of: leader | { clients: one }, threads: 8 }",
    ],
    construct,
};

/// Threads for each processor: with so many a busy process gets a ninth of one at the most.
const THREADS: u64 = 8;
const THREADS_MAX: u64 = 256;
/// With fewer no probe could tell them from what runs anyway.
const THREADS_MIN: u64 = 2;

struct Burn {
    of: Whom,
    threads: u16,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    if !given.is_object() {
        let victims = Whom::parse(given);
        let of = victims.map_err(|problem| OptionError::new(Vec::<String>::new(), problem))?;
        return Ok(Box::new(Burn { of, threads: THREADS as u16 }));
    }
    let options = Options::read(given, &["of", "threads"])?;
    let of = match given.get("of") {
        Some(of) => Whom::parse(of).map_err(|problem| options.error("of", problem))?,
        None => Whom::Nodes(Victims::All),
    };
    let threads = options.count("threads", THREADS_MIN..=THREADS_MAX)?.unwrap_or(THREADS);
    Ok(Box::new(Burn { of, threads: threads as u16 }))
}

impl Fault for Burn {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        format!("{} with {} threads a processor", self.of.words(), self.threads)
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.of.fit(nodes, u16::MAX)
    }

    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        self.of.fit(nodes, clients)
    }

    fn needs_holder(&self) -> bool {
        self.of.needs_holder()
    }

    fn roles(&self) -> Vec<&'static str> {
        self.of.roles()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let effect = Effect::Burn { threads_per_cpu: self.threads };
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
    fn reads_both_forms_and_refuses_what_no_probe_could_tell() {
        assert_eq!(
            construct(&json!("all")).expect("it").detail(),
            "all with 8 threads a processor"
        );
        let fault = construct(&json!({ "of": "n1", "threads": 2 })).expect("it");
        assert_eq!(fault.detail(), "n1 with 2 threads a processor");
        let error = construct(&json!({ "threads": 1 })).err().expect("an error");
        assert!(error.problem.contains("256"), "{}", error.problem);
        assert!(construct(&json!({ "thread": 4 })).is_err());
    }
}
