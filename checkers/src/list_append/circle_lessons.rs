//! What there is to learn of circles of transactions.

use crate::{Claim, Lesson, Parameters};

/// The lessons about circles, worst first.
pub(crate) const CIRCLES: &[Lesson] = &[
    Lesson {
        name: "G0",
        definition: "Dirty write: transactions overwrite each other in a circle, so that each would have \
                     to come before the other; a circle of `ww` edges alone.",
        source: "Adya 1999, \"Weak Consistency\": G0",
        subject: "list-append",
        claim: Claim::ReadUncommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1, append y 1]
            p1 invoke txn [append x 2, append y 2]
            p0 ok
            p1 ok
            p2 invoke txn [r x _, r y _]
            p2 ok [r x [1 2], r y [2 1]]      # p0 is first in x, p1 is first in y
        ",
        near_miss: "
            p0 invoke txn [append x 1, append y 1]
            p1 invoke txn [append x 2, append y 2]
            p0 ok
            p1 ok
            p2 invoke txn [r x _, r y _]
            p2 ok [r x [1 2], r y [1 2]]      # p0 is first in both
        ",
    },
    Lesson {
        name: "G0-process",
        definition: "A circle of `ww` edges and the order of a session: two writes stand in the order in \
                     which their session did not make them.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": session orders",
        subject: "list-append",
        claim: Claim::Causal,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p0 invoke txn [append x 2]
            p0 ok
            p1 invoke txn [r x _]
            p1 ok [r x [2 1]]                 # p0 appended 1 first
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 ok
            p0 invoke txn [append x 2]
            p0 ok
            p1 invoke txn [r x _]
            p1 ok [r x [1 2]]
        ",
    },
    Lesson {
        name: "G0-realtime",
        definition: "A circle of `ww` edges and real time: a write stands before one that had completed \
                     before it was invoked.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": real-time orders",
        subject: "list-append",
        claim: Claim::StrongSnapshotIsolation,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [append x 2]        # after p0 was told that it is done
            p1 ok
            p2 invoke txn [r x _]
            p2 ok [r x [2 1]]
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p1 invoke txn [append x 2]        # at the same time
            p0 ok
            p1 ok
            p2 invoke txn [r x _]
            p2 ok [r x [2 1]]
        ",
    },
    Lesson {
        name: "G1c",
        definition: "Circular information flow: transactions read or overwrite each other's writes in a \
                     circle; `ww` and `wr` edges, no `rw`.",
        source: "Adya 1999, \"Weak Consistency\": G1c",
        subject: "list-append",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1, r y _]
            p1 invoke txn [append y 1, r x _]
            p0 ok [append x 1, r y [1]]       # each sees the other
            p1 ok [append y 1, r x [1]]
        ",
        near_miss: "
            p0 invoke txn [append x 1, r y _]
            p1 invoke txn [append y 1, r x _]
            p0 ok [append x 1, r y []]
            p1 ok [append y 1, r x [1]]
        ",
    },
    Lesson {
        name: "G1c-process",
        definition: "A circle of `ww`, `wr` and the order of a session: a transaction read what its own \
                     session wrote only later.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": session orders",
        subject: "list-append",
        claim: Claim::Causal,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [r x _]
            p0 ok [r x [1]]
            p0 invoke txn [append x 1]        # after it was read
            p0 ok
        ",
        near_miss: "
            p0 invoke txn [r x _]
            p0 ok [r x []]
            p0 invoke txn [append x 1]
            p0 ok
        ",
    },
    Lesson {
        name: "G1c-realtime",
        definition: "A circle of `ww`, `wr` and real time: a transaction read what was asked for only \
                     after it had completed.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": real-time orders",
        subject: "list-append",
        claim: Claim::StrongSnapshotIsolation,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [r x _]
            p0 ok [r x [1]]
            p1 invoke txn [append x 1]        # after it was read
            p1 ok
        ",
        near_miss: "
            p0 invoke txn [r x _]
            p1 invoke txn [append x 1]        # before p0 was answered
            p0 ok [r x [1]]
            p1 ok
        ",
    },
    Lesson {
        name: "G-single-item",
        definition: "Read skew: a circle with exactly one `rw` edge: a transaction saw a part of what \
                     another one did, and missed a part.",
        source: "Adya 1999, \"Weak Consistency\": G-single",
        subject: "list-append",
        claim: Claim::ConsistentView,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1, append y 1]
            p0 ok
            p1 invoke txn [r x _, r y _]
            p1 ok [r x [1], r y []]           # after p0 in x, before it in y
        ",
        near_miss: "
            p0 invoke txn [append x 1, append y 1]
            p0 ok
            p1 invoke txn [r x _, r y _]
            p1 ok [r x [1], r y [1]]
        ",
    },
    Lesson {
        name: "G-single-item-process",
        definition: "A circle with exactly one `rw` edge and the order of a session: a session missed \
                     what it had done or seen before.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": session orders",
        subject: "list-append",
        claim: Claim::StrongSessionSnapshotIsolation,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p0 invoke txn [r x _]
            p0 ok [r x []]                    # its own append is gone
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 ok
            p0 invoke txn [r x _]
            p0 ok [r x [1]]
        ",
    },
    Lesson {
        name: "G-single-item-realtime",
        definition: "Stale read: a circle with exactly one `rw` edge and real time: a transaction missed \
                     what had completed before it was invoked.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": real-time orders",
        subject: "list-append",
        claim: Claim::StrongSnapshotIsolation,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [r x _]             # after p0 was told that it is done
            p1 ok [r x []]
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p1 invoke txn [r x _]             # at the same time
            p0 ok
            p1 ok [r x []]
        ",
    },
    Lesson {
        name: "G-nonadjacent-item",
        definition: "Long fork: a circle with several `rw` edges, no two of them adjacent: readers saw \
                     two writes in different orders.",
        source: "Cerone and Gotsman 2018, \"Analysing Snapshot Isolation\"; Kingsbury and Alvaro 2020, \
                     \"Elle\"",
        subject: "list-append",
        claim: Claim::SnapshotIsolation,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [append y 1]
            p1 ok
            p2 invoke txn [r x _, r y _]
            p2 ok [r x [1], r y []]           # p0 came first
            p3 invoke txn [r x _, r y _]
            p3 ok [r x [], r y [1]]           # p1 came first
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [append y 1]
            p1 ok
            p2 invoke txn [r x _, r y _]
            p2 ok [r x [1], r y []]
            p3 invoke txn [r x _, r y _]
            p3 ok [r x [1], r y [1]]
        ",
    },
    Lesson {
        name: "G-nonadjacent-item-process",
        definition: "A long fork that only the order of sessions closes: two sessions each missed what \
                     the other had done before.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": session orders",
        subject: "list-append",
        claim: Claim::StrongSessionSnapshotIsolation,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [append y 1]
            p1 ok
            p0 invoke txn [r y _]
            p0 ok [r y []]                    # x came before y
            p1 invoke txn [r x _]
            p1 ok [r x []]                    # y came before x
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [append y 1]
            p1 ok
            p0 invoke txn [r y _]
            p0 ok [r y []]
            p1 invoke txn [r x _]
            p1 ok [r x [1]]
        ",
    },
    Lesson {
        name: "G-nonadjacent-item-realtime",
        definition: "A long fork that only real time closes.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": real-time orders",
        subject: "list-append",
        claim: Claim::StrongSnapshotIsolation,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p1 invoke txn [append y 1]
            p2 invoke txn [r x _, r y _]
            p0 ok
            p3 invoke txn [r y _]             # after x was appended to,
            p3 ok [r y []]                    # and before y was
            p1 ok
            p2 ok [r x [], r y [1]]           # the other way round
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p1 invoke txn [append y 1]
            p2 invoke txn [r x _, r y _]
            p3 invoke txn [r y _]             # at the same time
            p0 ok
            p3 ok [r y []]
            p1 ok
            p2 ok [r x [], r y [1]]
        ",
    },
    Lesson {
        name: "G2-item",
        definition: "Write skew: a circle with adjacent `rw` edges: transactions each missed what the \
                     other wrote, and so each would have to come first.",
        source: "Adya 1999, \"Weak Consistency\": G2-item",
        subject: "list-append",
        claim: Claim::RepeatableRead,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [r x _, append y 1]
            p1 invoke txn [r y _, append x 1]
            p0 ok [r x [], append y 1]        # before p1
            p1 ok [r y [], append x 1]        # before p0
        ",
        near_miss: "
            p0 invoke txn [r x _, append y 1]
            p1 invoke txn [r y _, append x 1]
            p0 ok [r x [], append y 1]
            p1 ok [r y [1], append x 1]       # after p0
        ",
    },
    Lesson {
        name: "G2-item-process",
        definition: "A circle with adjacent `rw` edges that only the order of a session closes.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": session orders",
        subject: "list-append",
        claim: Claim::StrongSessionSerializable,
        parameters: Parameters::DEFAULT,
        example: "
            p1 invoke txn [r y _, append x 1]
            p0 invoke txn [append y 1]
            p0 ok
            p0 invoke txn [r x _]
            p0 ok [r x []]                    # p1 came later
            p1 ok [r y [], append x 1]        # p1 came earlier
        ",
        near_miss: "
            p1 invoke txn [r y _, append x 1]
            p0 invoke txn [append y 1]
            p0 ok
            p0 invoke txn [r x _]
            p0 ok [r x []]
            p1 ok [r y [1], append x 1]
        ",
    },
    Lesson {
        name: "G2-item-realtime",
        definition: "A circle with adjacent `rw` edges that only real time closes.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": real-time orders",
        subject: "list-append",
        claim: Claim::StrictSerializable,
        parameters: Parameters::DEFAULT,
        example: "
            p1 invoke txn [r y _, append x 1]
            p0 invoke txn [append y 1]
            p0 ok
            p2 invoke txn [r x _]             # after p0 was told that it is done
            p2 ok [r x []]                    # p1 came later
            p1 ok [r y [], append x 1]        # p1 came earlier
        ",
        near_miss: "
            p1 invoke txn [r y _, append x 1]
            p0 invoke txn [append y 1]
            p2 invoke txn [r x _]             # at the same time
            p0 ok
            p2 ok [r x []]
            p1 ok [r y [], append x 1]
        ",
    },
    Lesson {
        name: "causal-cycle-process",
        definition: "A read is of a version that had been overwritten among its own causes, which are \
                     what its session saw and did before, and the causes of that.",
        source: "Biswas and Enea 2019, \"On the Complexity of Checking Transactional Consistency\", \
                     axiom Causal",
        subject: "list-append",
        claim: Claim::Causal,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p0 invoke txn [append y 1]
            p0 ok
            p1 invoke txn [r y _]
            p1 ok [r y [1]]                   # whoever sees y = [1]
            p1 invoke txn [r x _]
            p1 ok [r x []]                    # must see what p0 did before
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 ok
            p0 invoke txn [append y 1]
            p0 ok
            p1 invoke txn [r y _]
            p1 ok [r y []]
            p1 invoke txn [r x _]
            p1 ok [r x []]
        ",
    },
];
