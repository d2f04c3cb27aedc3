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
    /// What was acknowledged is still there after the faults.
    AcknowledgedWritesSurvive = "acknowledged-writes-survive",
    /// After a fault is healed the system answers as before, within a bound.
    Recovers = "recovers",
    /// Outside the faults, answers come within a bound.
    Availability = "availability",
    /// No acknowledged or observed element of a set is absent for ever.
    NoLostElements = "no-lost-elements",
    /// No read of a set misses an element that was known before the read began.
    NoStaleReads = "no-stale-reads",
    /// No element stands in one read more than once.
    NoDuplicates = "no-duplicates",
    /// No read returns an element that nobody added.
    NoUnexpectedElements = "no-unexpected-elements",
    /// No cycle of writes (G0), no duplicated elements (PL-1).
    ReadUncommitted = "read-uncommitted",
    /// No aborted (G1a), intermediate (G1b) or circular (G1c) reads (PL-2).
    ReadCommitted = "read-committed",
    /// Reads from a snapshot, first committer wins: no G-single, no G-nonadjacent.
    SnapshotIsolation = "snapshot-isolation",
    /// Equivalent to some serial order: no G2 (PL-3).
    Serializable = "serializable",
    /// Serializable, in an order that agrees with real time.
    StrictSerializable = "strict-serializable",
}

impl Claim {
    /// The claim named `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|claim| claim.name() == name)
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
    /// `recovers`: within this long of healing. `None`: 5 s.
    pub within: Option<Duration>,
    /// `availability`, `recovers`: the bound on the 99th percentile of latency. `None`: 1 s.
    pub p99: Option<Duration>,
}

impl Asked {
    /// The claim with default parameters.
    pub fn new(claim: Claim) -> Self {
        Self { claim, within: None, p99: None }
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
    /// The workload that made the history: `register`, `set`, `list-append`.
    pub workload: String,
    /// What every object holds before the first write.
    pub initial: Value,
    /// How late the controller itself ran: (second of the load, worst lateness in it), from its
    /// canary task. Empty if nobody watched.
    pub lateness: Vec<(u64, Duration)>,
    /// Arrivals a second in an open loop; `None` in a closed one.
    pub rate: Option<f64>,
}

impl Question {
    /// A question about `claims` of a history that `workload` made.
    pub fn new(workload: &str, claims: Vec<Asked>) -> Self {
        Self {
            claims,
            workload: workload.into(),
            initial: Value::Nil,
            lateness: Vec::new(),
            rate: None,
        }
    }
}
