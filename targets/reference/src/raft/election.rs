//! Elections: pre-vote, vote, and the leader that steps down when it is alone.

use std::collections::BTreeSet;

use super::machine::{Machine, Role};
use super::replication::Progress;
use super::{Message, NodeId, Note};

impl Machine {
    /// The election timer has run out.
    pub(super) fn campaign_if_willing(&mut self) {
        self.leader = None;
        self.role = Role::PreCandidate { votes: BTreeSet::from([self.config.id]) };
        self.reset_election_timer();
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        let term = self.state.term + 1;
        for peer in self.others() {
            self.send(peer, Message::PreVote { term, last_index, last_term });
        }
        self.count_pre_votes();
    }

    pub(super) fn on_pre_vote(&mut self, from: NodeId, term: u64, last_index: u64, last_term: u64) {
        // A member that hears from a leader does not help to depose it (thesis 4.2.3, 9.6).
        let content = match self.role {
            Role::Leader => true,
            _ => self.heard.is_some_and(|heard| self.now < heard + self.config.election.0),
        };
        let granted = term > self.state.term && !content && self.is_current(last_index, last_term);
        let term = if granted { term } else { self.state.term };
        self.send(from, Message::PreVoteReply { term, granted });
    }

    pub(super) fn on_pre_vote_reply(&mut self, from: NodeId, term: u64, granted: bool) {
        if !granted {
            if term > self.state.term {
                self.follow(term, None, "a later term was seen");
            }
            return;
        }
        if let Role::PreCandidate { votes } = &mut self.role
            && term == self.state.term + 1
        {
            votes.insert(from);
            self.count_pre_votes();
        }
    }

    fn count_pre_votes(&mut self) {
        if let Role::PreCandidate { votes } = &self.role
            && votes.len() >= self.majority()
        {
            self.campaign();
        }
    }

    fn campaign(&mut self) {
        self.state.term += 1;
        self.state.vote = Some(self.config.id);
        self.write_state();
        self.role = Role::Candidate { votes: BTreeSet::from([self.config.id]) };
        self.reset_election_timer();
        self.note(Note::Campaign { term: self.state.term });
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        let term = self.state.term;
        for peer in self.others() {
            self.send(peer, Message::Vote { term, last_index, last_term });
        }
        self.count_votes();
    }

    pub(super) fn on_vote(&mut self, from: NodeId, term: u64, last_index: u64, last_term: u64) {
        if term > self.state.term {
            self.follow(term, None, "a candidate of a later term");
        }
        let free = self.state.vote.is_none_or(|vote| vote == from);
        let granted = term == self.state.term && free && self.is_current(last_index, last_term);
        if granted {
            if self.state.vote.is_none() {
                self.state.vote = Some(from);
                self.write_state();
            }
            self.reset_election_timer();
        }
        self.send(from, Message::VoteReply { term: self.state.term, granted });
    }

    pub(super) fn on_vote_reply(&mut self, from: NodeId, term: u64, granted: bool) {
        if term > self.state.term {
            return self.follow(term, None, "a later term was seen");
        }
        if let Role::Candidate { votes } = &mut self.role
            && granted
            && term == self.state.term
        {
            votes.insert(from);
            self.count_votes();
        }
    }

    fn count_votes(&mut self) {
        let Role::Candidate { votes } = &self.role else { return };
        if votes.len() < self.majority() {
            return;
        }
        let votes: Vec<NodeId> = votes.iter().copied().collect();
        self.note(Note::Elected { term: self.state.term, votes });
        self.role = Role::Leader;
        self.leader = Some(self.config.id);
        let next = self.log.last_index() + 1;
        let now = self.now;
        let fresh = |peer| (peer, Progress::new(next, now));
        self.peers = self.others().into_iter().map(fresh).collect();
        // Until an entry of its own term is committed, a leader does not know what is (thesis 6.4).
        self.append_entry(None);
        self.send_heartbeats();
    }

    /// Whether a log with this end is at least as complete as this node's own.
    fn is_current(&self, last_index: u64, last_term: u64) -> bool {
        (last_term, last_index) >= (self.log.last_term(), self.log.last_index())
    }

    /// A leader that no majority has answered for an election's time does not lead (thesis 6.2).
    pub(super) fn check_quorum(&mut self) {
        if self.now > self.last_quorum() + self.config.election.1 {
            self.follow(self.state.term, None, "no majority answers");
        }
    }
}
