//! The configuration of one broker, by Kafka's own names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schism_lab::Node;
use sha2::{Digest as _, Sha256};

use super::settings::Settings;
use super::{NAME, PORTS};
use crate::Cluster;

/// Internal topics are small: what coordinates a run's groups and transactions needs no fifty
/// partitions, each of which costs files and a look at every start.
const INTERNAL_PARTITIONS: u16 = 4;

/// Why a property cannot be set by hand, if that is so.
pub(super) fn taken(name: &str) -> Option<&'static str> {
    const LAB: &str = "the lab says where a node stands and what it is called";
    Some(match name {
        "node.id"
        | "broker.id"
        | "process.roles"
        | "listeners"
        | "advertised.listeners"
        | "controller.quorum.voters"
        | "controller.quorum.bootstrap.servers"
        | "controller.listener.names"
        | "inter.broker.listener.name"
        | "listener.security.protocol.map"
        | "log.dir"
        | "log.dirs"
        | "metadata.log.dir" => LAB,
        "min.insync.replicas" => "the option `min_insync` does that",
        "unclean.leader.election.enable" => "the option `unclean_elections` does that",
        "default.replication.factor" => "the option `replication` does that",
        "num.partitions" => "the option `partitions` does that",
        "log.flush.interval.messages" => "the option `flush_messages` does that",
        "broker.session.timeout.ms" => "the option `session_timeout` does that",
        "replica.lag.time.max.ms" => "the option `replica_lag` does that",
        "controller.quorum.election.timeout.ms" => "the option `election` does that",
        "auto.create.topics.enable" => "topics are made by clients, with the plan's settings",
        _ => return None,
    })
}

/// What is the same on every node.
pub(super) fn shared(settings: &Settings, nodes: usize) -> BTreeMap<String, String> {
    let replication = settings.replication(nodes);
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        all.insert(name.to_owned(), value);
    };
    set("process.roles", "broker,controller".into());
    set("controller.listener.names", "CONTROLLER".into());
    set("inter.broker.listener.name", "BROKER".into());
    set("listener.security.protocol.map", "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT".into());
    set("auto.create.topics.enable", "false".into());
    let topics = settings.topics(nodes);
    set("num.partitions", topics.layout.partitions.to_string());
    set("default.replication.factor", replication.to_string());
    set("min.insync.replicas", settings.min_insync.to_string());
    set("unclean.leader.election.enable", settings.unclean_elections.to_string());
    for topic in ["offsets.topic", "transaction.state.log"] {
        set(&format!("{topic}.num.partitions"), INTERNAL_PARTITIONS.to_string());
        set(&format!("{topic}.replication.factor"), replication.to_string());
    }
    set("transaction.state.log.min.isr", settings.min_insync.to_string());
    // As in the configuration that Kafka is delivered with: a group of three seconds' standing would
    // otherwise be waited for at each first join.
    set("group.initial.rebalance.delay.ms", "0".into());
    // The cleaner takes its buffer from the heap at once; the default is half of ours.
    set("log.cleaner.dedupe.buffer.size", (8 << 20).to_string());
    set("num.network.threads", "2".into());
    set("num.io.threads", "4".into());
    set("background.threads", "2".into());
    if let Some(messages) = settings.flush_messages {
        set("log.flush.interval.messages", messages.to_string());
    }
    let milliseconds = |span: Duration| span.as_millis().to_string();
    if let Some(session) = settings.session_timeout {
        set("broker.session.timeout.ms", milliseconds(session));
        // As Kafka's own defaults stand to each other: four or five heartbeats a session.
        set("broker.heartbeat.interval.ms", milliseconds(session / 4));
    }
    if let Some(lag) = settings.replica_lag {
        set("replica.lag.time.max.ms", milliseconds(lag));
    }
    if let Some(election) = settings.election {
        set("controller.quorum.election.timeout.ms", milliseconds(election));
        // How long a follower waits for a leader's answer; twice an election, as by default.
        set("controller.quorum.fetch.timeout.ms", milliseconds(2 * election));
    }
    all.extend(settings.flags.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// The whole configuration of the broker on `node`.
pub(super) fn of(settings: &Settings, cluster: &Cluster, node: &Node) -> BTreeMap<String, String> {
    let at = |node: &Node, port| SocketAddr::new(node.address, port);
    let mut all = shared(settings, cluster.hosts.len());
    let voters =
        cluster.nodes().map(|node| format!("{}@{}", node.id.0, at(node, PORTS.controllers)));
    let clients = format!("BROKER://{}", at(node, PORTS.clients));
    let controllers = format!("CONTROLLER://{}", at(node, PORTS.controllers));
    let own = [
        ("node.id", node.id.0.to_string()),
        ("controller.quorum.voters", voters.collect::<Vec<_>>().join(",")),
        ("listeners", format!("{clients},{controllers}")),
        ("advertised.listeners", clients),
        ("log.dirs", node.data.join(NAME).display().to_string()),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// The text of a file of properties.
pub(super) fn text(properties: &BTreeMap<String, String>) -> String {
    properties.iter().fold(String::new(), |mut text, (name, value)| {
        writeln!(text, "{name}={value}").expect("memory takes every write");
        text
    })
}

/// The number of the cluster: the same for all of its nodes, and another for other nodes.
pub(super) fn cluster_id(cluster: &Cluster) -> String {
    let mut hash = Sha256::new();
    for node in cluster.nodes() {
        hash.update(format!("{}={};", node.id, node.address));
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    // Kafka makes none that begins like an option of a program.
    bytes[0] &= 0x7f;
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_hosts::FakeHosts;

    #[tokio::test]
    async fn a_broker_is_configured_as_the_plan_says() {
        let place = FakeHosts::three(0).await;
        let given = json!({
            "min_insync": 2, "unclean_elections": true, "session_timeout": "4s", "election": "500ms",
            "replica_lag": "5s", "flush_messages": 1, "flags": { "num.io.threads": 3 },
        });
        let settings = Settings::read(&given).expect("right options");
        let node = &place.hosts[1].node;
        let text = text(&of(&settings, &place.cluster, node));
        for line in [
            "node.id=2",
            "controller.quorum.voters=1@127.0.0.1:9093,2@127.0.0.2:9093,3@127.0.0.3:9093",
            "listeners=BROKER://127.0.0.2:9092,CONTROLLER://127.0.0.2:9093",
            "log.dirs=/data/kafka",
            "min.insync.replicas=2",
            "transaction.state.log.min.isr=2",
            "unclean.leader.election.enable=true",
            "broker.session.timeout.ms=4000",
            "broker.heartbeat.interval.ms=1000",
            "controller.quorum.election.timeout.ms=500",
            "replica.lag.time.max.ms=5000",
            "log.flush.interval.messages=1",
            "offsets.topic.replication.factor=3",
            "num.io.threads=3",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn a_cluster_has_one_number() {
        let place = FakeHosts::three(0).await;
        let whole = cluster_id(&place.cluster);
        assert_eq!((whole.len(), &whole), (22, &cluster_id(&place.cluster)));
        let two = Cluster { hosts: place.cluster.hosts[..2].to_vec() };
        assert_ne!(whole, cluster_id(&two));
    }
}
