//! A client of the cluster that enters it at one node, and what its troubles prove.
//!
//! It asks its own node first. Where that node says that another one serves the slot (`MOVED`,
//! `ASK`), it has executed nothing, so that to ask the other is still the same, first request; the
//! client remembers the way, as every client of a Redis Cluster does, until there is trouble on it
//! (`client/ways.rs`). Nothing else is ever asked again.
//!
//! Until the first byte of a request may have left, nothing can have happened: `Fail`. From then on
//! the node may do at any time what it was asked, whatever the client sees: `Info`. Only for
//! operations that change nothing is a lost answer a `Fail`, too, so that fewer processes are retired.

mod ways;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustc_hash::FxHashMap;
use schism_history::{Call, Code, Op, Outcome, Reason, Value};
use schism_lab::NodeId;
use tokio::time::Instant;

use self::ways::Ways;
use super::command::{self, Answer, Request};
use super::connection::{Connection, Trouble};
use super::locks::{self, Locks};
use super::refusal::{self, Refusal};
use super::resp::{Reply, write_command};
use crate::Client;

/// So often one operation is sent on. A cluster at rest needs one hop, one that moves slots two.
const HOPS_MAX: usize = 5;
/// What only saves detours may not use up an operation's time.
const TABLE_WITHIN: Duration = Duration::from_millis(500);

/// Who may answer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// The slot's primary.
    Primary,
    /// The client's own node, if it is a replica of the slot (`READONLY`); otherwise the primary.
    Replica,
    /// Both in turn, as clients do that spread their reads.
    Either,
}

/// How clients of this target ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) reads: Reads,
    /// How many replicas must have a write before it counts as acknowledged; 0: none.
    pub(super) wait: u64,
    /// How long they are waited for.
    pub(super) wait_timeout: Duration,
}

/// One client, with a connection to each node to which it was sent.
pub(super) struct RedisClient {
    own: SocketAddr,
    manner: Manner,
    /// The nodes' names, for what is said of them.
    names: Arc<BTreeMap<SocketAddr, NodeId>>,
    /// To where, and whether a replica may answer there. Writes have connections of their own, since
    /// a replica that may answer would run a script as far as it only reads.
    connections: FxHashMap<(SocketAddr, bool), Connection>,
    ways: Ways,
    /// How many reads there were.
    reads: u64,
    locks: Locks,
}

/// An operation that is under way.
struct Asked<'a> {
    op: &'a Op,
    request: Request,
    /// Whether a replica may answer it.
    of_replica: bool,
    deadline: Instant,
    /// Reads the replies.
    answer: fn(&Op, Vec<Reply>) -> Result<Answer, String>,
}

/// What one node made of an operation.
enum Met {
    /// Nothing: another one is to be asked, after `ASKING` if it does not serve the slot yet.
    SentOn { to: SocketAddr, asking: bool },
    /// This became of it.
    Over(Outcome),
}

impl RedisClient {
    /// A client that enters the cluster at `own`.
    pub(super) fn new(
        own: SocketAddr,
        manner: Manner,
        names: Arc<BTreeMap<SocketAddr, NodeId>>,
        locks: Locks,
    ) -> Self {
        let (connections, ways) = (FxHashMap::default(), Ways::default());
        Self { own, manner, names, connections, ways, reads: 0, locks }
    }

    async fn perform(&mut self, op: &Op, deadline: Instant) -> Outcome {
        match self.locks.request(op) {
            Some(locks::Asked::Refused(reason)) => return Outcome::Fail(reason),
            Some(locks::Asked::Request(request)) => {
                let answer = locks::answer;
                let asked = Asked { op, request, of_replica: false, deadline, answer };
                let outcome = self.follow(&asked).await;
                return self.locks.learn(op, outcome);
            }
            None => {}
        }
        let request = match command::request(op) {
            Ok(request) => request,
            // No byte of it has left.
            Err(reason) => return Outcome::Fail(reason),
        };
        let of_replica = request.only_reads && self.may_be_old();
        let answer = command::answer;
        self.follow(&Asked { op, request, of_replica, deadline, answer }).await
    }

    /// Asks from node to node, until one does it, refuses it, or is silent.
    async fn follow(&mut self, asked: &Asked<'_>) -> Outcome {
        let way = (asked.request.slot, asked.of_replica);
        let (mut at, mut asking) = (self.ways.find(way).unwrap_or(self.own), false);
        for _ in 0..=HOPS_MAX {
            match self.meet(at, asking, asked).await {
                Met::SentOn { to, asking: ask } => {
                    // `ASK` is about this request alone.
                    if !ask {
                        if self.ways.find(way).is_none() {
                            self.learn_table(at, asked).await;
                        }
                        self.ways.learn(way, to);
                    }
                    (at, asking) = (to, ask);
                }
                Met::Over(outcome) => {
                    if !was_answered(&outcome) {
                        // Its ways may have changed: the own node knows better.
                        self.ways.forget_all_to(at);
                    }
                    return outcome;
                }
            }
        }
        self.ways.forget(way);
        // Every node that was asked has executed nothing.
        let text = format!("sent from node to node more than {HOPS_MAX} times");
        Outcome::Fail(Reason::new(Code::Unavailable, text))
    }

    /// Has the own node, which has just sent something on, tell where every slot is served. Without
    /// its answer, the client learns them one by one.
    async fn learn_table(&mut self, at: SocketAddr, asked: &Asked<'_>) {
        let place = (at, asked.of_replica);
        if at != self.own || !self.ways.wants_table() {
            return;
        }
        let Some(mut connection) = self.connections.remove(&place) else { return };
        let deadline = asked.deadline.min(Instant::now() + TABLE_WITHIN);
        if let Ok(reply) = connection.command(&["CLUSTER", "SLOTS"], deadline).await {
            self.ways.read_table(at, &reply);
            self.connections.insert(place, connection);
        }
    }

    /// Whether a replica may answer the read that comes next.
    fn may_be_old(&mut self) -> bool {
        self.reads += 1;
        match self.manner.reads {
            Reads::Primary => false,
            Reads::Replica => true,
            Reads::Either => self.reads.is_multiple_of(2),
        }
    }

    /// Asks the node `at`.
    async fn meet(&mut self, at: SocketAddr, asking: bool, asked: &Asked<'_>) -> Met {
        let doubt = |code, text| Met::Over(self::doubt(&asked.request, code, text));
        let replies = match self.exchange(at, asking, asked).await {
            Ok(replies) => replies,
            Err(Trouble::Unsent(text)) => {
                return Met::Over(Outcome::Fail(Reason::new(Code::Refused, text)));
            }
            Err(Trouble::Unknown(code, text)) => return doubt(code, text),
        };
        match (asked.answer)(asked.op, replies) {
            Ok(Answer::Done(value)) => Met::Over(self.done(at, asked, value).await),
            Ok(Answer::Mismatch(text)) => {
                Met::Over(Outcome::Fail(Reason::new(Code::Mismatch, text)))
            }
            Ok(Answer::Error(error)) => match refusal::read(&error, at) {
                Refusal::Moved(to) => Met::SentOn { to, asking: false },
                Refusal::Ask(to) => Met::SentOn { to, asking: true },
                Refusal::Refused(code) => {
                    let text = format!("{}: {error}", self.name(at));
                    Met::Over(Outcome::Fail(Reason::new(code, text)))
                }
                Refusal::Doubtful => doubt(Code::Other, format!("{}: {error}", self.name(at))),
            },
            // What the other part of the operation did stays done.
            Ok(Answer::Partly(error)) => {
                doubt(Code::Other, format!("{}: in part: {error}", self.name(at)))
            }
            Err(problem) => {
                // Whose answer that was, nobody knows.
                self.connections.remove(&(at, asked.of_replica));
                doubt(Code::Protocol, format!("{}: {problem}", self.name(at)))
            }
        }
    }

    /// It was done; a write counts once enough replicas have it, too.
    async fn done(&mut self, at: SocketAddr, asked: &Asked<'_>, value: Value) -> Outcome {
        if self.manner.wait > 0
            && !asked.request.only_reads
            && let Err(reason) = self.wait(at, asked.deadline).await
        {
            // The primary has the write, and may keep it or lose it.
            return Outcome::Info(reason);
        }
        Outcome::Ok(schism_history::Reply { value, version: None })
    }

    /// Waits on the connection on which the write was sent, since `WAIT` is about that one.
    async fn wait(&mut self, at: SocketAddr, deadline: Instant) -> Result<(), Reason> {
        let (name, wanted) = (self.name(at), self.manner.wait);
        let Some(mut connection) = self.connections.remove(&(at, false)) else {
            let text = format!("{name}: the connection of the write is gone");
            return Err(Reason::new(Code::Disconnected, text));
        };
        // To Redis a time of 0 means for ever.
        let left = deadline.saturating_duration_since(Instant::now());
        let within = self.manner.wait_timeout.min(left).max(Duration::from_millis(1));
        let (replicas, time) = (wanted.to_string(), within.as_millis().to_string());
        let reply = match connection.command(&["WAIT", &replicas, &time], deadline).await {
            Ok(reply) => reply,
            Err(Trouble::Unsent(text)) => return Err(Reason::new(Code::Disconnected, text)),
            Err(Trouble::Unknown(code, text)) => return Err(Reason::new(code, text)),
        };
        self.connections.insert((at, false), connection);
        match reply {
            Reply::Integer(count) if u64::try_from(count).is_ok_and(|count| count >= wanted) => {
                Ok(())
            }
            Reply::Integer(count) => {
                let text = format!("{name}: {count} of {wanted} replicas had it after {within:?}");
                Err(Reason::new(Code::Timeout, text))
            }
            other => Err(Reason::new(Code::Other, format!("{name}: {}", other.shown()))),
        }
    }

    /// The replies of the node `at` to the request.
    async fn exchange(
        &mut self,
        at: SocketAddr,
        asking: bool,
        asked: &Asked<'_>,
    ) -> Result<Vec<Reply>, Trouble> {
        let Asked { request, deadline, .. } = asked;
        // The connection is put back only after an answer: whatever else happens, this future's
        // being dropped included, it is closed, and no late answer can meet the next request.
        let place = (at, asked.of_replica);
        let mut connection = match self.connections.remove(&place).filter(Connection::is_quiet) {
            Some(connection) => connection,
            None => self.open(place, *deadline).await?,
        };
        let replies = if asking {
            let mut bytes = Vec::with_capacity(request.bytes.len() + 16);
            write_command(&mut bytes, &["ASKING"]);
            bytes.extend_from_slice(&request.bytes);
            let mut replies = connection.ask(&bytes, request.replies + 1, *deadline).await?;
            // Where it was refused, the replies after it say so as well.
            replies.remove(0);
            replies
        } else {
            connection.ask(&request.bytes, request.replies, *deadline).await?
        };
        self.connections.insert(place, connection);
        Ok(replies)
    }

    async fn open(
        &self,
        (at, of_replica): (SocketAddr, bool),
        deadline: Instant,
    ) -> Result<Connection, Trouble> {
        let mut connection = Connection::open(at, self.name(at), deadline).await?;
        if of_replica {
            // Whatever becomes of this, the operation itself has not left.
            let reply = connection.command(&["READONLY"], deadline).await;
            let problem = match reply {
                Ok(Reply::Status(_)) => return Ok(connection),
                Ok(other) => format!("{}: READONLY: {}", self.name(at), other.shown()),
                Err(trouble) => trouble.text().to_owned(),
            };
            return Err(Trouble::Unsent(problem));
        }
        Ok(connection)
    }

    fn name(&self, at: SocketAddr) -> String {
        self.names.get(&at).map_or_else(|| at.to_string(), ToString::to_string)
    }
}

/// Nobody knows what was done: for what only reads it comes to nothing.
fn doubt(request: &Request, code: Code, text: String) -> Outcome {
    let reason = Reason::new(code, text);
    if request.only_reads { Outcome::Fail(reason) } else { Outcome::Info(reason) }
}

/// Whether the node did what it should: to refuse a compare-and-set is an answer.
fn was_answered(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Ok(_) => true,
        Outcome::Fail(reason) => reason.code == Code::Mismatch,
        Outcome::Info(_) => false,
    }
}

#[async_trait]
impl Client for RedisClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        self.perform(call.op, Instant::now() + call.timeout).await
    }
}

#[cfg(test)]
mod tests;
