//! `schism run`: conducts plans, one after another, and judges what was seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use schism_checkers::{Budget, Question};
use schism_lab::local::{self, Ended};
use schism_lab::ssh::Access;
use schism_nemesis::Schedule;
use schism_targets::{Cluster, TARGETS, Target, Unwell};
use schism_workloads::{WORKLOADS, Workload};
use tokio_util::sync::CancellationToken;

use crate::arguments::RunArguments;
use crate::controller::{self, Conduct, Stage};
use crate::plan::{self, LabPlan, Plan};
use crate::sabotage::Sabotage;
use crate::store::{RunFolder, RunRecord, UnwellRecord, VerdictRecord};
use crate::streams::stream;
use crate::{judge, machine, report};

use super::stand::{Stand, Wanted, find_hosts};
use super::{print_verdict, say, shown, tell_diagrams, warn};

/// How long what is left of a lab and a runtime may take to go down. The kernel removes the rest.
const TEAR_DOWN_WITHIN: Duration = Duration::from_secs(1);

/// The controller ends with this code when it was told a second time to end: nothing is judged.
const GIVEN_UP: i32 = 125;

/// A run that is about to begin: everything was checked, its folder is there.
struct Prepared {
    plan: Plan,
    /// The hosts, where the plan's lab is behind SSH.
    hosts: Vec<Access>,
    schedule: Schedule,
    folder: RunFolder,
    record: RunRecord,
    sabotage: Option<Sabotage>,
    quiet: bool,
    json: bool,
    began: Instant,
}

/// Runs every plan, and returns the exit code of the worst.
///
/// All plans are read and checked before the first begins.
pub fn run(arguments: &RunArguments) -> i32 {
    let mut plans = Vec::new();
    for path in &arguments.plans {
        let read = plan::read(path, &arguments.overrides()).map_err(|error| error.to_string());
        let with_hosts = read.and_then(|plan| {
            let hosts = find_hosts(&plan);
            let hosts = hosts.map_err(|problem| format!("{}: {problem}", path.display()))?;
            Ok((plan, hosts))
        });
        match with_hosts {
            Ok(plan) => plans.push(plan),
            Err(error) => {
                warn(&error);
                return judge::BAD_USAGE;
            }
        }
    }
    let mut codes = Vec::new();
    for (plan, hosts) in plans {
        let (code, interrupted) = run_one(plan, hosts, arguments);
        codes.push(code);
        if interrupted {
            break;
        }
    }
    judge::worst_exit(codes.into_iter())
}

/// Runs one plan. Also says whether somebody interrupted it, and with it those that come after.
fn run_one(plan: Plan, hosts: Vec<Access>, arguments: &RunArguments) -> (i32, bool) {
    let json = arguments.json;
    let prepared = match prepare(plan, hosts, arguments) {
        Ok(prepared) => prepared,
        Err(error) => return (not_carried_out(&error, json), false),
    };
    let folder = prepared.folder.clone();
    let code = supervise(prepared);
    // The controller is another process: what it knew stands in its record.
    let record = folder.read_json::<RunRecord>("run.json");
    (code, code == GIVEN_UP || record.is_ok_and(|record| record.interrupted))
}

fn supervise(prepared: Prepared) -> i32 {
    let folder = prepared.folder.clone();
    let json = prepared.json;
    match prepared.plan.lab {
        // Nothing of these stands on this machine: there is nothing to found.
        LabPlan::None | LabPlan::Ssh { .. } => child(prepared),
        LabPlan::Local { .. } => match local::supervise(move || child(prepared)) {
            Ok(Ended::Exit(GIVEN_UP)) => judge::NOT_CARRIED_OUT,
            Ok(Ended::Exit(code)) => code,
            Ok(Ended::Signal(signal)) => {
                warn(&format!(
                    "The controller was killed by signal {signal}; judging what it recorded."
                ));
                judge_torn(&folder, json)
            }
            Err(refused) => {
                folder.remove();
                not_carried_out(&anyhow::anyhow!("{refused}; `schism doctor` says more"), json)
            }
        },
    }
}

fn not_carried_out(error: &anyhow::Error, json: bool) -> i32 {
    let code = judge::NOT_CARRIED_OUT;
    if json {
        let error = format!("{error:#}");
        say(&serde_json::json!({ "version": 1, "exit": code, "error": error }).to_string());
    }
    warn(&format!("The run could not be carried out: {error:#}"));
    code
}

fn prepare(plan: Plan, hosts: Vec<Access>, arguments: &RunArguments) -> anyhow::Result<Prepared> {
    let began = Instant::now();
    let mut rng = stream(plan.seed, "schedule");
    let schedule = Schedule::expand(&plan.faults, plan.load.duration, &mut rng);
    let target = construct_target(&plan)?;
    target.provide().map_err(|problem| anyhow::anyhow!(problem))?;
    let started = jiff::Timestamp::now();
    let stamp = started.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    let record = describe(&plan, hosts.len(), &*target, started, arguments.sabotage);
    let folder = RunFolder::create(&arguments.runs, &plan.name, &stamp)?;
    let write = || -> Result<(), crate::store::StoreError> {
        folder.write("plan.yaml", plan.text.as_bytes())?;
        folder.write_json("schedule.json", &schedule)?;
        folder.write_json("run.json", &record)
    };
    if let Err(error) = write() {
        folder.remove();
        return Err(error.into());
    }
    let (sabotage, quiet, json) = (arguments.sabotage, arguments.quiet, arguments.json);
    Ok(Prepared { plan, hosts, schedule, folder, record, sabotage, quiet, json, began })
}

fn describe(
    plan: &Plan,
    hosts: usize,
    target: &dyn Target,
    started: jiff::Timestamp,
    sabotage: Option<Sabotage>,
) -> RunRecord {
    let (nodes, lab) = match plan.lab {
        LabPlan::Local { nodes, ssh, .. } => {
            let over = if ssh { ", over SSH" } else { "" };
            (usize::from(nodes), format!("local, {nodes} nodes{over}"))
        }
        LabPlan::Ssh { .. } => (hosts, format!("SSH, {hosts} nodes")),
        LabPlan::None => (0, "none".to_owned()),
    };
    RunRecord {
        version: 1,
        name: plan.name.clone(),
        seed: plan.seed,
        target: target.describe(),
        configuration: target.configuration(),
        workload: plan.workload.name.clone(),
        lab,
        nodes: (1..=nodes).map(|number| format!("n{number}")).collect(),
        started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        load_started: None,
        load_s: plan.load.duration.as_secs_f64(),
        loaded_s: None,
        clients: plan.load.clients,
        rate: plan.load.rate.map(|rate| rate.per_second),
        timeout_s: plan.load.timeout.as_secs_f64(),
        wall_s: None,
        schism: env!("CARGO_PKG_VERSION").into(),
        machine: machine::describe(),
        lateness_ms: Vec::new(),
        sabotage: sabotage.map(|sabotage| format!("{sabotage:?}")),
        interrupted: false,
        notes: Vec::new(),
        unwell: Vec::new(),
        lost: Vec::new(),
        dirty: Vec::new(),
    }
}

fn construct_target(plan: &Plan) -> anyhow::Result<Arc<dyn Target>> {
    let entry = TARGETS.iter().find(|entry| entry.name == plan.target.name);
    let entry = entry.context("a plan names a target of the table")?;
    Ok((entry.construct)(&plan.target.options)?)
}

fn construct_workload(plan: &Plan) -> anyhow::Result<Arc<dyn Workload>> {
    let entry = WORKLOADS.iter().find(|entry| entry.name == plan.workload.name);
    let entry = entry.context("a plan names a workload of the table")?;
    Ok(Arc::from((entry.construct)(&plan.workload.options)?))
}

/// What happens inside the namespaces: the run, its judgement, its report.
fn child(mut prepared: Prepared) -> i32 {
    let json = prepared.json;
    let interrupt = CancellationToken::new();
    watch_signals(interrupt.clone(), prepared.folder.clone());
    let conducted = conduct(&mut prepared, &interrupt);
    // The nodes' data served its purpose; their logs stay.
    let _ = std::fs::remove_dir_all(prepared.folder.join("data"));
    // From here on there is nothing to heal.
    interrupt.cancel();
    let conduct = match conducted {
        Ok(conduct) => conduct,
        Err(error) => {
            let code = not_carried_out(&error, json);
            if !prepared.folder.join("history.jsonl").exists() {
                // What the nodes logged may tell why; what a run never recorded tells nothing.
                let nodes = prepared.folder.join("nodes");
                warn(&format!("Logs of the nodes: {}", shown(&nodes)));
            }
            return code;
        }
    };
    match conclude(prepared, &conduct) {
        Ok(code) => code,
        Err(error) => not_carried_out(&error, json),
    }
}

fn conduct(prepared: &mut Prepared, interrupt: &CancellationToken) -> anyhow::Result<Conduct> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let conducted = runtime.block_on(conduct_in_lab(prepared, interrupt.clone()));
    runtime.shutdown_timeout(TEAR_DOWN_WITHIN);
    conducted
}

async fn conduct_in_lab(
    prepared: &mut Prepared,
    interrupt: CancellationToken,
) -> anyhow::Result<Conduct> {
    let plan = &prepared.plan;
    let wanted = Wanted {
        plan: &plan.lab,
        clients: plan.load.places(),
        bounds: plan.bounds,
        hosts: &prepared.hosts,
        data: prepared.folder.join("data"),
        logs: prepared.folder.join("nodes"),
        seed: plan.seed,
        quiet: prepared.quiet,
    };
    let stand = Stand::up(wanted).await?;
    prepared.record.lab = stand.describe();
    let conducted = conduct_on(&stand, prepared, interrupt).await;
    let left = stand.down().await;
    let mut conduct = conducted.map_err(|error| match left.dirty.as_slice() {
        [] => error,
        dirty => error.context(format!("node left dirty: {}", dirty.join("; "))),
    })?;
    conduct.notes.extend(left.notes.into_iter().map(|note| format!("{note}.")));
    let dirty = |dirty: &String| format!("Node left dirty: {dirty}");
    conduct.notes.extend(left.dirty.iter().map(dirty));
    conduct.notes.extend(left.lost.iter().map(|lost| format!("{lost}.")));
    conduct.lost = left.lost;
    conduct.dirty = left.dirty;
    Ok(conduct)
}

async fn conduct_on(
    stand: &Stand,
    prepared: &mut Prepared,
    interrupt: CancellationToken,
) -> anyhow::Result<Conduct> {
    let plan = &prepared.plan;
    let cuts = |fault: &schism_nemesis::FaultSpec| fault.names().contains(&"partition");
    if plan.faults.iter().any(cuts)
        && let Some(problem) = stand.cannot_cut()
    {
        anyhow::bail!("the plan partitions, and links cannot be cut: {problem}");
    }
    let delays = |fault: &schism_nemesis::FaultSpec| fault.names().contains(&"delay");
    if plan.faults.iter().any(delays)
        && let Some(problem) = stand.cannot_delay().await
    {
        anyhow::bail!("the plan slows links down, which cannot be done: {problem}");
    }
    // Only now there is a run: one that was refused must not hide the last that was not.
    prepared.folder.link_latest()?;
    let (workload, target) = (construct_workload(plan)?, construct_target(plan)?);
    let stage = Stage {
        plan: plan.clone(),
        folder: prepared.folder.clone(),
        schedule: prepared.schedule.clone(),
        target: target.clone(),
        cluster: Cluster { hosts: stand.hosts() },
        clients: stand.clients(),
        network: stand.network(),
        question: question(plan, &*workload),
        workload,
        sabotage: prepared.sabotage,
        quiet: prepared.quiet,
        interrupt,
    };
    let conducted = controller::conduct(stage).await;
    // By now a target knows which version of its system answered.
    prepared.record.target = target.describe();
    prepared.record.configuration = target.configuration();
    conducted
}

/// The first Ctrl-C heals and judges; one more, or one while the history is judged, ends everything
/// at once. It listens from a thread of its own, since the run's runtime ends before the judging.
fn watch_signals(interrupt: CancellationToken, folder: RunFolder) {
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupts), Ok(mut terminations)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terminations.recv() => {}
                }
                if interrupt.is_cancelled() {
                    break;
                }
                warn("\nInterrupted: healing, then judging what there is. Once more to give up.");
                interrupt.cancel();
            }
            let run = shown(folder.path());
            warn(&format!("\nGiven up. `schism check {run}` judges what was recorded."));
            std::process::exit(GIVEN_UP);
        });
    };
    // Without the thread, Ctrl-C ends the controller at once, and the outer supervisor judges.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(listen);
}

fn question(plan: &Plan, workload: &dyn Workload) -> Question {
    let mut question = Question::new(plan.subject(), plan.claims.clone());
    question.initial = workload.initial();
    question.evidence_min = judge::EVIDENCE_MIN;
    question.rate = plan.load.rate.map(|rate| rate.per_second);
    question
}

/// Judges the run, writes verdict and report, prints the table, and returns the exit code.
///
/// A verdict that cannot be stored is shown all the same.
fn conclude(prepared: Prepared, conduct: &Conduct) -> anyhow::Result<i32> {
    let Prepared { plan, folder, mut record, .. } = prepared;
    record.lateness_ms =
        conduct.lateness.iter().map(|(second, late)| (*second, late.as_secs_f64() * 1e3)).collect();
    record.load_started = conduct.load_started.map(|time| time.to_string());
    record.loaded_s = conduct.load_started.map(|_| conduct.load_s);
    record.notes.clone_from(&conduct.notes);
    record.unwell = conduct.unwell.iter().map(unwell).collect();
    record.lost.clone_from(&conduct.lost);
    record.dirty.clone_from(&conduct.dirty);
    record.interrupted = conduct.interrupted;
    record.wall_s = Some(prepared.began.elapsed().as_secs_f64());
    let mut stored = folder.write_json("run.json", &record);
    let verdict = if let Some(finding) = &conduct.preflight {
        judge::preflight_failed(&plan.claims, finding, &record)
    } else {
        let workload = construct_workload(&plan)?;
        let question = question(&plan, &*workload);
        judge::judge_folder(&folder, &question, &Budget::default())?
    };
    stored = stored.and(folder.write_json("verdict.json", &verdict));
    let mut remarks = Vec::new();
    remarks.extend((conduct.operations > 0).then(|| recorded(conduct)));
    remarks.extend(record.notes.iter().map(|note| format!("Note: {note}")));
    let code = show(&folder, &verdict, &remarks, prepared.json);
    if let Err(error) = stored {
        warn(&format!("The verdict could not be stored: {error}"));
    }
    Ok(code)
}

fn unwell(told: &Unwell) -> UnwellRecord {
    let Unwell { what, node, log } = told.clone();
    UnwellRecord { what, node: node.map(|node| node.to_string()), log }
}

/// How much was recorded, how fast, and what that took.
fn recorded(conduct: &Conduct) -> String {
    let Conduct { operations, load_s, peak_memory_bytes, .. } = *conduct;
    format!(
        "Load: {} operations recorded in {load_s:.1} s ({} a second), at most {} MB held.",
        judge::grouped(operations as usize),
        judge::grouped((operations as f64 / load_s.max(1e-3)) as usize),
        peak_memory_bytes / 1_000_000,
    )
}

fn show(folder: &RunFolder, verdict: &VerdictRecord, remarks: &[String], json: bool) -> i32 {
    // A report that cannot be drawn must not hide the verdict.
    let drawn = report::redraw(folder.path());
    let diagrams = drawn.as_deref().unwrap_or_default();
    let remarks = [remarks, &tell_diagrams(diagrams)].concat();
    print_verdict(Some(folder.path()), verdict, &remarks, json.then_some(diagrams));
    if let Err(error) = drawn {
        warn(&format!("The report could not be drawn: {error:#}"));
    }
    verdict.exit
}

/// After the controller was killed: the outer supervisor judges the part that was written.
fn judge_torn(folder: &RunFolder, json: bool) -> i32 {
    match try_judge_torn(folder, json) {
        // What a killed run does not violate it does not uphold either.
        Ok(code) if code == judge::VIOLATED => code,
        Ok(_) => judge::NOT_CARRIED_OUT,
        Err(error) => not_carried_out(&error, json),
    }
}

fn try_judge_torn(folder: &RunFolder, json: bool) -> anyhow::Result<i32> {
    let plan =
        plan::read(&folder.join("plan.yaml"), &[]).map_err(|error| anyhow::anyhow!("{error}"))?;
    let workload = construct_workload(&plan)?;
    let question = question(&plan, &*workload);
    let mut verdict = judge::judge_folder(folder, &question, &Budget::default())?;
    verdict.torn = true;
    folder.write_json("verdict.json", &verdict)?;
    let _ = std::fs::remove_dir_all(folder.join("data"));
    Ok(show(folder, &verdict, &[], json))
}
