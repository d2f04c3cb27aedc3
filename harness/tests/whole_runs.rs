//! Whole runs of the binary: it starts a real cluster, breaks it, and must neither be fooled nor
//! leave anything behind.
//!
//! Runs share two cores with everything else, so they go one at a time. Where this machine refuses
//! namespaces, each test is skipped in words.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "whole_runs/disks.rs"]
mod disks;
#[path = "whole_runs/left_behind.rs"]
mod left_behind;

/// No command of these tests takes longer, in seconds.
const LIMIT_S: &str = "120";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const PLAN: &str = "
name: short
seed: 3
lab: { local: { nodes: 5 } }
target: { reference: { protocol: raft } }
workload: { register: { keys: 4, mix: { read: 2, write: 1, cas: 1 } } }
load: { clients: 5, duration: 9s, rate: 150/s }
faults:
  - { at: 2s, for: 2s, partition: { isolate: leader } }
  - { at: 6s, for: 2s, FAULT }
claims:
  - linearizable
  - acknowledged-writes-survive
";

/// A place for a test's plan and runs, held while no other whole run goes on.
struct Place {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    /// `None`, said in words, where this machine refuses the lab.
    fn new(test: &str) -> Option<Self> {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let place = Self { folder, _turn: turn };
        let output = place.schism(&["doctor", "--json"]);
        let doctor: Value = serde_json::from_slice(&output.stdout).expect("doctor's JSON");
        if doctor["lab"] == Value::Bool(true) {
            return Some(place);
        }
        let reason = doctor["findings"].to_string();
        let _ = writeln!(std::io::stderr(), "skipped: {test}: no local lab here: {reason}");
        None
    }

    fn plan(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("short.yaml");
        std::fs::write(&path, text).expect("a plan");
        path
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn latest(&self) -> PathBuf {
        self.runs().join("latest")
    }

    /// Runs the binary to its end, which is bounded: a run that hangs is a failure, not a wait.
    fn schism(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", LIMIT_S, env!("CARGO_BIN_EXE_schism")]).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.output().expect("the binary")
    }

    /// Runs a plan, and returns its exit code and its verdict.
    fn run(&self, text: &str, more: &[&str]) -> (i32, Value, String) {
        let plan = self.plan(text);
        let mut arguments = vec!["run", plan.to_str().expect("a plain path"), "--quiet"];
        arguments.extend(more);
        let output = self.schism(&arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let verdict = std::fs::read(self.latest().join("verdict.json")).unwrap_or_default();
        let verdict = serde_json::from_slice(&verdict).unwrap_or_default();
        (output.status.code().unwrap_or(-1), verdict, said)
    }

    fn start(&self, text: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
        command.arg("run").arg(self.plan(text)).arg("--quiet").current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, as a shell gives it.
        command.process_group(0).spawn().expect("the binary")
    }
}

fn reasons(verdict: &Value) -> String {
    let line =
        |claim: &Value| format!("{}: {} {}", claim["claim"], claim["verdict"], claim["reason"]);
    let lines: Vec<String> = verdict["claims"].as_array().into_iter().flatten().map(line).collect();
    lines.join("\n")
}

#[test]
fn a_correct_system_under_faults_is_upheld_with_evidence_and_a_report() {
    let Some(place) = Place::new("a_correct_system_under_faults") else { return };
    let began = Instant::now();
    let (exit, verdict, said) = place.run(&PLAN.replace("FAULT", "kill: minority"), &[]);
    assert_eq!(exit, 0, "{said}\n{}", reasons(&verdict));
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    assert!(began.elapsed() < Duration::from_secs(9 + 6), "took {:?}", began.elapsed());
    let run = place.latest();
    for file in ["plan.yaml", "schedule.json", "run.json", "history.jsonl", "metrics.jsonl"] {
        assert!(run.join(file).metadata().expect(file).len() > 10, "{file}");
    }
    let report = std::fs::read_to_string(run.join("report.html")).expect("a report");
    assert!(report.contains("linearizable") && report.contains("F1"));
    assert!(std::fs::read_dir(run.join("plots")).expect("plots").count() >= 4);
    assert!(run.join("nodes/n1/raft.log").metadata().expect("a log").len() > 0);
    let again = place.schism(&["check", "runs/latest"]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
    let redrawn = place.schism(&["report", "runs/latest"]);
    assert_eq!(redrawn.status.code(), Some(0), "{}", String::from_utf8_lossy(&redrawn.stderr));
}

/// Messages are held for some milliseconds, and the leader sleeps until another leads.
const SCENARIO: &str = "scenario: [ roles: { L: leader, F: follower }, hold: { from: L, to: F },
    until: { operation: { f: read, outcome: ok, at: L }, within: 1s }, wait: 20ms..40ms,
    release: { from: L, to: F }, wait: 5ms, drop: { between: [L, clients] }, pause: L,
    until: { leader: { not: L }, within: 2s }, resume: L, heal: all ]";

#[test]
fn a_scenario_is_proven_step_by_step_and_healed() {
    let Some(place) = Place::new("a_scenario_is_proven") else { return };
    let plan = PLAN
        .replace("FAULT", SCENARIO)
        .replace("partition: { isolate: leader }", "hold: { from: leader, to: followers }");
    let (exit, verdict, said) = place.run(&plan, &[]);
    assert_eq!(exit, 0, "{said}\n{}", reasons(&verdict));
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    let history = std::fs::read_to_string(place.latest().join("history.jsonl")).expect("it");
    let marks = |f: &str| -> Vec<Value> {
        let lines = history.lines().filter(|line| line.contains(&format!("\"f\":\"{f}\"")));
        lines.map(|line| serde_json::from_str(line).expect("a mark")).collect()
    };
    assert_eq!(marks("fault-step").len(), 11, "a mark for every step");
    let evidence = marks("fault-probe");
    let text = |place: usize| evidence[place]["value"]["evidence"]["text"].to_string();
    assert!(text(1).contains("came in order"), "the hold: {}", text(1));
    assert!(text(2).contains("every step was taken") && text(2).contains("came in order"));
    let report = std::fs::read_to_string(place.latest().join("report.html")).expect("a report");
    assert!(report.contains("marks of its steps") && report.contains("release n"));
}

#[test]
fn a_switch_that_ignores_rules_proves_no_scenario() {
    check_sabotage("deaf-switch", SCENARIO, "carried what they were to keep");
}

#[test]
fn a_nemesis_that_does_nothing_proves_no_scenario() {
    check_sabotage("idle-nemesis", SCENARIO, "F2");
}

#[test]
fn a_planted_bug_is_found_and_ends_the_run_early() {
    let Some(place) = Place::new("a_planted_bug_is_found") else { return };
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans/bugs/stale-read.yaml");
    let text = std::fs::read_to_string(plan).expect("the plan");
    let (exit, verdict, said) = place.run(&text, &["--seed", "1"]);
    assert_eq!(exit, 1, "{said}\n{}", reasons(&verdict));
    assert_eq!(verdict["claims"][0]["name"], "linearizable");
    assert_eq!(verdict["claims"][0]["verdict"], "violated");
}

fn wait_until(within: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Each way to cheat ends with exit code 2, and the reason names what was noticed.
fn check_sabotage(sabotage: &str, fault: &str, noticed: &str) {
    let Some(place) = Place::new(&format!("sabotage {sabotage}")) else { return };
    let plan = PLAN.replace("FAULT", fault);
    let (exit, verdict, said) = place.run(&plan, &["--sabotage", sabotage]);
    assert_eq!(exit, 2, "{said}\n{}", reasons(&verdict));
    assert!(reasons(&verdict).contains(noticed), "{}", reasons(&verdict));
    assert!(!reasons(&verdict).contains("\"upheld\""), "{}", reasons(&verdict));
}

#[test]
fn a_dead_client_upholds_nothing() {
    check_sabotage("dead-client", "kill: one", "before any fault");
}

#[test]
fn a_client_that_returns_constant_replies_upholds_nothing() {
    check_sabotage("constant-client", "kill: one", "before any fault");
}

#[test]
fn a_node_that_refuses_every_write_upholds_nothing() {
    check_sabotage("refusing-node", "kill: one", "n3");
}

#[test]
fn a_switch_that_ignores_rules_upholds_nothing() {
    check_sabotage("deaf-switch", "kill: one", "F1");
}

#[test]
fn a_kill_of_the_wrong_process_upholds_nothing() {
    check_sabotage("wrong-kill", "kill: one", "F2");
}

#[test]
fn a_nemesis_that_does_nothing_upholds_nothing() {
    check_sabotage("idle-nemesis", "pause: one", "F2");
}

#[test]
fn an_interrupted_run_heals_and_judges_what_there_is() {
    let Some(place) = Place::new("an_interrupted_run") else { return };
    let mut run = place.start(&PLAN.replace("FAULT", "kill: one"));
    let history = place.latest().join("history.jsonl");
    wait_until(Duration::from_secs(30), "a partition that bites", || {
        std::fs::read_to_string(&history).unwrap_or_default().contains("\"phase\":\"bites\"")
    });
    // As a terminal does it: every process of the foreground group gets the signal.
    let group = format!("-{}", run.id());
    let interrupt = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(interrupt.expect("kill").success());
    let mut ended = None;
    wait_until(Duration::from_secs(20), "the run ends", || {
        ended = run.try_wait().expect("it");
        ended.is_some()
    });
    let text = std::fs::read_to_string(place.latest().join("verdict.json")).expect("a verdict");
    let verdict: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(ended.and_then(|ended| ended.code()), Some(2), "{}", reasons(&verdict));
    assert!(reasons(&verdict).contains("the run was interrupted"), "{}", reasons(&verdict));
    let survived = &verdict["claims"].as_array().expect("claims")[1];
    let survived = survived["reason"].as_str().expect("a reason");
    assert!(survived.contains("final reads agree"), "the nodes lived to answer: {survived}");
    assert!(verdict["claims"][0]["judged"].as_u64().expect("a count") > 50, "{verdict}");
    let history = std::fs::read_to_string(history).expect("the history");
    assert!(history.contains("\"f\":\"fault-stop\"") && history.contains("\"f\":\"healed\""));
}

#[test]
fn every_arrival_is_sent_or_shed_at_any_rate() {
    let Some(place) = Place::new("every_arrival") else { return };
    for rate in [1_000, 1_000_000] {
        let plan = format!(
            "{{ name: short, target: memory, workload: register, claims: [linearizable],
            load: {{ clients: 4, duration: 1s, rate: {rate}/s }} }}"
        );
        let (exit, verdict, said) = place.run(&plan, &[]);
        assert_eq!(exit, 0, "{said}\n{}", reasons(&verdict));
        let history = std::fs::read_to_string(place.latest().join("history.jsonl")).expect("it");
        let due = history.lines().filter(|line| line.contains("\"due\":")).count();
        assert_eq!(due, rate, "arrivals in the history");
    }
}

#[test]
fn a_load_of_so_many_operations_ends_with_them() {
    let Some(place) = Place::new("a_load_of_so_many") else { return };
    let plan = "{ name: short, target: memory, workload: { register: { keys: 3 } },
        claims: [linearizable], load: { clients: 4, duration: 20s, operations: 100 } }";
    let (exit, verdict, said) = place.run(plan, &[]);
    assert_eq!(exit, 0, "{said}\n{}", reasons(&verdict));
    let history = std::fs::read_to_string(place.latest().join("history.jsonl")).expect("it");
    let (load, finally) = history.split_once("\"healed\"").expect("the mark of healing");
    let asked = |part: &str| part.lines().filter(|line| line.contains("\"invoke\"")).count();
    assert_eq!(asked(load), 100);
    assert!(asked(finally) >= 3, "{} final reads", asked(finally));
}

/// Runs a plan with its store on a disk of `kilobytes`, in a mount namespace of its own.
fn run_on_a_small_disk(place: &Place, plan: &str, kilobytes: u32) -> Option<Output> {
    let plan = place.plan(plan);
    let disk = place.folder.path().join("disk");
    std::fs::create_dir_all(&disk).expect("a folder");
    let script = "mount -t tmpfs -o size=\"$3\"k none \"$2\" && echo mounted || exit 77
        timeout -k 5 60 \"$1\" run \"$4\" --quiet --runs \"$2/runs\"; code=$?
        ls -R \"$2/runs\"; exit $code";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .args([Path::new(env!("CARGO_BIN_EXE_schism")), &disk])
        .arg(kilobytes.to_string())
        .arg(plan)
        .output();
    let output = output.ok()?;
    // Only a disk that could not be mounted is a reason to skip, whatever the run then did.
    String::from_utf8_lossy(&output.stdout).contains("mounted").then_some(output)
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing_half_done() {
    let Some(place) = Place::new("a_full_disk") else { return };
    // Room for a folder, and for no more than the first files.
    let plan = PLAN.replace("FAULT", "kill: one");
    let Some(output) = run_on_a_small_disk(&place, &plan, 8) else {
        let _ =
            writeln!(std::io::stderr(), "skipped: a_full_disk: no small disk can be mounted here");
        return;
    };
    let (said, left) =
        (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("disk/runs") && said.contains("free some space"), "{said}");
    assert!(!left.contains("plan.yaml"), "{left}");
    // Room for the run, and for a part of its history: what was recorded stays.
    let plan = "{ name: short, target: memory, workload: register, claims: [linearizable],
        load: { clients: 4, duration: 5s } }";
    let output = run_on_a_small_disk(&place, plan, 400).expect("it was possible before");
    let (said, left) =
        (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(3), "{said}\n{left}");
    assert!(said.contains("history.jsonl") && said.contains("No space left"), "{said}");
    assert!(left.contains("history.jsonl"), "{left}");
}
