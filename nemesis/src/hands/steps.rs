//! What steps of scenarios do.

use schism_history::FaultId;
use schism_lab::{Effect, LinkRules, Loss, NodeId};

use super::{Hands, Turn, problems};
use crate::deed::Deed;
use crate::standing::{Part, Standing};

impl Hands {
    /// A step of a scenario: these are the rules of the fault now.
    pub(crate) async fn relink(&self, fault: FaultId, rules: &LinkRules) -> Result<(), String> {
        let relink = |standing: &mut Standing| standing.relink(fault, rules.clone());
        let problems = self.set_rules(relink).await;
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// A step of a scenario: takes nodes down. Those that another fault holds are left to it.
    pub(crate) async fn take_down(
        &self,
        fault: FaultId,
        nodes: &[NodeId],
        deed: Deed,
    ) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        {
            let mut standing = self.standing();
            for &node in nodes {
                if let Some(other) = standing.who_holds(node).filter(|other| *other != fault) {
                    return Err(format!("{node} is held down by {other} already"));
                }
            }
            for &node in nodes {
                standing.strike(fault, node);
            }
        }
        let problems = problems(self.on_each(nodes, &deed).await);
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// A step of a scenario: brings back nodes that it took down.
    pub(crate) async fn take_up(
        &self,
        fault: FaultId,
        nodes: &[NodeId],
        deed: Deed,
    ) -> Result<(), String> {
        let held = self.standing().held_by(fault);
        if let Some(node) = nodes.iter().find(|node| !held.contains(node)) {
            return Err(format!("{node} is not held down by this scenario"));
        }
        let bereft = self.standing().bereft();
        let (bereft, others): (Vec<NodeId>, Vec<NodeId>) =
            nodes.iter().partition(|node| bereft.contains_key(node));
        let mut problems = self.bring_up(&others, deed).await;
        problems.extend(self.launch(&bereft).await);
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// Begins an effect on these nodes.
    pub(crate) async fn hold(
        &self,
        _: &Turn<'_>,
        part: Part,
        nodes: &[NodeId],
        effect: &Effect,
    ) -> Result<(), String> {
        for node in nodes {
            self.standing().hold(part, *node, effect.kind());
        }
        self.all(nodes, Deed::Hold(part.to_string(), effect.clone())).await
    }

    /// Kills these nodes.
    pub(crate) async fn kill(&self, _: &Turn<'_>, nodes: &[NodeId]) -> Result<(), String> {
        self.all(nodes, Deed::Kill).await
    }

    /// Kills these nodes, and has them lose what they have not synced.
    pub(crate) async fn lose_power(
        &self,
        turn: &Turn<'_>,
        part: Part,
        nodes: &[NodeId],
        loss: Loss,
    ) -> Result<(), String> {
        for node in nodes {
            self.standing().bereave(*node, false);
        }
        self.kill(turn, nodes).await?;
        self.hold(turn, part, nodes, &Effect::Loss(loss)).await
    }

    async fn all(&self, nodes: &[NodeId], deed: Deed) -> Result<(), String> {
        let problems = problems(self.on_each(nodes, &deed).await);
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// Ends what these hold, before the scenario does.
    pub(crate) async fn let_go(&self, parts: &[Part]) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let problems = self.release(|part| parts.contains(&part)).await;
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}
