//! The controller: conducts one run, from the first node that starts to the last final read.
//!
//! Plan → lab up → target up → preflight → load, faults, scrapes → heal → quiesce → final reads.
//! What was seen is then in `history.jsonl`; judging it is [`crate::judge`]'s.

mod arrivals;
mod canary;
mod client;
mod clock;
mod places;
mod prefix;
mod preflight;
mod progress;
mod recorder;
mod scrape;
mod source;
mod unwell;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use schism_checkers::Question;
use schism_history::{FaultMark, Kind, Process, Time};
use schism_lab::{Effect, Host, Network, NodeId};
use schism_nemesis::{ClientPlaces, Ear, FaultSpec, Nemesis, Schedule};
use schism_targets::{Cluster, Complaint, Target, Unwell};
use schism_workloads::generator::Limit;
use schism_workloads::{Generator, Workload};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use self::arrivals::{Arrivals, Shedder};
use self::client::{Load, Worker};
use self::clock::Clock;
use self::places::Places;
use self::prefix::Prefix;
use self::progress::Progress;
use self::recorder::{Observer, Pen, Recorder};
use self::source::Source;
use self::unwell::Hearing;
use crate::machine;
use crate::plan::{self, ClientHost, Plan, Stop};
use crate::sabotage::Sabotage;
use crate::store::RunFolder;
use crate::streams::stream;

/// How long the end of what was held for the whole run may take on a node.
const PUT_AWAY_WITHIN: Duration = Duration::from_secs(15);

/// What a run needs besides its plan.
pub struct Stage {
    /// The plan.
    pub plan: Plan,
    /// Where everything is written.
    pub folder: RunFolder,
    /// The faults, expanded.
    pub schedule: Schedule,
    /// The system.
    pub target: Arc<dyn Target>,
    /// Its nodes.
    pub cluster: Cluster,
    /// The places of clients that are processes of their own; empty where the controller asks.
    pub clients: Vec<Arc<dyn Host>>,
    /// The links between them all; `None` without a lab.
    pub network: Option<Arc<dyn Network>>,
    /// What is asked.
    pub workload: Arc<dyn Workload>,
    /// What will be asked about the history.
    pub question: Question,
    /// How the run is cheated, if it is.
    pub sabotage: Option<Sabotage>,
    /// Whether to say nothing while the run goes on.
    pub quiet: bool,
    /// Given by Ctrl-C: heal, stop, judge what there is.
    pub interrupt: CancellationToken,
}

/// How a run went, besides its history.
#[derive(Debug, Default)]
pub struct Conduct {
    /// Why no load was put on the system: the preflight's finding.
    pub preflight: Option<String>,
    /// How late the controller ran: worst of each second of the load.
    pub lateness: Vec<(u64, Duration)>,
    /// When the load began, on the wall clock: for the logs of nodes, never for the history.
    pub load_started: Option<jiff::Timestamp>,
    /// How long the load ran, in seconds.
    pub load_s: f64,
    /// How many operations came back while it ran, those that were shed left out.
    pub operations: u64,
    /// The most memory that the controller had held by the end of the load, in bytes.
    pub peak_memory_bytes: u64,
    /// Whether somebody ended the run before its time.
    pub interrupted: bool,
    /// What the reader of the report should know.
    pub notes: Vec<String>,
    /// The nodes that refused to start on damaged files, and are down for good.
    pub down: Vec<NodeId>,
    /// What was not well with the system when the load was over, as its nodes told.
    pub unwell: Vec<Unwell>,
    /// Agents that were lost on the way.
    pub lost: Vec<String>,
    /// What was left on nodes, each with its node and the command that cleans it.
    pub dirty: Vec<String>,
}

/// Conducts a run. An error means that it could not be carried out.
pub async fn conduct(stage: Stage) -> anyhow::Result<Conduct> {
    let (cluster, prepared) = (stage.cluster.clone(), prepared(&stage));
    let conducted = conduct_held(stage).await;
    // However it went: a disk layer that is left would keep the folder below it from being removed.
    let problems = put_away(&cluster, &prepared).await;
    let mut conduct = conducted.map_err(|error| match problems.as_slice() {
        [] => error,
        problems => error.context(problems.join(" ")),
    })?;
    conduct.notes.extend(problems);
    Ok(conduct)
}

/// The run, while its nodes hold what its faults need.
async fn conduct_held(stage: Stage) -> anyhow::Result<Conduct> {
    bring_up(&stage).await?;
    let places = start_clients(&stage).await?;
    let threads = stage.plan.load.clients;
    let seed = stage.plan.seed;
    let sabotage = stage.sabotage;
    let load = Arc::new(Load {
        target: sabotage
            .map_or_else(|| stage.target.clone(), |sabotage| sabotage.target(stage.target.clone())),
        cluster: stage.cluster.clone(),
        source: Source::new(operations(&stage), stream(seed, "operations"), threads),
        timeout: stage.plan.load.timeout,
        stride: threads + 1,
        run: jiff::Timestamp::now().as_nanosecond() as u64,
        places,
        sabotage,
    });
    if let Err(finding) = preflight::check(&load, &stage.workload).await {
        let mut conduct = Conduct { preflight: Some(finding.words), ..Conduct::default() };
        let complaint = Complaint { fatal: finding.fatal, ..Complaint::default() };
        unwell::ask(&stage, complaint, &mut conduct).await;
        return Ok(conduct);
    }
    Run::start(stage, load)?.conduct().await
}

/// What the clients are to ask during the load.
fn operations(stage: &Stage) -> Box<dyn Generator> {
    let all = stage.workload.load();
    match stage.plan.load.operations {
        Some(count) => Box::new(Limit::operations(all, count)),
        None => all,
    }
}

/// What the plan's faults need to be held on every node, each once.
fn prepared(stage: &Stage) -> Vec<Effect> {
    let mut prepared: Vec<Effect> = Vec::new();
    for effect in stage.plan.faults.iter().flat_map(FaultSpec::prepares) {
        if !prepared.contains(&effect) {
            prepared.push(effect);
        }
    }
    prepared
}

/// Ends what was held for the whole run; says where that failed. Nothing may run on the nodes by
/// then: it would meet a disk that is gone.
async fn put_away(cluster: &Cluster, prepared: &[Effect]) -> Vec<String> {
    let mut ends = JoinSet::new();
    if prepared.is_empty() {
        return Vec::new();
    }
    for host in cluster.hosts.clone() {
        let prepared = prepared.to_vec();
        ends.spawn(async move {
            let end = async {
                host.kill_all().await?;
                for effect in &prepared {
                    host.release(effect.kind()).await?;
                }
                Ok::<(), schism_lab::HostError>(())
            };
            let Ok(ended) = tokio::time::timeout(PUT_AWAY_WITHIN, end).await else {
                let node = host.node().id;
                return Some(format!(
                    "After the run: {node} did not end within {PUT_AWAY_WITHIN:?}."
                ));
            };
            ended.err().map(|error| format!("After the run: {error}."))
        });
    }
    ends.join_all().await.into_iter().flatten().collect()
}

async fn bring_up(stage: &Stage) -> anyhow::Result<()> {
    let Stage { target, cluster, .. } = stage;
    let prepared = prepared(stage);
    let mut starts = JoinSet::new();
    for node in cluster.nodes() {
        let (target, cluster, node) = (target.clone(), cluster.clone(), node.clone());
        let prepared = prepared.clone();
        starts.spawn(async move {
            if let Some(host) = cluster.host(node.id) {
                for effect in &prepared {
                    host.hold(effect.kind(), effect).await?;
                }
            }
            target.install(&cluster, &node).await?;
            target.start(&cluster, &node).await
        });
    }
    let within = stage.plan.bounds.form;
    let all = async {
        while let Some(started) = starts.join_next().await {
            started.context("a start broke off")??;
        }
        anyhow::Ok(())
    };
    let started = tokio::time::timeout(within, all).await;
    started.with_context(|| format!("not all nodes were started within {within:?}"))??;
    let formed = tokio::time::timeout(within, target.form(cluster)).await;
    formed.with_context(|| format!("the cluster was not formed within {within:?}"))??;
    target.ready(cluster, within).await?;
    Ok(())
}

/// Starts the clients that are processes; `None` where there are none.
async fn start_clients(stage: &Stage) -> anyhow::Result<Option<Arc<Places>>> {
    let ClientHost::Process { command } = &stage.plan.load.host else { return Ok(None) };
    let Stage { clients, plan, cluster, .. } = stage;
    let places = Places::new(clients.clone(), command.as_deref(), &plan.target, cluster);
    places.start_all().await.map_err(anyhow::Error::msg)?;
    Ok(Some(Arc::new(places)))
}

/// A run whose recorder is open.
struct Run {
    stage: Stage,
    load: Arc<Load>,
    clock: Clock,
    pen: Pen,
    recording: recorder::Recording,
    prefix: Prefix,
    progress: Progress,
    hearing: Hearing,
    ear: Ear,
}

impl Run {
    fn start(stage: Stage, load: Arc<Load>) -> anyhow::Result<Self> {
        let (prefix, progress, ear) = (Prefix::default(), Progress::default(), Ear::default());
        let hearing = Hearing::default();
        let mut observers: Vec<Box<dyn Observer>> = vec![
            Box::new(load.source.clone()),
            Box::new(progress.clone()),
            Box::new(hearing.clone()),
        ];
        if stage.plan.stop == Stop::FirstViolation {
            observers.push(Box::new(prefix.clone()));
        }
        // Only scenarios wait for operations, and only clients with places of their own can be told
        // apart by what they hold.
        let waits = stage.plan.faults.iter().any(|fault| fault.names().contains(&"scenario"));
        if waits || load.places.is_some() {
            observers.push(Box::new(ear.clone()));
        }
        let clock = Clock::start();
        let path = stage.folder.join("history.jsonl");
        let (recording, pen) = Recorder::start(&path, clock, observers)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(Self { stage, load, clock, pen, recording, prefix, progress, hearing, ear })
    }

    async fn conduct(self) -> anyhow::Result<Conduct> {
        let load_started =
            Some(jiff::Timestamp::now() - jiff::SignedDuration::try_from(self.clock.elapsed())?);
        let mut conduct = Conduct { load_started, ..Conduct::default() };
        let watchers = CancellationToken::new();
        let scrapes = tokio::spawn(scrape::scrape(
            self.stage.target.clone(),
            self.stage.cluster.clone(),
            self.clock,
            self.stage.folder.join("metrics.jsonl"),
            watchers.child_token(),
        ));
        let workers = self.put_under_load(&mut conduct).await?;
        self.quiesce(&mut conduct).await;
        // The members of groups are still there: it is final reads that make them choose for themselves.
        unwell::ask(&self.stage, self.hearing.complaint(), &mut conduct).await;
        self.pen.record(Process::NEMESIS, Kind::Fault(FaultMark::Healed));
        self.read_finally(workers, &mut conduct).await;
        // Whoever interrupts now has waited for the reads, but wants no plan after this one.
        conduct.interrupted |= self.stage.interrupt.is_cancelled();
        watchers.cancel();
        if let Ok(Some(problem)) = scrapes.await {
            conduct.notes.push(format!("Metrics could not be stored: {problem}."));
        }
        if let Some(places) = &self.load.places {
            conduct.notes.extend(places.take_notes());
        }
        let Self { pen, recording, load, .. } = self;
        drop((pen, load));
        let written = tokio::task::spawn_blocking(move || recording.finish()).await;
        written.context("the recorder broke off")?.map_err(anyhow::Error::msg)?;
        Ok(conduct)
    }

    /// Load, faults and watchers together, until the time is over or something ends the run.
    async fn put_under_load(&self, conduct: &mut Conduct) -> anyhow::Result<Vec<Worker>> {
        let plan = &self.stage.plan;
        let stop = self.stage.interrupt.child_token();
        let watchers = CancellationToken::new();
        let canary = tokio::spawn(canary::watch(self.clock, watchers.child_token()));
        let shown = self.progress.clone().show(
            self.clock,
            plan.load.duration,
            self.stage.quiet,
            watchers.child_token(),
        );
        let shown = tokio::spawn(shown);
        let found = stop.clone();
        let prefix = (plan.stop == Stop::FirstViolation).then(|| {
            let question = self.stage.question.clone();
            tokio::spawn(self.prefix.clone().watch(question, found, watchers.child_token()))
        });
        let nemesis = self.nemesis().map(|nemesis| tokio::spawn(nemesis.run(stop.child_token())));
        let (arrivals, pacer) = self.start_arrivals(&stop).unzip();
        let (workers, ran) = self.wait(self.start_workers(arrivals.as_ref(), &stop), &stop).await?;
        conduct.load_s = ran.as_secs_f64();
        conduct.operations = workers.iter().map(Worker::completed).sum();
        conduct.peak_memory_bytes = machine::peak_memory_bytes();
        if let (Some(arrivals), Some(pacer)) = (arrivals, pacer) {
            arrivals.shed_the_rest(pacer.await.context("the pacer broke off")?).await;
        }
        anyhow::ensure!(!self.load.source.is_broken(), "the workload's generator panicked");
        if let Some(nemesis) = nemesis {
            let healing = nemesis.await.context("the nemesis broke off")?;
            conduct.down = healing.down().to_vec();
            conduct.notes.extend(healing.notes());
        }
        watchers.cancel();
        conduct.lateness = canary.await.unwrap_or_default();
        let _ = shown.await;
        if let Some(prefix) = prefix {
            let claim = prefix.await.unwrap_or_default();
            conduct.notes.extend(claim.map(|claim| {
                let ended = format!("Ended after {:.1} s, at the first violation", conduct.load_s);
                format!("{ended}, which was of {claim}.")
            }));
        }
        if self.stage.interrupt.is_cancelled() {
            conduct.interrupted = true;
            conduct.notes.push(format!("Interrupted after {:.1} s of load.", conduct.load_s));
        }
        Ok(workers)
    }

    fn nemesis(&self) -> Option<Nemesis> {
        let Stage { schedule, target, cluster, network, sabotage, .. } = &self.stage;
        let network = network.clone().filter(|_| !schedule.entries.is_empty())?;
        let (cluster, network) = match sabotage {
            Some(sabotage) => (sabotage.hosts(cluster), sabotage.network(network)),
            None => (cluster.clone(), network),
        };
        let recorder = Arc::new(self.pen.clone());
        let nemesis = Nemesis::new(cluster, target.clone(), network, schedule.clone(), recorder);
        let plan::Bounds { act, back, settle, .. } = self.stage.plan.bounds;
        let bounds = schism_nemesis::Bounds { act, back, settle };
        let nemesis = nemesis.hearing(self.ear.clone()).within(bounds);
        let Some(places) = self.load.places.clone() else { return Some(nemesis) };
        let places: Arc<dyn ClientPlaces> = places;
        Some(nemesis.reaching(match sabotage {
            Some(sabotage) => sabotage.places(places),
            None => places,
        }))
    }

    /// The queue of an open loop, and the task that fills it.
    fn start_arrivals(
        &self,
        stop: &CancellationToken,
    ) -> Option<(Arc<Arrivals>, JoinHandle<Shedder>)> {
        let plan = &self.stage.plan;
        let rate = plan.load.rate?;
        let mut rng = stream(plan.seed, "arrivals");
        let times = schism_workloads::arrivals(rate, plan.load.duration, &mut rng);
        // Half of what can arrive while one operation waits for its time-out.
        let room = rate.per_second * plan.load.timeout.as_secs_f64() / 2.0;
        let (arrivals, queue) = Arrivals::new((room as usize).max(plan.load.clients as usize));
        let shedder = Shedder::new(self.load.clone(), self.pen.clone());
        let pacer = tokio::spawn(arrivals::pace(times, queue, shedder, stop.child_token()));
        Some((arrivals, pacer))
    }

    fn start_workers(
        &self,
        arrivals: Option<&Arc<Arrivals>>,
        stop: &CancellationToken,
    ) -> JoinSet<Worker> {
        let mut workers = JoinSet::new();
        for thread in 0..self.stage.plan.load.clients {
            let worker = Worker::new(self.load.clone(), self.pen.clone(), thread);
            workers.spawn(worker.work(arrivals.cloned(), stop.child_token()));
        }
        workers
    }

    /// Waits until the load's time is over, every operation is done, or `stop` is given; then for
    /// the operations that are under way. Also says how long the load ran, without those.
    async fn wait(
        &self,
        mut workers: JoinSet<Worker>,
        stop: &CancellationToken,
    ) -> anyhow::Result<(Vec<Worker>, Duration)> {
        let end = self.clock.instant(Time::from(self.stage.plan.load.duration));
        let mut look = tokio::time::interval(Duration::from_millis(50));
        let mut back = Vec::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => break,
                () = stop.cancelled() => break,
                _ = look.tick() => {}
                worker = workers.join_next() => match worker {
                    Some(worker) => back.push(worker.context("a client broke off")?),
                    None => break,
                },
            }
            if let Some(problem) = self.recording.recorder().failure() {
                stop.cancel();
                anyhow::bail!(problem);
            }
        }
        let ran = self.clock.elapsed();
        stop.cancel();
        while let Some(worker) = workers.join_next().await {
            back.push(worker.context("a client broke off")?);
        }
        Ok((back, ran))
    }

    async fn quiesce(&self, conduct: &mut Conduct) {
        let Stage { target, cluster, .. } = &self.stage;
        // Nobody waits for nodes that refused to start: the others are the cluster now.
        let up = cluster.hosts.iter().filter(|host| !conduct.down.contains(&host.node().id));
        let cluster = Cluster { hosts: up.cloned().collect() };
        if !conduct.down.is_empty() && cluster.hosts.is_empty() {
            return;
        }
        if let Err(error) = target.ready(&cluster, self.stage.plan.bounds.settle).await {
            conduct.notes.push(format!("After healing: {error}."));
        }
    }

    async fn read_finally(&self, workers: Vec<Worker>, conduct: &mut Conduct) {
        self.load.source.replace(self.stage.workload.final_reads());
        let stop = CancellationToken::new();
        let mut reads = JoinSet::new();
        for worker in workers {
            reads.spawn(worker.work(None, stop.child_token()));
        }
        let all = async { while reads.join_next().await.is_some() {} };
        // Keys that were not read by then are unknown.
        let within = self.stage.plan.bounds.final_reads;
        if tokio::time::timeout(within, all).await.is_err() {
            conduct.notes.push(format!("Final reads broken off after {within:?}."));
            stop.cancel();
            while reads.join_next().await.is_some() {}
        }
    }
}
