//! Whole runs against a real Kafka, in the local lab and over SSH: what its settings promise is upheld
//! under faults that are proven, and what they do not promise is found lost.

mod place;

use std::io::Write as _;

use place::{Place, Way, kafka_in, plan, word};

const JAVA: &[(&str, &str)] = &[("java", "default-jre-headless")];

/// A place where the release of Kafka is at hand that this machine has assembled.
fn place(test: &str, way: Way) -> Option<Place> {
    let place = Place::new(test, way, JAVA)?;
    if let Err(reason) = kafka_in(&place.folder.path().join("cache")) {
        let _ = writeln!(std::io::stderr(), "skipped: {test} ({way:?}): {reason}");
        return None;
    }
    Some(place)
}

/// Brokers are given up sooner than in the plans, so that a short run shows the same.
const SOONER: [&str; 2] = ["target.kafka.session_timeout=3s", "bounds.form=60s"];

#[test]
fn what_an_isolated_leader_acknowledged_alone_is_lost() {
    let Some(place) = place("what_an_isolated_leader_acknowledged", Way::Local) else { return };
    let faults = "faults=[ { at: 3s, for: 12s, partition: { isolate: leader } } ]";
    let settings = [&SOONER[..], &["load.duration=20s", faults]].concat();
    let (exit, verdict, said) = place.run(&plan("kafka-acks-1.yaml"), Way::Local, &settings);
    assert_eq!(exit, 1, "{said}\n{verdict}");
    assert_eq!(verdict["faults_proven"], 1, "{said}");
    assert_eq!(word(&verdict, "no-lost-writes"), "violated", "{said}");
    let log = place.latest().join("nodes/n1/kafka.log");
    assert!(log.metadata().expect("a log").len() > 0);
    let configuration = verdict["configuration"].to_string();
    for part in ["producer.acks", "consumer.isolation.level", "topic.min.insync.replicas"] {
        assert!(configuration.contains(part), "{configuration}");
    }
}

/// The plans' scenario, shorter.
const ASLEEP_AND_DEAD: &str = "faults=[ { at: 3s, for: 24s, scenario: [ \
    { roles: { L: leader, F: follower } }, { pause: F }, { wait: 7s }, { kill: L }, { resume: F }, \
    { wait: 8s }, { start: L }, { wait: 3s } ] } ]";

fn a_follower_sleeps_and_its_leader_dies(
    name: &str,
    way: Way,
) -> Option<(i32, serde_json::Value, String)> {
    let place = place(name, way)?;
    let sooner = ["target.kafka.replica_lag=2s", "load.duration=30s", ASLEEP_AND_DEAD];
    let settings = [&SOONER[..], &sooner].concat();
    Some(place.run(&plan(name), way, &settings))
}

#[test]
fn an_unclean_election_loses_what_one_replica_acknowledged() {
    let ran = a_follower_sleeps_and_its_leader_dies("kafka-unclean.yaml", Way::Local);
    let Some((exit, verdict, said)) = ran else { return };
    assert_eq!(exit, 1, "{said}\n{verdict}");
    assert_eq!(word(&verdict, "no-lost-writes"), "violated", "{said}");
}

#[test]
fn what_two_replicas_acknowledged_survives_where_elections_are_clean_over_ssh() {
    let ran = a_follower_sleeps_and_its_leader_dies("kafka-acks-all.yaml", Way::Ssh);
    let Some((exit, verdict, said)) = ran else { return };
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!(verdict["faults_proven"], 1, "{said}");
}

#[test]
fn a_broker_that_never_comes_up_is_named_with_its_last_words() {
    let Some(place) = place("a_broker_that_never_comes_up", Way::Local) else { return };
    let settings = ["target.kafka.jvm='-XX:NoSuchFlag=1'", "bounds.form=15s"];
    let (exit, _, said) = place.run(&plan("kafka-acks-1.yaml"), Way::Local, &settings);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("NoSuchFlag"), "{said}");
}
