//! When operations are to arrive, fixed before the load begins.
//!
//! In an open loop the load does not wait for the system: an operation is due when it is due, and
//! latency counts from then, so that a stalled system cannot hide its stall by being asked less.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schism_history::{Rate, Time};

/// The times at which operations are due: `rate` of them a second for `duration`, in order.
///
/// The time is cut into slots of 1/rate, and each slot holds one arrival, drawn evenly within it.
/// Arrivals of a Poisson process would be closer to the traffic of many independent users, but
/// their bursts queue by themselves, and their number differs from seed to seed and from second to
/// second: then a bound on latency would judge the draw as well as the system, and the offered
/// load, of which `recovers` wants nine tenths answered, would be known only on the average. With
/// slots every second is offered the same, to within one operation, and the jitter still keeps
/// arrivals from falling into step with the system's own timers.
///
/// O(rate × duration) time and memory, 8 bytes an arrival.
///
/// ```
/// # use std::time::Duration;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let rate = "400/s".parse().expect("a rate");
/// let due = schism_workloads::arrivals(rate, Duration::from_secs(20), &mut rng);
/// assert_eq!(due.len(), 8000);
/// assert!(due.is_sorted());
/// ```
pub fn arrivals(rate: Rate, duration: Duration, rng: &mut ChaCha8Rng) -> Vec<Time> {
    let slot_ns = 1e9 / rate.per_second;
    // A whole number of slots may come out a hair too small in floating point.
    let count = (duration.as_secs_f64() * rate.per_second + 1e-6).floor() as u64;
    let within = |number: u64, rng: &mut ChaCha8Rng| {
        Time(((number as f64 + rng.random::<f64>()) * slot_ns) as u64)
    };
    (0..count).map(|number| within(number, rng)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    fn due(per_second: f64, seconds: f64, seed: u64) -> Vec<Time> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        arrivals(Rate { per_second }, Duration::from_secs_f64(seconds), &mut rng)
    }

    proptest! {
        #[test]
        fn fills_every_slot_once(per_second in 0.1..5000.0f64, seconds in 0.0..5.0f64, seed: u64) {
            let due = due(per_second, seconds, seed);
            let expected = per_second * seconds;
            prop_assert!((due.len() as f64 - expected).abs() <= 1.0);
            for (number, time) in due.iter().enumerate() {
                // A nanosecond is lost to rounding at either end.
                let place = (time.0 as f64 - number as f64 * 1e9 / per_second) * per_second / 1e9;
                prop_assert!((-1e-4..=1.0001).contains(&place), "arrival {number} at {place}");
            }
            prop_assert!(due.is_sorted());
        }
    }

    #[test]
    fn repeats_from_the_same_seed_only() {
        assert_eq!(due(400.0, 3.0, 7), due(400.0, 3.0, 7));
        assert_ne!(due(400.0, 3.0, 7), due(400.0, 3.0, 8));
    }

    #[test]
    fn counts_whole_slots_exactly() {
        assert_eq!(due(400.0, 20.0, 7).len(), 8000);
        assert_eq!(due(0.1, 30.0, 7).len(), 3);
        assert_eq!(due(30.0, 0.1, 7).len(), 3);
    }
}
