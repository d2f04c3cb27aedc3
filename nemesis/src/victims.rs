//! Whom a fault strikes: by role, by share, or by name.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::did_you_mean;
use schism_lab::NodeId;
use serde_json::Value;

use crate::View;
use crate::roles::{self, LEADER};

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
    /// The node that plays this role now.
    Plays(&'static str),
    /// Every node but the one that leads now.
    Followers,
    /// The client that was granted a lock most recently, of those that have not given it back.
    Holder,
    /// These.
    Named(Vec<NodeId>),
}

/// Whom a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Nodes(Victims),
    /// Clients that are processes.
    Clients(Victims),
}

/// Why no client can be struck.
pub(crate) const NO_CLIENTS: &str =
    "clients live in the controller, where no fault strikes them; add `load: { host: process }`";

/// Why a client is no victim of a fault.
const NODES_ALONE: &str = "this fault strikes nodes and no clients: name some, such as one or n1";

impl Whom {
    /// `leader`, `n1`, `[n1, n2]`; or `{ clients: holder }`.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        match value.as_object() {
            Some(given) if given.len() == 1 && given.contains_key("clients") => {
                Victims::parse_clients(&given["clients"]).map(Whom::Clients)
            }
            Some(_) => Err(format!("{value} names no victims; use {{ clients: one }}")),
            None => Victims::parse(value).map(Whom::Nodes),
        }
    }

    /// As a report says it.
    pub(crate) fn words(&self) -> String {
        match self {
            Whom::Nodes(victims) => victims.words(),
            Whom::Clients(victims) => format!("clients: {}", victims.words()),
        }
    }

    /// The roles that it must be known of who plays them.
    pub(crate) fn roles(&self) -> Vec<&'static str> {
        match self {
            Whom::Nodes(victims) => victims.roles(),
            Whom::Clients(_) => Vec::new(),
        }
    }

    pub(crate) fn needs_holder(&self) -> bool {
        *self == Whom::Clients(Victims::Holder)
    }

    /// Whether a cluster of `nodes` with so many `clients` in places of their own has such victims.
    pub(crate) fn fit(&self, nodes: u16, clients: u16) -> Result<(), String> {
        let victims = match self {
            Whom::Nodes(victims) => return victims.fit(nodes),
            Whom::Clients(_) if clients == 0 => return Err(NO_CLIENTS.into()),
            Whom::Clients(victims) => victims,
        };
        match victims {
            Victims::Minority if clients < 3 => {
                Err(format!("{clients} clients have no minority; use 3 or more"))
            }
            Victims::Named(names) => match names.iter().find(|name| name.number() > clients) {
                Some(name) => {
                    Err(format!("there is no client {name}; the clients are c1 to c{clients}"))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The places meant, in order, of those that are not in `down`.
    pub(crate) fn resolve(
        &self,
        view: &View,
        down: &[NodeId],
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<NodeId>, String> {
        let (clients, nodes): (Vec<NodeId>, Vec<NodeId>) =
            down.iter().partition(|place| place.is_client());
        match self {
            Whom::Nodes(victims) => victims.resolve(view, &nodes, rng),
            Whom::Clients(_) if view.clients.is_empty() => Err(NO_CLIENTS.into()),
            Whom::Clients(victims) => {
                let among = View {
                    nodes: view.clients.clone(),
                    holders: view.holders.clone(),
                    ..View::default()
                };
                victims.resolve(&among, &clients, rng)
            }
        }
    }
}

const WORDS: [(&str, Victims); 6] = [
    ("one", Victims::One),
    ("minority", Victims::Minority),
    ("majority", Victims::Majority),
    ("all", Victims::All),
    (LEADER, Victims::Plays(LEADER)),
    ("followers", Victims::Followers),
];

impl Victims {
    /// What stands in a plan: a word, `n3`, or `[n1, n3]`.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let wrong = || {
            let shares = WORDS.iter().map(|(word, _)| *word);
            let others = roles::all().into_iter().filter(|role| *role != LEADER);
            let words: Vec<&str> = shares.chain(others).collect();
            let near = did_you_mean(value.as_str().unwrap_or_default(), &words);
            format!("{value} names no victims{near}; use {}, n1, or [n1, n2]", words.join(", "))
        };
        let name = |value: &Value| value.as_str().and_then(node).ok_or_else(wrong);
        match value {
            Value::String(word) => match WORDS.iter().find(|(name, _)| name == word) {
                Some((_, victims)) => Ok(victims.clone()),
                None => match roles::named(word) {
                    Some(role) => Ok(Victims::Plays(role)),
                    None => Ok(Victims::Named(vec![name(value)?])),
                },
            },
            Value::Array(names) if !names.is_empty() => {
                let mut nodes = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
                nodes.sort_unstable();
                nodes.dedup();
                Ok(Victims::Named(nodes))
            }
            Value::Object(given) if given.contains_key("clients") => Err(NODES_ALONE.into()),
            _ => Err(wrong()),
        }
    }

    /// The same of clients: a word, `c3`, or `[c1, c3]`.
    fn parse_clients(value: &Value) -> Result<Self, String> {
        const ROLES: [&str; 2] = [LEADER, "followers"];
        let words = || WORDS.into_iter().filter(|(word, _)| !ROLES.contains(word));
        let wrong = || {
            let words: Vec<&str> = words().map(|(word, _)| word).chain(["holder"]).collect();
            let near = did_you_mean(value.as_str().unwrap_or_default(), &words);
            format!("{value} names no clients{near}; use {}, c1, or [c1, c2]", words.join(", "))
        };
        let name = |value: &Value| value.as_str().and_then(client).ok_or_else(wrong);
        match value {
            Value::String(word) if word == "holder" => Ok(Victims::Holder),
            Value::String(word) => match words().find(|(name, _)| name == word) {
                Some((_, victims)) => Ok(victims),
                None => Ok(Victims::Named(vec![name(value)?])),
            },
            Value::Array(names) if !names.is_empty() => {
                let mut places = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
                places.sort_unstable();
                places.dedup();
                Ok(Victims::Named(places))
            }
            _ => Err(wrong()),
        }
    }

    /// As a report says it.
    pub(crate) fn words(&self) -> String {
        match self {
            Victims::Named(nodes) => list(nodes),
            Victims::Plays(role) => (*role).to_owned(),
            Victims::Holder => "holder".into(),
            other => {
                let found = WORDS.iter().find(|(_, victims)| victims == other);
                found.map_or("", |(word, _)| word).to_owned()
            }
        }
    }

    /// The roles that it must be known of who plays them.
    pub(crate) fn roles(&self) -> Vec<&'static str> {
        match self {
            Victims::Plays(role) => vec![role],
            Victims::Followers => vec![LEADER],
            _ => Vec::new(),
        }
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
        let count = view.nodes.len();
        let mut chosen = match self {
            Victims::One => draw(&up, 1, rng),
            Victims::Minority => {
                draw(&up, (count.saturating_sub(1) / 2).saturating_sub(down.len()), rng)
            }
            Victims::Majority => draw(&up, (count / 2 + 1).saturating_sub(down.len()), rng),
            Victims::All => up,
            Victims::Plays(role) => {
                let player = view.player(role)?;
                up.into_iter().filter(|node| *node == player).collect()
            }
            Victims::Followers => {
                let leader = view.player(LEADER)?;
                up.into_iter().filter(|node| *node != leader).collect()
            }
            Victims::Holder => match view.holders.iter().find(|holder| up.contains(holder)) {
                Some(holder) => vec![*holder],
                None => return Err("no client holds a lock".into()),
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

/// `c3` as the place of a client.
pub(crate) fn client(name: &str) -> Option<NodeId> {
    let number: u16 = name.strip_prefix('c')?.parse().ok()?;
    let place = NodeId::client(number.min(1 << 14));
    (number > 0 && place.to_string() == name).then_some(place)
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
            playing: [(LEADER, vec![NodeId(3)])].into(),
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
    fn a_role_is_whoever_was_given_it_last() {
        let victims = Victims::parse(&json!("controller")).expect("a role");
        assert_eq!((victims.roles(), victims.words()), (vec!["controller"], "controller".into()));
        let resolve = |playing: &[u16], down: &[u16]| {
            let nodes = |numbers: &[u16]| numbers.iter().copied().map(NodeId).collect::<Vec<_>>();
            let playing = [("controller", nodes(playing)), (LEADER, vec![NodeId(1)])].into();
            let view = View { nodes: nodes(&[1, 2, 3]), playing, ..View::default() };
            victims.resolve(&view, &nodes(down), &mut ChaCha8Rng::seed_from_u64(1))
        };
        assert_eq!(resolve(&[3, 2], &[]), Ok(vec![NodeId(3)]));
        assert_eq!(resolve(&[3], &[3]), Err("n3 are down already".into()));
        assert_eq!(resolve(&[], &[]), Err("no node was said to be the controller".into()));
        let misspelt = Victims::parse(&json!("controler")).expect_err("it is no role");
        assert!(misspelt.contains("did you mean `controller`?"), "{misspelt}");
    }

    #[test]
    fn counts_those_that_are_down_already() {
        check(json!("minority"), &[1], Ok(1));
        check(json!("minority"), &[1, 2], Err("n1, n2 are down already"));
        check(json!("leader"), &[3], Err("n3 are down already"));
        check(json!("n2"), &[1], Ok(1));
    }

    fn check_clients(victims: Value, down: &[NodeId], expected: Result<&str, &str>) {
        let (first, second, third) = (NodeId::client(1), NodeId::client(2), NodeId::client(3));
        let view = View {
            nodes: vec![NodeId(1)],
            clients: vec![first, second, third],
            holders: vec![second, third],
            ..View::default()
        };
        let whom = Whom::parse(&json!({ "clients": victims })).expect("victims");
        let chosen = whom.resolve(&view, down, &mut ChaCha8Rng::seed_from_u64(1));
        let chosen = chosen.map(|chosen| list(&chosen));
        let chosen = chosen.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(chosen, expected, "{whom:?}");
    }

    #[test]
    fn clients_are_struck_by_share_by_name_and_by_what_they_hold() {
        check_clients(json!("holder"), &[], Ok("c2"));
        check_clients(json!("holder"), &[NodeId::client(2)], Ok("c3"));
        check_clients(json!("all"), &[NodeId(1)], Ok("c1, c2, c3"));
        check_clients(json!("minority"), &[NodeId::client(1)], Err("c1 are down already"));
        check_clients(json!(["c3", "c1"]), &[], Ok("c1, c3"));
        let two = [NodeId::client(2), NodeId::client(3)];
        check_clients(json!("holder"), &two, Err("no client holds a lock"));
        let named = Whom::parse(&json!({ "clients": "c4" })).expect("a client");
        assert_eq!(named.fit(3, 0), Err(NO_CLIENTS.into()));
        assert!(named.fit(3, 3).is_err() && named.fit(3, 4).is_ok());
    }

    #[test]
    fn refuses_what_names_nobody() {
        for wrong in [json!("some"), json!("n0"), json!("n01"), json!([]), json!(3), json!(["x"])] {
            assert!(Victims::parse(&wrong).is_err(), "{wrong}");
        }
        for wrong in [json!("leader"), json!("n1"), json!("c0"), json!(["c1", "n1"]), json!({})] {
            assert!(Whom::parse(&json!({ "clients": wrong })).is_err(), "{wrong}");
        }
        assert!(Victims::Named(vec![NodeId(6)]).fit(5).is_err());
        assert!(Victims::Minority.fit(2).is_err());
    }
}
