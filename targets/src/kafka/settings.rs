//! What a plan can set of the brokers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schism_history::{OptionError, Options};
use serde_json::Value;

use super::client;
use super::distribution::Distribution;
use super::keys::Layout;
use super::properties;
use super::topics::TopicSettings;
use crate::archive::{ARCHIVE, SHA256};

/// All keys: those of the brokers, then those of the clients.
pub(super) const OPTIONS: &[(&str, &str)] = &{
    let mut all = [("", ""); BROKERS.len() + client::OPTIONS.len()];
    let mut at = 0;
    while at < all.len() {
        let of_brokers = at < BROKERS.len();
        all[at] = if of_brokers { BROKERS[at] } else { client::OPTIONS[at - BROKERS.len()] };
        at += 1;
    }
    all
};

/// The keys, each with one line of help.
const BROKERS: &[(&str, &str)] = &[
    (
        "version",
        "a release that `make kafka VERSION=…` has assembled, for example 4.1.0, which is the default",
    ),
    ("directory", "instead of `version`: where Kafka stands on every node, for example /opt/kafka"),
    (
        ARCHIVE.0,
        "instead of `version`: one of Apache's archives, as a path or a URL; needs `sha256`",
    ),
    SHA256,
    ("java", "the JVM, as a path or found by its name; Java 17 or later; default java"),
    ("heap", "the heap of each broker; default 256m"),
    ("jvm", "more flags for the JVM, as one text: \"-XX:TieredStopAtLevel=4 -XX:+UseG1GC\""),
    ("partitions", "how many partitions a topic has; default 4"),
    (
        "replication",
        "how many replicas a partition has; default 3, or one a node where there are fewer",
    ),
    ("min_insync", "min.insync.replicas: fewer in-sync replicas refuse acks=all; default 1"),
    (
        "unclean_elections",
        "unclean.leader.election.enable: whether a replica that is not in sync may lead; default false",
    ),
    (
        "flush_messages",
        "flush.messages: fsync of a partition's log after so many records; default: when the kernel \
         likes, as is Kafka's",
    ),
    (
        "session_timeout",
        "broker.session.timeout.ms: silence after which the controller fences a broker; Kafka's \
         default is 9s",
    ),
    (
        "replica_lag",
        "replica.lag.time.max.ms: a replica that is behind for so long is no longer in sync; Kafka's \
         default is 30s",
    ),
    (
        "election",
        "controller.quorum.election.timeout.ms: how long a silent controller is waited for by those \
         that would follow it; Kafka's default is 1s",
    ),
    (
        "features",
        "levels of features that the cluster is formatted with, by name: { transaction.version: 0 }; \
         default: the release's own",
    ),
    ("flags", "more properties of the brokers, by Kafka's names: { num.io.threads: 8 }"),
];

const REPLICATION: u16 = 3;

/// The options of a plan, read.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) distribution: Distribution,
    pub(super) java: String,
    pub(super) heap: String,
    pub(super) jvm: Vec<String>,
    partitions: i32,
    replication: Option<u16>,
    pub(super) min_insync: u16,
    pub(super) unclean_elections: bool,
    pub(super) flush_messages: Option<u64>,
    pub(super) session_timeout: Option<Duration>,
    pub(super) replica_lag: Option<Duration>,
    pub(super) election: Option<Duration>,
    pub(super) features: BTreeMap<String, u64>,
    pub(super) flags: BTreeMap<String, String>,
    pub(super) clients: Arc<client::Settings>,
}

impl Settings {
    pub(super) fn read(given: &Value) -> Result<Self, OptionError> {
        let known: Vec<&str> = OPTIONS.iter().map(|(key, _)| *key).collect();
        let options = Options::read(given, &known)?;
        let flags = words(&options, given, "jvm")?.unwrap_or_default();
        let settings = Self {
            distribution: Distribution::read(&options, given)?,
            java: words(&options, given, "java")?.unwrap_or_else(|| "java".into()),
            heap: heap(&options, given)?,
            jvm: flags.split_whitespace().map(str::to_owned).collect(),
            partitions: options.count("partitions", 1..=1000)?.unwrap_or(4) as i32,
            replication: options.count("replication", 1..=99)?.map(|count| count as u16),
            min_insync: options.count("min_insync", 1..=99)?.unwrap_or(1) as u16,
            unclean_elections: options.truth("unclean_elections")?,
            flush_messages: options.count("flush_messages", 1..=1_000_000_000)?,
            session_timeout: options.span("session_timeout")?,
            replica_lag: options.span("replica_lag")?,
            election: options.span("election")?,
            features: features(&options, given)?,
            flags: broker_flags(&options, given)?,
            clients: Arc::new(client::Settings::read(&options, given)?),
        };
        if settings.min_insync > settings.replication.unwrap_or(REPLICATION) {
            let problem = format!(
                "`min_insync` is {}, and a partition has {} replicas: nothing could ever be written",
                settings.min_insync,
                settings.replication.unwrap_or(REPLICATION)
            );
            return Err(options.error("min_insync", problem));
        }
        Ok(settings)
    }

    /// How many replicas a partition has on so many nodes.
    pub(super) fn replication(&self, nodes: usize) -> u16 {
        let nodes = u16::try_from(nodes).unwrap_or(u16::MAX);
        self.replication.unwrap_or(REPLICATION.min(nodes))
    }

    /// Whether the cluster can stand on so many nodes.
    pub(super) fn fits(&self, nodes: u16) -> Result<(), String> {
        let replication = self.replication(nodes.into());
        if replication > nodes {
            return Err(format!(
                "`replication` is {replication}, so that it takes at least as many nodes"
            ));
        }
        if self.min_insync > replication {
            return Err(format!(
                "`min_insync` is {}, and on {nodes} node(s) a partition has {replication} replica(s): \
                 nothing could ever be written",
                self.min_insync
            ));
        }
        Ok(())
    }

    /// How topics are made on so many nodes.
    pub(super) fn topics(&self, nodes: usize) -> TopicSettings {
        let mut config = vec![
            ("min.insync.replicas".to_owned(), self.min_insync.to_string()),
            ("unclean.leader.election.enable".to_owned(), self.unclean_elections.to_string()),
        ];
        if let Some(messages) = self.flush_messages {
            config.push(("flush.messages".to_owned(), messages.to_string()));
        }
        let layout = Layout { partitions: self.partitions };
        TopicSettings { layout, replication: self.replication(nodes).into(), config }
    }

    /// As reports say it, behind the name and the version.
    pub(super) fn words(&self) -> String {
        let elections =
            if self.unclean_elections { "unclean elections" } else { "clean elections" };
        let mut words = vec![
            match self.replication {
                Some(replication) => format!("replication {replication}"),
                None => format!("replication {REPLICATION} at most"),
            },
            format!("min.insync.replicas {}", self.min_insync),
            elections.into(),
        ];
        if let Some(messages) = self.flush_messages {
            words.push(format!("flush every {messages} record(s)"));
        }
        words.join(", ")
    }
}

fn words(options: &Options<'_>, given: &Value, key: &str) -> Result<Option<String>, OptionError> {
    match given.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(options.error(key, format!("`{key}` is {other}; it must be a text"))),
    }
}

/// As the JVM reads it: digits and a unit.
fn heap(options: &Options<'_>, given: &Value) -> Result<String, OptionError> {
    let heap = words(options, given, "heap")?.unwrap_or_else(|| "256m".into());
    let digits = heap.strip_suffix(['m', 'g', 'M', 'G']).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let problem = format!("`heap` is {heap}; it must be a size such as 256m or 1g");
        return Err(options.error("heap", problem));
    }
    Ok(heap)
}

fn features(options: &Options<'_>, given: &Value) -> Result<BTreeMap<String, u64>, OptionError> {
    let wrong = |what: String| options.error("features", what);
    let Some(value) = given.get("features") else { return Ok(BTreeMap::new()) };
    let Some(map) = value.as_object() else {
        return Err(wrong(format!("`features` is {value}; it must be names with levels")));
    };
    let level = |(name, level): (&String, &Value)| match level.as_u64() {
        Some(level) => Ok((name.clone(), level)),
        None => Err(wrong(format!("`{name}` is {level}; it must be a level such as 0 or 2"))),
    };
    map.iter().map(level).collect()
}

/// Properties as a plan gives them, without those that other options or the lab set.
fn broker_flags(
    options: &Options<'_>,
    given: &Value,
) -> Result<BTreeMap<String, String>, OptionError> {
    let wrong = |what: String| options.error("flags", what);
    let Some(value) = given.get("flags") else { return Ok(BTreeMap::new()) };
    let Some(map) = value.as_object() else {
        return Err(wrong(format!("`flags` is {value}; it must be properties with values")));
    };
    let mut flags = BTreeMap::new();
    for (name, value) in map {
        if let Some(reason) = properties::taken(name) {
            return Err(wrong(format!("`{name}` cannot be set in `flags`: {reason}")));
        }
        let value = match value {
            Value::String(text) if !text.contains(['\n', '\r', '\\']) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            other => return Err(wrong(format!("`{name}` is {other}; it must be one line"))),
        };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
            return Err(wrong(format!("`{name}` is no name of a property")));
        }
        flags.insert(name.clone(), value);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(given: Value, key: &str, problem: &str) {
        let error = Settings::read(&given).expect_err("the options are wrong");
        assert_eq!(error.path, [key], "{error}");
        assert!(error.problem.contains(problem), "{}", error.problem);
    }

    #[test]
    fn refuses_what_kafka_could_not_do() {
        check(json!({ "min_insync": 4 }), "min_insync", "a partition has 3 replicas");
        check(json!({ "replication": 1, "min_insync": 2 }), "min_insync", "has 1 replicas");
        check(json!({ "heap": "lots" }), "heap", "256m or 1g");
        check(json!({ "unclean_elections": 1 }), "unclean_elections", "true or false");
        check(json!({ "session_timeout": 9 }), "session_timeout", "a duration");
        check(json!({ "features": { "transaction.version": "new" } }), "features", "a level");
        check(json!({ "flags": "num.io.threads=8" }), "flags", "properties with values");
        check(json!({ "flags": { "node.id": 7 } }), "flags", "the lab says");
        check(json!({ "flags": { "min.insync.replicas": 7 } }), "flags", "`min_insync`");
        check(json!({ "flags": { "a b": 7 } }), "flags", "no name of a property");
        check(json!({ "flags": { "a": "b\nnode.id=1" } }), "flags", "one line");
        check(json!({ "directory": "/opt/kafka", "version": "4.1.0" }), "directory", "leave");
    }

    #[test]
    fn a_partition_has_no_more_replicas_than_there_are_nodes() {
        let plain = Settings::read(&json!(null)).expect("no options");
        assert_eq!([1, 2, 3, 5].map(|nodes| plain.replication(nodes)), [1, 2, 3, 3]);
        assert_eq!(plain.fits(1), Ok(()));
        let two = Settings::read(&json!({ "replication": 2, "min_insync": 2 })).expect("right");
        assert_eq!(two.fits(3), Ok(()));
        assert!(two.fits(1).is_err_and(|problem| problem.contains("at least as many nodes")));
        let insync = Settings::read(&json!({ "min_insync": 2 })).expect("right");
        assert!(insync.fits(1).is_err_and(|problem| problem.contains("`min_insync` is 2")));
    }

    #[test]
    fn says_what_a_verdict_depends_on() {
        let plain = Settings::read(&json!(null)).expect("no options");
        assert_eq!(plain.words(), "replication 3 at most, min.insync.replicas 1, clean elections");
        let set = json!({ "replication": 2, "min_insync": 2, "unclean_elections": true,
            "flush_messages": 1 });
        let set = Settings::read(&set).expect("right options");
        let words =
            "replication 2, min.insync.replicas 2, unclean elections, flush every 1 record(s)";
        assert_eq!(set.words(), words);
        let config = set.topics(3).config;
        assert!(config.contains(&("flush.messages".into(), "1".into())), "{config:?}");
    }
}
