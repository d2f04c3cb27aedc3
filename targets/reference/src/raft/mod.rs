//! Raft (Ongaro & Ousterhout 2014; Ongaro's thesis, 2014), without sockets, files or clocks.
//!
//! [`Machine::step`] takes one input and returns [`Effects`]. The driver must make `writes`
//! durable, in order, before it sends any of the messages or replies that came with them; nothing
//! else is asked of it. So the same machine runs on real disks and sockets and in the simulation.
//!
//! Elections have a pre-vote (thesis 9.6), leaders step down when they hear from no majority
//! (6.2), reads are confirmed by a round of heartbeats that began after they arrived (6.4), and
//! requests carry a client's sequence number, so that repeating one is harmless (6.3). Membership
//! is fixed.

mod election;
mod log;
mod machine;
mod replication;
mod requests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::log::Log;
pub use self::machine::{Config, Machine, Role};
use crate::store::{Answer, Request};

/// A member of the cluster, printed as `n1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "n{}", self.0)
    }
}

/// Microseconds on the driver's monotonic clock.
pub type Micros = u64;

/// What a place of the log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, from 1.
    pub index: u64,
    /// The term of the leader that appended it.
    pub term: u64,
    /// What to apply; `None` for the entry with which a leader begins its term.
    pub request: Option<Request>,
}

/// A state, and the place of the log that it reflects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last index that is in it.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// The store, encoded.
    pub state: Vec<u8>,
}

/// What must survive a crash besides log and snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term seen.
    pub term: u64,
    /// Who got this node's vote in that term.
    pub vote: Option<NodeId>,
}

/// A change that the driver must make durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Term and vote.
    State(HardState),
    /// Entries; the first replaces whatever stood at its place and behind it.
    Entries(Vec<Entry>),
    /// A snapshot; entries up to its index may go, those from `keep` on stay.
    Snapshot {
        /// The snapshot.
        snapshot: Snapshot,
        /// The entries that stay behind it.
        rest: Vec<Entry>,
    },
}

/// What the members say to one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Would you vote for me? Asked before a term is spent on it.
    PreVote { term: u64, last_index: u64, last_term: u64 },
    /// The answer; `term` is the voter's own if it refused, the one asked about if it granted.
    PreVoteReply { term: u64, granted: bool },
    /// Vote for me.
    Vote { term: u64, last_index: u64, last_term: u64 },
    /// The answer.
    VoteReply { term: u64, granted: bool },
    /// Entries after `previous`, or none: a heartbeat.
    Append {
        term: u64,
        previous_index: u64,
        previous_term: u64,
        entries: Vec<Entry>,
        commit: u64,
        round: u64,
    },
    /// The answer: up to where the logs agree, or where to try instead.
    AppendReply { term: u64, accepted: bool, index: u64, round: u64 },
    /// A state, for one who is too far behind.
    Install { term: u64, snapshot: Snapshot, round: u64 },
    /// A client's request, passed on to the leader under a number of the sender's.
    Forward { number: u64, request: Request },
    /// What came of it; `None`: the receiver does not lead, or no longer. Numbers begin anew when
    /// a node restarts, so the answer says to whose request it belongs.
    Forwarded { number: u64, client: u64, sequence: u64, answer: Option<Answer> },
}

/// What can happen to a machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A message came.
    Message {
        /// From whom.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// A client of this node asks; the answer will carry the ticket.
    Request {
        /// The driver's name for it.
        ticket: u64,
        /// What is asked.
        request: Request,
    },
}

/// What a step asks of the driver: first the writes, durably, then the rest.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be made durable, in order.
    pub writes: Vec<Write>,
    /// To be sent; each may be lost.
    pub messages: Vec<(NodeId, Message)>,
    /// Answers to clients of this node.
    pub replies: Vec<(u64, Answer)>,
    /// What a person who reads the log would want to know.
    pub notes: Vec<Note>,
}

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// This node asks for votes.
    Campaign { term: u64 },
    /// It leads.
    Elected { term: u64, votes: Vec<NodeId> },
    /// It no longer leads.
    SteppedDown { term: u64, why: String },
    /// It follows another leader.
    Follows { term: u64, leader: NodeId },
    /// It took a snapshot.
    Snapshot { index: u64 },
    /// It was given one.
    Installed { index: u64, from: NodeId },
    /// A leader answered reads; how long ago it had last heard from any other member.
    ServedReads { count: usize, last_heard_us: u64 },
}

/// A bug that can be planted. Each is a few lines of the correct path, marked with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A leader answers reads without confirming that it still leads.
    StaleRead,
    /// A leader acknowledges writes when it has appended them, before they are committed.
    AckBeforeCommit,
    /// A node acknowledges what it has not yet handed to the operating system.
    BufferedLog,
    /// Some objects are left out of snapshots.
    DropOnSnapshot,
    /// A request that is repeated is applied again.
    ApplyTwice,
    /// A leader counts replicas of entries of earlier terms as committed (Raft, figure 8).
    CommitOldTerm,
    /// A vote is not written to disk.
    ForgetVote,
    /// The log is written and not synced.
    NoFsync,
    /// What is read from the disk is believed, whatever its checksum says.
    NoChecksum,
}

impl Bug {
    /// Every bug, with its name.
    pub const ALL: [(&'static str, Bug); 9] = [
        ("stale-read", Bug::StaleRead),
        ("ack-before-commit", Bug::AckBeforeCommit),
        ("buffered-log", Bug::BufferedLog),
        ("drop-on-snapshot", Bug::DropOnSnapshot),
        ("apply-twice", Bug::ApplyTwice),
        ("commit-old-term", Bug::CommitOldTerm),
        ("forget-vote", Bug::ForgetVote),
        ("no-fsync", Bug::NoFsync),
        ("no-checksum", Bug::NoChecksum),
    ];

    /// The bug of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, bug)| *bug)
    }
}

#[cfg(test)]
mod tests;
