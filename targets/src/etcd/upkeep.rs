//! Compaction and defragmentation under load, and what the nodes tell of them.

use std::time::Duration;

use schism_history::Evidence;
use schism_lab::{Node, NodeId};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::gateway::Gateway;
use super::trouble::Trouble;
use super::wire::{Range, Status, encoded};
use super::{ASK, Etcd, PAUSE};
use crate::Cluster;

/// How long one request may take. A compaction is answered once the store has forgotten.
const TRY: Duration = Duration::from_secs(3);
/// How etcd refuses what it has forgotten.
const COMPACTED: &str = "required revision has been compacted";
/// Counts the times that a node has rewritten its store.
const DEFRAGMENTED: &str = "etcd_disk_backend_defrag_duration_seconds_count ";

/// What a node says to a read at one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Found,
    Compacted,
    Nothing,
}

impl Etcd {
    /// Forgets all but the last `keep` revisions. What proves it is that every node that answers refuses
    /// a revision which it had told before.
    pub(super) async fn compact(&self, cluster: &Cluster, keep: u64, within: Duration) -> Evidence {
        match self.compacted(cluster, keep, Instant::now() + within).await {
            Ok(text) => Evidence { seen: true, text: text.into() },
            Err(text) => Evidence { seen: false, text: text.into() },
        }
    }

    async fn compacted(
        &self,
        cluster: &Cluster,
        keep: u64,
        deadline: Instant,
    ) -> Result<String, String> {
        let mut problem = "there is no node to ask".to_owned();
        while Instant::now() < deadline {
            for node in cluster.nodes() {
                match self.compact_at(cluster, node, keep, deadline).await {
                    Ok(text) => return Ok(text),
                    Err(trouble) => problem = trouble,
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(problem)
    }

    async fn compact_at(
        &self,
        cluster: &Cluster,
        node: &Node,
        keep: u64,
        deadline: Instant,
    ) -> Result<String, String> {
        let gateway = self.questions.of(node);
        let soon = || deadline.min(Instant::now() + TRY);
        let body = json!({ "key": encoded("ready") });
        let now: Result<Range, Trouble> = gateway.ask("/v3/kv/range", &body, soon()).await;
        let now = now.map_err(|trouble| trouble.text().to_owned())?.header.revision;
        let revision = now.saturating_sub(keep);
        // What comes before a compaction's own revision is forgotten.
        let Some(last) = revision.checked_sub(1).filter(|last| *last > 0) else {
            return Err(format!("{}: nothing before revision {revision} to forget", node.id));
        };
        let before = self.told(cluster, last).await;
        let body = json!({ "revision": revision.to_string(), "physical": true });
        let done: Result<IgnoredAny, Trouble> =
            gateway.tell("/v3/kv/compaction", &body, soon()).await;
        if let Err(trouble) = done {
            return Err(format!("compaction to {revision}: {}", trouble.text()));
        }
        // The others apply it as soon as they hear of it.
        loop {
            let after = self.told(cluster, last).await;
            let count = |told: &[(NodeId, Told)], what| {
                told.iter().filter(|(_, told)| *told == what).count()
            };
            let (refuse, tell) = (count(&after, Told::Compacted), count(&after, Told::Found));
            if refuse > 0 && tell == 0 {
                return Ok(format!(
                    "compacted up to revision {revision} of {now}: {refuse} node(s) refuse revision \
                     {last}, which {} had told just before",
                    count(&before, Told::Found)
                ));
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(format!("{tell} node(s) still tell revision {last}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What each node says to a read at a revision, from what it has itself.
    async fn told(&self, cluster: &Cluster, revision: u64) -> Vec<(NodeId, Told)> {
        let read = move |gateway: Gateway| async move {
            let body = json!({
                "key": encoded("ready"), "revision": revision.to_string(), "serializable": true,
            });
            let read: Result<Range, Trouble> =
                gateway.ask("/v3/kv/range", &body, Instant::now() + ASK).await;
            Some(match read {
                Ok(_) => Told::Found,
                Err(trouble) if trouble.text().contains(COMPACTED) => Told::Compacted,
                Err(_) => Told::Nothing,
            })
        };
        let told = self.questions.each(cluster, read).await;
        told.into_iter().map(|(id, told)| (id, told.unwrap_or(Told::Nothing))).collect()
    }

    /// Lets the nodes rewrite their stores, one after the other, as is recommended. What proves it is
    /// that each has counted it, and how large its store is before and after.
    pub(super) async fn defragment(
        &self,
        cluster: &Cluster,
        nodes: &[NodeId],
        within: Duration,
    ) -> Evidence {
        let deadline = Instant::now() + within;
        let (mut seen, mut texts) = (!nodes.is_empty(), Vec::new());
        for id in nodes {
            let Some(node) = cluster.nodes().find(|node| node.id == *id) else { continue };
            match self.defragment_one(node, deadline).await {
                Ok(text) => texts.push(format!("{id}: {text}")),
                Err(text) => {
                    seen = false;
                    texts.push(format!("{id}: {text}"));
                }
            }
        }
        Evidence { seen, text: texts.join("; ").into() }
    }

    async fn defragment_one(&self, node: &Node, deadline: Instant) -> Result<String, String> {
        let gateway = self.questions.of(node);
        let before = Store::of(&gateway).await.ok_or("did not answer before")?;
        let begun = Instant::now();
        let path = "/v3/maintenance/defragment";
        let done: Result<IgnoredAny, Trouble> = gateway.tell(path, &json!({}), deadline).await;
        let took = begun.elapsed().as_millis();
        done.map_err(|trouble| trouble.text().to_owned())?;
        let after = Store::of(&gateway).await.ok_or("did not answer afterwards")?;
        if after.rewritten <= before.rewritten {
            return Err(format!("answered, and counts {} rewrites as before", after.rewritten));
        }
        let (old, new) = (before.bytes, after.bytes);
        Ok(format!(
            "rewrote its store of {old} bytes ({} in use) in {took} ms: {new} bytes",
            before.used
        ))
    }

    /// Nothing is left of either; but whoever was asked must answer again.
    pub(super) async fn answering(&self, cluster: &Cluster, within: Duration) -> Evidence {
        let deadline = Instant::now() + within;
        loop {
            let read = self.questions.readable(cluster, ASK).await;
            let silent: Vec<String> =
                read.iter().filter(|(_, it)| it.is_none()).map(|(id, _)| id.to_string()).collect();
            if silent.is_empty() {
                let text = format!("all {} nodes answer a read", read.len());
                return Evidence { seen: true, text: text.into() };
            }
            if Instant::now() + PAUSE >= deadline {
                let text = format!("{} did not answer a read within {within:?}", silent.join(", "));
                return Evidence { seen: false, text: text.into() };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a node tells of its store.
struct Store {
    bytes: u64,
    used: u64,
    rewritten: u64,
}

impl Store {
    async fn of(gateway: &Gateway) -> Option<Self> {
        let (path, body): (_, Value) = ("/v3/maintenance/status", json!({}));
        let status: Status = gateway.ask(path, &body, Instant::now() + ASK).await.ok()?;
        let rewritten = rewrites(&gateway.metrics(ASK).await?)?;
        Some(Self { bytes: status.db_size, used: status.db_size_in_use, rewritten })
    }
}

fn rewrites(metrics: &str) -> Option<u64> {
    let count = metrics.lines().find_map(|line| line.strip_prefix(DEFRAGMENTED))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_often_a_store_was_rewritten() {
        let text = "x_count 3\netcd_disk_backend_defrag_duration_seconds_count 2\n";
        assert_eq!(rewrites(text), Some(2));
        assert_eq!(rewrites("etcd_disk_backend_defrag_duration_seconds_sum 2\n"), None);
    }
}
