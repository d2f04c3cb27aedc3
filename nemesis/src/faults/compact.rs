//! `compact`: what keys held before is forgotten, while clients and watches use the store.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options};
use schism_targets::Upkeep;
use serde_json::Value;

use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "compact",
    summary: "what keys held before is forgotten, up to the present revision or some before it",
    forms: &["compact: { keep: 100 }         so many of the last revisions are kept; default 0"],
    construct,
};

const KEEP_MAX: u64 = 1_000_000_000;
/// What it takes to compact, and to look.
const LEAST: Duration = Duration::from_secs(1);

struct Compact {
    keep: u64,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["keep"])?;
    Ok(Box::new(Compact { keep: options.count("keep", 0..=KEEP_MAX)?.unwrap_or(0) }))
}

impl Fault for Compact {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        match self.keep {
            0 => "up to the present revision".into(),
            keep => format!("up to {keep} revisions before the present one"),
        }
    }

    fn fits(&self, _: u16) -> Result<(), String> {
        Ok(())
    }

    fn least(&self) -> Duration {
        LEAST
    }

    fn plan(&self, _: &View, _: &mut ChaCha8Rng) -> Injection {
        Injection::Upkeep(Upkeep::Compact { keep: self.keep })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_it_is_told() {
        let detail = |given: Value| construct(&given).map(|fault| fault.detail());
        assert_eq!(detail(json!({})), Ok("up to the present revision".into()));
        assert_eq!(
            detail(json!({"keep": 5})).expect("a fault"),
            "up to 5 revisions before the present one"
        );
        assert!(detail(json!({"keep": -1})).is_err());
        assert!(detail(json!("all")).is_err());
    }
}
