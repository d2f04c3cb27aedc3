//! Whole runs against a real Redis Cluster, in the local lab and over SSH: what it keeps while
//! nothing is broken, and what it loses.

mod place;

use place::{Place, Way, archived, plan, word};
use serde_json::Value;

const REDIS: &[(&str, &str)] = &[("redis-server", "redis-server")];

#[test]
fn redis_cluster_keeps_its_promises_while_nothing_is_broken() {
    let Some(place) = Place::new("redis_cluster_keeps_its_promises", Way::Local, REDIS) else {
        return;
    };
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
        let (exit, verdict, said) = place.run_text(&text, Way::Local);
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

fn loses_acknowledged_writes(way: Way) {
    let Some(place) = Place::new("redis_cluster_loses", way, REDIS) else { return };
    let (exit, verdict, said) = place.run(&plan("redis-lost-writes.yaml"), way, &["seed=2"]);
    assert_eq!(exit, 1, "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&1.into(), &1.into()), "{said}");
    assert_eq!(word(&verdict, "acknowledged-writes-survive"), "violated", "{said}");
}

#[test]
fn redis_cluster_loses_what_an_isolated_primary_acknowledged() {
    loses_acknowledged_writes(Way::Local);
}

#[test]
fn redis_cluster_loses_what_an_isolated_primary_acknowledged_over_ssh() {
    loses_acknowledged_writes(Way::Ssh);
}

#[test]
fn a_redis_from_a_url_is_brought_to_hosts() {
    let programs = [REDIS, &[("curl", "curl")]].concat();
    let Some(place) = Place::new("a_redis_from_a_url", Way::Ssh, &programs) else { return };
    let text = format!(
        "{{ name: short, lab: {{ local: {{ nodes: 3, ssh: true }} }},
        target: {{ redis_cluster: {{ replicas: 0, {} }} }}, workload: {{ register: {{ keys: 6 }} }},
        load: {{ clients: 6, duration: 2s, rate: 100/s }}, claims: [ linearizable ] }}",
        archived(&place, "redis-server")
    );
    let (exit, verdict, said) = place.run_text(&text, Way::Ssh);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    let (exit, _, said) = place.run_text(&text.replace("sha256: '", "sha256: '0"), Way::Ssh);
    assert_eq!(exit, 64, "{said}");
    assert!(said.contains("64 hexadecimal digits"), "{said}");
}

#[test]
fn too_few_nodes_are_refused_with_the_number_that_is_needed() {
    let Some(place) = Place::new("too_few_nodes_are_refused", Way::Local, REDIS) else { return };
    let text = "{ name: short, lab: { local: { nodes: 4 } }, target: redis_cluster,
        workload: register, load: { duration: 1s }, claims: [ linearizable ] }";
    let (exit, _, said) = place.run_text(text, Way::Local);
    assert_eq!(exit, 64, "{said}");
    assert!(said.contains("use 6 nodes"), "{said}");
    let (exit, _, said) = place.run_text(&text.replace("nodes: 4", "nodes: 7"), Way::Local);
    assert_eq!(exit, 64, "{said}");
    assert!(said.contains("use 6 or 8"), "{said}");
}

#[test]
#[ignore = "a long run: `make nightly` does it"]
fn slots_that_were_on_their_way_are_closed_when_their_primary_dies() {
    let Some(place) = Place::new("slots_that_were_on_their_way_are_closed", Way::Local, REDIS)
    else {
        return;
    };
    let (exit, verdict, said) = place.run(&plan("redis-reshard-kill.yaml"), Way::Local, &[]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    let history = std::fs::read_to_string(place.latest().join("history.jsonl"));
    let history = history.expect("the history");
    assert!(history.contains("slots with"), "no slot was moved");
}

#[test]
fn members_leave_and_come_back_and_nothing_is_lost() {
    let Some(place) = Place::new("members_leave_and_come_back", Way::Local, REDIS) else { return };
    let (exit, verdict, said) = place.run(&plan("redis-leave.yaml"), Way::Local, &[]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
}

#[test]
#[ignore = "a long run: `make nightly` does it"]
fn locks_of_redis_do_not_exclude_once_a_primary_is_succeeded() {
    let Some(place) = Place::new("locks_of_redis_do_not_exclude", Way::Local, REDIS) else {
        return;
    };
    let (exit, verdict, said) = place.run(&plan("redis-lock.yaml"), Way::Local, &[]);
    assert_eq!(exit, 1, "{said}");
    assert_eq!(word(&verdict, "mutual-exclusion"), "violated", "{said}");
}

#[test]
fn redlock_does_not_exclude_once_a_majority_forgets() {
    let Some(place) = Place::new("redlock_does_not_exclude", Way::Local, REDIS) else { return };
    let (exit, verdict, said) = place.run(&plan("redlock.yaml"), Way::Local, &[]);
    assert_eq!(exit, 1, "{said}");
    assert_eq!(word(&verdict, "mutual-exclusion"), "violated", "{said}");
    let remembers = "target={ redlock: { lease: 8s, appendonly: yes, appendfsync: always } }";
    let (exit, _, said) = place.run(&plan("redlock.yaml"), Way::Local, &[remembers]);
    assert_eq!(exit, 0, "{said}");
}
