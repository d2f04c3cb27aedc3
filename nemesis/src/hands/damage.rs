//! Damages files of nodes that are down, one node after the other.

use std::collections::BTreeMap;

use schism_history::FaultMark;
use schism_lab::{Effect, NodeId, Wound};
use serde_json::json;

use super::{Hands, Turn};
use crate::Damage;
use crate::deed::Deed;
use crate::probe::effects::damage::Kept;
use crate::standing::Part;

/// What was done to the files of each victim, with what was there before; otherwise why nothing was.
pub(crate) type Wounded = BTreeMap<NodeId, Result<Kept, String>>;

/// A step of a fault, for its mark.
#[derive(Clone, Copy)]
pub(crate) struct StepOf {
    pub(crate) part: Part,
    /// The number of the step; `None`: each node is a step of its own.
    pub(crate) step: Option<u32>,
    pub(crate) late_us: u64,
}

impl Hands {
    /// Draws where the files of each victim are damaged, which only those who look at them can know,
    /// marks that, looks at what is there, and damages it. The victims must be down.
    pub(crate) async fn damage(
        &self,
        _: &Turn<'_>,
        of: StepOf,
        victims: &[NodeId],
        damage: &Damage,
    ) -> Wounded {
        let mut wounded = Wounded::new();
        for (place, &node) in (1..).zip(victims) {
            let of = StepOf { step: Some(of.step.unwrap_or(place)), ..of };
            let done = self.damage_one(of, node, damage).await;
            if let Err(problem) = &done {
                self.note(format!("{}: {node}: {problem}.", of.part.fault));
            }
            wounded.insert(node, done);
        }
        wounded
    }

    async fn damage_one(&self, of: StepOf, node: NodeId, damage: &Damage) -> Result<Kept, String> {
        let found = self.effects.files(node, &damage.files).await?;
        let wounds = damage.draw(node, &found)?;
        let mut facts = json!({ "damage": [node.to_string()] });
        facts["wounds"] = json!(wounds);
        self.record(FaultMark::Step {
            fault: of.part.fault,
            step: of.step.unwrap_or(1),
            detail: format!("damage {node}: {}", words(&wounds)).into(),
            injection: facts.into(),
            late_us: of.late_us,
        });
        let kept = self.effects.keep(node, wounds.clone()).await?;
        self.standing().hold(of.part, node, "damage");
        self.standing().bereave(node, true);
        let deed = Deed::Hold(of.part.to_string(), Effect::Damage(wounds));
        match self.on_each(&[node], &deed).await.into_iter().find_map(|(_, problem)| problem) {
            Some(problem) => Err(problem),
            None => Ok(kept),
        }
    }
}

/// Places in words name so many bits; the facts have all.
const NAMED_MAX: usize = 6;

/// `log: 2 bits flipped (byte 17 bit 3, byte 99 bit 0), cut off from byte 4711 on`.
fn words(wounds: &[Wound]) -> String {
    let one = |wound: &Wound| {
        let mut parts = Vec::new();
        if !wound.flip.is_empty() {
            let count = wound.flip.len();
            let bits = wound.flip.iter().take(NAMED_MAX);
            let mut named: Vec<String> =
                bits.map(|bit| format!("byte {} bit {}", bit / 8, bit % 8)).collect();
            if count > NAMED_MAX {
                named.push(format!("{} more", count - NAMED_MAX));
            }
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{count} bit{plural} flipped ({})", named.join(", ")));
        }
        parts.extend(wound.cut_to.map(|length| format!("cut off from byte {length} on")));
        format!("{}: {}", wound.file, parts.join(", "))
    };
    wounds.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_and_places() {
        let wound = |flip: Vec<u64>, cut_to| Wound { file: "a/log".into(), flip, cut_to };
        let text = words(&[wound(vec![9], None), wound(vec![], Some(70))]);
        assert_eq!(text, "a/log: 1 bit flipped (byte 1 bit 1); a/log: cut off from byte 70 on");
        let many = words(&[wound((0..8).collect(), Some(3))]);
        assert!(many.contains("byte 0 bit 5, 2 more), cut off from byte 3 on"), "{many}");
    }
}
