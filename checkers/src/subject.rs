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
        name: "multi-register",
        aliases: &["multi-key-register"],
        summary: "registers as one object: txn [r x _, w y 1]; initial values may be unknown",
        usual: &[Claim::Linearizable],
    },
    Subject {
        name: "kv-append",
        aliases: &["kv"],
        summary: "one text a key: get, put, append",
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
        name: "queue",
        aliases: &["unordered-queue"],
        summary: "messages in no order: enqueue, dequeue",
        usual: &[Claim::Linearizable],
    },
    Subject {
        name: "fifo-queue",
        aliases: &[],
        summary: "messages, first in first out: enqueue, dequeue",
        usual: &[Claim::Linearizable],
    },
    Subject {
        name: "total-queue",
        aliases: &[],
        summary: "messages, all of which come out: enqueue, dequeue, drain",
        usual: &[Claim::NoLostElements, Claim::NoUnexpectedElements],
    },
    Subject {
        name: "weak-isolation",
        aliases: &["plume", "awdit"],
        summary: "transactions on registers, in sessions without real time: txn [w k v], [r k _]",
        usual: &[Claim::Causal],
    },
    Subject {
        name: "counter",
        aliases: &["g-counter", "pn-counter"],
        summary: "a number: add (increment, decrement), read",
        usual: &[Claim::CounterBounds],
    },
    Subject {
        name: "unique-ids",
        aliases: &["unique-id", "ids"],
        summary: "identifiers that are handed out: generate",
        usual: &[Claim::NoDuplicates],
    },
    Subject {
        name: "bank",
        aliases: &[],
        summary: "accounts: transfer {from, to, amount}, read of all of them {account balance, …}",
        usual: &[Claim::TotalConserved, Claim::NoNegativeBalances],
    },
    Subject {
        name: "long-fork",
        aliases: &[],
        summary: "groups of keys, each written once: write [w k v], read [r k _, …] of a group",
        usual: &[Claim::NoLongFork],
    },
    Subject {
        name: "causal-reverse",
        aliases: &[],
        summary: "elements, each written once: write, read of all of them",
        usual: &[Claim::NoCausalReverse],
    },
    Subject {
        name: "write-skew",
        aliases: &["g2", "adya"],
        summary: "pairs of which one may be there: insert k [a b]",
        usual: &[Claim::NoWriteSkew],
    },
    Subject {
        name: "mutex",
        aliases: &["lock"],
        summary: "a lock that anybody may release: acquire, release",
        usual: &[Claim::MutualExclusion],
    },
    Subject {
        name: "owner-aware-mutex",
        aliases: &[],
        summary: "a lock that only its holder may release: acquire, release",
        usual: &[Claim::MutualExclusion],
    },
    Subject {
        name: "reentrant-mutex",
        aliases: &[],
        summary: "a lock that its holder may acquire again: acquire, release",
        usual: &[Claim::MutualExclusion],
    },
    Subject {
        name: "lease",
        aliases: &["fenced-mutex"],
        summary: "a lock that may expire: acquire (returns a token), release, write [token value]",
        usual: &[Claim::MutualExclusion, Claim::Fencing],
    },
    Subject {
        name: "log",
        aliases: &["kafka"],
        summary: "partitioned logs: send, poll, txn [send k v], [poll k _]; assign, subscribe",
        usual: &[
            Claim::ConsistentOffsets,
            Claim::NoLostWrites,
            Claim::NoUnseenWrites,
            Claim::NoPrecommittedReads,
            Claim::PollOrder,
            Claim::SendOrder,
        ],
    },
    Subject {
        name: "watch",
        aliases: &[],
        summary: "a store and its watches: put, delete, cas, txn [w k v], watch k revision",
        usual: &[Claim::Ordered, Claim::Unique, Claim::Reliable],
    },
    Subject {
        name: "rw-register",
        aliases: &["txn-rw-register"],
        summary: "transactions on registers: txn [w k v], [r k _]",
        usual: &[Claim::Serializable],
    },
];
