//! The hands of the nemesis: they alone touch nodes and links, one fault at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schism_history::{FaultId, FaultMark, Phase};
use schism_lab::{Host, LinkRules, Network, NodeId};
use schism_targets::{Cluster, Target};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::injector::Recorder;
use crate::probe::evidence;
use crate::probe::processes::{Before, Healed, ProcessProbe};
use crate::standing::{Standing, Tick};
use crate::{Injection, View};

/// How long the nodes are asked who leads, and how long one of them may take.
const LEADER_WITHIN: Duration = Duration::from_secs(1);
const ASK_WITHIN: Duration = Duration::from_millis(300);
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// No act upon a node takes longer; what does is given up and said.
const ACT_WITHIN: Duration = Duration::from_secs(8);
/// How long it takes at the most until a program that was started is inside its node.
const THERE_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What all faults of a run share.
pub(crate) struct Hands {
    cluster: Cluster,
    target: Arc<dyn Target>,
    network: Arc<dyn Network>,
    recorder: Arc<dyn Recorder>,
    processes: ProcessProbe,
    standing: Mutex<Standing>,
    notes: Mutex<Vec<String>>,
    /// Held while a fault is resolved and injected, or healed, so that each sees what those before
    /// it did.
    turn: tokio::sync::Mutex<()>,
}

/// The right to touch things.
pub(crate) type Turn<'a> = tokio::sync::MutexGuard<'a, ()>;

impl Hands {
    pub(crate) fn new(
        cluster: Cluster,
        target: Arc<dyn Target>,
        network: Arc<dyn Network>,
        recorder: Arc<dyn Recorder>,
    ) -> Self {
        let processes = ProcessProbe::new(cluster.clone(), target.clone());
        let (standing, notes) = (Mutex::default(), Mutex::default());
        let turn = tokio::sync::Mutex::default();
        Self { cluster, target, network, recorder, processes, standing, notes, turn }
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn processes(&self) -> &ProcessProbe {
        &self.processes
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

    /// A turn, and the cluster as it is then. Who leads is asked only where it matters, since asking
    /// takes time; others may have their turn meanwhile, so that no fault is made longer by it.
    pub(crate) async fn turn_with_view(&self, leader_matters: bool) -> (Turn<'_>, View) {
        let deadline = Instant::now() + LEADER_WITHIN;
        loop {
            let asked = if leader_matters {
                self.target.primaries(&self.cluster, ASK_WITHIN).await
            } else {
                Ok(Vec::new())
            };
            let turn = self.turn.lock().await;
            let down = self.standing().down();
            let hopeless = asked.is_err() || Instant::now() >= deadline;
            let mut primaries = asked.unwrap_or_default();
            // One that was struck while we asked leads no more.
            primaries.retain(|node| !down.contains(node));
            if !leader_matters || !primaries.is_empty() || hopeless {
                let nodes = self.cluster.nodes().map(|node| node.id).collect();
                return (turn, View { nodes, primaries, down });
            }
            drop(turn);
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Breaks what is to be broken.
    pub(crate) async fn strike(&self, _: &Turn<'_>, fault: FaultId, injection: &Injection) {
        self.standing().begin(fault, injection);
        let problems = match injection {
            Injection::Links { .. } => self.set_rules().await,
            Injection::Kill(victims) => problems(self.on_each(victims, Deed::Kill).await),
            Injection::Pause(victims) => problems(self.on_each(victims, Deed::Pause).await),
            Injection::Nothing { .. } => Vec::new(),
        };
        for problem in problems {
            self.note(format!("{fault}: {problem}."));
        }
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
        let (kill, deed) = match injection {
            Injection::Links { .. } => {
                self.standing().lift(fault);
                let problems = self.set_rules().await;
                return self.ended(fault, problems, Healed::new());
            }
            Injection::Nothing { .. } => return self.ended(fault, Vec::new(), Healed::new()),
            Injection::Kill(_) => (true, Deed::Start),
            Injection::Pause(_) => (false, Deed::Resume),
        };
        let left = self.standing().held_by(fault);
        let problems = self.bring_up(&left, deed).await;
        let healed = self.processes.healed(before, kill).await;
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

    /// Heals nodes, and holds those that are well no more to be down; the problems of the others.
    async fn bring_up(&self, nodes: &[NodeId], deed: Deed) -> Vec<String> {
        let done = self.on_each(nodes, deed).await;
        for (node, problem) in &done {
            if problem.is_none() {
                self.standing().is_up(*node);
            }
        }
        problems(done)
    }

    async fn set_rules(&self) -> Vec<String> {
        let rules = self.standing().rules().all;
        let set = self.network.set(&rules).await;
        self.standing().set();
        set.err().map(|error| error.to_string()).into_iter().collect()
    }

    /// The same to all nodes at once; the problem of each, if there was one.
    async fn on_each(&self, nodes: &[NodeId], deed: Deed) -> Vec<(NodeId, Option<String>)> {
        let mut deeds = JoinSet::new();
        for &node in nodes {
            let Some(host) = self.cluster.host(node).cloned() else { continue };
            let (cluster, target) = (self.cluster.clone(), self.target.clone());
            deeds.spawn(async move {
                let done = deed.on(&cluster, &*target, &*host);
                let problem = match tokio::time::timeout(ACT_WITHIN, done).await {
                    Ok(done) => done.err(),
                    Err(_) => Some(format!("{node}: nothing happened within {ACT_WITHIN:?}")),
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
        let mut problems = match self.network.set(&LinkRules::default()).await {
            Ok(()) => Vec::new(),
            Err(error) => vec![error.to_string()],
        };
        self.standing().set();
        let left = self.standing().down();
        problems.extend(self.bring_up(&left, Deed::Revive).await);
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

#[derive(Clone, Copy)]
enum Deed {
    Kill,
    Start,
    Pause,
    Resume,
    /// Whatever is needed: what is stopped goes on, and where nothing runs it is started.
    Revive,
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
            Deed::Start => start(cluster, target, host).await,
            Deed::Pause => host.pause_all().await.map_err(|error| error.to_string()),
            Deed::Resume => host.resume_all().await.map_err(|error| error.to_string()),
            Deed::Revive => {
                host.resume_all().await.map_err(|error| error.to_string())?;
                start(cluster, target, host).await
            }
        }
    }
}

/// Starts the target where nothing runs, and returns when something does: a fault that begins right
/// afterwards must find somebody.
async fn start(cluster: &Cluster, target: &dyn Target, host: &dyn Host) -> Result<(), String> {
    let node = host.node();
    let runs = async || match host.processes().await {
        Ok(processes) => Ok(!processes.is_empty()),
        Err(error) => Err(error.to_string()),
    };
    // An earlier try may have been given up too early.
    if runs().await? {
        return Ok(());
    }
    target.start(cluster, node).await.map_err(|error| error.to_string())?;
    let deadline = Instant::now() + THERE_WITHIN;
    while !runs().await? {
        if Instant::now() >= deadline {
            return Err(format!("{}: nothing runs there after its start", node.id));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
