//! `delay`: what goes between the victims and the other nodes comes late, both ways.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::{OptionError, Options, Span};
use schism_lab::{End, LinkRule, LinkRules};
use serde_json::Value;

use crate::victims::Victims;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "delay",
    summary: "links between nodes get slower by a time, plus or minus a jitter; order is kept",
    forms: &["delay: { by: 100ms, jitter: 20ms, of: all | leader | minority | n1 … }"],
    construct,
};

/// Longer delays are partitions, and what waits in the switch is bounded.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// Shorter delays are lost in what a busy machine takes anyway, and no probe could tell them.
const DELAY_MIN: Duration = Duration::from_millis(4);
/// What a probe takes to look at a link, besides the delay itself.
const LOOK: Duration = Duration::from_millis(100);

struct Delay {
    by: Duration,
    jitter: Duration,
    of: Victims,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["by", "jitter", "of"])?;
    let Some(by) = options.span("by")? else {
        let problem = "delay: `by` is missing; it must be a duration such as 100ms";
        return Err(OptionError::new(Vec::<String>::new(), problem));
    };
    if by > DELAY_MAX {
        return Err(options.error("by", format!("`by` is more than {}", Span(DELAY_MAX))));
    }
    if by < DELAY_MIN {
        let problem = format!("`by` is less than {}, which no probe could tell", Span(DELAY_MIN));
        return Err(options.error("by", problem));
    }
    let jitter = options.span("jitter")?.unwrap_or_default();
    if jitter > by {
        return Err(options.error("jitter", "`jitter` is more than `by`: time cannot run back"));
    }
    let of = match given.get("of") {
        Some(of) => Victims::parse(of).map_err(|problem| options.error("of", problem))?,
        None => Victims::All,
    };
    Ok(Box::new(Delay { by, jitter, of }))
}

impl Fault for Delay {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        let jitter = match self.jitter {
            Duration::ZERO => String::new(),
            jitter => format!(" ± {}", Span(jitter)),
        };
        format!("{} by {}{jitter}", self.of.words(), Span(self.by))
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        if nodes < 2 {
            return Err("one node has no links to other nodes".into());
        }
        self.of.fit(nodes)
    }

    fn least(&self) -> Duration {
        self.by + self.jitter + LOOK
    }

    fn roles(&self) -> Vec<&'static str> {
        self.of.roles()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let victims = match self.of.resolve(view, &[], rng) {
            Ok(victims) => victims,
            Err(reason) => return Injection::Nothing { reason },
        };
        let rule = LinkRule { delay: self.by, jitter: self.jitter, ..LinkRule::default() };
        let mut rules = LinkRules::default();
        for &from in &view.nodes {
            for &to in &view.nodes {
                if from != to && (victims.contains(&from) || victims.contains(&to)) {
                    rules.0.insert((End::Node(from), End::Node(to)), rule);
                }
            }
        }
        Injection::Links { victims, rules }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_is_wrong_with_its_options() {
        let check = |given: Value, expected: &str| {
            let error = construct(&given).err().expect("an error").to_string();
            assert!(error.contains(expected), "{given}: {error}");
        };
        check(json!({}), "`by` is missing");
        check(json!({"by": "11s"}), "more than");
        check(json!({"by": "3ms"}), "less than 4ms");
        check(json!({"by": "10ms", "jiter": "3ms"}), "did you mean `jitter`?");
        check(json!({"by": "10ms", "jitter": "20ms"}), "cannot run back");
        check(json!({"by": "10ms", "of": "x"}), "names no victims");
        check(json!({"by": "10"}), "duration");
    }

    #[test]
    fn says_what_it_does() {
        let fault = construct(&json!({"by": "100ms", "jitter": "20ms", "of": "leader"}));
        assert_eq!(fault.expect("a fault").detail(), "leader by 100ms ± 20ms");
    }
}
