//! Which anomalies break which claims.
//!
//! | claim | forbids, beside what weaker claims do |
//! |---|---|
//! | `read-uncommitted` | G0, duplicate-elements, cyclic-versions |
//! | `read-committed` | G1a, G1b, G1c, elements and values that nobody wrote |
//! | `cursor-stability` | lost-update |
//! | `read-atomic` | internal, future-read, fractured-read |
//! | `causal` | causal-cycle; with the order of sessions, too, as G1c |
//! | `consistent-view` | G-single |
//! | `snapshot-isolation` | G-nonadjacent |
//! | `repeatable-read` | G2-item |
//! | `serializable` | what `repeatable-read` and `snapshot-isolation` do |
//! | `strong-session-…` | the same with the order of sessions |
//! | `strong-…`, `strict-serializable` | the same with that of real time |
//!
//! As evidence one anomaly implies others: G0 ⇒ G1c ⇒ G-single ⇒ G-nonadjacent ⇒ G2, each also
//! without `-item`; X ⇒ X-process ⇒ X-realtime; dirty-update, incompatible-order ⇒ G1a; future-read
//! ⇒ G1c; lost-update ⇒ G2-item; fractured-read, causal-cycle ⇒ G-single. Who forbids the right one forbids the left one.
//!
//! `causal` is weaker than `snapshot-isolation` as far as it goes without the order of sessions
//! (Cerone, Bernardi and Gotsman 2015 take sessions into snapshot isolation; Adya 1999 and
//! Berenson et al. 1995 do not, and neither do systems that read from a lagging snapshot). With
//! sessions it is weaker than `strong-session-snapshot-isolation`.

use super::class::{Class, Order};
use crate::Claim;

/// A claim, with the weaker ones that it includes and the anomalies that it forbids beside theirs.
struct Model {
    claim: Claim,
    weaker: &'static [Claim],
    forbids: &'static [&'static str],
}

const MODELS: &[Model] = &[
    Model {
        claim: Claim::ReadUncommitted,
        weaker: &[],
        forbids: &["G0", "duplicate-elements", "cyclic-versions"],
    },
    Model {
        claim: Claim::ReadCommitted,
        weaker: &[Claim::ReadUncommitted],
        forbids: &[
            "G1a",
            "G1b",
            "G1c",
            "unexpected-element",
            "unwritten-read",
            "thin-air-read",
            "incompatible-order",
            "dirty-update",
        ],
    },
    Model {
        claim: Claim::CursorStability,
        weaker: &[Claim::ReadCommitted],
        forbids: &["lost-update"],
    },
    Model {
        claim: Claim::ReadAtomic,
        weaker: &[Claim::ReadCommitted],
        forbids: &["internal", "future-read", "fractured-read"],
    },
    // With sessions: snapshot isolation does not include this row but the one after it.
    Model {
        claim: Claim::Causal,
        weaker: &[Claim::ReadAtomic],
        forbids: &["causal-cycle-process", "G1c-process"],
    },
    Model {
        claim: Claim::ConsistentView,
        weaker: &[Claim::CursorStability],
        forbids: &["G-single"],
    },
    Model {
        claim: Claim::SnapshotIsolation,
        weaker: &[Claim::ConsistentView, Claim::ReadAtomic],
        forbids: &["G-nonadjacent"],
    },
    Model {
        claim: Claim::RepeatableRead,
        weaker: &[Claim::CursorStability],
        forbids: &["G2-item", "lost-update"],
    },
    Model {
        claim: Claim::Serializable,
        weaker: &[Claim::RepeatableRead, Claim::SnapshotIsolation],
        forbids: &["G2"],
    },
    Model {
        claim: Claim::StrongSessionSnapshotIsolation,
        weaker: &[Claim::SnapshotIsolation, Claim::Causal],
        forbids: &["G-nonadjacent-process"],
    },
    Model {
        claim: Claim::StrongSnapshotIsolation,
        weaker: &[Claim::StrongSessionSnapshotIsolation],
        forbids: &["G-nonadjacent-realtime"],
    },
    Model {
        claim: Claim::StrongSessionSerializable,
        weaker: &[Claim::Serializable, Claim::StrongSessionSnapshotIsolation],
        forbids: &["G2-process"],
    },
    Model {
        claim: Claim::StrictSerializable,
        weaker: &[Claim::StrongSessionSerializable, Claim::StrongSnapshotIsolation],
        forbids: &["G2-realtime"],
    },
];

/// What an anomaly that is no circle is evidence of, too.
const IMPLIED: &[(&str, &str)] = &[
    ("dirty-update", "G1a"),
    ("incompatible-order", "G1a"),
    ("future-read", "G1c"),
    ("lost-update", "G2-item"),
    ("fractured-read", "G-single-item"),
    ("causal-cycle", "causal-cycle-process"),
    ("causal-cycle", "G-single-item"),
    ("causal-cycle-process", "G-single-item-process"),
];

/// The claims about transactions, weaker ones before stronger ones.
pub(crate) fn claims() -> impl Iterator<Item = Claim> {
    MODELS.iter().map(|model| model.claim)
}

/// Whether an anomaly breaks a claim.
pub(crate) fn breaks(anomaly: &str, claim: Claim) -> bool {
    let Some(model) = MODELS.iter().find(|model| model.claim == claim) else { return false };
    model.forbids.iter().any(|forbidden| implies(anomaly, forbidden))
        || model.weaker.iter().any(|weaker| breaks(anomaly, *weaker))
}

/// The strongest order that a claim is about.
pub(crate) fn order(claim: Claim) -> Order {
    match claim {
        Claim::Causal
        | Claim::StrongSessionSerializable
        | Claim::StrongSessionSnapshotIsolation => Order::Process,
        Claim::StrictSerializable | Claim::StrongSnapshotIsolation => Order::Realtime,
        _ => Order::Data,
    }
}

/// Whether one anomaly is evidence of another.
fn implies(anomaly: &str, other: &str) -> bool {
    if anomaly == other {
        return true;
    }
    if let (Some((class, order)), Some((other_class, other_order))) =
        (circle(anomaly), circle(other))
    {
        return class <= other_class && order <= other_order;
    }
    IMPLIED.iter().any(|(from, to)| *from == anomaly && implies(to, other))
}

/// The class and order of the circles of a name, with or without `-item`.
pub(super) fn circle(anomaly: &str) -> Option<(Class, Order)> {
    let suffixes = [("-process", Order::Process), ("-realtime", Order::Realtime)];
    let suffix = suffixes
        .iter()
        .find_map(|(suffix, order)| anomaly.strip_suffix(suffix).map(|class| (class, *order)));
    let (class, order) = suffix.unwrap_or((anomaly, Order::Data));
    let class = match class.strip_suffix("-item").unwrap_or(class) {
        "G0" => Class::G0,
        "G1c" => Class::G1c,
        "G-single" => Class::GSingle,
        "G-nonadjacent" => Class::GNonadjacent,
        "G2" => Class::G2,
        _ => return None,
    };
    Some((class, order))
}
