//! The links that a fault is about, named by their ends: nodes, or clients.

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options};
use schism_lab::{End, LinkRule, LinkRules, NodeId};
use serde_json::Value;

use crate::View;
use crate::victims::{Victims, Whom};

/// Links between two sides, one way or both.
#[derive(Debug)]
pub(crate) struct Ends {
    from: Side,
    to: Side,
    both: bool,
}

/// One side of the links.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    /// Where the clients are: in the controller, or all of their places.
    Clients,
    /// These nodes, or the places of these clients.
    Whom(Whom),
    /// Every other node.
    Others,
}

fn wrong(problem: impl Into<String>) -> OptionError {
    OptionError::new(Vec::<String>::new(), problem)
}

impl Ends {
    /// What a plan may write.
    pub(crate) const KEYS: [&str; 4] = ["from", "to", "between", "links"];
    /// The same in words.
    pub(crate) const FORMS: &str = "{ from: …, to: … }, { between: [ …, … ] } or { links: … }";

    /// `{ from: leader, to: clients }`, `{ between: [leader, n2] }` or `{ links: leader }`; `None` where
    /// no end is named.
    pub(crate) fn parse(given: &Value, options: &Options<'_>) -> Result<Option<Self>, OptionError> {
        let side = |key: &str, value: &Value| match value.as_str() {
            Some("clients") if key != "links" => Ok(Side::Clients),
            _ => {
                let whom = if key == "links" {
                    Victims::parse(value).map(Whom::Nodes)
                } else {
                    Whom::parse(value)
                };
                whom.map(Side::Whom)
                    .map_err(|problem| options.error(key, format!("{problem}; or clients")))
            }
        };
        let ends = match Self::KEYS.map(|key| given.get(key)) {
            [None, None, None, None] => return Ok(None),
            [Some(from), Some(to), None, None] => {
                Self { from: side("from", from)?, to: side("to", to)?, both: false }
            }
            [None, None, Some(between), None] => match between.as_array().map(Vec::as_slice) {
                Some([one, other]) => {
                    Self { from: side("between", one)?, to: side("between", other)?, both: true }
                }
                _ => return Err(options.error("between", "`between` is two ends: [leader, n2]")),
            },
            [None, None, None, Some(links)] => {
                Self { from: side("links", links)?, to: Side::Others, both: true }
            }
            _ => return Err(wrong(format!("links are {}", Self::FORMS))),
        };
        if ends.from.is_clients() && ends.to.is_clients() {
            return Err(wrong("clients have no links among themselves: name nodes at one end"));
        }
        Ok(Some(ends))
    }

    /// As a report says it.
    pub(crate) fn words(&self) -> String {
        let arrow = if self.both { "↔" } else { "→" };
        format!("{} {arrow} {}", self.from.words(), self.to.words())
    }

    /// Whether a cluster of `nodes`, with so many `clients` in places of their own, has such links.
    pub(crate) fn fit(&self, nodes: u16, clients: u16) -> Result<(), String> {
        if nodes < 2 && !self.reaches_clients() {
            return Err("one node has no links to other nodes".into());
        }
        self.whom().try_for_each(|whom| whom.fit(nodes, clients))
    }

    /// Whether clients are at one end, who may live in the controller.
    pub(crate) fn reaches_clients(&self) -> bool {
        self.from.is_clients() || self.to.is_clients()
    }

    /// The roles that it must be known of who plays them.
    pub(crate) fn roles(&self) -> Vec<&'static str> {
        self.whom().flat_map(Whom::roles).collect()
    }

    pub(crate) fn needs_holder(&self) -> bool {
        self.whom().any(Whom::needs_holder)
    }

    fn whom(&self) -> impl Iterator<Item = &Whom> {
        [&self.from, &self.to].into_iter().filter_map(|side| match side {
            Side::Whom(whom) => Some(whom),
            Side::Clients | Side::Others => None,
        })
    }

    /// Whom the links are said to be about, and `rule` for each of them; no rule if there are none.
    pub(crate) fn resolve(
        &self,
        rule: LinkRule,
        view: &View,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<NodeId>, LinkRules), String> {
        let from = self.from.resolve(view, &[], rng)?;
        let to = self.to.resolve(view, &places(&from), rng)?;
        let mut rules = LinkRules::default();
        for &one in &from {
            for &other in to.iter().filter(|other| **other != one) {
                rules.0.insert((one, other), rule);
                if self.both {
                    rules.0.insert((other, one), rule);
                }
            }
        }
        let mut victims = match (&self.from, &self.to) {
            (Side::Clients, _) => places(&to),
            // Of clients that were chosen it matters which they are.
            (Side::Whom(Whom::Clients(_)), _) | (_, Side::Whom(Whom::Clients(_))) => {
                [places(&from), places(&to)].concat()
            }
            _ => places(&from),
        };
        victims.sort_unstable();
        Ok((victims, rules))
    }
}

impl Side {
    fn is_clients(&self) -> bool {
        matches!(self, Side::Clients | Side::Whom(Whom::Clients(_)))
    }

    fn words(&self) -> String {
        match self {
            Side::Clients => "clients".into(),
            Side::Whom(whom) => whom.words(),
            Side::Others => "others".into(),
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
            Side::Whom(Whom::Nodes(victims)) => {
                // A share of the other side is a share of those that are left.
                let rest = View { nodes: others, ..view.clone() };
                let known = victims.roles().into_iter().all(|role| view.player(role).is_ok());
                let left = || format!("no node is left to be {}", victims.words());
                let resolved = victims.resolve(&rest, &[], rng);
                resolved.map_err(|reason| if known { left() } else { reason })?
            }
            Side::Whom(clients @ Whom::Clients(_)) => clients.resolve(view, &[], rng)?,
        };
        Ok(nodes.into_iter().map(End::Node).collect())
    }
}

/// The ends that are nodes, or places of clients.
fn places(ends: &[End]) -> Vec<NodeId> {
    let place = |end: &End| match end {
        End::Node(node) => Some(*node),
        End::Controller => None,
    };
    ends.iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use serde_json::json;

    use super::*;
    use crate::LEADER;

    fn ends(given: &Value) -> Result<Ends, OptionError> {
        let options = Options::read(given, &Ends::KEYS)?;
        Ok(Ends::parse(given, &options)?.expect("ends are named"))
    }

    /// The links and the victims, with so many clients in places of their own.
    fn check(given: Value, clients: u16, expected: Result<(&str, &str), &str>) {
        let view = View {
            nodes: (1..=3).map(NodeId).collect(),
            playing: [(LEADER, vec![NodeId(2)]), ("controller", vec![NodeId(2)])].into(),
            clients: (1..=clients).map(NodeId::client).collect(),
            ..View::default()
        };
        let ends = ends(&given).expect("ends");
        let rule = LinkRule { hold: true, ..LinkRule::default() };
        let resolved = ends.resolve(rule, &view, &mut ChaCha8Rng::seed_from_u64(1));
        let resolved = resolved.map(|(victims, rules)| {
            assert!(rules.0.values().all(|one| *one == rule), "{rules:?}");
            let link = |(from, to): &(End, End)| format!("{from}-{to}");
            let links: Vec<String> = rules.0.keys().map(link).collect();
            (links.join(" "), crate::victims::list(&victims))
        });
        let expected = expected.map(|(links, victims)| (links.to_owned(), victims.to_owned()));
        assert_eq!(resolved, expected.map_err(str::to_owned), "{given}");
    }

    #[test]
    fn names_one_direction_or_both() {
        check(json!({"from": "leader", "to": "followers"}), 0, Ok(("n2-n1 n2-n3", "n2")));
        check(json!({"from": "n1", "to": "leader"}), 0, Ok(("n1-n2", "n1")));
        check(json!({"between": ["leader", "n3"]}), 0, Ok(("n2-n3 n3-n2", "n2")));
        check(json!({"links": "n1"}), 0, Ok(("n1-n2 n1-n3 n2-n1 n3-n1", "n1")));
        let nobody = Err("no node is left to be leader");
        check(json!({"from": "all", "to": "leader"}), 0, nobody);
        let nobody = Err("no node is left to be controller");
        check(json!({"between": ["leader", "controller"]}), 0, nobody);
    }

    #[test]
    fn clients_are_wherever_they_live_and_may_be_chosen() {
        let both = json!({"between": ["clients", "controller"]});
        check(both.clone(), 0, Ok(("controller-n2 n2-controller", "n2")));
        check(both, 2, Ok(("n2-c1 n2-c2 c1-n2 c2-n2", "n2")));
        check(json!({"from": "leader", "to": "clients"}), 0, Ok(("n2-controller", "n2")));
        let one = json!({"from": {"clients": "c2"}, "to": "controller"});
        check(one.clone(), 3, Ok(("c2-n2", "n2, c2")));
        let ends = ends(&one).expect("ends");
        assert_eq!(
            (ends.words(), ends.roles()),
            ("clients: c2 → controller".into(), vec!["controller"])
        );
        assert!(ends.reaches_clients() && ends.fit(3, 2) == Ok(()) && ends.fit(3, 1).is_err());
        assert!(ends.fit(3, 0).is_err_and(|why| why.contains("host: process")));
    }

    #[test]
    fn a_share_is_of_those_that_are_left() {
        let given = json!({"from": "one", "to": "one"});
        for seed in 0..10 {
            let view = View { nodes: (1..=3).map(NodeId).collect(), ..View::default() };
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let resolved =
                ends(&given).expect("ends").resolve(LinkRule::default(), &view, &mut rng);
            let (_, rules) = resolved.expect("links");
            assert!(rules.0.len() == 1 && rules.0.keys().all(|(from, to)| from != to));
        }
    }

    #[test]
    fn says_what_is_wrong_with_its_options() {
        let check = |given: Value, expected: &str| {
            let error = ends(&given).map(drop).expect_err("an error").to_string();
            assert!(error.contains(expected), "{given}: {error}");
        };
        check(json!({"from": "leader"}), "links are { from");
        check(json!({"from": "leadr", "to": "n1"}), "did you mean `leader`?");
        check(json!({"fron": "leader", "to": "n1"}), "did you mean `from`?");
        check(json!({"between": ["leader"]}), "two ends");
        check(json!({"from": "clients", "to": "clients"}), "name nodes");
        check(json!({"between": ["clients", {"clients": "one"}]}), "name nodes");
    }
}
