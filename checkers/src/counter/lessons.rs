//! The anomaly of counters, by example.

use crate::{Claim, Lesson, Parameters};

/// What `schism explain` teaches of counters.
pub(crate) const LESSONS: &[Lesson] = &[Lesson {
    name: "out-of-bounds",
    definition: "A counter's read is below the sum of the adds that were acknowledged before it began, \
                 or above the sum of those that had begun before it ended (negative amounts the other \
                 way around).",
    source: "Kingsbury, Jepsen, checker/counter",
    subject: "counter",
    claim: Claim::CounterBounds,
    parameters: Parameters::DEFAULT,
    example: "
        p0 invoke add c 2
        p0 ok
        p1 invoke add c 3       # still under way when the read ends
        p2 invoke read c
        p2 ok 1                 # so it must be at least 2, and at most 5
        p1 ok",
    near_miss: "
        p0 invoke add c 2
        p0 ok
        p1 invoke add c 3
        p2 invoke read c
        p2 ok 4                 # within bounds, though no choice of adds comes to 4: bounds see no more
        p1 ok",
}];
