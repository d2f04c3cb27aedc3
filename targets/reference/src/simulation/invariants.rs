//! What must hold at every step: figure 3 of the Raft paper, and what clients were promised.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::model::Model;
use crate::raft::{Entry, Machine, NodeId, Role, Write};
use crate::store::{Answer, Operation, Request};

/// What was seen so far, and must not be contradicted.
#[derive(Default)]
pub(super) struct Invariants {
    /// Who led each term.
    leaders: BTreeMap<u64, NodeId>,
    /// For each index and term, the term before it and the request: then, by induction, logs that
    /// agree on an entry agree on all before it.
    entries: FxHashMap<(u64, u64), (u64, Option<Request>)>,
    /// The term of the entry that was committed at each index.
    committed: BTreeMap<u64, u64>,
    /// For each member, how far its commits were compared.
    compared: BTreeMap<NodeId, u64>,
    /// What the committed log means.
    model: Model,
    /// The greatest version that an answered operation had reflected.
    newest: u64,
}

impl Invariants {
    /// Log matching for what a member is about to write.
    pub(super) fn check_writes(
        &mut self,
        id: NodeId,
        machine: &Machine,
        writes: &[Write],
    ) -> Result<(), String> {
        for write in writes {
            let Write::Entries(entries) = write else { continue };
            // Where the log no longer reaches back to the entry before, that one is committed.
            let before = entries.first().and_then(|first| machine.log().term(first.index - 1));
            let mut before = before;
            for entry in entries {
                if let Some(before) = before {
                    self.check_entry(id, before, entry)?;
                }
                before = Some(entry.term);
            }
        }
        Ok(())
    }

    fn check_entry(&mut self, id: NodeId, before: u64, entry: &Entry) -> Result<(), String> {
        let fresh = || (before, entry.request.clone());
        let known = self.entries.entry((entry.index, entry.term)).or_insert_with(fresh);
        if known.0 == before && known.1 == entry.request {
            return Ok(());
        }
        Err(format!(
            "log matching: {id} has {:?} behind term {before} at index {} of term {}, where {:?} \
             behind term {} stood before",
            entry.request, entry.index, entry.term, known.1, known.0
        ))
    }

    /// Election safety: one leader a term.
    pub(super) fn check_role(&mut self, id: NodeId, machine: &Machine) -> Result<(), String> {
        let term = machine.state().term;
        if *machine.role() == Role::Leader {
            let leader = *self.leaders.entry(term).or_insert(id);
            if leader != id {
                return Err(format!("election safety: {leader} and {id} both lead term {term}"));
            }
        }
        Ok(())
    }

    /// State machine safety: what one member commits is what all do.
    pub(super) fn check_commits(&mut self, id: NodeId, machine: &Machine) -> Result<(), String> {
        let from = self.compared.get(&id).copied().unwrap_or(0).max(machine.log().base());
        for index in from + 1..=machine.commit() {
            let Some(entry) = machine.log().entry(index) else { continue };
            let Some(&term) = self.committed.get(&index) else {
                self.committed.insert(index, entry.term);
                self.model.commit(entry)?;
                continue;
            };
            if term != entry.term {
                let other = entry.term;
                return Err(format!(
                    "state machine safety: {id} committed index {index} of term {other}, \
                     where the entry of term {term} was committed before"
                ));
            }
        }
        self.compared.insert(id, machine.commit());
        Ok(())
    }

    /// A member came back: what it had committed is compared anew.
    pub(super) fn restarted(&mut self, id: NodeId) {
        self.compared.remove(&id);
    }

    /// Leader completeness: a leader has every committed entry.
    pub(super) fn check_leader(&self, id: NodeId, machine: &Machine) -> Result<(), String> {
        let log = machine.log();
        let missing = self.committed.iter().find(|&(&index, &term)| {
            index > log.base() && log.term(index) != Some(term) && term < machine.state().term
        });
        match missing {
            Some((index, term)) => Err(format!(
                "leader completeness: {id} leads term {} without the committed entry {index} of term {term}",
                machine.state().term
            )),
            None => Ok(()),
        }
    }

    /// What an operation that begins now must not go back behind.
    pub(super) fn floor(&self) -> u64 {
        self.newest
    }

    /// An answer reached its client, whose operation began at `floor`.
    pub(super) fn answered(
        &mut self,
        operation: &Operation,
        answer: &Answer,
        floor: u64,
    ) -> Result<(), String> {
        let Answer::Done { content, version } = answer else { return Ok(()) };
        // A read may reflect what had been answered before; everything else has a new index.
        if *version < floor || *version == floor && !operation.is_read() {
            return Err(format!(
                "clients: {operation:?} was answered from index {version}, although {floor} had \
                 been answered before it began"
            ));
        }
        self.newest = self.newest.max(*version);
        self.model.answered(operation, *version, content)
    }
}
