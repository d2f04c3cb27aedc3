//! Whole runs over SSH: the bundled quickstart on nodes of the local lab that run sshd, and hosts
//! that are not there.
//!
//! Where this machine refuses the lab or lacks sshd, nft or root, the first is skipped in words.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn schism(folder: &Path, arguments: &[&str]) -> Output {
    // A run that hangs is a failure, not a wait.
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "120", env!("CARGO_BIN_EXE_schism")]).args(arguments);
    command.current_dir(folder).stdin(Stdio::null()).output().expect("the binary")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Why this machine cannot do it, if it cannot.
fn refusal(folder: &Path) -> Option<String> {
    let output = schism(folder, &["doctor", "--json"]);
    let doctor: Value = serde_json::from_slice(&output.stdout).expect("doctor's JSON");
    let findings = doctor["findings"].as_array().cloned().unwrap_or_default();
    let wanted = ["local lab", "ssh: true"].map(Value::from);
    let mut missing = findings.iter().filter(|finding| wanted.contains(&finding["name"]));
    let missing = missing.find(|finding| finding["ok"] != Value::Bool(true))?;
    Some(missing["says"].to_string())
}

#[test]
fn the_quickstart_over_ssh_is_upheld_with_evidence_for_every_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(reason) = refusal(folder.path()) {
        let name = "the_quickstart_over_ssh_is_upheld_with_evidence_for_every_fault";
        let _ = writeln!(std::io::stderr(), "skipped: {name}: {reason}");
        return;
    }
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans/quickstart.yaml");
    let plan = plan.to_str().expect("a plain path");
    let output = schism(folder.path(), &["run", plan, "--set", "lab.local.ssh=true", "--quiet"]);
    let run = folder.path().join("runs/latest");
    let verdict = std::fs::read(run.join("verdict.json")).expect("a verdict");
    let verdict: Value = serde_json::from_slice(&verdict).expect("a verdict");
    // Time on a busy machine may stay unknown; nothing may be violated, and no fault in doubt.
    let safety = verdict["claims"].as_array().expect("claims").iter().filter(|claim| {
        ["linearizable", "acknowledged-writes-survive"].map(Value::from).contains(&claim["claim"])
    });
    for claim in safety {
        assert_eq!(claim["verdict"], "upheld", "{}", said(&output));
    }
    assert_eq!(verdict["faults"], verdict["faults_proven"], "{}", said(&output));
    assert!(verdict["faults"].as_u64() >= Some(3), "{verdict}");
    let record = std::fs::read_to_string(run.join("run.json")).expect("a record");
    assert!(record.contains("over SSH"), "{record}");
    for node in ["n1", "n5"] {
        let log = std::fs::metadata(run.join("nodes").join(node).join("raft.log"));
        assert!(log.is_ok(), "{node} logged nothing");
    }
    // Neither keys nor data stay.
    assert!(!run.join("data").exists());
    let mut grep = Command::new("grep");
    grep.args(["-rl", "PRIVATE KEY"]).arg(folder.path());
    assert_eq!(String::from_utf8_lossy(&grep.output().expect("grep").stdout), "");
}

#[test]
fn a_host_that_is_not_there_ends_the_run_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans/quickstart.yaml");
    let plan = plan.to_str().expect("a plain path");
    // Nobody listens on the discard port of the loopback.
    let hosts =
        "root@127.0.0.1:9,root@127.0.0.2:9,root@127.0.0.3:9,root@127.0.0.4:9,root@127.0.0.5:9";
    let output = schism(folder.path(), &["run", plan, "--nodes", hosts, "--quiet"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("n3: root@127.0.0.3:9: no connection to port 9"), "{said}");
}

#[test]
fn refuses_a_plan_whose_hosts_or_faults_do_not_go_over_ssh() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.yaml");
    let check = |faults: &str, more: &[&str], expected: &str| {
        let text = format!(
            "name: p\ntarget: {{ reference: {{ protocol: raft }} }}\nworkload: register\n\
             load: {{ clients: 2, duration: 10s }}\nfaults: [ {faults} ]\nclaims: [ linearizable ]\n"
        );
        std::fs::write(&plan, text).expect("a plan");
        let mut arguments = vec!["run", "plan.yaml"];
        arguments.extend(more);
        let output = schism(folder.path(), &arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let kill = "{ at: 2s, for: 2s, kill: minority }";
    check(kill, &["--inventory", "none.yaml"], "none.yaml");
    check(kill, &["--nodes", "root@h1,root@h1,root@h2"], "root@h1 stands there twice");
    check(kill, &["--nodes", "root@h1:x"], "is no host");
    let delay = "{ at: 2s, for: 2s, delay: { by: 50ms } }";
    check(delay, &["--set", "lab.local.ssh=true"], "over SSH links can be cut");
}
