//! The nemesis: carries out a schedule, proves each fault, and heals everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schism_history::{FaultId, FaultMark, Phase};
use schism_lab::{Host, LinkRules, Network, NodeId};
use schism_targets::{Cluster, Target};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::injection::together;
use crate::probe::evidence;
use crate::probe::links::LinkProbe;
use crate::probe::processes::{Before, ProcessProbe};
use crate::{Injection, Planned, Schedule, View, spec};

/// How long the nodes are asked who leads, and how long one of them may take.
const LEADER_WITHIN: Duration = Duration::from_secs(1);
const ASK_WITHIN: Duration = Duration::from_millis(300);
/// No act upon a node takes longer; what does is given up and said.
const ACT_WITHIN: Duration = Duration::from_secs(8);

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

/// What all faults of a run share.
struct Hands {
    cluster: Cluster,
    target: Arc<dyn Target>,
    network: Arc<dyn Network>,
    recorder: Arc<dyn Recorder>,
    processes: ProcessProbe,
    /// Locked while a fault is resolved and injected, so that each sees what those before it did.
    active: Mutex<Active>,
}

#[derive(Default)]
struct Active {
    rules: BTreeMap<FaultId, LinkRules>,
    down: BTreeMap<NodeId, FaultId>,
    notes: Vec<String>,
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
        let processes = ProcessProbe::new(cluster.clone(), target.clone());
        let active = Mutex::default();
        let hands = Arc::new(Hands { cluster, target, network, recorder, processes, active });
        Self { schedule, hands }
    }

    /// Carries out the schedule. Returns when every fault is healed, which `stop` brings forward.
    pub async fn run(self, stop: CancellationToken) -> Healing {
        let links = match LinkProbe::open(&self.hands.cluster).await {
            Ok(links) => Some(Arc::new(links)),
            Err(problem) => {
                self.hands.note(format!("Links cannot be probed: {problem}.")).await;
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
                self.hands.note("A fault broke off and was healed at the end.".into()).await;
            }
        }
        self.hands.heal_everything().await;
        let notes = std::mem::take(&mut self.hands.active.lock().await.notes);
        Healing { notes }
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
        let (injection, before) = self.inject().await;
        let fault = self.planned.fault;
        let bites = match &injection {
            Injection::Links { rules, .. } => match &self.links {
                Some(links) => links.bites(rules, &self.hands.rules().await).await,
                None => evidence(false, "links could not be probed"),
            },
            Injection::Kill(_) => self.hands.processes.killed(&before).await,
            Injection::Pause(_) => self.hands.processes.paused(&before).await,
            Injection::Nothing { reason } => evidence(false, reason.clone()),
        };
        let record = |mark| self.hands.recorder.record(mark);
        record(FaultMark::Probe { fault, phase: Phase::Bites, evidence: bites });
        self.hands.wait_until(self.planned.stop, &stop).await;
        self.hands.heal(fault, &injection).await;
        record(FaultMark::Stop { fault });
        let gone = match &injection {
            Injection::Links { rules, .. } => match &self.links {
                Some(links) => links.gone(rules, &self.hands.rules().await).await,
                None => evidence(false, "links could not be probed"),
            },
            Injection::Kill(_) => self.hands.processes.restarted(&before).await,
            Injection::Pause(_) => self.hands.processes.resumed(&before).await,
            Injection::Nothing { .. } => return,
        };
        record(FaultMark::Probe { fault, phase: Phase::Gone, evidence: gone });
    }

    /// Resolves the victims, writes the Start mark, and only then touches anything.
    async fn inject(&self) -> (Injection, Before) {
        let hands = &self.hands;
        let mut active = hands.active.lock().await;
        let (name, value) = match self.planned.spec.as_object().and_then(|spec| spec.iter().next())
        {
            Some((name, value)) => (name.clone(), value.clone()),
            None => (String::new(), serde_json::Value::Null),
        };
        let (detail, injection) = match spec::fault(&name, &value) {
            Ok(fault) => {
                let view = hands.view(&active, fault.needs_leader()).await;
                let mut rng = ChaCha8Rng::seed_from_u64(self.planned.seed);
                (fault.detail(), fault.plan(&view, &mut rng))
            }
            Err(error) => (value.to_string(), Injection::Nothing { reason: error.problem }),
        };
        let before = match &injection {
            Injection::Kill(victims) | Injection::Pause(victims) => {
                hands.processes.before(victims).await
            }
            _ => Before::new(),
        };
        hands.recorder.record(FaultMark::Start {
            fault: self.planned.fault,
            name: name.into(),
            detail: detail.into(),
            victims: injection.victims().iter().map(|id| schism_history::NodeId(id.0)).collect(),
            injection: injection.to_json(),
        });
        hands.strike(self.planned.fault, &injection, &mut active).await;
        (injection, before)
    }
}

impl Hands {
    /// Sleeps until `time` of the load; `false` if `stop` came first.
    async fn wait_until(&self, time: Duration, stop: &CancellationToken) -> bool {
        let left = time.saturating_sub(self.recorder.elapsed());
        tokio::select! {
            () = tokio::time::sleep(left) => true,
            () = stop.cancelled() => false,
        }
    }

    async fn note(&self, note: String) {
        self.active.lock().await.notes.push(note);
    }

    /// The rules of all faults that are under way.
    async fn rules(&self) -> LinkRules {
        together(self.active.lock().await.rules.values())
    }

    /// The cluster as it is now. Who leads is asked only where it matters, since asking takes time.
    async fn view(&self, active: &Active, leader_matters: bool) -> View {
        let deadline = Instant::now() + LEADER_WITHIN;
        let mut primaries = Vec::new();
        while leader_matters && primaries.is_empty() && Instant::now() < deadline {
            match self.target.primaries(&self.cluster, ASK_WITHIN).await {
                Ok(found) => primaries = found,
                Err(_) => break,
            }
            if primaries.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        View {
            nodes: self.cluster.nodes().map(|node| node.id).collect(),
            primaries,
            down: active.down.keys().copied().collect(),
        }
    }

    async fn strike(&self, fault: FaultId, injection: &Injection, active: &mut Active) {
        match injection {
            Injection::Links { rules, .. } => {
                active.rules.insert(fault, rules.clone());
                let all = together(active.rules.values());
                if let Err(error) = self.network.set(&all).await {
                    active.notes.push(format!("{fault}: {error}."));
                }
            }
            Injection::Kill(victims) | Injection::Pause(victims) => {
                active.down.extend(victims.iter().map(|victim| (*victim, fault)));
                let kill = matches!(injection, Injection::Kill(_));
                for problem in
                    self.on_each(victims, if kill { Deed::Kill } else { Deed::Pause }).await
                {
                    active.notes.push(format!("{fault}: {problem}."));
                }
            }
            Injection::Nothing { .. } => {}
        }
    }

    async fn heal(&self, fault: FaultId, injection: &Injection) {
        let mut active = self.active.lock().await;
        match injection {
            Injection::Links { .. } => {
                active.rules.remove(&fault);
                let all = together(active.rules.values());
                if let Err(error) = self.network.set(&all).await {
                    active.notes.push(format!("Healing of {fault}: {error}."));
                }
            }
            Injection::Kill(victims) | Injection::Pause(victims) => {
                let kill = matches!(injection, Injection::Kill(_));
                for problem in
                    self.on_each(victims, if kill { Deed::Start } else { Deed::Resume }).await
                {
                    active.notes.push(format!("Healing of {fault}: {problem}."));
                }
                active.down.retain(|_, by| *by != fault);
            }
            Injection::Nothing { .. } => {}
        }
    }

    /// The same to all victims at once; the problems that there were.
    async fn on_each(&self, victims: &[NodeId], deed: Deed) -> Vec<String> {
        let mut deeds = JoinSet::new();
        for &victim in victims {
            let Some(host) = self.cluster.host(victim).cloned() else { continue };
            let (cluster, target) = (self.cluster.clone(), self.target.clone());
            deeds.spawn(async move {
                let done = deed.on(&cluster, &*target, &*host);
                match tokio::time::timeout(ACT_WITHIN, done).await {
                    Ok(done) => done.err(),
                    Err(_) => Some(format!("{victim}: nothing happened within {ACT_WITHIN:?}")),
                }
            });
        }
        let mut problems = Vec::new();
        while let Some(done) = deeds.join_next().await {
            problems.extend(done.unwrap_or_else(|_| Some("an act broke off".into())));
        }
        problems.sort();
        problems
    }

    /// Whatever became of the single faults: no rule, no paused process, no node down.
    async fn heal_everything(&self) {
        let mut active = self.active.lock().await;
        active.rules.clear();
        if let Err(error) = self.network.set(&LinkRules::default()).await {
            active.notes.push(format!("Healing: {error}."));
        }
        let left: Vec<NodeId> = std::mem::take(&mut active.down).into_keys().collect();
        let mut problems = self.on_each(&left, Deed::Resume).await;
        for node in left {
            let Some(host) = self.cluster.host(node) else { continue };
            if host.processes().await.is_ok_and(|processes| processes.is_empty()) {
                problems.extend(self.on_each(&[node], Deed::Start).await);
            }
        }
        active.notes.extend(problems.into_iter().map(|problem| format!("Healing: {problem}.")));
    }
}

#[derive(Clone, Copy)]
enum Deed {
    Kill,
    Start,
    Pause,
    Resume,
}

impl Deed {
    async fn on(
        self,
        cluster: &Cluster,
        target: &dyn Target,
        host: &dyn Host,
    ) -> Result<(), String> {
        let node = host.node();
        match self {
            Deed::Kill => target.kill(cluster, node).await.map_err(|error| error.to_string()),
            Deed::Start => target.start(cluster, node).await.map_err(|error| error.to_string()),
            Deed::Pause => host.pause_all().await.map_err(|error| error.to_string()),
            Deed::Resume => host.resume_all().await.map_err(|error| error.to_string()),
        }
    }
}
