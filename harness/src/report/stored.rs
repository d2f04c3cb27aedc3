//! The files of a run, as far as they are there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use schism_history::{FaultWindow, History, Time, jsonl};

use crate::store::{RunFolder, RunRecord, Scrape, VerdictRecord};

/// A stored run.
pub struct Stored {
    /// Its folder.
    pub path: PathBuf,
    /// What was run.
    pub run: RunRecord,
    /// What was found.
    pub verdict: VerdictRecord,
    /// The history, as far as it was written; empty if nothing was.
    pub history: History,
    /// The faults in it.
    pub faults: Vec<FaultWindow>,
    /// The plan's text; empty if it is missing.
    pub plan: String,
    /// What the nodes told when they were scraped.
    pub scrapes: Vec<Scrape>,
    /// What is missing, in whole sentences.
    pub missing: Vec<String>,
}

impl Stored {
    /// Reads a run's folder.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let folder = RunFolder::open(path)?;
        let run: RunRecord = folder.read_json("run.json").context("the run has no record")?;
        let verdict: VerdictRecord =
            folder.read_json("verdict.json").context("the run has no verdict")?;
        let mut missing = Vec::new();
        let history = match jsonl::read(&folder.join("history.jsonl")) {
            Ok(reading) => reading.history,
            Err(error) => {
                missing.push(format!("The history cannot be read: {error}."));
                History::default()
            }
        };
        let plan = folder.read("plan.yaml").unwrap_or_else(|error| {
            missing.push(format!("The plan cannot be read: {error}."));
            String::new()
        });
        let scrapes = match folder.read("metrics.jsonl") {
            // The last line of a killed run may be torn.
            Ok(text) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            Err(_) => Vec::new(),
        };
        let faults = history.faults();
        let path = folder.path().to_owned();
        Ok(Self { path, run, verdict, history, faults, plan, scrapes, missing })
    }

    /// Where the load ended: final reads come after it and are no part of the charts.
    pub fn end_of_load(&self) -> Time {
        let healed = self.history.healed();
        let last = self.history.events().last().map(|event| event.time);
        healed.map(|(_, time)| time).or(last).unwrap_or_default()
    }
}
