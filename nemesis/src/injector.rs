//! The nemesis: carries out a schedule, proves each fault, and heals everything.

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schism_history::{Evidence, FaultMark, Phase};
use schism_lab::Network;
use schism_targets::{Cluster, Target};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::hands::Hands;
use crate::probe::evidence;
use crate::probe::links::LinkProbe;
use crate::probe::processes::{Before, Healed};
use crate::standing::Tick;
use crate::{Injection, Planned, Schedule, spec};

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

/// How the healing went.
#[derive(Debug, Default)]
pub struct Healing {
    notes: Vec<String>,
}

impl Healing {
    /// What the reader of the report should know, in whole sentences; empty if all went well.
    pub fn notes(self) -> Vec<String> {
        self.notes
    }
}

/// The one who breaks things.
pub struct Nemesis {
    schedule: Schedule,
    hands: Arc<Hands>,
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
        let hands = Arc::new(Hands::new(cluster, target, network, recorder));
        Self { schedule, hands }
    }

    /// Carries out the schedule. Returns when every fault is healed, which `stop` brings forward.
    pub async fn run(self, stop: CancellationToken) -> Healing {
        let links = match LinkProbe::open(self.hands.cluster()).await {
            Ok(links) => Some(Arc::new(links)),
            Err(problem) => {
                self.hands.note(format!("Links cannot be probed: {problem}."));
                None
            }
        };
        let mut faults = JoinSet::new();
        for planned in self.schedule.entries {
            let (hands, links, stop) = (self.hands.clone(), links.clone(), stop.clone());
            faults.spawn(async move {
                let act = Act { hands, links, planned };
                act.run(stop).await;
            });
        }
        while let Some(ended) = faults.join_next().await {
            if ended.is_err() {
                self.hands.note("A fault broke off and was healed at the end.".into());
            }
        }
        self.hands.heal_everything().await;
        Healing { notes: self.hands.take_notes() }
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
        let Some((injection, before)) = self.inject(&stop).await else { return };
        let fault = self.planned.fault;
        // A probe may be slow, and never makes a fault longer than it was planned to be.
        let bites = tokio::select! {
            biased;
            bites = self.bites(&injection, &before) => bites,
            _ = self.hands.wait_until(self.planned.stop, &stop) => {
                evidence(false, "the fault ended before it could be looked at")
            }
        };
        let record = |mark| self.hands.record(mark);
        record(FaultMark::Probe { fault, phase: Phase::Bites, evidence: bites });
        self.hands.wait_until(self.planned.stop, &stop).await;
        let Some((ended, healed)) = self.heal(&injection, &before).await else { return };
        record(FaultMark::Stop { fault });
        let hands = self.hands.clone();
        let silenced = move |node| hands.standing().silenced_since(ended, node, fault);
        let processes = self.hands.processes();
        let gone = match &injection {
            Injection::Links { rules, .. } => match &self.links {
                Some(links) => links.gone(rules, || self.hands.standing().rules()).await,
                None => evidence(false, "links could not be probed"),
            },
            Injection::Kill(_) => processes.back(&before, true, &healed, silenced).await,
            Injection::Pause(_) => processes.back(&before, false, &healed, silenced).await,
            // Nothing was done, and nothing is to be undone.
            Injection::Nothing { .. } => return,
        };
        record(FaultMark::Probe { fault, phase: Phase::Gone, evidence: gone });
    }

    async fn bites(&self, injection: &Injection, before: &Before) -> Evidence {
        match injection {
            Injection::Links { rules, .. } => match &self.links {
                Some(links) => links.bites(rules, || self.hands.standing().rules()).await,
                None => evidence(false, "links could not be probed"),
            },
            Injection::Kill(_) => self.hands.processes().killed(before).await,
            Injection::Pause(_) => self.hands.processes().paused(before).await,
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

    /// Resolves the victims, writes the Start mark, and only then touches anything. `None` if the
    /// run was stopped meanwhile.
    async fn inject(&self, stop: &CancellationToken) -> Option<(Injection, Before)> {
        let (hands, planned) = (&self.hands, &self.planned);
        let (name, value) = match planned.spec.as_object().and_then(|spec| spec.iter().next()) {
            Some((name, value)) => (name.clone(), value.clone()),
            None => (String::new(), serde_json::Value::Null),
        };
        let fault = spec::fault(&name, &value);
        let needs_leader = fault.as_ref().is_ok_and(|fault| fault.needs_leader());
        let (turn, view) = hands.turn_with_view(needs_leader).await;
        if stop.is_cancelled() {
            return None;
        }
        let (detail, injection) = match fault {
            Ok(fault) => {
                let mut rng = ChaCha8Rng::seed_from_u64(planned.seed);
                (fault.detail(), fault.plan(&view, &mut rng))
            }
            Err(error) => (value.to_string(), Injection::Nothing { reason: error.problem }),
        };
        let before = match &injection {
            Injection::Kill(victims) | Injection::Pause(victims) => {
                hands.processes().before(victims).await
            }
            _ => Before::new(),
        };
        hands.record(FaultMark::Start {
            fault: planned.fault,
            name: name.into(),
            detail: detail.into(),
            victims: injection.victims().iter().map(|id| schism_history::NodeId(id.0)).collect(),
            injection: injection.to_json().into(),
        });
        hands.strike(&turn, planned.fault, &injection).await;
        Some((injection, before))
    }
}

#[cfg(test)]
mod tests;
