//! Loads with faults: systems that come back in time, late, or not at all.

use std::fmt::Write as _;
use std::time::Duration;

use schism_history::{History, Time};

use super::{AVAILABILITY, RECOVERY, recoveries};
use crate::Validity::{Invalid, Unknown, Valid};
use crate::{Asked, Budget, CheckerEntry, Claim, Question, Validity, Verdict};

/// One fault, from 3 s to 5 s.
const ONE_FAULT: &[(u64, &str)] = &[
    (3000, "nemesis start F1 kill n1 one"),
    (3001, "nemesis bites F1 yes it is dead"),
    (5000, "nemesis stop F1"),
];

/// An operation every 20 ms for `seconds`, each answered after `latency_ms(time in ms)`, or never;
/// with a fault from 3 s to 5 s.
fn history(seconds: u64, latency_ms: impl Fn(u64) -> Option<u64>) -> History {
    with(ONE_FAULT, (0..seconds * 1000).step_by(20), latency_ms)
}

/// An operation at each of `times`, in milliseconds, and other events.
fn with(
    others: &[(u64, &str)],
    times: impl IntoIterator<Item = u64>,
    latency_ms: impl Fn(u64) -> Option<u64>,
) -> History {
    let mut events: Vec<(u64, String)> =
        others.iter().map(|(time, line)| (*time, (*line).to_owned())).collect();
    for (number, time) in times.into_iter().enumerate() {
        events.push((time, format!("p{number} invoke write x {number}")));
        match latency_ms(time) {
            Some(latency) => events.push((time + latency, format!("p{number} ok"))),
            None => events.push((time + 1000, format!("p{number} info timeout none"))),
        }
    }
    events.sort_by_key(|(time, _)| *time);
    let mut text = String::new();
    for (time, line) in events {
        let _ = writeln!(text, "{}s {line}", time as f64 / 1000.0);
    }
    History::from_text(&text).expect("the text is a history")
}

fn check(
    entry: &CheckerEntry,
    history: &History,
    question: &Question,
    expected: Validity,
) -> Verdict {
    let verdicts = entry.check(question, history, &Budget::default());
    let verdict = verdicts.into_iter().next().expect("a verdict");
    assert_eq!(verdict.validity, expected, "{}", verdict.reason);
    assert_eq!(expected == Invalid, !verdict.anomalies.is_empty());
    verdict
}

fn recovers(within_s: u64) -> Question {
    let within = Some(Duration::from_secs(within_s));
    Question::new("any", vec![Asked { within, ..Asked::new(Claim::Recovers) }])
}

fn available(p99_ms: u64) -> Question {
    let p99 = Some(Duration::from_millis(p99_ms));
    Question::new("any", vec![Asked { p99, ..Asked::new(Claim::Availability) }])
}

fn down_until(end: u64) -> impl Fn(u64) -> Option<u64> {
    move |time| (!(3000..end).contains(&time)).then_some(5)
}

#[test]
fn a_system_that_comes_back_in_time_recovers() {
    let verdict = check(&RECOVERY, &history(12, down_until(6500)), &recovers(3), Valid);
    assert_eq!(verdict.reason, "The slowest of 1 fault, F1, took 1.40 s to the first good second.");
    let found = recoveries(&history(12, down_until(6500)), Duration::from_secs(1));
    assert_eq!(found[0].recovered, Some(Time::from_secs_f64(6.4)));
    check(&RECOVERY, &history(12, down_until(5000)), &recovers(1), Valid);
}

#[test]
fn a_system_that_comes_back_late_or_never_does_not() {
    let late = check(&RECOVERY, &history(12, down_until(9000)), &recovers(2), Invalid);
    assert!(late.reason.contains("took 3.90 s"), "{}", late.reason);
    let never = check(&RECOVERY, &history(12, down_until(99_000)), &recovers(2), Invalid);
    assert!(never.reason.contains("no good second"), "{}", never.reason);
    // Answers alone do not make a good second: they must be as quick as before.
    let slow = |time| Some(if time < 5000 { 5 } else { 1500 });
    check(&RECOVERY, &history(14, slow), &recovers(2), Invalid);
}

#[test]
fn what_could_not_be_watched_is_not_judged() {
    let verdict = check(&RECOVERY, &history(7, down_until(99_000)), &recovers(3), Unknown);
    assert!(verdict.reason.contains("F1 could be watched for 1.98 s only"), "{}", verdict.reason);
    let quiet = History::from_text("p0 invoke write x 1 \n p0 ok").expect("a history");
    check(&RECOVERY, &quiet, &recovers(3), Unknown);
}

#[test]
fn a_second_with_few_operations_is_not_judged() {
    let slowly = with(ONE_FAULT, (0..14_000).step_by(500), |_| Some(10));
    let verdict = check(&RECOVERY, &slowly, &recovers(3), Unknown);
    assert!(verdict.reason.contains("too few operations were offered after F1"));
    let paused = (0..14_000).step_by(20).filter(|time| !(5000..9000).contains(time));
    let verdict = check(&RECOVERY, &with(ONE_FAULT, paused, |_| Some(10)), &recovers(3), Unknown);
    assert!(verdict.reason.contains("too few operations were offered after F1"));
    let bad = (0..14_000).step_by(20).filter(|time| !(6500..9000).contains(time));
    check(&RECOVERY, &with(ONE_FAULT, bad, down_until(9000)), &recovers(3), Invalid);
}

#[test]
fn faults_that_overlap_recover_together() {
    let faults = &[
        (3000, "nemesis start F1 kill n1 one"),
        (3500, "nemesis start F2 pause n2 one"),
        (3600, "nemesis start F3 pause n3 one"),
        (4000, "nemesis stop F3"),
        (5000, "nemesis stop F1"),
        (5000, "nemesis stop F2"),
    ];
    let times = || (0..14_000).step_by(20);
    check(&RECOVERY, &with(faults, times(), down_until(5000)), &recovers(3), Valid);
    let late = check(&RECOVERY, &with(faults, times(), down_until(9000)), &recovers(3), Invalid);
    assert!(late.reason.starts_with("After F3, F1 and F2 the system took 3.90 s"));
    assert_eq!(late.anomalies.len(), 1);
    let found = recoveries(&with(faults, times(), down_until(5000)), Duration::from_secs(1));
    let healed = found.iter().map(|recovery| (recovery.fault.0, recovery.healed));
    let all = Some(Time::from_secs_f64(5.0));
    assert_eq!(healed.collect::<Vec<_>>(), [(1, all), (2, all), (3, all)]);
    let open = &faults[..5];
    let verdict = check(&RECOVERY, &with(open, times(), down_until(5000)), &recovers(3), Unknown);
    assert!(verdict.reason.contains("F2 was not healed"), "{}", verdict.reason);
}

#[test]
fn the_time_of_day_costs_nothing() {
    let quiet = || (0..12_000).step_by(20).filter(|time| !(4900..5500).contains(time));
    for shift in [1_700_000_000_000_000_000, u64::MAX - 13_000_000_000] {
        let mut events = with(ONE_FAULT, quiet(), |_| Some(5)).events().to_vec();
        for event in events.iter_mut().filter(|event| event.time > Time::from_secs_f64(5.1)) {
            event.time = Time(event.time.0 + shift);
        }
        let history = History::from_events(events).expect("only times were changed");
        check(&RECOVERY, &history, &recovers(3), Unknown);
        check(&AVAILABILITY, &history, &available(250), Valid);
    }
    let mut events = history(12, down_until(6500)).events().to_vec();
    events.last_mut().expect("events").time = Time(u64::MAX);
    let history = History::from_events(events).expect("only times were changed");
    check(&RECOVERY, &history, &recovers(3), Valid);
}

#[test]
fn a_recovery_ends_when_the_asked_latency_is_kept() {
    // Twice the baseline are 10 ms; 400 ms would be good enough for a bound of one second.
    let slow = |time| Some(if (3000..9000).contains(&time) { 400 } else { 5 });
    check(&AVAILABILITY, &history(14, slow), &available(250), Valid);
    let mut question = recovers(3);
    check(&RECOVERY, &history(14, slow), &question, Valid);
    question.claims[0].p99 = Some(Duration::from_millis(250));
    check(&RECOVERY, &history(14, slow), &question, Invalid);
}

#[test]
fn a_late_controller_blames_nobody() {
    let mut question = recovers(2);
    question.lateness = vec![(6, Duration::from_millis(200))];
    check(&RECOVERY, &history(12, down_until(9000)), &question, Unknown);
    let slow = |time| Some(if (8000..9000).contains(&time) { 400 } else { 5 });
    check(&AVAILABILITY, &history(12, slow), &available(250), Invalid);
    let mut question = available(250);
    question.lateness = vec![(8, Duration::from_millis(100))];
    check(&AVAILABILITY, &history(12, slow), &question, Unknown);
}

#[test]
fn availability_leaves_faults_and_recoveries_out() {
    let verdict = check(&AVAILABILITY, &history(12, down_until(6500)), &available(250), Valid);
    assert!(verdict.reason.contains("answered within 5.0 ms"), "{}", verdict.reason);
}

#[test]
fn availability_counts_what_is_never_answered() {
    let lossy = |time| (time < 3000 || time % 1000 != 0).then_some(5);
    let verdict = check(&AVAILABILITY, &history(20, lossy), &available(250), Invalid);
    assert!(verdict.reason.contains("the 99th percentile is no answer"), "{}", verdict.reason);
}

#[test]
fn availability_needs_enough_operations() {
    check(&AVAILABILITY, &history(1, |_| Some(5)), &available(250), Unknown);
}
