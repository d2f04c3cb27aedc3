//! Whom a fault strikes: by role, by share, or by name.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::did_you_mean;
use schism_lab::NodeId;
use serde_json::Value;

use crate::View;

/// Victims as a plan names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Victims {
    /// Any node.
    One,
    /// As many as can be lost without losing a majority.
    Minority,
    /// Just enough that no majority is left.
    Majority,
    /// Every node.
    All,
    /// The node that leads now.
    Leader,
    /// Every node but the one that leads now.
    Followers,
    /// These.
    Named(Vec<NodeId>),
}

const WORDS: [(&str, Victims); 6] = [
    ("one", Victims::One),
    ("minority", Victims::Minority),
    ("majority", Victims::Majority),
    ("all", Victims::All),
    ("leader", Victims::Leader),
    ("followers", Victims::Followers),
];

impl Victims {
    /// What stands in a plan: a word, `n3`, or `[n1, n3]`.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let wrong = || {
            let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            let near = did_you_mean(value.as_str().unwrap_or_default(), &words);
            format!("{value} names no victims{near}; use {}, n1, or [n1, n2]", words.join(", "))
        };
        let name = |value: &Value| value.as_str().and_then(node).ok_or_else(wrong);
        match value {
            Value::String(word) => match WORDS.iter().find(|(name, _)| name == word) {
                Some((_, victims)) => Ok(victims.clone()),
                None => Ok(Victims::Named(vec![name(value)?])),
            },
            Value::Array(names) if !names.is_empty() => {
                let mut nodes = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
                nodes.sort_unstable();
                nodes.dedup();
                Ok(Victims::Named(nodes))
            }
            _ => Err(wrong()),
        }
    }

    /// As a report says it.
    pub(crate) fn words(&self) -> String {
        match self {
            Victims::Named(nodes) => list(nodes),
            other => {
                let found = WORDS.iter().find(|(_, victims)| victims == other);
                found.map_or("", |(word, _)| word).to_owned()
            }
        }
    }

    /// Whether they depend on who leads.
    pub(crate) fn by_role(&self) -> bool {
        matches!(self, Victims::Leader | Victims::Followers)
    }

    /// Whether a cluster of `nodes` has such victims at all.
    pub(crate) fn fit(&self, nodes: u16) -> Result<(), String> {
        match self {
            Victims::Minority if nodes < 3 => {
                Err(format!("{nodes} nodes have no minority that can be lost; use 3 or more"))
            }
            Victims::Followers if nodes < 2 => Err("one node has no followers".into()),
            Victims::Named(names) => match names.iter().find(|name| !(1..=nodes).contains(&name.0))
            {
                Some(name) => Err(format!("there is no node {name}; the nodes are n1 to n{nodes}")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The nodes meant, in order, of those that are not in `down`; an error says why there are none.
    ///
    /// A share counts what is down already, so that two faults at once never lose a majority when
    /// each of them promises to strike a minority.
    pub(crate) fn resolve(
        &self,
        view: &View,
        down: &[NodeId],
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<NodeId>, String> {
        let up: Vec<NodeId> =
            view.nodes.iter().copied().filter(|node| !down.contains(node)).collect();
        let leader = view.primaries.first().copied();
        let count = view.nodes.len();
        let mut chosen = match self {
            Victims::One => draw(&up, 1, rng),
            Victims::Minority => {
                draw(&up, (count.saturating_sub(1) / 2).saturating_sub(down.len()), rng)
            }
            Victims::Majority => draw(&up, (count / 2 + 1).saturating_sub(down.len()), rng),
            Victims::All => up,
            Victims::Leader => match leader {
                Some(leader) => up.into_iter().filter(|node| *node == leader).collect(),
                None => return Err("no node said that it leads".into()),
            },
            Victims::Followers => match leader {
                Some(leader) => up.into_iter().filter(|node| *node != leader).collect(),
                None => return Err("no node said that it leads".into()),
            },
            Victims::Named(names) => up.into_iter().filter(|node| names.contains(node)).collect(),
        };
        chosen.sort_unstable();
        if chosen.is_empty() {
            return Err(format!("{} are down already", list(down)));
        }
        Ok(chosen)
    }
}

/// `n3` as a node.
pub(crate) fn node(name: &str) -> Option<NodeId> {
    let number: u16 = name.strip_prefix('n')?.parse().ok()?;
    (number > 0 && NodeId(number).to_string() == name).then_some(NodeId(number))
}

/// `n1, n2`; `none` for no node.
pub(crate) fn list(nodes: &[NodeId]) -> String {
    let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// `count` of the nodes, each set equally likely.
fn draw(nodes: &[NodeId], count: usize, rng: &mut ChaCha8Rng) -> Vec<NodeId> {
    let mut nodes = nodes.to_vec();
    shuffle(&mut nodes, rng);
    nodes.truncate(count);
    nodes
}

/// Fisher and Yates' shuffle.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for place in (1..items.len()).rev() {
        let other = rng.next_u64() % (place as u64 + 1);
        items.swap(place, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use serde_json::json;

    use super::*;

    fn check(victims: Value, down: &[u16], expected: Result<usize, &str>) {
        let view = View {
            nodes: (1..=5).map(NodeId).collect(),
            primaries: vec![NodeId(3)],
            ..View::default()
        };
        let down: Vec<NodeId> = down.iter().copied().map(NodeId).collect();
        let victims = Victims::parse(&victims).expect("victims");
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let chosen = victims.resolve(&view, &down, &mut rng);
            let count = chosen.as_ref().map(Vec::len).map_err(String::as_str);
            assert_eq!(count, expected, "{victims:?} with {down:?} down, seed {seed}");
            assert!(chosen.iter().flatten().all(|node| !down.contains(node)));
        }
    }

    #[test]
    fn resolves_shares_roles_and_names() {
        check(json!("one"), &[], Ok(1));
        check(json!("minority"), &[], Ok(2));
        check(json!("majority"), &[], Ok(3));
        check(json!("all"), &[], Ok(5));
        check(json!("leader"), &[], Ok(1));
        check(json!("followers"), &[], Ok(4));
        check(json!(["n1", "n4"]), &[], Ok(2));
    }

    #[test]
    fn counts_those_that_are_down_already() {
        check(json!("minority"), &[1], Ok(1));
        check(json!("minority"), &[1, 2], Err("n1, n2 are down already"));
        check(json!("leader"), &[3], Err("n3 are down already"));
        check(json!("n2"), &[1], Ok(1));
    }

    #[test]
    fn refuses_what_names_nobody() {
        for wrong in [json!("some"), json!("n0"), json!("n01"), json!([]), json!(3), json!(["x"])] {
            assert!(Victims::parse(&wrong).is_err(), "{wrong}");
        }
        assert!(Victims::Named(vec![NodeId(6)]).fit(5).is_err());
        assert!(Victims::Minority.fit(2).is_err());
    }
}
