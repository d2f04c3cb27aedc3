//! What happened: operations, events and histories, and the files that hold them.
//!
//! This is the ground floor of the right gable. It knows nothing of time-outs, sockets or clocks:
//! it fixes the one shape that every workload's operations have, so that a new workload needs no
//! new type here, and it makes a malformed history impossible to hold.
//!
//! - [`Op`], [`Value`], [`Mop`]: what a client asks for.
//! - [`Call`], [`Reply`], [`Outcome`], [`Reason`]: one invocation, and what became of it.
//! - [`Event`], [`Kind`]: the invocation or completion of an operation, or a mark of the nemesis.
//! - [`History`], [`Operation`]: events in order, paired into operations.
//! - [`FaultMark`], [`FaultWindow`], [`Evidence`]: what the nemesis did, and what its probes saw.
//! - [`read`] reads a file of any known [`Format`]; [`jsonl`] reads and writes our own,
//!   `history.jsonl`; [`History::from_text`] short texts.
//! - [`Time`], [`Span`], [`Rate`]: nanoseconds since the load began, and quantities with units.

mod event;
mod fault;
mod format;
mod history;
mod id;
pub mod jsonl;
mod op;
mod option;
mod outcome;
mod symbol;
mod text;
mod time;

pub use event::{Event, Kind};
pub use fault::{Evidence, FaultId, FaultMark, FaultStep, FaultWindow, Phase};
pub use format::{Format, ReadError, Reading, read, write_edn};
pub use history::{History, Malformed, Operation};
pub use id::{NodeId, Process, TraceId};
pub use op::{Call, F, Key, Mop, MopKind, Op, Value};
pub use option::{OptionError, Options, did_you_mean, nearest};
pub use outcome::{Code, Outcome, Reason, Reply};
pub use symbol::Symbol;
pub use text::TextError;
pub use time::{Rate, Span, Time, UnitError};
