//! Replication: the leader's log becomes everybody's, is committed, applied, and compacted.

use std::borrow::Cow;

use super::machine::{Machine, Role};
use super::{Bug, Entry, Message, Micros, NodeId, Note, Snapshot, Write};
use crate::store::Request;

/// Entries on their way to one member beyond what it has confirmed.
const WINDOW: u64 = 2048;
/// Entries before a snapshot that stay in the log, for members that are a little behind.
const MARGIN: u64 = 32;

/// What a leader knows of another member.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The next entry to send.
    pub next: u64,
    /// How it is sent.
    flow: Flow,
    /// The last entry that it is known to have.
    pub matched: u64,
    /// The latest round of heartbeats that it has answered.
    pub round: u64,
    /// When it last answered.
    pub heard: Micros,
}

/// How a member gets what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Nobody knows yet where the logs agree: one message at a time asks. Were more under way,
    /// each of them would be refused, and every refusal answered with all that follows.
    Probing,
    /// The logs agree: one message after the other, without waiting.
    Streaming,
    /// It was sent the snapshot at this time; until it answers, heartbeats say nothing.
    Installing(Micros),
}

impl Progress {
    pub(super) fn new(next: u64, now: Micros) -> Self {
        Self { next, flow: Flow::Probing, matched: 0, round: 0, heard: now }
    }

    /// The logs agree up to `index`. `here`: so much is still in the leader's log.
    fn accept(&mut self, index: u64, here: bool) {
        self.matched = self.matched.max(index);
        if here && index + 1 >= self.next {
            self.next = index + 1;
            self.flow = Flow::Streaming;
        }
    }

    /// A message was refused, and `index` proposed instead. Whether it is worth another one: while
    /// probing, only what leads further back is news; the rest answers what was sent long ago.
    fn refuse(&mut self, index: u64, last: u64) -> bool {
        let next = (index + 1).clamp(self.matched + 1, last + 1);
        let news = match self.flow {
            Flow::Probing => next < self.next,
            Flow::Streaming => true,
            Flow::Installing(_) => false,
        };
        if news {
            self.next = next;
            self.flow = Flow::Probing;
        }
        news
    }
}

impl Machine {
    /// Appends an entry to the leader's own log, and returns its index.
    pub(super) fn append_entry(&mut self, request: Option<Request>) -> u64 {
        let index = self.log.last_index() + 1;
        let entry = Entry { index, term: self.state.term, request };
        self.log.append(std::slice::from_ref(&entry));
        self.effects.writes.push(Write::Entries(vec![entry]));
        self.advance_commit();
        index
    }

    /// Begins a round of heartbeats.
    pub(super) fn send_heartbeats(&mut self) {
        self.round += 1;
        self.timer = self.now + self.config.heartbeat;
        for peer in self.others() {
            self.send_append(peer, true);
        }
    }

    /// Sends what a member lacks; with nothing to send, a heartbeat if `always`.
    pub(super) fn send_append(&mut self, peer: NodeId, always: bool) {
        let Some(progress) = self.peers.get(&peer).cloned() else { return };
        let previous_index = progress.next - 1;
        let Some(previous_term) = self.log.term(previous_index) else {
            if always {
                self.send_snapshot(peer, progress.flow);
            }
            return;
        };
        let streams = progress.flow == Flow::Streaming;
        let full = progress.next > progress.matched + WINDOW;
        let entries = if streams && full {
            Vec::new()
        } else {
            self.log.from(progress.next, self.config.batch)
        };
        if !always && (entries.is_empty() || !streams) {
            return;
        }
        if streams && let Some(progress) = self.peers.get_mut(&peer) {
            progress.next += entries.len() as u64;
        }
        let (term, round, commit) = (self.state.term, self.round, self.commit);
        let message =
            Message::Append { term, previous_index, previous_term, entries, commit, round };
        self.send(peer, message);
    }

    /// Sends the snapshot, or, while an earlier one may still be on its way, a heartbeat from the
    /// beginning of all logs, which every member accepts.
    fn send_snapshot(&mut self, peer: NodeId, flow: Flow) {
        let (term, round, now) = (self.state.term, self.round, self.now);
        let waits = matches!(flow, Flow::Installing(since) if now < since + self.config.election.1);
        let message = match &self.snapshot {
            Some(snapshot) if !waits => {
                Message::Install { term, snapshot: snapshot.clone(), round }
            }
            _ => {
                let (previous_index, previous_term, entries, commit) = (0, 0, Vec::new(), 0);
                Message::Append { term, previous_index, previous_term, entries, commit, round }
            }
        };
        if !waits && let Some(progress) = self.peers.get_mut(&peer) {
            progress.flow = Flow::Installing(now);
        }
        self.send(peer, message);
    }

    pub(super) fn on_append(
        &mut self,
        from: NodeId,
        term: u64,
        previous: (u64, u64),
        entries: Vec<Entry>,
        commit: u64,
        round: u64,
    ) {
        if !self.hear_leader(from, term) {
            return;
        }
        let (previous_index, previous_term) = previous;
        let term = self.state.term;
        // What is before the snapshot is committed, so the logs agree on it.
        let agrees = previous_index < self.log.base()
            || self.log.term(previous_index) == Some(previous_term);
        if !agrees {
            // Back past the whole term that disagrees, or to the end of a shorter log.
            let index = self.conflict(previous_index);
            return self.send(from, Message::AppendReply { term, accepted: false, index, round });
        }
        let last = previous_index + entries.len() as u64;
        let fresh: Vec<Entry> = entries
            .into_iter()
            .skip_while(|entry| {
                entry.index <= self.log.base() || self.log.term(entry.index) == Some(entry.term)
            })
            .collect();
        if !fresh.is_empty() {
            self.log.append(&fresh);
            self.effects.writes.push(Write::Entries(fresh));
        }
        self.commit = self.commit.max(commit.min(last));
        self.send(from, Message::AppendReply { term, accepted: true, index: last, round });
    }

    /// Follows a leader that speaks; false if it belongs to the past.
    fn hear_leader(&mut self, from: NodeId, term: u64) -> bool {
        if term < self.state.term {
            // Round 0, which no leader begins: the sender may lead again, in this very term, by
            // the time that this arrives, and must not take it for an answer to a round of that.
            let (term, index, round) = (self.state.term, 0, 0);
            self.send(from, Message::AppendReply { term, accepted: false, index, round });
            return false;
        }
        self.follow(term, Some(from), "another leads a later term");
        self.heard = Some(self.now);
        true
    }

    /// Where the leader should try next after `index` did not agree.
    fn conflict(&self, index: u64) -> u64 {
        if index > self.log.last_index() {
            return self.log.last_index();
        }
        let term = self.log.term(index);
        let mut index = index;
        while index > self.log.base() && self.log.term(index) == term {
            index -= 1;
        }
        index
    }

    pub(super) fn on_append_reply(
        &mut self,
        from: NodeId,
        term: u64,
        accepted: bool,
        index: u64,
        round: u64,
    ) {
        if term > self.state.term {
            return self.follow(term, None, "a later term was seen");
        }
        if self.role != Role::Leader || term < self.state.term || round == 0 {
            return;
        }
        let (last, here) = (self.log.last_index(), self.log.term(index).is_some());
        let Some(progress) = self.peers.get_mut(&from) else { return };
        progress.heard = self.now;
        progress.round = progress.round.max(round);
        let again = if accepted {
            progress.accept(index, here);
            self.advance_commit();
            false
        } else {
            progress.refuse(index, last)
        };
        self.send_append(from, again);
    }

    /// Commits what a majority has.
    fn advance_commit(&mut self) {
        let mut matched: Vec<u64> = self.peers.values().map(|peer| peer.matched).collect();
        matched.push(self.log.last_index());
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let index = matched[self.majority() - 1];
        // Counting replicas commits only entries of the leader's own term (Raft, 5.4.2).
        let own = self.log.term(index) == Some(self.state.term)
            || self.config.bug == Some(Bug::CommitOldTerm); // Bug commit-old-term.
        if index > self.commit && own {
            self.commit = index;
        }
    }

    /// When this leader last had word from a majority, itself included.
    pub(super) fn last_quorum(&self) -> Micros {
        self.confirmed_by_majority(self.now, |peer| peer.heard)
    }

    /// The latest round of heartbeats that a majority has answered.
    pub(super) fn confirmed_round(&self) -> u64 {
        self.confirmed_by_majority(self.round, |peer| peer.round)
    }

    /// What a majority has reached, this leader's `own` included, of what is known `of` each.
    fn confirmed_by_majority(&self, own: u64, of: impl Fn(&Progress) -> u64) -> u64 {
        // Bug stale-read: the leader takes its own word for everybody's.
        if self.config.bug == Some(Bug::StaleRead) {
            return own;
        }
        let mut reached: Vec<u64> = self.peers.values().map(of).collect();
        reached.push(own);
        reached.sort_unstable_by(|a, b| b.cmp(a));
        reached[self.majority() - 1]
    }

    /// When this leader last had word from anybody.
    pub(super) fn last_heard(&self) -> Micros {
        self.peers.values().map(|peer| peer.heard).max().unwrap_or(self.now)
    }

    /// Applies what is committed, and answers those who asked for it here.
    pub(super) fn apply(&mut self) {
        while self.applied < self.commit {
            let index = self.applied + 1;
            let Some(entry) = self.log.entry(index).cloned() else { break };
            self.applied = index;
            let Some(request) = &entry.request else { continue };
            // Bug apply-twice: nobody looks whether the request was applied before.
            let deduplicate = self.config.bug != Some(Bug::ApplyTwice);
            let answer = self.store.apply(index, request, deduplicate);
            self.answer_entry(&entry, answer);
        }
        if self.applied - self.snapshot.as_ref().map_or(0, |snapshot| snapshot.index)
            >= self.config.snapshot_every
        {
            self.take_snapshot();
        }
    }

    fn take_snapshot(&mut self) {
        let Some(term) = self.log.term(self.applied) else { return };
        let mut store = Cow::Borrowed(&self.store);
        // Bug drop-on-snapshot: registers with odd values do not make it into the snapshot.
        if self.config.bug == Some(Bug::DropOnSnapshot) {
            store.to_mut().registers.retain(|_, value| *value % 2 == 0);
        }
        let state = postcard::to_allocvec(&*store).expect("a store has a finite encoding");
        let snapshot = Snapshot { index: self.applied, term, state };
        self.log.compact(&snapshot, MARGIN);
        let rest = self.log.from(self.log.base() + 1, usize::MAX);
        self.snapshot = Some(snapshot.clone());
        self.effects.writes.push(Write::Snapshot { snapshot, rest });
        self.note(Note::Snapshot { index: self.applied });
    }

    pub(super) fn on_install(&mut self, from: NodeId, term: u64, snapshot: Snapshot, round: u64) {
        if !self.hear_leader(from, term) {
            return;
        }
        let index = snapshot.index;
        if index > self.commit
            && let Ok(store) = postcard::from_bytes(&snapshot.state)
        {
            self.log.restore(&snapshot);
            self.store = store;
            (self.commit, self.applied) = (index, index);
            let rest = self.log.from(index + 1, usize::MAX);
            self.snapshot = Some(snapshot.clone());
            self.effects.writes.push(Write::Snapshot { snapshot, rest });
            self.note(Note::Installed { index, from });
        }
        let (term, index) = (self.state.term, index.min(self.commit));
        self.send(from, Message::AppendReply { term, accepted: true, index, round });
    }
}
