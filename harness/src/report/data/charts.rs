//! The run over time, as the page draws it.

use serde::Serialize;

/// The run over time.
#[derive(Debug, Serialize)]
pub struct Charts {
    /// The beginning of the axis.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
    /// The greatest latency of all operations, in milliseconds.
    pub slowest_ms: f64,
    /// Every operation, or columns of them.
    pub operations: Operations,
    /// Quantiles of the latency of ok operations, in milliseconds.
    pub quantiles: Quantiles,
    /// Operations a second.
    pub throughput: Throughput,
    /// The share of answered operations by node.
    pub node_answered_share: NodeShare,
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
    /// Those of `fail` that were answered: a compare-and-set that found another value.
    pub mismatch: usize,
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
    /// Ok, or refused since the value had changed.
    pub answered: Vec<f64>,
    /// Took effect.
    pub ok: Vec<f64>,
    /// Never will.
    pub fail: Vec<f64>,
    /// Unknown.
    pub info: Vec<f64>,
}

/// The share of answered operations by node and window.
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
    /// The commit index of each node, in order of the nodes: (time of the scrape, index); `None`
    /// where the node did not tell.
    pub commit: Vec<Vec<(f64, Option<f64>)>>,
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
