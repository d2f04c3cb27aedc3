//! The hands of the nemesis: they alone touch nodes and links, one fault at a time.

mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schism_history::{Evidence, FaultId, FaultMark, Phase};
use schism_lab::{Effect, Host, LinkRules, Network, NodeId};
use schism_targets::{Cluster, Target, Upkeep};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Ear;
use crate::deed::Deed;
use crate::injector::{Bounds, Recorder};
use crate::probe::effects::EffectProbe;
use crate::probe::evidence;
use crate::probe::processes::{Before, Healed, ProcessProbe};
use crate::standing::{Standing, Tick};
use crate::{ClientPlaces, Injection};

pub(crate) use view::Matters;

/// How long what is left of an act of upkeep may take.
const SETTLE_WITHIN: Duration = Duration::from_secs(15);

/// What all faults of a run share.
pub(crate) struct Hands {
    cluster: Cluster,
    /// Where clients are processes of their own.
    places: Option<Arc<dyn ClientPlaces>>,
    target: Arc<dyn Target>,
    network: Arc<dyn Network>,
    recorder: Arc<dyn Recorder>,
    processes: ProcessProbe,
    effects: EffectProbe,
    standing: Mutex<Standing>,
    notes: Mutex<Vec<String>>,
    ear: Option<Ear>,
    bounds: Bounds,
    /// Held while rules are on their way to the switch, so that older ones never overtake newer.
    wire: tokio::sync::Mutex<()>,
    /// Held while a fault is resolved and injected, or healed, so that each sees what those before
    /// it did.
    turn: tokio::sync::Mutex<()>,
}

/// The right to touch things.
pub(crate) type Turn<'a> = tokio::sync::MutexGuard<'a, ()>;

impl Hands {
    pub(crate) fn new(
        (cluster, places): (Cluster, Option<Arc<dyn ClientPlaces>>),
        target: Arc<dyn Target>,
        network: Arc<dyn Network>,
        recorder: Arc<dyn Recorder>,
        ear: Option<Ear>,
        bounds: Bounds,
    ) -> Self {
        let clients = places.as_ref().map_or(&[][..], |places| places.hosts());
        let clients = clients.to_vec();
        let effects = EffectProbe::new(cluster.clone(), clients.clone(), target.clone());
        let processes = ProcessProbe::new(cluster.clone(), clients, target.clone(), bounds.back);
        Self {
            cluster,
            places,
            target,
            network,
            recorder,
            processes,
            effects,
            bounds,
            standing: Mutex::default(),
            notes: Mutex::default(),
            ear,
            wire: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The places of clients that are processes.
    pub(crate) fn clients(&self) -> &[Arc<dyn Host>] {
        self.places.as_ref().map_or(&[], |places| places.hosts())
    }

    /// What hears of operations, if anything does.
    pub(crate) fn ear(&self) -> Option<&Ear> {
        self.ear.as_ref()
    }

    /// How long ago the load began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.recorder.elapsed()
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn processes(&self) -> &ProcessProbe {
        &self.processes
    }

    pub(crate) fn effects(&self) -> &EffectProbe {
        &self.effects
    }

    /// What stands now. Never held over a wait.
    pub(crate) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, Vec<String>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, note: String) {
        self.notes().push(note);
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes())
    }

    pub(crate) fn record(&self, mark: FaultMark) {
        self.recorder.record(mark);
    }

    /// Sleeps until `time` of the load; `false` if `stop` came first.
    pub(crate) async fn wait_until(&self, time: Duration, stop: &CancellationToken) -> bool {
        let left = time.saturating_sub(self.recorder.elapsed());
        tokio::select! {
            () = tokio::time::sleep(left) => true,
            () = stop.cancelled() => false,
        }
    }

    /// Breaks what is to be broken. Of a scenario nothing is yet.
    pub(crate) async fn strike(&self, _: &Turn<'_>, fault: FaultId, injection: &Injection) {
        let begin = |standing: &mut Standing| standing.begin(fault, injection);
        let problems = match injection {
            Injection::Links { .. } => self.set_rules(begin).await,
            Injection::Kill(victims) => {
                begin(&mut self.standing());
                problems(self.on_each(victims, &Deed::Kill).await)
            }
            Injection::Pause(victims) => {
                begin(&mut self.standing());
                problems(self.on_each(victims, &Deed::Pause).await)
            }
            Injection::Hold { victims, effect } => {
                begin(&mut self.standing());
                let deed = Deed::Hold(fault.to_string(), effect.clone());
                problems(self.on_each(victims, &deed).await)
            }
            Injection::PowerLoss { victims, loss } => {
                begin(&mut self.standing());
                let mut problems = problems(self.on_each(victims, &Deed::Kill).await);
                // Nothing writes any more: now it is lost.
                let lose = Deed::Hold(fault.to_string(), Effect::Loss(*loss));
                problems
                    .extend(self.on_each(victims, &lose).await.into_iter().filter_map(|it| it.1));
                problems
            }
            Injection::Upkeep(_) | Injection::Scenario(_) | Injection::Nothing { .. } => {
                begin(&mut self.standing());
                Vec::new()
            }
        };
        for problem in problems {
            self.note(format!("{fault}: {problem}."));
        }
    }

    /// Does an act of upkeep; who breaks it off has it settled.
    pub(crate) async fn keep_up(&self, act: &Upkeep, within: Duration) -> Evidence {
        self.target.keep_up(&self.cluster, act, within).await
    }

    /// Finishes or undoes what is left of an act of upkeep.
    pub(crate) async fn settle(&self, act: &Upkeep) -> Evidence {
        let settled = self.target.settle(&self.cluster, act, SETTLE_WITHIN);
        match tokio::time::timeout(SETTLE_WITHIN * 2, settled).await {
            Ok(settled) => settled,
            Err(_) => {
                evidence(false, format!("{act}: nothing was said in {:?}", SETTLE_WITHIN * 2))
            }
        }
    }

    /// A step of a scenario: these are the rules of the fault now.
    pub(crate) async fn relink(&self, fault: FaultId, rules: &LinkRules) -> Result<(), String> {
        let relink = |standing: &mut Standing| standing.relink(fault, rules.clone());
        let problems = self.set_rules(relink).await;
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// A step of a scenario: takes nodes down. Those that another fault holds are left to it.
    pub(crate) async fn take_down(
        &self,
        fault: FaultId,
        nodes: &[NodeId],
        deed: Deed,
    ) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        {
            let mut standing = self.standing();
            for &node in nodes {
                if let Some(other) = standing.who_holds(node).filter(|other| *other != fault) {
                    return Err(format!("{node} is held down by {other} already"));
                }
            }
            for &node in nodes {
                standing.strike(fault, node);
            }
        }
        let problems = problems(self.on_each(nodes, &deed).await);
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// A step of a scenario: brings back nodes that it took down.
    pub(crate) async fn take_up(
        &self,
        fault: FaultId,
        nodes: &[NodeId],
        deed: Deed,
    ) -> Result<(), String> {
        let held = self.standing().held_by(fault);
        if let Some(node) = nodes.iter().find(|node| !held.contains(node)) {
            return Err(format!("{node} is not held down by this scenario"));
        }
        let problems = self.bring_up(nodes, deed).await;
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// Heals what is still broken of a fault: when that was done, and what was seen then. Whoever
    /// could not be healed is still held to be down, and may be healed again.
    pub(crate) async fn heal(
        &self,
        fault: FaultId,
        injection: &Injection,
        before: &Before,
    ) -> Result<(Tick, Healed), Vec<String>> {
        let _turn = self.turn.lock().await;
        let mut problems = match injection {
            Injection::Links { .. } | Injection::Scenario(_) => {
                self.set_rules(|standing| standing.lift(fault)).await
            }
            Injection::Hold { .. } => self.release(fault).await,
            Injection::PowerLoss { victims, .. } => {
                let mut problems = self.release(fault).await;
                // A look that was still under way would be taken for the target.
                let left = self.standing().held_by(fault);
                let left: Vec<NodeId> =
                    victims.iter().copied().filter(|node| left.contains(node)).collect();
                problems.extend(
                    self.on_each(&left, &Deed::Kill).await.into_iter().filter_map(|it| it.1),
                );
                problems
            }
            Injection::Kill(_)
            | Injection::Pause(_)
            | Injection::Upkeep(_)
            | Injection::Nothing { .. } => Vec::new(),
        };
        let deed = match injection {
            Injection::Kill(_) | Injection::PowerLoss { .. } => Deed::Start,
            Injection::Pause(_) => Deed::Resume,
            Injection::Scenario(_) => Deed::Revive,
            Injection::Hold { victims, .. } => {
                // What it made a program die of is over.
                let down = self.standing().down();
                let victims: Vec<NodeId> =
                    victims.iter().copied().filter(|node| !down.contains(node)).collect();
                problems.extend(self.bring_up(&victims, Deed::Revive).await);
                let healed = self.processes.healed(before).await;
                return self.ended(fault, problems, healed);
            }
            Injection::Links { .. } | Injection::Upkeep(_) | Injection::Nothing { .. } => {
                return self.ended(fault, problems, Healed::new());
            }
        };
        let left = self.standing().held_by(fault);
        problems.extend(self.bring_up(&left, deed).await);
        let healed = self.processes.healed(before).await;
        self.ended(fault, problems, healed)
    }

    fn ended(
        &self,
        fault: FaultId,
        problems: Vec<String>,
        healed: Healed,
    ) -> Result<(Tick, Healed), Vec<String>> {
        if problems.is_empty() { Ok((self.standing().end(fault), healed)) } else { Err(problems) }
    }

    /// Ends what a fault still holds on nodes; the problems of those where it could not.
    async fn release(&self, fault: FaultId) -> Vec<String> {
        let held = self.standing().effects();
        let nodes: Vec<NodeId> =
            held.iter().filter(|(of, _, _)| *of == fault).map(|(_, node, _)| *node).collect();
        let done = self.on_each(&nodes, &Deed::Release(fault.to_string())).await;
        for (node, problem) in &done {
            if problem.is_none() {
                self.standing().is_released(fault, *node);
            }
        }
        problems(done)
    }

    /// Heals nodes, and holds those that are well no more to be down; the problems of the others.
    async fn bring_up(&self, nodes: &[NodeId], deed: Deed) -> Vec<String> {
        let done = self.on_each(nodes, &deed).await;
        for (node, problem) in &done {
            if problem.is_none() {
                self.standing().is_up(*node);
            }
        }
        problems(done)
    }

    /// Changes what stands, and tells the switch.
    async fn set_rules(&self, change: impl FnOnce(&mut Standing)) -> Vec<String> {
        let _wire = self.wire.lock().await;
        let rules = {
            let mut standing = self.standing();
            change(&mut standing);
            standing.rules().all
        };
        let within = self.bounds.act;
        let set = tokio::time::timeout(within, self.network.set(&rules)).await;
        self.standing().set();
        match set {
            Ok(set) => set.err().map(|error| error.to_string()).into_iter().collect(),
            Err(_) => vec![format!("the links did not change within {within:?}")],
        }
    }

    /// The same to all nodes at once; the problem of each, if there was one.
    async fn on_each(&self, nodes: &[NodeId], deed: &Deed) -> Vec<(NodeId, Option<String>)> {
        let mut deeds = JoinSet::new();
        for &node in nodes {
            let client = self.clients().iter().find(|host| host.node().id == node);
            let Some(host) = client.or_else(|| self.cluster.host(node)).cloned() else { continue };
            let (cluster, target) = (self.cluster.clone(), self.target.clone());
            let (deed, within) = (deed.clone(), self.bounds.act);
            let places = self.places.clone().filter(|_| node.is_client());
            deeds.spawn(async move {
                let done = async {
                    match places {
                        Some(places) => deed.on_client(&*places, &*host).await,
                        None => deed.on_node(&cluster, &*target, &*host).await,
                    }
                };
                let problem = match tokio::time::timeout(within, done).await {
                    Ok(done) => done.err(),
                    Err(_) => Some(format!("{node}: nothing happened within {within:?}")),
                };
                (node, problem)
            });
        }
        let mut done = deeds.join_all().await;
        done.sort();
        done
    }

    /// Whatever became of the single faults: no rule, no paused process, no node down. Those that
    /// were still open end here.
    pub(crate) async fn heal_everything(&self) {
        let _turn = self.turn.lock().await;
        let open = self.standing().open();
        for fault in &open {
            self.standing().lift(*fault);
        }
        let rules = LinkRules::default();
        let set = tokio::time::timeout(self.bounds.act, self.network.set(&rules)).await;
        let mut problems = match set {
            Ok(Ok(())) => Vec::new(),
            Ok(Err(error)) => vec![error.to_string()],
            Err(_) => vec![format!("the links were not healed within {:?}", self.bounds.act)],
        };
        self.standing().set();
        for fault in &open {
            problems.extend(self.release(*fault).await);
        }
        let left = self.standing().down();
        problems.extend(self.bring_up(&left, Deed::Revive).await);
        let unsettled = self.standing().unsettled();
        for act in unsettled {
            let settled = self.settle(&act).await;
            problems.extend((!settled.seen).then(|| format!("{act}: {}", settled.text)));
        }
        let healed = problems.is_empty();
        for problem in problems {
            self.note(format!("Healing: {problem}."));
        }
        for fault in open {
            self.standing().end(fault);
            self.record(FaultMark::Stop { fault });
            let text = if healed { "healed at the end of the run alone" } else { "never healed" };
            let evidence = evidence(healed, text);
            self.record(FaultMark::Probe { fault, phase: Phase::Gone, evidence });
        }
    }
}

fn problems(done: Vec<(NodeId, Option<String>)>) -> Vec<String> {
    done.into_iter().filter_map(|(_, problem)| problem).collect()
}
