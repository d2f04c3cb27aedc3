//! Where a client believes the slots to be served.
//!
//! `MOVED` tells of one slot. A client that learned nothing else would ask its own node in vain once
//! for each slot, so that a load on many keys would be sent twice for the most part; therefore it has
//! its own node's table of all slots from the first `MOVED` on, as clients of a Redis Cluster do.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::redis_cluster::resp::Reply;

/// A node that sends on and on, while the cluster changes, is not asked for its table each time.
const TABLE_EVERY: Duration = Duration::from_secs(1);

/// The ways of one client. What is not known is to be asked of its own node.
#[derive(Default)]
pub(super) struct Ways {
    /// Where a slot was said to be served; reads of replicas have ways of their own.
    told: FxHashMap<(u16, bool), SocketAddr>,
    /// In order of the slots. What was told of a single slot goes before it.
    table: Vec<Range>,
    asked: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    primary: SocketAddr,
    /// Whether the client's own node is its primary or a replica of it.
    own: bool,
}

impl Ways {
    /// Where `slot` is served, by a replica of it if that may be; `None` if only the client's own
    /// node can tell.
    pub(super) fn find(&self, (slot, of_replica): (u16, bool)) -> Option<SocketAddr> {
        if let Some(to) = self.told.get(&(slot, of_replica)) {
            return Some(*to);
        }
        let after = self.table.partition_point(|range| range.first <= slot);
        let range = self.table.get(after.checked_sub(1)?)?;
        let elsewhere = range.last >= slot && !(of_replica && range.own);
        elsewhere.then_some(range.primary)
    }

    /// A node has sent on what is about this slot.
    pub(super) fn learn(&mut self, way: (u16, bool), to: SocketAddr) {
        self.told.insert(way, to);
    }

    /// That way led nowhere.
    pub(super) fn forget(&mut self, way: (u16, bool)) {
        self.told.remove(&way);
        self.table.clear();
    }

    /// There was trouble with the node at `to`: other nodes may serve its slots by now.
    pub(super) fn forget_all_to(&mut self, to: SocketAddr) {
        self.told.retain(|_, known| *known != to);
        self.table.retain(|range| range.primary != to);
    }

    /// Whether the table is to be asked for now, which counts as asking.
    pub(super) fn wants_table(&mut self) -> bool {
        let now = Instant::now();
        let wants = self.asked.is_none_or(|asked| now >= asked + TABLE_EVERY);
        if wants {
            self.asked = Some(now);
        }
        wants
    }

    /// Takes the answer of the node at `own` to `CLUSTER SLOTS`. What of it can't be understood is
    /// left out: those slots are asked for one by one.
    pub(super) fn read_table(&mut self, own: SocketAddr, reply: &Reply) {
        let Reply::Array(ranges) = reply else { return };
        self.table = ranges.iter().filter_map(|range| read_range(own, range)).collect();
        self.table.sort_by_key(|range| range.first);
    }
}

/// `[first, last, [address, port, …] of the primary, [address, port, …] of a replica …]`
fn read_range(own: SocketAddr, reply: &Reply) -> Option<Range> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::Integer(first), Reply::Integer(last), nodes @ ..] = &**parts else { return None };
    let primary = read_node(own, nodes.first()?)?;
    let own = nodes.iter().any(|node| read_node(own, node) == Some(own));
    Some(Range {
        first: u16::try_from(*first).ok()?,
        last: u16::try_from(*last).ok()?,
        primary,
        own,
    })
}

fn read_node(own: SocketAddr, reply: &Reply) -> Option<SocketAddr> {
    let Reply::Array(parts) = reply else { return None };
    let [address, Reply::Integer(port), ..] = &**parts else { return None };
    let address: IpAddr = match address {
        // A node that does not know its own address leaves it to whoever reached it.
        Reply::Nil => own.ip(),
        Reply::Bulk(text) if text.is_empty() => own.ip(),
        other => other.text()?.parse().ok()?,
    };
    Some(SocketAddr::new(address, u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn node(port: i64) -> Reply {
        Reply::Array(vec![Reply::Bulk(b"127.0.0.1".to_vec()), Reply::Integer(port)])
    }

    fn range(first: i64, last: i64, nodes: &[i64]) -> Reply {
        let numbers = [Reply::Integer(first), Reply::Integer(last)];
        Reply::Array(numbers.into_iter().chain(nodes.iter().copied().map(node)).collect())
    }

    /// Of a client of the node at port 1, a replica of that at port 3.
    fn ways() -> Ways {
        let mut ways = Ways::default();
        let table = vec![range(10, 19, &[3, 1]), range(0, 9, &[2, 4]), Reply::Nil];
        ways.read_table(at(1), &Reply::Array(table));
        ways
    }

    #[test]
    fn finds_every_slot_of_the_table_and_no_other() {
        let ways = ways();
        let check = |slot, of_replica, port: Option<u16>| {
            assert_eq!(ways.find((slot, of_replica)), port.map(at), "{slot}, {of_replica}");
        };
        check(0, false, Some(2));
        check(9, true, Some(2));
        check(10, false, Some(3));
        check(19, true, None);
        check(20, false, None);
        assert_eq!(Ways::default().find((0, false)), None);
    }

    #[test]
    fn what_was_told_of_a_slot_goes_before_the_table() {
        let mut ways = ways();
        ways.learn((5, false), at(3));
        assert_eq!(ways.find((5, false)), Some(at(3)));
        assert_eq!(ways.find((5, true)), Some(at(2)));
        ways.forget_all_to(at(3));
        assert_eq!(ways.find((5, false)), Some(at(2)));
        assert_eq!(ways.find((15, false)), None);
    }

    #[test]
    fn a_node_without_an_address_is_the_one_that_was_asked() {
        let check = |address| {
            let node = Reply::Array(vec![address, Reply::Integer(7)]);
            assert_eq!(read_node(at(1), &node), Some(at(7)));
        };
        check(Reply::Nil);
        check(Reply::Bulk(Vec::new()));
        let named = Reply::Array(vec![Reply::Bulk(b"redis-1".to_vec()), Reply::Integer(7)]);
        assert_eq!(read_node(at(1), &named), None);
    }

    #[test]
    fn asks_for_the_table_only_now_and_then() {
        let mut ways = Ways::default();
        assert!(ways.wants_table());
        assert!(!ways.wants_table());
    }
}
