//! What the answers of all nodes mean together.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schism_lab::NodeId;

use super::keys;
use super::questions::{Partition, Sight};

/// The topics in which the groups' offsets and the transactions' states are kept.
pub(super) const OFFSETS: &str = "__consumer_offsets";
pub(super) const TRANSACTIONS: &str = "__transaction_state";

/// What is still missing for a cluster of `nodes` to be ready; `None`: nothing. With the node that it
/// is missing on, where there is one.
pub(super) fn missing(
    nodes: &[NodeId],
    sights: &[(NodeId, Sight)],
    controllers: &[(NodeId, Option<i32>)],
) -> Option<(Option<NodeId>, String)> {
    let of = |node: &NodeId| sights.iter().find(|(id, _)| id == node).map(|(_, sight)| sight);
    if let Some(silent) = nodes.iter().find(|node| of(node).is_none()) {
        return Some((Some(*silent), "the broker did not answer".into()));
    }
    for (node, sight) in sights {
        if let Some(other) = nodes.iter().find(|other| !sight.brokers.contains(other)) {
            return Some((
                Some(*other),
                format!("was not registered, or fenced, as {node} sees it"),
            ));
        }
    }
    if controlling(controllers).is_empty() {
        return Some((None, "no controller said that it leads".into()));
    }
    for (node, sight) in sights {
        for topic in [OFFSETS, TRANSACTIONS] {
            if !sight.partitions.iter().any(|it| it.topic == topic) {
                return Some((None, format!("{topic} did not exist, as {node} sees it")));
            }
        }
        let lacks = |it: &Partition| headless(it).or_else(|| behind(it, nodes));
        if let Some((id, problem)) = sight.partitions.iter().find_map(lacks) {
            return Some((id, format!("{problem}, as {node} sees it")));
        }
    }
    None
}

/// That nobody leads a partition: those who were in sync are gone, and no other may. With one of them.
fn headless(partition: &Partition) -> Option<(Option<NodeId>, String)> {
    let Partition { topic, index, leader, replicas, in_sync, .. } = partition;
    if leader.is_some() {
        return None;
    }
    let names = in_sync.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let last = if names.is_empty() { "nobody".to_owned() } else { names };
    let one = in_sync.first().or(replicas.first()).copied();
    Some((one, format!("{topic}-{index} had no leader (last in sync: {last})")))
}

/// Which replica of a partition on one of `nodes` is not in sync.
fn behind(partition: &Partition, nodes: &[NodeId]) -> Option<(Option<NodeId>, String)> {
    let Partition { topic, index, replicas, in_sync, .. } = partition;
    let behind = replicas.iter().find(|id| nodes.contains(id) && !in_sync.contains(id))?;
    let problem = format!("{topic}-{index} was under-replicated: {behind} was not in sync");
    Some((Some(*behind), problem))
}

/// Who says that he is the controller, the latest epoch first.
pub(super) fn controlling(answers: &[(NodeId, Option<i32>)]) -> Vec<NodeId> {
    let mut claims: Vec<_> =
        answers.iter().filter_map(|(node, epoch)| Some((Reverse((*epoch)?), *node))).collect();
    claims.sort_unstable();
    claims.into_iter().map(|(_, node)| node).collect()
}

/// Who says that he leads a partition of a topic of the run: the first numbered one's first partition
/// before all others, and then by how many they lead. Of two that claim the same one, the later epoch
/// comes first.
pub(super) fn leading(sights: &[(NodeId, Sight)]) -> Vec<NodeId> {
    let mut claims: Vec<(&Partition, NodeId)> = Vec::new();
    for (node, sight) in sights {
        let own = sight.partitions.iter().filter(|it| it.leader == Some(*node));
        claims.extend(own.filter(|it| !it.topic.starts_with("__")).map(|it| (it, *node)));
    }
    let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
    for (_, node) in &claims {
        *counts.entry(*node).or_default() += 1;
    }
    let numbered = claims.iter().filter_map(|(it, _)| keys::number(&it.topic)).min();
    let first = |it: &Partition| {
        it.index == 0 && numbered.is_some_and(|number| keys::number(&it.topic) == Some(number))
    };
    let mut leaders: Vec<_> = claims.iter().filter(|(it, _)| first(it)).collect();
    leaders.sort_by_key(|(it, node)| (Reverse(it.epoch), *node));
    let mut leaders: Vec<NodeId> = leaders.into_iter().map(|(_, node)| *node).collect();
    let mut others: Vec<_> =
        counts.into_iter().map(|(node, count)| (Reverse(count), node)).collect();
    others.sort_unstable();
    for (_, node) in others {
        if !leaders.contains(&node) {
            leaders.push(node);
        }
    }
    leaders
}

/// Who coordinates, those of the most ids first: for each id the one whom most nodes name.
pub(super) fn coordinating(answers: &[(NodeId, BTreeMap<String, NodeId>)]) -> Vec<NodeId> {
    let mut votes: BTreeMap<&String, BTreeMap<NodeId, usize>> = BTreeMap::new();
    for (id, node) in answers.iter().flat_map(|(_, answer)| answer) {
        *votes.entry(id).or_default().entry(*node).or_default() += 1;
    }
    let mut ids: BTreeMap<NodeId, usize> = BTreeMap::new();
    for named in votes.values() {
        let most = named.iter().max_by_key(|(node, votes)| (**votes, Reverse(**node)));
        if let Some((node, _)) = most {
            *ids.entry(*node).or_default() += 1;
        }
    }
    let mut coordinators: Vec<_> =
        ids.into_iter().map(|(node, ids)| (Reverse(ids), node)).collect();
    coordinators.sort_unstable();
    coordinators.into_iter().map(|(_, node)| node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn partition(topic: &str, index: i32, leader: u16, epoch: i32, in_sync: &[u16]) -> Partition {
        let leader = (leader > 0).then_some(NodeId(leader));
        let in_sync = in_sync.iter().map(|id| NodeId(*id)).collect();
        Partition { topic: topic.into(), index, leader, epoch, replicas: NODES.into(), in_sync }
    }

    fn sights(partitions: &[Partition]) -> Vec<(NodeId, Sight)> {
        let sight = Sight { brokers: NODES.into(), partitions: partitions.into() };
        NODES.map(|node| (node, sight.clone())).into()
    }

    fn check(sights: &[(NodeId, Sight)], epoch: Option<i32>, expected: Option<&str>) {
        let controllers = [(NodeId(1), None), (NodeId(2), epoch)];
        let found = missing(&NODES, sights, &controllers);
        let found =
            found.map(|(node, what)| node.map_or(what.clone(), |node| format!("{node}: {what}")));
        match expected {
            None => assert_eq!(found, None),
            Some(part) => assert!(found.as_ref().is_some_and(|it| it.contains(part)), "{found:?}"),
        }
    }

    #[test]
    fn is_ready_when_every_broker_sees_all_others_and_the_internal_topics_are_whole() {
        let whole =
            [partition(OFFSETS, 0, 1, 0, &[1, 2, 3]), partition(TRANSACTIONS, 0, 2, 0, &[3, 2, 1])];
        check(&sights(&whole), Some(4), None);
        check(&sights(&whole), None, Some("no controller"));
        check(&sights(&whole)[..2], Some(4), Some("n3: the broker did not answer"));
        check(&sights(&whole[..1]), Some(4), Some("__transaction_state did not exist"));
        let behind = [partition(OFFSETS, 0, 1, 0, &[1, 3]), whole[1].clone()];
        check(&sights(&behind), Some(4), Some("__consumer_offsets-0 was under-replicated: n2"));
        let headless = [whole[0].clone(), partition(TRANSACTIONS, 3, 0, 7, &[1])];
        check(
            &sights(&headless),
            Some(4),
            Some("__transaction_state-3 had no leader (last in sync: n1)"),
        );
        let lost = [&whole[..], &[partition("log-2", 1, 0, 9, &[2])]].concat();
        check(&sights(&lost), Some(4), Some("n2: log-2-1 had no leader"));
        let slow = [&whole[..], &[partition("log-2", 1, 1, 9, &[1])]].concat();
        check(&sights(&slow), Some(4), Some("n2: log-2-1 was under-replicated"));
        let mut fenced = sights(&whole);
        fenced[2].1.brokers.remove(0);
        check(&fenced, Some(4), Some("n1: was not registered, or fenced, as n3 sees it"));
        let two = missing(&NODES[..2], &sights(&behind)[..2], &[(NodeId(1), Some(1))]);
        assert!(two.is_some_and(|(_, what)| what.contains("n2")), "n2 is up, and behind");
        let without = missing(&[NodeId(1), NodeId(3)], &sights(&behind), &[(NodeId(1), Some(1))]);
        assert_eq!(without, None, "nobody waits for a node that is down");
    }

    #[test]
    fn leads_who_says_so_himself_the_first_partition_first() {
        let old = partition("log-0", 0, 1, 3, &[1, 2, 3]);
        let new = partition("log-0", 0, 3, 4, &[2, 3]);
        let others = [partition("log-1", 0, 2, 0, &[]), partition("log-1", 1, 2, 0, &[])];
        let sight = |partitions: Vec<Partition>| Sight { brokers: NODES.into(), partitions };
        let later = sight([&others[..], &[new]].concat());
        let isolated = sight([&others[..], std::slice::from_ref(&old)].concat());
        let all = [(NodeId(1), isolated), (NodeId(2), later.clone()), (NodeId(3), later)];
        assert_eq!(leading(&all), [NodeId(3), NodeId(1), NodeId(2)]);
        // Whom others still take for the leader does not lead if it does not say so.
        let dead = [(NodeId(2), sight(vec![old]))];
        assert_eq!(leading(&dead), []);
        assert_eq!(leading(&[(NodeId(1), sight(vec![partition(OFFSETS, 0, 1, 0, &[1])]))]), []);
    }

    #[test]
    fn the_controller_of_the_latest_epoch_comes_first() {
        let answers = [(NodeId(1), Some(4)), (NodeId(2), None), (NodeId(3), Some(5))];
        assert_eq!(controlling(&answers), [NodeId(3), NodeId(1)]);
    }

    #[test]
    fn coordinates_whom_most_nodes_name_for_the_most_ids() {
        let answer = |pairs: &[(&str, u16)]| -> BTreeMap<String, NodeId> {
            pairs.iter().map(|(id, node)| ((*id).to_owned(), NodeId(*node))).collect()
        };
        let stale = (NodeId(1), answer(&[("schism-0", 1), ("schism-1", 1), ("schism-2", 1)]));
        let fresh =
            |node| (NodeId(node), answer(&[("schism-0", 2), ("schism-1", 3), ("schism-2", 3)]));
        assert_eq!(coordinating(&[stale, fresh(2), fresh(3)]), [NodeId(3), NodeId(2)]);
        assert_eq!(coordinating(&[]), []);
    }
}
