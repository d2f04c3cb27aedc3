//! One line of a history.

use crate::{FaultMark, NodeId, Op, Outcome, Process, Time};

/// Something that was seen at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The place in the order. Order is the index, never the time: no two events tie.
    pub index: u64,
    /// When, on the controller's monotonic clock.
    pub time: Time,
    /// Who saw it; for marks of the nemesis [`Process::NEMESIS`].
    pub process: Process,
    /// What was seen.
    pub kind: Kind,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client is about to send an operation.
    Invoke {
        /// What it asks.
        op: Op,
        /// The intended start, where arrivals were fixed in advance (open loop).
        due: Option<Time>,
        /// The node that the client speaks to, where it speaks to one.
        node: Option<NodeId>,
    },
    /// The operation that the process has open is over, as far as its client knows.
    Complete(Outcome),
    /// The nemesis did something, or one of its probes saw something.
    Fault(FaultMark),
}

/// Histories of millions of events are held in memory: 10,000,000 of them must not be large.
const _: () = assert!(size_of::<Event>() <= 88);

impl Process {
    /// The process of the nemesis; no client has this number.
    pub const NEMESIS: Process = Process(u32::MAX);
}
