//! `hold`: what is sent over some links is kept, and goes out in order when the fault ends.
//!
//! Unlike after a partition nothing is lost: old messages meet a system that has moved on.

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options};
use schism_lab::LinkRule;
use serde_json::Value;

use crate::ends::Ends;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "hold",
    summary: "links keep what is sent over them, one way or both, and deliver it in order when the fault ends",
    forms: &[
        "hold: { from: leader, to: followers }        one way; an end is victims, `clients` or { clients: one }",
        "hold: { between: [leader, minority] }        both ways",
        "hold: { links: leader }                      all links to the other nodes, both ways",
    ],
    construct,
};

struct Hold(Ends);

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &Ends::KEYS)?;
    match Ends::parse(given, &options)? {
        Some(ends) => Ok(Box::new(Hold(ends))),
        None => Err(OptionError::new(Vec::<String>::new(), format!("hold is {}", Ends::FORMS))),
    }
}

impl Fault for Hold {
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

    fn needs_switch(&self) -> Option<&'static str> {
        Some("links can be cut or slowed down there, not held")
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let rule = LinkRule { hold: true, ..LinkRule::default() };
        match self.0.resolve(rule, view, rng) {
            Ok((_, rules)) if rules.0.is_empty() => {
                Injection::Nothing { reason: "no link would have been held".into() }
            }
            Ok((victims, rules)) => Injection::Links { victims, rules },
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
    fn keeps_what_is_sent_over_the_links_that_it_names() {
        let fault = construct(&json!({"links": "n1"})).expect("a fault");
        let view = View { nodes: (1..=3).map(NodeId).collect(), ..View::default() };
        let injection = fault.plan(&view, &mut ChaCha8Rng::seed_from_u64(1));
        let Injection::Links { victims, rules } = injection else { panic!("{injection:?}") };
        assert_eq!((victims, rules.0.len()), (vec![NodeId(1)], 4));
        assert!(rules.0.values().all(|rule| rule.hold && !rule.drop));
    }

    #[test]
    fn says_what_is_missing() {
        let error = construct(&json!({})).err().expect("an error").to_string();
        assert!(error.contains("hold is { from"), "{error}");
    }
}
