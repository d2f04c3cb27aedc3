//! The options of this target in a plan.

use std::time::Duration;

use schism_history::{OptionError, Options, Span};
use serde_json::Value;

use super::client::{Manner, Reads};
use crate::archive::{ARCHIVE, SHA256};
use crate::program::{Kind, Program};

/// Redis' own program, in whatever arrangement it runs.
pub(crate) const REDIS: Kind =
    Kind { program: "redis-server", package: "redis-server", release: "redis", example: "8.2.3" };

/// The options' keys, each with one line of help.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("replicas", "how many replicas each primary has; default 1"),
    (
        "node_timeout",
        "cluster-node-timeout: silence after which a node is held to fail; default 2s",
    ),
    (
        "wait",
        "WAIT for so many replicas after each write; fewer make it unknown; default 0: no WAIT",
    ),
    ("wait_timeout", "how long WAIT waits; default 500ms"),
    ("min_replicas_to_write", "a primary with fewer near replicas refuses writes; default 0: none"),
    (
        "min_replicas_max_lag",
        "how long a near replica may be silent, in whole seconds; default 10s",
    ),
    ("appendonly", "whether writes are logged on disk: yes or no; default no"),
    ("appendfsync", "when the log is synced: always, everysec or no; default everysec"),
    ("save", "snapshots: off, or `SECONDS WRITES …` as Redis has it; default: Redis' own"),
    (
        "reads",
        "who answers reads: primary, replica (the client's own node, where it is one of the slot), \
         or either in turn; default primary",
    ),
    ("lease", "how long a lock is granted (PX); default 8s"),
    (
        "fencing",
        "whether what a lock guards refuses a write under an older token than the last: yes or no; \
         default no",
    ),
    ("binary", "the program to start; default redis-server"),
    (
        "version",
        "instead of `binary`: a release that `make redis VERSION=…` has fetched, for example 8.2.3",
    ),
    ARCHIVE,
    SHA256,
];

/// What a plan set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) replicas: usize,
    pub(super) node_timeout: Duration,
    pub(super) manner: Manner,
    pub(super) min_replicas_to_write: u64,
    pub(super) min_replicas_max_lag: Duration,
    pub(super) appendonly: bool,
    pub(super) appendfsync: &'static str,
    /// `None`: Redis' own; empty: none.
    pub(super) save: Option<String>,
    /// How long a lock is granted.
    pub(super) lease: Duration,
    /// Whether what a lock guards looks at tokens.
    pub(super) fencing: bool,
    pub(super) program: Program,
}

impl Settings {
    /// Reads the options in `value`.
    pub(super) fn read(value: &Value) -> Result<Self, OptionError> {
        let known: Vec<&str> = OPTIONS.iter().map(|(key, _)| *key).collect();
        let given = Options::read(value, &known)?;
        let replicas = given.count("replicas", 0..=10)?.unwrap_or(1);
        let manner = Manner {
            reads: match given.choice("reads", &["primary", "replica", "either"])? {
                Some("replica") => Reads::Replica,
                Some("either") => Reads::Either,
                _ => Reads::Primary,
            },
            wait: at_most(&given, "wait", replicas)?,
            wait_timeout: given.span("wait_timeout")?.unwrap_or(Duration::from_millis(500)),
        };
        Ok(Self {
            replicas: replicas as usize,
            node_timeout: given.span("node_timeout")?.unwrap_or(Duration::from_secs(2)),
            manner,
            min_replicas_to_write: at_most(&given, "min_replicas_to_write", replicas)?,
            min_replicas_max_lag: seconds(&given)?,
            appendonly: given.choice("appendonly", &["no", "yes"])? == Some("yes"),
            appendfsync: given
                .choice("appendfsync", &["always", "everysec", "no"])?
                .unwrap_or("everysec"),
            save: save(value, &given)?,
            lease: lease(&given)?,
            fencing: given.choice("fencing", &["no", "yes"])? == Some("yes"),
            program: Program::read(&given, value, &REDIS)?,
        })
    }

    /// As reports say it, behind the name and the version.
    pub(super) fn words(&self) -> String {
        let mut words = vec![
            format!("{} replica(s) a primary", self.replicas),
            format!("node timeout {}", Span(self.node_timeout)),
        ];
        if self.manner.wait > 0 {
            words.push(format!("WAIT {}", self.manner.wait));
        }
        if self.min_replicas_to_write > 0 {
            let lag = Span(self.min_replicas_max_lag);
            words.push(format!("min-replicas-to-write {} ({lag})", self.min_replicas_to_write));
        }
        if self.appendonly {
            words.push(format!("append-only, fsync {}", self.appendfsync));
        }
        if self.fencing {
            words.push("fenced locks".into());
        }
        match self.manner.reads {
            Reads::Primary => {}
            Reads::Replica => words.push("reads of replicas".into()),
            Reads::Either => words.push("reads of primaries and replicas in turn".into()),
        }
        words.join(", ")
    }

    /// The arguments that they make, besides where the node stands.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut set = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        set("cluster-node-timeout", self.node_timeout.as_millis().to_string());
        set("appendonly", if self.appendonly { "yes" } else { "no" }.into());
        set("appendfsync", self.appendfsync.into());
        set("min-replicas-to-write", self.min_replicas_to_write.to_string());
        set("min-replicas-max-lag", self.min_replicas_max_lag.as_secs().to_string());
        if let Some(save) = &self.save {
            set("save", save.clone());
        }
        arguments
    }

    /// What a verdict about the cluster depends on.
    pub(super) fn configuration(&self) -> Vec<(String, String)> {
        let reads = match self.manner.reads {
            Reads::Primary => "primary",
            Reads::Replica => "replica",
            Reads::Either => "either",
        };
        let mut told = vec![
            ("replicas".to_owned(), self.replicas.to_string()),
            ("reads".to_owned(), reads.to_owned()),
            ("wait".to_owned(), self.manner.wait.to_string()),
        ];
        if self.manner.wait > 0 {
            told.push(("wait_timeout".to_owned(), Span(self.manner.wait_timeout).to_string()));
        }
        told.extend(named(&self.arguments()));
        told
    }
}

/// `--name value` as names and values.
pub(crate) fn named(arguments: &[String]) -> impl Iterator<Item = (String, String)> {
    let (pairs, _) = arguments.as_chunks::<2>();
    pairs.iter().map(|[name, value]| (name.trim_start_matches('-').to_owned(), value.clone()))
}

/// How long a lock is granted.
pub(crate) fn lease(given: &Options<'_>) -> Result<Duration, OptionError> {
    let lease = given.span("lease")?.unwrap_or(Duration::from_secs(8));
    if lease.as_millis() == 0 {
        return Err(given.error("lease", "`lease` is in whole milliseconds, as Redis counts them"));
    }
    Ok(lease)
}

/// A number of replicas that there are.
fn at_most(given: &Options<'_>, key: &str, replicas: u64) -> Result<u64, OptionError> {
    match given.count(key, 0..=10)? {
        Some(count) if count > replicas => {
            let problem = format!("`{key}` is {count}, and a primary has {replicas} replica(s)");
            Err(given.error(key, problem))
        }
        count => Ok(count.unwrap_or(0)),
    }
}

fn seconds(given: &Options<'_>) -> Result<Duration, OptionError> {
    let key = "min_replicas_max_lag";
    let lag = given.span(key)?.unwrap_or(Duration::from_secs(10));
    if lag.subsec_nanos() > 0 {
        return Err(
            given.error(key, format!("`{key}` is {}; Redis counts whole seconds", Span(lag)))
        );
    }
    Ok(lag)
}

fn save(value: &Value, given: &Options<'_>) -> Result<Option<String>, OptionError> {
    match value.get("save") {
        None => Ok(None),
        Some(Value::String(text)) if text == "off" => Ok(Some(String::new())),
        Some(Value::String(text)) if is_save(text) => Ok(Some(text.clone())),
        Some(other) => Err(given.error(
            "save",
            format!("`save` is {other}; it must be a text such as `save: off` or `save: 60 1000`"),
        )),
    }
}

/// Pairs of whole numbers.
fn is_save(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let numbers = words.iter().all(|word| word.parse::<u64>().is_ok());
    numbers && !words.is_empty() && words.len().is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn makes_arguments_of_what_a_plan_sets() {
        let plain = Settings::read(&json!(null)).expect("no options");
        let words = "--cluster-node-timeout 2000 --appendonly no --appendfsync everysec \
                     --min-replicas-to-write 0 --min-replicas-max-lag 10";
        assert_eq!(plain.arguments().join(" "), words);
        assert_eq!(plain.words(), "1 replica(s) a primary, node timeout 2s");
        let options = json!({
            "replicas": 2, "node_timeout": "1500ms", "wait": 2, "wait_timeout": "300ms",
            "min_replicas_to_write": 1, "min_replicas_max_lag": "2s", "appendonly": "yes",
            "appendfsync": "always", "save": "off", "reads": "replica", "binary": "/opt/redis",
        });
        let set = Settings::read(&options).expect("right options");
        let words = "--cluster-node-timeout 1500 --appendonly yes --appendfsync always \
                     --min-replicas-to-write 1 --min-replicas-max-lag 2 --save ";
        assert_eq!(set.arguments().join(" "), words);
        assert_eq!(
            set.words(),
            "2 replica(s) a primary, node timeout 1500ms, WAIT 2, min-replicas-to-write 1 (2s), \
             append-only, fsync always, reads of replicas"
        );
        assert_eq!(set.program.here(), std::path::Path::new("/opt/redis"));
        assert_eq!(set.manner.wait_timeout.as_millis(), 300);
    }

    fn check(options: Value, key: &str, problem: &str) {
        let error = Settings::read(&options).expect_err("the options are wrong");
        assert_eq!(error.path, [key]);
        assert!(error.problem.contains(problem), "{}", error.problem);
    }

    #[test]
    fn refuses_what_redis_could_not_do() {
        check(json!({ "wait": 2 }), "wait", "`wait` is 2, and a primary has 1 replica(s)");
        check(
            json!({ "replicas": 0, "min_replicas_to_write": 1 }),
            "min_replicas_to_write",
            "has 0",
        );
        check(json!({ "min_replicas_max_lag": "1500ms" }), "min_replicas_max_lag", "whole seconds");
        check(json!({ "save": "60" }), "save", "`save: off` or `save: 60 1000`");
        check(json!({ "save": "60 many" }), "save", "must be a text");
        check(json!({ "binary": 7 }), "binary", "must be a text");
        check(json!({ "appendonly": true }), "appendonly", "must be one of no, yes");
        check(json!({ "reads": "replicas" }), "reads", "did you mean `replica`?");
        check(json!({ "replica": 1 }), "replica", "did you mean `replicas`?");
    }
}
