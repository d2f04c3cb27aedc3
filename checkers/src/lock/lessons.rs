//! What the rows on locks teach.

use crate::{Claim, Lesson, Parameters};

/// The anomalies of locks.
pub(crate) const LESSONS: &[Lesson] = &[
    Lesson {
        name: "two-holders",
        definition: "A lock was granted while another holder had it and could not have released it \
                     yet.",
        source: "Dijkstra, \"Solution of a problem in concurrent programming control\", CACM 8(9), \
                 1965; the model mutex of Knossos.",
        subject: "mutex",
        claim: Claim::MutualExclusion,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke acquire x
                  p0 ok                   # granted …
                  p1 invoke acquire x
                  p1 ok                   # … twice, and nobody has released it",
        near_miss: "p0 invoke acquire x
                    p0 ok
                    p1 invoke acquire x   # it waits …
                    p0 invoke release x   # … until the lock is released
                    p1 ok
                    p0 ok",
    },
    Lesson {
        name: "released-unheld",
        definition: "A release was accepted while nobody held the lock (of a lock that knows its \
                     owner: while its sender did not).",
        source: "The models mutex of Knossos and owner-aware-mutex of Jepsen's tests of Hazelcast.",
        subject: "mutex",
        claim: Claim::MutualExclusion,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke acquire x
                  p0 ok
                  p0 invoke release x
                  p0 ok
                  p1 invoke release x     # nobody holds it
                  p1 ok",
        near_miss: "p0 invoke acquire x
                    p0 ok
                    p0 invoke release x
                    p0 ok
                    p1 invoke acquire x
                    p1 ok
                    p1 invoke release x   # p1 holds it
                    p1 ok",
    },
    Lesson {
        name: "acquired-twice",
        definition: "A lock that is not reentrant was granted to a process that held it already.",
        source: "The model owner-aware-mutex of Jepsen's tests of Hazelcast.",
        subject: "owner-aware-mutex",
        claim: Claim::MutualExclusion,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke acquire x
                  p0 ok
                  p0 invoke acquire x     # p0 holds it
                  p0 ok",
        near_miss: "p0 invoke acquire x
                    p0 ok
                    p0 invoke release x
                    p0 ok
                    p0 invoke acquire x
                    p0 ok",
    },
    Lesson {
        name: "token-not-rising",
        definition: "A lease was granted with a fencing token no greater than that of a grant before \
                     it.",
        source: "Kleppmann, \"How to do distributed locking\", 2016; Burrows 2006 (Chubby), section \
                 2.4, sequencers.",
        subject: "lease",
        claim: Claim::Fencing,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke acquire x
                  p0 ok 2
                  p1 invoke acquire x     # asked for later …
                  p1 ok 1                 # … with a lesser token",
        near_miss: "p0 invoke acquire x
                    p0 ok 2
                    p1 invoke acquire x
                    p1 ok 3",
    },
    Lesson {
        name: "stale-token",
        definition: "Something was accepted under a fencing token after a newer token had been seen \
                     there.",
        source: "Kleppmann, \"How to do distributed locking\", 2016; Burrows 2006 (Chubby), section \
                 2.4, sequencers.",
        subject: "lease",
        claim: Claim::Fencing,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke acquire x
                  p0 ok 1                 # its lease expires unseen
                  p1 invoke acquire x
                  p1 ok 2
                  p1 invoke write x [2 20]
                  p1 ok
                  p0 invoke write x [1 10]
                  p0 ok                   # should have been refused: 2 was seen",
        near_miss: "p0 invoke acquire x
                    p0 ok 1
                    p1 invoke acquire x
                    p1 ok 2
                    p0 invoke write x [1 10]
                    p0 ok                 # 2 has not been seen there yet
                    p1 invoke write x [2 20]
                    p1 ok",
    },
];
