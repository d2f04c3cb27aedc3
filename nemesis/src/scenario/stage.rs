//! Who is who in a scenario, and what it has done to links so far: pure.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use schism_lab::{End, LinkRule, LinkRules, NodeId};

use super::{Change, Links, Place, Scenario, Step, Touch, Who};
use crate::probe::links::Link;
use crate::victims::{NO_CLIENTS, list, shuffle};
use crate::{LEADER, View};

/// The roles and the rules of a scenario at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stage {
    nodes: Vec<NodeId>,
    /// The places of clients that are processes.
    clients: Vec<NodeId>,
    roles: BTreeMap<String, Vec<NodeId>>,
    rules: LinkRules,
}

impl Stage {
    pub(crate) fn new(nodes: Vec<NodeId>, clients: Vec<NodeId>) -> Self {
        Self { nodes, clients, ..Self::default() }
    }

    pub(crate) fn rules(&self) -> &LinkRules {
        &self.rules
    }

    /// Gives roles, those with the least choice first; what they come to, in the plan's order.
    pub(crate) fn cast(
        &mut self,
        wanted: &[(String, Who)],
        view: &View,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<(String, Vec<NodeId>)>, String> {
        let leader = view.player(LEADER);
        let mut given: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
        let mut free = view.nodes.clone();
        shuffle(&mut free, rng);
        let mut clients = view.clients.clone();
        if wanted.iter().any(|(_, who)| *who == Who::Client) {
            shuffle(&mut clients, rng);
        }
        let mut order: Vec<&(String, Who)> = wanted.iter().collect();
        order.sort_by_key(|(_, who)| rank(*who));
        for (name, who) in order {
            let chosen = match who {
                // One node may play several.
                Who::Plays(role) => vec![view.player(role)?],
                Who::Node(node) => vec![*node],
                Who::Follower => {
                    let leader = leader.clone()?;
                    free.iter().copied().filter(|node| *node != leader).take(1).collect()
                }
                Who::One => free.iter().copied().take(1).collect(),
                Who::Other => std::mem::take(&mut free),
                Who::Holder => {
                    let up = |holder: &&NodeId| !view.down.contains(holder);
                    vec![*view.holders.iter().find(up).ok_or("no client holds a lock")?]
                }
                Who::Client => clients.iter().copied().take(1).collect(),
            };
            if chosen.is_empty() {
                return Err(format!("no node is left for {name}"));
            }
            free.retain(|node| !chosen.contains(node));
            clients.retain(|client| !chosen.contains(client));
            given.insert(name, chosen);
        }
        let cast: Vec<(String, Vec<NodeId>)> = wanted
            .iter()
            .map(|(name, _)| {
                let mut nodes = given.remove(name.as_str()).unwrap_or_default();
                nodes.sort_unstable();
                (name.clone(), nodes)
            })
            .collect();
        self.roles.extend(cast.iter().cloned());
        Ok(cast)
    }

    /// The nodes at these places, in order.
    pub(crate) fn nodes_at(&self, places: &[Place]) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self
            .ends_at(places)
            .into_iter()
            .filter_map(|end| match end {
                End::Node(node) => Some(node),
                End::Controller => None,
            })
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn ends_at(&self, places: &[Place]) -> Vec<End> {
        let ends = |place: &Place| match place {
            Place::Clients if self.clients.is_empty() => vec![End::Controller],
            Place::Clients => self.clients.iter().copied().map(End::Node).collect(),
            Place::Node(node) => vec![End::Node(*node)],
            Place::Role(name) => {
                let nodes = self.roles.get(name).map(Vec::as_slice).unwrap_or_default();
                nodes.iter().map(|node| End::Node(*node)).collect()
            }
        };
        places.iter().flat_map(ends).collect()
    }

    /// The links that are meant, each once.
    pub(crate) fn links(&self, links: &Links) -> Vec<Link> {
        let mut found: Vec<Link> = Vec::new();
        let mut both = |ones: &[End], others: &[End], back: bool| {
            for &one in ones {
                for &other in others.iter().filter(|other| **other != one) {
                    found.push((one, other));
                    if back {
                        found.push((other, one));
                    }
                }
            }
        };
        match links {
            Links::Directed(from, to) => both(&self.ends_at(from), &self.ends_at(to), false),
            Links::Between(places) => {
                for (number, place) in places.iter().enumerate() {
                    let one = self.ends_at(std::slice::from_ref(place));
                    both(&one, &self.ends_at(&places[number + 1..]), true);
                }
            }
            Links::Of(places) => {
                let all: Vec<End> = self.nodes.iter().map(|node| End::Node(*node)).collect();
                both(&self.ends_at(places), &all, true);
            }
            Links::All => found.extend(self.rules.0.keys()),
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Changes the rules of links. What changes nothing is a mistake of the plan, and refused.
    pub(crate) fn change(&mut self, change: Change, links: &[Link]) -> Result<(), String> {
        if links.is_empty() && change != Change::Heal {
            return Err("no such link is there".into());
        }
        for link in links {
            let rule = self.rules.0.entry(*link).or_default();
            match change {
                Change::Hold => rule.hold = true,
                Change::Release if !rule.hold => {
                    self.rules.0.retain(|_, rule| *rule != LinkRule::default());
                    return Err(format!("{} → {} is not held", link.0, link.1));
                }
                Change::Release => rule.hold = false,
                Change::Drop => rule.drop = true,
                Change::Delay(by, jitter) => (rule.delay, rule.jitter) = (by, jitter),
                Change::Heal => *rule = LinkRule::default(),
            }
        }
        self.rules.0.retain(|_, rule| *rule != LinkRule::default());
        Ok(())
    }
}

/// Those with the least choice come first.
fn rank(who: Who) -> u8 {
    match who {
        Who::Plays(_) | Who::Node(_) | Who::Holder => 0,
        Who::Follower => 1,
        Who::One | Who::Client => 2,
        Who::Other => 3,
    }
}

impl Scenario {
    /// Whether a cluster of `nodes`, with so many `clients` in places of their own, can play it: every
    /// role finds a node, every step something to touch. Played in thought, with each node as the
    /// leader, and with other roles played by others as long as there are some.
    pub(crate) fn fits(&self, nodes: u16, clients: u16) -> Result<(), String> {
        use rand_chacha::rand_core::SeedableRng;
        if clients == 0 && self.strikes_clients() {
            return Err(NO_CLIENTS.into());
        }
        let nodes: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let clients: Vec<NodeId> = (1..=clients).map(NodeId::client).collect();
        let all = [&nodes[..], &clients].concat();
        for (seed, leader) in (0..).zip(&nodes) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let view = View {
                nodes: nodes.clone(),
                playing: View::cast(&self.roles(), &nodes, leader.0.into()),
                clients: clients.clone(),
                holders: clients.clone(),
                ..View::default()
            };
            let mut stage = Stage::new(nodes.clone(), clients.clone());
            for (number, step) in (1..).zip(&self.steps) {
                let done = match step {
                    Step::Roles(wanted) => stage.cast(wanted, &view, &mut rng).map(drop),
                    Step::Touch(touch) => stage.try_out(touch),
                    Step::InAnyOrder(touches, _) => {
                        touches.iter().try_for_each(|touch| stage.try_out(touch))
                    }
                    Step::Wait(_) | Step::Until(..) => Ok(()),
                };
                done.and_then(|()| stage.stands(&all))
                    .map_err(|problem| format!("step {number}: {problem}"))?;
            }
        }
        Ok(())
    }
}

impl Scenario {
    /// Whether it gives a role to a client, or does something to clients as such.
    fn strikes_clients(&self) -> bool {
        let cast = |step: &Step| match step {
            Step::Roles(roles) => {
                roles.iter().any(|(_, who)| matches!(who, Who::Holder | Who::Client))
            }
            _ => false,
        };
        let all = |touch: &Touch| match touch {
            Touch::Nodes(_, places) => places.contains(&Place::Clients),
            Touch::Inner(inner) => inner.of.contains(&Place::Clients),
            Touch::Links(..) | Touch::End(_) => false,
        };
        self.steps.iter().any(cast) || self.touches().any(all)
    }
}

impl Stage {
    fn try_out(&mut self, touch: &Touch) -> Result<(), String> {
        match touch {
            Touch::Links(change, links) => {
                let links = self.links(links);
                self.change(*change, &links)
            }
            Touch::Nodes(_, places) => self.known(&self.nodes_at(places)),
            Touch::Inner(inner) => {
                let victims = self.nodes_at(&inner.of);
                self.known(&victims)?;
                let fault = inner.fault(&victims).map_err(|error| error.problem)?;
                fault.fits_with(self.nodes.len() as u16, self.clients.len() as u16)
            }
            Touch::End(_) => Ok(()),
        }
    }

    /// Whether all of these are there.
    fn known(&self, places: &[NodeId]) -> Result<(), String> {
        let all = [&self.nodes[..], &self.clients].concat();
        match places.iter().find(|place| !all.contains(place)) {
            Some(stranger) => Err(no_node(*stranger, &all)),
            None => Ok(()),
        }
    }

    /// Whether every node that is spoken of is one of `all`.
    fn stands(&self, all: &[NodeId]) -> Result<(), String> {
        let ends = self.rules.0.keys().flat_map(|(from, to)| [*from, *to]);
        let linked = ends.filter_map(|end| match end {
            End::Node(node) => Some(node),
            End::Controller => None,
        });
        let mut spoken = linked.chain(self.roles.values().flatten().copied());
        match spoken.find(|node| !all.contains(node)) {
            Some(node) => Err(no_node(node, all)),
            None => Ok(()),
        }
    }
}

fn no_node(node: NodeId, all: &[NodeId]) -> String {
    format!("there is no node {node}; the nodes are {}", list(all))
}
