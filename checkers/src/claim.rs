//! What a system can be claimed to guarantee.

use std::fmt;
use std::time::Duration;

use schism_history::Value;

macro_rules! claims {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A guarantee, by its name in the literature.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Claim { $($(#[doc = $doc])+ $variant,)+ }

        impl Claim {
            /// Every claim, in the order of the declaration.
            pub const ALL: &'static [Claim] = &[$(Claim::$variant,)+];

            /// The claim's name in plans and reports.
            pub fn name(self) -> &'static str {
                match self { $(Claim::$variant => $name,)+ }
            }

            /// One line that says what is claimed.
            pub fn summary(self) -> &'static str {
                match self { $(Claim::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

claims! {
    /// Every operation takes effect at one instant between its invocation and its completion.
    Linearizable = "linearizable",
    /// Some order of all operations explains every answer, and keeps the order of each session.
    Sequential = "sequential",
    /// Causal consistency (CC): what a session sees is explained by some order of its causal past.
    Causal = "causal",
    /// Causal memory (CM): causal, and each session's own answers fit into one order.
    CausalMemory = "causal-memory",
    /// Causal convergence (CCv): causal, and all agree on one order of conflicting writes.
    CausalConvergence = "causal-convergence",
    /// PRAM (FIFO): every process sees all writes in an order that keeps each session's order.
    Pram = "pram",
    /// A session's read is no older than its own last write.
    ReadYourWrites = "read-your-writes",
    /// A session's read is no older than its earlier reads.
    MonotonicReads = "monotonic-reads",
    /// Two writes of one session are seen in its order, on whatever keys.
    MonotonicWrites = "monotonic-writes",
    /// A write is seen only after what its session had read before.
    WritesFollowReads = "writes-follow-reads",
    /// A read lags the newest acknowledged write by a bounded time, or number of versions.
    BoundedStaleness = "bounded-staleness",
    /// After healing and quiet, all replicas answer alike, with what was written.
    EventualConvergence = "eventual-convergence",
    /// What was acknowledged is still there after the faults.
    AcknowledgedWritesSurvive = "acknowledged-writes-survive",
    /// After a fault is healed the system answers as before, within a bound.
    Recovers = "recovers",
    /// Outside the faults, answers come within a bound.
    Availability = "availability",
    /// Nothing that was acknowledged or seen is absent for ever.
    NoLostElements = "no-lost-elements",
    /// No read misses an element that was known before the read began.
    NoStaleReads = "no-stale-reads",
    /// Nothing is there, or handed out, more than once.
    NoDuplicates = "no-duplicates",
    /// No answer holds an element that nobody put there.
    NoUnexpectedElements = "no-unexpected-elements",
    /// A counter's reads lie between what was certainly added and what may have been.
    CounterBounds = "counter-bounds",
    /// The messages of one producer are handed out in its order.
    ProducerOrder = "producer-order",
    /// A lock never has two holders.
    MutualExclusion = "mutual-exclusion",
    /// Fencing tokens rise strictly with each grant, and nothing is done under an old one.
    Fencing = "fencing",
    /// Every snapshot of the accounts has the same total.
    TotalConserved = "total-conserved",
    /// No account is ever below zero.
    NoNegativeBalances = "no-negative-balances",
    /// Any two reads of a group of keys agree on which writes came first.
    NoLongFork = "no-long-fork",
    /// No read sees a write without one that had completed before that write began.
    NoCausalReverse = "no-causal-reverse",
    /// Of two inserts that exclude each other at most one commits.
    NoWriteSkew = "no-write-skew",
    /// No cycle of writes (G0), no duplicated elements (PL-1).
    ReadUncommitted = "read-uncommitted",
    /// No aborted (G1a), intermediate (G1b) or circular (G1c) reads (PL-2).
    ReadCommitted = "read-committed",
    /// A transaction sees all of another's writes, or none.
    ReadAtomic = "read-atomic",
    /// Read committed, and no update is lost.
    CursorStability = "cursor-stability",
    /// Reads from a consistent view: no G-single (PL-2+).
    ConsistentView = "consistent-view",
    /// Reads from a snapshot, first committer wins: no G-single, no G-nonadjacent.
    SnapshotIsolation = "snapshot-isolation",
    /// No G2-item: what was read stays so until the end (PL-2.99).
    RepeatableRead = "repeatable-read",
    /// Equivalent to some serial order: no G2 (PL-3).
    Serializable = "serializable",
    /// Snapshot isolation, in an order that agrees with each session.
    StrongSessionSnapshotIsolation = "strong-session-snapshot-isolation",
    /// Snapshot isolation, in an order that agrees with real time.
    StrongSnapshotIsolation = "strong-snapshot-isolation",
    /// Serializable, in an order that agrees with each session.
    StrongSessionSerializable = "strong-session-serializable",
    /// Serializable, in an order that agrees with real time.
    StrictSerializable = "strict-serializable",
    /// One offset of a log holds one message.
    ConsistentOffsets = "consistent-offsets",
    /// No acknowledged message is passed over by readers that went beyond it.
    NoLostWrites = "no-lost-writes",
    /// Every acknowledged message has been polled by the end.
    NoUnseenWrites = "no-unseen-writes",
    /// No acknowledged message is passed over by a group of subscribers that goes beyond it.
    NoGroupSkips = "no-group-skips",
    /// Nobody polls a message whose transaction failed.
    NoAbortedReads = "no-aborted-reads",
    /// No transaction polls what it itself sends.
    NoPrecommittedReads = "no-precommitted-reads",
    /// Polls go through a log without skipping or going back.
    PollOrder = "poll-order",
    /// The messages that one process sends to one log stand in its order.
    SendOrder = "send-order",
    /// No circle of transactions that read each other's messages (G1c).
    NoCircularReads = "no-circular-reads",
    /// Events come in order of their revisions.
    Ordered = "ordered",
    /// No event comes twice.
    Unique = "unique",
    /// No event is missing between the first and the last that came.
    Reliable = "reliable",
    /// The events of one revision come together.
    Atomic = "atomic",
    /// A watch from a past revision delivers every event since.
    Resumable = "resumable",
    /// A progress notification vouches for everything before it.
    Bookmarkable = "bookmarkable",
}

/// Other names under which the field, or a column of a table, knows a claim.
const ALIASES: &[(&str, Claim)] = &[
    ("linearizability", Claim::Linearizable),
    ("sequential-consistency", Claim::Sequential),
    ("causal-consistency", Claim::Causal),
    ("cc", Claim::Causal),
    ("cm", Claim::CausalMemory),
    ("ccv", Claim::CausalConvergence),
    ("fifo", Claim::Pram),
    ("ryw", Claim::ReadYourWrites),
    ("mr", Claim::MonotonicReads),
    ("mw", Claim::MonotonicWrites),
    ("wfr", Claim::WritesFollowReads),
    ("lost", Claim::NoLostElements),
    ("stale", Claim::NoStaleReads),
    ("duplicated", Claim::NoDuplicates),
    ("unexpected", Claim::NoUnexpectedElements),
    ("bounds", Claim::CounterBounds),
    ("strong-serializable", Claim::StrictSerializable),
    ("strict-1sr", Claim::StrictSerializable),
    ("pl-1", Claim::ReadUncommitted),
    ("pl-2", Claim::ReadCommitted),
    ("pl-2+", Claim::ConsistentView),
    ("pl-2.99", Claim::RepeatableRead),
    ("pl-3", Claim::Serializable),
];

impl Claim {
    /// The claim named `name`, or known as it; capitals do not matter.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let known = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, claim)| *claim);
        Self::ALL.iter().copied().find(|claim| claim.name() == name).or(known)
    }

    /// Whether it is about time: a late controller proves nothing about it.
    pub fn is_about_time(self) -> bool {
        matches!(self, Claim::Recovers | Claim::Availability)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A claim with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is claimed.
    pub claim: Claim,
    /// `recovers`: within this long of healing; `bounded-staleness`: the newest acknowledged write
    /// that a read misses is no older. `None`: 5 s, unless `versions` says something.
    pub within: Option<Duration>,
    /// `bounded-staleness`: a read misses at most so many acknowledged versions. `None`: no bound.
    pub versions: Option<u64>,
    /// `availability`, `recovers`: the bound on the 99th percentile of latency. `None`: 1 s.
    pub p99: Option<Duration>,
}

impl Asked {
    /// The claim with default parameters.
    pub fn new(claim: Claim) -> Self {
        Self { claim, within: None, versions: None, p99: None }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use schism_history::Span;
        self.claim.fmt(formatter)?;
        let mut between = ": ";
        if let Some(within) = self.within {
            write!(formatter, "{between}within {}", Span(within))?;
            between = ", ";
        }
        if let Some(versions) = self.versions {
            let plural = if versions == 1 { "" } else { "s" };
            write!(formatter, "{between}at most {versions} version{plural}")?;
            between = ", ";
        }
        if let Some(p99) = self.p99 {
            write!(formatter, "{between}p99 {}", Span(p99))?;
            between = ", ";
        }
        if self.claim == Claim::Availability {
            write!(formatter, "{between}outside faults")?;
        }
        Ok(())
    }
}

/// What is asked of a checker.
#[derive(Clone, Debug)]
pub struct Question {
    /// The claims, with their parameters.
    pub claims: Vec<Asked>,
    /// What the history is about: the name of a row of `SUBJECTS`.
    pub workload: String,
    /// What every object holds before the first write.
    pub initial: Value,
    /// What the workload and the system were set to, as far as verdicts depend on it.
    pub parameters: Parameters,
    /// With fewer operations that could have shown a violation nothing is upheld. Usually 1: no
    /// verdict rests on nothing. Runs want more, since there a workload that hardly ran is a fault.
    /// With 0 a history in which nothing could be seen is valid, as logic has it: so the verdicts
    /// of others that are known are to be read.
    pub evidence_min: usize,
    /// How late the controller itself ran: (second of the load, worst lateness in it), from its
    /// canary task. Empty if nobody watched.
    pub lateness: Vec<(u64, Duration)>,
    /// Arrivals a second in an open loop; `None` in a closed one.
    pub rate: Option<f64>,
}

/// What the workload and the system were set to, as far as verdicts depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// long-fork: how many keys make a group. `None`: as many as a read reads.
    pub group_size: Option<usize>,
    /// bank: what all accounts hold together. `None`: what the first ok read found.
    pub total: Option<i64>,
    /// bank: accounts may be below zero.
    pub negative_balances: bool,
    /// log: consumers were declared to read committed messages only.
    pub read_committed: bool,
    /// log: producers were declared idempotent, so that no message may stand twice.
    pub idempotent: bool,
}

impl Parameters {
    /// What is assumed when nobody says anything.
    pub const DEFAULT: Parameters = Parameters {
        group_size: None,
        total: None,
        negative_balances: false,
        read_committed: false,
        idempotent: false,
    };
}

impl Question {
    /// A question about `claims` of a history of `workload`.
    pub fn new(workload: &str, claims: Vec<Asked>) -> Self {
        Self {
            claims,
            workload: workload.into(),
            initial: Value::Nil,
            parameters: Parameters::default(),
            evidence_min: 1,
            lateness: Vec::new(),
            rate: None,
        }
    }
}
