//! What the members say of each other and of themselves.

use std::time::Duration;

use schism_lab::{Node, NodeId};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PORTS;
use super::gateway::Gateway;
use super::trouble::Trouble;
use super::wire::{Member, Members, Range, Status, encoded};
use crate::Cluster;

/// Asks single questions.
#[derive(Clone)]
pub(super) struct Questions {
    http: reqwest::Client,
}

/// What a node was asked when it was to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its own number.
    pub(super) id: u64,
    /// Whom it takes for the leader; 0: nobody.
    pub(super) leader: u64,
    /// In which term.
    pub(super) term: u64,
}

impl Questions {
    pub(super) fn new() -> Self {
        Self { http: Gateway::without_pool() }
    }

    /// A node's gateway.
    pub(super) fn of(&self, node: &Node) -> Gateway {
        Gateway::fresh(node, &self.http)
    }

    /// Whom each node takes for the leader, all asked at once, in their order. It tells this
    /// without asking anybody, so that a leader that was cut off still names itself.
    pub(super) async fn statuses(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Vec<(NodeId, Option<Answer>)> {
        let status = move |gateway: Gateway| async move {
            let (path, deadline) = ("/v3/maintenance/status", Instant::now() + within);
            let status: Status = gateway.ask(path, &json!({}), deadline).await.ok()?;
            Some(Answer { id: status.header.member_id, leader: status.leader, term: status.term })
        };
        self.each(cluster, status).await
    }

    /// Which nodes answer a linearizable read: it takes a leader and a majority.
    pub(super) async fn readable(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Vec<(NodeId, Option<()>)> {
        let read = move |gateway: Gateway| async move {
            let body = json!({ "key": encoded("ready") });
            let read: Result<Range, Trouble> =
                gateway.ask("/v3/kv/range", &body, Instant::now() + within).await;
            read.ok().map(drop)
        };
        self.each(cluster, read).await
    }

    pub(super) async fn each<T: Send + 'static, F: Future<Output = Option<T>> + Send + 'static>(
        &self,
        cluster: &Cluster,
        question: impl Fn(Gateway) -> F,
    ) -> Vec<(NodeId, Option<T>)> {
        let mut asked = JoinSet::new();
        for node in cluster.nodes() {
            let answer = question(self.of(node));
            let id = node.id;
            asked.spawn(async move { (id, answer.await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(id, _)| *id);
        answers
    }

    /// The members as each node knows them itself, without asking anybody.
    pub(super) async fn lists(
        &self,
        cluster: &Cluster,
        within: Duration,
    ) -> Vec<(NodeId, Option<Vec<Member>>)> {
        let list = move |gateway: Gateway| async move {
            let (path, deadline) = ("/v3/cluster/member/list", Instant::now() + within);
            let listed: Members = gateway.ask(path, &json!({}), deadline).await.ok()?;
            Some(listed.members)
        };
        self.each(cluster, list).await
    }

    /// The members, as the node says that is first to answer: all are asked at once, since each that
    /// is down would cost the whole time. One that is to be removed is asked only where no other
    /// answers. With the gateway of the one who answered.
    pub(super) async fn members(
        &self,
        cluster: &Cluster,
        but: Option<NodeId>,
        within: Duration,
    ) -> Result<(Vec<Member>, Gateway), String> {
        let (last, others): (Vec<&Node>, Vec<&Node>) =
            cluster.nodes().partition(|node| Some(node.id) == but);
        let mut asked = JoinSet::new();
        for gateway in others.into_iter().map(|node| self.of(node)) {
            asked.spawn(async move { (Self::listed(&gateway, within).await, gateway) });
        }
        let mut problem = "there is no node to ask".to_owned();
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((Ok(members), gateway)) => return Ok((members, gateway)),
                Ok((Err(trouble), _)) => trouble.text().clone_into(&mut problem),
                Err(broken) => problem = broken.to_string(),
            }
        }
        for gateway in last.into_iter().map(|node| self.of(node)) {
            match Self::listed(&gateway, within).await {
                Ok(members) => return Ok((members, gateway)),
                Err(trouble) => trouble.text().clone_into(&mut problem),
            }
        }
        Err(problem)
    }

    /// The members as a node tells them after it has asked the leader.
    async fn listed(gateway: &Gateway, within: Duration) -> Result<Vec<Member>, Trouble> {
        // From 3.5 on, without this a node may answer what it last knew.
        let (path, body) = ("/v3/cluster/member/list", json!({ "linearizable": true }));
        let members: Result<Members, Trouble> =
            gateway.ask(path, &body, Instant::now() + within).await;
        let members = match members {
            // 3.4 refuses a field that it does not know.
            Err(_) => Self::listed_after_a_read(gateway, Instant::now() + within).await,
            members => members,
        };
        members.map(|listed| listed.members)
    }

    /// The members as a node of 3.4 knows them once it has caught up: a linearizable read waits
    /// until the node has applied all that was committed, changes of the members included.
    async fn listed_after_a_read(gateway: &Gateway, deadline: Instant) -> Result<Members, Trouble> {
        let read = json!({ "key": encoded("ready") });
        let _: Range = gateway.ask("/v3/kv/range", &read, deadline).await?;
        gateway.ask("/v3/cluster/member/list", &json!({}), deadline).await
    }
}

/// Where a node's peers reach it.
pub(super) fn peer_url(node: &Node) -> String {
    format!("http://{}", std::net::SocketAddr::new(node.address, PORTS.peers))
}

/// Who says that he leads, the latest term first.
pub(super) fn leaders(answers: &[(NodeId, Option<Answer>)]) -> Vec<NodeId> {
    let leads = |(node, answer): &(NodeId, Option<Answer>)| {
        let answer = answer.filter(|answer| answer.leader != 0 && answer.leader == answer.id)?;
        Some((std::cmp::Reverse(answer.term), *node))
    };
    let mut leaders: Vec<_> = answers.iter().filter_map(leads).collect();
    leaders.sort_unstable();
    leaders.into_iter().map(|(_, node)| node).collect()
}

/// Whether all nodes answered, and know one leader of one term.
pub(super) fn settled(answers: &[(NodeId, Option<Answer>)]) -> bool {
    let mut views = answers.iter().map(|(_, answer)| answer.map(|it| (it.leader, it.term)));
    match views.next() {
        Some(Some((leader, term))) => leader != 0 && views.all(|view| view == Some((leader, term))),
        _ => false,
    }
}

/// The member that stands on `node`: by its name, or, before it has ever started, by its address.
pub(super) fn standing_on<'a>(members: &'a [Member], node: &Node) -> Option<&'a Member> {
    let (name, url) = (node.id.to_string(), peer_url(node));
    members.iter().find(|member| member.name == name || member.peer_urls.contains(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: u64, leader: u64, term: u64) -> (NodeId, Option<Answer>) {
        (NodeId(id as u16), Some(Answer { id, leader, term }))
    }

    #[test]
    fn the_leader_of_the_latest_term_comes_first() {
        let answers = [answer(1, 1, 4), answer(2, 3, 5), answer(3, 3, 5), (NodeId(4), None)];
        assert_eq!(leaders(&answers), [NodeId(3), NodeId(1)]);
        assert_eq!(leaders(&[answer(1, 0, 4)]), [], "nobody leads");
    }

    #[test]
    fn is_settled_when_all_know_the_same_leader() {
        assert!(settled(&[answer(1, 1, 4), answer(2, 1, 4), answer(3, 1, 4)]));
        assert!(!settled(&[answer(1, 1, 4), answer(2, 1, 4), (NodeId(3), None)]), "one is silent");
        assert!(!settled(&[answer(1, 1, 4), answer(2, 1, 3)]), "another term");
        assert!(!settled(&[answer(1, 0, 4), answer(2, 0, 4)]), "nobody leads");
        assert!(!settled(&[]));
    }
}
