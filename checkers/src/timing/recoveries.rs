//! When the system could be watched after its faults, and when it was good again.

use std::time::Duration;

use schism_history::{FaultId, FaultWindow, History, Time};

use super::load::{Load, Offered, answered, p99};

/// The length of a good second, and the steps at which one is looked for.
pub(super) const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);
/// The share of the offered load that a good second answers.
const OK_SHARE: f64 = 0.9;
/// With fewer operations a second says nothing.
pub(super) const OFFERED_MIN: usize = 3;

/// How the system came back from one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Which fault.
    pub fault: FaultId,
    /// When it and all faults that overlap it had been healed; `None` if one never was.
    pub healed: Option<Time>,
    /// When the first good second began; `None` if there was none until `watched`.
    pub recovered: Option<Time>,
    /// Until when the system could be watched: the next fault, or the end of the load.
    pub watched: Time,
}

/// How the system came back from each fault of a history, in order. `p99` is the plan's bound on
/// the latency of a good second. O(n log n).
pub fn recoveries(history: &History, p99: Duration) -> Vec<Recovery> {
    let faults = history.faults();
    let watches = watches(&faults, &Load::of(history), p99);
    let mut recoveries: Vec<(usize, Recovery)> = Vec::new();
    for Watch { places, healed, recovered, watched, .. } in watches {
        recoveries.extend(places.into_iter().map(|place| {
            (place, Recovery { fault: faults[place].fault, healed, recovered, watched })
        }));
    }
    recoveries.sort_by_key(|(place, _)| *place);
    recoveries.into_iter().map(|(_, recovery)| recovery).collect()
}

/// How the system came back from faults that overlap each other: not before the last of them was
/// healed can anybody ask for that.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// The places of the faults, the one that was healed last at the end.
    pub places: Vec<usize>,
    /// When the first of them began.
    pub start: Time,
    /// When the last of them had been healed; `None` if one never was.
    pub healed: Option<Time>,
    /// When the first second began in which enough was offered to judge it.
    pub judged: Option<Time>,
    /// When the first good second began.
    pub recovered: Option<Time>,
    /// Until when the system could be watched: the next fault, or the end of the load.
    pub watched: Time,
}

/// The watches of a history, in order of time. A second is good if its latency is within `bound`, or
/// within twice what was usual before the first fault.
pub(super) fn watches(faults: &[FaultWindow], load: &Load, bound: Duration) -> Vec<Watch> {
    let first = faults.iter().map(|fault| fault.start).min().unwrap_or(load.end);
    let baseline = p99(load.between(Time::ZERO, first));
    let bound = baseline.map_or(bound, |baseline| bound.max(baseline.saturating_mul(2)));
    let mut watches = groups(faults, load.end);
    for watch in &mut watches {
        watch.look(load, bound);
    }
    watches
}

/// The faults that overlap each other, and until when nothing else begins.
fn groups(faults: &[FaultWindow], end: Time) -> Vec<Watch> {
    let mut places: Vec<usize> = (0..faults.len()).collect();
    places.sort_by_key(|&place| faults[place].start);
    let mut groups: Vec<Watch> = Vec::new();
    for place in places {
        let FaultWindow { start, stop, .. } = faults[place];
        match groups.last_mut() {
            Some(group) if group.healed.is_none_or(|healed| start <= healed) => {
                group.places.push(place);
                group.healed = group.healed.and_then(|healed| Some(healed.max(stop?)));
            }
            last => {
                if let Some(last) = last {
                    last.watched = last.watched.min(start);
                }
                groups.push(Watch {
                    places: vec![place],
                    start,
                    healed: stop,
                    judged: None,
                    recovered: None,
                    watched: end,
                });
            }
        }
    }
    for group in &mut groups {
        group.places.sort_by_key(|&place| faults[place].stop);
    }
    groups
}

impl Watch {
    /// Looks for the first good second. A second without operations is not good, and long stretches
    /// of them are passed over, so that the cost depends on the load and not on the time.
    fn look(&mut self, load: &Load, bound: Duration) {
        let Some(mut from) = self.healed else { return };
        while let Some(to) = after(from, SECOND).filter(|to| *to <= self.watched) {
            let offered = load.between(from, to);
            if offered.len() >= OFFERED_MIN {
                self.judged.get_or_insert(from);
                if good(offered, bound) {
                    self.recovered = Some(from);
                    return;
                }
            }
            let steps = match (offered.first(), load.next(to)) {
                (Some(_), _) => 1,
                // The first step whose second holds the next operation.
                (None, Some(next)) => next.since(to).as_nanos() / STEP.as_nanos() + 1,
                (None, None) => return,
            };
            let steps = u32::try_from(steps).unwrap_or(u32::MAX);
            let Some(next) = after(from, STEP.saturating_mul(steps)) else { return };
            from = next;
        }
    }
}

/// The time `duration` later, unless no clock can show it.
fn after(time: Time, duration: Duration) -> Option<Time> {
    let nanoseconds = u64::try_from(duration.as_nanos()).ok()?;
    time.0.checked_add(nanoseconds).map(Time)
}

fn good(offered: &[Offered], bound: Duration) -> bool {
    let share = answered(offered) as f64 / offered.len() as f64;
    // Only answers are timed: how many are missing is judged by their share.
    let seen = p99(offered.iter().filter(|one| one.latency.is_some()));
    share >= OK_SHARE && seen.is_some_and(|seen| seen <= bound)
}
