//! Reads a fault of a plan.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schism_history::{OptionError, Span, did_you_mean};
use schism_lab::{Effect, NodeId};
use serde_json::{Map, Value};

use crate::{FAULTS, Fault, FaultSpec, Injection, View, When};

/// What a fault of a plan is made of, besides the faults themselves.
const KEYS: [&str; 4] = ["every", "at", "for", "any"];

impl FaultSpec {
    /// What stands in a plan: `{ every: 6s, for: 3s, any: [ kill: leader, … ] }`, or with the fault
    /// itself in the place of `any`: `{ at: 5s, for: 2s, partition: halves }`. Two faults in one
    /// place begin at once.
    pub fn parse(value: &Value) -> Result<Self, OptionError> {
        let Value::Object(given) = value else {
            let problem = "a fault is a map such as { every: 6s, for: 3s, kill: leader }";
            return Err(OptionError::new(Vec::<String>::new(), problem));
        };
        known(given)?;
        let when = match (span(given, "every")?, span(given, "at")?) {
            (Some(every), None) => When::Every(every),
            (None, Some(at)) => When::At(at),
            _ => return Err(error(&[], "a fault begins either `every: 6s` or `at: 5s`")),
        };
        let Some(length) = span(given, "for")?.filter(|length| !length.is_zero()) else {
            return Err(error(&["for"], "a fault lasts: add `for: 3s`"));
        };
        if let When::Every(every) = when
            && length > every
        {
            let (length, every) = (Span(length), Span(every));
            return Err(error(&["for"], format!("{length} is longer than its period of {every}")));
        }
        Ok(Self { when, length, choices: choices(given)?, listed: given.contains_key("any") })
    }

    /// Whether `nodes` nodes, and so many `clients` in places of their own, can be broken in this way
    /// within `load`.
    pub fn check(&self, nodes: u16, clients: u16, load: Duration) -> Result<(), OptionError> {
        let (key, needs) = match self.when {
            When::At(at) => ("at", at + self.length),
            When::Every(every) => ("every", every),
        };
        if needs > load {
            let (needs, load) = (Span(needs), Span(load));
            let problem = format!("the fault would end after {needs}, the load after {load}");
            return Err(error(&[key], problem));
        }
        for (number, choice) in self.choices.iter().enumerate() {
            self.check_choice((nodes, clients), choice).map_err(|inner| {
                let place =
                    if self.listed { vec!["any".into(), number.to_string()] } else { vec![] };
                OptionError::new(place.into_iter().chain(inner.path), inner.problem)
            })?;
        }
        Ok(())
    }

    /// Whether each fault of a choice strikes somebody, alone and after each of the others.
    fn check_choice(
        &self,
        all: (u16, u16),
        choice: &Map<String, Value>,
    ) -> Result<(), OptionError> {
        let mut faults = Vec::new();
        for (name, value) in choice {
            let fault = fault(name, value)?;
            let at = |problem: String| error(&[name], format!("{name}: {problem}"));
            fault.fits_with(all.0, all.1).map_err(at)?;
            if self.length < fault.least() {
                let (length, least) = (Span(self.length), Span(fault.least()));
                let detail = fault.detail();
                let problem = format!("{detail} needs more than {length}; use `for: {least}`");
                return Err(at(problem));
            }
            strikes(&*fault, all, None).map_err(at)?;
            faults.push(fault);
        }
        for first in &faults {
            for second in faults.iter().filter(|second| second.name() != first.name()) {
                strikes(&**second, all, Some(&**first)).map_err(|reason| {
                    let (one, other) = (first.name(), second.name());
                    let (of, to) = (first.detail(), second.detail());
                    let problem = format!(
                        "{other}: {to} may find nobody after {one}: {of}, which begins at once: \
                         {reason}"
                    );
                    error(&[other], problem)
                })?;
            }
        }
        Ok(())
    }

    /// Whether one of its faults is done to whole machines.
    pub fn needs_disposable(&self) -> bool {
        let all = self.choices.iter().flatten();
        all.filter_map(|(name, value)| fault(name, value).ok())
            .any(|fault| fault.needs_disposable())
    }

    /// Why one of its faults needs the virtual switch, with the fault's name; `None` if none does.
    pub fn needs_switch(&self) -> Option<(&'static str, &'static str)> {
        let all = self.choices.iter().flatten();
        let mut faults = all.filter_map(|(name, value)| fault(name, value).ok());
        faults.find_map(|fault| Some((fault.name(), fault.needs_switch()?)))
    }

    /// What has to be held on every node from before the target's first start, each once.
    pub fn prepares(&self) -> Vec<Effect> {
        let all = self.choices.iter().flatten();
        let mut prepared: Vec<Effect> = Vec::new();
        for effect in all.filter_map(|(name, value)| fault(name, value).ok()?.prepares()) {
            if !prepared.contains(&effect) {
                prepared.push(effect);
            }
        }
        prepared
    }

    /// The roles that are named in it, each with the place where it is.
    pub fn roles(&self) -> Vec<(Vec<String>, &'static str)> {
        let mut found = Vec::new();
        for (number, choice) in self.choices.iter().enumerate() {
            for (name, value) in choice {
                let roles = fault(name, value).map(|fault| fault.named_roles());
                for role in roles.unwrap_or_default() {
                    let within = ["any".into(), number.to_string()];
                    let place = within.into_iter().filter(|_| self.listed).chain([name.clone()]);
                    found.push((place.collect(), role));
                }
            }
        }
        found
    }

    /// The names of the faults in it, those inside scenarios too, each once.
    pub fn names(&self) -> Vec<&'static str> {
        let given = || self.choices.iter().flatten();
        let parts: Vec<&'static str> = given()
            .filter_map(|(name, value)| fault(name, value).ok())
            .flat_map(|fault| fault.parts())
            .collect();
        let used = |name: &&str| given().any(|(given, _)| given == name) || parts.contains(name);
        FAULTS.iter().map(|entry| entry.name).filter(used).collect()
    }
}

/// Whether the fault strikes somebody in a healthy cluster, or in one that `after` has just struck;
/// otherwise why not. Tried with several leaders and draws, since victims depend on them.
fn strikes(
    fault: &dyn Fault,
    (nodes, clients): (u16, u16),
    after: Option<&dyn Fault>,
) -> Result<(), String> {
    const DRAWS: u64 = 8;
    let all: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
    // Only those that it asks for: whoever asks for none, and needs one, finds nobody.
    let clients: Vec<NodeId> = (1..=clients).map(NodeId::client).collect();
    for seed in 0..DRAWS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first = (seed % u64::from(nodes.max(1))) as usize;
        let healthy = View {
            nodes: all.clone(),
            playing: View::cast(&after.map(Fault::roles).unwrap_or_default(), &all, first),
            clients: clients.clone(),
            // Locks are many, and whoever is struck leaves some to others.
            holders: clients.clone(),
            ..View::default()
        };
        let down = match after.map(|after| after.plan(&healthy, &mut rng)) {
            Some(
                Injection::Kill(victims)
                | Injection::Pause(victims)
                | Injection::PowerLoss { victims, .. }
                | Injection::Damage { victims, .. },
            ) => victims,
            _ => Vec::new(),
        };
        // Those that are left play the roles again.
        let up: Vec<NodeId> = all.iter().copied().filter(|node| !down.contains(node)).collect();
        let playing = View::cast(&fault.roles(), &up, first);
        let view = View { playing, down, ..healthy.clone() };
        if let Injection::Nothing { reason } = fault.plan(&view, &mut rng) {
            return Err(reason);
        }
    }
    Ok(())
}

/// The fault `name`, from what stands behind it.
pub(crate) fn fault(name: &str, value: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let Some(entry) = FAULTS.iter().find(|entry| entry.name == name) else {
        let names: Vec<&str> = FAULTS.iter().map(|entry| entry.name).collect();
        let near = did_you_mean(name, &names);
        let names = names.join(", ");
        return Err(error(&[name], format!("there is no fault `{name}`{near}; there are {names}")));
    };
    (entry.construct)(value).map_err(|inner| {
        let mut path = vec![name.to_owned()];
        path.extend(inner.path);
        OptionError::new(path, inner.problem)
    })
}

/// Refuses a key that is neither one of ours nor a fault: before anything is said to be missing,
/// since what is missing may be the key that was misspelt.
fn known(given: &Map<String, Value>) -> Result<(), OptionError> {
    let words: Vec<&str> = KEYS.into_iter().chain(FAULTS.iter().map(|entry| entry.name)).collect();
    match given.keys().find(|key| !words.contains(&key.as_str())) {
        Some(key) => {
            let (near, all) = (did_you_mean(key, &words), words.join(", "));
            Err(error(&[key], format!("there is no fault `{key}`{near}; the keys are {all}")))
        }
        None => Ok(()),
    }
}

fn choices(given: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, OptionError> {
    let here: Map<String, Value> = given
        .iter()
        .filter(|(key, _)| !KEYS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    for (name, value) in &here {
        fault(name, value)?;
    }
    let Some(any) = given.get("any") else {
        if here.is_empty() {
            return Err(error(&[], "no fault is named: add `kill: leader`, or `any: [ … ]`"));
        }
        return Ok(vec![here]);
    };
    if !here.is_empty() {
        return Err(error(&["any"], "a fault stands either here or in `any`, not in both"));
    }
    let Some(any) = any.as_array().filter(|any| !any.is_empty()) else {
        return Err(error(&["any"], "any is a list such as [ kill: leader, partition: halves ]"));
    };
    let choice = |(number, choice): (usize, &Value)| {
        let number = number.to_string();
        let Some(choice) = choice.as_object().filter(|choice| !choice.is_empty()) else {
            let problem = format!("{choice} is no fault; write it as `kill: leader`");
            return Err(error(&["any", &number], problem));
        };
        for (name, value) in choice {
            fault(name, value).map_err(|inner| {
                let mut path = vec!["any".to_owned(), number.clone()];
                path.extend(inner.path);
                OptionError::new(path, inner.problem)
            })?;
        }
        Ok(choice.clone())
    };
    any.iter().enumerate().map(choice).collect()
}

fn span(given: &Map<String, Value>, key: &str) -> Result<Option<Duration>, OptionError> {
    let Some(value) = given.get(key) else { return Ok(None) };
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let span = text.parse::<Span>();
    span.map(|span| Some(span.0)).map_err(|problem| error(&[key], format!("{key}: {problem}")))
}

fn error(path: &[&str], problem: impl Into<String>) -> OptionError {
    OptionError::new(path.iter().copied(), problem)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_faults_in_all_their_forms() {
        let check = |value: Value, names: &[&str], choices: usize| {
            let spec = FaultSpec::parse(&value).expect("a fault");
            assert_eq!((spec.names().as_slice(), spec.choices.len()), (names, choices), "{value}");
            spec.check(5, 0, Duration::from_secs(20)).expect("it fits");
        };
        check(json!({"at": "5s", "for": "2s", "partition": "halves"}), &["partition"], 1);
        let both = json!({"every": "6s", "for": "3s", "kill": "one", "pause": "leader"});
        check(both, &["kill", "pause"], 1);
        let any = json!([{"partition": {"isolate": "leader"}}, {"kill": "minority"}]);
        check(json!({"every": "6s", "for": "3s", "any": any}), &["partition", "kill"], 2);
    }

    #[test]
    fn tells_the_roles_that_it_names_and_where() {
        let check = |value: Value, expected: &[(&str, &str)]| {
            let spec = FaultSpec::parse(&value).expect("a fault");
            spec.check(3, 0, Duration::from_secs(20)).expect("it fits");
            let roles = spec.roles();
            let roles: Vec<(String, &str)> =
                roles.into_iter().map(|(path, role)| (path.join("."), role)).collect();
            let expected: Vec<(String, &str)> =
                expected.iter().map(|(path, role)| ((*path).to_owned(), *role)).collect();
            assert_eq!(roles, expected, "{value}");
        };
        check(json!({"at": "5s", "for": "2s", "kill": "controller"}), &[("kill", "controller")]);
        let any = json!([{"pause": "n1"}, {"partition": {"isolate": "group-coordinator"}}]);
        let place = [("any.1.partition", "group-coordinator")];
        check(json!({"every": "6s", "for": "3s", "any": any}), &place);
        let steps = json!([
            {"roles": {"C": "controller", "F": "follower"}},
            {"pause": "C"},
            {"until": {"controller": {"not": "C"}, "within": "5s"}},
        ]);
        let both = [("scenario", "controller"), ("scenario", "leader")];
        check(json!({"at": "5s", "for": "9s", "scenario": steps}), &both);
        // Both at once leave each other somebody.
        let both = [("kill", "controller"), ("pause", "controller")];
        check(json!({"at": "5s", "for": "2s", "kill": "controller", "pause": "controller"}), &both);
    }

    #[test]
    fn says_where_a_fault_is_wrong() {
        let check = |value: Value, path: &str, problem: &str| {
            let spec = FaultSpec::parse(&value);
            let fits = |spec: FaultSpec| spec.check(3, 0, Duration::from_secs(20)).map(|()| spec);
            let error = spec.and_then(fits).expect_err("it is wrong");
            assert_eq!(error.path.join("."), path, "{value}");
            assert!(error.problem.contains(problem), "{value}: {}", error.problem);
        };
        check(json!("kill"), "", "a fault is a map");
        check(json!({"for": "3s", "kill": "one"}), "", "`every: 6s` or `at: 5s`");
        check(json!({"at": "5", "for": "3s", "kill": "one"}), "at", "at: ");
        check(json!({"at": "5s", "kill": "one"}), "for", "add `for: 3s`");
        check(json!({"every": "2s", "for": "3s", "kill": "one"}), "for", "longer than its period");
        check(json!({"at": "5s", "for": "3s", "kil": "one"}), "kil", "there is no fault `kil`");
        check(json!({"att": "5s", "for": "3s", "kill": "one"}), "att", "did you mean `at`?");
        check(json!({"at": "5s", "for": "3s", "kil": "one"}), "kil", "did you mean `kill`?");
        check(json!({"at": "5s", "for": "3s", "kill": "leadr"}), "kill", "did you mean `leader`?");
        let halfs = json!({"at": "5s", "for": "3s", "partition": "halfs"});
        check(halfs, "partition", "did you mean `halves`?");
        check(json!({"at": "5s", "for": "3s"}), "", "no fault is named");
        check(json!({"at": "5s", "for": "3s", "any": ["x"]}), "any.0", "write it as");
        check(json!({"at": "5s", "for": "3s", "any": [{"kill": "x"}]}), "any.0.kill", "victims");
        check(json!({"at": "18s", "for": "3s", "kill": "one"}), "at", "end after 21s");
        let ring = json!({"at": "5s", "for": "3s", "partition": "majorities-ring"});
        check(ring, "partition", "at least 4 nodes");
    }

    #[test]
    fn refuses_what_could_never_be_proven() {
        let check = |fault: Value, path: &str, problem: &str| {
            let mut value = json!({"at": "5s", "for": "3s"});
            value.as_object_mut().expect("a map").extend(fault.as_object().expect("one").clone());
            let spec = FaultSpec::parse(&value).expect("it can be read");
            let error = spec.check(3, 0, Duration::from_secs(20)).expect_err("it is refused");
            assert_eq!(error.path.join("."), path, "{fault}");
            assert!(error.problem.contains(problem), "{fault}: {}", error.problem);
        };
        check(json!({"kill": "n9"}), "kill", "there is no node n9");
        check(json!({"any": [{"pause": "one"}, {"kill": "n9"}]}), "any.1.kill", "no node n9");
        check(json!({"partition": {"isolate": "all"}}), "partition", "no link would");
        check(json!({"partition": {"one-way": ["n1", "n2", "n3"]}}), "partition", "no link would");
        check(json!({"kill": "n1", "pause": "n1"}), "pause", "n1 are down already");
        check(json!({"kill": "minority", "pause": "minority"}), "pause", "down already");
        check(
            json!({"kill": "one", "pause": "all", "partition": "halves"}),
            "kill",
            "down already",
        );
        check(json!({"delay": {"by": "2s", "jitter": "1s"}}), "delay", "needs more than 3s");
        check(json!({"pause": {"clients": "one"}}), "pause", "add `load: { host: process }`");
    }

    #[test]
    fn accepts_faults_that_find_each_other_room() {
        let check = |fault: Value| {
            let mut value = json!({"at": "5s", "for": "3s"});
            value.as_object_mut().expect("a map").extend(fault.as_object().expect("one").clone());
            let spec = FaultSpec::parse(&value).expect("it can be read");
            assert_eq!(spec.check(5, 3, Duration::from_secs(20)), Ok(()), "{fault}");
        };
        check(json!({"kill": "leader", "pause": "leader"}));
        check(json!({"kill": "one", "pause": "one"}));
        check(json!({"kill": "n1", "pause": ["n2", "n3"]}));
        check(json!({"partition": {"isolate": "leader"}, "delay": {"by": "100ms"}}));
        check(json!({"kill": "all", "partition": "halves"}));
        check(json!({"kill": "all", "pause": {"clients": "holder"}}));
    }
}
