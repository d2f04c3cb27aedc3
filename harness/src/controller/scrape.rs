//! Scrapes every node's Prometheus text once a second into `metrics.jsonl`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schism_lab::Node;
use schism_targets::{Cluster, Target};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use crate::store::Scrape;

const EVERY: Duration = Duration::from_secs(1);
/// A node that has not answered by then has not answered: the next scrape is near.
const WITHIN: Duration = Duration::from_millis(800);

/// Scrapes until `stop`. Returns what went wrong with the file, if something did.
pub async fn scrape(
    target: Arc<dyn Target>,
    cluster: Cluster,
    clock: Clock,
    path: PathBuf,
    stop: CancellationToken,
) -> Option<String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = match std::fs::File::create(&path) {
        Ok(file) => file,
        Err(error) => return Some(failed(error)),
    };
    let nodes: Vec<Node> = cluster.nodes().cloned().collect();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return None,
        }
        let answers: Vec<_> = nodes
            .iter()
            .map(|node| {
                let (target, cluster, node) = (target.clone(), cluster.clone(), node.clone());
                tokio::spawn(async move {
                    let time = clock.now().0;
                    let text = target.metrics(&cluster, &node, WITHIN).await.ok().flatten();
                    Scrape { time, node: node.id.to_string(), text }
                })
            })
            .collect();
        for answer in answers {
            let Ok(scrape) = answer.await else { continue };
            let mut line = serde_json::to_vec(&scrape).unwrap_or_default();
            line.push(b'\n');
            if let Err(error) = file.write_all(&line) {
                return Some(failed(error));
            }
        }
    }
}
