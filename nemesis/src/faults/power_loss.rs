//! `power-loss`: the victims die at once, and what they had not synced to their disks is lost.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::{OptionError, Options};
use schism_lab::{Effect, Loss};
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "power-loss",
    summary: "kill -9 of every process of a node, and what was not fsynced is lost; started again",
    forms: &[
        "power-loss: one | minority | majority | all | leader | followers | ROLE | n1 | [n1, n2]",
        "power-loss: { of: all, torn: true }",
        "power-loss: { of: all, strict: true }",
    ],
    construct,
};

struct PowerLoss {
    of: Victims,
    torn: bool,
    strict: bool,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    if !given.is_object() {
        let victims = Victims::parse(given);
        let of = victims.map_err(|problem| OptionError::new(Vec::<String>::new(), problem))?;
        return Ok(Box::new(PowerLoss { of, torn: false, strict: false }));
    }
    let options = Options::read(given, &["of", "torn", "strict"])?;
    let of = match given.get("of") {
        Some(of) => Victims::parse(of).map_err(|problem| options.error("of", problem))?,
        None => Victims::All,
    };
    let flag = |key: &str| match given.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => {
            Err(options.error(key, format!("`{key}` is {other}; it must be true or false")))
        }
    };
    Ok(Box::new(PowerLoss { of, torn: flag("torn")?, strict: flag("strict")? }))
}

impl Fault for PowerLoss {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        let torn = if self.torn { ", torn" } else { "" };
        let strict = if self.strict { ", strict" } else { "" };
        format!("{}{torn}{strict}", self.of.words())
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.of.fit(nodes)
    }

    fn roles(&self) -> Vec<&'static str> {
        self.of.roles()
    }

    fn prepares(&self) -> Option<Effect> {
        Some(Effect::Layer)
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        // The seed also tells what a probe wrote before this loss from what it wrote before others.
        let loss = Loss { torn: self.torn, strict: self.strict, seed: rng.next_u64() };
        match self.of.resolve(view, &view.down, rng) {
            Ok(victims) => Injection::PowerLoss { victims, loss },
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use schism_lab::NodeId;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_both_forms() {
        assert_eq!(construct(&json!("all")).expect("it").detail(), "all");
        let torn = construct(&json!({ "of": "leader", "torn": true, "strict": true }));
        assert_eq!(torn.expect("it").detail(), "leader, torn, strict");
        assert!(construct(&json!({ "torn": "yes" })).is_err());
        assert!(construct(&json!({ "torm": true })).is_err());
    }

    #[test]
    fn strikes_nobody_twice_and_differs_by_seed() {
        let fault = construct(&json!("all")).expect("it");
        let view =
            View { nodes: vec![NodeId(1), NodeId(2)], down: vec![NodeId(1)], ..View::default() };
        let plan = |seed| fault.plan(&view, &mut ChaCha8Rng::seed_from_u64(seed));
        let Injection::PowerLoss { victims, .. } = plan(1) else { panic!("it strikes") };
        assert_eq!(victims, [NodeId(2)]);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }
}
