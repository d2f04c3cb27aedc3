//! Each anomaly of logs, taught by example.

use crate::{Claim, Lesson, Parameters};

const SOURCE: &str = "Kingsbury 2022, Jepsen's analysis of Redpanda, and jepsen.tests.kafka";

const fn lesson(
    name: &'static str,
    claim: Claim,
    definition: &'static str,
    [example, near_miss]: [&'static str; 2],
) -> Lesson {
    let parameters = Parameters::DEFAULT;
    Lesson {
        name,
        definition,
        source: SOURCE,
        subject: "log",
        claim,
        parameters,
        example,
        near_miss,
    }
}

/// The lessons of this room.
pub(crate) const LESSONS: &[Lesson] = &[
    lesson(
        "inconsistent-offsets",
        Claim::ConsistentOffsets,
        "One offset of a log holds two messages: whoever reads it depends on whom they ask.",
        [
            "p0 invoke send x 1
             p0 ok [0 1]               # message 1 stands at offset 0 …
             p1 invoke poll x
             p1 ok [0 2]               # … and so does message 2",
            "p0 invoke send x 1
             p0 ok [0 1]
             p1 invoke poll x
             p1 ok [0 1]",
        ],
    ),
    lesson(
        "duplicate",
        Claim::NoDuplicates,
        "A message that was sent once stands at two offsets: a producer's retry was stored again. \
         Allowed unless producers claim to be idempotent.",
        [
            "p0 invoke send x 1
             p0 ok [0 1]
             p1 invoke poll x
             p1 ok [0 1 1 1]           # at offset 0, and again at offset 1",
            "p0 invoke send x 1
             p0 ok [0 1]
             p1 invoke poll x
             p1 ok [0 1]",
        ],
    ),
    lesson(
        "precommitted-read",
        Claim::NoPrecommittedReads,
        "A transaction polls a message that it sends itself. Messages are to be invisible to every \
         consumer until their transaction has committed.",
        [
            "p0 invoke txn [send x 1, poll x _]
             p0 ok [send x [0 1], poll x [0 1]]",
            "p0 invoke txn [send x 1, poll x _]
             p0 ok [send x [0 1], poll x _]
             p1 invoke poll x
             p1 ok [0 1]",
        ],
    ),
    lesson(
        "lost-write",
        Claim::NoLostWrites,
        "An acknowledged message that nobody ever polls, although somebody polled a message that \
         stands after it.",
        [
            "p0 invoke send x 1
             p0 ok [0 1]               # acknowledged at offset 0
             p0 invoke send x 2
             p0 ok [1 2]
             p1 invoke poll x
             p1 ok [1 2]               # polled from offset 1 on",
            "p0 invoke send x 1
             p0 ok [0 1]
             p0 invoke send x 2
             p0 ok [1 2]
             p1 invoke poll x
             p1 ok [0 1 1 2]",
        ],
    ),
    lesson(
        "unseen",
        Claim::NoUnseenWrites,
        "An acknowledged message that had not been polled at the end, when consumers had looked for \
         the end of its log three times without finding anything more.",
        [
            "p0 invoke send x 1
             p0 ok [0 1]
             nemesis healed
             p1 invoke poll x
             p1 ok []
             p1 invoke poll x
             p1 ok []
             p1 invoke poll x
             p1 ok []                  # the log was cut: message 1 is gone",
            "p0 invoke send x 1
             p0 ok [0 1]
             nemesis healed
             p1 invoke poll x
             p1 ok []
             p1 invoke poll x
             p1 ok []
             p1 invoke poll x
             p1 ok [0 1]",
        ],
    ),
    lesson(
        "group-skip",
        Claim::NoGroupSkips,
        "A message that a group of subscribers goes beyond without returning it to any member, though \
         it is there: its place was committed before it was polled. That a message comes twice is \
         allowed.",
        [
            "p1 invoke subscribe _ [\"x\"]
             p1 ok
             p2 invoke subscribe _ [\"x\"]
             p2 ok
             p0 invoke txn [send x 1, send x 2, send x 3]
             p0 ok [send x [0 1], send x [1 2], send x [2 3]]
             p1 invoke poll x
             p1 ok [0 1]
             p2 invoke poll x
             p2 ok [2 3]               # the group goes on behind message 2
             p3 invoke assign _ [\"x\"]
             p3 ok
             p3 invoke poll x
             p3 ok [0 1 1 2 2 3]       # which is there",
            "p1 invoke subscribe _ [\"x\"]
             p1 ok
             p2 invoke subscribe _ [\"x\"]
             p2 ok
             p0 invoke txn [send x 1, send x 2, send x 3]
             p0 ok [send x [0 1], send x [1 2], send x [2 3]]
             p1 invoke poll x
             p1 ok [0 1]
             p2 invoke poll x
             p2 ok [0 1 1 2 2 3]       # message 1 again, and none passed over
             p3 invoke assign _ [\"x\"]
             p3 ok
             p3 invoke poll x
             p3 ok [0 1 1 2 2 3]",
        ],
    ),
    lesson(
        "int-poll-skip",
        Claim::PollOrder,
        "Two messages that one operation polled in a row have another between them in the log.",
        [
            "p0 invoke send x 2
             p0 ok [1 2]
             p1 invoke poll x
             p1 ok [0 1 2 3]           # from offset 0 to offset 2, past message 2",
            "p0 invoke send x 2
             p0 ok [7 2]               # there is nothing at offset 1: a gap is no skip
             p1 invoke poll x
             p1 ok [0 1 2 3]",
        ],
    ),
    lesson(
        "int-nonmonotonic-poll",
        Claim::PollOrder,
        "One operation polls a message, and then one that stands before it, or the same again.",
        [
            "p1 invoke poll x
             p1 ok [1 2 0 1]",
            "p1 invoke poll x
             p1 ok [0 1 1 2]",
        ],
    ),
    lesson(
        "poll-skip",
        Claim::PollOrder,
        "A consumer that chose its logs itself goes on after messages that it has not polled.",
        [
            "p0 invoke send x 2
             p0 ok [1 2]
             p1 invoke poll x
             p1 ok [0 1]
             p1 invoke poll x
             p1 ok [2 3]               # past message 2 at offset 1",
            "p0 invoke send x 2
             p0 ok [1 2]
             p1 invoke poll x
             p1 ok [0 1]
             p1 invoke poll x
             p1 ok [1 2 2 3]",
        ],
    ),
    lesson(
        "nonmonotonic-poll",
        Claim::PollOrder,
        "A consumer that chose its logs itself polls again what it has polled before, or goes back \
         further.",
        [
            "p1 invoke poll x
             p1 ok [0 1 1 2]
             p1 invoke poll x
             p1 ok [1 2]               # again",
            "p1 invoke poll x
             p1 ok [0 1 1 2]
             p2 invoke poll x
             p2 ok [1 2]               # another consumer has a place of its own
             p1 invoke poll x
             p1 ok [2 3]",
        ],
    ),
    lesson(
        "int-nonmonotonic-send",
        Claim::SendOrder,
        "One operation sends two messages to a log, where they stand in the other order.",
        [
            "p0 invoke txn [send x 1, send x 2]
             p0 ok [send x [1 1], send x [0 2]]
             p1 invoke poll x
             p1 ok [0 2 1 1]",
            "p0 invoke txn [send x 1, send x 2]
             p0 ok [send x [0 1], send x [1 2]]
             p1 invoke poll x
             p1 ok [0 1 1 2]",
        ],
    ),
    lesson(
        "nonmonotonic-send",
        Claim::SendOrder,
        "A process sends a message, and then another, which stands before the first.",
        [
            "p0 invoke send x 1
             p0 ok [5 1]
             p0 invoke send x 2
             p0 ok [4 2]",
            "p0 invoke send x 1
             p0 ok [5 1]
             p1 invoke send x 2
             p1 ok [4 2]               # another process: its place is its own affair
             p0 invoke send x 3
             p0 ok [6 3]",
        ],
    ),
];
