//! Judges one history file.

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use anyhow::Context as _;
use schism_checkers::Question;
use schism_history::{Format, History, Reading};

use super::budget;
use super::question::{claims_named, question, subject_named, subject_of};
use crate::arguments::CheckArguments;
use crate::judge::{self, Circumstances};
use crate::report::Drawing;
use crate::store::VerdictRecord;

/// What was found out about one history.
pub struct Answer {
    /// The file or folder, as it was named.
    pub name: String,
    /// The format of the file.
    pub format: Format,
    /// What was asked.
    pub question: Question,
    /// The history.
    pub history: Rc<History>,
    /// What was found.
    pub verdict: VerdictRecord,
    /// How long reading took, in seconds.
    pub read_s: f64,
    /// Whether it is a run, whose report stands in its folder.
    pub run: bool,
}

impl Answer {
    /// What a report of it shows.
    pub fn drawing(&self) -> Drawing {
        Drawing {
            name: self.name.clone(),
            question: self.question.clone(),
            history: Rc::clone(&self.history),
            verdict: self.verdict.clone(),
        }
    }
}

/// Judges the history in `path`; see `Question::evidence_min`.
///
/// # Errors
///
/// When it cannot be read, or is none, or cannot decide what is asked.
pub fn judge_file(
    path: &Path,
    format: Format,
    arguments: &CheckArguments,
    evidence_min: usize,
) -> anyhow::Result<Answer> {
    // What is wrong with the question need not wait for a long file to be read.
    if let Some(name) = &arguments.workload {
        claims_named(&arguments.claims, subject_named(name)?, &[], &arguments.setting)?;
    }
    let began = Instant::now();
    let Reading { history, torn, format } =
        schism_history::read(path, format).context("the history cannot be judged")?;
    let read_s = began.elapsed().as_secs_f64();
    let subject = match &arguments.workload {
        Some(name) => subject_named(name)?,
        None => subject_of(&history)?,
    };
    let claims = claims_named(&arguments.claims, subject, &[], &arguments.setting)?;
    let mut question = question(subject, claims, &arguments.setting);
    question.evidence_min = evidence_min;
    let circumstances = Circumstances { torn, ..Circumstances::default() };
    let verdict = judge::judge(&question, &history, &circumstances, &budget(arguments));
    let name = path.display().to_string();
    let history = Rc::new(history);
    Ok(Answer { name, format, question, history, verdict, read_s, run: false })
}
