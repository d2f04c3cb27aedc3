//! `availability`: latency outside the faults and their recoveries.

use std::time::Duration;

use rustc_hash::FxHashSet;
use schism_history::{History, Time};

use super::load::{Load, Offered, answered, p99};
use super::recoveries::watches;
use super::recovery::DEFAULT_P99;
use crate::phrase::{count, span};
use crate::verdict::Bound;
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "availability",
    summary: "latency and errors outside the faults and their recoveries",
    subjects: &[],
    decides: &[Claim::Availability],
    check,
};

/// With fewer operations a 99th percentile is only the slowest one.
const OFFERED_MIN: usize = 100;
/// A late controller's backlog reaches into the next second, and an operation of the last one waits for it.
const AFTERMATH_S: u64 = 1;

/// The cost is small, so that the budget is not looked at.
fn check(question: &Question, history: &History, _: &Budget) -> Vec<Verdict> {
    question.claims.iter().map(|asked| verdict(*asked, question, history)).collect()
}

fn verdict(asked: Asked, question: &Question, history: &History) -> Verdict {
    let bound = asked.p99.unwrap_or(DEFAULT_P99);
    let load = Load::of(history);
    let closed = closed_times(history, &load, bound);
    let outside: Vec<Offered> =
        load.all().iter().filter(|one| !within(&closed, one.start)).copied().collect();
    if outside.len() < OFFERED_MIN {
        let reason = format!(
            "Only {} began outside the faults and their recoveries; a 99th percentile needs {OFFERED_MIN}.",
            count(outside.len(), "operation")
        );
        return Verdict::unknown(asked, outside.len(), reason);
    }
    if let Some(seen) = p99(&outside).filter(|seen| *seen <= bound) {
        let reason = format!(
            "99 % of {} outside the faults were answered within {}.",
            count(outside.len(), "operation"),
            span(seen)
        );
        return Verdict::valid(asked, outside.len(), reason);
    }
    let late = late_seconds(question, bound);
    let second = |one: &Offered| one.start.as_secs_f64() as u64;
    let fair: Vec<Offered> =
        outside.iter().filter(|one| !late.contains(&second(one))).copied().collect();
    match p99(&fair) {
        seen if fair.len() >= OFFERED_MIN && seen.is_none_or(|seen| seen > bound) => {
            violated(asked, bound, seen, &fair)
        }
        _ => {
            let reason = format!(
                "The bound was exceeded only while the controller itself was later than {}, a tenth of it.",
                span(bound / 10)
            );
            Verdict::unknown(asked, outside.len(), reason)
        }
    }
}

fn violated(asked: Asked, bound: Duration, seen: Option<Duration>, fair: &[Offered]) -> Verdict {
    let unanswered = fair.len() - answered(fair);
    let slow = |one: &&Offered| one.latency.is_none_or(|latency| latency > bound);
    let (first, number) = (
        fair.iter().find(slow).map_or(Time::ZERO, |one| one.start),
        fair.iter().filter(slow).count(),
    );
    let seen = seen.map_or_else(|| "no answer".to_owned(), span);
    let explanation = format!(
        "Outside the faults and their recoveries {number} of {} took longer than {} or were never \
         answered ({unanswered}); the 99th percentile is {seen}. The first began at {:.1} s.",
        count(fair.len(), "operation"),
        span(bound),
        first.as_secs_f64(),
    );
    let bound = Bound {
        what: "99th percentile of latency outside the faults".into(),
        bound: span(bound),
        seen,
        fault: None,
        at_s: first.as_secs_f64(),
    };
    let anomaly = Anomaly {
        name: "unavailable".into(),
        key: None,
        operations: Vec::new(),
        explanation: explanation.clone(),
        witness: Witness::Bound(bound),
    };
    Verdict::invalid(asked, fair.len(), explanation, vec![anomaly])
}

/// From the start of faults that overlap to the end of their recovery, in order; neither the
/// beginnings nor the ends ever fall. An operation that began shortly before a fault was caught by
/// it: as much as the bound allows it to take.
fn closed_times(history: &History, load: &Load, bound: Duration) -> Vec<(Time, Time)> {
    let closed = watches(&history.faults(), load, bound).into_iter().map(|watch| {
        let from = Time(watch.start.0.saturating_sub(Time::from(bound).0));
        let healed = watch.healed.unwrap_or(load.end);
        (from, watch.recovered.unwrap_or(watch.watched).max(healed))
    });
    closed.collect()
}

fn within(closed: &[(Time, Time)], time: Time) -> bool {
    let place = closed.partition_point(|(_, to)| *to < time);
    closed.get(place).is_some_and(|(from, _)| *from <= time)
}

/// The seconds in which the controller was later than a tenth of the bound, and those beside them.
fn late_seconds(question: &Question, bound: Duration) -> FxHashSet<u64> {
    let late = question.lateness.iter().filter(|(_, lateness)| *lateness > bound / 10);
    let near = |(second, _): &(u64, Duration)| {
        second.saturating_sub(AFTERMATH_S)..=second.saturating_add(AFTERMATH_S)
    };
    late.flat_map(near).collect()
}
