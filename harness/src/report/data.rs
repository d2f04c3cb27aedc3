//! The JSON that the page draws (`#report-data`, version 1). Times are seconds from the beginning of
//! the load, `null` is "not seen".

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
    /// The run over time.
    pub charts: Charts,
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

/// One violation.
#[derive(Debug, Serialize)]
pub struct Violation {
    /// `V1`, `V2` …
    pub id: String,
    /// `timeline`, `cycle` or `bound`.
    pub kind: &'static str,
    /// The anomaly's name in the literature.
    pub anomaly: String,
    /// The claim that it breaks.
    pub claim: String,
    /// The key, where it concerns one.
    pub key: Option<String>,
    /// When it shows.
    pub at_s: f64,
    /// The explanation.
    #[serde(skip)]
    pub explanation: String,
    /// The operations that matter.
    pub timeline: Option<Timeline>,
    /// Transactions in a circle.
    pub cycle: Option<Cycle>,
    /// Why no operation can come next: (operation, needs, finds, why).
    #[serde(skip)]
    pub blocked: Vec<[String; 4]>,
    /// How many operations of the proof are not drawn.
    pub folded: usize,
    /// What the nodes logged around it: (line, whether it falls into the operation itself).
    #[serde(skip)]
    pub logs: Vec<(String, bool)>,
}

/// Operations as bars, processes as rows.
#[derive(Debug, Serialize)]
pub struct Timeline {
    /// Where the picture begins.
    pub from_s: f64,
    /// Where it ends.
    pub to_s: f64,
    /// Groups of nodes that reach one another.
    pub groups: Vec<Group>,
    /// The processes, in order of their first operation.
    pub rows: Vec<String>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// Faults that begin or end in the picture.
    pub marks: Vec<Mark>,
    /// Fault windows: (from, to) cut to the picture, with their names.
    pub bands: Vec<Band>,
    /// What the object held first; `None` without an order.
    pub initial: Option<String>,
    /// Values that must be held from one time to another.
    pub must_hold: Vec<Hold>,
    /// What the model held at last, and what the impossible operation needs.
    pub holds: Option<String>,
    /// As `holds`.
    pub needs: Option<String>,
}

/// Nodes that reach one another.
#[derive(Debug, Serialize)]
pub struct Group {
    /// What is written above them; empty if all reach one another.
    pub label: String,
    /// The nodes.
    pub nodes: Vec<String>,
    /// Whether they are the smaller side of a cut.
    pub cut: bool,
}

/// An operation of a timeline.
#[derive(Debug, Serialize)]
pub struct Operation {
    /// A name for the page.
    pub id: String,
    /// The process.
    pub process: String,
    /// The node asked.
    pub node: String,
    /// What was asked and answered, in words.
    pub f: String,
    /// When it was invoked.
    pub invoke_s: f64,
    /// When it was answered; `None` if it was not.
    pub complete_s: Option<f64>,
    /// When its client gave up, if it did.
    pub gave_up_s: Option<f64>,
    /// `ok`, `fail` or `info`.
    pub outcome: &'static str,
    /// The indexes of its events.
    pub index: Vec<u64>,
    /// Its place in the longest order that was found, from 1.
    pub place: Option<usize>,
    /// What the object holds after it.
    pub state: Option<String>,
    /// Whether it is the one that cannot be placed.
    pub impossible: bool,
    /// Why it failed or was not answered.
    pub error: Option<String>,
}

/// A moment in a timeline.
#[derive(Debug, Serialize)]
pub struct Mark {
    /// When.
    pub at_s: f64,
    /// The index of its event.
    pub index: u64,
    /// What.
    pub label: String,
}

/// A fault window in a timeline, by the indexes of its events; `None` is the edge of the picture.
#[derive(Debug, Serialize)]
pub struct Band {
    /// Its fault.
    pub id: String,
    /// Where it begins.
    pub from_index: Option<u64>,
    /// Where it ends.
    pub to_index: Option<u64>,
    /// Where it begins, in seconds.
    pub from_s: f64,
    /// Where it ends, in seconds.
    pub to_s: f64,
}

/// A value that must be held.
#[derive(Debug, Serialize)]
pub struct Hold {
    /// The value.
    pub value: String,
    /// From this event on.
    pub from_index: u64,
    /// Until this one.
    pub to_index: u64,
    /// The time of `from_index`.
    pub from_s: f64,
    /// The time of `to_index`.
    pub to_s: f64,
}

/// A circle of transactions.
#[derive(Debug, Serialize)]
pub struct Cycle {
    /// The transactions.
    pub transactions: Vec<Transaction>,
    /// The edges, in order.
    pub edges: Vec<Edge>,
}

/// A transaction of a circle.
#[derive(Debug, Serialize)]
pub struct Transaction {
    /// `T1` …
    pub id: String,
    /// The process.
    pub process: String,
    /// The node.
    pub node: String,
    /// When it was invoked.
    pub invoke_s: f64,
    /// When it was answered.
    pub complete_s: Option<f64>,
    /// Its micro-operations, in words.
    pub mops: Vec<String>,
}

/// An edge of a circle.
#[derive(Debug, Serialize)]
pub struct Edge {
    /// From here.
    pub from: String,
    /// To there.
    pub to: String,
    /// `ww`, `wr`, `rw`, `process`, `realtime`.
    pub r#type: String,
    /// Why.
    pub says: String,
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
    /// What the probe saw when it bit, and when it was gone.
    pub probe: String,
    /// From its start to the probe's answer.
    pub bites_ms: Option<f64>,
    /// From its start to the first operation that was not answered well.
    pub first_error_ms: Option<f64>,
    /// From its start to the first scrape that shows a new leader.
    pub detected_ms: Option<f64>,
    /// Who leads, and in which term.
    pub detected_by: Option<String>,
    /// From its start to the first ok after the first error.
    pub first_ok_ms: Option<f64>,
    /// From its healing to the first good second.
    pub recovered_ms: Option<f64>,
    /// How long after its healing it could be watched.
    pub watched_ms: f64,
    /// The share of what was offered around it that was answered.
    pub around: Around,
}

/// A share over time.
#[derive(Debug, Serialize)]
pub struct Around {
    /// Relative to the start of the fault.
    pub from_s: f64,
    /// The step.
    pub step_s: f64,
    /// `None` where nothing was offered.
    pub ok_of_offered: Vec<Option<f64>>,
}

/// The run over time.
#[derive(Debug, Serialize)]
pub struct Charts {
    /// The beginning of the axis.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
    /// Every operation, or columns of them.
    pub operations: Operations,
    /// Quantiles of the latency of ok operations, in milliseconds.
    pub quantiles: Quantiles,
    /// Operations a second.
    pub throughput: Throughput,
    /// The share of ok by node.
    pub node_ok_share: NodeShare,
    /// What the nodes told, where they told something.
    pub metrics: Option<Metrics>,
}

/// Latencies from the intended start.
#[derive(Debug, Default, Serialize)]
pub struct Operations {
    /// How many were sent.
    pub total: usize,
    /// How many were never sent.
    pub shed: usize,
    /// By outcome.
    pub counts: Counts,
    /// Whether columns stand for points.
    pub sampled: bool,
    /// The time of each, in milliseconds after the one before.
    pub due_delta_ms: Vec<i64>,
    /// The latency of each, in microseconds.
    pub latency_us: Vec<u64>,
    /// The outcome of each: 0 ok, 1 fail, 2 info.
    pub outcome: String,
    /// Where there are too many points.
    pub columns: Vec<Column>,
}

/// Outcomes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Took effect.
    pub ok: usize,
    /// Never will.
    pub fail: usize,
    /// Unknown.
    pub info: usize,
}

/// A column of points of one outcome, in milliseconds of latency.
#[derive(Debug, Serialize)]
pub struct Column {
    /// 0 ok, 1 fail, 2 info.
    pub outcome: usize,
    /// The middle of the column.
    pub at_s: f64,
    /// The least.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The most.
    pub max: f64,
    /// How many.
    pub count: usize,
}

/// Quantiles by window.
#[derive(Debug, Default, Serialize)]
pub struct Quantiles {
    /// The length of a window.
    pub step_s: f64,
    /// The median.
    pub p50: Vec<Option<f64>>,
    /// The 90th percentile.
    pub p90: Vec<Option<f64>>,
    /// The 99th percentile.
    pub p99: Vec<Option<f64>>,
    /// The most.
    pub max: Vec<Option<f64>>,
}

/// Operations a second, by window of their intended start.
#[derive(Debug, Default, Serialize)]
pub struct Throughput {
    /// The length of a window.
    pub step_s: f64,
    /// All, with those that were shed.
    pub offered: Vec<f64>,
    /// Took effect.
    pub ok: Vec<f64>,
    /// Never will.
    pub fail: Vec<f64>,
    /// Unknown.
    pub info: Vec<f64>,
}

/// The share of ok by node and window.
#[derive(Debug, Default, Serialize)]
pub struct NodeShare {
    /// The length of a window.
    pub step_s: f64,
    /// In order of the nodes: `None` where nothing was sent.
    pub nodes: Vec<Vec<Option<f64>>>,
}

/// What the nodes told.
#[derive(Debug, Default, Serialize)]
pub struct Metrics {
    /// The time between scrapes.
    pub step_s: f64,
    /// Who said that it leads, and when.
    pub leader: Vec<Leader>,
    /// The commit index of each node, in order of the nodes.
    pub commit: Vec<Vec<Option<f64>>>,
}

/// A reign.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leader {
    /// The node.
    pub node: String,
    /// Its term, where it tells.
    pub term: Option<u64>,
    /// The first scrape that shows it.
    pub from_s: f64,
    /// The first that does not.
    pub to_s: f64,
}
