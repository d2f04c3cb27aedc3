//! What time it is on a node: a program there is asked, and compared with the controller's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use schism_lab::Command;

use super::{Look, Sight, Spot};

const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// What the way to the node and back may make of a difference, in seconds.
const MARGIN_S: f64 = 0.5;

/// The node's clock less ours, in seconds.
pub(super) struct Time {
    pub(super) offset_ms: i64,
    pub(super) drift_ppm: i32,
}

impl Time {
    fn offset_s(&self) -> f64 {
        self.offset_ms as f64 / 1e3
    }
}

fn own() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[async_trait]
impl Look for Time {
    async fn look(&self, spot: &Spot) -> Sight {
        let before = own();
        let asked = spot.host.run(&Command::new(["date", "+%s.%N"]), LOOK_WITHIN).await;
        let after = own();
        let output = asked.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let time: f64 = text.trim().parse().map_err(|_| format!("no time: {}", text.trim()))?;
        Ok(time - f64::midpoint(before, after))
    }

    fn bites(&self, before: f64, now: f64) -> Result<String, String> {
        let moved = now - before;
        let text = format!("the clock is {moved:+.2} s off from what it was");
        // A drift alone shows as soon as it has come to more than the margin.
        let seen = match self.offset_ms {
            0 => moved * f64::from(self.drift_ppm) > 0.0 && moved.abs() > MARGIN_S,
            _ => (moved - self.offset_s()).abs() < MARGIN_S + self.offset_s().abs() * 0.2,
        };
        if seen { Ok(text) } else { Err(text) }
    }

    fn gone(&self, before: f64, _: f64, now: f64) -> Result<String, String> {
        let text = format!("the clock is {:+.2} s off from what it was", now - before);
        if (now - before).abs() < MARGIN_S { Ok(text) } else { Err(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_jump_a_drift_and_the_true_time() {
        let jump = Time { offset_ms: 5000, drift_ppm: 0 };
        assert!(jump.bites(0.1, 5.1).is_ok() && jump.bites(0.1, 0.2).is_err());
        assert!(jump.gone(0.1, 5.1, 0.2).is_ok() && jump.gone(0.1, 5.1, 5.0).is_err());
        let drift = Time { offset_ms: 0, drift_ppm: -100_000 };
        assert!(drift.bites(0.0, -0.7).is_ok() && drift.bites(0.0, 0.7).is_err());
    }
}
