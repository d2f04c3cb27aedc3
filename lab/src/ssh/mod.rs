//! The lab behind SSH: nodes as hosts that somebody has, virtual or real.
//!
//! One connection and one long-lived agent channel a node (`nemesis/agent`). Programs run without a
//! shell, as descendants of the agent. When the channel closes, or the controller is not heard for
//! the agent's lease, the agent undoes everything; when the agent dies, its watcher does. So nothing
//! outlives a killed controller, a killed agent or a broken connection.

mod access;
mod addresses;
mod agent;
mod authentication;
mod bounds;
mod config_text;
mod connection;
mod datagrams;
mod host;
mod install;
mod inventory;
mod known_hosts;
mod lab;
mod logs;
mod network;
mod program;
mod quote;
mod reach;
mod vagrant;

pub use access::{Access, UnknownHosts};
pub use bounds::Bounds;
pub use inventory::{Source, parse};
pub use lab::{Lab, LabError, Options, Tell, USUAL_LEASE};
pub use reach::Left;
