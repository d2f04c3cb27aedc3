//! What `schism explain` teaches of weak isolation.

use crate::{Claim, Lesson, Parameters};

/// The lessons of this room.
pub(crate) const LESSONS: &[Lesson] = &[
    Lesson {
        name: "thin-air-read",
        definition: "A read returns a value that no transaction wrote.",
        source: "Bouajjani, Enea, Guerraoui and Hamza 2017, section 3 (ThinAirRead).",
        subject: "weak-isolation",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke txn [w x 1]
                  p0 ok
                  p1 invoke txn [r x _]
                  p1 ok [r x 2] # nobody wrote 2",
        near_miss: "p0 invoke txn [w x 1]
                    p0 ok
                    p1 invoke txn [r x _]
                    p1 ok [r x 1]",
    },
    Lesson {
        name: "fractured-read",
        definition: "A transaction sees one write of another transaction and misses the other: it \
                     reads an older version of a second key than that transaction left.",
        source: "Bailis, Fekete, Hellerstein, Ghodsi and Stoica 2014, \"RAMP transactions\", section \
                 3.2.",
        subject: "weak-isolation",
        claim: Claim::ReadAtomic,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke txn [w x 1, w y 1]
                  p0 ok
                  p1 invoke txn [r y _, r x _]
                  p1 ok [r y 1, r x _] # y is the first transaction's, x is not yet",
        near_miss: "p0 invoke txn [w x 1, w y 1]
                    p0 ok
                    p1 invoke txn [r y _, r x _]
                    p1 ok [r y 1, r x 1]",
    },
    Lesson {
        name: "causal-cycle",
        definition: "A transaction has seen a write by way of others, through sessions and reads, and \
                     still reads an older version of the same key: some transactions would each have \
                     to commit before the next, in a circle.",
        source: "Biswas and Enea 2019, section 2.2 (causal consistency).",
        subject: "weak-isolation",
        claim: Claim::Causal,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke txn [w x 1]
                  p0 ok
                  p0 invoke txn [w x 2]
                  p0 ok
                  p1 invoke txn [r x _, w y 1]
                  p1 ok [r x 2, w y 1]
                  p2 invoke txn [r x _, r y _]
                  p2 ok [r x 1, r y 1] # who wrote y had read x = 2",
        near_miss: "p0 invoke txn [w x 1]
                    p0 ok
                    p0 invoke txn [w x 2]
                    p0 ok
                    p1 invoke txn [r x _, w y 1]
                    p1 ok [r x 2, w y 1]
                    p2 invoke txn [r x _, r y _]
                    p2 ok [r x 1, r y _] # y is as old as x",
    },
];
