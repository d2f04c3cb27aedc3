//! Moves slots from one primary to another while clients use them, as `redis-cli --cluster reshard`
//! does.
//!
//! A slot is opened at both ends (`IMPORTING`, `MIGRATING`), its keys are moved one by one (`MIGRATE`),
//! and then it belongs to the other (`NODE`). In between, clients that ask for a key that is no longer
//! there are sent on by `ASK`. Wherever a move breaks off, the slot can be closed from what the nodes
//! say: the rest of the move is made then.

use std::net::SocketAddr;

use schism_lab::NodeId;
use tokio::time::{Duration, Instant};

use super::connection::Connection;
use super::health::Views;
use super::nodes::{Member, View};
use super::resp::{Reply, write_command};

/// How long one command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(2);
/// So many slots are ordered about at once, and how long that may take: each that changes hands is told
/// to all nodes, and written to disk.
const SLOTS_AT_ONCE: usize = 512;
const MANY_WITHIN: Duration = Duration::from_secs(5);
/// How long `MIGRATE` may block both nodes, in milliseconds.
pub(super) const MIGRATE_MS: &str = "1000";
/// So many keys are asked for at once.
const KEYS_AT_ONCE: &str = "100";

/// A primary, as a move needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) node: NodeId,
    pub(super) address: SocketAddr,
    pub(super) id: String,
    /// The slots that it serves.
    pub(super) slots: Vec<u16>,
}

/// A slot that is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) slot: u16,
    /// The node that says so.
    pub(super) at: NodeId,
    /// The identity of the other end.
    pub(super) other: String,
    /// Whether it comes to that node; otherwise it goes.
    pub(super) importing: bool,
}

/// The primaries that serve slots, by what each says of itself. Where two claim one slot, it is that
/// of the later epoch.
pub(super) fn owners(views: &Views) -> Vec<Owner> {
    let mut claims: Vec<(u64, NodeId, &Member)> = views
        .iter()
        .filter_map(|(node, view)| {
            let own = view.as_ref()?.own()?;
            own.is("master").then_some((own.epoch, *node, own))
        })
        .collect();
    claims.sort_by_key(|(epoch, node, _)| (std::cmp::Reverse(*epoch), *node));
    let mut taken = vec![false; usize::from(super::slot::SLOTS)];
    let mut owners = Vec::new();
    for (_, node, member) in claims {
        let Some(address) = member.address else { continue };
        let mut slots = Vec::new();
        for slot in member.slots.iter().flat_map(|(from, to)| *from..=*to) {
            if !std::mem::replace(&mut taken[usize::from(slot)], true) {
                slots.push(slot);
            }
        }
        owners.push(Owner { node, address, id: member.id.clone(), slots });
    }
    owners.sort_by_key(|owner| owner.node);
    owners
}

/// The slots that some node holds to be on their way.
pub(super) fn open(views: &Views) -> Vec<Open> {
    let of = |(node, view): &(NodeId, Option<View>)| {
        let own = view.as_ref().and_then(View::own)?;
        let open = own.open.iter().map(|open| Open {
            slot: open.slot,
            at: *node,
            other: open.other.clone(),
            importing: open.importing,
        });
        Some(open.collect::<Vec<_>>())
    };
    views.iter().filter_map(of).flatten().collect()
}

/// From whom to whom slots are moved: from the one that has most to the one that has least.
pub(super) fn ends(owners: &[Owner]) -> Option<(&Owner, &Owner)> {
    let from =
        owners.iter().max_by_key(|owner| (owner.slots.len(), std::cmp::Reverse(owner.node)))?;
    let others = owners.iter().filter(|owner| owner.node != from.node);
    Some((from, others.min_by_key(|owner| (owner.slots.len(), owner.node))?))
}

/// The way to a node.
pub(super) struct Line {
    node: NodeId,
    connection: Connection,
}

impl Line {
    pub(super) async fn to(owner: &Owner) -> Result<Self, String> {
        Self::at(owner.node, owner.address).await
    }

    pub(super) async fn at(node: NodeId, address: SocketAddr) -> Result<Self, String> {
        let deadline = Instant::now() + COMMAND_WITHIN;
        let connection = Connection::open(address, node.to_string(), deadline).await;
        let connection = connection.map_err(|trouble| trouble.text().to_owned())?;
        Ok(Self { node, connection })
    }

    /// The same order about many slots, all at once: `CLUSTER SETSLOT n …`.
    pub(super) async fn set_slots(
        &mut self,
        slots: &[u16],
        state: &str,
        id: &str,
    ) -> Result<(), String> {
        for some in slots.chunks(SLOTS_AT_ONCE) {
            let mut request = Vec::new();
            for slot in some {
                write_command(&mut request, &["CLUSTER", "SETSLOT", &slot.to_string(), state, id]);
            }
            let deadline = Instant::now() + MANY_WITHIN;
            let replies = self.connection.ask(&request, some.len(), deadline).await;
            let replies = replies.map_err(|trouble| trouble.text().to_owned())?;
            let refused = |reply: &Reply| match reply {
                Reply::Status(_) => false,
                // Whoever has given its last slot away follows the one who got it, by itself.
                Reply::Error(error) => !error.contains("SETSLOT only with masters"),
                _ => true,
            };
            if let Some((reply, slot)) = replies.iter().zip(some).find(|(it, _)| refused(it)) {
                return Err(format!("{}: slot {slot}: {}", self.node, reply.shown()));
            }
        }
        Ok(())
    }

    /// Gives all keys of a slot to a node that imports it: how many.
    async fn give_keys(&mut self, slot: u16, to: SocketAddr) -> Result<usize, String> {
        let number = slot.to_string();
        let (host, port) = (to.ip().to_string(), to.port().to_string());
        let mut moved = 0;
        loop {
            let keys = self.keys_of(&number).await?;
            if keys.is_empty() {
                return Ok(moved);
            }
            for key in &keys {
                // A copy at the other end is what an earlier try left there. While the key is here it
                // is here that clients are served, so that this one is the newer.
                let words = ["MIGRATE", &host, &port, key, "0", MIGRATE_MS, "REPLACE"];
                self.tell(&words).await?;
                moved += 1;
            }
        }
    }

    pub(super) async fn ask(&mut self, words: &[&str]) -> Result<Reply, String> {
        let deadline = Instant::now() + COMMAND_WITHIN;
        let reply = self.connection.command(words, deadline).await;
        reply.map_err(|trouble| format!("{}: {}", words[0], trouble.text()))
    }

    pub(super) async fn tell(&mut self, words: &[&str]) -> Result<(), String> {
        match self.ask(words).await? {
            Reply::Status(_) => Ok(()),
            other => Err(format!("{}: {}: {}", self.node, words.join(" "), other.shown())),
        }
    }

    /// How many keys each of the slots holds.
    pub(super) async fn count_keys(&mut self, slots: &[u16]) -> Result<Vec<i64>, String> {
        let mut request = Vec::new();
        for slot in slots {
            write_command(&mut request, &["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]);
        }
        let deadline = Instant::now() + COMMAND_WITHIN;
        let replies = self.connection.ask(&request, slots.len(), deadline).await;
        let replies = replies.map_err(|trouble| trouble.text().to_owned())?;
        let count = |reply: &Reply| match reply {
            Reply::Integer(count) => Ok(*count),
            other => Err(format!("{}: {}", self.node, other.shown())),
        };
        replies.iter().map(count).collect()
    }

    /// Some of the keys of a slot.
    pub(super) async fn keys_of(&mut self, slot: &str) -> Result<Vec<String>, String> {
        match self.ask(&["CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_ONCE]).await? {
            Reply::Array(keys) => Ok(keys.iter().filter_map(Reply::text).collect()),
            other => Err(format!("{}: {}", self.node, other.shown())),
        }
    }
}

/// So many slots of `from`: those with keys first, since the move of an empty slot tests nothing.
/// Also says how many of them hold keys.
pub(super) async fn choose(from: &Owner, count: usize) -> Result<(Vec<u16>, usize), String> {
    let counts = Line::to(from).await?.count_keys(&from.slots).await?;
    let mut slots: Vec<(bool, u16)> =
        from.slots.iter().zip(counts).map(|(slot, keys)| (keys == 0, *slot)).collect();
    slots.sort_unstable();
    slots.truncate(count);
    let filled = slots.iter().filter(|(empty, _)| !empty).count();
    Ok((slots.into_iter().map(|(_, slot)| slot).collect(), filled))
}

/// Moves one slot, over the time `over`: the slot stays open for two thirds of it, so that clients
/// meet it with its keys on this side and on the other. Returns how many keys were moved.
pub(super) async fn move_slot(
    from: &Owner,
    to: &Owner,
    slot: u16,
    over: Duration,
    owners: &[Owner],
) -> Result<usize, String> {
    let (mut source, mut target) = (Line::to(from).await?, Line::to(to).await?);
    let number = slot.to_string();
    target.tell(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &from.id]).await?;
    source.tell(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &to.id]).await?;
    tokio::time::sleep(over / 3).await;
    let moved = source.give_keys(slot, to.address).await?;
    tokio::time::sleep(over / 3).await;
    // First the new owner: a slot that only the old one gives away would be nobody's.
    target.tell(&["CLUSTER", "SETSLOT", &number, "NODE", &to.id]).await?;
    source.tell(&["CLUSTER", "SETSLOT", &number, "NODE", &to.id]).await?;
    for other in owners.iter().filter(|other| other.node != from.node && other.node != to.node) {
        // The others would hear of it by gossip; telling them is a courtesy.
        if let Ok(mut line) = Line::to(other).await {
            let _ = line.tell(&["CLUSTER", "SETSLOT", &number, "NODE", &to.id]).await;
        }
    }
    Ok(moved)
}

/// Moves many slots as fast as can be, in the same order of steps: how many keys were moved.
pub(super) async fn move_slots(
    from: &Owner,
    to: &Owner,
    slots: &[u16],
    owners: &[Owner],
) -> Result<usize, String> {
    if slots.is_empty() {
        return Ok(0);
    }
    let (mut source, mut target) = (Line::to(from).await?, Line::to(to).await?);
    target.set_slots(slots, "IMPORTING", &from.id).await?;
    source.set_slots(slots, "MIGRATING", &to.id).await?;
    let counts = source.count_keys(slots).await?;
    let mut moved = 0;
    for (slot, _) in slots.iter().zip(counts).filter(|(_, keys)| *keys > 0) {
        moved += source.give_keys(*slot, to.address).await?;
    }
    // A slot that got its first key meanwhile has it at the other end: it is asked for there.
    target.set_slots(slots, "NODE", &to.id).await?;
    source.set_slots(slots, "NODE", &to.id).await?;
    for other in owners.iter().filter(|other| other.node != from.node && other.node != to.node) {
        if let Ok(mut line) = Line::to(other).await {
            let _ = line.set_slots(slots, "NODE", &to.id).await;
        }
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_cluster::nodes::tests::view_of;

    fn views() -> Views {
        let one = "a 10.0.0.1:6379@1 myself,master - 0 1 1 connected 0-9 [5->-b]\n";
        // It has taken slot 9 over, and the first does not know yet.
        let two = "b 10.0.0.2:6379@1 myself,master - 0 1 2 connected 9-12 [5-<-a]\n";
        let replica = "c 10.0.0.3:6379@1 myself,slave a 0 1 1 connected\n";
        let view = |text| Some(view_of(text, ""));
        vec![
            (NodeId(1), view(one)),
            (NodeId(2), view(two)),
            (NodeId(3), view(replica)),
            (NodeId(4), None),
        ]
    }

    #[test]
    fn a_slot_is_that_of_the_later_epoch() {
        let owners = owners(&views());
        let slots: Vec<_> = owners.iter().map(|owner| (owner.node.0, owner.slots.len())).collect();
        assert_eq!(slots, [(1, 9), (2, 4)]);
        assert_eq!(owners[1].slots, [9, 10, 11, 12]);
        let (from, to) = ends(&owners).expect("two primaries");
        assert_eq!((from.node, to.node), (NodeId(1), NodeId(2)));
        assert_eq!(ends(&owners[..1]), None);
    }

    #[test]
    fn finds_what_is_open_at_either_end() {
        let open: Vec<_> = open(&views()).into_iter().map(|it| (it.at.0, it.importing)).collect();
        assert_eq!(open, [(1, false), (2, true)]);
    }
}
