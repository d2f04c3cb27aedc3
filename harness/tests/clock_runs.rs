//! Whole runs in which clocks are wrong: of the bundled systems, and of real ones, in the local lab and
//! over SSH. Only the processes see it, the probes ask them, and an idle nemesis is found out.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

/// No command of these tests takes longer, in seconds.
const LIMIT_S: &str = "120";

const RAFT: &str = "{ reference: { protocol: raft } }";

/// While the clocks are wrong, one node dies and comes back with a process of its own.
const KILL: &str = ", { at: 8s, for: 2s, kill: one }";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Place {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    /// `None`, said in words, where one of these findings of `doctor` or this program is missing.
    fn new(test: &str, wanted: &[&str], program: &str) -> Option<Self> {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let place = Self { folder: tempfile::tempdir().expect("a folder"), _turn: turn };
        let skip = |reason: &str| {
            let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
        };
        if !cfg!(target_arch = "x86_64") {
            skip("clocks of processes can be set on x86-64 alone");
            return None;
        }
        if let Err(error) = Command::new(program).arg("--version").output() {
            skip(&format!("{program}: {error}"));
            return None;
        }
        let output = place.schism(&["doctor", "--json"]);
        let doctor: Value = serde_json::from_slice(&output.stdout).expect("doctor's JSON");
        let findings = doctor["findings"].as_array().cloned().unwrap_or_default();
        let missing = findings.iter().find(|finding| {
            let name = finding["name"].as_str().unwrap_or_default();
            wanted.contains(&name) && finding["ok"] != Value::Bool(true)
        });
        if let Some(missing) = missing {
            skip(&missing["says"].to_string());
            return None;
        }
        Some(place)
    }

    fn schism(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", LIMIT_S, env!("CARGO_BIN_EXE_schism")]).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.output().expect("the binary")
    }

    /// Runs a plan with these arguments: exit code, verdict, and what was said.
    fn run(&self, plan: &Path, more: &[&str]) -> (i32, Value, String) {
        let mut arguments = vec!["run", plan.to_str().expect("a plain path"), "--quiet"];
        arguments.extend(more);
        let output = self.schism(&arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let verdict = std::fs::read(self.folder.path().join("runs/latest/verdict.json"));
        let verdict = serde_json::from_slice(&verdict.unwrap_or_default()).unwrap_or_default();
        (output.status.code().unwrap_or(-1), verdict, said)
    }

    /// Runs a plan of a few seconds against `target`.
    fn run_short(
        &self,
        nodes: u16,
        target: &str,
        more_faults: &str,
        more: &[&str],
    ) -> (i32, Value, String) {
        let text = format!(
            "{{ name: short, lab: {{ local: {{ nodes: {nodes} }} }}, target: {target},
            workload: {{ register: {{ keys: 4 }} }},
            load: {{ clients: 4, duration: 16s, rate: 50/s }},
            faults: [
                {{ at: 1s, for: 4s, clock: {{ of: leader, offset: -5s..5s }} }},
                {{ at: 6s, for: 8s, clock: {{ of: all, offset: 2s, drift: 5%, strobe: 200ms }} }}
                {more_faults} ],
            claims: [ linearizable ] }}"
        );
        let path = self.folder.path().join("short.yaml");
        std::fs::write(&path, text).expect("a plan");
        self.run(&path, more)
    }

    /// What the probes said.
    fn evidence(&self) -> String {
        let history = std::fs::read_to_string(self.folder.path().join("runs/latest/history.jsonl"));
        let probes = |line: &&str| line.contains("\"fault-probe\"");
        history.unwrap_or_default().lines().filter(probes).collect::<Vec<_>>().join("\n")
    }
}

/// What ran is upheld, and each fault was seen to bite and to be gone.
fn assert_proven(place: &Place, (exit, verdict, said): (i32, Value, String), faults: u64) {
    assert_eq!(exit, 0, "{said}\n{}", place.evidence());
    let figures = (&verdict["faults"], &verdict["faults_proven"]);
    assert_eq!(figures, (&faults.into(), &faults.into()), "{said}");
}

#[test]
fn the_bundled_cluster_is_upheld_with_proof_while_its_clocks_are_wrong() {
    let Some(place) = Place::new("the_bundled_cluster_clock", &["local lab"], "true") else {
        return;
    };
    let ran = place.run_short(3, RAFT, KILL, &[]);
    assert_proven(&place, ran, 3);
    let evidence = place.evidence();
    assert!(evidence.contains("its clock is off by"), "{evidence}");
    assert!(evidence.contains("its clock is right again"), "{evidence}");
}

#[test]
fn clocks_are_wrong_over_ssh_as_well() {
    let wanted = ["local lab", "ssh: true"];
    let Some(place) = Place::new("clocks_are_wrong_over_ssh", &wanted, "true") else { return };
    let more = ["--set", "lab.local.ssh=true"];
    let ran = place.run_short(3, RAFT, KILL, &more);
    assert_proven(&place, ran, 3);
}

#[test]
fn redis_cluster_is_seen_to_have_wrong_clocks() {
    let Some(place) = Place::new("redis_clock", &["local lab"], "redis-server") else { return };
    let (exit, verdict, said) = place.run_short(6, "redis_cluster", "", &[]);
    // What a failover loses is no business of this test.
    assert!([0, 1].contains(&exit), "{said}");
    assert_eq!(verdict["faults"], verdict["faults_proven"], "{said}\n{}", place.evidence());
}

#[test]
fn etcd_stays_linearizable_while_its_clocks_are_wrong() {
    let Some(place) = Place::new("etcd_clock", &["local lab"], "etcd") else { return };
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans/etcd-clock.yaml");
    let claims = "claims=[ linearizable, acknowledged-writes-survive ]";
    let ran = place.run(&plan, &["--set", claims, "--set", "load.duration=20s"]);
    assert_proven(&place, ran, 2);
}

#[test]
fn a_clock_that_was_never_touched_is_no_fault() {
    let Some(place) = Place::new("a_clock_never_touched", &["local lab"], "true") else { return };
    let more = ["--sabotage", "idle-nemesis"];
    let (exit, verdict, said) = place.run_short(3, RAFT, KILL, &more);
    assert_eq!(exit, 2, "{said}");
    assert_eq!(verdict["faults_proven"], 0, "{said}\n{}", place.evidence());
}
