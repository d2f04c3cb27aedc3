//! Expands the faults of a plan into the schedule of a run: pure, seeded, stored before the run.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::FaultId;
use serde_json::Value;

use crate::victims::shuffle;
use crate::{FaultSpec, Planned, Schedule, When};

impl Schedule {
    /// The faults of a load of `length`.
    ///
    /// Where there are several choices, they are dealt from a shuffled deck, so that in as many
    /// periods as there are choices each comes up once.
    pub fn expand(specs: &[FaultSpec], length: Duration, rng: &mut ChaCha8Rng) -> Self {
        let mut entries = Vec::new();
        for spec in specs {
            let mut deck: Vec<usize> = Vec::new();
            for (start, stop) in windows(spec, length) {
                if deck.is_empty() {
                    deck = (0..spec.choices.len()).collect();
                    shuffle(&mut deck, rng);
                }
                let Some(choice) = deck.pop().and_then(|place| spec.choices.get(place)) else {
                    continue;
                };
                for (name, value) in choice {
                    let spec = Value::Object([(name.clone(), value.clone())].into_iter().collect());
                    let (fault, seed) = (FaultId(0), rng.next_u64());
                    entries.push(Planned { fault, start, stop, spec, seed });
                }
            }
        }
        entries.sort_by_key(|entry| entry.start);
        for (entry, number) in entries.iter_mut().zip(1..) {
            entry.fault = FaultId(number);
        }
        Self { entries }
    }
}

fn windows(spec: &FaultSpec, length: Duration) -> Vec<(Duration, Duration)> {
    match spec.when {
        When::At(at) => vec![(at, at + spec.length)],
        When::Every(every) => (1..=u32::MAX)
            .map(|period| every * period)
            .take_while(|end| !every.is_zero() && *end <= length)
            .map(|end| (end.saturating_sub(spec.length), end))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use serde_json::json;

    use super::*;

    fn expand(seed: u64) -> Schedule {
        let any = json!([{"kill": "one"}, {"pause": "one"}, {"partition": "halves"}]);
        let specs = [
            json!({"every": "6s", "for": "3s", "any": any}),
            json!({"at": "4s", "for": "1s", "kill": "leader", "pause": "n1"}),
        ];
        let specs = specs.map(|spec| FaultSpec::parse(&spec).expect("a fault"));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Schedule::expand(&specs, Duration::from_secs(20), &mut rng)
    }

    #[test]
    fn deals_every_choice_once_in_windows_that_end_with_their_period() {
        let schedule = expand(1);
        let text = |entry: &Planned| {
            let (start, stop) = (entry.start.as_secs(), entry.stop.as_secs());
            format!("{} {start}-{stop}", entry.fault)
        };
        let windows: Vec<String> = schedule.entries.iter().map(text).collect();
        assert_eq!(windows, ["F1 3-6", "F2 4-5", "F3 4-5", "F4 9-12", "F5 15-18"]);
        let mut dealt: Vec<String> =
            [0, 3, 4].map(|place| schedule.entries[place].spec.to_string()).into();
        dealt.sort();
        let each = [r#"{"kill":"one"}"#, r#"{"partition":"halves"}"#, r#"{"pause":"one"}"#];
        assert_eq!(dealt, each);
    }

    #[test]
    fn is_the_same_for_the_same_seed() {
        assert_eq!(expand(3), expand(3));
        assert_ne!(expand(3), expand(4));
    }
}
