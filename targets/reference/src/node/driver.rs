//! Drives the machine: takes what came, makes the writes durable, then sends the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};

use super::NodeError;
use super::http::Health;
use super::metrics::Metrics;
use crate::raft::{Effects, Input, Machine, Message, NodeId, Note, Role};
use crate::storage::{FolderDisk, Storage, StorageError};
use crate::store::{Answer, Request};

/// Jobs that wait for the driver; beyond that peers' messages are lost and clients refused.
const QUEUE: usize = 4096;
/// Jobs that share one sync of the log.
const BATCH: usize = 256;
/// The longest sleep, so that the figures of `/health` do not grow old.
const IDLE: Duration = Duration::from_millis(100);
/// A leader that answers reads this long after it last heard from anybody is worth a line.
const LONELY_US: u64 = 200_000;

/// What the sockets hand to the driver.
pub(super) enum Job {
    /// A message of a peer.
    Message {
        /// From whom.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// A request of a client.
    Request {
        /// What is asked.
        request: Request,
        /// Where the answer goes.
        answer: oneshot::Sender<Answer>,
    },
}

/// The way to the driver.
pub(super) fn queue() -> (SyncSender<Job>, Receiver<Job>) {
    sync_channel(QUEUE)
}

/// What the driver's thread owns.
pub(super) struct Driver {
    id: NodeId,
    machine: Machine,
    storage: Storage<FolderDisk>,
    peers: BTreeMap<NodeId, mpsc::Sender<Message>>,
    tickets: FxHashMap<u64, oneshot::Sender<Answer>>,
    next_ticket: u64,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    origin: Instant,
}

impl Driver {
    pub(super) fn new(
        id: NodeId,
        machine: Machine,
        storage: Storage<FolderDisk>,
        peers: BTreeMap<NodeId, mpsc::Sender<Message>>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
    ) -> Self {
        Self {
            id,
            machine,
            storage,
            peers,
            tickets: FxHashMap::default(),
            next_ticket: 0,
            metrics,
            health,
            origin: Instant::now(),
        }
    }

    /// Starts the thread; what it returns resolves when the disk has failed.
    pub(super) fn start(
        mut self,
        jobs: Receiver<Job>,
    ) -> Result<oneshot::Receiver<StorageError>, NodeError> {
        let (failed, failure) = oneshot::channel();
        let run = move || {
            if let Err(error) = self.run(&jobs) {
                let _ = failed.send(error);
            }
        };
        std::thread::Builder::new()
            .name("raft".into())
            .spawn(run)
            .map_err(|source| NodeError::Io { what: "a thread".into(), source })?;
        Ok(failure)
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_micros() as u64
    }

    fn run(&mut self, jobs: &Receiver<Job>) -> Result<(), StorageError> {
        loop {
            let wait = self.machine.deadline().saturating_sub(self.now());
            let first = match jobs.recv_timeout(Duration::from_micros(wait).min(IDLE)) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let mut all = Effects::default();
            let inputs = first.into_iter().chain(jobs.try_iter()).take(BATCH);
            let inputs: Vec<Input> = inputs.map(|job| self.input(job)).collect();
            for input in inputs.into_iter().chain(std::iter::once(Input::Tick)) {
                let now = self.now();
                let effects = self.machine.step(now, input);
                all.writes.extend(effects.writes);
                all.messages.extend(effects.messages);
                all.replies.extend(effects.replies);
                all.notes.extend(effects.notes);
            }
            self.carry_out(all)?;
        }
    }

    fn input(&mut self, job: Job) -> Input {
        match job {
            Job::Message { from, message } => Input::Message { from, message },
            Job::Request { request, answer } => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.tickets.insert(ticket, answer);
                Input::Request { ticket, request }
            }
        }
    }

    fn carry_out(&mut self, effects: Effects) -> Result<(), StorageError> {
        if !effects.writes.is_empty() {
            let began = Instant::now();
            self.storage.write(&effects.writes)?;
            self.metrics.sync_s.observe(began.elapsed().as_secs_f64());
        }
        for (to, message) in effects.messages {
            if let Some(peer) = self.peers.get(&to) {
                // A peer that does not keep up loses messages; the protocol sends them again.
                let _ = peer.try_send(message);
            }
        }
        for (ticket, answer) in effects.replies {
            if let Some(client) = self.tickets.remove(&ticket) {
                let _ = client.send(answer);
            }
        }
        for note in effects.notes {
            self.log(&note);
        }
        self.metrics.update(&self.machine);
        self.health.update(&self.machine);
        Ok(())
    }

    fn log(&self, note: &Note) {
        let node = self.id;
        match note {
            Note::Campaign { term } => {
                self.metrics.elections.inc();
                tracing::info!(%node, term, "campaigns");
            }
            Note::Elected { term, votes } => {
                let votes: Vec<String> = votes.iter().map(ToString::to_string).collect();
                tracing::info!(%node, term, votes = votes.join(","), "elected");
            }
            Note::SteppedDown { term, why } => tracing::info!(%node, term, why, "stepped down"),
            Note::Follows { term, leader } => tracing::info!(%node, term, %leader, "follows"),
            Note::Snapshot { index } => {
                self.metrics.snapshots.inc();
                tracing::info!(%node, index, "took a snapshot");
            }
            Note::Installed { index, from } => {
                tracing::info!(%node, index, %from, "installed a snapshot");
            }
            Note::ServedReads { count, last_heard_us } if *last_heard_us > LONELY_US => {
                let ms = last_heard_us / 1000;
                let term = self.machine.state().term;
                tracing::info!(%node, term, count, last_heard_ms = ms, "served reads alone");
            }
            Note::ServedReads { count, last_heard_us } => {
                tracing::debug!(%node, count, last_heard_us, "served reads");
            }
        }
    }
}

/// The word for a role in `/health`.
pub(super) fn role_name(role: &Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate { .. } | Role::Candidate { .. } => "candidate",
        Role::Leader => "leader",
    }
}
