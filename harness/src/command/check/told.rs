//! How an answer is told: a table for people, JSON for programs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use schism_checkers::{Anomaly, Budget, minimal};
use serde_json::{Value, json};

use super::file::Answer;
use crate::command::{name_diagrams, print_verdict, say, shown, tell_diagrams};
use crate::report::Diagram;
use crate::store::{ClaimRecord, Word};

/// So much of the budget may go into making a proof smaller.
const SHRINK: std::time::Duration = std::time::Duration::from_secs(2);
/// A longer part than this helps nobody in a terminal.
const LINES_MAX: usize = 24;

/// Prints the answer, and where it is drawn: the report, and the diagrams if they were asked for.
pub fn tell(
    answer: &Answer,
    as_json: bool,
    several: bool,
    drawn: Option<&Path>,
    diagrams: Option<&[Diagram]>,
) {
    if as_json {
        let value = to_json(answer, diagrams.unwrap_or_default());
        // Of several files each has its line.
        let text = if several {
            serde_json::to_string(&value)
        } else {
            serde_json::to_string_pretty(&value)
        };
        return say(&text.unwrap_or_default());
    }
    if several {
        say(&format!("\n{}", answer.name));
    }
    let mut remarks: Vec<String> =
        drawn.map(|path| format!("Report: {}", shown(path))).into_iter().collect();
    match diagrams {
        Some([]) => remarks.push("Diagrams: none, since nothing is violated.".into()),
        Some(diagrams) => remarks.extend(tell_diagrams(diagrams)),
        None => {}
    }
    let run = answer.run.then(|| Path::new(&answer.name));
    print_verdict(run, &answer.verdict, &remarks, None);
    if !answer.run {
        tell_story(answer);
    }
}

/// The first violation in full, with the smallest part of the history that shows it.
fn tell_story(answer: &Answer) {
    let Some((claim, anomaly)) = violations(answer).next() else { return };
    say(&format!("\n{} breaks {}: {}", anomaly.name, claim.claim, anomaly.explanation));
    let Some(part) = part(answer, claim, anomaly) else { return };
    let lines: Vec<&str> = part.lines().collect();
    if lines.len() <= LINES_MAX {
        say("\nThe smallest part of the history that still shows it:");
        for line in lines {
            // Order is the proof, and the times of others are of many kinds.
            let event = line.split_once(' ').map_or(line, |(_, event)| event);
            say(&format!("  {event}"));
        }
    }
    say(&format!("\nschism explain {} tells what that is.", anomaly.name));
}

fn violations(answer: &Answer) -> impl Iterator<Item = (&ClaimRecord, &Anomaly)> {
    let claims = answer.verdict.claims.iter().filter(|claim| claim.verdict == Word::Violated);
    claims.flat_map(|claim| claim.anomalies.iter().map(move |anomaly| (claim, anomaly)))
}

/// The smallest part of the history found in a little time that still has the anomaly, as text.
fn part(answer: &Answer, claim: &ClaimRecord, anomaly: &Anomaly) -> Option<String> {
    let mut question = answer.question.clone();
    question.claims.retain(|asked| asked.claim.name() == claim.name);
    let budget = Budget::new(SHRINK, Budget::default().memory_bytes);
    // The verdict stands, whatever goes wrong here.
    let shrink = || minimal(&question, &answer.history, anomaly, &budget);
    let part = catch_unwind(AssertUnwindSafe(shrink)).ok().flatten();
    part.map(|part| part.to_text())
}

fn to_json(answer: &Answer, diagrams: &[Diagram]) -> Value {
    let claims: Vec<Value> =
        answer.verdict.claims.iter().map(|claim| claim_json(answer, claim)).collect();
    let mut value = json!({
        "version": 1,
        "file": answer.name,
        "format": answer.format.name(),
        "workload": answer.question.workload,
        "operations": answer.history.len(),
        "claims": claims,
        "faults": answer.verdict.faults,
        "faults_proven": answer.verdict.faults_proven,
        "configuration": answer.verdict.configuration,
        "unwell": answer.verdict.unwell,
        "consumers": answer.verdict.consumers,
        "torn": answer.verdict.torn,
        "read_s": answer.read_s,
        "elapsed_s": answer.verdict.check_s,
        "peak_memory_bytes": answer.verdict.peak_memory_bytes,
    });
    name_diagrams(&mut value, diagrams);
    value
}

fn claim_json(answer: &Answer, claim: &ClaimRecord) -> Value {
    let validity = match claim.verdict {
        Word::Upheld => "valid",
        Word::Violated => "invalid",
        Word::Unknown | Word::Crashed => "unknown",
    };
    // The first proof is made small; the others are told as they were found.
    let anomalies = claim.anomalies.iter().enumerate().map(|(place, anomaly)| {
        let mut value = serde_json::to_value(anomaly).unwrap_or_default();
        if place == 0 && claim.verdict == Word::Violated && !answer.run {
            value["part"] = part(answer, claim, anomaly).into();
        }
        value
    });
    json!({
        "claim": claim.name,
        "asked": claim.claim,
        "validity": validity,
        "reason": claim.reason,
        "judged": claim.judged,
        "anomalies": anomalies.collect::<Vec<_>>(),
    })
}
