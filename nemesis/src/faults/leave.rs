//! `leave`: members leave the cluster as an operator lets them, and come back.
//!
//! How is the target's: those of Redis are emptied first, those of etcd come back as new members.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::OptionError;
use schism_targets::Upkeep;
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "leave",
    summary: "members leave the cluster under load; they come back when the fault ends",
    forms: &["leave: one | minority | leader | ROLE | n1 | [n1, n2]"],
    construct,
};

/// What it takes to move all slots of a primary, or to hear of a removal, and to be forgotten.
const LEAST: Duration = Duration::from_secs(4);

struct Leave(Victims);

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let wrong = |problem| OptionError::new(Vec::<String>::new(), problem);
    Ok(Box::new(Leave(Victims::parse(given).map_err(wrong)?)))
}

impl Fault for Leave {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        self.0.words()
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        let most = match &self.0 {
            Victims::All | Victims::Majority => true,
            Victims::Followers => nodes > 2,
            Victims::Named(names) => names.len() * 2 > usize::from(nodes),
            _ => false,
        };
        if most {
            return Err("who is to be left, if a majority leaves?".into());
        }
        self.0.fit(nodes)
    }

    fn least(&self) -> Duration {
        LEAST
    }

    fn roles(&self) -> Vec<&'static str> {
        self.0.roles()
    }

    /// A node that is down cannot be emptied, and is missed already.
    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        match self.0.resolve(view, &view.down, rng) {
            Ok(victims) => Injection::Upkeep(Upkeep::Leave(victims)),
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn somebody_stays() {
        let fits = |victims: Value| construct(&victims).map(|fault| fault.fits(6));
        assert_eq!(fits(json!("one")), Ok(Ok(())));
        assert_eq!(fits(json!(["n1", "n2", "n3"])), Ok(Ok(())));
        assert!(fits(json!("all")).is_ok_and(|fits| fits.is_err()));
        assert!(fits(json!("followers")).is_ok_and(|fits| fits.is_err()));
        assert!(fits(json!(["n1", "n2", "n3", "n4"])).is_ok_and(|fits| fits.is_err()));
        assert!(fits(json!("n7")).is_ok_and(|fits| fits.is_err()));
        assert!(fits(json!({})).is_err());
    }
}
