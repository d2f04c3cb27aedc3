//! Clients that are processes: faults strike them, a client in another language can be plugged in,
//! and nobody is fooled where nothing was struck.

mod place;

use place::{Place, Way, word};
use serde_json::Value;

const PLAN: &str = "
name: short
seed: 3
lab: { local: { nodes: 3 } }
target: { reference: { protocol: raft } }
workload: { register: { keys: 4 } }
load: { clients: 5, duration: 13s, rate: 100/s, timeout: 500ms, host: process }
faults:
  - { at: 1s, for: 2s, kill: { clients: c2 } }
  # Far longer than a client waits: what it says afterwards answers nobody.
  - { at: 4s, for: 4s, pause: { clients: [c1, c3] } }
  - { at: 9s, for: 1500ms, partition: { isolate: { clients: c4 } } }
  - { at: 11s, for: 1s, partition: { clients: n2 } }
claims:
  - linearizable
";

/// The events of the last run.
fn history(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.latest().join("history.jsonl")).expect("a history");
    text.lines().skip(1).map(|line| serde_json::from_str(line).expect("an event")).collect()
}

/// Under which numbers the client of `thread` (from 0) asked, of five.
fn numbers(history: &[Value], thread: u64) -> Vec<u64> {
    let all = history.iter().filter_map(|event| event["process"].as_u64());
    let mut numbers: Vec<u64> = all.filter(|number| number % 6 == thread).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn strikes_clients(way: Way) {
    let Some(place) = Place::new("faults_strike_clients", way, &[]) else { return };
    let (exit, verdict, said) = place.run_text(PLAN, way);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&4.into(), &4.into()), "{said}");
    let history = history(&place);
    let struck: Vec<&Value> =
        history.iter().filter(|event| event["f"] == "fault-start").map(|it| &it["value"]).collect();
    assert_eq!(struck[0]["victims"], serde_json::json!(["c2"]));
    assert_eq!(struck[3]["injection"]["links"].as_array().expect("links").len(), 10);
    // Whoever was killed, or given up in the middle of something, goes on under another number.
    for thread in [0, 1, 2] {
        assert!(numbers(&history, thread).len() > 1, "c{}: {said}", thread + 1);
    }
    let given_up = |event: &&Value| event["error"][1] == "the client did not keep its own time-out";
    assert!(history.iter().filter(given_up).count() >= 1, "nobody was stopped in the middle");
    assert!(!said.contains("no fault had killed it"), "{said}");
}

#[test]
fn faults_strike_clients_and_the_system_is_upheld_with_evidence() {
    strikes_clients(Way::Local);
}

#[test]
fn links_to_clients_are_slow_and_nodes_are_restarted_in_turn() {
    let Some(place) = Place::new("links_to_clients_are_slow", Way::Local, &[]) else { return };
    let (before, rest) = PLAN.split_once("  - { at: 1s").expect("faults");
    let (_, claims) = rest.split_once("claims:").expect("claims");
    let faults = "  - { at: 1s, for: 2s, delay: { by: 200ms, between: [{ clients: c2 }, leader] } }
  - { at: 4s, for: 8s, restart: { rolling: [n1, n2] } }
";
    let (exit, verdict, said) =
        place.run_text(&format!("{before}{faults}claims:{claims}"), Way::Local);
    assert_eq!((exit, &verdict["faults_proven"]), (0, &2.into()), "{said}\n{verdict}");
    let history = history(&place);
    let told = |what: &str| history.iter().filter(|event| event["f"] == what).collect::<Vec<_>>();
    let slow = told("fault-start")[0]["value"]["injection"]["links"].clone();
    assert!(slow.as_array().is_some_and(|links| links.len() == 2), "{slow}");
    let steps: Vec<String> = told("fault-step").iter().map(|it| it["value"].to_string()).collect();
    let back =
        |node: &str| steps.iter().any(|step| step.contains(&format!("{node} does its part")));
    assert!(back("n1") && back("n2"), "{steps:?}");
}

#[test]
fn faults_strike_clients_of_nodes_behind_ssh() {
    strikes_clients(Way::Ssh);
}

#[test]
fn a_client_in_another_language_is_a_client() {
    let python = &[("python3", "python3")];
    let Some(place) = Place::new("a_client_in_another_language", Way::Local, python) else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/client.py");
    let command = format!("host: process, command: [python3, {script}] }}");
    let text = PLAN.replace("host: process }", &command);
    let (exit, verdict, said) = place.run_text(&text, Way::Local);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!(verdict["faults_proven"], 4, "{said}");
    let ran = history(&place).iter().any(|event| event.to_string().contains("python3 (process"));
    assert!(ran, "the probes saw no python: {said}");
}

#[test]
fn a_client_that_cannot_be_asked_ends_the_run_in_words() {
    let Some(place) = Place::new("a_client_that_cannot_be_asked", Way::Local, &[]) else { return };
    let check = |command: &str, words: &[&str]| {
        let text = PLAN.replace("host: process", &format!("host: process, command: {command}"));
        let (exit, _, said) = place.run_text(&text, Way::Local);
        assert_eq!(exit, 3, "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    check("[no-such-program]", &["the client `no-such-program`", "exit code 127", "client.log"]);
    check("[echo, hello]", &["said `hello`, not {\"ready\":1}"]);
}

#[test]
fn a_client_that_nobody_struck_proves_no_fault() {
    let Some(place) = Place::new("a_client_that_nobody_struck", Way::Local, &[]) else { return };
    let path = place.folder.path().join("short.yaml");
    std::fs::write(&path, PLAN).expect("a plan");
    for how in ["idle-nemesis", "wrong-kill", "dead-client"] {
        let path = path.to_str().expect("a plain path");
        let output = place.schism(&["run", path, "--quiet", "--sabotage", how]);
        let said = place::said(&output);
        assert_eq!(output.status.code(), Some(2), "{how}: {said}");
        let verdict = std::fs::read(place.latest().join("verdict.json")).expect("a verdict");
        let verdict: Value = serde_json::from_slice(&verdict).expect("JSON");
        assert_eq!(word(&verdict, "linearizable"), "unknown", "{how}: {said}");
    }
}
