//! Where files are damaged: drawn from the seed and from what is written on the node.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use schism_lab::{NodeId, Wound};
use serde::Deserialize;

use crate::{Damage, Flip};

/// So many bits of a node are flipped at the most: each of them is named in the history, and looked at.
pub(super) const BITS_MAX: u32 = 1000;

/// A file that matches, as a look at the node finds it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Found {
    /// Its path below the data folder.
    pub(crate) file: String,
    /// Its length, up to the last byte that is not zero: what is behind was only reserved, and to
    /// damage that would be to damage nothing.
    pub(crate) written: u64,
}

impl Damage {
    /// What is to be done to the files of a node. The same seed and files give the same.
    pub(crate) fn draw(&self, node: NodeId, found: &[Found]) -> Result<Vec<Wound>, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(node.0));
        let mut files: Vec<Found> = found.iter().filter(|file| file.written > 0).cloned().collect();
        files.sort_by(|one, other| one.file.cmp(&other.file));
        if files.is_empty() {
            return Err(format!("nothing is written in any file that matches `{}`", self.files));
        }
        let mut wounds: Vec<Wound> = files
            .iter()
            .map(|file| Wound { file: file.file.clone(), ..Wound::default() })
            .collect();
        if let Some(most) = self.truncate {
            let place = below(&mut rng, files.len() as u64) as usize;
            let lost = 1 + below(&mut rng, most.min(files[place].written));
            // Bits are flipped in what is left.
            files[place].written -= lost;
            wounds[place].cut_to = Some(files[place].written);
        }
        let bits: u64 = files.iter().map(|file| file.written * 8).sum();
        for bit in self.bits(bits, &mut rng) {
            let mut bit = bit;
            for (file, wound) in files.iter().zip(&mut wounds) {
                if bit < file.written * 8 {
                    wound.flip.push(bit);
                    break;
                }
                bit -= file.written * 8;
            }
        }
        wounds.retain(|wound| wound.cut_to.is_some() || !wound.flip.is_empty());
        if wounds.is_empty() {
            return Err(format!("what is written in `{}` is too little to be damaged", self.files));
        }
        Ok(wounds)
    }

    /// Which of so many bits, each once, in order.
    fn bits(&self, all: u64, rng: &mut ChaCha8Rng) -> BTreeSet<u64> {
        let most = u64::from(BITS_MAX).min(all);
        let count = match self.flip {
            None => 0,
            Some(Flip::Count(count)) => u64::from(count).min(most),
            // As many as are to be expected, and one at least: without any nothing would be damaged.
            Some(Flip::Chance(billionths)) => {
                let expected = u128::from(all) * u128::from(billionths) / 1_000_000_000;
                (expected as u64).clamp(1.min(most), most)
            }
        };
        let mut bits = BTreeSet::new();
        // Where nearly all are wanted the last ones would be long in coming.
        if count * 2 >= all {
            bits.extend(0..count);
            return bits;
        }
        while (bits.len() as u64) < count {
            bits.insert(below(rng, all));
        }
        bits
    }
}

/// A number below `end`, each as likely as any other but for a bias of nothing.
fn below(rng: &mut ChaCha8Rng, end: u64) -> u64 {
    rng.next_u64() % end.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, u64)]) -> Vec<Found> {
        let found =
            |(file, written): &(&str, u64)| Found { file: (*file).into(), written: *written };
        files.iter().map(found).collect()
    }

    fn damage(flip: Option<Flip>, truncate: Option<u64>, seed: u64) -> Damage {
        Damage { files: "*".into(), flip, truncate, seed }
    }

    #[test]
    fn damages_what_is_written_and_no_more() {
        let files = found(&[("b", 100), ("a", 50), ("empty", 0)]);
        for seed in 0..200 {
            let damage = damage(Some(Flip::Count(5)), Some(20), seed);
            let wounds = damage.draw(NodeId(1), &files).expect("wounds");
            let bits: usize = wounds.iter().map(|wound| wound.flip.len()).sum();
            assert_eq!(bits, 5, "seed {seed}");
            let mut cuts = 0;
            for wound in &wounds {
                let written = if wound.file == "a" { 50 } else { 100 };
                let length = wound.cut_to.unwrap_or(written);
                cuts += usize::from(wound.cut_to.is_some());
                assert!(length >= written - 20 && (wound.cut_to.is_none() || length < written));
                assert!(wound.flip.iter().all(|bit| bit / 8 < length), "seed {seed}: {wound:?}");
            }
            assert_eq!(cuts, 1);
            assert_eq!(damage.draw(NodeId(1), &files), Ok(wounds.clone()));
            assert_ne!(damage.draw(NodeId(2), &files), Ok(wounds));
        }
    }

    #[test]
    fn a_chance_gives_as_many_bits_as_are_to_be_expected() {
        let check = |written: u64, billionths: u32, expected: usize| {
            let damage = damage(Some(Flip::Chance(billionths)), None, 7);
            let wounds = damage.draw(NodeId(1), &found(&[("a", written)])).expect("wounds");
            assert_eq!(wounds[0].flip.len(), expected, "{written} with {billionths}");
        };
        check(125_000, 1_000, 1);
        check(1_250_000, 10_000, 100);
        check(10, 1, 1);
        check(10, 1_000_000_000, 80);
        check(1 << 30, 1_000_000_000, BITS_MAX as usize);
    }

    #[test]
    fn says_when_there_is_nothing_to_damage() {
        let nothing = damage(Some(Flip::Count(1)), None, 1).draw(NodeId(1), &found(&[("a", 0)]));
        assert!(nothing.is_err_and(|problem| problem.contains("nothing is written")));
    }
}
