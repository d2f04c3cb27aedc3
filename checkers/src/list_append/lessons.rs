//! What there is to learn of transactions on lists, beside circles.

use crate::{Claim, Lesson, Parameters};

/// The lessons about what is wrong by itself.
pub(crate) const LESSONS: &[Lesson] = &[
    Lesson {
        name: "G1a",
        definition: "Aborted read: a committed transaction read what an aborted one wrote.",
        source: "Adya 1999, \"Weak Consistency\": G1a",
        subject: "list-append",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 fail other aborted             # it never happened
            p1 invoke txn [r x _]
            p1 ok [r x [1]]
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 info timeout                   # nobody knows, until p1 sees it
            p1 invoke txn [r x _]
            p1 ok [r x [1]]
        ",
    },
    Lesson {
        name: "G1b",
        definition: "Intermediate read: a transaction read what another one wrote, but not what that \
                     wrote to the same object last.",
        source: "Adya 1999, \"Weak Consistency\": G1b",
        subject: "list-append",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1, append x 2]
            p0 ok
            p1 invoke txn [r x _]
            p1 ok [r x [1]]                   # half of what p0 did
        ",
        near_miss: "
            p0 invoke txn [append x 1, append x 2]
            p0 ok
            p1 invoke txn [r x _]
            p1 ok [r x [1 2]]
        ",
    },
    Lesson {
        name: "internal",
        definition: "A read contradicts what its own transaction has read or written before.",
        source: "Cerone, Bernardi and Gotsman 2015, \"A Framework for Transactional Consistency \
                     Models\", axiom INT",
        subject: "list-append",
        claim: Claim::ReadAtomic,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1, r x _]
            p0 ok [append x 1, r x []]        # its own append is gone
        ",
        near_miss: "
            p0 invoke txn [append x 1, r x _]
            p0 ok [append x 1, r x [1]]
        ",
    },
    Lesson {
        name: "future-read",
        definition: "A read returns what its own transaction writes only later.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": internal inconsistencies",
        subject: "list-append",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [r x _, append x 1]
            p0 ok [r x [1], append x 1]       # not yet appended
        ",
        near_miss: "
            p0 invoke txn [r x _, append x 1]
            p0 ok [r x [], append x 1]
        ",
    },
    Lesson {
        name: "dirty-update",
        definition: "A committed version was made of what an aborted transaction wrote.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": dirty updates",
        subject: "list-append",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 fail other aborted             # it never happened
            p1 invoke txn [append x 2]
            p1 ok
            p2 invoke txn [r x _]
            p2 ok [r x [1 2]]                 # p1 appended to what p0 had left
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 fail other aborted
            p1 invoke txn [append x 2]
            p1 ok
            p2 invoke txn [r x _]
            p2 ok [r x [2]]
        ",
    },
    Lesson {
        name: "duplicate-elements",
        definition: "An element that was appended once stands in a list twice.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": duplicates",
        subject: "list-append",
        claim: Claim::ReadUncommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [r x _]
            p1 ok [r x [1 1]]
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p0 ok
            p1 invoke txn [r x _]
            p1 ok [r x [1]]
        ",
    },
    Lesson {
        name: "incompatible-order",
        definition: "Two reads of one list, neither of which is a prefix of the other: there is no single \
                     order of versions, and one of them is of what was not to be.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": inconsistent orders",
        subject: "list-append",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [append x 1]
            p1 invoke txn [append x 2]
            p0 ok
            p1 ok
            p2 invoke txn [r x _]
            p2 ok [r x [1 2]]
            p3 invoke txn [r x _]
            p3 ok [r x [2 1]]
        ",
        near_miss: "
            p0 invoke txn [append x 1]
            p1 invoke txn [append x 2]
            p0 ok
            p1 ok
            p2 invoke txn [r x _]
            p2 ok [r x [1 2]]
            p3 invoke txn [r x _]
            p3 ok [r x [1]]
        ",
    },
    Lesson {
        name: "lost-update",
        definition: "Two committed transactions read the same version of an object and both wrote it: one \
                     did not see the other's update.",
        source: "Berenson et al. 1995, \"A Critique of ANSI SQL Isolation Levels\": P4",
        subject: "list-append",
        claim: Claim::CursorStability,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [r x _, append x 1]
            p1 invoke txn [r x _, append x 2]
            p0 ok [r x [], append x 1]
            p1 ok [r x [], append x 2]        # as if p0 had not been
            p2 invoke txn [r x _]
            p2 ok [r x [1 2]]
        ",
        near_miss: "
            p0 invoke txn [r x _, append x 1]
            p1 invoke txn [r x _, append x 2]
            p0 ok [r x [], append x 1]
            p1 ok [r x [1], append x 2]
            p2 invoke txn [r x _]
            p2 ok [r x [1 2]]
        ",
    },
    Lesson {
        name: "unexpected-element",
        definition: "A read returns an element that nobody appended.",
        source: "Kingsbury and Alvaro 2020, \"Elle\": garbage reads",
        subject: "list-append",
        claim: Claim::ReadCommitted,
        parameters: Parameters::DEFAULT,
        example: "
            p0 invoke txn [r x _]
            p0 ok [r x [7]]
        ",
        near_miss: "
            p0 invoke txn [append x 7]
            p0 info timeout                   # nobody knows, until p1 sees it
            p1 invoke txn [r x _]
            p1 ok [r x [7]]
        ",
    },
];
