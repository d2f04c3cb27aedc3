//! The run store: one folder a run, each file written by one room.
//!
//! `runs/<plan>/<start time>/` holds `plan.yaml`, `schedule.json`, `run.json`, `history.jsonl`,
//! `metrics.jsonl`, `verdict.json`, `report.html`, `plots/*.svg`, `anomalies/*.svg` and `nodes/<n>/…`. `runs/latest`
//! and `runs/<plan>/latest` are links.

mod folder;

pub use folder::{RunFolder, StoreError};

use std::time::Duration;

use schism_checkers::Anomaly;
use serde::{Deserialize, Serialize};

/// `run.json`: what was run, where and by what. Written when a run begins, completed at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of this format: 1.
    pub version: u32,
    /// The plan's name.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// The target in words: `reference raft 0.1.0, 5 nodes, --bug stale-read`.
    pub target: String,
    /// The target's settings: [name, value].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<(String, String)>,
    /// The workload's name.
    pub workload: String,
    /// The lab in words: `local, 5 nodes, virtual switch, rootless`.
    pub lab: String,
    /// Nodes in order: `n1` …
    pub nodes: Vec<String>,
    /// Wall-clock time of the start, RFC 3339, UTC.
    pub started: String,
    /// Wall-clock time at which the load began, RFC 3339 with nanoseconds, so that logs of nodes can
    /// be set beside the history; null if it never did.
    #[serde(default)]
    pub load_started: Option<String>,
    /// How long the load was to run, in seconds.
    pub load_s: f64,
    /// How long it ran, until its last operation had ended, in seconds; null if there was none, or
    /// the run was killed.
    #[serde(default)]
    pub loaded_s: Option<f64>,
    /// Clients.
    pub clients: u32,
    /// Arrivals a second; null in a closed loop.
    pub rate: Option<f64>,
    /// How long a client waited for an answer, in seconds.
    pub timeout_s: f64,
    /// From the start of the command to the report, in seconds; null while it runs.
    pub wall_s: Option<f64>,
    /// schism's version.
    pub schism: String,
    /// The machine: cores, memory, kernel, processor.
    pub machine: String,
    /// How late the controller itself ran in each second of the load, worst of the second:
    /// [second, milliseconds].
    pub lateness_ms: Vec<(u64, f64)>,
    /// How the system was sabotaged, if it was: such a run proves something about schism only.
    pub sabotage: Option<String>,
    /// Whether somebody ended the run before its time.
    #[serde(default)]
    pub interrupted: bool,
    /// Notes for the reader, such as a teardown that failed.
    pub notes: Vec<String>,
    /// What was not well with the system when the load was over, as its nodes told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwell: Vec<UnwellRecord>,
    /// Agents that were lost while it ran, and with them all that their nodes ran and held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// What was left on nodes, each with its node and the command that cleans it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirty: Vec<String>,
}

impl RunRecord {
    /// How late the controller was in each second of the load, as checkers take it.
    pub fn lateness(&self) -> Vec<(u64, Duration)> {
        let late = |&(second, ms): &(u64, f64)| {
            let ms = if ms.is_finite() { ms.clamp(0.0, 1e9) } else { 1e9 };
            (second, Duration::from_secs_f64(ms / 1e3))
        };
        self.lateness_ms.iter().map(late).collect()
    }
}

/// `verdict.json`: the claims table, with witnesses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The version of this format: 1.
    pub version: u32,
    /// The worst of the claims, in the order violated, crashed, unknown, upheld.
    pub verdict: Word,
    /// The exit code that goes with it.
    pub exit: i32,
    /// One or two sentences without jargon: what happened, where, when.
    pub story: String,
    /// Whether the history ends before the run did.
    pub torn: bool,
    /// The claims, worst first.
    pub claims: Vec<ClaimRecord>,
    /// The settings of the system that the claims are about: [name, value].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<(String, String)>,
    /// What was not well at the end: what clients complained of first, then what the nodes told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwell: Vec<UnwellRecord>,
    /// How far consumers were behind; null where nothing was polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<ConsumerRecord>,
    /// Faults that were proven by a probe, and faults in all.
    pub faults_proven: usize,
    /// Faults that began.
    pub faults: usize,
    /// How long the checks took, in seconds.
    pub check_s: f64,
    /// The most memory that this process held, in bytes.
    pub peak_memory_bytes: u64,
}

/// Something that was not well with a system, or with its clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnwellRecord {
    /// What, as part of a sentence.
    pub what: String,
    /// The node that should have done better; null where there is none.
    pub node: Option<String>,
    /// The last lines of its log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl UnwellRecord {
    /// What comes before the lines of the log.
    pub fn heading(&self) -> String {
        match &self.node {
            Some(node) if !self.log.is_empty() => format!("The last lines of {node}'s log:"),
            _ => String::new(),
        }
    }
}

/// How far consumers of logs were behind. Lag is how long what a poll returned last had not been the
/// newest message of its log when the poll began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsumerRecord {
    /// Polls that returned something of a log.
    pub polls: usize,
    /// The median of their lags, in milliseconds.
    pub lag_p50_ms: f64,
    /// The 95th percentile.
    pub lag_p95_ms: f64,
    /// The 99th percentile.
    pub lag_p99_ms: f64,
    /// The worst.
    pub lag_max_ms: f64,
    /// The index of the invocation of the worst poll.
    pub worst_poll: u64,
    /// The most acknowledged messages that nobody had polled at one time.
    pub unseen_max: u64,
    /// When that was first, in seconds.
    pub unseen_max_s: f64,
    /// How many nobody had polled at the end.
    pub unseen_at_end: u64,
}

impl ConsumerRecord {
    /// The figures in two sentences.
    pub fn words(&self) -> String {
        let lag = |ms: f64| match ms {
            ms if ms >= 1000.0 => format!("{:.2} s", ms / 1e3),
            ms if ms >= 10.0 => format!("{ms:.0} ms"),
            ms => format!("{ms:.1} ms"),
        };
        format!(
            "Consumers lagged {} (p50), {} (p95), {} (p99) and {} at worst, in the poll of event {}. At \
             most {} acknowledged messages were unseen, after {:.1} s; {} at the end.",
            lag(self.lag_p50_ms),
            lag(self.lag_p95_ms),
            lag(self.lag_p99_ms),
            lag(self.lag_max_ms),
            self.worst_poll,
            self.unseen_max,
            self.unseen_max_s,
            self.unseen_at_end
        )
    }
}

/// One claim of `verdict.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// The claim with its parameters: `recovers: within 5s`.
    pub claim: String,
    /// The claim's bare name: `recovers`.
    pub name: String,
    /// The verdict.
    pub verdict: Word,
    /// What was judged, or why it is unknown, or how it fails.
    pub reason: String,
    /// How many operations were judged.
    pub judged: usize,
    /// The proofs.
    pub anomalies: Vec<Anomaly>,
}

/// A verdict as users read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// A witness proves that the claim does not hold.
    Violated,
    /// The checker itself failed.
    Crashed,
    /// Nobody can say.
    Unknown,
    /// It holds of everything that was seen.
    Upheld,
}

/// One line of `metrics.jsonl`: what one node answered to one scrape.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scrape {
    /// Nanoseconds since the load began.
    pub time: u64,
    /// The node: `n1`.
    pub node: String,
    /// Its Prometheus text; null if it did not answer.
    pub text: Option<String>,
}
