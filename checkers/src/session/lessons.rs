//! The anomalies of sessions and of replicated memory, by example.

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

const TERRY: &str = "Terry et al. 1994, section 3; Viotti and Vukolić 2016, section 3.4";
const BOUAJJANI: &str = "Bouajjani, Enea, Guerraoui and Hamza 2017, section 5";

/// What `schism explain` says of them.
pub(crate) const LESSONS: &[Lesson] = &[
    lesson(
        "own-write-missed",
        Claim::ReadYourWrites,
        "A session's read returns a version of a key older than the one that the session itself \
         wrote last.",
        TERRY,
        "p0 invoke write x 1
         p0 ok
         p0 invoke read x
         p0 ok _                 # nothing, although this session had written 1",
        "p0 invoke write x 1
         p0 ok
         p0 invoke read x
         p0 ok 1",
    ),
    lesson(
        "nonmonotonic-read",
        Claim::MonotonicReads,
        "A session's read returns a version of a key older than one that the session has already \
         read.",
        TERRY,
        "p0 invoke write x 1     # one session writes x, so that its versions are ordered
         p0 ok
         p0 invoke write x 2
         p0 ok
         p1 invoke read x
         p1 ok 2
         p1 invoke read x
         p1 ok 1                 # back to the older one",
        "p0 invoke write x 1
         p0 ok
         p0 invoke write x 2
         p0 ok
         p1 invoke read x
         p1 ok 1
         p1 invoke read x
         p1 ok 2",
    ),
    lesson(
        "nonmonotonic-write",
        Claim::MonotonicWrites,
        "A session has seen a write of another one, and then finds a key as it was before an \
         earlier write of that session; the two may be writes of different keys.",
        TERRY,
        "p0 invoke write x 1
         p0 ok
         p0 invoke write y 1
         p0 ok
         p1 invoke read y
         p1 ok 1                 # the second write is there
         p1 invoke read x
         p1 ok _                 # and the first one is not",
        "p0 invoke write x 1
         p0 ok
         p0 invoke write y 1
         p0 ok
         p1 invoke read y
         p1 ok 1
         p1 invoke read x
         p1 ok 1",
    ),
    lesson(
        "write-without-its-reads",
        Claim::WritesFollowReads,
        "A session has seen a write, and then finds a key as it was before what the writer had \
         read there.",
        TERRY,
        "p0 invoke write x 1     # a question
         p0 ok
         p1 invoke read x
         p1 ok 1
         p1 invoke write y 2     # the answer
         p1 ok
         p2 invoke read y
         p2 ok 2
         p2 invoke read x
         p2 ok _                 # the answer without the question",
        "p0 invoke write x 1
         p0 ok
         p1 invoke read x
         p1 ok 1
         p1 invoke write y 2
         p1 ok
         p2 invoke read y
         p2 ok 2
         p2 invoke read x
         p2 ok 1",
    ),
    lesson(
        "CyclicPRAM",
        Claim::Pram,
        "The writes of all sessions, each session's in its order, and what one session read do \
         not fit into one order.",
        "Lipton and Sandberg 1988; Wei et al. 2016 (read-write closure)",
        "p0 invoke write x 1
         p0 ok
         p0 invoke write x 2
         p0 ok
         p1 invoke read x
         p1 ok 2
         p1 invoke read x
         p1 ok 1                 # 1 came before 2, and is not written again",
        "p0 invoke write x 1
         p0 ok
         p2 invoke write x 2     # another session: p1 may see them in this order
         p2 ok
         p1 invoke read x
         p1 ok 2
         p1 invoke read x
         p1 ok 1",
    ),
    lesson(
        "ThinAirRead",
        Claim::Pram,
        "A read returns a value that nobody wrote, or that only a failed operation would have \
         written.",
        BOUAJJANI,
        "p0 invoke write x 1
         p0 fail unavailable
         p1 invoke write x 2
         p1 ok
         p2 invoke read x
         p2 ok 1                 # of the write that never took effect",
        "p0 invoke write x 1
         p0 info timeout         # nobody knows whether it took effect: now it is known
         p1 invoke write x 2
         p1 ok
         p2 invoke read x
         p2 ok 1",
    ),
    lesson(
        "CyclicCO",
        Claim::Causal,
        "Operations that come causally before themselves, by the order of sessions and by who \
         read what from whom.",
        BOUAJJANI,
        "p0 invoke read x
         p0 ok 1                 # what p1 is going to write
         p0 invoke write y 1
         p0 ok
         p1 invoke read y
         p1 ok 1                 # after it has read what p0 wrote thereafter
         p1 invoke write x 1
         p1 ok",
        "p0 invoke read x
         p0 ok _
         p0 invoke write y 1
         p0 ok
         p1 invoke read y
         p1 ok 1
         p1 invoke write x 1
         p1 ok",
    ),
    lesson(
        "WriteCOInitRead",
        Claim::Causal,
        "A read finds a key as it was before every write, although a write of that key comes \
         causally before the read.",
        BOUAJJANI,
        "p0 invoke write x 1
         p0 ok
         p1 invoke read x
         p1 ok 1
         p1 invoke write y 2
         p1 ok
         p2 invoke read y
         p2 ok 2                 # so p2 is causally after the write of x
         p2 invoke read x
         p2 ok _",
        "p0 invoke write x 1
         p0 ok
         p1 invoke read x
         p1 ok 1
         p1 invoke write y 2
         p1 ok
         p2 invoke read x
         p2 ok _                 # before it has read y
         p2 invoke read y
         p2 ok 2",
    ),
    lesson(
        "WriteCORead",
        Claim::Causal,
        "A read returns a value that another write had replaced: that write comes causally after \
         the value's own and causally before the read.",
        BOUAJJANI,
        "p0 invoke write x 1
         p0 ok
         p1 invoke read x
         p1 ok 1
         p1 invoke write x 2     # causally after 1
         p1 ok
         p2 invoke read x
         p2 ok 2
         p2 invoke read x
         p2 ok 1",
        "p0 invoke write x 1
         p0 ok
         p1 invoke write x 2     # nothing orders 2 and 1
         p1 ok
         p2 invoke read x
         p2 ok 2
         p2 invoke read x
         p2 ok 1",
    ),
    lesson(
        "WriteHBInitRead",
        Claim::CausalMemory,
        "A session finds a key as it was before every write, although a write of that key must \
         come before it in any order that explains what the session found elsewhere.",
        BOUAJJANI,
        "p0 invoke write z 1
         p0 ok
         p0 invoke write x 1
         p0 ok
         p0 invoke write y 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         p1 invoke read z
         p1 ok _                 # before z=1, after its own x=2
         p1 invoke read y
         p1 ok 1                 # after x=1
         p1 invoke read x
         p1 ok 2                 # so x=2 came after x=1, which came after z=1",
        "p0 invoke write z 1
         p0 ok
         p0 invoke write x 1
         p0 ok
         p0 invoke write y 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         p1 invoke read z
         p1 ok 1
         p1 invoke read y
         p1 ok 1
         p1 invoke read x
         p1 ok 2",
    ),
    lesson(
        "CyclicHB",
        Claim::CausalMemory,
        "What one session found, together with the causal order, makes writes come before \
         themselves.",
        BOUAJJANI,
        "p0 invoke write x 1
         p0 ok
         p0 invoke write y 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         p1 invoke read y
         p1 ok 1                 # so x=1 is in its past
         p1 invoke read x
         p1 ok 2                 # and came before x=2
         p1 invoke read x
         p1 ok 1                 # and after it",
        "p0 invoke write x 1
         p0 ok
         p0 invoke write y 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         p1 invoke read y
         p1 ok 1
         p1 invoke read x
         p1 ok 1
         p1 invoke read x
         p1 ok 1",
    ),
    lesson(
        "CyclicCF",
        Claim::CausalConvergence,
        "No one order of all writes explains what each read found in its own causal past: those \
         who had seen the same writes do not agree on the last one.",
        BOUAJJANI,
        "p0 invoke write x 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         p0 invoke read x
         p0 ok 2                 # 2 came after 1
         p1 invoke read x
         p1 ok 1                 # 1 came after 2",
        "p0 invoke write x 1
         p0 ok
         p1 invoke write x 2
         p1 ok
         p0 invoke read x
         p0 ok 2
         p1 invoke read x
         p1 ok 2",
    ),
];
