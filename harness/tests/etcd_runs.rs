//! Whole runs against a real etcd: what it promises is upheld under faults that are proven, and
//! what it does not promise is found.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

/// No command of these tests takes longer, in seconds.
const LIMIT_S: &str = "150";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Place {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    /// `None`, said in words, where there is no etcd or no lab.
    fn new(test: &str) -> Option<Self> {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let place = Self { folder, _turn: turn };
        let skipped = |reason: &str| {
            let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
        };
        if let Err(error) = Command::new("etcd").arg("--version").output() {
            skipped(&format!("etcd: {error}; install the package etcd-server"));
            return None;
        }
        let output = place.schism(&["doctor", "--json"]);
        let doctor: Value = serde_json::from_slice(&output.stdout).expect("doctor's JSON");
        if doctor["lab"] == Value::Bool(true) {
            return Some(place);
        }
        skipped(&format!("no local lab here: {}", doctor["findings"]));
        None
    }

    fn schism(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", LIMIT_S, env!("CARGO_BIN_EXE_schism")]).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.output().expect("the binary")
    }

    /// Runs a plan of the repository, made shorter, and returns its exit code and its verdict.
    fn run(&self, plan: &str, settings: &[&str]) -> (i32, Value, String) {
        let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans").join(plan);
        let mut arguments = vec!["run", plan.to_str().expect("a plain path"), "--quiet"];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        let output = self.schism(&arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let verdict = std::fs::read(self.folder.path().join("runs/latest/verdict.json"));
        let verdict = serde_json::from_slice(&verdict.unwrap_or_default()).unwrap_or_default();
        (output.status.code().unwrap_or(-1), verdict, said)
    }
}

/// What is said of a claim.
fn word<'a>(verdict: &'a Value, claim: &str) -> &'a str {
    let claims = verdict["claims"].as_array().map_or(&[][..], Vec::as_slice);
    let found = claims.iter().find(|row| row["name"] == claim);
    found.and_then(|row| row["verdict"].as_str()).unwrap_or("missing")
}

#[test]
fn etcd_stays_linearizable_under_proven_faults() {
    let Some(place) = Place::new("etcd_stays_linearizable_under_proven_faults") else { return };
    let faults = "faults=[ { at: 2s, for: 3s, partition: { isolate: leader } }, \
        { at: 9s, for: 2s, kill: leader } ]";
    let claims = "claims=[ linearizable, acknowledged-writes-survive ]";
    let (exit, verdict, said) =
        place.run("etcd-partition.yaml", &["load.duration=13s", faults, claims]);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    let log = place.folder.path().join("runs/latest/nodes/n1/etcd.log");
    assert!(log.metadata().expect("a log").len() > 0);
}

#[test]
fn serializable_reads_of_etcd_are_found_to_be_stale() {
    let Some(place) = Place::new("serializable_reads_of_etcd_are_found_to_be_stale") else {
        return;
    };
    let faults = "faults=[ { at: 2s, for: 6s, partition: { isolate: leader } } ]";
    let (exit, verdict, said) = place.run("etcd-serializable.yaml", &["load.duration=12s", faults]);
    assert_eq!(exit, 1, "{said}\n{verdict}");
    assert_eq!(word(&verdict, "linearizable"), "violated", "{said}");
    assert_eq!(word(&verdict, "bounded-staleness"), "violated", "{said}");
    assert_eq!(word(&verdict, "acknowledged-writes-survive"), "upheld", "{said}");
}

#[test]
fn watches_of_etcd_miss_nothing_while_nodes_fail_and_the_past_is_compacted() {
    let Some(place) = Place::new("watches_of_etcd_miss_nothing") else { return };
    let faults = "faults=[ { at: 2s, for: 3s, kill: one }, { at: 7s, for: 1s, compact: {} }, \
        { at: 9s, for: 2s, defragment: all } ]";
    let claims = "claims=[ ordered, unique, reliable, atomic, resumable ]";
    let (exit, verdict, said) =
        place.run("etcd-watch.yaml", &["load.duration=14s", faults, claims]);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&3.into(), &3.into()), "{said}");
}

#[test]
fn an_archive_is_refused_where_its_checksum_is_another() {
    let Some(place) = Place::new("an_archive_is_refused") else { return };
    let archive = place.folder.path().join("etcd.tar.gz");
    std::fs::write(&archive, b"no archive").expect("a file");
    let path = archive.display();
    let target =
        format!("target={{ etcd: {{ archive: '{path}', sha256: '{}' }} }}", "0".repeat(64));
    let (exit, _, said) =
        place.run("etcd-watch.yaml", &["load.duration=14s", &target, "faults=[]"]);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("its checksum is") && said.contains("the plan wants 0000"), "{said}");
}

/// Two cuts, each far longer than a lease, so that each takes some holder's lock away.
const CUTS: &str = "faults=[ { at: 2s, for: 6s, partition: { clients: n1 } }, \
    { at: 11s, for: 6s, partition: { clients: n2 } } ]";

#[test]
fn locks_of_etcd_do_not_exclude_a_holder_that_was_cut_off() {
    let Some(place) = Place::new("locks_of_etcd_do_not_exclude") else { return };
    let (exit, verdict, said) = place.run("etcd-lock.yaml", &["load.duration=20s", CUTS]);
    assert_eq!(exit, 1, "{said}\n{verdict}");
    assert_eq!(word(&verdict, "mutual-exclusion"), "violated", "{said}");
}

#[test]
fn fenced_data_of_etcd_is_safe_from_a_holder_that_was_cut_off() {
    let Some(place) = Place::new("fenced_data_of_etcd_is_safe") else { return };
    let (exit, verdict, said) = place.run("etcd-lock-fenced.yaml", &["load.duration=20s", CUTS]);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    let history = std::fs::read_to_string(place.folder.path().join("runs/latest/history.jsonl"));
    let refused = history.expect("the history").matches("is too old").count();
    assert!(refused > 0, "no late write came, so that the fence was not tested");
}
