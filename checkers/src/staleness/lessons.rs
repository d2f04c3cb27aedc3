//! Lag and divergence, by example.

use crate::{Claim, Lesson, Parameters};

const fn lesson(
    name: &'static str,
    claim: Claim,
    definition: &'static str,
    source: &'static str,
    example: &'static str,
    near_miss: &'static str,
) -> Lesson {
    let (subject, parameters) = ("register", Parameters::DEFAULT);
    Lesson { name, definition, source, subject, claim, parameters, example, near_miss }
}

/// What `schism explain` says of them.
pub(crate) const LESSONS: &[Lesson] = &[
    lesson(
        "lagging-read",
        Claim::BoundedStaleness,
        "A read misses a version that had been acknowledged longer before the read was invoked \
         than the bound allows, or more versions than it allows.",
        "Torres-Rojas, Ahamad and Raynal 1999; Bermbach and Kuhlenkamp 2013",
        "0s p0 invoke write x 1
         1s p0 ok
         2s p0 invoke write x 2
         3s p0 ok
         9s p1 invoke read x
         9s p1 ok 1              # 2 had been acknowledged six seconds before",
        "0s p0 invoke write x 1
         1s p0 ok
         2s p0 invoke write x 2
         3s p0 ok
         7s p1 invoke read x     # four seconds: within the five that are allowed
         7s p1 ok 1",
    ),
    lesson(
        "divergence",
        Claim::EventualConvergence,
        "After everything was healed and the last write had completed, reads of one key still \
         return different values.",
        "Vogels 2009; Viotti and Vukolić 2016, section 3.3",
        "p0 invoke write x 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         nemesis healed
         p0 invoke read x @n1
         p0 ok 1
         p1 invoke read x @n2
         p1 ok 2",
        "p0 invoke write x 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         nemesis healed
         p0 invoke read x @n1
         p0 ok 1
         p1 invoke read x @n2
         p1 ok 1",
    ),
    lesson(
        "unwritten-final-value",
        Claim::EventualConvergence,
        "After everything was healed, a read returns what nobody wrote, or nothing although a \
         write had been acknowledged.",
        "Viotti and Vukolić 2016, section 3.3",
        "p0 invoke write x 1
         p0 ok
         nemesis healed
         p0 invoke read x @n1
         p0 ok _
         p1 invoke read x @n2
         p1 ok _                 # they agree, on having lost it",
        "p0 invoke write x 1
         p0 ok
         nemesis healed
         p0 invoke read x @n1
         p0 ok 1
         p1 invoke read x @n2
         p1 ok 1",
    ),
];
