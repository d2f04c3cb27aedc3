//! Violations, as the page draws them.

use schism_checkers::LogPlace;
use serde::Serialize;

/// One violation.
#[derive(Debug, Serialize)]
pub struct Violation {
    /// `V1`, `V2` …
    pub id: String,
    /// `timeline`, `cycle` or `bound`.
    pub kind: &'static str,
    /// The anomaly's name in the literature.
    pub anomaly: String,
    /// The claims that it breaks.
    pub claims: Vec<String>,
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
    /// The log around it, offset by offset, where it is about one.
    #[serde(skip)]
    pub log: Vec<LogPlace>,
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
    /// What the object held before the first operation of the order; `None` without an order, and
    /// where that is no part of the proof.
    pub initial: Option<String>,
    /// Two values that one register would have to hold at once; empty where no two are the proof.
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
    /// The same with the key and whole values.
    #[serde(skip)]
    pub whole: String,
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
    /// Whether it must be held all the time between the two events, or only at some moment.
    pub throughout: bool,
    /// The index of the earlier event.
    pub from_index: u64,
    /// The index of the later one.
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
    /// The index of its invocation.
    #[serde(skip)]
    pub operation: u64,
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
    /// The same with whole values.
    #[serde(skip)]
    pub whole: Vec<String>,
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
