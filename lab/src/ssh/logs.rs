//! What programs on the nodes log, brought here while it grows: a node that dies keeps no secrets.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use schism_agent::protocol::{Answer, Deed};
use tokio_util::sync::CancellationToken;

use super::host::SshHost;

/// A crash is explained by what was logged a second before.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A piece that is longer would hold up everything else on the channel.
const PIECE_MAX: usize = 256 << 10;
/// Pieces of one file and look: what grows faster is behind, and catches up at the end.
const PIECES_MAX: usize = 4;
/// At the end all of it comes, up to so many pieces of each file.
const LAST_PIECES_MAX: usize = 400;

/// Follows the logs of one node until it is told to stop, and then fetches what is left.
pub(super) async fn follow(host: Arc<SshHost>, stop: CancellationToken) {
    let mut have: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let stopped = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = stop.cancelled() => true,
        };
        let pieces = if stopped { LAST_PIECES_MAX } else { PIECES_MAX };
        // A node that is down has its word later, or never.
        let _ = fetch(&host, &mut have, pieces).await;
        if stopped {
            return;
        }
    }
}

async fn fetch(
    host: &SshHost,
    have: &mut BTreeMap<String, u64>,
    pieces: usize,
) -> Result<(), String> {
    // A look at the logs is no reason to connect again: what does that should mean it.
    let Some(agent) = host.reach.agent_if_held().await else { return Ok(()) };
    let ask = async |deed| agent.ask(deed, agent.answer_within()).await;
    let Answer::Files(files) = ask(Deed::List { folder: host.logs.clone() }).await? else {
        return Err("no list of files".into());
    };
    for (name, length) in files {
        let offset = have.entry(name.clone()).or_default();
        for _ in 0..pieces {
            if *offset >= length {
                break;
            }
            let path = format!("{}/{name}", host.logs);
            let deed = Deed::Read { path, offset: *offset, bytes_max: PIECE_MAX };
            let Answer::Piece { bytes } = ask(deed).await? else { break };
            if bytes.0.is_empty() {
                break;
            }
            append(host, &name, &bytes.0).map_err(|error| error.to_string())?;
            *offset += bytes.0.len() as u64;
        }
    }
    Ok(())
}

fn append(host: &SshHost, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = host.node.logs.join(name);
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(bytes)
}
