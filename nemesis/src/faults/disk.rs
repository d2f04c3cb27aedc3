//! `disk`: the victims' disks are full, slow or failing.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::{OptionError, Options, Span};
use schism_lab::{Effect, Operation, Trouble};
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "disk",
    summary: "the disk under a node's data is full, slow or failing, through a layer over its folder",
    forms: &[
        "disk: { of: VICTIMS, full: true }",
        "disk: { of: VICTIMS, slow: 50ms, jitter: 10ms, ops: [read, write, fsync] }",
        "disk: { of: VICTIMS, fail: 10%, ops: [read, write, fsync] }",
    ],
    construct,
};

/// What is faster cannot be told from what a busy disk takes anyway.
const SLOW_MIN: Duration = Duration::from_millis(4);
/// What is slower is a pause, and would hold up the looks, too.
const SLOW_MAX: Duration = Duration::from_secs(1);
/// What fails less often is never seen to fail while a fault lasts.
const FAIL_MIN: f64 = 1.0;

const OPERATIONS: [(&str, Operation); 3] =
    [("read", Operation::Read), ("write", Operation::Write), ("fsync", Operation::Fsync)];

struct Disk {
    of: Victims,
    /// Its seed is drawn when it begins.
    trouble: Trouble,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["of", "full", "slow", "jitter", "fail", "ops"])?;
    let of = match given.get("of") {
        Some(of) => Victims::parse(of).map_err(|problem| options.error("of", problem))?,
        None => Victims::All,
    };
    let trouble = match (full(given, &options)?, options.span("slow")?, given.get("fail")) {
        (true, None, None) => {
            for key in ["jitter", "ops"] {
                if given.get(key).is_some() {
                    return Err(options.error(key, format!("a full disk has no `{key}`")));
                }
            }
            Trouble::Full
        }
        (false, Some(by), None) => slow(given, &options, by)?,
        (false, None, Some(part)) => Trouble::Failing {
            of_million: million(part).map_err(|problem| options.error("fail", problem))?,
            operations: operations(given, &options)?,
            seed: 0,
        },
        _ => {
            let problem = "disk: write one of `full: true`, `slow: 50ms` and `fail: 10%`";
            return Err(OptionError::new(Vec::<String>::new(), problem));
        }
    };
    if given.get("jitter").is_some() && !matches!(trouble, Trouble::Slow { .. }) {
        return Err(options.error("jitter", "only a slow disk has a `jitter`"));
    }
    Ok(Box::new(Disk { of, trouble }))
}

fn full(given: &Value, options: &Options<'_>) -> Result<bool, OptionError> {
    match given.get("full") {
        None => Ok(false),
        Some(Value::Bool(full)) => Ok(*full),
        Some(other) => Err(options.error("full", format!("`full` is {other}; it must be true"))),
    }
}

fn slow(given: &Value, options: &Options<'_>, by: Duration) -> Result<Trouble, OptionError> {
    if !(SLOW_MIN..=SLOW_MAX).contains(&by) {
        let (least, most) = (Span(SLOW_MIN), Span(SLOW_MAX));
        let problem = format!("`slow` is {}; it must be from {least} to {most}", Span(by));
        return Err(options.error("slow", problem));
    }
    let jitter = options.span("jitter")?.unwrap_or_default();
    if jitter > by {
        return Err(options.error("jitter", "`jitter` is more than `slow`: time cannot run back"));
    }
    Ok(Trouble::Slow {
        by_us: by.as_micros() as u64,
        jitter_us: jitter.as_micros() as u64,
        operations: operations(given, options)?,
        seed: 0,
    })
}

/// `10%` as so many of a million.
fn million(part: &Value) -> Result<u32, String> {
    let number = part.as_str().and_then(|text| text.strip_suffix('%')?.trim().parse::<f64>().ok());
    match number.filter(|percent| (FAIL_MIN..=100.0).contains(percent)) {
        Some(percent) => Ok((percent * 10_000.0).round() as u32),
        None => Err(format!("`fail` is {part}; it must be a part from {FAIL_MIN}% to 100%")),
    }
}

fn operations(given: &Value, options: &Options<'_>) -> Result<Vec<Operation>, OptionError> {
    let Some(given) = given.get("ops") else {
        return Ok(OPERATIONS.map(|(_, operation)| operation).to_vec());
    };
    let one = |word: &Value| {
        let found = OPERATIONS.iter().find(|(name, _)| word.as_str() == Some(name));
        found.map(|(_, operation)| *operation)
    };
    let named: Option<Vec<Operation>> =
        given.as_array().and_then(|words| words.iter().map(one).collect());
    let Some(mut named) = named.filter(|named| !named.is_empty()) else {
        let names = OPERATIONS.map(|(name, _)| name).join(", ");
        return Err(options.error("ops", format!("`ops` is {given}; it must be a list of {names}")));
    };
    named.sort_unstable();
    named.dedup();
    Ok(named)
}

fn list(operations: &[Operation]) -> String {
    let chosen = OPERATIONS.iter().filter(|(_, operation)| operations.contains(operation));
    chosen.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Fault for Disk {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        let of = self.of.words();
        match &self.trouble {
            Trouble::Full => format!("{of} full"),
            Trouble::Slow { by_us, jitter_us, operations, .. } => {
                let span = |micros: u64| Span(Duration::from_micros(micros));
                let jitter = match jitter_us {
                    0 => String::new(),
                    jitter => format!(" ± {}", span(*jitter)),
                };
                format!("{of} slow by {}{jitter}: {}", span(*by_us), list(operations))
            }
            Trouble::Failing { of_million, operations, .. } => {
                let percent = f64::from(*of_million) / 10_000.0;
                format!("{of} failing in {percent} %: {}", list(operations))
            }
        }
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.of.fit(nodes)
    }

    fn roles(&self) -> Vec<&'static str> {
        self.of.roles()
    }

    fn prepares(&self) -> Option<Effect> {
        Some(Effect::Layer)
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let seed_drawn = rng.next_u64();
        let mut trouble = self.trouble.clone();
        match &mut trouble {
            Trouble::Full => {}
            Trouble::Slow { seed, .. } | Trouble::Failing { seed, .. } => *seed = seed_drawn,
        }
        let effect = Effect::Disk(trouble);
        match self.of.resolve(view, &view.taken(effect.kind()), rng) {
            Ok(victims) => Injection::Hold { victims, effect },
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detail(given: Value) -> Result<String, String> {
        construct(&given).map(|fault| fault.detail()).map_err(|error| error.problem)
    }

    #[test]
    fn reads_each_trouble() {
        assert_eq!(detail(json!({ "of": "n1", "full": true })), Ok("n1 full".into()));
        let slow = json!({ "of": "all", "slow": "50ms", "jitter": "10ms", "ops": ["write"] });
        assert_eq!(detail(slow), Ok("all slow by 50ms ± 10ms: write".into()));
        let failing = json!({ "of": "leader", "fail": "2.5%" });
        assert_eq!(detail(failing), Ok("leader failing in 2.5 %: read, write, fsync".into()));
    }

    #[test]
    fn refuses_two_troubles_none_and_those_that_no_probe_could_tell() {
        for given in [
            json!({ "of": "n1" }),
            json!({ "full": true, "slow": "50ms" }),
            json!({ "slow": "50ms", "fail": "10%" }),
            json!({ "slow": "1ms" }),
            json!({ "slow": "50ms", "jitter": "60ms" }),
            json!({ "fail": "0%" }),
            json!({ "fail": 10 }),
            json!({ "fail": "10%", "jitter": "1ms" }),
            json!({ "fail": "10%", "ops": [] }),
            json!({ "fail": "10%", "ops": ["open"] }),
            json!({ "full": true, "ops": ["write"] }),
        ] {
            assert!(detail(given.clone()).is_err(), "{given}");
        }
    }
}
