//! What a history that is not linearizable looks like.

use crate::{Claim, Lesson, Parameters};

/// The lessons of this room.
pub(crate) const LESSONS: &[Lesson] = &[Lesson {
    name: "nonlinearizable",
    definition: "No placing of every operation at one instant between its invocation and its \
                 completion explains what was returned. The usual case is the stale read: a value \
                 is returned after another had replaced it before the read began.",
    source: "Herlihy & Wing 1990, section 2.2",
    subject: "register",
    claim: Claim::Linearizable,
    parameters: Parameters::DEFAULT,
    example: "p0 invoke write x 1
p0 ok
p1 invoke write x 2
p1 ok                    # from here on x holds 2, or what comes later
p2 invoke read x
p2 ok 1                  # a stale read: 1 was replaced before the read was invoked",
    near_miss: "p0 invoke write x 1
p0 ok
p1 invoke write x 2
p2 invoke read x
p1 ok
p2 ok 1                  # the write was still open when the read was invoked: the read came first",
}];
