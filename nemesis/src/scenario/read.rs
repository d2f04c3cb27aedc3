//! Reads a scenario of a plan: a list of steps, each a map of one key.

use std::collections::BTreeSet;
use std::time::Duration;

use schism_history::{OptionError, Options, Span, did_you_mean};
use schism_lab::NodeId;
use serde_json::{Map, Value};

use super::inner::{self, Inner};
use super::{Act, Change, Condition, Links, Place, Scenario, Spread, Step, Touch, Who};
use crate::ear::Began;
use crate::roles;
use crate::victims::{client, node};

/// Every word that a step may begin with.
const STEPS: [&str; 21] = [
    "roles",
    "hold",
    "release",
    "drop",
    "delay",
    "heal",
    "pause",
    "resume",
    "kill",
    "start",
    "wait",
    "until",
    "in-any-order",
    "end",
    "burn",
    "clock",
    "damage",
    "descriptors",
    "disk",
    "memory",
    "power-loss",
];
/// Whom a role may be given to, besides those who play one in their system.
const WHO: [(&str, Who); 5] = [
    ("follower", Who::Follower),
    ("one", Who::One),
    ("other", Who::Other),
    ("holder", Who::Holder),
    ("client", Who::Client),
];
const BEGAN: [(&str, Began); 4] =
    [("begun", Began::Begun), ("ok", Began::Ok), ("fail", Began::Fail), ("info", Began::Info)];
const UNTIL_DEFAULT: Duration = Duration::from_secs(5);

type Read<T> = Result<T, OptionError>;

impl Scenario {
    /// What stands in a plan behind `scenario`.
    pub(crate) fn parse(value: &Value) -> Read<Self> {
        let Some(given) = value.as_array().filter(|given| !given.is_empty()) else {
            let form = "a scenario is a list of steps such as [ roles: { L: leader }, pause: L ]";
            return Err(wrong(form));
        };
        let mut reader = Reader { roles: BTreeSet::new() };
        let steps = given.iter().enumerate().map(|(place, step)| within(place, reader.step(step)));
        let mut scenario = Self { steps: steps.collect::<Read<Vec<_>>>()? };
        scenario.number();
        if scenario.faults().is_empty() {
            return Err(wrong("this scenario breaks nothing: hold, drop, delay, pause or kill"));
        }
        Ok(scenario)
    }

    /// Numbers the faults in it from 1, in the order of the plan.
    fn number(&mut self) {
        let touches = self.steps.iter_mut().flat_map(|step| match step {
            Step::Touch(touch) => std::slice::from_mut(touch),
            Step::InAnyOrder(touches, _) => touches.as_mut_slice(),
            Step::Roles(_) | Step::Wait(_) | Step::Until(..) => &mut [],
        });
        let inner = touches.filter_map(|touch| match touch {
            Touch::Inner(inner) => Some(inner),
            _ => None,
        });
        for (number, inner) in (1..).zip(inner) {
            inner.number = number;
        }
    }
}

/// Knows the roles that the steps so far have given.
struct Reader {
    roles: BTreeSet<String>,
}

impl Reader {
    fn step(&mut self, given: &Value) -> Read<Step> {
        let (name, value) = single(given)?;
        let step = match name.as_str() {
            "roles" => self.roles(value),
            "wait" => spread(value).map(Step::Wait),
            "until" => self.until(value),
            "in-any-order" => self.in_any_order(value),
            _ => return self.touch(given).map(Step::Touch),
        };
        within(name, step)
    }

    fn touch(&self, given: &Value) -> Read<Touch> {
        let (name, value) = single(given)?;
        if let Some(inner) = inner::known(name) {
            return within(name, self.inner(inner, value));
        }
        let act = |act| self.places(value, true).map(|places| Touch::Nodes(act, places));
        let change = |change| self.links(value, &[]).map(|links| Touch::Links(change, links));
        let touch = match name.as_str() {
            "hold" => change(Change::Hold),
            "release" => change(Change::Release),
            "drop" => change(Change::Drop),
            "heal" if value == "all" => Ok(Touch::Links(Change::Heal, Links::All)),
            "heal" => change(Change::Heal),
            "delay" => self.delay(value),
            "pause" => act(Act::Pause),
            "resume" => act(Act::Resume),
            "kill" => act(Act::Kill),
            "start" => act(Act::Start),
            "end" => end(value),
            other if STEPS.contains(&other) => {
                Err(wrong(format!("`{other}` cannot stand here: only what touches links or nodes")))
            }
            other => Err(no_step(other)),
        };
        within(name, touch)
    }

    fn roles(&mut self, value: &Value) -> Read<Step> {
        let Some(given) = value.as_object().filter(|given| !given.is_empty()) else {
            return Err(wrong("roles are given as { L: leader, F: follower, G: other }"));
        };
        let mut roles = Vec::new();
        for (name, who) in given {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name == "clients"
                || name == "all"
                || place(name).is_some()
                || !name.chars().all(fits)
            {
                let problem = format!("`{name}` is no name for a role; take one such as L");
                return Err(at([name], problem));
            }
            let word = who.as_str().unwrap_or_default();
            let known = WHO.iter().find(|(known, _)| *known == word).map(|(_, who)| *who);
            let known = known.or_else(|| roles::named(word).map(Who::Plays));
            let Some(who) = known.or_else(|| place(word).map(Who::Node)) else {
                let others = WHO.iter().map(|(word, _)| *word);
                let words: Vec<&str> = roles::all().into_iter().chain(others).collect();
                let near = did_you_mean(word, &words);
                let words = words.join(", ");
                return Err(at([name], format!("a role is {words} or n1, not {who}{near}")));
            };
            roles.push((name.clone(), who));
        }
        self.roles.extend(given.keys().cloned());
        Ok(Step::Roles(roles))
    }

    fn until(&self, value: &Value) -> Read<Step> {
        let roles = roles::all();
        let options = Options::read(value, &[&["operation", "within"], &roles[..]].concat())?;
        let limit = options.span("within")?.unwrap_or(UNTIL_DEFAULT);
        let named = roles.into_iter().filter_map(|role| Some((role, value.get(role)?)));
        let named: Vec<(&'static str, &Value)> = named.collect();
        let condition = match (&named[..], value.get("operation")) {
            ([(role, player)], None) => within(role, self.player(role, player))?,
            ([], Some(operation)) => within("operation", self.operation(operation))?,
            _ => {
                return Err(wrong(
                    "until waits for either `leader` or `operation`; other roles may stand for leader",
                ));
            }
        };
        Ok(Step::Until(condition, limit))
    }

    fn player(&self, role: &'static str, value: &Value) -> Read<Condition> {
        Options::read(value, &["not"])?;
        let not = value.get("not").map(|not| within("not", self.places(not, false)));
        Ok(Condition::Plays { role, not: not.transpose()?.unwrap_or_default() })
    }

    fn operation(&self, value: &Value) -> Read<Condition> {
        let options = Options::read(value, &["f", "outcome", "at"])?;
        let words = BEGAN.map(|(word, _)| word);
        let word = options.choice("outcome", &words)?.unwrap_or("ok");
        let outcome = BEGAN.iter().find(|(known, _)| *known == word);
        let f = match value.get("f") {
            None => None,
            Some(Value::String(f)) => Some(f.clone()),
            Some(other) => return Err(at(["f"], format!("`f` is {other}; write read or write"))),
        };
        let places = value.get("at").map(|places| within("at", self.places(places, false)));
        Ok(Condition::Operation {
            f,
            outcome: outcome.map_or(Began::Ok, |(_, outcome)| *outcome),
            at: places.transpose()?.unwrap_or_default(),
        })
    }

    fn in_any_order(&self, value: &Value) -> Read<Step> {
        let (steps, gap, listed) = if let Value::Array(steps) = value {
            (steps, Spread::default(), false)
        } else {
            Options::read(value, &["steps", "gap"])?;
            let Some(steps) = value.get("steps").and_then(Value::as_array) else {
                return Err(wrong("in-any-order is { gap: 0ms..100ms, steps: [ … ] }"));
            };
            let gap = value.get("gap").map(|gap| within("gap", spread(gap)));
            (steps, gap.transpose()?.unwrap_or_default(), true)
        };
        if steps.len() < 2 {
            return Err(wrong("in-any-order takes two steps or more"));
        }
        let each = steps.iter().enumerate().map(|(place, step)| within(place, self.touch(step)));
        let touches = each.collect::<Read<Vec<_>>>();
        let touches = if listed { within("steps", touches)? } else { touches? };
        Ok(Step::InAnyOrder(touches, gap))
    }

    /// Another fault: `burn: L`, or a map of its options, of which `of` names roles and nodes.
    fn inner(&self, name: &'static str, value: &Value) -> Read<Touch> {
        let (of, options) = match value {
            Value::Object(given) => {
                let mut options = given.clone();
                let Some(of) = options.remove("of") else {
                    return Err(wrong(format!("{name}: `of` is missing; name a role, or n1")));
                };
                (within("of", self.places(&of, true))?, options)
            }
            of => (self.places(of, true)?, Map::new()),
        };
        let inner = Inner { name, options, of, number: 0 };
        // Its victims are known when it begins; its options are judged now, as it were for a node, or
        // for a client where clients are named.
        let is_client = |place: &Place| match place {
            Place::Clients => true,
            Place::Node(node) => node.is_client(),
            Place::Role(_) => false,
        };
        let victim = if inner.of.iter().all(is_client) { NodeId::client(1) } else { NodeId(1) };
        match inner.fault(&[victim]) {
            Ok(_) => Ok(Touch::Inner(inner)),
            // The name of the fault is that of the step, too.
            Err(error) => Err(OptionError::new(error.path.into_iter().skip(1), error.problem)),
        }
    }

    fn delay(&self, value: &Value) -> Read<Touch> {
        let links = self.links(value, &["by", "jitter"])?;
        let options = Options::read(value, &["from", "to", "between", "links", "by", "jitter"])?;
        let Some(by) = options.span("by")? else {
            return Err(wrong("delay: `by` is missing; it must be a duration such as 100ms"));
        };
        let jitter = options.span("jitter")?.unwrap_or_default();
        if jitter > by {
            return Err(at(["jitter"], "`jitter` is more than `by`: time cannot run back"));
        }
        Ok(Touch::Links(Change::Delay(by, jitter), links))
    }

    fn links(&self, value: &Value, more: &[&str]) -> Read<Links> {
        Options::read(value, &[&["from", "to", "between", "links"][..], more].concat())?;
        let of = |key: &str, clients: bool| match value.get(key) {
            Some(places) => within(key, self.places(places, clients)).map(Some),
            None => Ok(None),
        };
        match (of("from", true)?, of("to", true)?, of("between", true)?, of("links", false)?) {
            (Some(from), Some(to), None, None) if from == to => {
                Err(at(["to"], "a link leads from one node to another, not back to the same"))
            }
            (Some(from), Some(to), None, None) => Ok(Links::Directed(from, to)),
            (None, None, Some(between), None) if between.len() < 2 => {
                Err(at(["between"], "`between` names two ends or more, such as [L, F]"))
            }
            (None, None, Some(between), None) => Ok(Links::Between(between)),
            (None, None, None, Some(of)) => Ok(Links::Of(of)),
            _ => Err(wrong("links are { from: L, to: F }, { between: [L, F] } or { links: L }")),
        }
    }

    /// `L`, `n1`, or a list of such.
    fn places(&self, value: &Value, clients: bool) -> Read<Vec<Place>> {
        match value {
            Value::String(word) => Ok(vec![self.place(word, clients)?]),
            Value::Array(words) if !words.is_empty() => words
                .iter()
                .enumerate()
                .map(|(number, word)| {
                    let word = word.as_str().unwrap_or_default();
                    within(number, self.place(word, clients))
                })
                .collect(),
            other => Err(wrong(format!("{other} names no node; write a role, n1, or a list"))),
        }
    }

    fn place(&self, word: &str, clients: bool) -> Read<Place> {
        if clients && word == "clients" {
            return Ok(Place::Clients);
        }
        if let Some(place) = place(word) {
            return Ok(Place::Node(place));
        }
        if self.roles.contains(word) {
            return Ok(Place::Role(word.into()));
        }
        let known: Vec<&str> = self.roles.iter().map(String::as_str).collect();
        let near = did_you_mean(word, &known);
        let known = match &known[..] {
            [] => "no step before this gives roles: begin with `roles: { L: leader }`".into(),
            known => format!("the roles so far are {}", known.join(", ")),
        };
        Err(wrong(format!("there is no role `{word}` here{near}; {known}")))
    }
}

/// The names of faults that end.
fn end(value: &Value) -> Read<Touch> {
    let words = match value {
        Value::Array(words) if !words.is_empty() => words.clone(),
        word => vec![word.clone()],
    };
    let known = |word: &Value| word.as_str().and_then(inner::known);
    let names: Option<Vec<&'static str>> = words.iter().map(known).collect();
    names.map(Touch::End).ok_or_else(|| {
        let all = inner::INNER.join(", ");
        wrong(format!("{value} is nothing that ends; name what a step began, of {all}"))
    })
}

/// `n1` or `c1`.
fn place(word: &str) -> Option<NodeId> {
    node(word).or_else(|| client(word))
}

/// The one key of a step, and what stands behind it.
fn single(given: &Value) -> Read<(&String, &Value)> {
    let one = given.as_object().filter(|given: &&Map<String, Value>| given.len() == 1);
    match one.and_then(|given| given.iter().next()) {
        Some((name, value)) if STEPS.contains(&name.as_str()) => Ok((name, value)),
        Some((name, _)) => Err(at([name], no_step(name).problem)),
        None => Err(wrong("a step is one word with what belongs to it, such as `wait: 300ms`")),
    }
}

fn no_step(name: &str) -> OptionError {
    if let Some(reason) = inner::refused(name) {
        return wrong(format!("`{name}` is no step of a scenario: {reason}"));
    }
    let (near, all) = (did_you_mean(name, &STEPS), STEPS.join(", "));
    wrong(format!("there is no step `{name}`{near}; there are {all}"))
}

/// `300ms`, or `100ms..450ms`.
fn spread(value: &Value) -> Read<Spread> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (least, most) = text.split_once("..").unwrap_or((&text, &text));
    let span = |text: &str| text.trim().parse::<Span>().map_err(|error| wrong(error.to_string()));
    let (Span(least), Span(most)) = (span(least)?, span(most)?);
    if least > most {
        return Err(wrong(format!("{text} runs backwards; write the shorter time first")));
    }
    Ok(Spread { least, most })
}

fn wrong(problem: impl Into<String>) -> OptionError {
    OptionError::new(Vec::<String>::new(), problem)
}

fn at<const N: usize>(path: [&str; N], problem: impl Into<String>) -> OptionError {
    OptionError::new(path, problem)
}

/// The same error, seen from one level above.
fn within<T>(key: impl ToString, read: Read<T>) -> Read<T> {
    read.map_err(|inner| {
        OptionError::new([key.to_string()].into_iter().chain(inner.path), inner.problem)
    })
}
