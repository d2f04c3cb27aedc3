//! What is asked of a history: its subject, the claims, and what the system was set to.

use anyhow::{Context as _, anyhow, bail};
use schism_checkers::{Asked, CHECKERS, Claim, Question, SUBJECTS, Subject};
use schism_history::{History, MopKind, Span, Value, did_you_mean};
use schism_workloads::WORKLOADS;

use crate::arguments::SettingArguments;

/// The question about a history of `subject`.
pub fn question(subject: &Subject, claims: Vec<Asked>, setting: &SettingArguments) -> Question {
    let mut question = Question::new(subject.name, claims);
    question.parameters = setting.parameters();
    // What objects hold at first does not depend on a workload's options.
    let workload = WORKLOADS.iter().find(|entry| entry.name == subject.name);
    if let Some(Ok(workload)) = workload.map(|entry| (entry.construct)(&serde_json::Value::Null)) {
        question.initial = workload.initial();
    }
    if let Some(initial) = &setting.initial {
        question.initial = initial.clone();
    }
    question
}

/// The subject of this name.
pub fn subject_named(name: &str) -> anyhow::Result<&'static Subject> {
    Subject::named(name).ok_or_else(|| {
        let names: Vec<&str> = SUBJECTS.iter().map(|subject| subject.name).collect();
        let meant = did_you_mean(name, &names);
        anyhow!("--workload {name}: use one of {}{meant}", names.join(", "))
    })
}

/// The claims of these names, all of which histories of `subject` can decide, with the parameters
/// of `planned`; without names the usual ones.
pub fn claims_named(
    names: &[String],
    subject: &Subject,
    planned: &[Asked],
    setting: &SettingArguments,
) -> anyhow::Result<Vec<Asked>> {
    if names.is_empty() {
        let declared = declared(subject, setting);
        return Ok(subject.usual.iter().chain(declared).copied().map(Asked::new).collect());
    }
    names.iter().map(|name| claim_named(name, subject, planned)).collect()
}

/// What is usually claimed of a system that was set so, besides the subject's usual claims.
fn declared(subject: &Subject, setting: &SettingArguments) -> &'static [Claim] {
    match (subject.name, setting.idempotent, setting.read_committed) {
        ("log", true, true) => &[Claim::NoDuplicates, Claim::NoAbortedReads],
        ("log", true, false) => &[Claim::NoDuplicates],
        ("log", false, true) => &[Claim::NoAbortedReads],
        _ => &[],
    }
}

/// One claim, as `bounded-staleness` or with its bound as `bounded-staleness:2s`.
fn claim_named(word: &str, subject: &Subject, planned: &[Asked]) -> anyhow::Result<Asked> {
    let (name, bound) = match word.split_once(':') {
        Some((name, bound)) => (name.trim(), Some(bound.trim())),
        None => (word, None),
    };
    let decided = |claim: &Claim| CHECKERS.iter().any(|row| row.concerns(subject.name, *claim));
    let claim = Claim::named(name).filter(|claim| decided(claim)).with_context(|| {
        let can: Vec<&str> =
            Claim::ALL.iter().filter(|claim| decided(claim)).map(|claim| claim.name()).collect();
        let workload = subject.name;
        let meant = did_you_mean(name, &can);
        format!("--claim {name}: the workload {workload} decides {}{meant}", can.join(", "))
    })?;
    let known = planned.iter().find(|asked| asked.claim == claim).copied();
    let mut asked = known.unwrap_or_else(|| Asked::new(claim));
    let Some(bound) = bound else { return Ok(asked) };
    match claim {
        Claim::BoundedStaleness if bound.parse::<u64>().is_ok() => {
            asked.versions = bound.parse().ok();
        }
        Claim::BoundedStaleness | Claim::Recovers => asked.within = Some(span(word, bound)?),
        Claim::Availability => asked.p99 = Some(span(word, bound)?),
        _ => bail!("--claim {word}: {claim} has no bound"),
    }
    Ok(asked)
}

fn span(word: &str, bound: &str) -> anyhow::Result<std::time::Duration> {
    let span: Result<Span, _> = bound.parse();
    span.map(|span| span.0).map_err(|error| anyhow!("--claim {word}: {error}"))
}

/// The subject whose operations the history holds, where they tell.
pub fn subject_of(history: &History) -> anyhow::Result<&'static Subject> {
    let found = history.operations().find_map(|operation| {
        let (f, value) = (operation.op.f.as_str(), &operation.op.value);
        Some(match (f, value) {
            ("write" | "cas", _) => "register",
            ("add" | "read-set", _) => "set",
            ("append" | "put" | "get", _) => "kv-append",
            ("enqueue" | "dequeue", _) => "queue",
            ("acquire", _) => "mutex",
            ("transfer", _) => "bank",
            ("send" | "poll", _) => "log",
            ("watch", _) => "watch",
            ("txn", Value::Mops(mops)) => mops.iter().find_map(|mop| match mop.kind {
                MopKind::Append => Some("list-append"),
                MopKind::Write => Some("rw-register"),
                MopKind::Send | MopKind::Poll => Some("log"),
                MopKind::Read => None,
            })?,
            _ => return None,
        })
    });
    let found = found.and_then(Subject::named);
    found.context("nothing in this history tells which workload made it; say --workload NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_stand_behind_a_colon() {
        let register = Subject::named("register").expect("a row");
        let asked = claim_named("recovers:250ms", register, &[]).expect("a claim");
        assert_eq!(asked.within, Some(std::time::Duration::from_millis(250)));
        assert!(claim_named("linearizable:3", register, &[]).is_err());
        assert!(claim_named("recovers:soon", register, &[]).is_err());
    }

    #[test]
    fn a_claim_that_cannot_be_decided_names_those_that_can() {
        let set = Subject::named("set").expect("a row");
        let error = claim_named("serializable", set, &[]).expect_err("sets have no transactions");
        assert!(error.to_string().contains("no-lost-elements"), "{error}");
    }
}
