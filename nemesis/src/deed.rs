//! What is done to a node, or to the place of a client.

use std::time::Duration;

use schism_lab::{Effect, Host};
use schism_targets::{Cluster, Target};
use tokio::time::Instant;

use crate::ClientPlaces;

/// How long it takes at the most until a program that was started is inside its node.
pub(crate) const THERE_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is done to a node.
#[derive(Clone)]
pub(crate) enum Deed {
    Kill,
    Start,
    /// The target is started where nothing runs, and may end at once.
    Launch,
    Pause,
    Resume,
    /// Whatever is needed: what is stopped goes on, and where nothing runs it is started.
    Revive,
    /// An effect begins, under the name of its fault.
    Hold(String, Effect),
    /// An effect ends.
    Release(String),
}

impl Deed {
    /// Does it to the client in this place. Bounding it in time is the caller's.
    pub(crate) async fn on_client(
        self,
        places: &dyn ClientPlaces,
        host: &dyn Host,
    ) -> Result<(), String> {
        let place = host.node().id;
        match self {
            Deed::Kill => places.kill(place).await,
            Deed::Start | Deed::Launch => places.start(place).await,
            Deed::Pause => host.pause_all().await.map_err(|error| error.to_string()),
            Deed::Resume => host.resume_all().await.map_err(|error| error.to_string()),
            Deed::Hold(name, effect) => {
                host.hold(&name, &effect).await.map_err(|error| error.to_string())
            }
            Deed::Release(name) => host.release(&name).await.map_err(|error| error.to_string()),
            Deed::Revive => {
                host.resume_all().await.map_err(|error| error.to_string())?;
                places.start(place).await
            }
        }
    }

    /// Does it to a node. Bounding it in time is the caller's.
    pub(crate) async fn on_node(
        self,
        cluster: &Cluster,
        target: &dyn Target,
        host: &dyn Host,
    ) -> Result<(), String> {
        let node = host.node();
        match self {
            Deed::Kill => target.kill(cluster, node).await.map_err(|error| error.to_string()),
            Deed::Start => start(cluster, target, host).await,
            Deed::Launch => launch(cluster, target, host).await,
            Deed::Pause => host.pause_all().await.map_err(|error| error.to_string()),
            Deed::Resume => host.resume_all().await.map_err(|error| error.to_string()),
            Deed::Hold(name, effect) => host
                .hold(&name, &effect.on_node(node.id.0))
                .await
                .map_err(|error| error.to_string()),
            Deed::Release(name) => host.release(&name).await.map_err(|error| error.to_string()),
            Deed::Revive => {
                host.resume_all().await.map_err(|error| error.to_string())?;
                start(cluster, target, host).await
            }
        }
    }
}

/// Starts the target where nothing runs, and returns when something does: a fault that begins right
/// afterwards must find somebody.
async fn start(cluster: &Cluster, target: &dyn Target, host: &dyn Host) -> Result<(), String> {
    launch(cluster, target, host).await?;
    let deadline = Instant::now() + THERE_WITHIN;
    while !runs(host).await? {
        if Instant::now() >= deadline {
            return Err(format!("{}: nothing runs there after its start", host.node().id));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Starts the target where nothing runs.
async fn launch(cluster: &Cluster, target: &dyn Target, host: &dyn Host) -> Result<(), String> {
    // An earlier try may have been given up too early.
    if runs(host).await? {
        return Ok(());
    }
    target.start(cluster, host.node()).await.map_err(|error| error.to_string())
}

async fn runs(host: &dyn Host) -> Result<bool, String> {
    let processes = host.processes().await.map_err(|error| error.to_string())?;
    Ok(!processes.is_empty())
}
