//! What of schism is on a node, by means that are not the agent's: /proc, nft, the folder itself.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use super::scenarios::{Done, Nodes, text};

/// By then nothing may be left, with a lease of one second.
const GONE_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is killed, or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Agent,
    Watcher,
    Connection,
}

/// Sends `signal` to every process of the victim on this node.
pub(crate) async fn strike(nodes: &Nodes, node: usize, victim: Victim, signal: Signal) -> Done {
    let mut all = nodes.local.hosts()[node].processes().await.map_err(text)?;
    all.sort_by_key(|process| (process.started, process.pid));
    match victim {
        Victim::Agent => all.retain(|process| process.name == "schism-agent"),
        Victim::Watcher => all.retain(|process| process.name == "schism-watcher"),
        Victim::Connection => {
            all.retain(|process| process.name.starts_with("sshd"));
            // The first is the one that listens.
            all.drain(..1.min(all.len()));
        }
    }
    if all.is_empty() {
        return Err(format!("n{}: there is no {victim:?}", node + 1));
    }
    for process in all {
        // One that has just ended needs no signal.
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
    Ok(())
}

/// All that is left of schism on a node, each in words.
pub(crate) async fn left(nodes: &Nodes, node: usize) -> Result<Vec<String>, String> {
    let mut left = Vec::new();
    for process in nodes.local.hosts()[node].processes().await.map_err(text)? {
        if !process.name.starts_with("sshd") && !matches!(process.state, 'Z' | 'X') {
            left.push(format!("process {} {}", process.name, process.state));
        }
    }
    let tables = nodes.aside(node, &["nft", "list", "tables"]).await?;
    left.extend(tables.lines().map(|table| format!("nft {table}")));
    let queues = nodes.aside(node, &["tc", "qdisc", "show"]).await?;
    left.extend(queues.lines().filter(|queue| queue.contains(" 5c15:")).map(str::to_owned));
    let mounts = nodes.aside(node, &["cat", "/proc/mounts"]).await?;
    let ours = |line: &&str| line.contains("fuse") || line.contains("schism");
    left.extend(mounts.lines().filter(ours).map(|mount| format!("mount {mount}")));
    let folder = nodes.access[node].data.clone().unwrap_or_default().join("ledger");
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        left.push(format!("ledger {}", file.file_name().display()));
    }
    Ok(left)
}

/// Waits until nothing is left on a node, since something was done to it at `began`.
pub(crate) async fn nothing_is_left(nodes: &Nodes, node: usize, began: Instant) -> Done {
    loop {
        // A look takes a moment: what it saw may be gone when it ends.
        let looked = began.elapsed();
        let left = left(nodes, node).await?;
        if left.is_empty() {
            return Ok(());
        }
        if looked > GONE_WITHIN {
            return Err(format!("n{}: after {looked:?} there is still {left:?}", node + 1));
        }
        sleep(LOOK_EVERY).await;
    }
}
