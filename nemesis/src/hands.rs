//! The hands of the nemesis: they alone touch nodes and links, one fault at a time.

mod damage;
mod heal;
mod restart;
mod steps;
mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schism_history::{Evidence, FaultId, FaultMark};
use schism_lab::{Effect, Host, Network, NodeId};
use schism_targets::{Cluster, Target, Upkeep};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Ear;
use crate::deed::Deed;
use crate::injector::{Bounds, Recorder};
use crate::probe::effects::EffectProbe;
use crate::probe::evidence;
use crate::probe::processes::ProcessProbe;
use crate::standing::{Part, Standing};
use crate::{ClientPlaces, Injection};

pub(crate) use damage::{StepOf, Wounded};
pub(crate) use view::Matters;

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
        let effects = EffectProbe::new(cluster.clone(), places.clone(), target.clone());
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

    pub(crate) fn target(&self) -> &dyn Target {
        &*self.target
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
            Injection::Kill(victims) | Injection::Damage { victims, .. } => {
                // What becomes of files is drawn when nothing writes to them any more.
                begin(&mut self.standing());
                problems(self.on_each(victims, &Deed::Kill).await)
            }
            Injection::Pause(victims) => {
                begin(&mut self.standing());
                problems(self.on_each(victims, &Deed::Pause).await)
            }
            Injection::Hold { victims, effect } => {
                begin(&mut self.standing());
                let deed = Deed::Hold(Part::whole(fault).to_string(), effect.clone());
                problems(self.on_each(victims, &deed).await)
            }
            Injection::PowerLoss { victims, loss } => {
                begin(&mut self.standing());
                let mut problems = problems(self.on_each(victims, &Deed::Kill).await);
                // Nothing writes any more: now it is lost.
                let lose = Deed::Hold(Part::whole(fault).to_string(), Effect::Loss(*loss));
                problems
                    .extend(self.on_each(victims, &lose).await.into_iter().filter_map(|it| it.1));
                problems
            }
            Injection::Upkeep(_)
            | Injection::Scenario(_)
            | Injection::Restart(_)
            | Injection::Nothing { .. } => {
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
        let within = self.bounds.settle;
        let settled = self.target.settle(&self.cluster, act, within);
        match tokio::time::timeout(within * 2, settled).await {
            Ok(settled) => settled,
            Err(_) => evidence(false, format!("{act}: nothing was said in {:?}", within * 2)),
        }
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
}

fn problems(done: Vec<(NodeId, Option<String>)>) -> Vec<String> {
    done.into_iter().filter_map(|(_, problem)| problem).collect()
}
