//! What stands at this moment: which faults are under way, and what each of them is about.
//!
//! Nothing waits in here, so that probes may ask at any time, whatever a fault is doing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use schism_history::FaultId;
use schism_lab::{End, LinkRules, NodeId};
use schism_targets::Upkeep;

use crate::Injection;
use crate::injection::together;
use crate::probe::links::{Link, margin};

/// A moment, counted: it is later after every change.
pub(crate) type Tick = u64;

/// A fault, or one of the faults that a scenario is made of; what it holds bears its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) fault: FaultId,
    /// Counted from 1; 0: the fault as a whole.
    pub(crate) step: u32,
}

impl Part {
    /// The fault as a whole.
    pub(crate) fn whole(fault: FaultId) -> Self {
        Self { fault, step: 0 }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            0 => write!(formatter, "{}", self.fault),
            step => write!(formatter, "{}-{step}", self.fault),
        }
    }
}

/// All faults that are under way, or were.
#[derive(Default)]
pub(crate) struct Standing {
    tick: Tick,
    /// The faults that have begun and are not healed.
    open: BTreeSet<FaultId>,
    /// Whether the rules are on their way to the switch.
    setting: bool,
    rules: BTreeMap<FaultId, LinkRules>,
    /// How much the links that were ever slowed down may be slow by, at the most, when healed.
    slowed: BTreeMap<Link, Duration>,
    down: BTreeMap<NodeId, FaultId>,
    /// Nodes that were started again and did not come up: they stay down for good.
    refused: BTreeSet<NodeId>,
    /// The acts of upkeep of which something may be left.
    upkeep: BTreeMap<FaultId, Upkeep>,
    /// The nodes on which each fault still holds an effect, and its kind.
    held: BTreeMap<(Part, NodeId), &'static str>,
    /// Nodes that were killed and lost what they keep, or had it damaged, which is `true`, and that
    /// were not started since.
    bereft: BTreeMap<NodeId, bool>,
    /// What each fault was about, and until when.
    reaches: Vec<Reach>,
}

/// What a fault was ever about.
struct Reach {
    fault: FaultId,
    /// The nodes that it kept from answering the controller.
    nodes: BTreeSet<NodeId>,
    /// The links that it had rules for.
    links: BTreeSet<Link>,
    ended: Option<Tick>,
}

/// The rules of all faults together, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    tick: Tick,
    setting: bool,
    pub(crate) all: LinkRules,
    /// How much a link may be slow by, at the most, to count as healed.
    pub(crate) slowed: BTreeMap<Link, Duration>,
}

impl Rules {
    /// Whether these rules held all the time until `later`.
    pub(crate) fn held_until(&self, later: &Rules) -> bool {
        !self.setting && self.tick == later.tick
    }
}

impl Standing {
    /// This moment.
    pub(crate) fn now(&self) -> Tick {
        self.tick
    }

    fn next_tick(&mut self) -> Tick {
        self.tick += 1;
        self.tick
    }

    pub(crate) fn rules(&self) -> Rules {
        let all = together(self.rules.values());
        Rules { tick: self.tick, setting: self.setting, all, slowed: self.slowed.clone() }
    }

    /// Nodes that are held down, or have left.
    pub(crate) fn down(&self) -> Vec<NodeId> {
        self.down.keys().copied().collect()
    }

    /// A node that was started again did not come up, which is the system's own answer.
    pub(crate) fn stays_down(&mut self, node: NodeId) {
        self.refused.insert(node);
    }

    /// The nodes that stay down whoever starts them.
    pub(crate) fn refused(&self) -> Vec<NodeId> {
        self.refused.iter().copied().collect()
    }

    /// The nodes that this fault still holds down.
    pub(crate) fn held_by(&self, fault: FaultId) -> Vec<NodeId> {
        self.down.iter().filter(|(_, by)| **by == fault).map(|(node, _)| *node).collect()
    }

    /// Those of the nodes that are held down which only killed or stopped: who has left comes back
    /// by other means.
    pub(crate) fn struck_down(&self) -> Vec<NodeId> {
        let struck = self.down.iter().filter(|(_, by)| !self.upkeep.contains_key(by));
        struck.map(|(node, _)| *node).collect()
    }

    /// An effect is about to be held.
    pub(crate) fn hold(&mut self, part: Part, node: NodeId, kind: &'static str) {
        self.held.insert((part, node), kind);
    }

    /// A node that is down is about to lose what it keeps, or to have it damaged.
    pub(crate) fn bereave(&mut self, node: NodeId, damaged: bool) {
        *self.bereft.entry(node).or_default() |= damaged;
    }

    /// The nodes that were bereft and not seen up since, each with whether its files are damaged.
    pub(crate) fn bereft(&self) -> BTreeMap<NodeId, bool> {
        self.bereft.clone()
    }

    /// The effects that are held, each with whose it is and with its node.
    pub(crate) fn effects(&self) -> Vec<(Part, NodeId, &'static str)> {
        self.held.iter().map(|((part, node), kind)| (*part, *node, *kind)).collect()
    }

    /// An effect is held no more.
    pub(crate) fn is_released(&mut self, part: Part, node: NodeId) {
        self.held.remove(&(part, node));
    }

    /// The faults that are not healed.
    pub(crate) fn open(&self) -> BTreeSet<FaultId> {
        self.open.clone()
    }

    /// The acts of upkeep of which something may be left.
    pub(crate) fn unsettled(&self) -> Vec<Upkeep> {
        self.upkeep.values().cloned().collect()
    }

    /// A fault is about to touch what it is about.
    pub(crate) fn begin(&mut self, fault: FaultId, injection: &Injection) {
        self.open.insert(fault);
        let (nodes, links) = Default::default();
        self.reaches.push(Reach { fault, nodes, links, ended: None });
        match injection {
            Injection::Links { rules, .. } => self.relink(fault, rules.clone()),
            Injection::Kill(victims)
            | Injection::Pause(victims)
            | Injection::Damage { victims, .. } => {
                for victim in victims {
                    self.strike(fault, *victim);
                }
            }
            Injection::PowerLoss { victims, .. } => {
                for victim in victims {
                    self.strike(fault, *victim);
                    self.bereave(*victim, false);
                    self.hold(Part::whole(fault), *victim, "loss");
                }
            }
            // They may be silent for it, and are to answer until then.
            Injection::Hold { victims, effect } => {
                for victim in victims {
                    self.hold(Part::whole(fault), *victim, effect.kind());
                }
            }
            // Its steps will tell, or each node's turn.
            Injection::Scenario(_) | Injection::Restart(_) | Injection::Nothing { .. } => {}
            Injection::Upkeep(act) => {
                self.upkeep.insert(fault, act.clone());
                // Whoever leaves is out of the reach of other faults, which would start it again.
                if let Upkeep::Leave(nodes) = act {
                    for node in nodes {
                        self.strike(fault, *node);
                    }
                }
            }
        }
        self.next_tick();
    }

    /// A fault is about to have these rules, and no others.
    pub(crate) fn relink(&mut self, fault: FaultId, rules: LinkRules) {
        for (link, rule) in rules.0.iter().filter(|(_, rule)| !rule.delay.is_zero()) {
            let margin = margin(rule);
            let least = self.slowed.entry(*link).or_insert(margin);
            *least = margin.min(*least);
        }
        if let Some(reach) = self.reaches.iter_mut().rfind(|reach| reach.fault == fault) {
            reach.links.extend(rules.0.keys());
            reach.nodes.extend(rules.0.keys().filter_map(|link| client_link(*link)));
        }
        self.rules.insert(fault, rules);
        self.setting = true;
        self.next_tick();
    }

    /// A fault is about to take a node down.
    pub(crate) fn strike(&mut self, fault: FaultId, node: NodeId) {
        self.down.insert(node, fault);
        if let Some(reach) = self.reaches.iter_mut().rfind(|reach| reach.fault == fault) {
            reach.nodes.insert(node);
        }
        self.next_tick();
    }

    /// The fault that holds a node down.
    pub(crate) fn who_holds(&self, node: NodeId) -> Option<FaultId> {
        self.down.get(&node).copied()
    }

    /// The rules of a fault are about to be taken back.
    pub(crate) fn lift(&mut self, fault: FaultId) {
        self.rules.remove(&fault);
        self.setting = true;
        self.next_tick();
    }

    /// The switch has the rules of this moment.
    pub(crate) fn set(&mut self) {
        self.setting = false;
        self.next_tick();
    }

    /// A node that was down is well again.
    pub(crate) fn is_up(&mut self, node: NodeId) {
        self.down.remove(&node);
        self.bereft.remove(&node);
        self.refused.remove(&node);
    }

    /// Everything that the fault was about is well again: the moment.
    pub(crate) fn end(&mut self, fault: FaultId) -> Tick {
        self.open.remove(&fault);
        if self.upkeep.remove(&fault).is_some() {
            self.down.retain(|_, by| *by != fault);
        }
        let now = self.next_tick();
        for reach in self.reaches.iter_mut().filter(|reach| reach.fault == fault) {
            reach.ended = Some(now);
        }
        now
    }

    /// Which other fault kept the node from answering at any time since then, if one did.
    pub(crate) fn silenced_since(
        &self,
        since: Tick,
        node: NodeId,
        fault: FaultId,
    ) -> Option<FaultId> {
        self.others(since, fault).find(|reach| reach.nodes.contains(&node)).map(|one| one.fault)
    }

    /// Whether another fault had a rule for the link at any time since then.
    pub(crate) fn shared_since(&self, since: Tick, link: Link, fault: FaultId) -> bool {
        self.others(since, fault).any(|reach| reach.links.contains(&link))
    }

    /// What other faults were about at any time since then.
    fn others(&self, since: Tick, fault: FaultId) -> impl Iterator<Item = &Reach> {
        let over = move |reach: &Reach| reach.ended.is_some_and(|ended| ended < since);
        self.reaches.iter().filter(move |reach| reach.fault != fault && !over(reach))
    }
}

/// The node of a link between it and the controller.
fn client_link(link: Link) -> Option<NodeId> {
    match link {
        (End::Controller, End::Node(node)) | (End::Node(node), End::Controller) => Some(node),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use schism_lab::LinkRule;

    use super::*;

    const ONE: FaultId = FaultId(1);
    const TWO: FaultId = FaultId(2);

    #[test]
    fn a_node_is_down_until_it_is_up_and_a_fault_open_until_its_end() {
        let mut standing = Standing::default();
        standing.begin(ONE, &Injection::Kill(vec![NodeId(1), NodeId(3)]));
        standing.is_up(NodeId(1));
        assert_eq!((standing.down(), standing.open()), (vec![NodeId(3)], [ONE].into()));
        assert_eq!((standing.held_by(ONE), standing.held_by(TWO)), (vec![NodeId(3)], vec![]));
        standing.is_up(NodeId(3));
        standing.end(ONE);
        assert!(standing.open().is_empty() && standing.down().is_empty());
    }

    #[test]
    fn who_has_left_is_down_until_that_is_settled_and_is_not_started() {
        let mut standing = Standing::default();
        standing.begin(ONE, &Injection::Upkeep(Upkeep::Leave(vec![NodeId(2)])));
        standing.begin(TWO, &Injection::Kill(vec![NodeId(1)]));
        assert_eq!(standing.down(), [NodeId(1), NodeId(2)]);
        assert_eq!(standing.struck_down(), [NodeId(1)]);
        assert_eq!(standing.silenced_since(0, NodeId(2), TWO), Some(ONE));
        standing.end(ONE);
        assert_eq!(standing.down(), [NodeId(1)]);
    }

    #[test]
    fn rules_that_changed_during_a_look_did_not_hold() {
        let mut standing = Standing::default();
        let rule = LinkRule { drop: true, ..LinkRule::default() };
        let rules = LinkRules([((End::Controller, End::Node(NodeId(2))), rule)].into());
        let cut = Injection::Links { victims: vec![NodeId(2)], rules };
        let first = standing.rules();
        assert!(first.held_until(&standing.rules()));
        standing.begin(ONE, &cut);
        let setting = standing.rules();
        assert!(!first.held_until(&setting) && !setting.held_until(&standing.rules()));
        standing.set();
        let there = standing.rules();
        assert!(there.held_until(&standing.rules()) && there.all.0.len() == 1);
        standing.lift(ONE);
        standing.set();
        standing.begin(TWO, &cut);
        standing.set();
        // The same rules again are not the same rules still.
        assert!(!there.held_until(&standing.rules()) && there.all == standing.rules().all);
    }

    #[test]
    fn tells_whether_another_fault_was_about_a_link_of_a_scenario() {
        let mut standing = Standing::default();
        let link = (End::Controller, End::Node(NodeId(2)));
        let rules = LinkRules([(link, LinkRule { hold: true, ..LinkRule::default() })].into());
        standing.begin(ONE, &Injection::Kill(vec![NodeId(1)]));
        let since = standing.now();
        standing.relink(ONE, rules.clone());
        assert!(
            !standing.shared_since(since, link, ONE) && standing.shared_since(since, link, TWO)
        );
        standing.relink(ONE, LinkRules::default());
        standing.end(ONE);
        // What it was about before it ended counts for whoever looked meanwhile.
        assert!(standing.shared_since(since, link, TWO));
        let later = standing.now() + 1;
        assert!(!standing.shared_since(later, link, TWO));
    }

    #[test]
    fn tells_who_else_kept_a_node_from_answering() {
        let mut standing = Standing::default();
        let pause = |node| Injection::Pause(vec![NodeId(node)]);
        standing.begin(FaultId(7), &pause(1));
        standing.end(FaultId(7));
        standing.begin(ONE, &pause(1));
        let since = standing.end(ONE);
        assert_eq!(standing.silenced_since(since, NodeId(1), ONE), None);
        standing.begin(TWO, &pause(1));
        standing.end(TWO);
        assert_eq!(standing.silenced_since(since, NodeId(1), ONE), Some(TWO));
        assert_eq!(standing.silenced_since(since, NodeId(2), ONE), None);
    }
}
