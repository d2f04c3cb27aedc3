//! `restart`: nodes are stopped and started again one after the other, as an operator does.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options, Span};
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, Rolling, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "restart",
    summary: "nodes are stopped and started again, each when the one before does its part again",
    forms: &[
        "restart: { rolling: all | minority | followers | ROLE | n1 | [n1, n2] }   within `for`; SIGTERM",
        "restart: { rolling: all, patience: 10s, pause: 2s }   SIGKILL for what has not ended by then; a pause between",
        "restart: { rolling: all, graceful: false }   kill -9 at once",
    ],
    construct,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// A stop that has begun is not broken off, so that it must not take for ever.
const PATIENCE_MAX: Duration = Duration::from_mins(2);
/// What it takes at the least to stop a node, to start it, and to see it answer.
const LEAST: Duration = Duration::from_secs(2);

struct Restart {
    rolling: Victims,
    /// `None`: nobody is asked to end.
    patience: Option<Duration>,
    pause: Duration,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["rolling", "graceful", "patience", "pause"])?;
    let Some(rolling) = given.get("rolling") else {
        let problem = "restart: `rolling` is missing; whom? write { rolling: all }";
        return Err(OptionError::new(Vec::<String>::new(), problem));
    };
    let rolling = Victims::parse(rolling).map_err(|problem| options.error("rolling", problem))?;
    let patience = options.span("patience")?;
    let patience = match given.get("graceful") {
        None | Some(Value::Bool(true)) => Some(patience.unwrap_or(PATIENCE)),
        Some(Value::Bool(false)) if patience.is_some() => {
            let problem = "nobody is given time to end with `graceful: false`: leave one out";
            return Err(options.error("patience", problem));
        }
        Some(Value::Bool(false)) => None,
        Some(other) => {
            let problem = format!("`graceful` is {other}; it must be true or false");
            return Err(options.error("graceful", problem));
        }
    };
    if patience.is_some_and(|patience| patience > PATIENCE_MAX) {
        let problem = format!("`patience` is more than {}", Span(PATIENCE_MAX));
        return Err(options.error("patience", problem));
    }
    let pause = options.span("pause")?.unwrap_or_default();
    Ok(Box::new(Restart { rolling, patience, pause }))
}

impl Fault for Restart {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        let how = match self.patience {
            Some(_) => "by SIGTERM",
            None => "by kill -9",
        };
        format!("{}, one after the other, {how}", self.rolling.words())
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.rolling.fit(nodes)
    }

    fn least(&self) -> Duration {
        LEAST
    }

    fn roles(&self) -> Vec<&'static str> {
        self.rolling.roles()
    }

    /// Whoever another fault holds down is waited for when its turn has come.
    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        match self.rolling.resolve(view, &[], rng) {
            Ok(nodes) => {
                let (patience, pause) = (self.patience, self.pause);
                Injection::Restart(Rolling { nodes, patience, pause })
            }
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_how_nodes_are_stopped() {
        let detail = |given: Value| construct(&given).map(|fault| fault.detail());
        let all = detail(json!({ "rolling": "all", "pause": "2s" })).expect("it");
        assert_eq!(all, "all, one after the other, by SIGTERM");
        let two = detail(json!({ "rolling": ["n1", "n2"], "graceful": false })).expect("it");
        assert_eq!(two, "n1, n2, one after the other, by kill -9");
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |given: Value, part: &str| {
            let error = construct(&given).err().expect("an error").to_string();
            assert!(error.contains(part), "{given}: {error}");
        };
        check(json!({}), "`rolling` is missing");
        check(json!({ "rolling": "sum" }), "names no victims");
        check(json!({ "rolling": "all", "graceful": 3 }), "true or false");
        check(json!({ "rolling": "all", "graceful": false, "patience": "3s" }), "leave one out");
        check(json!({ "rolling": "all", "patience": "3m" }), "is more than");
    }
}
