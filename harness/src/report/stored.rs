//! The files of a run, as far as they are there.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context as _;
use schism_history::{FaultWindow, History, Operation, Time, jsonl};

use super::Drawing;
use crate::machine;
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
    pub history: Rc<History>,
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
    /// Whether there is a history only, from whatever tool, and no run.
    pub bare: bool,
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
        let history = Rc::new(history);
        let faults = history.faults();
        let asked = plan::read(&folder.join("plan.yaml"), &[]).ok();
        let path = folder.path().to_owned();
        let bare = false;
        Ok(Self { path, run, verdict, history, faults, plan, asked, scrapes, missing, bare })
    }

    /// A history alone, as if it were a run of which nothing else is known.
    pub fn of_file(drawing: Drawing) -> Self {
        let Drawing { name, question, history, verdict } = drawing;
        let path = PathBuf::from(&name);
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned());
        let run = RunRecord {
            version: 1,
            name: file.unwrap_or(name),
            seed: 0,
            target: String::new(),
            configuration: Vec::new(),
            workload: question.workload,
            lab: String::new(),
            nodes: Vec::new(),
            started: String::new(),
            load_started: None,
            load_s: f64::MAX,
            loaded_s: None,
            clients: 0,
            rate: question.rate,
            timeout_s: 0.0,
            wall_s: None,
            schism: env!("CARGO_PKG_VERSION").into(),
            machine: machine::describe(),
            lateness_ms: Vec::new(),
            sabotage: None,
            interrupted: false,
            notes: Vec::new(),
            unwell: Vec::new(),
            lost: Vec::new(),
            dirty: Vec::new(),
        };
        let faults = history.faults();
        let (plan, asked, scrapes, missing) = (String::new(), None, Vec::new(), Vec::new());
        let bare = true;
        Self { path, run, verdict, history, faults, plan, asked, scrapes, missing, bare }
    }

    /// The operations that are not final reads.
    pub fn load(&self) -> impl Iterator<Item = Operation<'_>> {
        let healed = self.history.healed().map_or(u64::MAX, |(index, _)| index);
        self.history.operations().filter(move |operation| operation.invoked < healed)
    }

    /// When the load ended: waiting for answers, healing and final reads come after it and are no
    /// part of the charts. `None` if nothing was recorded, since no load was put on the system.
    pub fn end_of_load(&self) -> Option<Time> {
        // The times of other tools are of many kinds, and some record none.
        if self.bare {
            return None;
        }
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
