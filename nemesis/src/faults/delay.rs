//! `delay`: what goes between the victims and the other nodes comes late, both ways; or what goes over
//! links that are named by their ends, those of clients, too.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options, Span};
use schism_lab::{End, LinkRule, LinkRules};
use serde_json::Value;

use crate::ends::Ends;
use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "delay",
    summary: "links get slower by a time, plus or minus a jitter; order is kept",
    forms: &[
        "delay: { by: 100ms, jitter: 20ms, of: all | leader | ROLE | minority | n1 … }   from and to the other nodes",
        "delay: { by: 5s, between: [clients, ROLE] }   both ways; an end is victims, `clients` or { clients: one }",
        "delay: { by: 5s, from: clients, to: leader }  one way",
    ],
    construct,
};

/// Longer delays are partitions, and what waits in the switch is bounded.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// Shorter delays are lost in what a busy machine takes anyway, and no probe could tell them.
const DELAY_MIN: Duration = Duration::from_millis(4);
/// What a probe takes to look at a link, besides the delay itself.
const LOOK: Duration = Duration::from_millis(100);

struct Delay {
    by: Duration,
    jitter: Duration,
    links: Links,
}

enum Links {
    /// Those between these and all other nodes.
    Of(Victims),
    Between(Ends),
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let keys = [&["by", "jitter", "of"], &Ends::KEYS[..]].concat();
    let options = Options::read(given, &keys)?;
    let Some(by) = options.span("by")? else {
        let problem = "delay: `by` is missing; it must be a duration such as 100ms";
        return Err(OptionError::new(Vec::<String>::new(), problem));
    };
    if by > DELAY_MAX {
        return Err(options.error("by", format!("`by` is more than {}", Span(DELAY_MAX))));
    }
    if by < DELAY_MIN {
        let problem = format!("`by` is less than {}, which no probe could tell", Span(DELAY_MIN));
        return Err(options.error("by", problem));
    }
    let jitter = options.span("jitter")?.unwrap_or_default();
    if jitter > by {
        return Err(options.error("jitter", "`jitter` is more than `by`: time cannot run back"));
    }
    let links = match (given.get("of"), Ends::parse(given, &options)?) {
        (Some(_), Some(_)) => {
            let problem = format!("`of` names whose links, and so do {}: write one", Ends::FORMS);
            return Err(options.error("of", problem));
        }
        (Some(of), None) => {
            Links::Of(Victims::parse(of).map_err(|problem| options.error("of", problem))?)
        }
        (None, Some(ends)) => Links::Between(ends),
        (None, None) => Links::Of(Victims::All),
    };
    Ok(Box::new(Delay { by, jitter, links }))
}

impl Fault for Delay {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        let jitter = match self.jitter {
            Duration::ZERO => String::new(),
            jitter => format!(" ± {}", Span(jitter)),
        };
        let links = match &self.links {
            Links::Of(victims) => victims.words(),
            Links::Between(ends) => ends.words(),
        };
        format!("{links} by {}{jitter}", Span(self.by))
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.fits_with(nodes, u16::MAX)
    }

    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        match &self.links {
            Links::Of(_) if nodes < 2 => Err("one node has no links to other nodes".into()),
            Links::Of(victims) => victims.fit(nodes),
            Links::Between(ends) => ends.fit(nodes, clients),
        }
    }

    fn least(&self) -> Duration {
        self.by + self.jitter + LOOK
    }

    fn roles(&self) -> Vec<&'static str> {
        match &self.links {
            Links::Of(victims) => victims.roles(),
            Links::Between(ends) => ends.roles(),
        }
    }

    fn needs_holder(&self) -> bool {
        matches!(&self.links, Links::Between(ends) if ends.needs_holder())
    }

    fn needs_switch(&self) -> Option<&'static str> {
        // What an agent slows down by the controller's address would be its own connection, too.
        match &self.links {
            Links::Between(ends) if ends.reaches_clients() => {
                Some("links between nodes can be slowed down there, not those to clients")
            }
            _ => None,
        }
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let rule = LinkRule { delay: self.by, jitter: self.jitter, ..LinkRule::default() };
        let victims = match &self.links {
            Links::Between(ends) => {
                return match ends.resolve(rule, view, rng) {
                    Ok((_, rules)) if rules.0.is_empty() => {
                        Injection::Nothing { reason: "no link would have been slowed down".into() }
                    }
                    Ok((victims, rules)) => Injection::Links { victims, rules },
                    Err(reason) => Injection::Nothing { reason },
                };
            }
            Links::Of(victims) => match victims.resolve(view, &[], rng) {
                Ok(victims) => victims,
                Err(reason) => return Injection::Nothing { reason },
            },
        };
        let mut rules = LinkRules::default();
        for &from in &view.nodes {
            for &to in &view.nodes {
                if from != to && (victims.contains(&from) || victims.contains(&to)) {
                    rules.0.insert((End::Node(from), End::Node(to)), rule);
                }
            }
        }
        Injection::Links { victims, rules }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use schism_lab::NodeId;
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_is_wrong_with_its_options() {
        let check = |given: Value, expected: &str| {
            let error = construct(&given).err().expect("an error").to_string();
            assert!(error.contains(expected), "{given}: {error}");
        };
        check(json!({}), "`by` is missing");
        check(json!({"by": "11s"}), "more than");
        check(json!({"by": "3ms"}), "less than 4ms");
        check(json!({"by": "10ms", "jiter": "3ms"}), "did you mean `jitter`?");
        check(json!({"by": "10ms", "jitter": "20ms"}), "cannot run back");
        check(json!({"by": "10ms", "of": "x"}), "names no victims");
        check(json!({"by": "10"}), "duration");
        check(json!({"by": "10ms", "of": "one", "links": "n1"}), "write one");
        check(json!({"by": "10ms", "from": "clients"}), "links are { from");
    }

    #[test]
    fn says_what_it_does() {
        let fault = construct(&json!({"by": "100ms", "jitter": "20ms", "of": "leader"}));
        assert_eq!(fault.expect("a fault").detail(), "leader by 100ms ± 20ms");
    }

    #[test]
    fn slows_links_to_clients_down_which_the_switch_alone_can() {
        let fault = construct(&json!({"by": "5s", "between": ["clients", "controller"]}));
        let fault = fault.expect("a fault");
        assert_eq!(fault.detail(), "clients ↔ controller by 5s");
        assert_eq!((fault.roles(), fault.fits(1)), (vec!["controller"], Ok(())));
        let view = View {
            nodes: (1..=3).map(NodeId).collect(),
            playing: [("controller", vec![NodeId(3)])].into(),
            ..View::default()
        };
        let injection = fault.plan(&view, &mut ChaCha8Rng::seed_from_u64(1));
        let Injection::Links { victims, rules } = injection else { panic!("{injection:?}") };
        let late = |rule: &LinkRule| rule.delay == Duration::from_secs(5) && !rule.drop;
        assert!(rules.0.len() == 2 && rules.0.values().all(late), "{rules:?}");
        assert_eq!(victims, [NodeId(3)]);
        let between = construct(&json!({"by": "5s", "from": "n1", "to": "n2"})).expect("a fault");
        assert!(fault.needs_switch().is_some() && between.needs_switch().is_none());
    }
}
