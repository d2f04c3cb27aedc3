//! Whole runs against a real Redis Cluster: what it keeps while nothing is broken, and what it loses.
//!
//! Runs share two cores with everything else, so they go one at a time. Where this machine has no
//! Redis or refuses namespaces, each test is skipped in words.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

/// No command of these tests takes longer, in seconds.
const LIMIT_S: &str = "120";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A place for a test's plan and runs, held while no other whole run goes on.
struct Place {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    /// `None`, said in words, where this machine has no Redis or refuses the lab.
    fn new(test: &str) -> Option<Self> {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let skip = |reason: &str| {
            let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
        };
        let redis = Command::new("redis-server").arg("--version").output();
        if !redis.is_ok_and(|output| output.status.success()) {
            skip("no redis-server here (Debian: redis-server)");
            return None;
        }
        let place = Self { folder: tempfile::tempdir().expect("a folder"), _turn: turn };
        let output = place.schism(&["doctor", "--json"]);
        let doctor: Value = serde_json::from_slice(&output.stdout).expect("doctor's JSON");
        if doctor["lab"] != Value::Bool(true) {
            skip(&format!("no local lab here: {}", doctor["findings"]));
            return None;
        }
        Some(place)
    }

    /// Runs the binary to its end, which is bounded: a run that hangs is a failure, not a wait.
    fn schism(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", LIMIT_S, env!("CARGO_BIN_EXE_schism")]).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.output().expect("the binary")
    }

    fn latest(&self) -> PathBuf {
        self.folder.path().join("runs/latest")
    }

    /// Runs a plan, and returns its exit code, its verdict, and what was said.
    fn run(&self, plan: &Path, more: &[&str]) -> (i32, Value, String) {
        let mut arguments = vec!["run", plan.to_str().expect("a plain path"), "--quiet"];
        arguments.extend(more);
        let output = self.schism(&arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let verdict = std::fs::read(self.latest().join("verdict.json")).unwrap_or_default();
        let verdict = serde_json::from_slice(&verdict).unwrap_or_default();
        (output.status.code().unwrap_or(-1), verdict, said)
    }

    fn run_text(&self, text: &str) -> (i32, Value, String) {
        let path = self.folder.path().join("short.yaml");
        std::fs::write(&path, text).expect("a plan");
        self.run(&path, &[])
    }
}

fn plan(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans").join(name)
}

#[test]
fn redis_cluster_keeps_its_promises_while_nothing_is_broken() {
    let Some(place) = Place::new("redis_cluster_keeps_its_promises") else { return };
    for (workload, claim) in [
        ("{ register: { keys: 6 } }", "linearizable"),
        ("{ list-append: { keys: 4 } }", "strict-serializable"),
        ("{ counter: { keys: 4 } }", "counter-bounds"),
        ("{ set: { keys: 4 } }", "no-lost-elements"),
    ] {
        let text = format!(
            "{{ name: short, lab: {{ local: {{ nodes: 6 }} }}, target: redis_cluster,
            workload: {workload}, load: {{ clients: 6, duration: 2s, rate: 200/s }},
            claims: [ {claim} ] }}"
        );
        let (exit, verdict, said) = place.run_text(&text);
        assert_eq!(exit, 0, "{workload}: {said}");
        assert!(verdict["claims"][0]["judged"].as_u64().expect("a count") > 100, "{verdict}");
        let run = std::fs::read_to_string(place.latest().join("run.json")).expect("a record");
        let run: Value = serde_json::from_str(&run).expect("JSON");
        let target = run["target"].as_str().expect("a text");
        assert!(target.starts_with("redis_cluster ") && target.contains('.'), "{target}");
    }
    let metrics = std::fs::read_to_string(place.latest().join("metrics.jsonl")).expect("metrics");
    assert!(metrics.contains("redis_is_leader 1") && metrics.contains("redis_is_leader 0"));
}

#[test]
fn redis_cluster_loses_what_an_isolated_primary_acknowledged() {
    let Some(place) = Place::new("redis_cluster_loses") else { return };
    let (exit, verdict, said) = place.run(&plan("redis-lost-writes.yaml"), &["--seed", "2"]);
    assert_eq!(exit, 1, "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&1.into(), &1.into()), "{said}");
    let claims = verdict["claims"].as_array().expect("claims");
    let survive = claims.iter().find(|claim| claim["name"] == "acknowledged-writes-survive");
    assert_eq!(survive.expect("the claim")["verdict"], "violated", "{said}");
}

#[test]
fn too_few_nodes_are_refused_with_the_number_that_is_needed() {
    let Some(place) = Place::new("too_few_nodes_are_refused") else { return };
    let text = "{ name: short, lab: { local: { nodes: 4 } }, target: redis_cluster,
        workload: register, load: { duration: 1s }, claims: [ linearizable ] }";
    let (exit, _, said) = place.run_text(text);
    assert_eq!(exit, 64, "{said}");
    assert!(said.contains("use 6 nodes"), "{said}");
    let (exit, _, said) = place.run_text(&text.replace("nodes: 4", "nodes: 7"));
    assert_eq!(exit, 64, "{said}");
    assert!(said.contains("use 6 or 8"), "{said}");
}

/// What is said of a claim.
fn word<'a>(verdict: &'a Value, claim: &str) -> &'a str {
    let claims = verdict["claims"].as_array().map_or(&[][..], Vec::as_slice);
    let found = claims.iter().find(|row| row["name"] == claim);
    found.and_then(|row| row["verdict"].as_str()).unwrap_or("missing")
}

#[test]
fn slots_that_were_on_their_way_are_closed_when_their_primary_dies() {
    let Some(place) = Place::new("slots_that_were_on_their_way_are_closed") else { return };
    let (exit, verdict, said) = place.run(&plan("redis-reshard-kill.yaml"), &[]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    let history = std::fs::read_to_string(place.latest().join("history.jsonl"));
    let history = history.expect("the history");
    assert!(history.contains("slots with"), "no slot was moved");
}

#[test]
fn members_leave_and_come_back_and_nothing_is_lost() {
    let Some(place) = Place::new("members_leave_and_come_back") else { return };
    let (exit, verdict, said) = place.run(&plan("redis-leave.yaml"), &[]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
}

#[test]
fn locks_of_redis_do_not_exclude_once_a_primary_is_succeeded() {
    let Some(place) = Place::new("locks_of_redis_do_not_exclude") else { return };
    let (exit, verdict, said) = place.run(&plan("redis-lock.yaml"), &[]);
    assert_eq!(exit, 1, "{said}");
    assert_eq!(word(&verdict, "mutual-exclusion"), "violated", "{said}");
}

#[test]
fn redlock_does_not_exclude_once_a_majority_forgets() {
    let Some(place) = Place::new("redlock_does_not_exclude") else { return };
    let (exit, verdict, said) = place.run(&plan("redlock.yaml"), &[]);
    assert_eq!(exit, 1, "{said}");
    assert_eq!(word(&verdict, "mutual-exclusion"), "violated", "{said}");
    let remembers = "target={ redlock: { lease: 8s, appendonly: yes, appendfsync: always } }";
    let (exit, _, said) = place.run(&plan("redlock.yaml"), &["--set", remembers]);
    assert_eq!(exit, 0, "{said}");
}
