//! Requests of clients: from any node to the leader, through the log or past it, and back.
//!
//! A node keeps a request until it knows the answer or its time is over. While it does not, it
//! sends it again now and then, and to every new leader: the sequence number makes that harmless.

use std::collections::BTreeMap;

use super::machine::{Machine, Role};
use super::{Bug, Entry, Message, Micros, NodeId, Note};
use crate::store::{Answer, Content, Operation, Request};

/// Clients have given up by then.
const KEEP: Micros = 3_000_000;
/// A request that could not even be sent on is refused after this.
const WAIT_FOR_LEADER: Micros = 700_000;
/// A request without an answer is sent again after this.
const RESEND: Micros = 300_000;

/// The requests that this node has not yet answered.
#[derive(Debug, Default)]
pub(super) struct Requests {
    next: u64,
    /// Those of its own clients.
    own: BTreeMap<u64, Own>,
    /// Those that it has appended as leader, by index.
    appended: BTreeMap<u64, (u64, Asker)>,
    /// Reads that wait for a round of heartbeats: (round, index to be applied, who, what).
    reads: Vec<Read>,
}

#[derive(Debug)]
struct Own {
    ticket: u64,
    request: Request,
    since: Micros,
    /// When it was last handed to a leader; `None` if never, so that it cannot have any effect.
    sent: Option<Micros>,
}

#[derive(Clone, Copy, Debug)]
enum Asker {
    /// The request of this number of this node's own.
    Here(u64),
    /// A request of another node: its number there, its client and sequence.
    There { node: NodeId, number: u64, client: u64, sequence: u64 },
}

#[derive(Debug)]
struct Read {
    round: u64,
    index: u64,
    asker: Asker,
    operation: Operation,
}

impl Requests {
    /// When something here runs out of time.
    pub(super) fn deadline(&self) -> Micros {
        let due = |own: &Own| match own.sent {
            Some(sent) => (sent + RESEND).min(own.since + KEEP),
            None => own.since + WAIT_FOR_LEADER,
        };
        self.own.values().map(due).min().unwrap_or(Micros::MAX)
    }
}

impl Machine {
    pub(super) fn accept(&mut self, ticket: u64, request: Request) {
        let number = self.requests.next;
        self.requests.next += 1;
        let own = Own { ticket, request, since: self.now, sent: None };
        self.requests.own.insert(number, own);
    }

    pub(super) fn on_forward(&mut self, from: NodeId, number: u64, request: Request) {
        let (client, sequence) = (request.client, request.sequence);
        let asker = Asker::There { node: from, number, client, sequence };
        if self.role == Role::Leader {
            self.serve(asker, request);
        } else {
            self.hand_back(asker);
        }
    }

    pub(super) fn on_forwarded(
        &mut self,
        number: u64,
        request: (u64, u64),
        answer: Option<Answer>,
    ) {
        let Some(own) = self.requests.own.get_mut(&number) else { return };
        if (own.request.client, own.request.sequence) != request {
            return;
        }
        match answer {
            Some(answer) => self.answer(Asker::Here(number), answer),
            // Not the leader: to be sent again, but not at once to the same node.
            None => own.sent = own.sent.map(|_| self.now),
        }
    }

    /// Tells another node that this one does not know what becomes of its request.
    fn hand_back(&mut self, asker: Asker) {
        if let Asker::There { node, number, client, sequence } = asker {
            self.send(node, Message::Forwarded { number, client, sequence, answer: None });
        }
    }

    /// Hands every request that is due to the leader, and gives up those whose time is over.
    pub(super) fn serve_requests(&mut self) {
        let now = self.now;
        let mut hand_over = Vec::new();
        let mut give_up = Vec::new();
        for (&number, own) in &mut self.requests.own {
            let over = if own.sent.is_some() { KEEP } else { WAIT_FOR_LEADER };
            if now >= own.since + over {
                give_up.push(number);
            } else if self.leader.is_some() && own.sent.is_none_or(|sent| now >= sent + RESEND) {
                own.sent = Some(now);
                hand_over.push((number, own.request.clone()));
            } else if own.sent.is_some_and(|sent| now >= sent + RESEND) {
                own.sent = Some(now);
            }
        }
        for number in give_up {
            let sent = self.requests.own.get(&number).is_some_and(|own| own.sent.is_some());
            let answer = if sent {
                Answer::Unknown { why: "the leader did not answer".into() }
            } else {
                Answer::Unavailable { why: "no leader is known".into() }
            };
            self.answer(Asker::Here(number), answer);
        }
        let Some(leader) = self.leader else { return };
        for (number, request) in hand_over {
            if self.role == Role::Leader {
                self.serve(Asker::Here(number), request);
            } else {
                self.send(leader, Message::Forward { number, request });
            }
        }
        if self.role == Role::Leader {
            for peer in self.others() {
                self.send_append(peer, false);
            }
        }
    }

    /// As leader: a read waits for a round of heartbeats, everything else goes through the log.
    fn serve(&mut self, asker: Asker, request: Request) {
        let operation = request.operation.clone();
        if operation.is_read() {
            // The round begins after the read has arrived: only then does it prove anything.
            let round = self.round + 1;
            self.requests.reads.push(Read { round, index: self.commit, asker, operation });
            return;
        }
        let index = self.append_entry(Some(request));
        self.requests.appended.insert(index, (self.state.term, asker));
        // Bug ack-before-commit: the leader's own log is taken for everybody's.
        if self.config.bug == Some(Bug::AckBeforeCommit)
            && matches!(operation, Operation::Write { .. } | Operation::Add { .. })
        {
            self.answer(asker, Answer::Done { content: Content::Nothing, version: index });
        }
    }

    /// Answers the reads that are confirmed and applied; begins a round for those that are new.
    pub(super) fn answer_reads(&mut self) {
        if self.role != Role::Leader || self.requests.reads.is_empty() {
            return;
        }
        // Before an entry of its own term is committed, a leader does not know what is committed.
        if self.log.term(self.commit) != Some(self.state.term) {
            return;
        }
        let mut confirmed = self.confirmed_round();
        // One round at a time: reads that arrive during one share the next.
        if confirmed >= self.round && self.requests.reads.iter().any(|read| read.round > self.round)
        {
            self.send_heartbeats();
            confirmed = self.confirmed_round();
        }
        let applied = self.applied;
        let reads = std::mem::take(&mut self.requests.reads);
        let (ready, rest): (Vec<Read>, Vec<Read>) =
            reads.into_iter().partition(|read| read.round <= confirmed && read.index <= applied);
        self.requests.reads = rest;
        if ready.is_empty() {
            return;
        }
        let last_heard_us = self.now - self.last_heard();
        self.note(Note::ServedReads { count: ready.len(), last_heard_us });
        for read in ready {
            let answer = self.store.execute(self.applied, &read.operation);
            self.answer(read.asker, answer);
        }
    }

    /// The entry at its index was applied: whoever asked for it gets the answer, unless another
    /// leader's entry has taken its place.
    pub(super) fn answer_entry(&mut self, entry: &Entry, answer: Answer) {
        if let Some((term, asker)) = self.requests.appended.remove(&entry.index) {
            if term == entry.term {
                self.answer(asker, answer);
            } else {
                self.hand_back(asker);
            }
        }
    }

    fn answer(&mut self, asker: Asker, answer: Answer) {
        match asker {
            Asker::There { node, number, client, sequence } => {
                let answer = Some(answer);
                self.send(node, Message::Forwarded { number, client, sequence, answer });
            }
            Asker::Here(number) => {
                if let Some(own) = self.requests.own.remove(&number) {
                    self.effects.replies.push((own.ticket, answer));
                }
            }
        }
    }

    /// What this node held as leader, or had sent to one, goes to the next.
    pub(super) fn lose_leadership(&mut self) {
        let appended = std::mem::take(&mut self.requests.appended);
        let reads = std::mem::take(&mut self.requests.reads);
        let askers = appended.into_values().map(|(_, asker)| asker);
        for asker in askers.chain(reads.into_iter().map(|read| read.asker)) {
            self.hand_back(asker);
        }
        for own in self.requests.own.values_mut() {
            // As if sent long ago: due again as soon as a leader is known, and never refused.
            own.sent = own.sent.map(|_| 0);
        }
    }
}
