//! Whole runs over SSH: the bundled quickstart on nodes of the local lab that run sshd, and hosts
//! that are not there.
//!
//! Where this machine refuses the lab or lacks sshd, nft or root, the first is skipped in words.

mod place;

use std::process::Command;

use place::{Place, Way, plan, said};
use serde_json::Value;

#[test]
fn the_quickstart_over_ssh_is_upheld_with_evidence_for_every_fault() {
    let Some(place) = Place::new("the_quickstart_over_ssh", Way::Ssh, &[]) else { return };
    let (_, verdict, said) = place.run(&plan("quickstart.yaml"), Way::Ssh, &[]);
    let run = place.latest();
    // Time on a busy machine may stay unknown; nothing may be violated, and no fault in doubt.
    let safety = verdict["claims"].as_array().expect("claims").iter().filter(|claim| {
        ["linearizable", "acknowledged-writes-survive"].map(Value::from).contains(&claim["claim"])
    });
    for claim in safety {
        assert_eq!(claim["verdict"], "upheld", "{said}");
    }
    assert_eq!(verdict["faults"], verdict["faults_proven"], "{said}");
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
    grep.args(["-rl", "PRIVATE KEY"]).arg(place.folder.path());
    assert_eq!(String::from_utf8_lossy(&grep.output().expect("grep").stdout), "");
}

#[test]
fn a_host_that_is_not_there_ends_the_run_in_one_line() {
    let place = Place::anywhere();
    let plan = plan("quickstart.yaml");
    let plan = plan.to_str().expect("a plain path");
    // Nobody listens on the discard port of the loopback.
    let hosts =
        "root@127.0.0.1:9,root@127.0.0.2:9,root@127.0.0.3:9,root@127.0.0.4:9,root@127.0.0.5:9";
    let output = place.schism(&["run", plan, "--nodes", hosts, "--quiet"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("n3: root@127.0.0.3:9: no connection to port 9"), "{said}");
}

#[test]
fn refuses_a_plan_whose_hosts_or_faults_do_not_go_over_ssh() {
    let place = Place::anywhere();
    let plan = place.folder.path().join("plan.yaml");
    let check = |faults: &str, more: &[&str], expected: &str| {
        let text = format!(
            "name: p\ntarget: {{ reference: {{ protocol: raft }} }}\nworkload: register\n\
             load: {{ clients: 2, duration: 10s }}\nfaults: [ {faults} ]\nclaims: [ linearizable ]\n"
        );
        std::fs::write(&plan, text).expect("a plan");
        let mut arguments = vec!["run", "plan.yaml"];
        arguments.extend(more);
        let output = place.schism(&arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let kill = "{ at: 2s, for: 2s, kill: minority }";
    check(kill, &["--inventory", "none.yaml"], "none.yaml");
    check(kill, &["--nodes", "root@h1,root@h1,root@h2"], "root@h1 stands there twice");
    check(kill, &["--nodes", "root@h1:x"], "is no host");
    let hold = "{ at: 2s, for: 2s, hold: { links: leader } }";
    let nodes = ["--set", "lab={ ssh: { nodes: [ root@h1, root@h2, root@h3 ] } }"];
    let expected = "none for hosts behind SSH: links can be cut or slowed down there, not held";
    check(hold, &nodes, expected);
    let delay = "{ at: 2s, for: 2s, delay: { by: 9ms, between: [clients, leader] } }";
    check(delay, &nodes, "the fault `delay` is none for hosts behind SSH");
}

/// The sshd of a node of this place's run, and everything below it: its connections and its agent.
fn sshd_and_below(place: &Place, node: &str) -> Vec<i32> {
    let mut parents = std::collections::BTreeMap::new();
    let mut found = Vec::new();
    let data = place.folder.path().display().to_string();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let ours = line.contains(&data) && line.contains(&format!("/{node}/ssh/"));
        if ours && line.contains("sshd") {
            found.push(pid);
        }
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse::<i32>().ok()) {
            parents.entry(parent).or_insert_with(Vec::new).push(pid);
        }
    }
    let mut next = 0;
    while next < found.len() {
        let children = parents.get(&found[next]).cloned().unwrap_or_default();
        found.extend(children.into_iter().filter(|child| *child != 0));
        next += 1;
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// A run in the middle of which `signal` is sent to everything of one host's sshd: it ends in time,
/// with a report that names the node. Only those are struck whose names are `among` them.
fn ends_in_a_report(test: &str, signal: &str, among: fn(&str) -> bool) -> Option<String> {
    let place = Place::new(test, Way::Ssh, &[])?;
    let plan = plan("quickstart.yaml");
    let faults = "faults=[ { at: 9s, for: 2s, kill: n2 } ]";
    let bounds = "bounds={ reach: 4s, act: 3s, back: 2s, settle: 3s, final-reads: 4s, logs: 2s }";
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "100", env!("CARGO_BIN_EXE_schism"), "run"]).arg(&plan);
    let lasts = ["load.duration=13s", "lab.local.lease=2s", "claims=[ linearizable ]"];
    for setting in lasts.into_iter().chain([Way::Ssh.setting(), faults, bounds]) {
        command.args(["--set", setting]);
    }
    command.arg("--quiet").current_dir(place.folder.path()).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let running = command.spawn().expect("the binary");
    let history = place.latest().join("history.jsonl");
    let begun = std::time::Instant::now();
    while std::fs::metadata(&history).map_or(0, |file| file.len()) < 50_000 {
        assert!(begun.elapsed().as_secs() < 60, "no load began");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut struck = sshd_and_below(&place, "n2");
    assert!(struck.len() >= 2, "there is no sshd of n2 with a connection: {struck:?}");
    let name = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    struck.retain(|pid| among(name(pid).trim()));
    assert!(!struck.is_empty(), "there is nothing to strike");
    for pid in struck {
        let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
    }
    let output = running.wait_with_output().expect("it ends");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("n2"), "{said}");
    let report = std::fs::read_to_string(place.latest().join("report.html")).expect("a report");
    assert!(report.contains("n2"));
    let verdict = std::fs::read(place.latest().join("verdict.json")).expect("a verdict");
    let verdict: Value = serde_json::from_slice(&verdict).expect("a verdict");
    assert_eq!(verdict["exit"], 2, "{verdict}");
    Some(verdict.to_string())
}

#[test]
fn a_host_that_refuses_in_the_middle_of_a_run_ends_in_a_report() {
    ends_in_a_report("a_host_that_refuses", "-KILL", |_| true);
}

#[test]
fn a_host_that_hangs_in_the_middle_of_a_run_ends_in_a_report() {
    ends_in_a_report("a_host_that_hangs", "-STOP", |_| true);
}

#[test]
fn an_agent_that_is_killed_in_the_middle_of_a_run_is_a_doubt() {
    let verdict = ends_in_a_report("an_agent_that_is_killed", "-KILL", |it| it == "schism-agent");
    let Some(verdict) = verdict else { return };
    assert!(verdict.contains("n2: the connection to root@10.77.0.2 was lost"), "{verdict}");
    // Its watcher left nothing, and the next agent was reached.
    assert!(!verdict.contains("dirty"), "{verdict}");
}

#[test]
fn the_machines_of_the_vagrantfile_are_described_as_vagrant_wants_them() {
    let mut command = Command::new("vagrant");
    command.args(["validate", "--ignore-provider"]);
    command.current_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    // Neither plugins nor the user's own Vagrantfile say anything here.
    let home = tempfile::tempdir().expect("a folder");
    command.env("VAGRANT_HOME", home.path());
    match command.output() {
        Err(error) => {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("skipped: the_machines_of_the_vagrantfile: vagrant: {error}\n"),
            );
        }
        Ok(output) => assert!(output.status.success(), "{}", said(&output)),
    }
}
