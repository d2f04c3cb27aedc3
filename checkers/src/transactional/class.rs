//! The classes of circles, and their names.

use super::graph::{EdgeKind, Kinds};

/// A class of circles by their `rw` edges; worst first: as evidence each implies those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Only `ww`.
    G0,
    /// At least one `wr`, no `rw`.
    G1c,
    /// Exactly one `rw`.
    GSingle,
    /// More than one `rw`, no two adjacent.
    GNonadjacent,
    /// Two adjacent `rw`.
    G2,
}

/// Which order beyond the data a circle needs; as evidence each implies those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Order {
    /// None.
    Data,
    /// That of a session.
    Process,
    /// That of real time.
    Realtime,
}

impl Class {
    /// Every class, worst first.
    pub const ALL: [Class; 5] =
        [Class::G0, Class::G1c, Class::GSingle, Class::GNonadjacent, Class::G2];

    /// The kinds of edges that a circle of this class has, where `order` is known.
    pub fn kinds(self, order: Order) -> Kinds {
        let mut kinds = vec![EdgeKind::WriteWrite];
        if self >= Class::G1c {
            kinds.extend([EdgeKind::WriteRead, EdgeKind::PresumedWrite]);
        }
        if self >= Class::GNonadjacent {
            kinds.push(EdgeKind::ReadWrite);
        }
        match order {
            Order::Data => {}
            Order::Process => kinds.push(EdgeKind::Process),
            // Real time holds the order of each session.
            Order::Realtime => kinds.extend([EdgeKind::Process, EdgeKind::Realtime]),
        }
        Kinds::of(&kinds)
    }
}

impl Order {
    /// Every order, weakest first.
    pub const ALL: [Order; 3] = [Order::Data, Order::Process, Order::Realtime];
}

/// The name of circles of a class that need an order.
pub(crate) fn name(class: Class, order: Order) -> String {
    let class = match class {
        Class::G0 => "G0",
        Class::G1c => "G1c",
        Class::GSingle => "G-single-item",
        Class::GNonadjacent => "G-nonadjacent-item",
        Class::G2 => "G2-item",
    };
    let suffix = match order {
        Order::Data => "",
        Order::Process => "-process",
        Order::Realtime => "-realtime",
    };
    format!("{class}{suffix}")
}

/// The class and the order that a circle's edges make it.
pub(crate) fn classify(kinds: &[EdgeKind]) -> (Class, Order) {
    let has = |kind| kinds.contains(&kind);
    let rw = kinds.iter().filter(|kind| **kind == EdgeKind::ReadWrite).count();
    let adjacent = (0..kinds.len()).any(|place| {
        let next = kinds[(place + 1) % kinds.len()];
        rw > 1 && kinds[place] == EdgeKind::ReadWrite && next == EdgeKind::ReadWrite
    });
    let class = match rw {
        0 if has(EdgeKind::WriteRead) || has(EdgeKind::PresumedWrite) => Class::G1c,
        0 => Class::G0,
        1 => Class::GSingle,
        _ if adjacent => Class::G2,
        _ => Class::GNonadjacent,
    };
    let order = if has(EdgeKind::Realtime) {
        Order::Realtime
    } else if has(EdgeKind::Process) {
        Order::Process
    } else {
        Order::Data
    };
    (class, order)
}
