//! What a plan can set.

use std::time::Duration;

use schism_history::{OptionError, Options};
use serde_json::Value;

use crate::archive::{ARCHIVE, SHA256};
use crate::program::{Kind, Program};

const ETCD: Kind =
    Kind { program: "etcd", package: "etcd-server", release: "etcd", example: "3.6.9" };

/// The keys, each with one line of help.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("binary", "the program, as a path or found by its name; default etcd"),
    (
        "version",
        "instead of `binary`: a release that `make etcd VERSION=…` has built, for example 3.6.9",
    ),
    ARCHIVE,
    SHA256,
    (
        "reads",
        "linearizable or serializable (answered by one node from what it has); default \
      linearizable",
    ),
    ("heartbeat", "how often a leader is heard; etcd's default is 100ms"),
    ("election", "how long a silent leader is waited for; etcd's default is 1s"),
    ("snapshot_count", "a snapshot after so many entries of the log; etcd's default is 100000"),
    ("flags", "more flags for the program, as one text: \"--pre-vote --quota-backend-bytes=1000\""),
    ("watch", "how long a watch lasts, if its client is that patient; default 2s"),
    (
        "lease",
        "how long a lock outlives its holder's silence, in whole seconds; etcd grants no less than \
         1.5 elections; default 2s",
    ),
    (
        "fencing",
        "whether what a lock guards refuses a write under an older token than the last; default false",
    ),
    (
        "watch_lease",
        "whether a holder stops when its lease has run out by its own clock; default false",
    ),
];

/// How a node answers reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reads {
    /// After asking the leader what is committed.
    #[default]
    Linearizable,
    /// From what it has itself.
    Serializable,
}

impl Reads {
    /// As the field `serializable` of a range says it.
    pub(super) fn serializable(self) -> bool {
        self == Reads::Serializable
    }
}

/// The options of a plan, read.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) program: Program,
    pub(super) reads: Reads,
    pub(super) heartbeat: Option<Duration>,
    pub(super) election: Option<Duration>,
    pub(super) snapshot_count: Option<u64>,
    pub(super) flags: Vec<String>,
    pub(super) watch: Duration,
    pub(super) lease: Duration,
    pub(super) fencing: bool,
    pub(super) watch_lease: bool,
}

impl Settings {
    pub(super) fn read(given: &Value) -> Result<Self, OptionError> {
        let known: Vec<&str> = OPTIONS.iter().map(|(key, _)| *key).collect();
        let options = Options::read(given, &known)?;
        let reads = options.choice("reads", &["linearizable", "serializable"])?;
        let flags = text(&options, given, "flags")?.unwrap_or_default();
        Ok(Self {
            program: Program::read(&options, given, &ETCD)?,
            reads: match reads {
                Some("serializable") => Reads::Serializable,
                _ => Reads::Linearizable,
            },
            heartbeat: options.span("heartbeat")?,
            election: options.span("election")?,
            snapshot_count: options.count("snapshot_count", 1..=1_000_000_000)?,
            flags: flags.split_whitespace().map(str::to_owned).collect(),
            watch: options.span("watch")?.unwrap_or(Duration::from_secs(2)),
            lease: lease(&options)?,
            fencing: options.truth("fencing")?,
            watch_lease: options.truth("watch_lease")?,
        })
    }

    /// The arguments that they make, besides the plan's own flags and where the node stands.
    pub(super) fn arguments(&self) -> Vec<(&'static str, String)> {
        let milliseconds = |span: Duration| span.as_millis().to_string();
        let settings = [
            ("heartbeat-interval", self.heartbeat.map(milliseconds)),
            ("election-timeout", self.election.map(milliseconds)),
            ("snapshot-count", self.snapshot_count.map(|entries| entries.to_string())),
        ];
        settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// What a verdict about etcd depends on.
    pub(super) fn configuration(&self) -> Vec<(String, String)> {
        let reads =
            if self.reads.serializable() { "serializable" } else { "linearizable" }.to_owned();
        let arguments = self.arguments().into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut configuration: Vec<_> = [("reads".to_owned(), reads)].into();
        configuration.extend(arguments);
        if !self.flags.is_empty() {
            configuration.push(("flags".into(), self.flags.join(" ")));
        }
        configuration
    }
}

fn lease(options: &Options<'_>) -> Result<Duration, OptionError> {
    let lease = options.span("lease")?.unwrap_or(Duration::from_secs(2));
    if lease.subsec_nanos() > 0 {
        return Err(options.error("lease", "`lease` is in whole seconds, as etcd counts them"));
    }
    Ok(lease)
}

fn text(options: &Options<'_>, given: &Value, key: &str) -> Result<Option<String>, OptionError> {
    match given.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(options.error(key, format!("`{key}` is {other}; it must be a text"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(given: Value, expected: Result<&str, &str>) {
        let settings = Settings::read(&given);
        let binary = settings.as_ref().map(|settings| settings.program.here().to_string_lossy());
        let found = binary.as_deref().map_err(|error| error.path.join("."));
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{given}");
    }

    #[test]
    fn accepts_what_the_table_says() {
        check(Value::Null, Ok("etcd"));
        check(json!({ "binary": "/opt/etcd", "fencing": true, "lease": "3s" }), Ok("/opt/etcd"));
        check(
            json!({ "reads": "serializable", "heartbeat": "50ms", "flags": "-a -b" }),
            Ok("etcd"),
        );
    }

    #[test]
    fn tells_what_a_verdict_depends_on() {
        let given = json!({ "reads": "serializable", "election": "2s", "flags": "--pre-vote -b" });
        let told = Settings::read(&given).expect("right options").configuration();
        let told: Vec<_> = told.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told, ["reads=serializable", "election-timeout=2000", "flags=--pre-vote -b"]);
    }

    #[test]
    fn finds_a_release_in_the_cache() {
        let settings = Settings::read(&json!({ "version": "3.6.9" })).expect("a release");
        let program = settings.program.here();
        assert!(program.ends_with("schism/etcd/3.6.9/etcd"), "{program:?}");
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        check(json!({ "lease": "1500ms" }), Err("lease"));
        check(json!({ "fencing": "yes" }), Err("fencing"));
        check(json!({ "reads": "stale" }), Err("reads"));
    }
}
