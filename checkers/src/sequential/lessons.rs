//! What is not sequentially consistent, by example.

use crate::{Claim, Lesson, Parameters};

/// What `schism explain` says of it.
pub(crate) const LESSONS: &[Lesson] = &[Lesson {
    name: "nonsequential",
    definition: "No one order of all operations keeps each session's order and explains every \
                 answer, even without regard to real time.",
    source: "Lamport 1979; Gibbons and Korach 1997",
    subject: "register",
    claim: Claim::Sequential,
    parameters: Parameters::DEFAULT,
    example: "p0 invoke write x 1
              p0 ok
              p1 invoke write y 1
              p1 ok
              p0 invoke read y
              p0 ok _                 # so x=1 came before y=1
              p1 invoke read x
              p1 ok _                 # so y=1 came before x=1",
    near_miss: "p0 invoke write x 1
                p0 ok
                p1 invoke write y 1
                p1 ok
                p0 invoke read y
                p0 ok _
                p1 invoke read x
                p1 ok 1",
}];
