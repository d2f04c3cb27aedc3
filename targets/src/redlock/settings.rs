//! The options of this target in a plan.

use std::time::Duration;

use schism_history::{OptionError, Options, Span};
use serde_json::Value;

use crate::archive::{ARCHIVE, SHA256};
use crate::program::Program;
use crate::redis_cluster::settings;

/// The options' keys, each with one line of help.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("lease", "how long a lock is granted (PX); default 8s"),
    ("patience", "how long one server is waited for; default 200ms"),
    ("appendonly", "whether writes are logged on disk: yes or no; default no"),
    ("appendfsync", "when the log is synced: always, everysec or no; default everysec"),
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
    pub(super) lease: Duration,
    pub(super) patience: Duration,
    appendonly: bool,
    appendfsync: &'static str,
    pub(super) program: Program,
}

impl Settings {
    /// Reads the options in `value`.
    pub(super) fn read(value: &Value) -> Result<Self, OptionError> {
        let known: Vec<&str> = OPTIONS.iter().map(|(key, _)| *key).collect();
        let given = Options::read(value, &known)?;
        let settings = Self {
            lease: settings::lease(&given)?,
            patience: given.span("patience")?.unwrap_or(Duration::from_millis(200)),
            appendonly: given.choice("appendonly", &["no", "yes"])? == Some("yes"),
            appendfsync: given
                .choice("appendfsync", &["always", "everysec", "no"])?
                .unwrap_or("everysec"),
            program: Program::read(&given, value, &settings::REDIS)?,
        };
        if settings.patience >= settings.lease {
            let lease = Span(settings.lease);
            let problem = format!("`patience` must be shorter than the lease of {lease}");
            return Err(given.error("patience", problem));
        }
        Ok(settings)
    }

    /// As reports say it, behind the name and the version.
    pub(super) fn words(&self) -> String {
        let lease = Span(self.lease);
        if self.appendonly {
            format!("lease {lease}, append-only, fsync {}", self.appendfsync)
        } else {
            format!("lease {lease}, in memory alone")
        }
    }

    /// The arguments that they make, besides where the server stands.
    pub(super) fn arguments(&self) -> Vec<String> {
        let appendonly = if self.appendonly { "yes" } else { "no" };
        ["--appendonly", appendonly, "--appendfsync", self.appendfsync].map(str::to_owned).into()
    }

    /// What a verdict about the locks depends on.
    pub(super) fn configuration(&self) -> Vec<(String, String)> {
        let own = [("lease", self.lease), ("patience", self.patience)];
        let own = own.map(|(name, span)| (name.to_owned(), Span(span).to_string()));
        own.into_iter().chain(settings::named(&self.arguments())).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn makes_arguments_of_what_a_plan_sets() {
        let plain = Settings::read(&json!(null)).expect("no options");
        assert_eq!(plain.words(), "lease 8s, in memory alone");
        let options = json!({ "appendonly": "yes", "appendfsync": "always", "lease": "2s" });
        let set = Settings::read(&options).expect("right options");
        assert_eq!(set.arguments().join(" "), "--appendonly yes --appendfsync always");
        assert_eq!(set.words(), "lease 2s, append-only, fsync always");
    }

    #[test]
    fn refuses_a_patience_that_outlives_the_lease() {
        let error = Settings::read(&json!({ "lease": "1s", "patience": "1s" }));
        assert_eq!(error.expect_err("too patient").path, ["patience"]);
    }
}
