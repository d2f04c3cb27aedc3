//! Looks at files before and after they are damaged, with a program that reads them on the node.
//!
//! The places are named by whoever drew them; what is there is read anew each time, so that damage that
//! was only said to be done is not seen.

use async_trait::async_trait;
use schism_history::Evidence;
use schism_lab::{NodeId, Wound};
use serde::Deserialize;

use super::{EffectProbe, Look, Sight, Spot};
use crate::faults::Found;
use crate::hands::Wounded;
use crate::probe::evidence;

/// Places of files that are about to be damaged, and what was there.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    wounds: Vec<Wound>,
    before: Vec<Seen>,
}

/// What is seen of one file: its length, and its bytes at the places.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Seen {
    length: u64,
    bytes: Vec<Option<u8>>,
}

impl EffectProbe {
    /// The files of a node that match.
    pub(crate) async fn files(&self, node: NodeId, pattern: &str) -> Result<Vec<Found>, String> {
        let spot = self.spot(node).ok_or("is not in the cluster")?;
        let seen = spot.look(&["files", pattern]).await?;
        let found: Vec<Found> = serde_json::from_value(seen["files"].clone())
            .map_err(|error| format!("a look at its files: {error}"))?;
        if !found.is_empty() {
            return Ok(found);
        }
        let others: Vec<String> =
            serde_json::from_value(seen["others"].clone()).unwrap_or_default();
        let others = if others.is_empty() { "none".into() } else { others.join(", ") };
        Err(format!("no file below its data folder matches `{pattern}`; there are: {others}"))
    }

    /// What is at these places now.
    pub(crate) async fn keep(&self, node: NodeId, wounds: Vec<Wound>) -> Result<Kept, String> {
        let before = self.bytes(node, &wounds).await?;
        Ok(Kept { wounds, before })
    }

    async fn bytes(&self, node: NodeId, wounds: &[Wound]) -> Result<Vec<Seen>, String> {
        let spot = self.spot(node).ok_or("is not in the cluster")?;
        let places = serde_json::to_string(wounds).map_err(|error| error.to_string())?;
        let seen = spot.look(&["bytes", &places]).await?;
        let seen: Vec<Seen> = serde_json::from_value(seen["files"].clone())
            .map_err(|error| format!("a look at its files: {error}"))?;
        if seen.len() == wounds.len() { Ok(seen) } else { Err("a look missed a file".into()) }
    }

    /// Whether every file is damaged as it was to be, and not at places where it was so before.
    pub(crate) async fn damaged(&self, wounded: &Wounded) -> Evidence {
        let mut texts = Vec::new();
        let mut all = !wounded.is_empty();
        for (node, kept) in wounded {
            let judged = match kept {
                Ok(kept) => match self.bytes(*node, &kept.wounds).await {
                    Ok(now) => judge(kept, &now),
                    Err(problem) => Err(problem),
                },
                Err(problem) => Err(problem.clone()),
            };
            all &= judged.is_ok();
            texts.push(format!("{node}: {}", judged.unwrap_or_else(|problem| problem)));
        }
        evidence(all, texts.join("; "))
    }
}

fn judge(kept: &Kept, now: &[Seen]) -> Result<String, String> {
    let mut texts = Vec::new();
    for ((wound, before), now) in kept.wounds.iter().zip(&kept.before).zip(now) {
        let file = &wound.file;
        let length = wound.cut_to.unwrap_or(before.length);
        if now.length != length || before.length < length {
            return Err(format!("{file} has {} bytes, and should have {length}", now.length));
        }
        if wound.cut_to == Some(before.length) {
            return Err(format!("{file} was as short before"));
        }
        let bytes = before.bytes.iter().zip(&now.bytes);
        // More than one bit of a byte may be flipped.
        for (bit, (old, new)) in wound.flip.iter().zip(bytes) {
            let others = wound.flip.iter().filter(|other| *other / 8 == bit / 8);
            let mask = others.fold(0, |mask, other| mask | 1 << (other % 8));
            if old.is_none() || old.map(|old| old ^ mask) != *new {
                return Err(format!("byte {} of {file} is not damaged as planned", bit / 8));
            }
        }
        let flipped = match (wound.flip.len(), before.bytes.first(), now.bytes.first()) {
            (0, ..) => None,
            (1, Some(Some(old)), Some(Some(new))) => {
                let byte = wound.flip[0] / 8;
                Some(format!("byte {byte} is {new:#04x} and was {old:#04x}"))
            }
            (count, ..) => Some(format!("all {count} bits differ from what was there")),
        };
        let cut =
            wound.cut_to.map(|length| format!("{length} bytes long, {} before", before.length));
        let parts: Vec<String> = flipped.into_iter().chain(cut).collect();
        texts.push(format!("{file}: {}", parts.join(", ")));
    }
    Ok(texts.join("; "))
}

/// Damage is looked at file by file, and not as a number that comes and goes.
pub(super) struct ByFile;

#[async_trait]
impl Look for ByFile {
    async fn look(&self, _: &Spot) -> Sight {
        Err("damage is looked at file by file".into())
    }

    fn bites(&self, _: f64, _: f64) -> Result<String, String> {
        Err("damage is looked at file by file".into())
    }

    fn gone(&self, _: f64, _: f64, _: f64) -> Result<String, String> {
        Err("damage does not go away".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(flip: Vec<u64>, cut_to: Option<u64>, bytes: Vec<Option<u8>>) -> Kept {
        let wounds = vec![Wound { file: "log".into(), flip, cut_to }];
        Kept { wounds, before: vec![Seen { length: 100, bytes }] }
    }

    #[test]
    fn only_what_differs_as_planned_is_damage() {
        let check = |kept: &Kept, length: u64, bytes: Vec<Option<u8>>, seen: bool| {
            let judged = judge(kept, &[Seen { length, bytes: bytes.clone() }]);
            assert_eq!(judged.is_ok(), seen, "{kept:?} with {length} and {bytes:?}: {judged:?}");
        };
        let one = kept(vec![17], None, vec![Some(0x41)]);
        check(&one, 100, vec![Some(0x43)], true);
        check(&one, 100, vec![Some(0x41)], false);
        check(&one, 100, vec![Some(0xff)], false);
        check(&one, 99, vec![Some(0x43)], false);
        let two = kept(vec![16, 17], None, vec![Some(0), Some(0)]);
        check(&two, 100, vec![Some(3), Some(3)], true);
        check(&two, 100, vec![Some(1), Some(1)], false);
        let cut = kept(vec![], Some(60), vec![]);
        check(&cut, 60, vec![], true);
        check(&cut, 100, vec![], false);
        check(&kept(vec![], Some(100), vec![]), 100, vec![], false);
    }
}
