//! What is not well with the brokers after a run, and whose log may tell why.

use std::collections::BTreeMap;
use std::time::Duration;

use schism_lab::NodeId;

use super::questions::{Coordinated, Partition, Sight, each, group, sight};
use super::{GROUP, Kafka};
use crate::log_tail;
use crate::{Cluster, Complaint, Target as _, Unwell};

/// So many partitions are named in one line.
const NAMED_MAX: usize = 8;

impl Kafka {
    /// Brokers that are silent, partitions that nobody leads, and whoever answers for what clients
    /// complained of.
    pub(super) async fn troubles(
        &self,
        cluster: &Cluster,
        complaint: Complaint,
        within: Duration,
    ) -> Vec<Unwell> {
        let nodes: Vec<NodeId> = cluster.nodes().map(|node| node.id).collect();
        let sights = each(cluster, |node| async move { sight(&node, within).await }).await;
        let mut found = unled(&nodes, &sights);
        if complaint.unsettled {
            found.push(self.unsettled(cluster, within).await);
        }
        if complaint.fatal {
            found.push(self.answers_for_fatal(cluster, within).await);
        }
        let mut told = Vec::new();
        for (node, what) in found {
            let host = node.and_then(|id| cluster.host(id));
            let log = match host {
                Some(host) => log_tail::last(&host.node().logs.join(self.logs()[0])).await,
                None => Vec::new(),
            };
            told.push(Unwell { what, node, log });
        }
        told
    }

    /// What the group's coordinator says of it.
    async fn unsettled(&self, cluster: &Cluster, within: Duration) -> (Option<NodeId>, String) {
        let coordinators = self.coordinating(cluster, Coordinated::Group, within).await;
        let host = coordinators.first().and_then(|id| cluster.host(*id));
        let Some(host) = host else {
            return (None, format!("nobody coordinates the group {GROUP}"));
        };
        let node = host.node();
        let told = group(node, GROUP, within).await;
        let told = told.unwrap_or_else(|problem| format!("tells nothing of it: {problem}"));
        (Some(node.id), format!("{}, which coordinates the group {GROUP}, {told}", node.id))
    }

    /// Who had to do with clients that librdkafka gave up.
    async fn answers_for_fatal(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> (Option<NodeId>, String) {
        let (who, does) = if self.settings.clients.transactions() {
            let who = self.coordinating(cluster, Coordinated::Transaction, within).await;
            (who, "coordinates transactions of the clients")
        } else {
            let who = self.primaries(cluster, within).await.unwrap_or_default();
            (who, "leads the first log of the clients")
        };
        match who.first() {
            Some(id) => (Some(*id), format!("{id} {does}, some of which were given up")),
            None => (None, format!("nobody {does}, some of which were given up")),
        }
    }
}

/// The brokers that are silent, and the partitions that nobody leads, by those who were the last in
/// sync: with the node that should do better. Newer releases tell of nobody in sync then, and all of
/// the replicas are named.
fn unled(nodes: &[NodeId], sights: &[(NodeId, Sight)]) -> Vec<(Option<NodeId>, String)> {
    let is_silent = |id: &NodeId| sights.iter().all(|(node, _)| node != id);
    // The partitions as each broker sees them: one that was cut off may still tell of an old leader.
    let mut seen: BTreeMap<(&str, i32), Vec<&Partition>> = BTreeMap::new();
    for partition in sights.iter().flat_map(|(_, sight)| &sight.partitions) {
        seen.entry((partition.topic.as_str(), partition.index)).or_default().push(partition);
    }
    let mut by_last: BTreeMap<(&str, &[NodeId]), Vec<String>> = BTreeMap::new();
    for ((topic, index), views) in seen {
        let headless = views.iter().filter(|view| view.leader.is_none());
        let Some(latest) = headless.clone().max_by_key(|view| view.epoch) else { continue };
        if 2 * headless.count() > views.len() {
            let last: (&str, &[NodeId]) = match latest.in_sync.as_slice() {
                [] => ("replicas", latest.replicas.as_slice()),
                last => ("last in sync", last),
            };
            by_last.entry(last).or_default().push(format!("{topic}-{index}"));
        }
    }
    let mut found = Vec::new();
    for ((who, last), partitions) in &by_last {
        let names: Vec<String> = last.iter().map(|id| named(*id, is_silent(id))).collect();
        let what = format!("nobody leads {} ({who}: {})", listed(partitions), names.join(", "));
        let node = last.iter().find(|id| is_silent(id)).or(last.first());
        found.push((node.copied(), what));
    }
    let told = |id: &NodeId| by_last.keys().any(|(_, last)| last.contains(id));
    let silent = nodes.iter().filter(|id| is_silent(id) && !told(id));
    found.extend(silent.map(|id| (Some(*id), format!("{id} does not answer"))));
    found
}

fn named(id: NodeId, silent: bool) -> String {
    if silent { format!("{id}, which does not answer") } else { id.to_string() }
}

fn listed(partitions: &[String]) -> String {
    match partitions.len().saturating_sub(NAMED_MAX) {
        0 => partitions.join(", "),
        more => format!("{} and {more} more", partitions[..NAMED_MAX].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn partition(index: i32, leader: u16, in_sync: &[u16]) -> Partition {
        let in_sync: Vec<NodeId> = in_sync.iter().copied().map(NodeId).collect();
        let leader = (leader > 0).then_some(NodeId(leader));
        let replicas = in_sync.clone();
        Partition { topic: "log-0".into(), index, leader, epoch: 0, replicas, in_sync }
    }

    fn seen(node: u16, partitions: &[Partition]) -> (NodeId, Sight) {
        (NodeId(node), Sight { brokers: NODES.into(), partitions: partitions.into() })
    }

    fn told(sights: &[(NodeId, Sight)]) -> Vec<String> {
        unled(&NODES, sights).into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn names_the_partitions_that_nobody_leads_and_who_was_the_last_in_sync() {
        let all = [partition(0, 0, &[1]), partition(1, 2, &[2]), partition(2, 0, &[1])];
        let found = unled(&NODES, &[seen(2, &all), seen(3, &all)]);
        let what = "nobody leads log-0-0, log-0-2 (last in sync: n1, which does not answer)";
        assert_eq!(found, [(Some(NodeId(1)), what.to_owned())]);
        let many: Vec<Partition> = (0..11).map(|index| partition(index, 0, &[3])).collect();
        let what = told(&[seen(1, &many), seen(2, &many), seen(3, &many)]);
        assert_eq!(what.len(), 1);
        assert!(what[0].ends_with("log-0-7 and 3 more (last in sync: n3)"), "{what:?}");
    }

    #[test]
    fn names_the_replicas_of_a_partition_of_which_nobody_is_in_sync() {
        let lost = Partition { in_sync: Vec::new(), ..partition(0, 0, &[2, 1]) };
        let one = std::slice::from_ref(&lost);
        let found = unled(&NODES, &[seen(2, one), seen(3, one)]);
        let what = "nobody leads log-0-0 (replicas: n2, n1, which does not answer)";
        assert_eq!(found, [(Some(NodeId(1)), what.to_owned())]);
    }

    #[test]
    fn is_silent_where_all_is_well_and_where_most_brokers_know_a_leader() {
        let led = [partition(0, 1, &[1, 2])];
        let all = [seen(1, &led), seen(2, &led), seen(3, &led)];
        assert_eq!(told(&all), [""; 0]);
        let stale = [seen(1, &[partition(0, 0, &[1])]), seen(2, &led), seen(3, &led)];
        assert_eq!(told(&stale), [""; 0]);
    }

    #[test]
    fn names_each_broker_that_does_not_answer() {
        let led = [partition(0, 1, &[1, 2])];
        assert_eq!(told(&[seen(1, &led), seen(2, &led)]), ["n3 does not answer"]);
        assert_eq!(told(&[]).len(), 3);
    }
}
