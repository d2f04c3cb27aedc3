//! Causal reverse, by example.

use crate::{Claim, Lesson, Parameters};

/// What `schism explain` teaches of causal reverse.
pub(crate) const LESSONS: &[Lesson] = &[Lesson {
    name: "causal-reverse",
    definition: "A read sees a write, but not one that had been acknowledged before that write began.",
    source: "Kingsbury, Jepsen, tests/causal-reverse; strict serializability: Papadimitriou 1979",
    subject: "causal-reverse",
    claim: Claim::NoCausalReverse,
    parameters: Parameters::DEFAULT,
    example: "
        p0 invoke write k 1
        p0 ok
        p1 invoke write k 2     # begins after 1 was acknowledged
        p2 invoke read k
        p2 ok [2]               # 2 is there, and 1 is not
        p1 ok",
    near_miss: "
        p0 invoke write k 1
        p0 ok
        p1 invoke write k 2
        p2 invoke read k
        p2 ok [1 2]
        p1 ok",
}];
