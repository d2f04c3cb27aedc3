//! `recovers`: from healing to the first good second.

use std::time::Duration;

use schism_history::{FaultId, FaultWindow, History, Time};

use super::load::{Load, answered, p99};
use crate::phrase::{count, list, span};
use crate::verdict::Bound;
use crate::{Anomaly, Asked, Budget, Checker, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "recovery",
    summary: "how soon after each fault the system answers as before",
    decides: DECIDES,
    construct: || Box::new(Recovers),
};

const DECIDES: &[Claim] = &[Claim::Recovers];
const DEFAULT_WITHIN: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_P99: Duration = Duration::from_secs(1);
/// The length of a good second, and the steps at which one is looked for.
const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);
/// The share of the offered load that a good second answers.
const OK_SHARE: f64 = 0.9;
/// With fewer operations a second says nothing.
const OFFERED_MIN: usize = 3;

/// How the system came back from one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Which fault.
    pub fault: FaultId,
    /// When it had been healed; `None` if it never was.
    pub healed: Option<Time>,
    /// When the first good second began; `None` if there was none until `watched`.
    pub recovered: Option<Time>,
    /// Until when the system could be watched: the next fault, or the end of the load.
    pub watched: Time,
}

/// How the system came back from each fault of a history, in order. `p99` is the plan's bound on
/// the latency of a good second. O(n log n).
pub fn recoveries(history: &History, p99: Duration) -> Vec<Recovery> {
    recoveries_of(&history.faults(), &Load::of(history), p99)
}

pub(super) fn recoveries_of(faults: &[FaultWindow], load: &Load, bound: Duration) -> Vec<Recovery> {
    let first = faults.iter().map(|fault| fault.start).min().unwrap_or(load.end);
    let baseline = p99(load.between(Time::ZERO, first));
    let bound = baseline.map_or(bound, |baseline| bound.max(baseline * 2));
    let watch = |fault: &FaultWindow| {
        let healed = fault.stop?;
        // What begins later spoils the view; what still lasts does too.
        let others = faults.iter().filter(|other| other.fault != fault.fault);
        let spoilt = others
            .filter(|other| other.stop.is_none_or(|stop| stop > healed))
            .map(|other| other.start.max(healed))
            .min();
        let watched = spoilt.unwrap_or(load.end).min(load.end);
        let mut from = healed;
        let mut recovered = None;
        while from + SECOND <= watched {
            let offered = load.between(from, from + SECOND);
            let share = answered(offered) as f64 / offered.len().max(1) as f64;
            if offered.len() >= OFFERED_MIN
                && share >= OK_SHARE
                && p99_of_answers(offered).is_some_and(|seen| seen <= bound)
            {
                recovered = Some(from);
                break;
            }
            from = from + STEP;
        }
        Some((healed, recovered, watched))
    };
    faults
        .iter()
        .map(|fault| match watch(fault) {
            Some((healed, recovered, watched)) => {
                Recovery { fault: fault.fault, healed: Some(healed), recovered, watched }
            }
            None => {
                Recovery { fault: fault.fault, healed: None, recovered: None, watched: load.end }
            }
        })
        .collect()
}

/// Here only answers count: how many are missing is judged by their share.
fn p99_of_answers(offered: &[super::load::Offered]) -> Option<Duration> {
    p99(offered.iter().filter(|one| one.latency.is_some()))
}

/// Decides `recovers`.
#[derive(Debug)]
struct Recovers;

impl Checker for Recovers {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn decides(&self) -> &'static [Claim] {
        DECIDES
    }

    /// The cost is small, so that the budget is not looked at.
    fn check(&self, question: &Question, history: &History, _: &Budget) -> Vec<Verdict> {
        let asked = question.claims.iter().filter(|asked| DECIDES.contains(&asked.claim));
        asked.map(|asked| verdict(*asked, question, history)).collect()
    }
}

fn verdict(asked: Asked, question: &Question, history: &History) -> Verdict {
    let within = asked.within.unwrap_or(DEFAULT_WITHIN);
    let bound = asked.p99.unwrap_or(DEFAULT_P99);
    let (faults, load) = (history.faults(), Load::of(history));
    let judged = load.all().len();
    if faults.is_empty() {
        return Verdict::unknown(
            asked,
            judged,
            "No fault was injected, so that there was nothing to recover from.",
        );
    }
    let mut worst: Option<(FaultId, Duration)> = None;
    let mut late: Vec<Anomaly> = Vec::new();
    let mut unjudged: Vec<String> = Vec::new();
    for recovery in recoveries_of(&faults, &load, bound) {
        let Recovery { fault, healed, recovered, watched } = recovery;
        let Some(healed) = healed else {
            unjudged.push(format!("{fault} was not healed before the history ends"));
            continue;
        };
        let took = recovered.map(|recovered| recovered.since(healed));
        match took {
            Some(took) if took <= within => {
                if worst.is_none_or(|(_, longest)| took > longest) {
                    worst = Some((fault, took));
                }
            }
            // The bound has passed: not even a good second that begins at its end would do.
            _ if watched >= healed + within + SECOND => {
                if was_late(question, healed, healed + within + SECOND, bound) {
                    unjudged.push(format!("after {fault} the controller itself was late"));
                } else {
                    late.push(anomaly(fault, healed, took, within, watched));
                }
            }
            _ => {
                let seen = span(watched.since(healed));
                unjudged.push(format!("{fault} could be watched for {seen} only"));
            }
        }
    }
    let tally = count(faults.len(), "fault");
    if let Some(first) = late.first() {
        let more = if late.len() > 1 {
            format!(" So it was after {} of {tally}.", late.len())
        } else {
            String::new()
        };
        return Verdict::invalid(asked, judged, format!("{}{more}", first.explanation), late);
    }
    if !unjudged.is_empty() {
        let reason = format!("Not every recovery could be judged: {}.", list(&unjudged));
        return Verdict::unknown(asked, judged, reason);
    }
    let (slowest, took) =
        worst.map_or((String::new(), Duration::ZERO), |(fault, took)| (fault.to_string(), took));
    let reason = match took {
        Duration::ZERO => format!("After each of {tally} the first second was good."),
        took => format!(
            "The slowest of {tally}, {slowest}, took {} to the first good second.",
            span(took)
        ),
    };
    Verdict::valid(asked, judged, reason)
}

fn anomaly(
    fault: FaultId,
    healed: Time,
    took: Option<Duration>,
    within: Duration,
    watched: Time,
) -> Anomaly {
    let seen = match took {
        Some(took) => span(took),
        None => format!("not within {}", span(watched.since(healed))),
    };
    let explanation = match took {
        Some(took) => format!(
            "After {fault} the system took {} to its first good second; {} were allowed.",
            span(took),
            span(within)
        ),
        None => format!(
            "After {fault} there was no good second until the next fault or the end, {} later; it \
             was to come within {}.",
            span(watched.since(healed)),
            span(within)
        ),
    };
    let bound = Bound {
        what: "time from healing to the first good second".into(),
        bound: span(within),
        seen,
        fault: Some(fault),
        at_s: healed.as_secs_f64(),
    };
    Anomaly {
        name: "slow-recovery".into(),
        key: None,
        operations: Vec::new(),
        explanation,
        witness: Witness::Bound(bound),
    }
}

/// Whether the controller ran later than a tenth of `bound` in a second from `from` to `to`.
pub(super) fn was_late(question: &Question, from: Time, to: Time, bound: Duration) -> bool {
    let (from, to) = (from.as_secs_f64() as u64, to.as_secs_f64() as u64);
    let late = |(second, lateness): &(u64, Duration)| {
        (from..=to).contains(second) && *lateness > bound / 10
    };
    question.lateness.iter().any(late)
}
