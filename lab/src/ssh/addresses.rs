//! Where the nodes and the clients reach each node: one address each, all of one family.

use std::net::IpAddr;

use super::access::Access;
use crate::NodeId;

/// What is known of a node that was reached.
pub(super) struct Reached<'a> {
    pub(super) id: NodeId,
    pub(super) access: &'a Access,
    /// Where its sshd was found, unless a jump host led there.
    pub(super) peer: Option<IpAddr>,
    /// Its addresses that no other end has.
    pub(super) own: &'a [IpAddr],
}

impl Reached<'_> {
    /// What the inventory says, or where SSH went, or, where that is a forwarded port or behind a
    /// jump host, its first address.
    fn first(&self) -> Result<IpAddr, String> {
        let named = self.access.host.parse::<IpAddr>().ok();
        let went = self.peer.or(named).filter(|address| self.own.contains(address));
        let any = || self.own.iter().find(|address| address.is_ipv4()).or(self.own.first());
        let found = self.access.address.or(went).or_else(|| any().copied());
        found.ok_or_else(|| {
            format!(
                "{}: {} has no address of its own that another node could reach; name it with \
                 `address: …` in the inventory",
                self.id, self.access
            )
        })
    }

    /// The same, of one family; what the inventory says is never replaced.
    fn of_family(&self, v4: bool) -> Option<IpAddr> {
        let fits = |address: &IpAddr| address.is_ipv4() == v4;
        let first = self.first().ok().filter(fits);
        let other =
            || self.own.iter().copied().find(fits).filter(|_| self.access.address.is_none());
        first.or_else(other)
    }
}

/// An address for each node. Links are looked at by one socket a node, which speaks one family, so
/// that hosts that were reached by both go by the one that all of them have.
pub(super) fn in_one_family(nodes: &[Reached<'_>]) -> Result<Vec<IpAddr>, Vec<String>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for node in nodes {
        match node.first() {
            Ok(address) => found.push(address),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if found.iter().all(|address| address.is_ipv4() == found[0].is_ipv4()) {
        return Ok(found);
    }
    for v4 in [true, false] {
        let all: Option<Vec<IpAddr>> = nodes.iter().map(|node| node.of_family(v4)).collect();
        if let Some(all) = all {
            return Ok(all);
        }
    }
    let shown = nodes.iter().zip(&found).map(|(node, address)| format!("{} {address}", node.id));
    let shown: Vec<String> = shown.collect();
    Err(vec![format!(
        "the hosts have no family of addresses in common ({}); name addresses of one with \
         `address: …` in the inventory",
        shown.join(", ")
    )])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[(&str, Option<&str>, &[&str])], expected: Result<&[&str], &str>) {
        let address = |text: &&str| text.parse::<IpAddr>().expect("an address");
        let all: Vec<(Access, Option<IpAddr>, Vec<IpAddr>)> = hosts
            .iter()
            .map(|(host, peer, own)| {
                let access = Access::parse(host).expect("a host");
                (access, peer.as_ref().map(address), own.iter().map(address).collect())
            })
            .collect();
        let nodes: Vec<Reached> = (1..)
            .zip(&all)
            .map(|(id, (access, peer, own))| Reached { id: NodeId(id), access, peer: *peer, own })
            .collect();
        match (in_one_family(&nodes), expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found, expected.iter().map(address).collect::<Vec<_>>());
            }
            (Err(problems), Err(expected)) => {
                assert!(problems.join("\n").contains(expected), "{problems:?}");
            }
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn goes_where_ssh_went_unless_that_is_no_address_of_the_node() {
        check(&[("h1", Some("10.1.0.1"), &["10.0.0.1", "10.1.0.1"])], Ok(&["10.1.0.1"]));
        check(&[("127.0.0.1:2222", Some("127.0.0.1"), &["10.0.0.1"])], Ok(&["10.0.0.1"]));
        // Behind a jump host nobody but the name tells.
        check(&[("10.1.0.1", None, &["10.0.0.1", "10.1.0.1"])], Ok(&["10.1.0.1"]));
        check(&[("root@h1", None, &[])], Err("n1: root@h1 has no address"));
    }

    #[test]
    fn takes_the_family_that_all_hosts_have() {
        let both: &[&str] = &["10.0.0.1", "fd00::1"];
        let second: &[&str] = &["10.0.0.2", "fd00::2"];
        check(
            &[("root@h1", Some("10.0.0.1"), both), ("root@fd00::2", Some("fd00::2"), second)],
            Ok(&["10.0.0.1", "10.0.0.2"]),
        );
        check(
            &[("root@h1", Some("10.0.0.1"), both), ("root@fd00::2", Some("fd00::2"), &["fd00::2"])],
            Ok(&["fd00::1", "fd00::2"]),
        );
        check(
            &[("root@h1", None, &["10.0.0.1"]), ("root@fd00::2", None, &["fd00::2"])],
            Err("in common (n1 10.0.0.1, n2 fd00::2)"),
        );
    }
}
