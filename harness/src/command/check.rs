//! `schism check`: judges a history file, or the history of a stored run.

use std::path::Path;

use anyhow::{Context as _, bail};
use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::jsonl::{self, Reading};
use schism_history::{History, MopKind, Value};
use schism_workloads::{WORKLOADS, WorkloadEntry};

use super::{print_verdict, warn};
use crate::arguments::CheckArguments;
use crate::judge::Circumstances;
use crate::store::{RunFolder, VerdictRecord};
use crate::{judge, plan, report};

/// Why there is no verdict, with the exit code that goes with it.
enum Problem {
    Usage(anyhow::Error),
    Unreadable(anyhow::Error),
}

/// Judges, and prints the claims table.
pub fn check(arguments: &CheckArguments) -> i32 {
    let judged = if arguments.file.is_dir() { check_run(arguments) } else { check_file(arguments) };
    match judged {
        Ok(exit) => exit,
        Err(Problem::Usage(error)) => {
            warn(&format!("{error:#}"));
            judge::BAD_USAGE
        }
        Err(Problem::Unreadable(error)) => {
            warn(&format!("{error:#}"));
            judge::NOT_CARRIED_OUT
        }
    }
}

fn check_run(arguments: &CheckArguments) -> Result<i32, Problem> {
    let folder =
        RunFolder::open(&arguments.file).map_err(|error| Problem::Unreadable(error.into()))?;
    let asked_anew = arguments.workload.is_some() || !arguments.claims.is_empty();
    let question = match plan::read(&folder.join("plan.yaml"), &[]) {
        Ok(plan) => {
            let workload = arguments.workload.as_deref().unwrap_or(&plan.workload.name);
            let entry = workload_named(workload).map_err(Problem::Usage)?;
            let claims = match arguments.claims.as_slice() {
                [] => plan.claims.clone(),
                names => claims_named(names, entry, &plan.claims).map_err(Problem::Usage)?,
            };
            let mut question = question(entry, claims);
            question.rate = plan.load.rate.map(|rate| rate.per_second);
            question
        }
        Err(_) if asked_anew => return check_file(arguments),
        Err(error) if folder.join("plan.yaml").exists() => {
            return Err(Problem::Unreadable(anyhow::anyhow!("{error}")));
        }
        Err(_) => {
            let run = arguments.file.display();
            return Err(Problem::Unreadable(anyhow::anyhow!(
                "{run} is not the folder of a run (it holds no plan.yaml): name one, such as \
                 runs/latest, or a history file with --workload"
            )));
        }
    };
    let verdict = judge::judge_folder(&folder, &question, &Budget::default());
    let verdict = verdict.map_err(Problem::Unreadable)?;
    if !asked_anew && !folder.join("verdict.json").exists() {
        // A run whose processes were all killed has neither verdict nor report yet.
        complete(&folder, &verdict);
    }
    print_verdict(Some(folder.path()), &verdict, &[], arguments.json);
    Ok(verdict.exit)
}

fn complete(folder: &RunFolder, verdict: &VerdictRecord) {
    if let Err(error) = folder.write_json("verdict.json", verdict) {
        return warn(&format!("The verdict could not be stored: {error}"));
    }
    // What the nodes of the killed run had on their disks.
    let _ = std::fs::remove_dir_all(folder.join("data"));
    if let Err(error) = report::redraw(folder.path()) {
        warn(&format!("The report could not be drawn: {error:#}"));
    }
}

fn check_file(arguments: &CheckArguments) -> Result<i32, Problem> {
    let path = if arguments.file.is_dir() {
        arguments.file.join("history.jsonl")
    } else {
        arguments.file.clone()
    };
    // A run's own history is judged as the run's: whether it ended, and what was to happen, stands
    // beside it.
    if let Some(run) = path.parent().filter(|run| run.join("run.json").exists())
        && path.file_name().is_some_and(|name| name == "history.jsonl")
        && !arguments.file.is_dir()
    {
        let arguments = CheckArguments { file: run.to_owned(), ..arguments.clone() };
        return check_run(&arguments);
    }
    let Reading { history, torn } = read(&path).map_err(Problem::Unreadable)?;
    let entry = match &arguments.workload {
        Some(name) => workload_named(name),
        None => workload_of(&history),
    };
    let entry = entry.map_err(Problem::Usage)?;
    let claims = if arguments.claims.is_empty() {
        let decided =
            |claim: &&Claim| CHECKERS.iter().any(|checker| checker.decides.contains(claim));
        entry.claims.iter().filter(decided).map(|claim| Asked::new(*claim)).collect()
    } else {
        claims_named(&arguments.claims, entry, &[]).map_err(Problem::Usage)?
    };
    let question = question(entry, claims);
    let circumstances = Circumstances { torn, ..Circumstances::default() };
    let verdict = judge::judge(&question, &history, &circumstances, &Budget::default());
    print_verdict(None, &verdict, &[], arguments.json);
    Ok(verdict.exit)
}

fn read(path: &Path) -> anyhow::Result<Reading> {
    jsonl::read(path).context("the history cannot be judged")
}

fn question(entry: &WorkloadEntry, claims: Vec<Asked>) -> Question {
    let mut question = Question::new(entry.name, claims);
    // What objects hold at first does not depend on a workload's options.
    if let Ok(workload) = (entry.construct)(&serde_json::Value::Null) {
        question.initial = workload.initial();
    }
    question
}

fn workload_named(name: &str) -> anyhow::Result<&'static WorkloadEntry> {
    let found = WORKLOADS.iter().find(|entry| entry.name == name);
    let names: Vec<&str> = WORKLOADS.iter().map(|entry| entry.name).collect();
    found.with_context(|| format!("--workload {name}: use one of {}", names.join(", ")))
}

/// The claims of these names, all of which `entry` can decide, with the parameters of `planned`.
fn claims_named(
    names: &[String],
    entry: &WorkloadEntry,
    planned: &[Asked],
) -> anyhow::Result<Vec<Asked>> {
    let claim = |name: &String| {
        let can: Vec<&str> = entry.claims.iter().map(|claim| claim.name()).collect();
        let claim = Claim::named(name).filter(|claim| entry.claims.contains(claim));
        let claim = claim.with_context(|| {
            let workload = entry.name;
            format!("--claim {name}: the workload {workload} decides {}", can.join(", "))
        })?;
        let asked = planned.iter().find(|asked| asked.claim == claim);
        Ok(asked.copied().unwrap_or_else(|| Asked::new(claim)))
    };
    names.iter().map(claim).collect()
}

/// The workload whose operations the history holds.
fn workload_of(history: &History) -> anyhow::Result<&'static WorkloadEntry> {
    let mut operations = history.operations();
    let Some(name) = operations.find_map(|operation| match operation.op.f.as_str() {
        "write" | "cas" => Some("register"),
        "add" | "read-set" => Some("set"),
        "txn" => match &operation.op.value {
            Value::Mops(mops) if mops.iter().any(|mop| mop.kind == MopKind::Append) => {
                Some("list-append")
            }
            _ => None,
        },
        _ => None,
    }) else {
        bail!("nothing in this history tells which workload made it; say --workload NAME");
    };
    workload_named(name)
}
