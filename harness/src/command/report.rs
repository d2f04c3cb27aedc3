//! `schism report`: draws the report of a stored run again.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::{say, shown, tell_diagrams, warn};
use crate::arguments::ReportArguments;
use crate::report::Diagram;
use crate::store::RunFolder;
use crate::{judge, report as room};

/// Draws it, and prints where it is.
pub fn report(arguments: &ReportArguments) -> i32 {
    match draw(&arguments.run) {
        Ok((path, diagrams)) => {
            let report = path.join("report.html");
            if arguments.json {
                let plots = path.join("plots").display().to_string();
                let files = diagrams.iter().map(|diagram| diagram.path.display().to_string());
                let diagrams: Vec<String> = files.collect();
                let report = report.display().to_string();
                let paths = json!({ "report": report, "plots": plots, "diagrams": diagrams });
                say(&paths.to_string());
            } else {
                for line in tell_diagrams(&diagrams) {
                    say(&line);
                }
                say(&format!("Report: {}", shown(&report)));
            }
            judge::UPHELD
        }
        Err(error) => {
            warn(&format!("The report could not be drawn: {error:#}"));
            judge::NOT_CARRIED_OUT
        }
    }
}

fn draw(run: &Path) -> anyhow::Result<(PathBuf, Vec<Diagram>)> {
    let folder = RunFolder::open(run)?;
    if !folder.join("verdict.json").exists() {
        let run = shown(folder.path());
        let recorded = folder.join("history.jsonl").exists();
        anyhow::ensure!(recorded, "{run} is no run with a history: there is nothing to draw");
        anyhow::bail!("{run} holds no verdict; `schism check {run}` makes one");
    }
    let diagrams = room::redraw(folder.path()).with_context(|| shown(folder.path()))?;
    Ok((folder.path().to_owned(), diagrams))
}
