//! Options of a plan: how a room reads its part, and what it says of what it does not accept.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::Span;

/// An option of a plan that a room does not accept.
///
/// It stands here, below all rooms, since workloads, targets and faults each read their own part
/// of a plan, and the plan's reader shows all their errors in one way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct OptionError {
    /// The keys that lead to the option inside the part, from the outermost: `["mix", "reed"]`.
    /// Empty: the part as a whole.
    pub path: Vec<String>,
    /// What is wrong and what would be right, as a fragment that names the thing.
    pub problem: String,
}

impl OptionError {
    /// The option at `path` is wrong: `problem`.
    pub fn new<S: Into<String>>(
        path: impl IntoIterator<Item = S>,
        problem: impl Into<String>,
    ) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), problem: problem.into() }
    }
}

/// The options of one part of a plan, with every key known to be allowed.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    path: Vec<String>,
    given: Option<&'a Map<String, Value>>,
}

impl<'a> Options<'a> {
    /// The options in `value`, an object or null, of which only the keys `known` are allowed.
    pub fn read(value: &'a Value, known: &[&str]) -> Result<Self, OptionError> {
        Self::at(Vec::new(), value, known)
    }

    /// The options inside the option `key`, or `None` if it is absent.
    pub fn part(&self, key: &str, known: &[&str]) -> Result<Option<Self>, OptionError> {
        self.get(key).map(|value| Self::at(self.path_to(key), value, known)).transpose()
    }

    /// A whole number within `range`, or `None` if it is absent.
    pub fn count(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, OptionError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.error(
                key,
                format!(
                    "`{key}` is {value}; it must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    /// One of the words `of`, or `None` if it is absent.
    pub fn choice<'b>(&self, key: &str, of: &[&'b str]) -> Result<Option<&'b str>, OptionError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if let Some(word) = of.iter().find(|word| value.as_str() == Some(word)) {
            return Ok(Some(word));
        }
        let near = value.as_str().map(|text| did_you_mean(text, of)).unwrap_or_default();
        let of = of.join(", ");
        Err(self.error(key, format!("`{key}` is {value}; it must be one of {of}{near}")))
    }

    /// Whether `key` is true; `false` if it is absent.
    pub fn truth(&self, key: &str) -> Result<bool, OptionError> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(other) => {
                Err(self.error(key, format!("`{key}` is {other}; it must be true or false")))
            }
        }
    }

    /// A duration longer than nothing, or `None` if it is absent.
    pub fn span(&self, key: &str) -> Result<Option<Duration>, OptionError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let span = value.as_str().and_then(|text| text.parse::<Span>().ok());
        match span.filter(|span| !span.0.is_zero()) {
            Some(span) => Ok(Some(span.0)),
            None => Err(self.error(
                key,
                format!("`{key}` is {value}; it must be a duration such as 50ms or 1.5s"),
            )),
        }
    }

    /// What is wrong with the option `key`.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> OptionError {
        OptionError::new(self.path_to(key), problem)
    }

    fn at(path: Vec<String>, value: &'a Value, known: &[&str]) -> Result<Self, OptionError> {
        let given = match value {
            Value::Null => None,
            Value::Object(given) => Some(given),
            other => {
                let what = match path.last() {
                    Some(key) => format!("`{key}` is {other}; it must be options"),
                    None => format!("found {other} in the place of options"),
                };
                return Err(OptionError::new(path, format!("{what}; {}", allowed(known))));
            }
        };
        let options = Self { path, given };
        match given.and_then(|given| given.keys().find(|key| !known.contains(&key.as_str()))) {
            Some(key) => {
                let (all, near) = (allowed(known), did_you_mean(key, known));
                let problem = format!("`{key}` is no option here; {all}{near}");
                Err(options.error(key, problem))
            }
            None => Ok(options),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.given.and_then(|given| given.get(key))
    }

    fn path_to(&self, key: &str) -> Vec<String> {
        self.path.iter().cloned().chain([key.to_owned()]).collect()
    }
}

/// The valid word that `word` was most likely meant to be, if one is near.
pub fn nearest<'a>(word: &str, valid: &[&'a str]) -> Option<&'a str> {
    valid
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 2)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?`, to be put behind what is said of `word`; nothing if no valid word is near.
pub fn did_you_mean(word: &str, valid: &[&str]) -> String {
    nearest(word, valid).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn allowed(known: &[&str]) -> String {
    match known {
        [] => "there are none".into(),
        [one] => format!("the only option is {one}"),
        many => format!("the options are {}", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[allow(clippy::needless_pass_by_value)]
    fn check(given: Value, expected: Result<(), (&[&str], &str)>) {
        let read = || {
            let options = Options::read(&given, &["keys", "mix", "bug", "pause"])?;
            options.count("keys", 1..=9)?;
            options.choice("bug", &["stale-read", "no-fsync"])?;
            options.span("pause")?;
            if let Some(mix) = options.part("mix", &["read", "write"])? {
                mix.count("read", 0..=5)?;
            }
            Ok(())
        };
        let expected =
            expected.map_err(|(path, problem)| OptionError::new(path.iter().copied(), problem));
        assert_eq!(read(), expected);
    }

    #[test]
    fn accepts_what_is_allowed() {
        check(Value::Null, Ok(()));
        check(json!({}), Ok(()));
        check(json!({ "keys": 3, "mix": { "read": 0 }, "bug": "no-fsync", "pause": "1s" }), Ok(()));
    }

    #[test]
    fn names_the_place_and_the_remedy() {
        check(
            json!({ "mix": { "reed": 1 } }),
            Err((
                &["mix", "reed"],
                "`reed` is no option here; the options are read, write; did you mean `read`?",
            )),
        );
        check(
            json!({ "mix": { "read": 6 } }),
            Err((&["mix", "read"], "`read` is 6; it must be a whole number from 0 to 5")),
        );
        check(
            json!({ "keys": 1.5 }),
            Err((&["keys"], "`keys` is 1.5; it must be a whole number from 1 to 9")),
        );
        check(
            json!({ "bug": "stale" }),
            Err((
                &["bug"],
                "`bug` is \"stale\"; it must be one of stale-read, no-fsync; did you mean `stale-read`?",
            )),
        );
        check(
            json!({ "pause": 3 }),
            Err((&["pause"], "`pause` is 3; it must be a duration such as 50ms or 1.5s")),
        );
        check(
            json!({ "pause": "0s" }),
            Err((&["pause"], "`pause` is \"0s\"; it must be a duration such as 50ms or 1.5s")),
        );
        check(
            json!({ "mix": 3 }),
            Err((&["mix"], "`mix` is 3; it must be options; the options are read, write")),
        );
        check(
            json!("fast"),
            Err((
                &[],
                "found \"fast\" in the place of options; the options are keys, mix, bug, pause",
            )),
        );
    }
}
