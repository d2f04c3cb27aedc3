//! The anomalies of sets, by example.

use crate::{Claim, Lesson, Parameters};

/// What `schism explain` teaches of sets.
pub(crate) const LESSONS: &[Lesson] = &[
    Lesson {
        name: "lost",
        definition: "An element that was acknowledged, or that a read returned, is absent for ever: \
                     no final read begun after that returns it.",
        source: "Kingsbury, Jepsen, checker/set-full: outcome :lost",
        subject: "set-full",
        claim: Claim::NoLostElements,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke add s 1
            p0 ok                   # from here on 1 is known
            nemesis healed          # every later read is final
            p1 invoke read s
            p1 ok []                # and does not return 1",
        near_miss: "
            p0 invoke add s 1
            p0 ok
            nemesis healed
            p1 invoke read s
            p1 ok []                # missed once: that is a stale read …
            p1 invoke read s
            p1 ok [1]               # … and no loss, since it is there",
    },
    Lesson {
        name: "stale",
        definition: "A read misses an element that was known before the read began: acknowledged, or \
                     returned by an earlier read.",
        source: "Kingsbury, Jepsen, checker/set-full: :stale, with :linearizable?",
        subject: "set-full",
        claim: Claim::NoStaleReads,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke add s 1
            p0 ok
            p1 invoke read s        # begins after the add was acknowledged
            p1 ok []
            p1 invoke read s
            p1 ok [1]               # so 1 was never lost, only late",
        near_miss: "
            p0 invoke add s 1
            p1 invoke read s        # begins while the add is under way: either answer is right
            p0 ok
            p1 ok []
            p1 invoke read s
            p1 ok [1]",
    },
    Lesson {
        name: "duplicated",
        definition: "One read returns an element more than once: what should be a set holds it twice.",
        source: "Kingsbury, Jepsen, checker/set-full: :duplicated (whose own count can never fire)",
        subject: "set-full",
        claim: Claim::NoDuplicates,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke add s 1
            p0 ok
            p1 invoke read s
            p1 ok [1 1]",
        near_miss: "
            p0 invoke add s 1
            p0 ok
            p0 invoke add s 1       # added twice, which a set may be
            p0 ok
            p1 invoke read s
            p1 ok [1]",
    },
    Lesson {
        name: "unexpected",
        definition: "A read returns an element that no add can have put there: nobody added it, or the \
                     add had failed, or it was invoked only after the read had completed.",
        source: "Kingsbury, Jepsen, checker/set: :unexpected",
        subject: "set-full",
        claim: Claim::NoUnexpectedElements,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke add s 1
            p0 fail unavailable     # it never took effect
            p1 invoke read s
            p1 ok [1]",
        near_miss: "
            p0 invoke add s 1
            p0 info timeout         # nobody knows whether it took effect
            p1 invoke read s
            p1 ok [1]",
    },
];
