//! What `schism explain` teaches of registers.

use crate::{Claim, Lesson, Parameters};

/// The lessons of this room.
pub(crate) const LESSONS: &[Lesson] = &[
    Lesson {
        name: "unwritten-read",
        definition: "A read returns a value that no transaction wrote, and that the key cannot have \
                     held before the recording began, since another read found it otherwise.",
        source: "Kingsbury and Alvaro 2020, \"Elle\", section 4 (garbage reads).",
        subject: "rw-register",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke txn [w x 1]
                  p0 ok
                  p1 invoke txn [r x _]
                  p1 ok [r x 2] # nobody wrote 2
                  p1 invoke txn [r x _]
                  p1 ok [r x 3] # nor 3: x cannot have held both at first",
        near_miss: "p0 invoke txn [w x 1]
                    p0 ok
                    p1 invoke txn [r x _]
                    p1 ok [r x 2] # what x held before the recording began
                    p1 invoke txn [r x _]
                    p1 ok [r x 1]",
    },
    Lesson {
        name: "cyclic-versions",
        definition: "Transactions read a version of a key and overwrite it, each that of the one \
                     before, in a circle: the versions of the key have no order.",
        source: "Kingsbury and Alvaro 2020, \"Elle\", section 4.2 (version orders of registers).",
        subject: "rw-register",
        claim: Claim::ReadUncommitted,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke txn [r x _, w x 1]
                  p1 invoke txn [r x _, w x 2]
                  p0 ok [r x 2, w x 1] # 1 is newer than 2
                  p1 ok [r x 1, w x 2] # 2 is newer than 1",
        near_miss: "p0 invoke txn [r x _, w x 1]
                    p1 invoke txn [r x _, w x 2]
                    p0 ok [r x _, w x 1]
                    p1 ok [r x 1, w x 2]",
    },
];
