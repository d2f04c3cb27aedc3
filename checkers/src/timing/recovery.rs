//! `recovers`: from healing to the first good second.

use std::time::Duration;

use schism_history::{FaultId, History, Time};

use super::load::Load;
use super::recoveries::{OFFERED_MIN, SECOND, Watch, watches};
use crate::phrase::{count, list, span};
use crate::verdict::Bound;
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "recovery",
    summary: "how soon after each fault the system answers as before",
    subjects: &[],
    decides: &[Claim::Recovers],
    check,
};

const DEFAULT_WITHIN: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_P99: Duration = Duration::from_secs(1);

/// The cost is small, so that the budget is not looked at.
fn check(question: &Question, history: &History, _: &Budget) -> Vec<Verdict> {
    question.claims.iter().map(|asked| verdict(*asked, question, history)).collect()
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
    let mut worst: Option<(String, Duration)> = None;
    let mut late: Vec<Anomaly> = Vec::new();
    let mut late_faults = 0;
    let mut unjudged: Vec<String> = Vec::new();
    for watch in watches(&faults, &load, bound) {
        let Some(healed) = watch.healed else {
            let open = watch.places.iter().filter(|&&place| faults[place].stop.is_none());
            let tell = |&place: &usize| {
                format!("{} was not healed before the history ends", faults[place].fault)
            };
            unjudged.extend(open.map(tell));
            continue;
        };
        let ids: Vec<FaultId> = watch.places.iter().map(|&place| faults[place].fault).collect();
        let name = list(&ids.iter().map(ToString::to_string).collect::<Vec<String>>());
        let late_at = |from, to| was_late(question, from, to, bound);
        match judge(&watch, &name, healed, within, late_at) {
            Judgement::InTime(took) => {
                if worst.as_ref().is_none_or(|(_, longest)| took > *longest) {
                    worst = Some((name, took));
                }
            }
            Judgement::Late => {
                late_faults += ids.len();
                late.push(anomaly(&name, ids.last().copied(), &watch, healed, within));
            }
            Judgement::Unknown(problem) => unjudged.push(problem),
        }
    }
    let tally = count(faults.len(), "fault");
    if let Some(first) = late.first() {
        let more = if late.len() > 1 {
            format!(" So it was after {late_faults} of {tally}.")
        } else {
            String::new()
        };
        return Verdict::invalid(asked, judged, format!("{}{more}", first.explanation), late);
    }
    if !unjudged.is_empty() {
        let reason = format!("Not every recovery could be judged: {}.", list(&unjudged));
        return Verdict::unknown(asked, judged, reason);
    }
    let (slowest, took) = worst.unwrap_or_default();
    let reason = match took {
        Duration::ZERO => format!("After each of {tally} the first second was good."),
        took => format!(
            "The slowest of {tally}, {slowest}, took {} to the first good second.",
            span(took)
        ),
    };
    Verdict::valid(asked, judged, reason)
}

/// What one watch says.
enum Judgement {
    /// The first good second came so long after the healing.
    InTime(Duration),
    /// It was not good in time.
    Late,
    /// Why nobody can say.
    Unknown(String),
}

fn judge(
    watch: &Watch,
    name: &str,
    healed: Time,
    within: Duration,
    late: impl Fn(Time, Time) -> bool,
) -> Judgement {
    let took = watch.recovered.map(|recovered| recovered.since(healed));
    // The bound has passed: not even a good second that begins at its end would do.
    let (latest, end) = (healed + within, healed + within + SECOND);
    match took {
        Some(took) if took <= within => Judgement::InTime(took),
        _ if watch.watched < end => {
            let seen = span(watch.watched.since(healed));
            Judgement::Unknown(format!("{name} could be watched for {seen} only"))
        }
        _ if watch.judged.is_none_or(|judged| judged > latest) => Judgement::Unknown(format!(
            "too few operations were offered after {name} to judge a second, which takes {OFFERED_MIN}"
        )),
        _ if late(healed, end) => {
            Judgement::Unknown(format!("after {name} the controller itself was late"))
        }
        _ => Judgement::Late,
    }
}

fn anomaly(
    name: &str,
    fault: Option<FaultId>,
    watch: &Watch,
    healed: Time,
    within: Duration,
) -> Anomaly {
    let took = watch.recovered.map(|recovered| recovered.since(healed));
    let seen = match took {
        Some(took) => span(took),
        None => format!("not within {}", span(watch.watched.since(healed))),
    };
    let explanation = match took {
        Some(took) => format!(
            "After {name} the system took {} to its first good second; {} were allowed.",
            span(took),
            span(within)
        ),
        None => format!(
            "After {name} there was no good second until the next fault or the end, {} later; it \
             was to come within {}.",
            span(watch.watched.since(healed)),
            span(within)
        ),
    };
    let bound = Bound {
        what: "time from healing to the first good second".into(),
        bound: span(within),
        seen,
        fault,
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
