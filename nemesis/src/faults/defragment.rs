//! `defragment`: nodes give the space of what was forgotten back to their disks. Meanwhile a node of
//! etcd answers nobody.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::OptionError;
use schism_targets::Upkeep;
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "defragment",
    summary: "nodes rewrite their stores without what was forgotten, one after the other",
    forms: &["defragment: all | leader | followers | ROLE | minority | one | n1 | [n1, n2]"],
    construct,
};

/// What it takes to rewrite a small store, and to look.
const LEAST: Duration = Duration::from_secs(1);

struct Defragment(Victims);

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let wrong = |problem| OptionError::new(Vec::<String>::new(), problem);
    Ok(Box::new(Defragment(Victims::parse(given).map_err(wrong)?)))
}

impl Fault for Defragment {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        self.0.words()
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.0.fit(nodes)
    }

    fn least(&self) -> Duration {
        LEAST
    }

    fn roles(&self) -> Vec<&'static str> {
        self.0.roles()
    }

    /// A node that is down already cannot be asked.
    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        match self.0.resolve(view, &view.down, rng) {
            Ok(victims) => Injection::Upkeep(Upkeep::Defragment(victims)),
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use schism_lab::NodeId;
    use serde_json::json;

    use crate::LEADER;

    use super::*;

    #[test]
    fn asks_those_that_are_up() {
        let nodes = (1..=3).map(NodeId).collect();
        let view = View {
            nodes,
            playing: [(LEADER, vec![NodeId(2)])].into(),
            down: vec![NodeId(3)],
            ..View::default()
        };
        let fault = construct(&json!("all")).expect("a fault");
        let injection = fault.plan(&view, &mut ChaCha8Rng::seed_from_u64(1));
        let up = Upkeep::Defragment(vec![NodeId(1), NodeId(2)]);
        assert_eq!(injection, Injection::Upkeep(up));
        assert!(construct(&json!({})).is_err());
    }
}
