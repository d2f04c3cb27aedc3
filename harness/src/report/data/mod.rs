//! The JSON that the page draws (`#report-data`, version 1). Times are seconds from the beginning of
//! the load, `null` is "not seen".

mod charts;
mod violations;

pub use charts::{
    Charts, Column, Counts, Leader, Metrics, NodeShare, Operations, Quantiles, Throughput,
};
pub use violations::{
    Band, Cycle, Edge, Group, Hold, Mark, Operation, Timeline, Transaction, Violation,
};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::store::Word;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Data {
    /// The version of this format.
    pub version: u32,
    /// The run.
    pub run: Run,
    /// What was violated, worst first.
    pub violations: Vec<Violation>,
    /// The faults, in order.
    pub faults: Vec<Fault>,
    /// The run over time; `None` if no load was put on the system.
    pub charts: Option<Charts>,
    /// How many violations of a claim are not drawn, where there are too many.
    #[serde(skip)]
    pub undrawn: BTreeMap<String, usize>,
}

/// The run.
#[derive(Debug, Serialize)]
pub struct Run {
    /// The plan's name.
    pub name: String,
    /// The target in words.
    pub target: String,
    /// The nodes, in order.
    pub nodes: Vec<String>,
    /// The verdict.
    pub verdict: Word,
    /// Whether the recording ends early.
    pub torn: bool,
}

/// One fault.
#[derive(Debug, Serialize)]
pub struct Fault {
    /// `F1` …
    pub id: String,
    /// Its name in the table.
    pub name: String,
    /// The variant.
    pub detail: String,
    /// Whether its probe saw it bite.
    pub proven: bool,
    /// When it began.
    pub start_s: f64,
    /// When it was healed; the end of the recording if it never was.
    pub stop_s: f64,
    /// Whether it was.
    pub healed: bool,
    /// The nodes struck.
    pub victims: Vec<String>,
    /// Pairs of nodes (counted from 0) between which at least one direction is cut.
    pub cut: Vec<[usize; 2]>,
    /// Pairs between which at least one direction is slow.
    pub slow: Vec<[usize; 2]>,
    /// `killed` or `paused`, for the victims of such faults.
    pub state: Option<&'static str>,
    /// Its steps, if it is a scenario.
    pub steps: Vec<Step>,
    /// What the probe saw when it bit, and when it was gone.
    pub probe: String,
    /// From its start to the probe's answer.
    pub bites_ms: Option<f64>,
    /// From its start to the end of the first operation that was not answered.
    pub first_error_ms: Option<f64>,
    /// From its start to the first scrape that shows a new leader.
    pub detected_ms: Option<f64>,
    /// Who leads, and in which term.
    pub detected_by: Option<String>,
    /// From its start to the first answer after the first error.
    pub first_answer_ms: Option<f64>,
    /// From its healing to the first good second.
    pub recovered_ms: Option<f64>,
    /// How long after its healing it could be watched.
    pub watched_ms: f64,
    /// The share of what was offered around it that was answered.
    pub around: Around,
}

/// A step of a scenario.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Which step of the plan, counted from 1.
    pub number: u32,
    /// From the start of the fault, in milliseconds.
    pub after_ms: f64,
    /// What it did.
    pub detail: String,
    /// How much later than planned.
    pub late_ms: f64,
}

/// A share over time.
#[derive(Debug, Serialize)]
pub struct Around {
    /// Relative to the start of the fault.
    pub from_s: f64,
    /// The step.
    pub step_s: f64,
    /// `None` where nothing was offered.
    pub answered_of_offered: Vec<Option<f64>>,
}
