//! Members that leave under load and come back as new ones, as an operator replaces a machine.
//!
//! A member is removed through another one, its process is ended and its data are wiped. What comes
//! back in its place is a member that nobody knows: with another number, and with nothing on its disk.
//! A node that came back with its old data would be refused; one that came back under its old number
//! without them would have forgotten for whom it voted.

use std::time::Duration;

use schism_history::Evidence;
use schism_lab::{Node, NodeId};
use tokio::time::Instant;

use super::changes::{Change, change};
use super::members::{Answer, standing_on};
use super::wire::Member;
use super::{ASK, Etcd, PAUSE};
use crate::Cluster;

/// How long one look at the members may take.
const TRY: Duration = Duration::from_secs(3);
/// This much of a fault's time is left for saying what went wrong in it.
const TO_SAY: Duration = Duration::from_millis(300);

impl Etcd {
    /// Lets the nodes leave, one after the other. What proves it is that no other member that answers
    /// lists them any more, and that they answer nobody.
    pub(super) async fn let_go(
        &self,
        cluster: &Cluster,
        leaving: &[NodeId],
        within: Duration,
    ) -> Evidence {
        let deadline = Instant::now() + within.saturating_sub(TO_SAY);
        let (mut seen, mut texts) = (!leaving.is_empty(), Vec::new());
        for node in cluster.nodes().filter(|node| leaving.contains(&node.id)) {
            let left = self.take_out(cluster, node, deadline).await;
            seen &= left.is_ok();
            let text = left.unwrap_or_else(|problem| problem);
            texts.push(format!("{}: {text}", node.id));
        }
        Evidence { seen, text: texts.join("; ").into() }
    }

    /// Makes a member none, ends its process, and wipes its data.
    async fn take_out(
        &self,
        cluster: &Cluster,
        node: &Node,
        deadline: Instant,
    ) -> Result<String, String> {
        let member = self.may_leave(cluster, node, deadline).await?;
        // From here on the removal may be carried out at any time, whatever is answered.
        self.left().insert(node.id, member.id.clone());
        let left = deadline.saturating_duration_since(Instant::now());
        change(&self.questions, cluster, node, Change::Remove, left)
            .await
            .map_err(|problem| format!("was not seen to be removed: {problem}"))?;
        self.clear(cluster, node).await?;
        loop {
            let (know, answers) = self.who_lists(cluster, node, &member.id).await;
            let silent = self.questions.of(node).metrics(ASK).await.is_none();
            if know == 0 && answers > 0 && silent {
                let id = shown(&member.id);
                return Ok(format!(
                    "is member {id} no more, as the {answers} others that answer say; its process has \
                     ended and its data are wiped"
                ));
            }
            if Instant::now() + PAUSE >= deadline {
                let still = if silent { "" } else { ", and it still answers" };
                return Err(format!("{know} of {answers} others still list it{still}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The member that stands on the node, once those who stay are a majority of what is left; until
    /// the deadline, since a node that was killed just now comes back.
    async fn may_leave(
        &self,
        cluster: &Cluster,
        node: &Node,
        deadline: Instant,
    ) -> Result<Member, String> {
        loop {
            let listed = self.questions.members(cluster, Some(node.id), TRY).await;
            let problem = match listed {
                Ok((members, _)) => {
                    let member = standing_on(&members, node).ok_or("is no member already")?.clone();
                    let statuses = self.questions.statuses(cluster, ASK).await;
                    match short_of(&members, &member, &statuses) {
                        None => return Ok(member),
                        Some(problem) => problem,
                    }
                }
                Err(problem) => problem,
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(format!("was not let go: {problem}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Nothing of the node that left may run on, or start from what it knew.
    async fn clear(&self, cluster: &Cluster, node: &Node) -> Result<(), String> {
        use crate::Target as _;
        self.kill(cluster, node).await.map_err(|error| error.to_string())?;
        self.wipe(cluster, node).await.map_err(|error| error.to_string())
    }

    /// How many of the other nodes list the member, of how many that answer; each says what it knows
    /// itself.
    async fn who_lists(&self, cluster: &Cluster, but: &Node, id: &str) -> (usize, usize) {
        let all = self.questions.lists(cluster, ASK).await;
        let lists = all.iter().filter(|(node, _)| *node != but.id);
        let lists: Vec<&Vec<Member>> = lists.filter_map(|(_, list)| list.as_ref()).collect();
        let knows = |list: &&&Vec<Member>| list.iter().any(|member| member.id == id);
        (lists.iter().filter(knows).count(), lists.len())
    }

    /// Brings back whoever has left, and says whether all is as it was: each node is a member that
    /// answers, and those that left are others than before.
    pub(super) async fn bring_back(
        &self,
        cluster: &Cluster,
        nodes: &[NodeId],
        within: Duration,
    ) -> Evidence {
        let deadline = Instant::now() + within;
        let mut texts = Vec::new();
        for node in cluster.nodes().filter(|node| nodes.contains(&node.id)) {
            let Some(was) = self.left().get(&node.id).cloned() else { continue };
            match self.replace(cluster, node, &was, deadline).await {
                Ok(text) => texts.push(format!("{} {text}", node.id)),
                Err(problem) => {
                    return Evidence {
                        seen: false,
                        text: format!("{}: {problem}", node.id).into(),
                    };
                }
            }
            self.left().remove(&node.id);
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(ASK);
        let Evidence { seen, text } = self.answering(cluster, left).await;
        texts.push(text.into());
        Evidence { seen, text: texts.join("; ").into() }
    }

    /// Takes whatever steps are still needed until another member stands on the node, and answers.
    async fn replace(
        &self,
        cluster: &Cluster,
        node: &Node,
        was: &str,
        deadline: Instant,
    ) -> Result<String, String> {
        let left = || deadline.saturating_duration_since(Instant::now());
        let (members, _) = self.questions.members(cluster, Some(node.id), TRY).await?;
        let stands = standing_on(&members, node).map(|member| member.id.clone());
        if stands.as_deref() == Some(was) {
            // Its removal was asked for, and may come at any time yet. Once it has come, it cannot
            // come again: the member that follows has another number.
            change(&self.questions, cluster, node, Change::Remove, left()).await?;
        }
        let is_added = stands.is_some_and(|id| id != was);
        let members = if is_added {
            members
        } else {
            self.clear(cluster, node).await?;
            change(&self.questions, cluster, node, Change::Add, left()).await?
        };
        self.joins(cluster, node, &members);
        let new = standing_on(&members, node).ok_or("is not listed, though it was added")?;
        self.revive(cluster, node, new, deadline).await?;
        Ok(format!("is member {} in the place of {}", shown(&new.id), shown(was)))
    }

    /// Starts the node where nothing runs, and waits until it answers as this member.
    async fn revive(
        &self,
        cluster: &Cluster,
        node: &Node,
        new: &Member,
        deadline: Instant,
    ) -> Result<(), String> {
        use crate::Target as _;
        let gateway = self.questions.of(node);
        if gateway.metrics(ASK).await.is_none() {
            // One that is there and silent would keep another from its ports and its data, which it
            // has been writing since it was added: they stay.
            self.kill(cluster, node).await.map_err(|error| error.to_string())?;
            self.start(cluster, node).await.map_err(|error| error.to_string())?;
        }
        loop {
            let statuses = self.questions.statuses(cluster, ASK).await;
            let own = statuses.iter().find(|(id, _)| *id == node.id).and_then(|(_, own)| *own);
            let read = self.questions.readable(cluster, ASK).await;
            let reads = read.iter().any(|(id, answer)| *id == node.id && answer.is_some());
            if reads && own.is_some_and(|own| own.id.to_string() == new.id) {
                return Ok(());
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(format!("was added as member {}, and answers no read", shown(&new.id)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What those who stay are short of, if `leaving` goes: a majority of what is left.
fn short_of(
    members: &[Member],
    leaving: &Member,
    statuses: &[(NodeId, Option<Answer>)],
) -> Option<String> {
    let staying: Vec<&Member> = members.iter().filter(|member| member.id != leaving.id).collect();
    if staying.is_empty() {
        return Some("it is the only member".into());
    }
    let answers = |member: &&&Member| {
        let mut views = statuses.iter().filter_map(|(_, answer)| *answer);
        views.any(|answer| answer.leader != 0 && answer.id.to_string() == member.id)
    };
    let (count, answering) = (staying.len(), staying.iter().filter(answers).count());
    let needed = count / 2 + 1;
    (answering < needed).then(|| {
        format!(
            "of the {count} members that would stay {answering} answer and know a leader, and a \
             majority is {needed}: without it the cluster would stand still"
        )
    })
}

/// A member's number as etcd's own tools and logs show it.
fn shown(id: &str) -> String {
    id.parse().map_or_else(|_| id.to_owned(), |number: u64| format!("{number:x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64) -> Member {
        Member { id: id.to_string(), name: format!("n{id}"), peer_urls: Vec::new() }
    }

    /// Whether member 1 of so many may leave, when these answer.
    fn refusal(count: u64, answering: &[u64]) -> Option<String> {
        let members: Vec<Member> = (1..=count).map(member).collect();
        let status = |&id: &u64| (NodeId(id as u16), Some(Answer { id, leader: 2, term: 7 }));
        let statuses: Vec<_> = answering.iter().map(status).collect();
        short_of(&members, &members[0], &statuses)
    }

    #[test]
    fn nobody_leaves_whose_absence_would_cost_the_majority() {
        assert_eq!(refusal(3, &[1, 2, 3]), None);
        assert_eq!(refusal(5, &[2, 3, 4]), None, "three of the four that would stay");
        let text = refusal(5, &[1, 2, 3]).expect("two of four are no majority");
        assert!(text.contains("of the 4 members that would stay 2 answer"), "{text}");
        assert!(refusal(3, &[1, 2]).expect("one of two is none").contains("a majority is 2"));
        assert_eq!(refusal(1, &[1]).as_deref(), Some("it is the only member"));
    }

    #[test]
    fn a_member_that_knows_no_leader_does_not_count() {
        let members = [member(1), member(2), member(3)];
        let answer = |id, leader| (NodeId(id as u16), Some(Answer { id, leader, term: 7 }));
        let statuses = [answer(1, 2), answer(2, 2), answer(3, 0)];
        assert!(short_of(&members, &members[0], &statuses).is_some());
    }

    #[test]
    fn numbers_are_shown_as_etcd_shows_them() {
        assert_eq!(shown("10501334649042878790"), "91bc3c398fb3c146");
    }
}
