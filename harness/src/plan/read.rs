//! Reads a plan: parses it, applies overrides, and accepts or refuses it from the tables alone.

use std::fmt;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schism_history::{OptionError, Rate, Span};
use schism_targets::{TARGETS, TargetEntry};
use schism_workloads::{WORKLOADS, WorkloadEntry};
use serde_json::Value;

use super::document::{Content, Node, Problem};
use super::overrides::{override_one, stored_overrides, with_overrides};
use super::{Choice, Load, Plan, Stop};

const SIZE_MAX: u64 = 1 << 20;
const KEYS: &[&str] =
    &["name", "seed", "lab", "target", "workload", "load", "faults", "claims", "stop", "bounds"];
const LOAD_KEYS: &[&str] =
    &["clients", "duration", "rate", "timeout", "operations", "host", "command"];
/// More errors than these help nobody.
const PROBLEMS_SHOWN: usize = 20;
/// More than a machine can offer in a day, or keep in memory.
const ARRIVALS_MAX: f64 = 1e8;
const DEFAULT_SEED: u64 = 1;

/// Why a plan was refused: every problem that was found, each with its place.
#[derive(Debug)]
pub struct PlanError {
    file: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.display().to_string();
        for (number, problem) in self.problems.iter().take(PROBLEMS_SHOWN).enumerate() {
            let between = if number > 0 { "\n" } else { "" };
            let drawn = super::diagnose::draw(&name, &self.text, problem);
            write!(formatter, "{between}{drawn}")?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN) {
            0 => Ok(()),
            more => write!(formatter, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for PlanError {}

/// Reads the plan at `path`, with `overrides` (dotted path, YAML value) applied to it. The plan of
/// a stored run ends with the overrides that it was run with, and means the same again.
///
/// # Errors
///
/// When the file cannot be read, is no YAML, or asks for what no table offers.
pub fn read(path: &Path, overrides: &[(String, String)]) -> Result<Plan, PlanError> {
    let refuse =
        |text: &str, problems| PlanError { file: path.to_owned(), text: text.to_owned(), problems };
    let text = read_text(path).map_err(|problem| refuse("", vec![problem]))?;
    let mut document = Node::parse(&text).map_err(|problem| refuse(&text, vec![problem]))?;
    for (key, value) in stored_overrides(&text).iter().chain(overrides) {
        override_one(&mut document, key, value).map_err(|problem| refuse(&text, vec![problem]))?;
    }
    let mut reader = Reader { problems: Vec::new() };
    let plan = reader.plan(&document, path, &text, overrides);
    match plan {
        Some(plan) if reader.problems.is_empty() => Ok(plan),
        _ => Err(refuse(&text, reader.problems)),
    }
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let unreadable = |error: &dyn fmt::Display| {
        Problem::new(0..0, format!("{} cannot be read: {error}", path.display()))
            .with_help("name a plan; plans/ has examples")
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    // Devices have no size: what is read is bounded, not what is promised.
    file.take(SIZE_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() as u64 > SIZE_MAX {
        return Err(unreadable(&format!("it is longer than a plan needs ({SIZE_MAX} bytes)")));
    }
    Ok(text)
}

/// Collects problems, so that all are shown at once.
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn problem(&mut self, place: Range<usize>, title: impl Into<String>) {
        self.problems.push(Problem::new(place, title));
    }

    pub(super) fn problem_with_help(
        &mut self,
        place: Range<usize>,
        title: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem::new(place, title).with_help(help));
    }

    fn plan(
        &mut self,
        document: &Node,
        path: &Path,
        text: &str,
        overrides: &[(String, String)],
    ) -> Option<Plan> {
        self.keys(document, KEYS, "a plan");
        let name = self.name(document, path);
        let seed = self.count(document, "seed", 0, i64::MAX as u64).unwrap_or(DEFAULT_SEED);
        let stop = self.stop(document);
        let bounds = self.bounds(document);
        let load = self.load(document);
        let target = self.choice(document, "target", TARGETS, |entry| entry.name);
        let workload = self.choice(document, "workload", WORKLOADS, |entry| entry.name);
        if let Some((entry, choice, place)) = &target {
            self.construct(place, document, "target", choice, |options| {
                (entry.construct)(options).map(drop)
            });
        }
        if let Some((entry, choice, place)) = &workload {
            self.construct(place, document, "workload", choice, |options| {
                (entry.construct)(options).map(drop)
            });
        }
        let lab = self.lab(document, path, target.as_ref().map(|(entry, _, _)| *entry));
        if let Some(load) = &load {
            self.fits_clients(document, load, &lab);
        }
        if let (Some((entry, choice, place)), Some(nodes)) = (&target, lab.nodes())
            && entry.needs_lab
            && let Err(problem) = (entry.fits)(&choice.options, nodes)
        {
            self.problem(place.clone(), format!("{}: {problem}", entry.name));
        }
        let duration = load.as_ref().map(|load| load.duration);
        let places = load.as_ref().map_or(0, Load::places);
        let faults = self.faults(
            document,
            &lab,
            (duration, places),
            target.as_ref().map(|(entry, _, _)| *entry),
        );
        let claims = self.claims(document, workload.as_ref().map(|(entry, _, _)| *entry));
        let (target_entry, target, _) = target?;
        let (workload_entry, workload, place) = workload?;
        self.fits(&place, target_entry, workload_entry);
        let text = with_overrides(text, overrides);
        let file = path.to_owned();
        Some(Plan {
            name,
            seed,
            lab,
            target,
            workload,
            load: load?,
            faults,
            claims,
            stop,
            bounds,
            file,
            text,
        })
    }

    /// Every key of a map must be known.
    pub(super) fn keys(&mut self, node: &Node, known: &[&str], what: &str) {
        let Content::Map(entries) = &node.content else {
            let title = format!("{what} is a map with the keys {}", known.join(", "));
            return self.problem(node.place.clone(), title);
        };
        for (key, place, _) in entries {
            if !known.contains(&key.as_str()) {
                let title = format!("{what} has no key `{key}`");
                self.problem_with_help(place.clone(), title, nearest(key, known));
            }
        }
    }

    fn name(&mut self, document: &Node, path: &Path) -> String {
        let stem = path
            .file_stem()
            .map_or_else(|| "plan".into(), |stem| stem.to_string_lossy().into_owned());
        let (text, place) = match document.get("name") {
            None => (stem, 0..0),
            Some(node) => match &node.content {
                Content::Scalar(Value::String(text)) => (text.clone(), node.place.clone()),
                _ => (String::new(), node.place.clone()),
            },
        };
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                // The store's own link to the last run.
                && part != "latest"
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if !text.split('/').all(part) {
            // Runs are stored under it.
            let title = format!(
                "`{text}` is no name of a plan: letters, digits, `-`, `_`, `.` and `/` make one, \
                 and no part of it is `latest`"
            );
            self.problem_with_help(place, title, "give it another with `name: …`");
        }
        text
    }

    pub(super) fn count(&mut self, parent: &Node, key: &str, least: u64, most: u64) -> Option<u64> {
        let node = parent.get(key)?;
        let number = match &node.content {
            Content::Scalar(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let title = format!("{key} is a whole number from {least} to {most}");
            self.problem(node.place.clone(), title);
        }
        number
    }

    /// A text with a unit.
    pub(super) fn quantity<T: std::str::FromStr<Err: fmt::Display>>(
        &mut self,
        parent: &Node,
        key: &str,
    ) -> Option<T> {
        let node = parent.get(key)?;
        let text = match &node.content {
            Content::Scalar(Value::String(text)) => text.clone(),
            Content::Scalar(value) => value.to_string(),
            _ => String::new(),
        };
        match text.parse() {
            Ok(quantity) => Some(quantity),
            Err(error) => {
                self.problem(node.place.clone(), format!("{key}: {error}"));
                None
            }
        }
    }

    fn stop(&mut self, document: &Node) -> Stop {
        let Some(node) = document.get("stop") else { return Stop::AtTheEnd };
        match &node.content {
            Content::Scalar(Value::String(text)) if text == "first-violation" => {
                return Stop::FirstViolation;
            }
            Content::Scalar(Value::String(text)) if text == "end" => {}
            _ => self.problem(node.place.clone(), "stop is `first-violation` or `end`"),
        }
        Stop::AtTheEnd
    }

    pub(super) fn load(&mut self, document: &Node) -> Option<Load> {
        let Some(node) = document.get("load") else {
            self.problem_with_help(
                0..0,
                "the plan has no `load`",
                "add `load: { clients: 10, duration: 20s, rate: 400/s }`",
            );
            return None;
        };
        self.keys(node, LOAD_KEYS, "load");
        let clients = self.count(node, "clients", 1, 1000).unwrap_or(10) as u32;
        let duration = self.quantity::<Span>(node, "duration");
        if node.get("duration").is_none() {
            self.problem_with_help(
                node.place.clone(),
                "load has no `duration`",
                "add `duration: 20s`",
            );
        }
        let rate = self.quantity::<Rate>(node, "rate");
        let timeout =
            self.quantity::<Span>(node, "timeout").map_or(Duration::from_secs(1), |span| span.0);
        let operations = self.count(node, "operations", 1, 1 << 40);
        let duration = duration?.0;
        for (key, value) in [("duration", duration), ("timeout", timeout)] {
            if value.is_zero() || value > Duration::from_hours(24) {
                let place = node.place_of(&[key.into()]);
                self.problem(place, format!("{key} is longer than nothing, and at most 24h"));
            }
        }
        if rate.is_some_and(|rate| rate.per_second * duration.as_secs_f64() > ARRIVALS_MAX) {
            let title = "rate times duration is more than 100 million arrivals";
            let place = node.place_of(&["rate".into()]);
            self.problem_with_help(place, title, "lower the rate or the duration");
        }
        let host = self.client_host(node);
        Some(Load { clients, duration, rate, timeout, operations, host })
    }

    /// A name from a table, alone or with its options: `memory`, `{ reference: { … } }`.
    fn choice<E: 'static>(
        &mut self,
        document: &Node,
        key: &str,
        table: &'static [E],
        name_of: fn(&E) -> &'static str,
    ) -> Option<(&'static E, Choice, Range<usize>)> {
        let names: Vec<&str> = table.iter().map(name_of).collect();
        let Some(node) = document.get(key) else {
            let help = format!("it is one of {}", names.join(", "));
            self.problem_with_help(0..0, format!("the plan has no `{key}`"), help);
            return None;
        };
        let (name, place, options) = match &node.content {
            Content::Scalar(Value::String(name)) => (name.clone(), node.place.clone(), Value::Null),
            Content::Map(entries) if entries.len() == 1 => {
                let (name, place, options) = &entries[0];
                (name.clone(), place.clone(), options.to_value())
            }
            _ => {
                let title =
                    format!("{key} is one name, with its options: `{key}: {{ NAME: {{ … }} }}`");
                self.problem(node.place.clone(), title);
                return None;
            }
        };
        let Some(entry) = table.iter().find(|entry| name_of(entry) == name) else {
            let title = format!("there is no {key} `{name}`");
            self.problem_with_help(place, title, nearest(&name, &names));
            return None;
        };
        Some((entry, Choice { name, options }, place))
    }

    fn construct(
        &mut self,
        place: &Range<usize>,
        document: &Node,
        key: &str,
        choice: &Choice,
        construct: impl Fn(&Value) -> Result<(), OptionError>,
    ) {
        if let Err(error) = construct(&choice.options) {
            let mut path = vec![key.to_owned(), choice.name.clone()];
            path.extend(error.path.iter().cloned());
            let found = document.place_of(&path);
            let place = if found.is_empty() { place.clone() } else { found };
            self.problem(place, error.problem);
        }
    }

    fn fits(&mut self, place: &Range<usize>, target: &TargetEntry, workload: &WorkloadEntry) {
        let missing: Vec<&str> = workload
            .operations
            .iter()
            .copied()
            .filter(|operation| !target.operations.contains(operation))
            .collect();
        if !missing.is_empty() {
            let title = format!("{} does not speak {}", target.name, missing.join(", "));
            self.problem(place.clone(), title);
        }
    }
}

/// The nearest of the valid words, and all of them.
pub(super) fn nearest(word: &str, valid: &[&str]) -> String {
    let all = valid.join(", ");
    match schism_history::nearest(word, valid) {
        Some(candidate) => format!("did you mean `{candidate}`? (all: {all})"),
        None => format!("use one of {all}"),
    }
}
