//! The story of a run: what whoever reads nothing else has to know.

use schism_checkers::Witness;
use schism_history::{Code, FaultWindow, History, Outcome, Reason};

use crate::store::{ClaimRecord, Word};

/// One or two sentences for whoever reads nothing else.
pub(super) fn tell(claims: &[ClaimRecord], faults: &[FaultWindow], history: &History) -> String {
    // What was never sent is no evidence of anything.
    let shed = |reason: &Reason| reason.code == Code::Shed;
    let sent =
        |outcome: Option<&Outcome>| !matches!(outcome, Some(Outcome::Fail(reason)) if shed(reason));
    let operations = history.operations().filter(|operation| sent(operation.outcome)).count();
    let Some(worst) = claims.first() else { return "Nothing was claimed.".into() };
    match worst.verdict {
        Word::Violated => {
            let explanation = worst.anomalies.first().map(|anomaly| anomaly.explanation.as_str());
            let explanation = impossible(worst, history)
                .unwrap_or_else(|| first_sentences(explanation.unwrap_or(&worst.reason)));
            match cause(worst, faults, history) {
                Some(cause) => format!("{explanation} {cause}"),
                None => explanation,
            }
        }
        Word::Crashed | Word::Unknown => {
            let count = claims.iter().filter(|claim| claim.verdict != Word::Upheld).count();
            let more =
                if count > 1 { format!(" ({count} claims are undecided.)") } else { String::new() };
            format!(
                "Nothing was violated, but {} is not decided: {}{more}",
                worst.name, worst.reason
            )
        }
        Word::Upheld => {
            let (subject, were) = match claims.len() {
                1 => (format!("The claim {}", worst.claim), "was"),
                count => (format!("All {count} claims"), "were"),
            };
            // Nothing is upheld while a fault is unproven.
            let under = match faults.len() {
                0 => "without a fault".to_owned(),
                1 => "under one fault that was proven to bite".to_owned(),
                all => format!("under {all} faults, each proven to bite"),
            };
            format!("{subject} {were} upheld by {} operations, {under}.", grouped(operations))
        }
    }
}

/// What was answered that cannot be, without the proof.
fn impossible(claim: &ClaimRecord, history: &History) -> Option<String> {
    let anomaly = claim.anomalies.first()?;
    let Witness::Linearization { impossible, holds, .. } = &anomaly.witness else { return None };
    let operation = history.operations().find(|operation| operation.invoked == *impossible)?;
    let who = operation.node.map_or_else(|| operation.process.to_string(), |node| node.to_string());
    let key = anomaly.key.as_deref()?;
    let answer = &operation.ok()?.value;
    Some(match operation.op.f.as_str() {
        "read" => format!(
            "{who} answered a read of key {key} with {answer}, although it had to hold {holds} by then."
        ),
        f => format!(
            "{who} answered {f} {} on key {key} with ok, although the key had to hold {holds} by then.",
            operation.op.value
        ),
    })
}

/// When the violation came to light, and which fault was under way then or had been last.
fn cause(claim: &ClaimRecord, faults: &[FaultWindow], history: &History) -> Option<String> {
    let index = *claim.anomalies.first()?.operations.last()?;
    let operation = history.operations().find(|operation| operation.invoked == index)?;
    let (start, end) = (operation.start, operation.end.unwrap_or(operation.start));
    let open =
        |fault: &&FaultWindow| fault.start <= end && fault.stop.is_none_or(|stop| stop >= start);
    let name = |fault: &FaultWindow| format!("{} ({} {})", fault.fault, fault.name, fault.detail);
    let during: Vec<String> = faults.iter().filter(open).map(name).collect();
    let seconds = start.as_secs_f64();
    if !during.is_empty() {
        return Some(format!(
            "It happened {seconds:.1} s into the load, during {}.",
            during.join(" and ")
        ));
    }
    // Of a history without faults, from whatever tool, its times say little.
    if faults.is_empty() {
        return None;
    }
    let before = faults.iter().rfind(|fault| fault.stop.is_some_and(|stop| stop < start));
    Some(match before {
        Some(fault) => {
            format!("It came to light {seconds:.1} s into the load, after {}.", name(fault))
        }
        None => format!("It happened {seconds:.1} s into the load, before any fault."),
    })
}

/// The first two sentences of a text.
fn first_sentences(text: &str) -> String {
    let mut ends = text.match_indices(". ").map(|(place, _)| place + 1);
    let _ = ends.next();
    text[..ends.next().unwrap_or(text.len())].to_owned()
}

/// `12,345`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits() {
        assert_eq!([grouped(7), grouped(1234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
    }
}
