//! Newtypes for the identities that appear in a history.

use std::fmt;

/// A node of the system under test, counted from 1 and printed as `n1`; or the place of a client
/// that is a process of its own, printed as `c1`: faults strike either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

/// Numbers above this one are those of clients' places.
const CLIENTS: u16 = 1 << 15;

impl NodeId {
    /// The place of a client, counted from 1.
    pub const fn client(number: u16) -> Self {
        Self(CLIENTS + number)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.checked_sub(CLIENTS) {
            Some(client) => write!(formatter, "c{client}"),
            None => write!(formatter, "n{}", self.0),
        }
    }
}

impl std::str::FromStr for NodeId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |digits: &str| digits.parse().ok().filter(|number| (1..CLIENTS).contains(number));
        let node = text.strip_prefix('n').and_then(number).map(Self);
        let client = || text.strip_prefix('c').and_then(number).map(Self::client);
        node.or_else(client).ok_or_else(|| {
            format!("`{text}` is no node: nodes are n1, n2, …, and clients c1, c2, …")
        })
    }
}

/// A single-threaded client, as the history sees it: at most one operation is open at a time.
///
/// After an indeterminate completion the number is retired, and the client's thread goes on under
/// the next number that is equal to it modulo the count of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process(pub u32);

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "p{}", self.0)
    }
}

/// The identity under which an operation is found in traces and logs of the system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u128);

impl TraceId {
    /// The trace of the operation whose invocation has `index` in the run `run`.
    ///
    /// The same run and index give the same trace, so that a trace can be found from a history
    /// without storing it.
    pub fn derive(run: u64, index: u64) -> Self {
        let mut words = [0u64; 2];
        let mut state = run ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for word in &mut words {
            // SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit out.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *word = mixed ^ (mixed >> 31);
        }
        Self((u128::from(words[0]) << 64) | u128::from(words[1]))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_clients_are_read_as_they_are_written() {
        for name in ["n1", "n64", "c1", "c100"] {
            assert_eq!(name.parse::<NodeId>().map(|id| id.to_string()).as_deref(), Ok(name));
        }
        assert_eq!("c3".parse(), Ok(NodeId::client(3)));
        for wrong in ["n0", "c0", "c", "d1", "n40000", "1"] {
            assert!(wrong.parse::<NodeId>().is_err(), "{wrong}");
        }
    }
}
