//! Healing: a single fault, and whatever is left at the end of a run.

use std::collections::BTreeMap;

use schism_history::{FaultId, FaultMark, Phase};
use schism_lab::{LinkRules, NodeId};

use super::{Hands, problems};
use crate::Injection;
use crate::deed::Deed;
use crate::probe::evidence;
use crate::probe::processes::{Before, Healed};
use crate::standing::{Part, Tick};

impl Hands {
    /// Heals what is still broken of a fault: when that was done, and what was seen then. Whoever
    /// could not be healed is still held to be down, and may be healed again.
    pub(crate) async fn heal(
        &self,
        fault: FaultId,
        injection: &Injection,
        before: &Before,
    ) -> Result<(Tick, Healed), Vec<String>> {
        let _turn = self.turn.lock().await;
        let mut problems = match injection {
            Injection::Links { .. } | Injection::Scenario(_) => {
                self.set_rules(|standing| standing.lift(fault)).await
            }
            _ => Vec::new(),
        };
        problems.extend(self.release(|part| part.fault == fault).await);
        let deed = match injection {
            Injection::Kill(_) => Deed::Start,
            Injection::Pause(_) => Deed::Resume,
            _ => Deed::Revive,
        };
        let bereft = self.standing().bereft();
        let (bereft, others): (Vec<NodeId>, Vec<NodeId>) = {
            let left = self.standing().held_by(fault);
            left.into_iter().partition(|node| bereft.contains_key(node))
        };
        problems.extend(self.launch(&bereft).await);
        problems.extend(self.bring_up(&others, deed).await);
        // What an effect made a program die of is over.
        let down = self.standing().down();
        let spared: Vec<NodeId> = before
            .iter()
            .filter(|(node, was)| was.spared && !down.contains(node))
            .map(|(node, _)| *node)
            .collect();
        problems.extend(self.bring_up(&spared, Deed::Revive).await);
        let healed = self.processes.healed(before).await;
        self.ended(fault, problems, healed)
    }

    fn ended(
        &self,
        fault: FaultId,
        problems: Vec<String>,
        healed: Healed,
    ) -> Result<(Tick, Healed), Vec<String>> {
        if problems.is_empty() { Ok((self.standing().end(fault), healed)) } else { Err(problems) }
    }

    /// Ends what these faults still hold on nodes; the problems of those where it could not.
    pub(super) async fn release(&self, whose: impl Fn(Part) -> bool) -> Vec<String> {
        let mut held: BTreeMap<Part, Vec<NodeId>> = BTreeMap::new();
        for (part, node, _) in self.standing().effects() {
            if whose(part) {
                held.entry(part).or_default().push(node);
            }
        }
        let mut all = Vec::new();
        for (part, nodes) in held {
            let done = self.on_each(&nodes, &Deed::Release(part.to_string())).await;
            for (node, problem) in &done {
                if problem.is_none() {
                    self.standing().is_released(part, *node);
                }
            }
            all.extend(problems(done));
        }
        all
    }

    /// Starts nodes that lost what they keep, or had it damaged. The latter may not come up, which is
    /// for them to say: until then they are still down.
    pub(super) async fn launch(&self, nodes: &[NodeId]) -> Vec<String> {
        // A look that was still under way would be taken for the target.
        let mut all = problems(self.on_each(nodes, &Deed::Kill).await);
        let bereft = self.standing().bereft();
        let (damaged, others): (Vec<NodeId>, Vec<NodeId>) =
            nodes.iter().partition(|node| bereft.get(node) == Some(&true));
        all.extend(self.bring_up(&others, Deed::Start).await);
        all.extend(problems(self.on_each(&damaged, &Deed::Launch).await));
        all
    }

    /// Heals nodes, and holds those that are well no more to be down; the problems of the others.
    pub(super) async fn bring_up(&self, nodes: &[NodeId], deed: Deed) -> Vec<String> {
        let done = self.on_each(nodes, &deed).await;
        for (node, problem) in &done {
            if problem.is_none() {
                self.standing().is_up(*node);
            }
        }
        problems(done)
    }

    /// Whatever became of the single faults: no rule, no paused process, no node down. Those that
    /// were still open end here.
    pub(crate) async fn heal_everything(&self) {
        let _turn = self.turn.lock().await;
        let open = self.standing().open();
        for fault in &open {
            self.standing().lift(*fault);
        }
        let rules = LinkRules::default();
        let set = tokio::time::timeout(self.bounds.act, self.network.set(&rules)).await;
        let mut problems = match set {
            Ok(Ok(())) => Vec::new(),
            Ok(Err(error)) => vec![error.to_string()],
            Err(_) => vec![format!("the links were not healed within {:?}", self.bounds.act)],
        };
        self.standing().set();
        for fault in &open {
            problems.extend(self.release(|part| part.fault == *fault).await);
        }
        let refused = self.standing().refused();
        let mut left = self.standing().struck_down();
        left.retain(|node| !refused.contains(node));
        problems.extend(self.bring_up(&left, Deed::Revive).await);
        let unsettled = self.standing().unsettled();
        for act in unsettled {
            let settled = self.settle(&act).await;
            problems.extend((!settled.seen).then(|| format!("{act}: {}", settled.text)));
        }
        let healed = problems.is_empty();
        for problem in problems {
            self.note(format!("Healing: {problem}."));
        }
        for fault in open {
            self.standing().end(fault);
            self.record(FaultMark::Stop { fault });
            let text = if healed { "healed at the end of the run alone" } else { "never healed" };
            let evidence = evidence(healed, text);
            self.record(FaultMark::Probe { fault, phase: Phase::Gone, evidence });
        }
    }
}
