//! Carries out the steps of a scenario, one after the other.

mod evidence;
mod inner;
mod touch;
mod wait;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schism_history::{Evidence, FaultMark};
use schism_lab::{LinkRule, NodeId};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::inner::Begun;
use self::touch::Look;
use super::{Scenario, Stage, Step, Touch};
use crate::Planned;
use crate::hands::{Hands, Wounded};
use crate::probe::links::parcels::Parcels;
use crate::probe::links::{Link, LinkProbe};
use crate::probe::processes::Before;
use crate::standing::Tick;
use crate::victims::{list, shuffle};

/// A scenario under way.
pub(crate) struct Performance {
    hands: Arc<Hands>,
    planned: Planned,
    rng: ChaCha8Rng,
    stage: Stage,
    /// `None` where links cannot be probed.
    parcels: Option<Parcels>,
    begun: Tick,
    /// The links that it ever had rules for.
    touched: BTreeMap<Link, LinkRule>,
    /// What ran on every node before.
    before: Before,
    /// The same of those that were struck.
    struck: Before,
    looks: Vec<Look>,
    /// The effects that steps began, those that have ended, too.
    begun_effects: Vec<Begun>,
    /// What was done to files, and what was seen of it.
    damaged: Vec<(Wounded, Evidence)>,
    /// When the next step is due.
    due: Instant,
    /// What was seen of conditions.
    met: Vec<String>,
    /// At which step it broke off, and why.
    broken: Option<(u32, String)>,
}

impl Performance {
    pub(crate) fn new(
        hands: Arc<Hands>,
        links: Option<Arc<LinkProbe>>,
        planned: Planned,
        before: Before,
    ) -> Self {
        let nodes = hands.cluster().nodes().map(|node| node.id).collect();
        let clients = hands.clients().iter().map(|host| host.node().id).collect();
        let begun = hands.standing().now();
        Self {
            rng: ChaCha8Rng::seed_from_u64(planned.seed),
            stage: Stage::new(nodes, clients),
            parcels: links.map(Parcels::new),
            begun,
            touched: BTreeMap::new(),
            before,
            struck: Before::new(),
            looks: Vec::new(),
            begun_effects: Vec::new(),
            damaged: Vec::new(),
            due: Instant::now(),
            met: Vec::new(),
            broken: None,
            hands,
            planned,
        }
    }

    /// The nodes that were struck, as they were before.
    pub(crate) fn struck(&self) -> &Before {
        &self.struck
    }

    /// Carries out the steps until the last, the end of the fault's time, or `stop`.
    pub(crate) async fn play(&mut self, scenario: &Scenario, stop: &CancellationToken) {
        for (number, step) in (1..).zip(&scenario.steps) {
            if let Err(why) = self.step(number, step, stop).await {
                self.broken = Some((number, why));
                return;
            }
        }
    }

    async fn step(
        &mut self,
        number: u32,
        step: &Step,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        match step {
            Step::Roles(wanted) => {
                let late = self.late();
                let cast = self.cast(wanted, stop).await?;
                let words: Vec<String> =
                    cast.iter().map(|(name, nodes)| format!("{name} = {}", list(nodes))).collect();
                let facts: Map<String, Value> =
                    cast.iter().map(|(name, nodes)| (name.clone(), names(nodes))).collect();
                self.mark(number, words.join(", "), json!({ "roles": facts }), late);
                self.due = Instant::now();
            }
            Step::Touch(touch) => self.touch(number, touch).await?,
            Step::Wait(spread) => self.wait(number, *spread, stop).await?,
            Step::Until(condition, within) => {
                self.until(number, condition, *within, stop).await?;
            }
            Step::InAnyOrder(touches, gap) => {
                let mut touches: Vec<&Touch> = touches.iter().collect();
                shuffle(&mut touches, &mut self.rng);
                for (place, touch) in touches.into_iter().enumerate() {
                    if place > 0 {
                        self.wait(number, *gap, stop).await?;
                    }
                    self.touch(number, touch).await?;
                }
            }
        }
        Ok(())
    }

    /// When the fault's time is over.
    fn ends(&self) -> Instant {
        Instant::now() + self.planned.stop.saturating_sub(self.hands.elapsed())
    }

    fn late(&self) -> Duration {
        Instant::now().saturating_duration_since(self.due)
    }

    fn mark(&self, step: u32, detail: String, injection: Value, late: Duration) {
        self.hands.record(FaultMark::Step {
            fault: self.planned.fault,
            step,
            detail: detail.into(),
            injection: injection.into(),
            late_us: late.as_micros() as u64,
        });
    }
}

/// Nodes as facts.
fn names(nodes: &[NodeId]) -> Value {
    nodes.iter().map(ToString::to_string).collect()
}
