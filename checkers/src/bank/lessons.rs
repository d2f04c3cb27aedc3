//! The anomalies of banks, by example.

use crate::{Claim, Lesson, Parameters};

/// What `schism explain` teaches of banks.
pub(crate) const LESSONS: &[Lesson] = &[
    Lesson {
        name: "wrong-total",
        definition: "A read of all accounts finds another total than the bank has: it saw part of a \
                     transfer, or an update was lost before.",
        source: "Kingsbury, Jepsen, tests/bank: :wrong-total",
        subject: "bank",
        claim: Claim::TotalConserved,
        parameters: Parameters::DEFAULT,
        example: r#"
            p1 invoke read _
            p1 ok {0 10, 1 0}       # 10 in all
            p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
            p1 invoke read _
            p1 ok {0 5, 1 0}        # 5 in all: taken from 0, not yet given to 1
            p0 ok"#,
        near_miss: r#"
            p1 invoke read _
            p1 ok {0 10, 1 0}
            p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
            p1 invoke read _
            p1 ok {0 5, 1 5}        # the whole transfer, though it is not acknowledged yet
            p0 ok"#,
    },
    Lesson {
        name: "nil-balance",
        definition: "A read finds an account without a balance.",
        source: "Kingsbury, Jepsen, tests/bank: :nil-balance",
        subject: "bank",
        claim: Claim::TotalConserved,
        parameters: Parameters::DEFAULT,
        example: r#"
            p1 invoke read _
            p1 ok {0 10, 1 0}
            p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
            p1 invoke read _
            p1 ok {0 10, 1 _}
            p0 ok"#,
        near_miss: r#"
            p1 invoke read _
            p1 ok {0 10, 1 0}
            p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
            p1 invoke read _
            p1 ok {0 10, 1 0}       # the transfer has not taken effect yet
            p0 ok"#,
    },
    Lesson {
        name: "unexpected-key",
        definition: "A read finds an account that the first read had not found and no transfer names.",
        source: "Kingsbury, Jepsen, tests/bank: :unexpected-key",
        subject: "bank",
        claim: Claim::TotalConserved,
        parameters: Parameters::DEFAULT,
        example: r#"
            p1 invoke read _
            p1 ok {0 10, 1 0}
            p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
            p0 ok
            p1 invoke read _
            p1 ok {0 5, 1 5, 7 0}"#,
        near_miss: r#"
            p1 invoke read _
            p1 ok {0 10, 1 0}
            p0 invoke transfer _ {"from" 0, "to" 7, "amount" 5}
            p0 ok
            p1 invoke read _
            p1 ok {0 5, 1 0, 7 5}   # the transfer opened account 7"#,
    },
    Lesson {
        name: "negative-value",
        definition: "A read finds a balance below zero, though transfers must not take what is not \
                     there.",
        source: "Kingsbury, Jepsen, tests/bank: :negative-value",
        subject: "bank",
        claim: Claim::NoNegativeBalances,
        parameters: Parameters::DEFAULT,
        example: r#"
            p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
            p0 ok
            p1 invoke read _
            p1 ok {0 -1, 1 11}"#,
        near_miss: r#"
            p0 invoke transfer _ {"from" 0, "to" 1, "amount" 5}
            p0 ok
            p1 invoke read _
            p1 ok {0 0, 1 10}"#,
    },
];
