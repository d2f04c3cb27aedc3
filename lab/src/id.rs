//! The names of places in a lab.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A node of a lab, counted from 1 and printed as `n1`; or the place of a client, printed as `c1`.
///
/// Both are one type, since whatever is done to a node can be done to a client's place: it has
/// links, processes and files like a node. That it is no part of the cluster is for those to know
/// who hold the list of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

/// Numbers above this one are those of clients' places. The same as in histories.
const CLIENTS: u16 = 1 << 15;

impl NodeId {
    /// The place of a client, counted from 1.
    pub const fn client(number: u16) -> Self {
        Self(CLIENTS + number)
    }

    /// Whether it is the place of a client.
    pub const fn is_client(self) -> bool {
        self.0 > CLIENTS
    }

    /// Its number among its kind, from 1.
    pub const fn number(self) -> u16 {
        if self.is_client() { self.0 - CLIENTS } else { self.0 }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_client() { 'c' } else { 'n' };
        write!(formatter, "{kind}{}", self.number())
    }
}
