//! One member: its state, and the way of an input through it.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::replication::Progress;
use super::requests::Requests;
use super::{Bug, Effects, HardState, Input, Log, Message, Micros, NodeId, Note, Snapshot, Write};
use crate::store::Store;

/// How a member behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who it is.
    pub id: NodeId,
    /// All members, itself among them.
    pub members: Vec<NodeId>,
    /// The pause between heartbeats.
    pub heartbeat: Micros,
    /// A member that has heard from no leader for a time drawn from here asks for votes.
    pub election: (Micros, Micros),
    /// A snapshot is taken after so many entries.
    pub snapshot_every: u64,
    /// Entries in one message.
    pub batch: usize,
    /// The seed of its timers.
    pub seed: u64,
    /// A planted bug.
    pub bug: Option<Bug>,
}

/// What a member is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It follows the leader it knows of, if any.
    Follower,
    /// It asks who would vote for it.
    PreCandidate {
        /// Who would.
        votes: BTreeSet<NodeId>,
    },
    /// It asks for votes.
    Candidate {
        /// Who gave them.
        votes: BTreeSet<NodeId>,
    },
    /// It leads.
    Leader,
}

/// A member of the cluster.
pub struct Machine {
    pub(super) config: Config,
    pub(super) state: HardState,
    pub(super) log: Log,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) store: Store,
    pub(super) commit: u64,
    pub(super) applied: u64,
    pub(super) role: Role,
    pub(super) leader: Option<NodeId>,
    /// When to campaign, or, for a leader, when to send the next heartbeat.
    pub(super) timer: Micros,
    /// When a follower last heard from its leader.
    pub(super) heard: Option<Micros>,
    pub(super) peers: BTreeMap<NodeId, Progress>,
    /// The number of the latest round of heartbeats.
    pub(super) round: u64,
    pub(super) requests: Requests,
    pub(super) rng: ChaCha8Rng,
    pub(super) now: Micros,
    pub(super) effects: Effects,
}

impl Machine {
    /// A member as it comes up with what was on its disk.
    ///
    /// # Errors
    ///
    /// When the snapshot's state cannot be decoded.
    pub fn new(
        config: Config,
        state: HardState,
        snapshot: Option<Snapshot>,
        log: Log,
        now: Micros,
    ) -> Result<Self, postcard::Error> {
        let (store, applied) = match &snapshot {
            Some(snapshot) => (postcard::from_bytes(&snapshot.state)?, snapshot.index),
            None => (Store::default(), 0),
        };
        let rng = ChaCha8Rng::seed_from_u64(config.seed);
        let mut machine = Self {
            config,
            state,
            log,
            snapshot,
            store,
            commit: applied,
            applied,
            role: Role::Follower,
            leader: None,
            timer: 0,
            heard: None,
            peers: BTreeMap::new(),
            round: 0,
            requests: Requests::default(),
            rng,
            now,
            effects: Effects::default(),
        };
        machine.reset_election_timer();
        Ok(machine)
    }

    /// Takes one input, and says what is to be done.
    pub fn step(&mut self, now: Micros, input: Input) -> Effects {
        self.now = self.now.max(now);
        match input {
            Input::Tick => {}
            Input::Message { from, message } => self.receive(from, message),
            Input::Request { ticket, request } => self.accept(ticket, request),
        }
        self.tick();
        self.serve_requests();
        self.apply();
        self.answer_reads();
        std::mem::take(&mut self.effects)
    }

    /// When the machine wants to be stepped again at the latest.
    pub fn deadline(&self) -> Micros {
        self.timer.min(self.requests.deadline())
    }

    fn receive(&mut self, from: NodeId, message: Message) {
        match message {
            Message::PreVote { term, last_index, last_term } => {
                self.on_pre_vote(from, term, last_index, last_term);
            }
            Message::PreVoteReply { term, granted } => self.on_pre_vote_reply(from, term, granted),
            Message::Vote { term, last_index, last_term } => {
                self.on_vote(from, term, last_index, last_term);
            }
            Message::VoteReply { term, granted } => self.on_vote_reply(from, term, granted),
            Message::Append { term, previous_index, previous_term, entries, commit, round } => {
                self.on_append(from, term, (previous_index, previous_term), entries, commit, round);
            }
            Message::AppendReply { term, accepted, index, round } => {
                self.on_append_reply(from, term, accepted, index, round);
            }
            Message::Install { term, snapshot, round } => {
                self.on_install(from, term, snapshot, round);
            }
            Message::Forward { number, request } => self.on_forward(from, number, request),
            Message::Forwarded { number, client, sequence, answer } => {
                self.on_forwarded(number, (client, sequence), answer);
            }
        }
    }

    fn tick(&mut self) {
        if self.now < self.timer {
            return;
        }
        if self.role == Role::Leader {
            self.check_quorum();
        }
        match self.role {
            Role::Leader => self.send_heartbeats(),
            _ => self.campaign_if_willing(),
        }
    }

    /// The other members.
    pub(super) fn others(&self) -> Vec<NodeId> {
        self.config.members.iter().copied().filter(|&id| id != self.config.id).collect()
    }

    /// How many members are a majority.
    pub(super) fn majority(&self) -> usize {
        self.config.members.len() / 2 + 1
    }

    pub(super) fn send(&mut self, to: NodeId, message: Message) {
        self.effects.messages.push((to, message));
    }

    pub(super) fn note(&mut self, note: Note) {
        self.effects.notes.push(note);
    }

    pub(super) fn write_state(&mut self) {
        let mut state = self.state;
        // Bug forget-vote: the vote is lost in a crash.
        if self.config.bug == Some(Bug::ForgetVote) {
            state.vote = None;
        }
        self.effects.writes.push(Write::State(state));
    }

    pub(super) fn reset_election_timer(&mut self) {
        let (least, most) = self.config.election;
        let drawn = self.rng.next_u64() % (most - least).max(1);
        self.timer = self.now + least + drawn;
    }

    /// Follows whoever leads `term`, which is at least this node's own.
    pub(super) fn follow(&mut self, term: u64, leader: Option<NodeId>, why: &str) {
        if self.role == Role::Leader {
            self.note(Note::SteppedDown { term: self.state.term, why: why.into() });
        }
        if term > self.state.term {
            self.state = HardState { term, vote: None };
            self.write_state();
        }
        if leader.is_some() && leader != self.leader {
            let leader = leader.unwrap_or(self.config.id);
            self.note(Note::Follows { term, leader });
        }
        if self.role != Role::Follower || self.leader != leader {
            self.role = Role::Follower;
            self.lose_leadership();
        }
        self.leader = leader;
        self.reset_election_timer();
    }

    /// Term, vote and what else must survive.
    pub fn state(&self) -> HardState {
        self.state
    }

    /// What it is at the moment.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Who leads, as far as it knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The last index known to be committed.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// The last index applied to the store.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }
}
