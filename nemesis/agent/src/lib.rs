//! The hands of schism on a node: programs, signals, links and probes, asked for line by line.
//!
//! The controller starts it over SSH, writes one [`protocol::Request`] a line to its standard input
//! and reads one [`protocol::Response`] a line from its standard output. When that channel closes,
//! for whatever reason, or the controller is not heard for the time of its lease, it kills what it started,
//! takes its firewall table away and ends. Its parent, the watcher, does so when it is killed.
//!
//! It imports no room: it is all that a node has of schism. A new deed is a variant of
//! [`protocol::Deed`] and the file that does it; what is done for as long as it is held, such as a
//! wrong clock, is a variant of [`effects::Effect`].
#![allow(unsafe_code)] // Signals, sessions and subreapers have no safe interface.

mod addresses;
mod beneath;
mod boot;
mod children;
mod claim;
pub mod clock;
mod datagrams;
pub mod effects;
mod entry;
mod files;
mod folders;
pub mod glob;
pub mod holder;
pub mod layer;
mod lease;
pub mod ledger;
mod leftovers;
mod links;
pub mod look;
pub mod members;
pub mod protocol;
mod session;
mod shape;
mod streams;
mod watch;

pub use addresses::addresses;

/// What a program of schism is called for by its own agents and labs: the exit code, or `None` where
/// the first word is another. Must be called while the process has one thread.
pub fn main(words: &[String]) -> Option<i32> {
    let (first, rest) = words.split_first()?;
    match first.as_str() {
        "agent" => Some(entry::main(rest)),
        "hold" => Some(holder::main(rest)),
        "look" => Some(look::main(rest)),
        _ => None,
    }
}
