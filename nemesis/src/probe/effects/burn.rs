//! How much of a processor a busy thread gets on the node: a program that computes there measures
//! its own progress.

use std::time::Duration;

use async_trait::async_trait;
use schism_lab::Command;

use super::{Look, Sight, Spot};

/// The look gives up after a few seconds by itself.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// A share is worse where it has fallen to less than this part of what it was.
const FALLEN: f64 = 0.6;
/// It is well again where it has risen by this much of what it was while burning …
const RISEN: f64 = 1.4;
/// … or where it is about what it was before.
const AS_BEFORE: f64 = 0.8;

pub(super) struct Share;

#[async_trait]
impl Look for Share {
    async fn look(&self, spot: &Spot) -> Sight {
        let look = spot.host.run(&Command::new(["schism", "look", "cpu"]), LOOK_WITHIN).await;
        let output = look.map_err(|error| error.to_string())?;
        let line: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|_| "a look at its processor failed")?;
        line["share"].as_f64().ok_or_else(|| "a look at its processor saw nothing".into())
    }

    fn bites(&self, before: f64, now: f64) -> Result<String, String> {
        let text =
            format!("a busy thread got {} of a processor, {} before", part(now), part(before));
        if now < before * FALLEN { Ok(text) } else { Err(text) }
    }

    fn gone(&self, before: f64, held: f64, now: f64) -> Result<String, String> {
        let text = format!("a busy thread gets {} of a processor again", part(now));
        if now > held * RISEN || now > before * AS_BEFORE { Ok(text) } else { Err(text) }
    }
}

fn part(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_share_that_fell_and_one_that_rose_again() {
        assert!(Share.bites(0.9, 0.2).is_ok());
        assert!(Share.bites(0.4, 0.35).is_err(), "the machine is busy anyway");
        assert!(Share.gone(0.9, 0.2, 0.85).is_ok());
        assert!(Share.gone(0.9, 0.2, 0.22).is_err());
        assert!(Share.gone(0.4, 0.1, 0.2).is_ok());
    }
}
