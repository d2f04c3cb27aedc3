//! `hold`: what is sent over some links is kept, and goes out in order when the fault ends.
//!
//! Unlike after a partition nothing is lost: old messages meet a system that has moved on.

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options};
use schism_lab::{End, LinkRule, LinkRules, NodeId};
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "hold",
    summary: "links keep what is sent over them, one way or both, and deliver it in order when the fault ends",
    forms: &[
        "hold: { from: leader, to: followers }        one way; an end is victims, or `clients`",
        "hold: { between: [leader, minority] }        both ways",
        "hold: { links: leader }                      all links to the other nodes, both ways",
    ],
    construct,
};

/// An end of the links.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    /// Where the clients are.
    Clients,
    /// These nodes.
    Nodes(Victims),
    /// Every other node.
    Others,
}

#[derive(Debug)]
struct Hold {
    from: Side,
    to: Side,
    both: bool,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["from", "to", "between", "links"])?;
    let side = |key: &str, value: &Value| match value.as_str() {
        Some("clients") if key != "links" => Ok(Side::Clients),
        _ => Victims::parse(value)
            .map(Side::Nodes)
            .map_err(|problem| options.error(key, format!("{problem}; or clients"))),
    };
    let keys = ["from", "to", "between", "links"].map(|key| given.get(key));
    let hold = match keys {
        [Some(from), Some(to), None, None] => {
            Hold { from: side("from", from)?, to: side("to", to)?, both: false }
        }
        [None, None, Some(between), None] => match between.as_array().map(Vec::as_slice) {
            Some([one, other]) => {
                Hold { from: side("between", one)?, to: side("between", other)?, both: true }
            }
            _ => return Err(options.error("between", "`between` is two ends: [leader, n2]")),
        },
        [None, None, None, Some(links)] => {
            Hold { from: side("links", links)?, to: Side::Others, both: true }
        }
        _ => {
            let problem = "hold is { from: …, to: … }, { between: [ …, … ] } or { links: … }";
            return Err(OptionError::new(Vec::<String>::new(), problem));
        }
    };
    if hold.from == Side::Clients && hold.to == Side::Clients {
        let problem = "clients have no links among themselves: name nodes at one end";
        return Err(OptionError::new(Vec::<String>::new(), problem));
    }
    Ok(Box::new(hold))
}

impl Side {
    fn words(&self) -> String {
        match self {
            Side::Clients => "clients".into(),
            Side::Nodes(victims) => victims.words(),
            Side::Others => "others".into(),
        }
    }

    fn victims(&self) -> Option<&Victims> {
        match self {
            Side::Nodes(victims) => Some(victims),
            Side::Clients | Side::Others => None,
        }
    }

    /// The ends meant, none of which is `taken`.
    fn resolve(
        &self,
        view: &View,
        taken: &[NodeId],
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<End>, String> {
        let others: Vec<NodeId> =
            view.nodes.iter().copied().filter(|node| !taken.contains(node)).collect();
        let nodes = match self {
            Side::Clients => return Ok(view.client_ends()),
            Side::Others => others,
            // A share of the other side is a share of those that are left.
            Side::Nodes(victims) => {
                let rest = View { nodes: others, ..view.clone() };
                let known = victims.roles().into_iter().all(|role| view.player(role).is_ok());
                let left = || format!("no node is left to be {}", victims.words());
                let resolved = victims.resolve(&rest, &[], rng);
                resolved.map_err(|reason| if known { left() } else { reason })?
            }
        };
        Ok(nodes.into_iter().map(End::Node).collect())
    }
}

impl Fault for Hold {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        let arrow = if self.both { "↔" } else { "→" };
        format!("{} {arrow} {}", self.from.words(), self.to.words())
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        let clients = self.from == Side::Clients || self.to == Side::Clients;
        if nodes < 2 && !clients {
            return Err("one node has no links to other nodes".into());
        }
        let mut sides = [&self.from, &self.to].into_iter().filter_map(|side| side.victims());
        sides.try_for_each(|victims| victims.fit(nodes))
    }

    fn roles(&self) -> Vec<&'static str> {
        let sides = [&self.from, &self.to].into_iter();
        sides.filter_map(|side| side.victims()).flat_map(Victims::roles).collect()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let resolved = self.from.resolve(view, &[], rng).and_then(|from| {
            let to = self.to.resolve(view, &nodes(&from), rng)?;
            Ok((from, to))
        });
        let (from, to) = match resolved {
            Ok(ends) => ends,
            Err(reason) => return Injection::Nothing { reason },
        };
        let mut rules = LinkRules::default();
        for &one in &from {
            for &other in to.iter().filter(|other| **other != one) {
                rules.0.insert((one, other), HOLD);
                if self.both {
                    rules.0.insert((other, one), HOLD);
                }
            }
        }
        if rules.0.is_empty() {
            return Injection::Nothing { reason: "no link would have been held".into() };
        }
        let victims = if self.from == Side::Clients { nodes(&to) } else { nodes(&from) };
        Injection::Links { victims, rules }
    }
}

const HOLD: LinkRule = LinkRule {
    drop: false,
    hold: true,
    delay: std::time::Duration::ZERO,
    jitter: std::time::Duration::ZERO,
};

fn nodes(ends: &[End]) -> Vec<NodeId> {
    let node = |end: &End| match end {
        End::Node(node) => Some(*node),
        End::Controller => None,
    };
    ends.iter().filter_map(node).collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use serde_json::json;

    use crate::LEADER;

    use super::*;

    fn check(given: Value, expected: Result<&str, &str>) {
        let fault = construct(&given).expect("a fault");
        let view = View {
            nodes: (1..=3).map(NodeId).collect(),
            playing: [(LEADER, vec![NodeId(2)])].into(),
            ..View::default()
        };
        let links = match fault.plan(&view, &mut ChaCha8Rng::seed_from_u64(1)) {
            Injection::Links { rules, .. } => {
                assert!(rules.0.values().all(|rule| *rule == HOLD), "{rules:?}");
                let link = |(from, to): &(End, End)| format!("{from}-{to}");
                Ok(rules.0.keys().map(link).collect::<Vec<_>>().join(" "))
            }
            Injection::Nothing { reason } => Err(reason),
            other => panic!("{other:?}"),
        };
        let links = links.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(links, expected, "{given}");
    }

    #[test]
    fn holds_one_direction_or_both() {
        check(json!({"from": "leader", "to": "followers"}), Ok("n2-n1 n2-n3"));
        check(json!({"from": "n1", "to": "leader"}), Ok("n1-n2"));
        check(json!({"between": ["leader", "n3"]}), Ok("n2-n3 n3-n2"));
        check(json!({"links": "n1"}), Ok("n1-n2 n1-n3 n2-n1 n3-n1"));
        check(json!({"from": "clients", "to": "leader"}), Ok("controller-n2"));
        check(json!({"from": "all", "to": "leader"}), Err("no node is left to be leader"));
    }

    #[test]
    fn a_share_is_of_those_that_are_left() {
        for seed in 0..10 {
            let fault = construct(&json!({"from": "one", "to": "one"})).expect("a fault");
            let nodes = (1..=3).map(NodeId).collect();
            let view = View { nodes, ..View::default() };
            let injection = fault.plan(&view, &mut ChaCha8Rng::seed_from_u64(seed));
            let Injection::Links { rules, .. } = injection else { panic!("{injection:?}") };
            assert!(rules.0.len() == 1 && rules.0.keys().all(|(from, to)| from != to));
        }
    }

    #[test]
    fn says_what_is_wrong_with_its_options() {
        let check = |given: Value, expected: &str| {
            let error = construct(&given).err().expect("an error").to_string();
            assert!(error.contains(expected), "{given}: {error}");
        };
        check(json!({"from": "leader"}), "hold is { from");
        check(json!({"from": "leadr", "to": "n1"}), "did you mean `leader`?");
        check(json!({"fron": "leader", "to": "n1"}), "did you mean `from`?");
        check(json!({"between": ["leader"]}), "two ends");
        check(json!({"from": "clients", "to": "clients"}), "name nodes");
    }
}
