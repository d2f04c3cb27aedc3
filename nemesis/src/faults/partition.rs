//! `partition`: some links carry nothing.

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options, did_you_mean};
use schism_lab::{End, LinkRule, LinkRules, NodeId};
use serde_json::Value;

use crate::victims::{Victims, Whom, shuffle};
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "partition",
    summary: "links between nodes, or between clients and nodes, carry nothing",
    forms: &[
        "partition: halves             a minority and the rest see nothing of each other",
        "partition: majorities-ring    each node sees a majority, no two the same",
        "partition: bridge             two halves, and one node that sees both",
        "partition: { isolate: leader | ROLE | one | minority | n1 … }   cut off from the other nodes",
        "partition: { isolate: { clients: one | holder | c1 … } }   clients cut off from all nodes, with `load: { host: process }`",
        "partition: { one-way: leader | ROLE | one | … , direction: out | in }   out: they are not heard; in: they hear nothing",
        "partition: { clients: leader | ROLE | one | … }   nodes cut off from all clients, and from them alone",
    ],
    construct,
};

const SHAPES: [&str; 3] = ["halves", "majorities-ring", "bridge"];
/// Every word that a partition may begin with.
const WORDS: [&str; 6] = ["halves", "majorities-ring", "bridge", "isolate", "one-way", "clients"];

enum Partition {
    Halves,
    MajoritiesRing,
    Bridge,
    Isolate(Whom),
    OneWay { victims: Victims, inwards: bool },
    Clients(Victims),
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let wrong = |problem: String| OptionError::new(Vec::<String>::new(), problem);
    let shape = match given {
        Value::String(shape) => match shape.as_str() {
            "halves" => Partition::Halves,
            "majorities-ring" => Partition::MajoritiesRing,
            "bridge" => Partition::Bridge,
            _ => {
                let (near, shapes) = (did_you_mean(shape, &WORDS), SHAPES.join(", "));
                return Err(wrong(format!(
                    "there is no partition `{shape}`{near}; use {shapes}, or {{ isolate: … }}, \
                     {{ one-way: … }}, {{ clients: … }}"
                )));
            }
        },
        _ => from_options(given)?,
    };
    Ok(Box::new(shape))
}

fn from_options(given: &Value) -> Result<Partition, OptionError> {
    let options = Options::read(given, &["isolate", "one-way", "direction", "clients"])?;
    let victims = |key: &str| {
        let victims = given.get(key).map(Victims::parse);
        victims.transpose().map_err(|problem| options.error(key, problem))
    };
    let isolated = given.get("isolate").map(Whom::parse).transpose();
    let isolated = isolated.map_err(|problem| options.error("isolate", problem))?;
    let direction = options.choice("direction", &["out", "in"])?;
    match (isolated, victims("one-way")?, victims("clients")?) {
        (Some(victims), None, None) if direction.is_none() => Ok(Partition::Isolate(victims)),
        (None, Some(victims), None) => {
            Ok(Partition::OneWay { victims, inwards: direction == Some("in") })
        }
        (None, None, Some(victims)) if direction.is_none() => Ok(Partition::Clients(victims)),
        _ => Err(OptionError::new(
            Vec::<String>::new(),
            "a partition is one of `isolate`, `one-way` (with `direction`) and `clients`",
        )),
    }
}

impl Fault for Partition {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        match self {
            Partition::Halves => "halves".into(),
            Partition::MajoritiesRing => "majorities-ring".into(),
            Partition::Bridge => "bridge".into(),
            Partition::Isolate(victims) => format!("isolate {}", victims.words()),
            Partition::OneWay { victims, inwards: false } => {
                format!("one-way, {} not heard", victims.words())
            }
            Partition::OneWay { victims, inwards: true } => {
                format!("one-way, {} hearing nothing", victims.words())
            }
            Partition::Clients(victims) => format!("clients from {}", victims.words()),
        }
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        let least = match self {
            // With three, each would see two others, which is everybody.
            Partition::MajoritiesRing => 4,
            Partition::Bridge => 3,
            Partition::Halves => 2,
            Partition::Isolate(Whom::Clients(_)) => 1,
            Partition::Isolate(Whom::Nodes(victims)) | Partition::OneWay { victims, .. } => {
                victims.fit(nodes)?;
                2
            }
            Partition::Clients(victims) => {
                victims.fit(nodes)?;
                1
            }
        };
        if nodes < least {
            return Err(format!("{} needs at least {least} nodes, not {nodes}", self.detail()));
        }
        Ok(())
    }

    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        if let Partition::Isolate(whom) = self {
            whom.fit(nodes, clients)?;
        }
        self.fits(nodes)
    }

    fn needs_holder(&self) -> bool {
        matches!(self, Partition::Isolate(whom) if whom.needs_holder())
    }

    fn roles(&self) -> Vec<&'static str> {
        match self {
            Partition::Isolate(whom) => whom.roles(),
            Partition::OneWay { victims, .. } | Partition::Clients(victims) => victims.roles(),
            Partition::Halves | Partition::MajoritiesRing | Partition::Bridge => Vec::new(),
        }
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let mut ring = view.nodes.clone();
        shuffle(&mut ring, rng);
        let half = ring.len() / 2;
        let place = |node: NodeId| ring.iter().position(|other| *other == node).unwrap_or(0);
        let chosen = match self {
            Partition::Halves => Ok(ring[..half].to_vec()),
            Partition::MajoritiesRing => Ok(view.nodes.clone()),
            Partition::Bridge => Ok(ring.get(half).copied().into_iter().collect()),
            Partition::Isolate(whom) => whom.resolve(view, &[], rng),
            Partition::OneWay { victims, .. } | Partition::Clients(victims) => {
                victims.resolve(view, &[], rng)
            }
        };
        let mut victims = match chosen {
            Ok(victims) => victims,
            Err(reason) => return Injection::Nothing { reason },
        };
        victims.sort_unstable();
        let between = |nodes: &[NodeId], node: NodeId| nodes.contains(&node);
        let cut = |from: NodeId, to: NodeId| match self {
            Partition::Halves | Partition::Isolate(_) => {
                between(&victims, from) != between(&victims, to)
            }
            Partition::MajoritiesRing => {
                let away = place(from).abs_diff(place(to));
                // Neighbours on both sides, and itself, are a majority.
                away.min(ring.len() - away) > (ring.len() / 2).div_ceil(2)
            }
            Partition::Bridge => {
                let (from, to) = (place(from), place(to));
                from.min(to) < half && from.max(to) > half
            }
            Partition::OneWay { inwards, .. } => {
                let (heard, hearing) = if *inwards { (to, from) } else { (from, to) };
                between(&victims, heard) && !between(&victims, hearing)
            }
            Partition::Clients(_) => false,
        };
        let mut rules = links(&view.nodes, cut);
        let mut cut_between = |ones: &[End], others: &[End]| {
            for &one in ones {
                for &other in others {
                    rules.0.extend([((one, other), DROP), ((other, one), DROP)]);
                }
            }
        };
        let ends = |places: &[NodeId]| places.iter().copied().map(End::Node).collect::<Vec<_>>();
        match self {
            Partition::Clients(_) => cut_between(&view.client_ends(), &ends(&victims)),
            Partition::Isolate(Whom::Clients(_)) => {
                cut_between(&ends(&victims), &ends(&view.nodes));
            }
            _ => {}
        }
        if rules.0.is_empty() {
            return Injection::Nothing { reason: "no link would have been cut".into() };
        }
        Injection::Links { victims, rules }
    }
}

const DROP: LinkRule = LinkRule {
    drop: true,
    hold: false,
    delay: std::time::Duration::ZERO,
    jitter: std::time::Duration::ZERO,
};

fn links(nodes: &[NodeId], cut: impl Fn(NodeId, NodeId) -> bool) -> LinkRules {
    let mut rules = LinkRules::default();
    for &from in nodes {
        for &to in nodes {
            if from != to && cut(from, to) {
                rules.0.insert((End::Node(from), End::Node(to)), DROP);
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use serde_json::json;

    use crate::LEADER;

    use super::*;

    /// For each node the nodes that hear it, itself included.
    fn heard_by(given: Value, nodes: u16, seed: u64) -> (Vec<usize>, usize) {
        let fault = construct(&given).expect("a fault");
        fault.fits(nodes).expect("enough nodes");
        let nodes: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let view = View {
            nodes: nodes.clone(),
            playing: [(LEADER, vec![NodeId(2)])].into(),
            ..View::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let Injection::Links { rules, .. } = fault.plan(&view, &mut rng) else {
            panic!("{given} resolves to links")
        };
        let hears =
            |from: NodeId, to: NodeId| !rules.0.contains_key(&(End::Node(from), End::Node(to)));
        let heard = nodes.iter().map(|&a| nodes.iter().filter(|&&b| hears(a, b)).count());
        let symmetric = rules.0.keys().all(|(a, b)| rules.0.contains_key(&(*b, *a)));
        (heard.collect(), if symmetric { rules.0.len() } else { 0 })
    }

    #[test]
    fn halves_leave_a_majority_on_one_side() {
        for seed in 0..10 {
            let (mut heard, links) = heard_by(json!("halves"), 5, seed);
            heard.sort_unstable();
            assert_eq!((heard, links), (vec![2, 2, 3, 3, 3], 12));
        }
    }

    #[test]
    fn each_node_of_a_ring_hears_a_majority_but_not_all() {
        for nodes in 4..12 {
            let (heard, links) = heard_by(json!("majorities-ring"), nodes, 1);
            let majority = usize::from(nodes) / 2 + 1;
            let fits = |count: &usize| (majority..usize::from(nodes)).contains(count);
            assert!(heard.iter().all(fits), "{nodes}: {heard:?}");
            assert!(links > 0);
        }
    }

    #[test]
    fn a_bridge_hears_both_halves() {
        let (mut heard, links) = heard_by(json!("bridge"), 5, 3);
        heard.sort_unstable();
        assert_eq!((heard, links), (vec![3, 3, 3, 3, 5], 8));
    }

    #[test]
    fn the_leader_is_cut_off_alone_or_one_way() {
        assert_eq!(heard_by(json!({"isolate": "leader"}), 3, 1), (vec![2, 1, 2], 4));
        assert_eq!(heard_by(json!({"one-way": "leader"}), 3, 1), (vec![3, 1, 3], 0));
        let inwards = json!({"one-way": "leader", "direction": "in"});
        assert_eq!(heard_by(inwards, 3, 1), (vec![2, 3, 2], 0));
    }

    #[test]
    fn clients_are_cut_off_from_their_node_alone() {
        assert_eq!(heard_by(json!({"clients": "leader"}), 3, 1), (vec![3, 3, 3], 2));
    }

    #[test]
    fn cuts_where_the_clients_are() {
        let check = |given: Value, expected: &str| {
            let fault = construct(&given).expect("a fault");
            let view = View {
                nodes: vec![NodeId(1), NodeId(2)],
                playing: [(LEADER, vec![NodeId(2)])].into(),
                clients: vec![NodeId::client(1), NodeId::client(2)],
                holders: vec![NodeId::client(2)],
                ..View::default()
            };
            let injection = fault.plan(&view, &mut ChaCha8Rng::seed_from_u64(1));
            let Injection::Links { rules, .. } = injection else { panic!("{injection:?}") };
            let link = |(from, to): &(End, End)| format!("{from}-{to}");
            let links: Vec<String> = rules.0.keys().map(link).collect();
            assert_eq!(links.join(" "), expected, "{given}");
        };
        check(json!({"clients": "leader"}), "n2-c1 n2-c2 c1-n2 c2-n2");
        check(json!({"isolate": {"clients": "holder"}}), "n1-c2 n2-c2 c2-n1 c2-n2");
        let fault = construct(&json!({"isolate": {"clients": "holder"}})).expect("a fault");
        assert!(fault.fits_with(2, 0).is_err_and(|why| why.contains("host: process")));
        assert_eq!((fault.fits_with(2, 2), fault.needs_holder()), (Ok(()), true));
    }

    #[test]
    fn says_what_is_wrong() {
        for wrong in [
            json!("halfs"),
            json!({"isolate": "x"}),
            json!({}),
            json!({"clients": "one", "direction": "in"}),
        ] {
            assert!(construct(&wrong).is_err(), "{wrong}");
        }
        let ring = construct(&json!("majorities-ring")).expect("a fault");
        assert_eq!(ring.fits(3), Err("majorities-ring needs at least 4 nodes, not 3".into()));
    }
}
