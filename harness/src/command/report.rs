//! `schism report`: draws the report of a stored run again.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::output::shown;
use super::{say, warn};
use crate::arguments::ReportArguments;
use crate::store::RunFolder;
use crate::{judge, report as room};

/// Draws it, and prints where it is.
pub fn report(arguments: &ReportArguments) -> i32 {
    match draw(&arguments.run) {
        Ok(path) => {
            let report = path.join("report.html");
            if arguments.json {
                let plots = path.join("plots").display().to_string();
                say(&json!({ "report": report.display().to_string(), "plots": plots }).to_string());
            } else {
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

fn draw(run: &Path) -> anyhow::Result<std::path::PathBuf> {
    let folder = RunFolder::open(run)?;
    if !folder.join("verdict.json").exists() {
        let run = shown(folder.path());
        let recorded = folder.join("history.jsonl").exists();
        anyhow::ensure!(recorded, "{run} is no run with a history: there is nothing to draw");
        anyhow::bail!("{run} holds no verdict; `schism check {run}` makes one");
    }
    room::redraw(folder.path()).with_context(|| shown(folder.path()))?;
    Ok(folder.path().to_owned())
}
