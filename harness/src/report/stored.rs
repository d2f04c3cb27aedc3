//! The files of a run, as far as they are there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use schism_history::{FaultWindow, History, Operation, Time, jsonl};

use crate::plan::{self, Plan};
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
    /// What it says, if it can still be read.
    pub asked: Option<Plan>,
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
        let path = folder.join("history.jsonl");
        let history = match jsonl::read(&path) {
            Ok(reading) => reading.history,
            // Before the load begins there is none.
            Err(_) if run.load_started.is_none() && !path.exists() => History::default(),
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
        let asked = plan::read(&folder.join("plan.yaml"), &[]).ok();
        let path = folder.path().to_owned();
        Ok(Self { path, run, verdict, history, faults, plan, asked, scrapes, missing })
    }

    /// The operations that are not final reads.
    pub fn load(&self) -> impl Iterator<Item = Operation<'_>> {
        let healed = self.history.healed().map_or(u64::MAX, |(index, _)| index);
        self.history.operations().filter(move |operation| operation.invoked < healed)
    }

    /// When the load ended: waiting for answers, healing and final reads come after it and are no
    /// part of the charts. `None` if nothing was recorded, since no load was put on the system.
    pub fn end_of_load(&self) -> Option<Time> {
        let recorded = self.history.events().last()?.time;
        let planned = Time::from_secs_f64(self.run.load_s);
        let healed = self.history.healed().map(|(_, time)| time);
        let ran = self.run.loaded_s.map(Time::from_secs_f64).or(healed).unwrap_or(recorded);
        if ran >= planned {
            return Some(planned);
        }
        // A load that was ended early asked nothing more after its last operation.
        let last = self.load().map(|operation| operation.intended()).max();
        Some(last.map_or(ran, |last| last.min(ran)))
    }
}
