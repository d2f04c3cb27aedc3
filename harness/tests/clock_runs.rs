//! Whole runs in which clocks are wrong: of the bundled systems and of real ones, in the local lab and
//! over SSH. Only the processes see it, the probes ask them, and an idle nemesis is found out.
#![cfg(target_arch = "x86_64")] // The stub that is put into the processes runs nowhere else.

mod place;

use place::{Place, Way, plan, said};
use serde_json::Value;

const RAFT: &str = "{ reference: { protocol: raft } }";

/// While the clocks are wrong, one node dies and comes back with a process of its own.
const KILL: &str = ", { at: 8s, for: 2s, kill: one }";

/// A run of some seconds in which clocks are off, drift, and jump to and fro.
fn text(nodes: u16, target: &str, more_faults: &str) -> String {
    format!(
        "{{ name: short, lab: {{ local: {{ nodes: {nodes} }} }}, target: {target},
        workload: {{ register: {{ keys: 4 }} }},
        load: {{ clients: 4, duration: 16s, rate: 50/s }},
        faults: [
            {{ at: 1s, for: 4s, clock: {{ of: leader, offset: -5s..5s }} }},
            {{ at: 6s, for: 8s, clock: {{ of: all, offset: 2s, drift: 5%, strobe: 200ms }} }}
            {more_faults} ],
        claims: [ linearizable ] }}"
    )
}

/// What the probes said.
fn evidence(place: &Place) -> String {
    let history = std::fs::read_to_string(place.latest().join("history.jsonl"));
    let probes = |line: &&str| line.contains("\"fault-probe\"");
    history.unwrap_or_default().lines().filter(probes).collect::<Vec<_>>().join("\n")
}

/// What ran is upheld, and each fault was seen to bite and to be gone.
fn assert_proven(place: &Place, (exit, verdict, said): (i32, Value, String), faults: u64) {
    assert_eq!(exit, 0, "{said}\n{}", evidence(place));
    let figures = (&verdict["faults"], &verdict["faults_proven"]);
    assert_eq!(figures, (&faults.into(), &faults.into()), "{said}");
}

fn bundled(way: Way) {
    let Some(place) = Place::new("the_bundled_cluster_has_wrong_clocks", way, &[]) else { return };
    let ran = place.run_text(&text(3, RAFT, KILL), way);
    assert_proven(&place, ran, 3);
    let evidence = evidence(&place);
    assert!(evidence.contains("its clock is off by"), "{evidence}");
    assert!(evidence.contains("its clock is right again"), "{evidence}");
}

#[test]
fn the_bundled_cluster_is_upheld_with_proof_while_its_clocks_are_wrong() {
    bundled(Way::Local);
}

#[test]
fn the_bundled_cluster_is_upheld_with_proof_over_ssh_while_its_clocks_are_wrong() {
    bundled(Way::Ssh);
}

fn redis(way: Way) {
    let redis = [("redis-server", "redis-server")];
    let Some(place) = Place::new("redis_has_wrong_clocks", way, &redis) else { return };
    let (exit, verdict, said) = place.run_text(&text(6, "redis_cluster", ""), way);
    // What a failover loses is no business of this test.
    assert!([0, 1].contains(&exit), "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
}

#[test]
fn redis_cluster_is_seen_to_have_wrong_clocks() {
    redis(Way::Local);
}

#[test]
fn redis_cluster_is_seen_to_have_wrong_clocks_over_ssh() {
    redis(Way::Ssh);
}

#[test]
fn etcd_stays_linearizable_while_its_clocks_are_wrong() {
    let etcd = [("etcd", "etcd-server")];
    let Some(place) = Place::new("etcd_has_wrong_clocks", Way::Local, &etcd) else { return };
    let claims = "claims=[ linearizable, acknowledged-writes-survive ]";
    let settings = [claims, "load.duration=20s"];
    let ran = place.run(&plan("etcd-clock.yaml"), Way::Local, &settings);
    assert_proven(&place, ran, 2);
}

#[test]
fn a_clock_that_was_never_touched_is_no_fault() {
    let Some(place) = Place::new("a_clock_never_touched", Way::Local, &[]) else { return };
    let path = place.folder.path().join("short.yaml");
    std::fs::write(&path, text(3, RAFT, "")).expect("a plan");
    let path = path.to_str().expect("a plain path");
    let output = place.schism(&["run", path, "--quiet", "--sabotage", "idle-nemesis"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let verdict = std::fs::read(place.latest().join("verdict.json")).expect("a verdict");
    let verdict: Value = serde_json::from_slice(&verdict).expect("a verdict");
    assert_eq!(verdict["faults_proven"], 0, "{}\n{}", said(&output), evidence(&place));
}
