//! The hands of schism on a node: programs, signals, links and probes, asked for line by line.
//!
//! The controller starts it over SSH, writes one [`protocol::Request`] a line to its standard input
//! and reads one [`protocol::Response`] a line from its standard output. When that channel closes,
//! for whatever reason, it kills what it started, takes its firewall table away and ends.
//!
//! It imports no room: it is all that a node has of schism. A new deed is a variant of
//! [`protocol::Deed`] and the file that does it.
#![allow(unsafe_code)] // Signals, sessions and subreapers have no safe interface.

mod children;
mod claim;
mod datagrams;
mod files;
pub mod layer;
mod links;
mod members;
pub mod protocol;
mod session;
mod streams;

pub use session::{addresses, main};
