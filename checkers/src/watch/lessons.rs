//! Each anomaly of watches, taught by example.

use crate::{Claim, Lesson, Parameters};

const SOURCE: &str = "etcd, KV API guarantees, \"Watch APIs\"";

const fn lesson(
    name: &'static str,
    claim: Claim,
    definition: &'static str,
    [example, near_miss]: [&'static str; 2],
) -> Lesson {
    let parameters = Parameters::DEFAULT;
    Lesson {
        name,
        definition,
        source: SOURCE,
        subject: "watch",
        claim,
        parameters,
        example,
        near_miss,
    }
}

/// The lessons of this room.
pub(crate) const LESSONS: &[Lesson] = &[
    lesson(
        "unordered-event",
        Claim::Ordered,
        "A watch is sent an event after one of a later revision.",
        [
            r#"p0 invoke watch x
             p0 ok [[[3 "put" "x" 1]] [[2 "put" "x" 5]]]"#,
            r#"p0 invoke watch x
             p0 ok [[[2 "put" "x" 5]] [[3 "put" "x" 1]]]"#,
        ],
    ),
    lesson(
        "repeated-event",
        Claim::Unique,
        "A watch is sent the same event, a key's change at a revision, twice.",
        [
            r#"p0 invoke watch x
             p0 ok [[[2 "put" "x" 5]] [[2 "put" "x" 5]]]"#,
            r#"p0 invoke watch x
             p0 ok [[[2 "put" "x" 5]] [[3 "put" "x" 5]]]"#,
        ],
    ),
    lesson(
        "missing-event",
        Claim::Reliable,
        "A watch is sent events before and after one that certainly happened and concerns it, but \
         not that one; or it is sent another in its place.",
        [
            r#"p1 invoke put x 2
             p1 ok v3                  # x changed at revision 3
             p0 invoke watch x
             p0 ok [[[2 "put" "x" 1]] [[4 "put" "x" 3]]]"#,
            r#"p1 invoke put x 2
             p1 ok v3
             p0 invoke watch x
             p0 ok [[[2 "put" "x" 1]] [[3 "put" "x" 2] [4 "put" "x" 3]]]"#,
        ],
    ),
    lesson(
        "split-revision",
        Claim::Atomic,
        "The events of one revision come in two responses, or only some of them come.",
        [
            r#"p0 invoke watch _
             p0 ok [[[2 "put" "x" 1]] [[2 "put" "y" 1]]]"#,
            r#"p0 invoke watch _
             p0 ok [[[2 "put" "x" 1] [2 "put" "y" 1]]]"#,
        ],
    ),
    lesson(
        "incomplete-resume",
        Claim::Resumable,
        "A watch that was to begin at a revision misses an event between that and the first that \
         it is sent.",
        [
            r#"p1 invoke put x 1
             p1 ok v2
             p0 invoke watch x 2       # from revision 2 on
             p0 ok [[[3 "put" "x" 2]]]"#,
            r#"p1 invoke put x 1
             p1 ok v2
             p0 invoke watch x 2
             p0 ok [[[2 "put" "x" 1]] [[3 "put" "x" 2]]]"#,
        ],
    ),
    lesson(
        "false-bookmark",
        Claim::Bookmarkable,
        "A progress notification says that everything up to a revision has been delivered, and an \
         event of that revision or before comes later, or never.",
        [
            r#"p0 invoke watch x
             p0 ok [{"progress" 3} [[3 "put" "x" 1]]]"#,
            r#"p0 invoke watch x
             p0 ok [{"progress" 3} [[4 "put" "x" 1]]]"#,
        ],
    ),
];
