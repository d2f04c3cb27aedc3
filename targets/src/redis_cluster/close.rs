//! Closes slots that a move left open, as `redis-cli --cluster fix` does.
//!
//! What can be finished is finished. While a node imports a slot, it believes no other about whom the
//! slot belongs to; if the old owner is succeeded meanwhile, it takes the slot for nobody's, holds the
//! cluster to be down, and refuses the keys that it is to get. So it is told the owner first.

use std::collections::BTreeMap;

use schism_lab::NodeId;

use super::reshard::{Line, MIGRATE_MS, Open, Owner, move_slots};
use super::resp::Reply;

/// Closes open slots: how many, and what went wrong with others. What was on its way to a primary that
/// is there is brought there; otherwise a slot stays where it is, with all its keys.
pub(super) async fn close(open: &[Open], owners: &[Owner]) -> (usize, Option<String>) {
    let (mut closed, mut trouble) = (0, None);
    // Many slots may have been left open by one move: they are moved together.
    let mut moves: BTreeMap<(NodeId, NodeId), Vec<u16>> = BTreeMap::new();
    for open in open {
        match destination(open, owners) {
            Ok(Some((from, to))) => {
                let slots = moves.entry((from.node, to.node)).or_default();
                if !slots.contains(&open.slot) {
                    slots.push(open.slot);
                }
            }
            Ok(None) => match stay(open, owners).await {
                Ok(()) => closed += 1,
                Err(problem) => trouble = Some(problem),
            },
            Err(problem) => trouble = Some(problem),
        }
    }
    for ((from, to), slots) in moves {
        let of = |node| owners.iter().find(|owner| owner.node == node);
        let (Some(from), Some(to)) = (of(from), of(to)) else { continue };
        match finish(from, to, &slots, owners).await {
            Ok(()) => closed += slots.len(),
            Err(problem) => trouble = Some(problem),
        }
    }
    (closed, trouble)
}

fn owner_of(slot: u16, owners: &[Owner]) -> Result<&Owner, String> {
    let owner = owners.iter().find(|owner| owner.slots.binary_search(&slot).is_ok());
    // Its primary may be on its way back, or its replica to its place.
    owner.ok_or_else(|| format!("nobody who answers serves slot {slot}"))
}

/// From whom to whom the slot is to go on; nothing if it stays.
fn destination<'a>(
    open: &Open,
    owners: &'a [Owner],
) -> Result<Option<(&'a Owner, &'a Owner)>, String> {
    let Some(here) = owners.iter().find(|owner| owner.node == open.at) else {
        return Err(format!("{}, where slot {} is open, is no primary", open.at, open.slot));
    };
    let owner = owner_of(open.slot, owners)?;
    let to = if open.importing {
        Some(here)
    } else {
        owners.iter().find(|owner| owner.id == open.other)
    };
    Ok(to.filter(|to| to.node != owner.node).map(|to| (owner, to)))
}

async fn finish(from: &Owner, to: &Owner, slots: &[u16], owners: &[Owner]) -> Result<(), String> {
    Line::to(to).await?.set_slots(slots, "NODE", &from.id).await?;
    move_slots(from, to, slots, owners).await.map(drop)
}

async fn stay(open: &Open, owners: &[Owner]) -> Result<(), String> {
    let (owner, number) = (owner_of(open.slot, owners)?, open.slot.to_string());
    let Some(here) = owners.iter().find(|owner| owner.node == open.at) else { return Ok(()) };
    if owner.node != here.node {
        // The new owner knows already that it is that.
        let words = ["CLUSTER", "SETSLOT", &number, "NODE", &owner.id];
        return Line::to(here).await?.tell(&words).await;
    }
    for other in owners.iter().filter(|other| other.node != owner.node) {
        bring_home(open.slot, other, owner).await?;
    }
    Line::to(here).await?.tell(&["CLUSTER", "SETSLOT", &number, "STABLE"]).await
}

/// Keys of the slot that a move had brought to `from`, whose importing was forgotten when a replica
/// took its place, go to the slot's owner. One that the owner has itself stays what it is there.
async fn bring_home(slot: u16, from: &Owner, owner: &Owner) -> Result<(), String> {
    let mut line = Line::to(from).await?;
    if line.count_keys(&[slot]).await? == [0] {
        return Ok(());
    }
    let number = slot.to_string();
    // Only from a slot that is open a node gives keys away.
    line.tell(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &owner.id]).await?;
    let (host, port) = (owner.address.ip().to_string(), owner.address.port().to_string());
    for key in line.keys_of(&number).await? {
        match line.ask(&["MIGRATE", &host, &port, &key, "0", MIGRATE_MS]).await? {
            Reply::Status(_) => {}
            Reply::Error(error) if error.contains("BUSYKEY") => {}
            other => return Err(format!("{}: {key}: {}", from.node, other.shown())),
        }
    }
    line.tell(&["CLUSTER", "SETSLOT", &number, "STABLE"]).await
}
