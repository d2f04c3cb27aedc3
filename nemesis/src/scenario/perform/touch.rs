//! The steps that touch something, and the senders and looks that prove each of them.

use std::sync::{Arc, Mutex, PoisonError};

use schism_lab::{LinkRule, NodeId};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Performance, names};
use crate::deed::Deed;
use crate::probe::links::Link;
use crate::probe::processes::{ProcessProbe, Was};
use crate::scenario::{Act, Change, Links, Place, Touch};
use crate::victims::list;

/// More links are counted, not named.
const NAMED_MAX: usize = 6;

/// A look at a node that was taken down, which goes on for as long as the node is down.
pub(super) struct Look {
    pub(super) node: NodeId,
    task: JoinHandle<()>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    answer: Option<Result<String, String>>,
    /// The node is being brought back: what is seen from now on says nothing.
    over: bool,
}

impl Look {
    pub(super) fn start(probe: ProcessProbe, node: NodeId, was: Was) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let told = seen.clone();
        let task = tokio::spawn(async move {
            let tell = |answer| {
                let mut seen = told.lock().unwrap_or_else(PoisonError::into_inner);
                if !seen.over {
                    seen.answer = Some(answer);
                }
            };
            // /proc answers at once; the node itself only by its silence.
            let first = probe.is_down(node, &was).await;
            let down = first.is_ok();
            tell(first);
            if down {
                tell(probe.stays_down(node, &was).await);
            }
        });
        Self { node, task, seen }
    }

    /// No more is looked: the node is about to be brought back. What was seen until now counts.
    pub(super) fn end(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.task.abort();
    }

    /// What was seen.
    pub(super) fn answer(&self) -> Result<String, String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.answer
            .clone()
            .unwrap_or_else(|| Err("was up again before it could be looked at".into()))
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.end();
    }
}

impl Performance {
    pub(super) async fn touch(&mut self, number: u32, touch: &Touch) -> Result<(), String> {
        match touch {
            Touch::Links(change, links) => self.change_links(number, *change, links).await?,
            Touch::Nodes(act, places) => self.act(number, *act, places).await?,
            Touch::Inner(inner) => self.begin_inner(number, inner).await?,
            Touch::End(names) => self.end_inner(number, names).await?,
        }
        self.due = Instant::now();
        Ok(())
    }

    async fn change_links(
        &mut self,
        number: u32,
        change: Change,
        links: &Links,
    ) -> Result<(), String> {
        let links = self.stage.links(links);
        self.stage.change(change, &links)?;
        let facts = links.iter().map(|(from, to)| json!([from.to_string(), to.to_string()]));
        let mut facts = json!({ change.word(): facts.collect::<Value>() });
        if let Change::Delay(by, jitter) = change {
            facts["by_us"] = (by.as_micros() as u64).into();
            facts["jitter_us"] = (jitter.as_micros() as u64).into();
        }
        let words = format!("{} {}", change.words(), arrows(&links));
        self.mark(number, words, facts, self.late());
        let rules = self.stage.rules().clone();
        let rule = |link: &Link| (*link, rules.0.get(link).copied().unwrap_or_default());
        self.touched.extend(links.iter().map(|link| (*link, LinkRule::default())));
        if let Some(parcels) = &mut self.parcels {
            parcels.changing(links.iter().map(rule));
        }
        self.hands.relink(self.planned.fault, &rules).await?;
        if let Some(parcels) = &mut self.parcels {
            parcels.post(&links);
        }
        Ok(())
    }

    async fn act(&mut self, number: u32, act: Act, places: &[Place]) -> Result<(), String> {
        let nodes = self.stage.nodes_at(places);
        let facts = json!({ act.word(): names(&nodes) });
        self.mark(number, format!("{} {}", act.word(), list(&nodes)), facts, self.late());
        let fault = self.planned.fault;
        match act {
            Act::Pause | Act::Kill => {
                let killed = act == Act::Kill;
                for node in &nodes {
                    self.end_looks(*node);
                }
                let deed = if killed { Deed::Kill } else { Deed::Pause };
                let done = self.hands.take_down(fault, &nodes, deed).await;
                // Whom another fault holds was not struck; whoever was, even in vain, is healed.
                let held = self.hands.standing().held_by(fault);
                for node in nodes.iter().filter(|node| held.contains(node)) {
                    let before = self.before.get(node).cloned().unwrap_or_default();
                    // Whoever was killed once does not come back as it was.
                    self.struck.entry(*node).or_insert(before).killed |= killed;
                }
                done?;
                for node in nodes {
                    let mut was = self.struck[&node].clone();
                    was.killed = killed;
                    let probe = self.hands.processes().clone();
                    self.looks.push(Look::start(probe, node, was));
                }
                Ok(())
            }
            Act::Resume | Act::Start => {
                for node in &nodes {
                    self.end_looks(*node);
                }
                let deed = if act == Act::Start { Deed::Start } else { Deed::Resume };
                self.hands.take_up(fault, &nodes, deed).await
            }
        }
    }

    pub(super) fn end_looks(&self, node: NodeId) {
        self.looks.iter().filter(|look| look.node == node).for_each(Look::end);
    }
}

/// `n1 → n2, n1 ↔ n3`: links in words.
fn arrows(links: &[Link]) -> String {
    let mut words = Vec::new();
    for &(from, to) in links {
        if !links.contains(&(to, from)) {
            words.push(format!("{from} → {to}"));
        } else if from < to {
            words.push(format!("{from} ↔ {to}"));
        }
    }
    if words.is_empty() {
        return "nothing".into();
    }
    if words.len() > NAMED_MAX {
        let more = words.len() - NAMED_MAX;
        words.truncate(NAMED_MAX);
        words.push(format!("{more} more"));
    }
    words.join(", ")
}
