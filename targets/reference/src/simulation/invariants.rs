//! What must hold at every step: figure 3 of the Raft paper, and what clients were promised.

use std::collections::BTreeMap;

use crate::raft::{Machine, NodeId, Role};
use crate::store::{Answer, Content, Operation};

/// What was seen so far, and must not be contradicted.
#[derive(Default)]
pub(super) struct Invariants {
    /// Who led each term.
    leaders: BTreeMap<u64, NodeId>,
    /// The term of the entry that was committed at each index.
    committed: BTreeMap<u64, u64>,
    /// For each member, how far its commits were compared.
    compared: BTreeMap<NodeId, u64>,
    /// What was acknowledged of each register: the greatest version, and its value.
    acknowledged: BTreeMap<String, (u64, i64)>,
    /// What was ever read or acknowledged at a version of a register.
    versions: BTreeMap<(String, u64), i64>,
    /// The greatest version that an answered operation had reflected.
    newest: u64,
}

/// What a read may not go back behind: taken when it begins.
#[derive(Clone, Debug)]
pub(super) struct Floor {
    newest: u64,
    acknowledged: Option<(u64, i64)>,
}

impl Invariants {
    /// Election safety, log matching and state machine safety for one member.
    pub(super) fn check(&mut self, id: NodeId, machine: &Machine) -> Result<(), String> {
        let term = machine.state().term;
        if *machine.role() == Role::Leader {
            let leader = *self.leaders.entry(term).or_insert(id);
            if leader != id {
                return Err(format!("election safety: {leader} and {id} both lead term {term}"));
            }
        }
        let from = self.compared.get(&id).copied().unwrap_or(0).max(machine.log().base());
        for index in from + 1..=machine.commit() {
            let Some(entry) = machine.log().entry(index) else { continue };
            let term = *self.committed.entry(index).or_insert(entry.term);
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

    /// What an operation on `key` that begins now must not go back behind.
    pub(super) fn floor(&self, key: &str) -> Floor {
        Floor { newest: self.newest, acknowledged: self.acknowledged.get(key).copied() }
    }

    /// An answer reached its client.
    pub(super) fn answered(
        &mut self,
        operation: &Operation,
        answer: &Answer,
        floor: &Floor,
    ) -> Result<(), String> {
        let Answer::Done { content, version } = answer else { return Ok(()) };
        match (operation, content) {
            (Operation::Write { key, value }, _) => {
                let newer = self.acknowledged.get(key).is_none_or(|(before, _)| before < version);
                if newer {
                    self.acknowledged.insert(key.clone(), (*version, *value));
                }
                self.newest = self.newest.max(*version);
                self.agree(key, *version, *value)
            }
            (Operation::Read { key }, Content::Register(value)) => {
                self.newest = self.newest.max(*version);
                check_read(key, *version, *value, floor)
            }
            (Operation::Transact { .. }, Content::Transaction(done)) => {
                self.newest = self.newest.max(*version);
                done.iter().try_for_each(|(_, content)| check_list(content))
            }
            _ => Ok(()),
        }
    }

    fn agree(&mut self, key: &str, version: u64, value: i64) -> Result<(), String> {
        let known = *self.versions.entry((key.to_owned(), version)).or_insert(value);
        if known == value {
            return Ok(());
        }
        Err(format!("clients: index {version} wrote both {known} and {value} to {key}"))
    }
}

/// Values grow with the version here, so a read that goes back shows it.
fn check_read(key: &str, version: u64, value: Option<i64>, floor: &Floor) -> Result<(), String> {
    if version < floor.newest {
        let newest = floor.newest;
        return Err(format!(
            "clients: a read of {key} reflects index {version}, although {newest} had been answered"
        ));
    }
    if let Some((written, acknowledged)) = floor.acknowledged
        && value.is_none()
    {
        return Err(format!(
            "clients: a read of {key} found nothing, although {acknowledged} had been \
             acknowledged at index {written}"
        ));
    }
    Ok(())
}

fn check_list(content: &Content) -> Result<(), String> {
    let Content::Elements(elements) = content else { return Ok(()) };
    let mut sorted = elements.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("clients: {} stands in a list twice", pair[0])),
        None => Ok(()),
    }
}
