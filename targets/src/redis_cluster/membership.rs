//! Members that leave as an operator lets them, emptied first, and that come back.
//!
//! A primary gives its slots to the others and its replicas to another primary; then it forgets the
//! cluster, and the cluster forgets it. One that comes back meets the others as a node that nobody
//! knows: it takes a share of the slots where a primary is missing, and is a replica otherwise.

use std::time::Duration;

use schism_history::Evidence;
use schism_lab::{Node, NodeId};
use tokio::time::Instant;

use super::health::{self, Views};
use super::nodes::View;
use super::reshard::{Line, Owner, move_slots, owners};
use super::slot::SLOTS;
use super::{ASK, PAUSE, RedisCluster};
use crate::Cluster;

/// How long the others may take to forget a member, or to know one that is new.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

impl RedisCluster {
    /// Lets the nodes leave, one after the other. What proves it is that no other node that answers
    /// knows them any more.
    pub(super) async fn let_go(
        &self,
        cluster: &Cluster,
        leaving: &[NodeId],
        within: Duration,
    ) -> Evidence {
        let deadline = Instant::now() + within;
        let (mut seen, mut texts) = (!leaving.is_empty(), Vec::new());
        for node in cluster.nodes().filter(|node| leaving.contains(&node.id)) {
            let left = self.take_out(cluster, node, deadline).await;
            seen &= left.is_ok();
            let text = left.unwrap_or_else(|problem| problem);
            texts.push(format!("{}: {text}", node.id));
        }
        Evidence { seen, text: texts.join("; ").into() }
    }

    /// Empties a member, and makes it none.
    pub(super) async fn take_out(
        &self,
        cluster: &Cluster,
        node: &Node,
        deadline: Instant,
    ) -> Result<String, String> {
        let views = self.views(cluster, ASK).await;
        let view = view_of(&views, node.id).ok_or("does not answer, and cannot be emptied")?;
        let own = view.own().ok_or("does not know itself")?.clone();
        if view.members.len() < 2 {
            return Err("is no member already".into());
        }
        let all = owners(&views);
        let (slots, keys) = self.give_away(node.id, &all).await?;
        // Its replicas follow the primary that has the fewest.
        let orphans = views.iter().filter(|(_, view)| {
            let member = view.as_ref().and_then(View::own);
            member.is_some_and(|member| member.primary.as_deref() == Some(own.id.as_str()))
        });
        let orphans: Vec<NodeId> = orphans.map(|(id, _)| *id).filter(|id| *id != node.id).collect();
        for orphan in &orphans {
            let to = fewest_replicas(&views, &all, node.id).ok_or("there is no other primary")?;
            self.tell(cluster, *orphan, &["CLUSTER", "REPLICATE", &to.id]).await?;
        }
        self.tell(cluster, node.id, &["CLUSTER", "RESET", "HARD"]).await?;
        let until = deadline.min(Instant::now() + KNOWN_WITHIN);
        loop {
            let mut know = 0;
            for other in cluster.nodes().filter(|other| other.id != node.id) {
                // Refused where it is unknown already, or still is whose primary this was.
                let _ = self.tell(cluster, other.id, &["CLUSTER", "FORGET", &own.id]).await;
            }
            let views = self.views(cluster, ASK).await;
            for (_, view) in views.iter().filter(|(id, _)| *id != node.id) {
                let members = view.iter().flat_map(|view| &view.members);
                know += usize::from(members.clone().any(|member| member.id == own.id));
            }
            if know == 0 {
                let role = if all.iter().any(|owner| owner.node == node.id) {
                    format!("gave away {slots} slots with {keys} keys")
                } else {
                    "was a replica".into()
                };
                return Ok(format!("{role}, and no other node knows it"));
            }
            if Instant::now() >= until {
                return Err(format!("{know} nodes still know it"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Gives all slots of a primary to the others, in equal shares: how many, with how many keys.
    async fn give_away(&self, from: NodeId, all: &[Owner]) -> Result<(usize, usize), String> {
        let Some(from) = all.iter().find(|owner| owner.node == from) else { return Ok((0, 0)) };
        let others: Vec<&Owner> =
            all.iter().filter(|owner| owner.node != from.node && !owner.slots.is_empty()).collect();
        if from.slots.is_empty() {
            return Ok((0, 0));
        }
        if others.is_empty() {
            return Err("there is no other primary to give its slots to".into());
        }
        let share = from.slots.len().div_ceil(others.len());
        let mut keys = 0;
        for (slots, to) in from.slots.chunks(share).zip(others) {
            keys += move_slots(from, to, slots, all).await?;
        }
        Ok((from.slots.len(), keys))
    }

    /// Brings back whoever is missing, and says whether all is as it was: all nodes are members, all
    /// slots are served, by as many primaries as there were, and every replica follows one.
    pub(super) async fn make_whole(&self, cluster: &Cluster, within: Duration) -> Evidence {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let settled = self.settle_slots_of_members(cluster, left).await;
            let views = self.views(cluster, ASK).await;
            let missing = self.place_missing(cluster, &views).await;
            let unwell =
                || health::problem(&views).map(|(node, problem)| format!("{node} {problem}"));
            let problem = match missing {
                Err(problem) => Some(problem),
                Ok(true) => Some("a node was on its way back".to_owned()),
                Ok(false) => settled.or_else(unwell),
            };
            let Some(problem) = problem else {
                let primaries = owners(&views).len();
                let text = format!(
                    "all {} nodes are members and agree, {primaries} of them as primaries of all \
                     {SLOTS} slots",
                    views.len()
                );
                return Evidence { seen: true, text: text.into() };
            };
            if Instant::now() + PAUSE >= deadline {
                return Evidence { seen: false, text: problem.into() };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes the next step for each node that is no member, or has no place among them yet. Whether
    /// there was one.
    async fn place_missing(&self, cluster: &Cluster, views: &Views) -> Result<bool, String> {
        let alone = |view: &View| view.members.len() == 1;
        let Some((_, host)) = views
            .iter()
            .find_map(|(id, view)| Some((id, view.as_ref().filter(|view| !alone(view))?)))
        else {
            return Err("no node that answers is a member of anything".into());
        };
        let mut moved = false;
        let known = host.members.len();
        for (id, view) in views.iter().filter_map(|(id, view)| Some((*id, view.as_ref()?))) {
            let Some(node) = cluster.nodes().find(|node| node.id == id) else { continue };
            if alone(view) {
                let member =
                    views.iter().find(|(_, view)| view.as_ref().is_some_and(|it| !alone(it)));
                let (member, _) = member.ok_or("nobody is there to be met")?;
                let address = self.address(node);
                let (host, port) = (address.ip().to_string(), address.port().to_string());
                self.tell(cluster, *member, &["CLUSTER", "MEET", &host, &port]).await?;
                moved = true;
                continue;
            }
            let Some(own) = view.own() else { continue };
            let idle = own.is("master") && own.slots.is_empty() && view.members.len() == known;
            if idle && view.members.iter().all(|member| !member.is("handshake")) {
                self.give_place(cluster, id, views).await?;
                moved = true;
            }
        }
        Ok(moved)
    }

    /// A share of the slots where a primary is missing; otherwise a primary to follow.
    async fn give_place(&self, cluster: &Cluster, id: NodeId, views: &Views) -> Result<(), String> {
        let all = owners(views);
        let serving: Vec<&Owner> = all.iter().filter(|owner| !owner.slots.is_empty()).collect();
        let wanted = views.len() / (self.settings.replicas + 1);
        if serving.len() >= wanted {
            let to = fewest_replicas(views, &all, id).ok_or("there is no primary to follow")?;
            return self.tell(cluster, id, &["CLUSTER", "REPLICATE", &to.id]).await;
        }
        let to = all.iter().find(|owner| owner.node == id).ok_or("it is no primary")?;
        let share = usize::from(SLOTS) / wanted;
        for from in serving {
            let more = from.slots.len().saturating_sub(share);
            move_slots(from, to, &from.slots[..more], &all).await?;
        }
        Ok(())
    }

    /// An order to one node, which must be followed.
    async fn tell(&self, cluster: &Cluster, id: NodeId, words: &[&str]) -> Result<(), String> {
        let node = cluster.nodes().find(|node| node.id == id).ok_or("it is not in the lab")?;
        Line::at(id, self.address(node)).await?.tell(words).await
    }

    /// What keeps the slots of the members from being settled; slots that are open are closed.
    async fn settle_slots_of_members(&self, cluster: &Cluster, left: Duration) -> Option<String> {
        let settled = self.settle_slots(cluster, left.min(PAUSE * 2)).await;
        (!settled.seen).then(|| settled.text.into())
    }
}

fn view_of(views: &Views, node: NodeId) -> Option<&View> {
    views.iter().find(|(id, _)| *id == node)?.1.as_ref()
}

/// The primary with slots, other than a node, that has the fewest replicas.
fn fewest_replicas<'a>(views: &Views, all: &'a [Owner], but: NodeId) -> Option<&'a Owner> {
    let replicas = |owner: &&Owner| {
        let follows = |view: &View| {
            let own = view.own();
            own.is_some_and(|own| own.primary.as_deref() == Some(owner.id.as_str()))
        };
        views.iter().filter(|(_, view)| view.as_ref().is_some_and(follows)).count()
    };
    let others = all.iter().filter(|owner| owner.node != but && !owner.slots.is_empty());
    others.min_by_key(|owner| (replicas(owner), owner.node))
}
