//! Closes slots that a move left open, as `redis-cli --cluster fix` does.
//!
//! What can be finished is finished. While a node imports a slot, it believes no other about whom the
//! slot belongs to; if the old owner is succeeded meanwhile, it takes the slot for nobody's, holds the
//! cluster to be down, and refuses the keys that it is to get. So it is told the owner first.

use tokio::time::Duration;

use super::reshard::{Line, MIGRATE_MS, Open, Owner, move_slot};
use super::resp::Reply;

/// Closes one open slot. If it was on its way to a primary that is there, the move is finished;
/// otherwise the slot stays where it is, with all its keys.
pub(super) async fn close(open: &Open, owners: &[Owner]) -> Result<(), String> {
    let Some(here) = owners.iter().find(|owner| owner.node == open.at) else {
        return Err(format!("{}, where slot {} is open, is no primary", open.at, open.slot));
    };
    let number = open.slot.to_string();
    let Some(owner) = owners.iter().find(|owner| owner.slots.contains(&open.slot)) else {
        // Its primary may be on its way back, or its replica to its place.
        return Err(format!("nobody who answers serves slot {}", open.slot));
    };
    let to = match open.importing {
        true => Some(here),
        false => owners.iter().find(|owner| owner.id == open.other),
    };
    if let Some(to) = to.filter(|to| owner.node != to.node) {
        Line::to(to).await?.tell(&["CLUSTER", "SETSLOT", &number, "NODE", &owner.id]).await?;
        return move_slot(owner, to, open.slot, Duration::ZERO, owners).await.map(drop);
    }
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
