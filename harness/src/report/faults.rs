//! Each fault: did it bite, and how did the system take it?

use std::time::Duration;

use schism_checkers::{Claim, Recovery, recoveries};
use schism_history::{FaultWindow, Time};
use serde_json::Value;

use super::charts::Point;
use super::data::{Around, Fault, Leader, Step};
use super::stored::Stored;

/// The share is shown from here to there, relative to the start of the fault.
const FROM_S: f64 = -1.0;
const TO_S: f64 = 8.0;
const STEP_S: f64 = 0.25;
const DEFAULT_P99: Duration = Duration::from_secs(1);

/// What the faults of a load are set beside.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The operations.
    pub points: &'a [Point],
    /// Who led.
    pub leaders: &'a [Leader],
    /// When the load ended.
    pub end: Time,
}

/// The faults of the run.
pub fn derive(stored: &Stored, seen: Seen<'_>) -> Vec<Fault> {
    let recoveries = recoveries(&stored.history, bound(stored));
    let faults = stored.faults.iter().zip(recoveries);
    faults.map(|(fault, recovery)| one(stored, fault, recovery, seen)).collect()
}

/// The plan's bound on the latency of a good second.
fn bound(stored: &Stored) -> Duration {
    let claims = stored.asked.iter().flat_map(|plan| &plan.claims);
    let recovers = claims.into_iter().find(|asked| asked.claim == Claim::Recovers);
    recovers.and_then(|asked| asked.p99).unwrap_or(DEFAULT_P99)
}

fn one(stored: &Stored, fault: &FaultWindow, recovery: Recovery, seen: Seen<'_>) -> Fault {
    let Seen { points, leaders, end } = seen;
    let stop = fault.stop.unwrap_or(end);
    let after = |time: Time| time.since(fault.start).as_secs_f64() * 1e3;
    let until = recovery.recovered.unwrap_or(recovery.watched).max(stop);
    let finish = |point: &Point| point.due + Duration::from_secs_f64(point.latency_ms / 1e3);
    let ended = |from: Time, wanted: &dyn Fn(&Point) -> bool| {
        let within = points.iter().filter(|point| point.due <= until && wanted(point));
        within.map(finish).filter(|time| *time >= from).min()
    };
    let first_error = ended(fault.start, &Point::is_error);
    let first_answer = first_error.and_then(|error| ended(error, &|point| point.answered));
    let leader = leaders.iter().find(|leader| leader.from_s > fault.start.as_secs_f64());
    let leader = leader.filter(|leader| leader.from_s <= until.as_secs_f64() + 1.0);
    Fault {
        id: fault.fault.to_string(),
        name: fault.name.to_string(),
        detail: fault.detail.to_string(),
        proven: fault.proven(),
        start_s: fault.start.as_secs_f64(),
        stop_s: stop.as_secs_f64(),
        healed: fault.stop.is_some(),
        victims: victims(fault),
        cut: {
            let cut = |link: &Value| link["drop"] == true || link["hold"] == true;
            pairs(stored, fault, cut, &["drop", "hold"])
        },
        slow: pairs(stored, fault, |link| link["delay_us"].is_u64(), &["delay"]),
        state: if matches!(&*fault.name, "kill" | "damage") || !stepped(fault, "kill").is_empty() {
            Some("killed")
        } else if &*fault.name == "pause" || !stepped(fault, "pause").is_empty() {
            Some("paused")
        } else {
            None
        },
        steps: steps(fault),
        probe: probe(fault),
        bites_ms: fault
            .bites
            .as_ref()
            // A scenario is judged when it is over: that is no moment of its own.
            .filter(|_| fault.proven() && !is_scenario(fault))
            .map(|(time, _)| after(*time)),
        first_error_ms: first_error.map(after),
        detected_ms: leader.map(|leader| leader.from_s * 1e3 - fault.start.as_secs_f64() * 1e3),
        detected_by: leader.map(|leader| match leader.term {
            Some(term) => format!("{} leads term {term}", leader.node),
            None => format!("{} leads", leader.node),
        }),
        first_answer_ms: first_answer.map(after),
        recovered_ms: recovery.recovered.map(|time| time.since(stop).as_secs_f64() * 1e3),
        watched_ms: recovery.watched.since(stop).as_secs_f64() * 1e3,
        around: around(fault.start, end, points),
    }
}

fn probe(fault: &FaultWindow) -> String {
    let text = |answer: &Option<(Time, schism_history::Evidence)>| match answer {
        Some((_, evidence)) => evidence.text.to_string(),
        None => "no answer".into(),
    };
    let healed = match (&fault.gone, fault.stop) {
        (None, None) => "not healed before the recording ends".into(),
        (gone, _) => text(gone),
    };
    format!("{}. After healing: {healed}.", text(&fault.bites))
}

/// Other faults may leave marks of steps, too: damage, of what it did to which files.
fn is_scenario(fault: &FaultWindow) -> bool {
    &*fault.name == "scenario"
}

/// The nodes that a fault struck; of a scenario, those that its steps stopped or killed.
fn victims(fault: &FaultWindow) -> Vec<String> {
    if !is_scenario(fault) {
        return fault.victims.iter().map(ToString::to_string).collect();
    }
    let struck = ["pause", "kill", "hold", "power-loss", "damage"]
        .into_iter()
        .flat_map(|word| stepped(fault, word));
    let mut names: Vec<String> =
        struck.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What the steps of a scenario with this word were about: nodes, or links.
fn stepped<'a>(fault: &'a FaultWindow, word: &str) -> Vec<&'a Value> {
    fault.steps.iter().filter_map(|step| step.injection[word].as_array()).flatten().collect()
}

fn steps(fault: &FaultWindow) -> Vec<Step> {
    let step = |step: &schism_history::FaultStep| Step {
        number: step.step,
        after_ms: step.time.since(fault.start).as_secs_f64() * 1e3,
        detail: step.detail.to_string(),
        late_ms: step.late_us as f64 / 1e3,
    };
    fault.steps.iter().map(step).collect()
}

/// The pairs of nodes with a link that `wanted` holds of, or that a step of these words was about,
/// each once.
fn pairs(
    stored: &Stored,
    fault: &FaultWindow,
    wanted: impl Fn(&Value) -> bool,
    words: &[&str],
) -> Vec<[usize; 2]> {
    let place = |end: &Value| stored.run.nodes.iter().position(|node| end == node.as_str());
    let pair = |from: &Value, to: &Value| {
        let (from, to) = (place(from)?, place(to)?);
        Some([from.min(to), from.max(to)])
    };
    let links = fault.injection["links"].as_array().map(Vec::as_slice).unwrap_or_default();
    let standing = links
        .iter()
        .filter(|link| wanted(link))
        .filter_map(|link| pair(&link["from"], &link["to"]));
    let stepped = words.iter().flat_map(|word| stepped(fault, word));
    let stepped = stepped.filter_map(|link| pair(&link[0], &link[1]));
    let mut pairs: Vec<[usize; 2]> = standing.chain(stepped).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn around(start: Time, end: Time, points: &[Point]) -> Around {
    let steps = ((TO_S - FROM_S) / STEP_S) as usize;
    let mut sent = vec![(0usize, 0usize); steps];
    for point in points.iter().filter(|point| point.due <= end) {
        let place = (point.due.as_secs_f64() - start.as_secs_f64() - FROM_S) / STEP_S;
        if place < 0.0 {
            continue;
        }
        if let Some((all, answered)) = sent.get_mut(place as usize) {
            *all += 1;
            *answered += usize::from(point.answered);
        }
    }
    let share = |(all, answered): (usize, usize)| {
        (all > 0).then(|| (answered as f64 / all as f64 * 1000.0).round() / 1000.0)
    };
    let answered_of_offered = sent.into_iter().map(share).collect();
    Around { from_s: FROM_S, step_s: STEP_S, answered_of_offered }
}
