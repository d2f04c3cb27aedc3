//! The canary: a timer that does nothing but see how late it is.
//!
//! Where the controller itself is late, what it measured of the system's latency proves nothing.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;

const STEP: Duration = Duration::from_millis(5);

/// Runs until `stop`, and returns the worst lateness of each second of the load.
pub async fn watch(clock: Clock, stop: CancellationToken) -> Vec<(u64, Duration)> {
    let mut worst: Vec<(u64, Duration)> = Vec::new();
    let mut next = Instant::now() + STEP;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = stop.cancelled() => return worst,
        }
        let late = Instant::now().saturating_duration_since(next);
        let second = clock.elapsed().as_secs();
        match worst.last_mut() {
            Some((last, value)) if *last == second => *value = (*value).max(late),
            _ => worst.push((second, late)),
        }
        next = (next + STEP).max(Instant::now());
    }
}
