//! Injections as they stand in a history, and rules of several faults at once.

use std::time::Duration;

use schism_lab::{Effect, LinkRule, LinkRules, Loss, NodeId};
use schism_targets::Upkeep;
use serde_json::{Map, Value, json};

use crate::{Damage, Scenario};

/// The resolved facts of a fault: what is to be done, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Injection {
    /// Rules for links, with the nodes that they are about.
    Links {
        /// The nodes that are cut off, slowed down, or in the middle.
        victims: Vec<NodeId>,
        /// What happens to each link.
        rules: LinkRules,
    },
    /// These nodes are killed, and started again when the fault ends.
    Kill(Vec<NodeId>),
    /// These nodes are paused, and go on when the fault ends.
    Pause(Vec<NodeId>),
    /// On these nodes an effect is held until the fault ends.
    Hold {
        /// The nodes.
        victims: Vec<NodeId>,
        /// What is held there.
        effect: Effect,
    },
    /// These nodes lose their power: they die, and what they had not synced is lost. They start
    /// again when the fault ends.
    PowerLoss {
        /// The nodes.
        victims: Vec<NodeId>,
        /// What the loss is like.
        loss: Loss,
    },
    /// These nodes are killed, their files are damaged while nothing runs there, and they start again
    /// on what is left of them when the fault ends.
    Damage {
        /// The nodes.
        victims: Vec<NodeId>,
        /// What becomes of their files.
        damage: Damage,
    },
    /// This is done through the target while clients use it.
    Upkeep(Upkeep),
    /// These nodes are restarted one after the other.
    Restart(Rolling),
    /// Steps, each of which is resolved when it begins.
    Scenario(Scenario),
    /// Nothing could be resolved (no leader was seen, say): the fault stays unproven.
    Nothing {
        /// Why.
        reason: String,
    },
}

/// A restart of nodes, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolling {
    /// The nodes, in their order.
    pub nodes: Vec<NodeId>,
    /// How long programs that are asked to end may take before they are killed; `None`: nobody asks
    /// them.
    pub patience: Option<Duration>,
    /// How long it is waited between two nodes.
    pub pause: Duration,
}

impl Injection {
    /// The nodes that it strikes.
    pub fn victims(&self) -> &[NodeId] {
        match self {
            Injection::Links { victims, .. }
            | Injection::Kill(victims)
            | Injection::Pause(victims)
            | Injection::Hold { victims, .. }
            | Injection::PowerLoss { victims, .. }
            | Injection::Damage { victims, .. } => victims,
            Injection::Restart(rolling) => &rolling.nodes,
            Injection::Upkeep(Upkeep::Defragment(nodes) | Upkeep::Leave(nodes)) => nodes,
            // Other upkeep is about the system as a whole, and the victims of a scenario stand in the
            // marks of its steps.
            Injection::Upkeep(_) | Injection::Scenario(_) | Injection::Nothing { .. } => &[],
        }
    }

    /// The facts, for a replay: `{"links":[{"from":"n1","to":"n2","drop":true}]}`,
    /// `{"kill":["n1"]}`, `{"pause":["n1"]}`, `{"hold":["n1"],"effect":{"burn":{…}}}`,
    /// `{"power-loss":["n1"],"loss":{…}}`, `{"damage":["n1"],"of":{…}}`, of which the marks of steps
    /// tell the places, `{"restart":["n1","n2"],"patience_ms":10000,"pause_ms":0}`, `{"steps":9}` for a scenario, whose facts stand in the
    /// marks of its steps, `{"nothing":"no node said that it leads"}`.
    pub fn to_json(&self) -> Value {
        let names = |nodes: &[NodeId]| nodes.iter().map(ToString::to_string).collect::<Value>();
        match self {
            Injection::Links { rules, .. } => {
                let links = rules.0.iter().map(|((from, to), rule)| {
                    let mut link = Map::new();
                    link.insert("from".into(), from.to_string().into());
                    link.insert("to".into(), to.to_string().into());
                    describe(rule, &mut link);
                    Value::Object(link)
                });
                json!({ "links": links.collect::<Value>() })
            }
            Injection::Kill(victims) => json!({ "kill": names(victims) }),
            Injection::Pause(victims) => json!({ "pause": names(victims) }),
            Injection::Hold { victims, effect } => {
                json!({ "hold": names(victims), "effect": effect })
            }
            Injection::PowerLoss { victims, loss } => {
                json!({ "power-loss": names(victims), "loss": loss })
            }
            Injection::Damage { victims, damage } => {
                json!({ "damage": names(victims), "of": damage })
            }
            Injection::Restart(rolling) => json!({
                "restart": names(&rolling.nodes),
                "patience_ms": rolling.patience.map(|patience| patience.as_millis() as u64),
                "pause_ms": rolling.pause.as_millis() as u64,
            }),
            Injection::Upkeep(act) => json!({ "upkeep": act.to_string() }),
            Injection::Scenario(scenario) => json!({ "steps": scenario.steps.len() }),
            Injection::Nothing { reason } => json!({ "nothing": reason }),
        }
    }
}

fn describe(rule: &LinkRule, link: &mut Map<String, Value>) {
    if rule.drop {
        link.insert("drop".into(), true.into());
    }
    if rule.hold {
        link.insert("hold".into(), true.into());
    }
    for (name, span) in [("delay_us", rule.delay), ("jitter_us", rule.jitter)] {
        if !span.is_zero() {
            link.insert(name.into(), (span.as_micros() as u64).into());
        }
    }
}

/// All rules at once: on a link that several faults are about, each of them bites.
pub(crate) fn together<'a>(all: impl IntoIterator<Item = &'a LinkRules>) -> LinkRules {
    let mut sum = LinkRules::default();
    for rules in all {
        for (link, rule) in &rules.0 {
            let entry: &mut LinkRule = sum.0.entry(*link).or_default();
            entry.drop |= rule.drop;
            entry.hold |= rule.hold;
            entry.delay += rule.delay;
            entry.jitter += rule.jitter;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schism_lab::End;

    use super::*;

    fn rules(rule: LinkRule) -> LinkRules {
        LinkRules([((End::Controller, End::Node(NodeId(2))), rule)].into())
    }

    #[test]
    fn is_written_as_facts() {
        let rule = LinkRule { delay: Duration::from_millis(5), ..LinkRule::default() };
        let links = Injection::Links { victims: vec![NodeId(2)], rules: rules(rule) };
        let expected = r#"{"links":[{"from":"controller","to":"n2","delay_us":5000}]}"#;
        assert_eq!(links.to_json().to_string(), expected);
        let kill = Injection::Kill(vec![NodeId(1), NodeId(3)]);
        assert_eq!(kill.to_json().to_string(), r#"{"kill":["n1","n3"]}"#);
    }

    #[test]
    fn two_delays_of_one_link_add_up() {
        let slow = |delay, jitter| {
            let (delay, jitter) = (Duration::from_millis(delay), Duration::from_millis(jitter));
            rules(LinkRule { delay, jitter, ..LinkRule::default() })
        };
        assert_eq!(together([&slow(5, 1), &slow(7, 2)]), slow(12, 3));
    }

    #[test]
    fn every_fault_bites_on_a_link_that_they_share() {
        let slow = rules(LinkRule { delay: Duration::from_millis(5), ..LinkRule::default() });
        let cut = rules(LinkRule { drop: true, ..LinkRule::default() });
        let sum = together([&slow, &cut]);
        let rule = sum.0.values().next().expect("a rule");
        assert!(rule.drop && rule.delay == Duration::from_millis(5) && sum.0.len() == 1);
    }
}
