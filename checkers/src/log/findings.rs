//! What is found in one log: violations by kind, and what there was to find them in.

use std::ops::AddAssign;

use super::group::GroupEvidence;
use super::wider::Wide;

/// Violations of one kind of which the proofs are kept; the others are counted.
pub(crate) const KEPT_MAX: usize = 8;

/// What can be wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    InconsistentOffsets,
    Duplicate,
    AbortedRead,
    PrecommittedRead,
    LostWrite,
    Unseen,
    GroupSkip,
    IntPollSkip,
    IntNonmonotonicPoll,
    PollSkip,
    NonmonotonicPoll,
    IntSendSkip,
    IntNonmonotonicSend,
    NonmonotonicSend,
}

impl Kind {
    /// All of them, in the order of the declaration.
    pub const ALL: [Kind; 14] = [
        Kind::InconsistentOffsets,
        Kind::Duplicate,
        Kind::AbortedRead,
        Kind::PrecommittedRead,
        Kind::LostWrite,
        Kind::Unseen,
        Kind::GroupSkip,
        Kind::IntPollSkip,
        Kind::IntNonmonotonicPoll,
        Kind::PollSkip,
        Kind::NonmonotonicPoll,
        Kind::IntSendSkip,
        Kind::IntNonmonotonicSend,
        Kind::NonmonotonicSend,
    ];

    /// The anomaly's name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Kind::InconsistentOffsets => "inconsistent-offsets",
            Kind::Duplicate => "duplicate",
            Kind::AbortedRead => "G1a",
            Kind::PrecommittedRead => "precommitted-read",
            Kind::LostWrite => "lost-write",
            Kind::Unseen => "unseen",
            Kind::GroupSkip => "group-skip",
            Kind::IntPollSkip => "int-poll-skip",
            Kind::IntNonmonotonicPoll => "int-nonmonotonic-poll",
            Kind::PollSkip => "poll-skip",
            Kind::NonmonotonicPoll => "nonmonotonic-poll",
            Kind::IntSendSkip => "int-send-skip",
            Kind::IntNonmonotonicSend => "int-nonmonotonic-send",
            Kind::NonmonotonicSend => "nonmonotonic-send",
        }
    }
}

/// One violation: the numbers of its operations, the impossible one last, and its story.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// Numbers of operations.
    pub operations: Vec<u32>,
    /// Whole sentences.
    pub story: String,
}

/// How many violations of a kind there are, and the first of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations {
    /// All of them.
    pub count: usize,
    /// The first.
    pub kept: Vec<Proof>,
}

impl Violations {
    /// One more; its proof is made only if it will be kept.
    pub fn add(&mut self, proof: impl FnOnce() -> Proof) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(proof());
        }
    }
}

/// What there was to find violations in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// Messages sent.
    pub sent: usize,
    /// Messages acknowledged.
    pub acknowledged: usize,
    /// Messages polled, each time.
    pub polled: usize,
    /// Messages polled that were sent by operations that failed, or could have been: messages whose
    /// send failed.
    pub failed: usize,
    /// Offsets that hold a message.
    pub offsets: usize,
    /// How often a poll named an offset that another operation, or the same once more, had named.
    pub confirmed: usize,
    /// Acknowledged messages before the furthest one that was polled, or at its offset.
    pub passed: usize,
    /// Acknowledged messages of which no operation names the offset.
    pub nowhere: usize,
    /// Two polled messages in a row of which the order was judged.
    pub poll_pairs: usize,
    /// The same where the system may have given the log to another process in between.
    pub free_pairs: usize,
    /// Two messages in a row by one process of which the order was judged.
    pub send_pairs: usize,
    /// Messages polled that nobody sent.
    pub unsent: usize,
    /// Unseen messages of a log of which no final poll found the end.
    pub undecided: usize,
    /// Those of them that members of a group went beyond, and nobody else did.
    pub beyond_members: usize,
    /// What a group of subscribers was seen to do.
    pub group: GroupEvidence,
}

impl AddAssign<&Evidence> for Evidence {
    fn add_assign(&mut self, other: &Evidence) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.polled += other.polled;
        self.failed += other.failed;
        self.offsets += other.offsets;
        self.confirmed += other.confirmed;
        self.passed += other.passed;
        self.nowhere += other.nowhere;
        self.poll_pairs += other.poll_pairs;
        self.free_pairs += other.free_pairs;
        self.send_pairs += other.send_pairs;
        self.unsent += other.unsent;
        self.undecided += other.undecided;
        self.beyond_members += other.beyond_members;
        self.group += &other.group;
    }
}

/// What was found in one log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// What there was to look at.
    pub evidence: Evidence,
    /// Violations, in the order of [`Kind::ALL`].
    violations: [Violations; Kind::ALL.len()],
    /// How many messages were sent more than once, and two operations that sent the first of them.
    pub repeated: Option<(usize, Proof)>,
    /// Operations that both send and poll, each with one that polled its message.
    pub edges: Vec<(u32, u32)>,
    /// The edges of circles that are only told of, if they are asked about.
    pub wide: Wide,
    /// How long the last message that a poll returned had not been the newest when the poll began,
    /// in nanoseconds, with the operation.
    pub lags: Vec<(u64, u32)>,
}

impl Findings {
    /// The violations of a kind.
    pub fn of(&self, kind: Kind) -> &Violations {
        &self.violations[kind as usize]
    }

    /// The same, to be added to.
    pub fn of_mut(&mut self, kind: Kind) -> &mut Violations {
        &mut self.violations[kind as usize]
    }
}
