//! `schism check`: judges histories of any known format, the histories of stored runs, and tables
//! of histories with known verdicts.

mod corpus;
mod file;
mod question;
mod run;
mod told;

use anyhow::anyhow;
use schism_checkers::Budget;
use schism_history::Format;

use self::file::Answer;
use super::warn;
use crate::arguments::CheckArguments;
use crate::{judge, report};

/// Judges, and prints the claims table.
pub fn check(arguments: &CheckArguments) -> i32 {
    let judged = match &arguments.corpus {
        Some(table) => corpus::judge_table(table, arguments),
        None => judge_files(arguments),
    };
    judged.unwrap_or_else(|error| {
        warn(&format!("{error:#}"));
        judge::BAD_USAGE
    })
}

/// Judges each file. What is wrong with one does not keep the others from being judged.
fn judge_files(arguments: &CheckArguments) -> anyhow::Result<i32> {
    let several = arguments.files.len() > 1;
    for (option, given) in [("--report", &arguments.report), ("--svg", &arguments.svg)] {
        if several && given.is_some() {
            return Err(anyhow!("{option} draws one history; {} are given", arguments.files.len()));
        }
    }
    let format = format_named(&arguments.format)?;
    let mut codes = Vec::new();
    for path in &arguments.files {
        // A run's own history is judged as the run's: whether it ended, and what was to happen,
        // stands beside it.
        let judged = match run::folder_of(path) {
            Some(folder) => run::judge_run(&folder, arguments),
            None => file::judge_file(path, format, arguments, 1),
        };
        codes.push(match judged {
            Ok(answer) => finish(&answer, arguments, several)?,
            Err(error) => {
                warn(&format!("{error:#}"));
                judge::BAD_USAGE
            }
        });
    }
    Ok(judge::worst_exit(codes.into_iter()))
}

/// Prints the answer, and draws it where that is asked for.
fn finish(answer: &Answer, arguments: &CheckArguments, several: bool) -> anyhow::Result<i32> {
    let exit = answer.verdict.exit;
    let drawn = arguments.report.as_deref();
    let diagrams = arguments.svg.as_deref().map(|it| report::draw_anomalies(answer.drawing(), it));
    // The verdict is told, whether or not it could be drawn.
    let (diagrams, failed) = match diagrams.transpose() {
        Ok(diagrams) => (diagrams, None),
        Err(error) => (None, Some(error)),
    };
    told::tell(answer, arguments.json, several, drawn, diagrams.as_deref());
    if let Some(error) = failed {
        return Err(error);
    }
    if let Some(path) = drawn {
        report::draw_file(answer.drawing(), path)?;
    }
    Ok(exit)
}

pub(super) fn format_named(name: &str) -> anyhow::Result<Format> {
    Format::named(name).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        let meant = schism_history::did_you_mean(name, &names);
        anyhow!("--format {name}: use one of {}{meant}", names.join(", "))
    })
}

/// The budget of one history: its time begins now.
fn budget(arguments: &CheckArguments) -> Budget {
    let memory = usize::try_from(arguments.budget_memory.0).unwrap_or(usize::MAX);
    Budget::new(arguments.budget_time.0, memory)
}
