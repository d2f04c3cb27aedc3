//! The long fork, by example.

use crate::{Claim, Lesson, Parameters};

/// What `schism explain` teaches of long forks.
pub(crate) const LESSONS: &[Lesson] = &[Lesson {
    name: "long-fork",
    definition: "Two reads of one group of keys, each of which sees a write that the other does not: \
                 they disagree on which came first.",
    source: "Sovran, Power, Aguilera and Li 2011, section 3.2; Kingsbury, Jepsen, tests/long-fork",
    subject: "long-fork",
    claim: Claim::NoLongFork,
    parameters: Parameters::DEFAULT,
    example: "
        p0 invoke txn [w x 1]
        p1 invoke txn [w y 1]
        p2 invoke txn [r x _, r y _]
        p3 invoke txn [r x _, r y _]
        p2 ok [r x 1, r y _]    # x came first
        p3 ok [r x _, r y 1]    # y came first",
    near_miss: "
        p0 invoke txn [w x 1]
        p1 invoke txn [w y 1]
        p2 invoke txn [r x _, r y _]
        p3 invoke txn [r x _, r y _]
        p2 ok [r x 1, r y _]    # x came first
        p3 ok [r x 1, r y 1]",
}];
