//! Healing: a single fault, and whatever is left at the end of a run.

use schism_history::{FaultId, FaultMark, Phase};
use schism_lab::{LinkRules, NodeId};

use super::{Hands, problems};
use crate::Injection;
use crate::deed::Deed;
use crate::probe::evidence;
use crate::probe::processes::{Before, Healed};
use crate::standing::Tick;

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
            Injection::Hold { .. } => self.release(fault).await,
            Injection::PowerLoss { victims, .. } => {
                let mut problems = self.release(fault).await;
                // A look that was still under way would be taken for the target.
                let left = self.standing().held_by(fault);
                let left: Vec<NodeId> =
                    victims.iter().copied().filter(|node| left.contains(node)).collect();
                problems.extend(
                    self.on_each(&left, &Deed::Kill).await.into_iter().filter_map(|it| it.1),
                );
                problems
            }
            Injection::Kill(_)
            | Injection::Pause(_)
            | Injection::Upkeep(_)
            | Injection::Nothing { .. } => Vec::new(),
        };
        let deed = match injection {
            Injection::Kill(_) | Injection::PowerLoss { .. } => Deed::Start,
            Injection::Pause(_) => Deed::Resume,
            Injection::Scenario(_) => Deed::Revive,
            Injection::Hold { victims, .. } => {
                // What it made a program die of is over.
                let down = self.standing().down();
                let victims: Vec<NodeId> =
                    victims.iter().copied().filter(|node| !down.contains(node)).collect();
                problems.extend(self.bring_up(&victims, Deed::Revive).await);
                let healed = self.processes.healed(before).await;
                return self.ended(fault, problems, healed);
            }
            Injection::Links { .. } | Injection::Upkeep(_) | Injection::Nothing { .. } => {
                return self.ended(fault, problems, Healed::new());
            }
        };
        let left = self.standing().held_by(fault);
        problems.extend(self.bring_up(&left, deed).await);
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

    /// Ends what a fault still holds on nodes; the problems of those where it could not.
    async fn release(&self, fault: FaultId) -> Vec<String> {
        let held = self.standing().effects();
        let nodes: Vec<NodeId> =
            held.iter().filter(|(of, _, _)| *of == fault).map(|(_, node, _)| *node).collect();
        let done = self.on_each(&nodes, &Deed::Release(fault.to_string())).await;
        for (node, problem) in &done {
            if problem.is_none() {
                self.standing().is_released(fault, *node);
            }
        }
        problems(done)
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
            problems.extend(self.release(*fault).await);
        }
        let left = self.standing().struck_down();
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
