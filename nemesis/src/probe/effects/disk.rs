//! Looks at a node's disk: a program there writes, syncs and reads, and looks for what it left.

use std::time::Duration;

use async_trait::async_trait;
use schism_lab::{Loss, Operation, Trouble};
use serde_json::Value;

use super::{Look, Sight, Spot};

/// How many rounds of writing, syncing and reading tell how slow a disk is.
const ROUNDS: u32 = 12;
/// With fewer tries than this many times the odds, a failing disk may look sound.
const TIMES_THE_ODDS: u32 = 3;
const ROUNDS_MAX: u32 = 400;
const MILLION: u32 = 1_000_000;

/// A full, slow or failing disk.
pub(super) struct Ailing(pub(super) Trouble);

impl Ailing {
    fn rounds(&self) -> u32 {
        match &self.0 {
            Trouble::Failing { of_million, .. } => {
                (TIMES_THE_ODDS * MILLION / (*of_million).max(1)).clamp(ROUNDS, ROUNDS_MAX)
            }
            Trouble::Full => 1,
            Trouble::Slow { .. } => ROUNDS,
        }
    }
}

fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Fsync => "fsync",
    }
}

fn number(seen: &Value, operation: Operation, what: &str) -> Option<f64> {
    seen[name(operation)][what].as_f64()
}

/// The sight: 1 or 0 for full or not; the median milliseconds of the fastest of the operations that
/// are to be slow; the part of those that failed.
fn sight(trouble: &Trouble, seen: &Value) -> Option<f64> {
    match trouble {
        Trouble::Full => seen["full"].as_bool().map(|full| f64::from(u8::from(full))),
        Trouble::Slow { operations, .. } => {
            let medians = operations.iter().map(|it| number(seen, *it, "median_us"));
            let fastest = medians.reduce(|one, other| Some(one?.min(other?)))??;
            Some(fastest / 1e3)
        }
        Trouble::Failing { operations, .. } => {
            let (mut failed, mut tries) = (0.0, 0.0);
            for operation in operations {
                failed += number(seen, *operation, "failed")?;
                tries += number(seen, *operation, "tries")?;
            }
            Some(failed / f64::max(tries, 1.0))
        }
    }
}

#[async_trait]
impl Look for Ailing {
    async fn look(&self, spot: &Spot) -> Sight {
        let seen = spot.look(&["disk", &self.rounds().to_string()]).await?;
        sight(&self.0, &seen).ok_or_else(|| "a look at its disk saw nothing".into())
    }

    fn bites(&self, before: f64, now: f64) -> Result<String, String> {
        match &self.0 {
            Trouble::Full if now > 0.0 => Ok("nothing more fits onto the disk".into()),
            Trouble::Full => Err("a file could grow".into()),
            Trouble::Slow { by_us, jitter_us, .. } => {
                let text = format!("the disk took {now:.1} ms, {before:.1} ms before");
                // The disk below may have become faster meanwhile, but not the layer.
                let least = millis(by_us.saturating_sub(*jitter_us));
                if now >= least && now >= before + millis(*by_us) / 2.0 {
                    Ok(text)
                } else {
                    Err(text)
                }
            }
            Trouble::Failing { .. } => {
                let text = format!("{} of what was asked of the disk failed", part(now));
                if now > before { Ok(text) } else { Err(text) }
            }
        }
    }

    fn gone(&self, before: f64, held: f64, now: f64) -> Result<String, String> {
        match &self.0 {
            Trouble::Full if now > 0.0 => Err("still nothing fits onto the disk".into()),
            Trouble::Full => Ok("a file can grow again".into()),
            Trouble::Slow { .. } => {
                let text = format!("the disk takes {now:.1} ms again");
                if now < f64::midpoint(before, held) || now <= before {
                    Ok(text)
                } else {
                    Err(text)
                }
            }
            Trouble::Failing { .. } => {
                let text = format!("{} of what is asked of the disk fails", part(now));
                if now <= before { Ok(text) } else { Err(text) }
            }
        }
    }
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1e3
}

fn part(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// What was lost with the power. Two files are written before, and one of them is synced.
pub(super) struct Lost(pub(super) Loss);

#[async_trait]
impl Look for Lost {
    /// How many pages that were not synced are lost; 0 where both files were written just now.
    async fn look(&self, spot: &Spot) -> Sight {
        let seen = spot.look(&["loss", &self.0.seed.to_string()]).await?;
        let lost = seen["lost"].as_f64().unwrap_or_default();
        if seen["planted"] == Value::Bool(false) && lost == 0.0 {
            return Err("nothing that was not synced is lost".into());
        }
        Ok(lost)
    }

    fn bites(&self, _: f64, now: f64) -> Result<String, String> {
        if now > 0.0 {
            return Ok(format!(
                "what was synced is there, and {now:.0} pages that were not are lost"
            ));
        }
        Err("what was synced is lost, too: that is none of a power loss".into())
    }

    fn gone(&self, _: f64, _: f64, _: f64) -> Result<String, String> {
        Ok("what is lost stays lost".into())
    }
}

/// The layer alone, which shows nothing.
pub(super) struct Sound;

#[async_trait]
impl Look for Sound {
    async fn look(&self, spot: &Spot) -> Sight {
        spot.look(&["disk", "1"]).await.map(|_| 1.0)
    }

    fn bites(&self, _: f64, _: f64) -> Result<String, String> {
        Ok("the disk is written and read".into())
    }

    fn gone(&self, _: f64, _: f64, _: f64) -> Result<String, String> {
        Ok("the disk is written and read".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slow() -> Ailing {
        let operations = vec![Operation::Write, Operation::Fsync];
        Ailing(Trouble::Slow { by_us: 50_000, jitter_us: 10_000, operations, seed: 0 })
    }

    #[test]
    fn the_fastest_of_what_is_to_be_slow_counts() {
        let seen = json!({
            "write": { "tries": 3, "failed": 1, "median_us": 45_000 },
            "fsync": { "tries": 3, "failed": 0, "median_us": 52_000 },
            "read": { "tries": 3, "failed": 3, "median_us": 10 },
            "full": false,
        });
        assert_eq!(sight(&slow().0, &seen), Some(45.0));
        let operations = vec![Operation::Write, Operation::Fsync];
        let failing = Trouble::Failing { of_million: 100_000, operations, seed: 0 };
        assert_eq!(sight(&failing, &seen), Some(1.0 / 6.0));
        assert_eq!(sight(&Trouble::Full, &seen), Some(0.0));
        assert_eq!(sight(&Trouble::Full, &json!({})), None);
    }

    #[test]
    fn tells_a_slow_disk_from_one_that_is_slow_anyway() {
        assert!(slow().bites(1.0, 48.0).is_ok());
        assert!(slow().bites(1.0, 30.0).is_err());
        assert!(slow().bites(45.0, 50.0).is_err(), "it was as slow before");
        assert!(slow().gone(1.0, 48.0, 3.0).is_ok() && slow().gone(1.0, 48.0, 47.0).is_err());
    }

    #[test]
    fn a_loss_that_takes_what_was_synced_is_none() {
        let lost = Lost(Loss::default());
        assert!(lost.bites(0.0, 32.0).is_ok() && lost.bites(0.0, 0.0).is_err());
    }
}
