//! Probes of what is held on nodes: the same look before, while it is held, and afterwards.
//!
//! A look measures or asks; it reads nothing that a holder wrote. One file for each kind of effect.

mod burn;
mod clock;
pub(crate) mod damage;
mod disk;
mod pressure;
mod real_clock;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{Evidence, FaultId};
use schism_lab::{Command, Effect, Host, NodeId};
use schism_targets::{Cluster, Target};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::evidence;
use crate::ClientPlaces;

/// How long an effect may take to be seen, and to be seen no more.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long one look may take on a node that ails.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// What a look saw, as a number of the effect's own kind; otherwise why nothing was seen.
pub(crate) type Sight = Result<f64, String>;

/// What was seen on each victim before.
pub(crate) type Sights = BTreeMap<NodeId, Sight>;

/// A node to look at.
#[derive(Clone)]
pub(crate) struct Spot {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) cluster: Cluster,
    pub(crate) target: Arc<dyn Target>,
    /// Where clients are processes.
    pub(crate) places: Option<Arc<dyn ClientPlaces>>,
}

impl Spot {
    /// What `schism look` sees on the node.
    async fn look(&self, words: &[&str]) -> Result<serde_json::Value, String> {
        let command = Command::new(["schism", "look"].iter().chain(words).copied());
        let output = self.host.run(&command, LOOK_WITHIN).await;
        let output = output.map_err(|error| error.to_string())?;
        let what = words.first().copied().unwrap_or_default();
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("a look at its {what} failed: {}", said.lines().next().unwrap_or_default())
        })?;
        match line["error"].as_str() {
            Some(error) => Err(format!("a look at its {what}: {error}")),
            None => Ok(line),
        }
    }
}

/// How one kind of effect is looked at.
#[async_trait]
pub(crate) trait Look: Send + Sync {
    /// Looks once.
    async fn look(&self, spot: &Spot) -> Sight;

    /// Whether what is seen while it is held is the effect; what was seen, in words.
    fn bites(&self, before: f64, now: f64) -> Result<String, String>;

    /// Whether what is seen afterwards is as it was before.
    fn gone(&self, before: f64, held: f64, now: f64) -> Result<String, String>;

    /// How long it is looked at, at the most, until it is seen.
    fn patience(&self) -> Duration {
        SEEN_WITHIN
    }
}

fn look_of(effect: &Effect) -> Arc<dyn Look> {
    match effect {
        Effect::Burn { .. } => Arc::new(burn::Share),
        Effect::Disk(trouble) => Arc::new(disk::Ailing(trouble.clone())),
        Effect::Loss(loss) => Arc::new(disk::Lost(*loss)),
        Effect::Damage(_) => Arc::new(damage::ByFile),
        Effect::Memory { bytes } => Arc::new(pressure::Memory(*bytes)),
        Effect::Descriptors { leave } => Arc::new(pressure::Descriptors(*leave)),
        Effect::Layer => Arc::new(disk::Sound),
        Effect::Clock { offset_ms, drift_ppm, strobe_ms } => {
            Arc::new(clock::Clock::new(*offset_ms, *drift_ppm, *strobe_ms))
        }
        Effect::RealClock { offset_ms, drift_ppm, .. } => {
            Arc::new(real_clock::Time { offset_ms: *offset_ms, drift_ppm: *drift_ppm })
        }
    }
}

/// Looks at effects.
#[derive(Clone)]
pub(crate) struct EffectProbe {
    cluster: Cluster,
    /// Where clients are processes.
    places: Option<Arc<dyn ClientPlaces>>,
    target: Arc<dyn Target>,
}

impl EffectProbe {
    pub(crate) fn new(
        cluster: Cluster,
        places: Option<Arc<dyn ClientPlaces>>,
        target: Arc<dyn Target>,
    ) -> Self {
        Self { cluster, places, target }
    }

    fn spot(&self, node: NodeId) -> Option<Spot> {
        let clients = self.places.as_ref().map_or(&[][..], |places| places.hosts());
        let client = clients.iter().find(|host| host.node().id == node);
        let host = client.or_else(|| self.cluster.host(node))?.clone();
        let (cluster, target) = (self.cluster.clone(), self.target.clone());
        Some(Spot { host, cluster, target, places: self.places.clone() })
    }

    /// What is seen on the victims before.
    pub(crate) async fn before(&self, effect: &Effect, victims: &[NodeId]) -> Sights {
        let mut looks = JoinSet::new();
        for &node in victims {
            let (look, spot) = (look_of(effect), self.spot(node));
            looks.spawn(async move {
                let sight = match spot {
                    Some(spot) => look.look(&spot).await,
                    None => Err("is not in the cluster".into()),
                };
                (node, sight)
            });
        }
        looks.join_all().await.into_iter().collect()
    }

    /// Whether it bites on each victim; with what was seen there while it was held.
    pub(crate) async fn bites(&self, effect: &Effect, before: &Sights) -> (Evidence, Sights) {
        let nobody = |_| None;
        self.until(effect, before, nobody, |look, before, now, _| look.bites(before, now)).await
    }

    /// Whether it is gone from each victim. `silenced` names another fault that keeps a node from
    /// being looked at.
    pub(crate) async fn gone(
        &self,
        effect: &Effect,
        before: &Sights,
        held: &Sights,
        silenced: impl Fn(NodeId) -> Option<FaultId> + Clone + Send + Sync + 'static,
    ) -> Evidence {
        let held = held.clone();
        let judge = move |look: &dyn Look, before, now, node| match held.get(&node) {
            Some(Ok(held)) => look.gone(before, *held, now),
            // It was never seen to bite, which is a doubt of its own.
            _ => look.gone(before, before, now),
        };
        self.until(effect, before, silenced, judge).await.0
    }

    /// Looks at all victims again and again until what is seen is what is wanted.
    async fn until(
        &self,
        effect: &Effect,
        before: &Sights,
        silenced: impl Fn(NodeId) -> Option<FaultId> + Clone + Send + Sync + 'static,
        wanted: impl Fn(&dyn Look, f64, f64, NodeId) -> Result<String, String>
        + Clone
        + Send
        + Sync
        + 'static,
    ) -> (Evidence, Sights) {
        let mut looks = JoinSet::new();
        for (&node, before) in before {
            let (look, spot, before) = (look_of(effect), self.spot(node), before.clone());
            let (wanted, silenced) = (wanted.clone(), silenced.clone());
            looks.spawn(async move {
                let wanted = |before, now| wanted(&*look, before, now, node);
                (node, watch(&*look, spot, before, wanted, || silenced(node)).await)
            });
        }
        let seen: BTreeMap<_, _> = looks.join_all().await.into_iter().collect();
        let all = !seen.is_empty() && seen.values().all(|(seen, _, _)| *seen);
        let texts: Vec<String> =
            seen.iter().map(|(node, (_, text, _))| format!("{node}: {text}")).collect();
        let sights = seen.into_iter().map(|(node, (_, _, sight))| (node, sight)).collect();
        (evidence(all, texts.join("; ")), sights)
    }
}

/// Looks at one node until what is wanted is seen, at most for some seconds: whether it was, in
/// words, and the last sight.
async fn watch(
    look: &dyn Look,
    spot: Option<Spot>,
    before: Sight,
    wanted: impl Fn(f64, f64) -> Result<String, String>,
    silenced: impl Fn() -> Option<FaultId>,
) -> (bool, String, Sight) {
    let Some(spot) = spot else {
        let text = "is not in the cluster".to_owned();
        return (false, text.clone(), Err(text));
    };
    let before = match before {
        Ok(before) => before,
        Err(problem) => return (false, format!("before: {problem}"), Err(problem)),
    };
    let deadline = Instant::now() + look.patience();
    loop {
        let sight = look.look(&spot).await;
        let judged = match &sight {
            Ok(now) => wanted(before, *now),
            Err(problem) => Err(problem.clone()),
        };
        match judged {
            Ok(text) => return (true, text, sight),
            Err(text) => {
                if let Some(other) = silenced() {
                    return (true, format!("{other} keeps it from being looked at"), sight);
                }
                if Instant::now() >= deadline {
                    return (false, text, sight);
                }
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
