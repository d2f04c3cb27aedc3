//! The nemesis: carries out a schedule, proves each fault, and heals everything.

mod came_up;
mod inject;
mod restart;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use schism_history::{Evidence, FaultMark, Phase};
use schism_lab::{Effect, LinkRules, Network, NodeId};
use schism_targets::{Cluster, Target};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::inject::Struck;
use crate::hands::Hands;
use crate::probe::effects::Sights;
use crate::probe::links::LinkProbe;
use crate::probe::links::parcels::Parcels;
use crate::probe::processes::{Before, Healed};
use crate::probe::{all, evidence};
use crate::scenario::Performance;
use crate::standing::Tick;
use crate::{ClientPlaces, Ear, Injection, Planned, Scenario, Schedule};

/// How often healing is tried before it is left to the end of the run, and the pause between.
const HEAL_TRIES: u32 = 3;
const HEAL_AGAIN: Duration = Duration::from_millis(300);

/// Where marks go, and the clock that stamps them.
pub trait Recorder: Send + Sync {
    /// Writes a mark into the history.
    fn record(&self, mark: FaultMark);

    /// How long ago the load began.
    fn elapsed(&self) -> Duration;
}

/// The longest waits of a nemesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For one deed on a node; what takes longer is given up and said.
    pub act: Duration,
    /// For a node to answer again after its fault was healed; otherwise that is not proven.
    pub back: Duration,
    /// For the system to finish or undo what is left of an act of upkeep.
    pub settle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let [act, back, settle] = [8, 10, 15].map(Duration::from_secs);
        Self { act, back, settle }
    }
}

/// How the healing went.
#[derive(Debug, Default)]
pub struct Healing {
    notes: Vec<String>,
    down: Vec<NodeId>,
}

impl Healing {
    /// What the reader of the report should know, in whole sentences; empty if all went well.
    pub fn notes(self) -> Vec<String> {
        self.notes
    }

    /// The nodes that were started again and did not come up: nobody need wait for them.
    pub fn down(&self) -> &[NodeId] {
        &self.down
    }
}

/// The one who breaks things.
pub struct Nemesis {
    schedule: Schedule,
    cluster: Cluster,
    target: Arc<dyn Target>,
    network: Arc<dyn Network>,
    recorder: Arc<dyn Recorder>,
    ear: Option<Ear>,
    places: Option<Arc<dyn ClientPlaces>>,
    bounds: Bounds,
}

impl Nemesis {
    /// A nemesis for one run.
    pub fn new(
        cluster: Cluster,
        target: Arc<dyn Target>,
        network: Arc<dyn Network>,
        schedule: Schedule,
        recorder: Arc<dyn Recorder>,
    ) -> Self {
        let (ear, places, bounds) = (None, None, Bounds::default());
        Self { schedule, cluster, target, network, recorder, ear, places, bounds }
    }

    /// The same nemesis, with an ear for the operations that scenarios wait for.
    pub fn hearing(self, ear: Ear) -> Self {
        Self { ear: Some(ear), ..self }
    }

    /// The same nemesis, with clients in its reach that are processes of their own.
    pub fn reaching(self, places: Arc<dyn ClientPlaces>) -> Self {
        Self { places: Some(places), ..self }
    }

    /// The same nemesis, with other bounds than the usual ones.
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Carries out the schedule. Returns when every fault is healed, which `stop` brings forward.
    pub async fn run(self, stop: CancellationToken) -> Healing {
        let Self { schedule, cluster, target, network, recorder, ear, places, bounds } = self;
        let reached = (cluster, places);
        let hands = Arc::new(Hands::new(reached, target, network, recorder, ear, bounds));
        let links = match LinkProbe::open(hands.cluster(), hands.clients()).await {
            Ok(links) => Some(Arc::new(links)),
            Err(problem) => {
                hands.note(format!("Links cannot be probed: {problem}."));
                None
            }
        };
        let mut faults = JoinSet::new();
        for planned in schedule.entries {
            let (hands, links, stop) = (hands.clone(), links.clone(), stop.clone());
            faults.spawn(async move {
                let act = Act { hands, links, planned };
                act.run(stop).await;
            });
        }
        while let Some(ended) = faults.join_next().await {
            if ended.is_err() {
                hands.note("A fault broke off and was healed at the end.".into());
            }
        }
        hands.heal_everything().await;
        Healing { notes: hands.take_notes(), down: hands.standing().refused() }
    }
}

/// One fault from start to end.
struct Act {
    hands: Arc<Hands>,
    links: Option<Arc<LinkProbe>>,
    planned: Planned,
}

impl Act {
    async fn run(self, stop: CancellationToken) {
        if !self.hands.wait_until(self.planned.start, &stop).await {
            return;
        }
        let Some(struck) = self.inject(&stop).await else { return };
        let Struck { injection, before, sights, damaged } = struck;
        if let Injection::Scenario(scenario) = &injection {
            return self.play(scenario, &injection, before, &stop).await;
        }
        if let Injection::Upkeep(act) = &injection {
            return self.keep_up(act, &stop).await;
        }
        if let Injection::Restart(rolling) = &injection {
            return self.restart(rolling, &injection, &stop).await;
        }
        let fault = self.planned.fault;
        let parcels = self.post_what_is_held(&injection);
        let mut held = Sights::new();
        // A probe may be slow, and never makes a fault longer than it was planned to be.
        let bites = tokio::select! {
            biased;
            bites = self.bites(&injection, &before, (&sights, damaged.as_ref()), &mut held) => bites,
            _ = self.hands.wait_until(self.planned.stop, &stop) => {
                evidence(false, "the fault ended before it could be looked at")
            }
        };
        let record = |mark| self.hands.record(mark);
        record(FaultMark::Probe { fault, phase: Phase::Bites, evidence: bites });
        self.hands.wait_until(self.planned.stop, &stop).await;
        let parcels = parcels.map(|(mut parcels, begun)| {
            parcels.release();
            (parcels, begun)
        });
        let Some((ended, healed)) = self.heal(&injection, &before).await else { return };
        record(FaultMark::Stop { fault });
        let gone = match &injection {
            Injection::Links { rules, .. } => self.links_gone(rules, parcels).await,
            Injection::Kill(_) | Injection::Pause(_) | Injection::PowerLoss { .. } => {
                self.back(&before, &healed, ended).await
            }
            Injection::Hold { effect, .. } => {
                let hands = self.hands.clone();
                let silenced = move |node| hands.standing().silenced_since(ended, node, fault);
                let gone = self.hands.effects().gone(effect, &sights, &held, silenced).await;
                all(vec![gone, self.back(&before, &healed, ended).await], "")
            }
            Injection::Damage { .. } => self.came_up(&before, ended).await,
            // Nothing was done, and nothing is to be undone; a scenario has its own end.
            Injection::Upkeep(_)
            | Injection::Restart(_)
            | Injection::Scenario(_)
            | Injection::Nothing { .. } => return,
        };
        record(FaultMark::Probe { fault, phase: Phase::Gone, evidence: gone });
    }

    /// Carries out the steps of a scenario, heals what it holds, and says what was seen of both.
    async fn play(
        &self,
        scenario: &Scenario,
        injection: &Injection,
        before: Before,
        stop: &CancellationToken,
    ) {
        let fault = self.planned.fault;
        let (hands, links) = (self.hands.clone(), self.links.clone());
        let mut performance = Performance::new(hands, links, self.planned.clone(), before);
        performance.play(scenario, stop).await;
        performance.before_healing();
        let struck = performance.struck().clone();
        let healed = self.heal(injection, &struck).await;
        let record = |mark| self.hands.record(mark);
        if healed.is_some() {
            record(FaultMark::Stop { fault });
        }
        let (bites, touched) = performance.seen().await;
        record(FaultMark::Probe { fault, phase: Phase::Bites, evidence: bites });
        // What was not healed is said at the end of the run.
        let Some((ended, healed)) = healed else { return };
        let mut parts = Vec::new();
        if !touched.0.is_empty() {
            parts.push(self.links_gone(&touched, None).await);
        }
        let wounded = performance.wounded();
        let (damaged, struck): (Before, Before) =
            struck.into_iter().partition(|(node, _)| wounded.contains(node));
        if !struck.is_empty() {
            parts.push(self.back(&struck, &healed, ended).await);
        }
        if !damaged.is_empty() {
            parts.push(self.came_up(&damaged, ended).await);
        }
        parts.extend(performance.inner_gone(ended).await);
        let evidence = all(parts, "nothing was touched, and nothing is to be undone");
        record(FaultMark::Probe { fault, phase: Phase::Gone, evidence });
    }

    /// Sends what a held link has to deliver later, over the links that this fault holds.
    fn post_what_is_held(&self, injection: &Injection) -> Option<(Parcels, Tick)> {
        let Injection::Links { rules, .. } = injection else { return None };
        let held = rules.0.iter().filter(|(_, rule)| rule.hold);
        let held: Vec<_> = held.map(|(link, rule)| (*link, *rule)).collect();
        if held.is_empty() {
            return None;
        }
        let begun = self.hands.standing().now();
        let mut parcels = Parcels::new(self.links.clone()?);
        parcels.changing(held.iter().copied());
        parcels.post(&held.iter().map(|(link, _)| *link).collect::<Vec<_>>());
        Some((parcels, begun))
    }

    /// Whether links work again, and those that were held delivered what they had kept.
    async fn links_gone(&self, rules: &LinkRules, parcels: Option<(Parcels, Tick)>) -> Evidence {
        let Some(links) = &self.links else { return evidence(false, "links could not be probed") };
        let fault = self.planned.fault;
        let mut parts = Vec::new();
        if let Some((parcels, begun)) = parcels {
            let shared = |link| self.hands.standing().shared_since(begun, link, fault);
            if parcels.links().all(shared) {
                let text =
                    "another fault was about all held links, too: what they kept says nothing";
                parts.push(evidence(true, text));
            } else {
                parts.push(parcels.delivered(shared).await);
            }
        }
        parts.push(links.gone(rules, || self.hands.standing().rules()).await);
        all(parts, "")
    }

    /// Whether the nodes answer again.
    async fn back(&self, before: &Before, healed: &Healed, ended: Tick) -> Evidence {
        let (hands, fault) = (self.hands.clone(), self.planned.fault);
        let silenced = move |node| hands.standing().silenced_since(ended, node, fault);
        self.hands.processes().back(before, healed, silenced).await
    }

    async fn bites(
        &self,
        injection: &Injection,
        before: &Before,
        (sights, damaged): (&Sights, Option<&Evidence>),
        held: &mut Sights,
    ) -> Evidence {
        match injection {
            Injection::Hold { effect, .. } => {
                let (bites, seen) = self.hands.effects().bites(effect, sights).await;
                *held = seen;
                bites
            }
            Injection::Links { rules, .. } => match &self.links {
                Some(links) => links.bites(rules, || self.hands.standing().rules()).await,
                None => evidence(false, "links could not be probed"),
            },
            Injection::Kill(_) => self.hands.processes().killed(before).await,
            Injection::PowerLoss { loss, .. } => {
                let killed = self.hands.processes().killed(before).await;
                let (lost, _) = self.hands.effects().bites(&Effect::Loss(*loss), sights).await;
                all(vec![killed, lost], "")
            }
            Injection::Damage { .. } => {
                let mut parts = vec![self.hands.processes().killed(before).await];
                parts.extend(damaged.cloned());
                all(parts, "")
            }
            Injection::Pause(_) => self.hands.processes().paused(before).await,
            Injection::Scenario(_) => evidence(false, "a scenario is looked at step by step"),
            Injection::Restart(_) => evidence(false, "a restart is looked at node by node"),
            Injection::Upkeep(_) => evidence(false, "upkeep is looked at by the target"),
            Injection::Nothing { reason } => evidence(false, reason.clone()),
        }
    }

    /// Heals until all is well, a few times at most; what is not well then is left to the end of
    /// the run, which writes the Stop mark that this fault still lacks.
    async fn heal(&self, injection: &Injection, before: &Before) -> Option<(Tick, Healed)> {
        let fault = self.planned.fault;
        let mut tries = 1;
        loop {
            match self.hands.heal(fault, injection, before).await {
                Ok(healed) => return Some(healed),
                Err(problems) if tries == HEAL_TRIES => {
                    for problem in problems {
                        self.hands.note(format!("Healing of {fault}: {problem}."));
                    }
                    return None;
                }
                Err(_) => tries += 1,
            }
            tokio::time::sleep(HEAL_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests;
