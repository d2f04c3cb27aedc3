//! Resharding under load: the move, what all nodes say of it, and that nothing is left open.

use std::time::Duration;

use schism_history::Evidence;
use schism_lab::NodeId;
use tokio::time::Instant;

use super::close::close;
use super::health::Views;
use super::reshard::{Owner, choose, ends, move_slot, open, owners};
use super::slot::SLOTS;
use super::{ASK, PAUSE, RedisCluster};
use crate::Cluster;

/// How long all nodes may take to hear who serves what was moved.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

impl RedisCluster {
    /// Moves `count` slots, evenly over the time `within`, less what it takes to look.
    pub(super) async fn reshard(
        &self,
        cluster: &Cluster,
        count: usize,
        within: Duration,
    ) -> Evidence {
        match self.move_slots(cluster, count, within).await {
            Ok(text) => Evidence { seen: true, text: text.into() },
            Err(text) => Evidence { seen: false, text: text.into() },
        }
    }

    async fn move_slots(
        &self,
        cluster: &Cluster,
        count: usize,
        within: Duration,
    ) -> Result<String, String> {
        // What is left is for the others to hear of it.
        let ends_at = Instant::now() + within.mul_f64(0.7);
        let before = owners(&self.views(cluster, ASK).await);
        let (from, to) = ends(&before).ok_or("there are no two primaries")?;
        let (slots, filled) = choose(from, count).await?;
        let (mut moved, mut keys) = (Vec::new(), 0);
        let mut trouble = None;
        for (place, &slot) in slots.iter().enumerate() {
            let left = ends_at.saturating_duration_since(Instant::now());
            // Slots with keys come first, and have nearly all of the time: the others nobody sees.
            let over = match filled.saturating_sub(place) {
                0 => Duration::ZERO,
                more => left.mul_f64(0.9) / more as u32,
            };
            match move_slot(from, to, slot, over, &before).await {
                Ok(count) => {
                    moved.push(slot);
                    keys += count;
                }
                Err(problem) => {
                    trouble = Some(format!("; then slot {slot} was not moved: {problem}"));
                    break;
                }
            }
        }
        let trouble = trouble.unwrap_or_default();
        let (one, other) = (from.node, to.node);
        let told = format!("{} slots with {keys} keys went from {one} to {other}", moved.len());
        if moved.is_empty() {
            return Err(told + &trouble);
        }
        let deadline = Instant::now() + HEARD_WITHIN;
        loop {
            let views = self.views(cluster, ASK).await;
            let (agree, answers) = agreement(&views, to, &moved);
            if agree == answers && answers > 0 {
                let now = owners(&views);
                let said = format!("as all {answers} nodes that answer say");
                let sizes = sizes(&before, &now);
                return Ok(format!("{told}, {said} ({sizes}){trouble}"));
            }
            if Instant::now() >= deadline {
                let of = format!("only {agree} of {answers} nodes that answer say so");
                return Err(format!("{told}, but {of}{trouble}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Closes what a move left open, and says whether all is well: no slot is on its way, each is
    /// served, and those who answer agree by whom.
    pub(super) async fn settle_slots(&self, cluster: &Cluster, within: Duration) -> Evidence {
        let deadline = Instant::now() + within;
        let mut closed = 0;
        loop {
            let views = self.views(cluster, ASK).await;
            let problem = unsettled(&views);
            let Some(problem) = problem else {
                let more = match closed {
                    0 => String::new(),
                    some => format!(", after {some} that had been left open were closed"),
                };
                let text = format!("no slot is on its way, and all {SLOTS} are served{more}");
                return Evidence { seen: true, text: text.into() };
            };
            let owners = owners(&views);
            let (now_closed, trouble) = close(&open(&views), &owners).await;
            closed += now_closed;
            let last = match trouble {
                Some(trouble) => format!("{problem}: {trouble}"),
                None => problem,
            };
            if Instant::now() + PAUSE >= deadline {
                return Evidence { seen: false, text: last.into() };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// How many of the nodes that answer hold `to` to serve all of the slots, and how many answer.
fn agreement(views: &Views, to: &Owner, slots: &[u16]) -> (usize, usize) {
    let answers: Vec<_> = views.iter().filter_map(|(_, view)| view.as_ref()).collect();
    let agrees = |view: &&&super::nodes::View| {
        let member = view.members.iter().find(|member| member.id == to.id);
        let serves = |slot: &u16| {
            let mut ranges = member.into_iter().flat_map(|member| &member.slots);
            ranges.any(|(from, to)| (*from..=*to).contains(slot))
        };
        slots.iter().all(serves)
    };
    (answers.iter().filter(agrees).count(), answers.len())
}

/// `n1 5461 → 5961, n3 5462 → 4962`: who has another number of slots than before.
fn sizes(before: &[Owner], now: &[Owner]) -> String {
    let size = |owners: &[Owner], node: NodeId| {
        owners.iter().find(|owner| owner.node == node).map_or(0, |owner| owner.slots.len())
    };
    let change = |owner: &Owner| {
        let (old, new) = (owner.slots.len(), size(now, owner.node));
        (old != new).then(|| format!("{} {old} → {new}", owner.node))
    };
    before.iter().filter_map(change).collect::<Vec<_>>().join(", ")
}

/// What keeps the slots from being settled.
fn unsettled(views: &Views) -> Option<String> {
    let open = open(views);
    if let Some(first) = open.first() {
        return Some(format!("{} slots are on their way, the first is {}", open.len(), first.slot));
    }
    let served: usize = owners(views).iter().map(|owner| owner.slots.len()).sum();
    if served < usize::from(SLOTS) {
        return Some(format!("{served} of {SLOTS} slots are served by nodes that answer"));
    }
    let answered: Views = views.iter().filter(|(_, view)| view.is_some()).cloned().collect();
    super::health::quarrel(&answered).map(|(node, problem)| format!("{node} {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_cluster::nodes::tests::view_of;

    fn views(one: &str, two: &str) -> Views {
        let text = |own: &str, other: &str, first: bool| {
            let (a, b) =
                if first { ("myself,master", "master") } else { ("master", "myself,master") };
            format!(
                "a 10.0.0.1:6379@1 {a} - 0 1 1 connected {own}\nb 10.0.0.2:6379@1 {b} - 0 1 2 connected {other}\n"
            )
        };
        let view = |text: String| Some(view_of(&text, ""));
        let (first, second) = (text(one, two, true), text(one, two, false));
        vec![(NodeId(1), view(first)), (NodeId(2), view(second))]
    }

    #[test]
    fn is_settled_when_all_slots_are_served_and_none_is_open() {
        assert_eq!(unsettled(&views("0-9", "10-16383")), None);
        let open = unsettled(&views("0-9 [3->-b]", "10-16383")).expect("one is open");
        assert!(open.contains("the first is 3"), "{open}");
        let few = unsettled(&views("0-9", "11-16383")).expect("one is nobody's");
        assert!(few.starts_with("16383 of 16384"), "{few}");
    }

    #[test]
    fn those_who_answer_must_agree() {
        let mut views = views("0-9", "10-16383");
        let to = owners(&views)[1].clone();
        assert_eq!(agreement(&views, &to, &[10, 11]), (2, 2));
        assert_eq!(agreement(&views, &to, &[9]), (0, 2));
        views[0].1 = None;
        assert_eq!(agreement(&views, &to, &[10]), (1, 1));
    }
}
