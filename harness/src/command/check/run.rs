//! Judges the history of a stored run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use schism_checkers::{Asked, Question};
use schism_history::Format;

use super::budget;
use super::file::{Answer, judge_file};
use super::question::{claims_named, question, subject_named};
use crate::arguments::CheckArguments;
use crate::command::warn;
use crate::store::{RunFolder, VerdictRecord};
use crate::{judge, plan, report};

/// The folder of the run, if `path` is one or the history in one.
pub fn folder_of(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let folder = path.parent().filter(|folder| folder.join("run.json").exists())?;
    let own = path.file_name().is_some_and(|name| name == "history.jsonl");
    own.then(|| folder.to_owned())
}

/// Judges the history of the run in `path`.
///
/// # Errors
///
/// When the folder is none of a run, or its plan or history cannot be read, or cannot decide what
/// is asked.
pub fn judge_run(path: &Path, arguments: &CheckArguments) -> anyhow::Result<Answer> {
    let folder = RunFolder::open(path)?;
    let asked_anew = arguments.workload.is_some() || !arguments.claims.is_empty();
    let question = match plan::read(&folder.join("plan.yaml"), &[]) {
        Ok(plan) => of_plan(&plan, arguments)?,
        Err(_) if asked_anew => {
            return judge_file(&folder.join("history.jsonl"), Format::Jsonl, arguments, 1);
        }
        Err(error) if folder.join("plan.yaml").exists() => return Err(anyhow!("{error}")),
        Err(_) => {
            return Err(anyhow!(
                "{} is not the folder of a run (it holds no plan.yaml): name one, such as \
                 runs/latest, or a history file with --workload",
                path.display()
            ));
        }
    };
    let began = Instant::now();
    let (history, circumstances) = judge::read_folder(&folder)?;
    let read_s = began.elapsed().as_secs_f64();
    let question = judge::with_lateness(question, &folder)?;
    let verdict = judge::judge(&question, &history, &circumstances, &budget(arguments));
    if !asked_anew && !folder.join("verdict.json").exists() {
        // A run whose processes were all killed has neither verdict nor report yet.
        complete(&folder, &verdict);
    }
    let name = folder.path().display().to_string();
    Ok(Answer { name, format: Format::Jsonl, question, history, verdict, read_s, run: true })
}

/// What the plan asks, or the command line in its place.
fn of_plan(plan: &plan::Plan, arguments: &CheckArguments) -> anyhow::Result<Question> {
    let subject = subject_named(arguments.workload.as_deref().unwrap_or(plan.subject()))
        .context("the plan's workload")?;
    let claims: Vec<Asked> = match arguments.claims.as_slice() {
        [] => plan.claims.clone(),
        names => claims_named(names, subject, &plan.claims, &arguments.setting)?,
    };
    let mut question = question(subject, claims, &arguments.setting);
    question.rate = plan.load.rate.map(|rate| rate.per_second);
    question.evidence_min = judge::EVIDENCE_MIN;
    Ok(question)
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
