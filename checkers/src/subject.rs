//! What a history can be about, and what is usually claimed of it.

use crate::{CHECKERS, Claim};

/// What a history is about: the objects, and the functions by which clients use them.
///
/// A workload that schism runs has a subject of the same name; histories of others are judged by
/// subject alone. Which claims a subject can decide follows from [`CHECKERS`].
#[derive(Debug)]
pub struct Subject {
    /// The name, as `--workload` takes it.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// One line: the objects, and the functions.
    pub summary: &'static str,
    /// The claims that *valid* is about when nobody says more.
    pub usual: &'static [Claim],
}

impl Subject {
    /// The subject of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SUBJECTS.iter().find(|it| it.name == name || it.aliases.contains(&name))
    }

    /// The claims that a history of this subject can decide, in their own order. Claims about runs
    /// (recovery, availability, survival) are decided of every history, and are not among them.
    pub fn claims(&self) -> Vec<Claim> {
        let own = CHECKERS.iter().filter(|entry| entry.subjects.contains(&self.name));
        let mut claims: Vec<Claim> = own.flat_map(|entry| entry.decides).copied().collect();
        claims.sort_unstable();
        claims.dedup();
        claims
    }
}

/// The subjects that there are.
pub const SUBJECTS: &[Subject] = &[
    Subject {
        name: "register",
        aliases: &[],
        summary: "one value a key: read, write, cas",
        usual: &[Claim::Linearizable],
    },
    Subject {
        name: "cas-register",
        aliases: &["lin-kv"],
        summary: "one value a key: read, write, cas",
        usual: &[Claim::Linearizable],
    },
    Subject {
        name: "set",
        aliases: &["g-set"],
        summary: "a set that grows: add, read (read-set)",
        usual: &[Claim::NoLostElements, Claim::NoUnexpectedElements],
    },
    Subject {
        name: "set-full",
        aliases: &[],
        summary: "a set that grows, read all the time: add, read (read-set)",
        usual: &[Claim::NoLostElements, Claim::NoDuplicates, Claim::NoUnexpectedElements],
    },
    Subject {
        name: "list-append",
        aliases: &["txn-list-append"],
        summary: "transactions that append to lists and read them: txn [append k v], [r k _]",
        usual: &[Claim::StrictSerializable],
    },
    Subject {
        name: "weak-isolation",
        aliases: &["plume", "awdit"],
        summary: "transactions on registers, in sessions without real time: txn [w k v], [r k _]",
        usual: &[Claim::Causal],
    },
    Subject {
        name: "rw-register",
        aliases: &["txn-rw-register"],
        summary: "transactions on registers: txn [w k v], [r k _]",
        usual: &[Claim::Serializable],
    },
];
