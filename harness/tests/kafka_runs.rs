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

/// The broker of the first log never starts again, and no broker takes members with such a time-out.
const ENDINGS: &str = "
lab: { local: { nodes: 3 } }
target: { kafka: { acks: 1, replication: 1, group_timeout: 1s, session_timeout: 3s, delivery_timeout: 2s } }
workload: { log: { keys: 6, mix: { send: 1, poll: 1 }, length: 1, read: subscribe } }
load: { clients: 6, duration: 14s, rate: 60/s, timeout: 3s }
faults: [ { at: 3s, for: 1s, damage: { of: leader, files: meta.properties, flip: 64 } } ]
claims: [ no-lost-writes, no-unseen-writes, consistent-offsets ]
bounds: { form: 90s, settle: 3s, final-reads: 8s }
";

#[test]
fn logs_that_nobody_leads_and_a_group_that_never_settles_end_in_a_verdict_that_names_them() {
    let test = "logs_that_nobody_leads_and_a_group_that_never_settles";
    let Some(place) = place(test, Way::Local) else { return };
    let (exit, verdict, said) = place.run_text(ENDINGS, Way::Local);
    assert_eq!(exit, 2, "{said}\n{verdict}");
    assert_eq!(verdict["faults_proven"], 1, "{said}");
    // What was seen of the other logs stays decided.
    assert_eq!(word(&verdict, "consistent-offsets"), "upheld", "{said}");
    assert_eq!(word(&verdict, "no-unseen-writes"), "unknown", "{said}");
    let unwell = verdict["unwell"].as_array().cloned().unwrap_or_default();
    let of = |part: &str| {
        let found = unwell.iter().find(|it| it["what"].to_string().contains(part));
        found.unwrap_or_else(|| panic!("{part} is not told: {said}"))
    };
    let unled = of("nobody leads ");
    assert!(unled["what"].to_string().contains(" log-0-0"), "{unled}");
    assert!(unled["what"].to_string().contains("which does not answer"), "{unled}");
    let last_words = "Exiting Kafka due to fatal exception";
    assert!(unled["log"].to_string().contains(last_words), "{unled}");
    let never = of("the group never settled")["what"].to_string();
    assert!(never.contains("no member was ever given anything to read"), "{never}");
    // It is another broker, unless the group's offsets were with the one that is gone.
    let coordinator = of("the group schism");
    let has_log = coordinator["log"].as_array().is_some_and(|log| !log.is_empty());
    let gone = unled["what"].to_string().contains("__consumer_offsets");
    assert!(has_log || gone, "{coordinator}");
    // Both stand in the message, with the last words of the broker.
    for part in ["nobody leads ", "the group never settled", "'s log:", last_words] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

/// All clients say that they are one and the same member, so that each fences the one before.
const FATAL: &str = "
lab: { local: { nodes: 1 } }
target: { kafka: { acks: all, client: { group.instance.id: one } } }
workload: { log: { keys: 2, mix: { send: 1, poll: 2 }, length: 1, read: subscribe } }
load: { clients: 3, duration: 6s, timeout: 3s }
claims: [ no-lost-writes, no-unseen-writes, consistent-offsets ]
bounds: { form: 90s, final-reads: 20s }
";

#[test]
fn clients_that_are_declared_fatal_again_and_again_end_in_a_verdict_that_counts_them() {
    let Some(place) = place("clients_that_are_declared_fatal", Way::Local) else { return };
    let (exit, verdict, said) = place.run_text(FATAL, Way::Local);
    assert!(exit == 0 || exit == 2, "{said}\n{verdict}");
    let unwell = verdict["unwell"].as_array().cloned().unwrap_or_default();
    let told = |part: &str| unwell.iter().find(|it| it["what"].to_string().contains(part));
    let fatal = told("clients were given up for good").unwrap_or_else(|| panic!("{said}"));
    assert!(fatal["what"].to_string().contains("FencedInstanceId"), "{fatal}");
    let coordinator = told("n1, which coordinates the group schism");
    let coordinator = coordinator.unwrap_or_else(|| panic!("{said}"));
    assert!(coordinator["log"].as_array().is_some_and(|log| !log.is_empty()), "{coordinator}");
    assert!(said.contains("The last lines of n1's log:"), "{said}");
}
