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
    check(hold, &nodes, "between hosts behind SSH links can be cut or slowed down");
}
