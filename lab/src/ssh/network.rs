//! Links between hosts: cut by each node's own firewall, on the side where packets arrive.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use schism_agent::protocol::Slow;

use super::reach::{Cut, Reach};
use crate::{End, LinkRule, LinkRules, Network, NetworkError, NodeId};

/// The links of a lab behind SSH.
pub(super) struct SshNetwork {
    pub(super) reaches: Vec<Arc<Reach>>,
    /// All addresses of each end, of both families, that no other end has.
    pub(super) addresses: BTreeMap<End, Vec<IpAddr>>,
}

impl SshNetwork {
    /// What each node has to drop. A link is cut where it arrives, so that the sender notices
    /// nothing; one to the controller or to a client's place where it leaves, since no rule is ever
    /// set on this machine.
    ///
    /// One between nodes is slowed down where it leaves.
    fn cuts(&self, rules: &LinkRules) -> Result<BTreeMap<NodeId, Cut>, String> {
        let mut cuts: BTreeMap<NodeId, Cut> =
            self.reaches.iter().map(|reach| (reach.id, Cut::default())).collect();
        for (&(from, to), rule) in &rules.0 {
            if rule.hold {
                return Err(format!(
                    "{from} → {to}: over SSH a link can be cut or slowed down, not held; the local \
                     lab's switch can (`lab: {{ local: {{ nodes: 5 }} }}`)"
                ));
            }
            self.slow(from, to, *rule, &mut cuts)?;
            if !rule.drop {
                continue;
            }
            let hosted = |end: End| match end {
                End::Node(node) => (!node.is_client()).then_some(node),
                End::Controller => None,
            };
            let (node, other) = match (hosted(from), hosted(to)) {
                (_, Some(node)) => (node, from),
                (Some(node), None) => (node, to),
                // Nothing goes between those who only ask.
                (None, None) => continue,
            };
            let addresses = self.addresses_of(other, from, to)?;
            let cut = cuts.entry(node).or_default();
            let side = if to == End::Node(node) { &mut cut.from } else { &mut cut.to };
            side.extend(addresses);
        }
        Ok(cuts)
    }

    fn addresses_of(&self, other: End, from: End, to: End) -> Result<&[IpAddr], String> {
        let addresses = self.addresses.get(&other).map(Vec::as_slice).unwrap_or_default();
        if addresses.is_empty() {
            return Err(format!(
                "{from} → {to}: {other} has no address of its own: is it on the same machine as \
                 another node?"
            ));
        }
        Ok(addresses)
    }

    fn slow(
        &self,
        from: End,
        to: End,
        rule: LinkRule,
        cuts: &mut BTreeMap<NodeId, Cut>,
    ) -> Result<(), String> {
        if rule.delay.is_zero() && rule.jitter.is_zero() {
            return Ok(());
        }
        let node = match (from, to) {
            (End::Node(node), End::Node(other)) if !node.is_client() && !other.is_client() => node,
            _ => {
                return Err(format!(
                    "{from} → {to}: over SSH links between nodes can be slowed down, not those to \
                     the controller, which the agents are spoken to over"
                ));
            }
        };
        let addresses = self.addresses_of(to, from, to)?.to_vec();
        let (delay_us, jitter_us) = (rule.delay.as_micros() as u64, rule.jitter.as_micros() as u64);
        cuts.entry(node).or_default().slow.push(Slow { to: addresses, delay_us, jitter_us });
        Ok(())
    }
}

#[async_trait]
impl Network for SshNetwork {
    async fn set(&self, rules: &LinkRules) -> Result<(), NetworkError> {
        let mut cuts = self.cuts(rules).map_err(|problem| NetworkError { problem })?;
        let mut deeds = JoinSet::new();
        for reach in &self.reaches {
            let (reach, cut) = (reach.clone(), cuts.remove(&reach.id).unwrap_or_default());
            deeds.spawn(async move { reach.cut(cut).await.map_err(|error| error.to_string()) });
        }
        let mut problems: Vec<String> =
            deeds.join_all().await.into_iter().filter_map(Result::err).collect();
        problems.sort();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(NetworkError { problem: problems.join("; ") })
        }
    }
}

/// The addresses that tell the ends apart: what two of them have (a bridge of each machine's own, a
/// NAT's inner address) leads to neither.
pub(super) fn distinct(all: BTreeMap<End, Vec<IpAddr>>) -> BTreeMap<End, Vec<IpAddr>> {
    let mut owners: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for address in all.values().flatten() {
        *owners.entry(*address).or_default() += 1;
    }
    let own = |mut addresses: Vec<IpAddr>| {
        addresses.retain(|address| owners.get(address) == Some(&1));
        addresses
    };
    all.into_iter().map(|(end, addresses)| (end, own(addresses))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::access::Access;
    use super::super::reach::Ware;
    use super::*;

    fn network() -> SshNetwork {
        let reach = |number: u16| {
            let access = Access::parse(&format!("root@10.0.0.{number}")).expect("a host");
            let ware = Ware::Shared("/none".into());
            let bounds = super::super::bounds::Bounds::default();
            Arc::new(Reach::new(NodeId(number), access, ware, "t".into(), bounds))
        };
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let nat = address("10.0.2.15");
        let addresses = BTreeMap::from([
            (End::Controller, vec![address("10.0.0.9")]),
            (End::Node(NodeId(1)), vec![address("10.0.0.1"), address("fd00::1"), nat]),
            (End::Node(NodeId(2)), vec![address("10.0.0.2"), nat]),
            (End::Node(NodeId::client(1)), vec![address("10.0.0.101")]),
        ]);
        SshNetwork { reaches: vec![reach(1), reach(2)], addresses: distinct(addresses) }
    }

    fn cut(links: &[(End, End)]) -> LinkRules {
        let drop = LinkRule { drop: true, ..LinkRule::default() };
        LinkRules(links.iter().map(|&link| (link, drop)).collect())
    }

    #[test]
    fn cuts_a_link_where_it_arrives_and_the_controllers_where_it_leaves() {
        let (one, two) = (End::Node(NodeId(1)), End::Node(NodeId(2)));
        let check = |links: &[(End, End)], expected: &str| {
            let cuts = network().cuts(&cut(links)).expect("cuts");
            let shown: Vec<String> = cuts
                .iter()
                .map(|(node, cut)| format!("{node} {:?} {:?}", cut.from, cut.to))
                .collect();
            assert_eq!(shown.join("; "), expected);
        };
        check(&[(one, two)], "n1 [] []; n2 [10.0.0.1, fd00::1] []");
        check(&[(two, End::Controller)], "n1 [] []; n2 [] [10.0.0.9]");
        check(&[(End::Controller, one)], "n1 [10.0.0.9] []; n2 [] []");
        let client = End::Node(NodeId::client(1));
        check(&[(client, one), (two, client)], "n1 [10.0.0.101] []; n2 [] [10.0.0.101]");
        check(&[(client, End::Controller)], "n1 [] []; n2 [] []");
        check(&[], "n1 [] []; n2 [] []");
    }

    #[test]
    fn slows_a_link_down_where_it_leaves_and_refuses_the_rest_in_words() {
        let (one, two) = (End::Node(NodeId(1)), End::Node(NodeId(2)));
        let slow = LinkRule { delay: Duration::from_millis(5), ..LinkRule::default() };
        let cuts = network().cuts(&LinkRules([((one, two), slow)].into())).expect("a delay");
        let slow_there = &cuts[&NodeId(1)].slow;
        assert_eq!((slow_there.len(), slow_there[0].delay_us), (1, 5000));
        assert_eq!(cuts[&NodeId(2)], Cut::default());
        let to_us = LinkRules([((one, End::Controller), slow)].into());
        let refused = network().cuts(&to_us).expect_err("no delay");
        assert!(refused.contains("n1 → controller") && refused.contains("not those"), "{refused}");
        let hold = LinkRule { hold: true, ..LinkRule::default() };
        let refused = network().cuts(&LinkRules([((one, two), hold)].into())).expect_err("no hold");
        assert!(refused.contains("n1 → n2") && refused.contains("not held"), "{refused}");
    }
}
