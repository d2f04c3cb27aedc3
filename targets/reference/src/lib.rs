//! The bundled systems: sans-IO protocol machines, and the node around them.
//!
//! - `raft`: the protocol, without sockets, files or clocks.
//! - `store`: the replicated state: registers, sets and lists.
//! - `storage`: log and snapshot on disk, safe against a crash at any byte.
//! - `node`: sockets, files and clocks around the protocol.
//! - `simulation`: the protocol on a simulated network, disk and clock, from a seed.
//!
//! This crate imports no other room: the nodes are a system under test like any other, and are
//! spoken to over the network only.

mod arguments;
mod node;
mod raft;
mod simulation;
mod storage;
mod store;

pub use arguments::main;
