//! Writes a history as short text.

use std::fmt::Write as _;

use super::word::{Phrase, Quoted, Word};
use crate::{Event, Evidence, FaultMark, Kind, Outcome, Phase, Reason, Value};

/// Writes one event, without the end of the line.
pub(super) fn write_line(text: &mut String, event: &Event) {
    let _ = write!(text, "{}ns ", event.time.0);
    match &event.kind {
        Kind::Fault(mark) => write_mark(text, mark),
        Kind::Invoke { op, due, node } => {
            let _ = write!(text, "{} invoke {}", event.process, Word(op.f.as_str()));
            let _ = match (op.key, op.f.as_str()) {
                (Some(key), "txn") => write!(text, " {}", Quoted(key.as_str())),
                (Some(key), _) => write!(text, " {}", Word(key.as_str())),
                (None, "txn") => Ok(()),
                (None, _) => write!(text, " _"),
            };
            if op.value != Value::Nil {
                let _ = write!(text, " {}", op.value);
            }
            if let Some(node) = node {
                let _ = write!(text, " @{node}");
            }
            if let Some(due) = due {
                let _ = write!(text, " due={}ns", due.0);
            }
        }
        Kind::Complete(Outcome::Ok(reply)) => {
            let _ = write!(text, "{} ok {}", event.process, reply.value);
            if let Some(version) = reply.version {
                let _ = write!(text, " v{version}");
            }
        }
        Kind::Complete(Outcome::Fail(reason)) => {
            let _ = write!(text, "{} fail {}", event.process, words(reason));
        }
        Kind::Complete(Outcome::Info(reason)) => {
            let _ = write!(text, "{} info {}", event.process, words(reason));
        }
    }
}

fn words(reason: &Reason) -> String {
    format!("{} {}", reason.code.as_str(), Phrase(&reason.text))
}

fn write_mark(text: &mut String, mark: &FaultMark) {
    let yes = |evidence: &Evidence| if evidence.seen { "yes" } else { "no" };
    let _ = match mark {
        FaultMark::Start { fault, name, detail, victims, .. } => {
            let victims: Vec<String> = victims.iter().map(ToString::to_string).collect();
            let victims = if victims.is_empty() { "_".to_owned() } else { victims.join(",") };
            write!(text, "nemesis start {fault} {} {victims} {}", Word(name), Phrase(detail))
        }
        FaultMark::Probe { fault, phase: Phase::Bites, evidence } => {
            write!(text, "nemesis bites {fault} {} {}", yes(evidence), Phrase(&evidence.text))
        }
        FaultMark::Probe { fault, phase: Phase::Gone, evidence } => {
            write!(text, "nemesis gone {fault} {} {}", yes(evidence), Phrase(&evidence.text))
        }
        FaultMark::Step { fault, step, detail, late_us, .. } => {
            write!(text, "nemesis step {fault} {step} {late_us}us {}", Phrase(detail))
        }
        FaultMark::Stop { fault } => write!(text, "nemesis stop {fault}"),
        FaultMark::Healed => write!(text, "nemesis healed"),
    };
}
