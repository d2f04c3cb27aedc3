//! Marks that the nemesis leaves in a history, and the windows that they make.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{NodeId, Time};

/// A fault of the schedule, counted from 1 and printed as `F1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FaultId(pub u32);

impl fmt::Display for FaultId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "F{}", self.0)
    }
}

/// Which of the two questions a probe answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Does the fault bite?
    Bites,
    /// Is it gone after healing?
    Gone,
}

/// What a probe saw. A probe reads no state that the injector wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whether it saw what was expected: the effect (`Bites`), or its absence (`Gone`).
    pub seen: bool,
    /// What it saw, in words and figures.
    pub text: Box<str>,
}

/// A mark of the nemesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultMark {
    /// Written before the first node is touched, with the victims resolved.
    Start {
        /// Which fault of the schedule.
        fault: FaultId,
        /// The fault's name in the table: `partition`, `kill` …
        name: Box<str>,
        /// The variant in words: `isolate leader`, `minority`.
        detail: Box<str>,
        /// The nodes that it strikes; empty if it could not be resolved.
        victims: Box<[NodeId]>,
        /// The resolved injection as JSON, so that a replay can repeat it exactly:
        /// `{"links":[{"from":"n1","to":"n2","drop":true}]}`, `{"kill":["n1"]}`, `{"pause":["n1"]}`.
        /// The controller's end of a link is `"controller"`. Boxed: a JSON value is larger than all
        /// else that an event can hold, and histories have millions of events.
        injection: Box<serde_json::Value>,
    },
    /// A probe's answer.
    Probe {
        /// Which fault of the schedule.
        fault: FaultId,
        /// Which question.
        phase: Phase,
        /// What was seen.
        evidence: Evidence,
    },
    /// A step of a scenario, with its roles resolved. One that touches something is written just
    /// before it does, one that waits or looks when that is over.
    Step {
        /// Which fault of the schedule.
        fault: FaultId,
        /// Which step, counted from 1. Those of an `in-any-order` bear its number.
        step: u32,
        /// What it does, in words: `hold n1 → n2`.
        detail: Box<str>,
        /// The resolved facts as JSON, so that a replay can repeat it at the mark's time:
        /// `{"hold":[["n1","n2"]]}`, `{"pause":["n1"]}`, `{"wait_us":15000}`.
        injection: Box<serde_json::Value>,
        /// How much later than planned it began, in microseconds.
        late_us: u64,
    },
    /// Written after the last node is healed.
    Stop {
        /// Which fault of the schedule.
        fault: FaultId,
    },
    /// Every fault is healed and no more begins: reads invoked after this mark are *final reads*.
    Healed,
}

/// A step of a scenario, as its mark tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultStep {
    /// The index of its mark.
    pub index: u64,
    /// The time of its mark.
    pub time: Time,
    /// Which step, counted from 1.
    pub step: u32,
    /// What it does, in words.
    pub detail: Box<str>,
    /// The resolved facts.
    pub injection: serde_json::Value,
    /// How much later than planned it began, in microseconds.
    pub late_us: u64,
}

/// A fault from its start to its end, as the marks in a history tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// Which fault of the schedule.
    pub fault: FaultId,
    /// The fault's name in the table.
    pub name: Box<str>,
    /// The variant in words.
    pub detail: Box<str>,
    /// The nodes struck.
    pub victims: Box<[NodeId]>,
    /// The resolved injection.
    pub injection: serde_json::Value,
    /// The steps, if it is a scenario, in the order in which they came.
    pub steps: Vec<FaultStep>,
    /// When the first node was about to be touched.
    pub start: Time,
    /// When the last node had been healed; `None` if the history ends before.
    pub stop: Option<Time>,
    /// The probe's evidence that it bit, with the time of the mark; `None` if no probe answered.
    pub bites: Option<(Time, Evidence)>,
    /// The probe's evidence that it was gone, with the time of the mark.
    pub gone: Option<(Time, Evidence)>,
}

impl FaultWindow {
    /// Whether a probe saw the fault's effect.
    pub fn proven(&self) -> bool {
        self.bites.as_ref().is_some_and(|(_, evidence)| evidence.seen)
    }
}
