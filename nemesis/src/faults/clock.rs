//! `clock`: the target's processes see a wrong time. No machine's clock is touched, but where the plan
//! asks for that, on machines that are there to be thrown away.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::{OptionError, Options, Span};
use schism_lab::Effect;
use serde_json::Value;

use crate::victims::{Victims, Whom};
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "clock",
    summary: "the real-time clock of the target's processes is off, drifts, or jumps to and fro",
    forms: &[
        "clock: { of: leader, offset: 2s }",
        "clock: { of: minority | n1 …, offset: -5s..5s, drift: 500ppm | 5%, strobe: 200ms }",
        "clock: { of: { clients: holder | one | c1 … }, offset: 2s }   with `load: { host: process }`",
        "clock: { of: one, offset: 1h, machine: true }   the whole machine's, on disposable hosts",
    ],
    construct,
};

/// Smaller offsets are lost in what a question and its answer take on a busy machine.
pub(crate) const SEEN_FROM: Duration = Duration::from_millis(300);
const OFFSET_MAX: Duration = Duration::from_hours(24 * 365);
const DRIFT_MIN_PPM: f64 = 10.0;
const DRIFT_MAX_PPM: f64 = 500_000.0;
/// The kernel runs its own clock faster or slower by this much at the most.
const MACHINE_DRIFT_MAX_PPM: i32 = 100_000;
const STROBE_MIN: Duration = Duration::from_millis(20);
/// What looks at a clock take that tells whole seconds: one before, one while it is wrong.
const LOOKS: Duration = Duration::from_secs(3);
/// In so many spans of a strobe it is seen there, and seen away.
const STROBES: u32 = 4;

struct Clock {
    of: Whom,
    /// The least and the greatest offset, in milliseconds.
    offset: Option<(i64, i64)>,
    drift_ppm: i32,
    strobe: Option<Duration>,
    /// Whether it is the clock of the whole machine.
    machine: bool,
}

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    let options = Options::read(given, &["of", "offset", "drift", "strobe", "machine"])?;
    let of = match given.get("of") {
        Some(of) => Whom::parse(of).map_err(|problem| options.error("of", problem))?,
        None => Whom::Nodes(Victims::All),
    };
    let text = |key: &str| {
        let value = given.get(key).filter(|value| !value.is_null());
        value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let offset = text("offset").map(|text| offsets(&text)).transpose();
    let offset = offset.map_err(|problem| options.error("offset", problem))?;
    let drift = text("drift").map(|text| drift(&text)).transpose();
    let drift_ppm = drift.map_err(|problem| options.error("drift", problem))?;
    if offset.is_none() && drift_ppm.is_none() {
        let problem = "a clock is off or drifts: add `offset: 2s` or `drift: 5%`";
        return Err(OptionError::new(Vec::<String>::new(), problem));
    }
    let strobe = options.span("strobe")?;
    if strobe.is_some() && offset.is_none() {
        return Err(options.error("strobe", "a strobe is that of an `offset`, which is missing"));
    }
    if strobe.is_some_and(|strobe| strobe < STROBE_MIN) {
        let problem = format!("less than {}, which no probe could tell", Span(STROBE_MIN));
        return Err(options.error("strobe", problem));
    }
    let machine = match given.get("machine") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => return Err(options.error("machine", "`machine` is true or false")),
    };
    if machine && matches!(of, Whom::Clients(_)) {
        // They stand beside the controller, which must know the time.
        let problem = "clients share the controller's machine, whose clock is never set";
        return Err(options.error("machine", problem));
    }
    let drift_ppm = drift_ppm.unwrap_or(0);
    if machine && drift_ppm.abs() > MACHINE_DRIFT_MAX_PPM {
        return Err(options.error("drift", "the clock of a machine drifts by 10 % at the most"));
    }
    Ok(Box::new(Clock { of, offset, drift_ppm, strobe, machine }))
}

/// `2s`, `-300ms`, or `-5s..5s`: the least and the greatest, in milliseconds.
fn offsets(text: &str) -> Result<(i64, i64), String> {
    let one = |text: &str| {
        let text = text.trim();
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let Span(span) = rest.parse().map_err(|error| format!("offset: {error}"))?;
        if span > OFFSET_MAX {
            return Err(format!("{text} is more than a year"));
        }
        Ok(sign * span.as_millis() as i64)
    };
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let (least, most) = (one(least)?, one(most)?);
    if least > most {
        return Err(format!("{text} runs backwards; write the lesser offset first"));
    }
    let seen_from = SEEN_FROM.as_millis() as i64;
    if least > -seen_from && most < seen_from {
        let least = Span(SEEN_FROM);
        return Err(format!("{text} is less than {least}, which no probe could tell"));
    }
    Ok((least, most))
}

/// `500ppm`, `-500ppm` or `5%`, in millionths.
fn drift(text: &str) -> Result<i32, String> {
    let units = [("ppm", 1.0), ("%", 10_000.0)];
    let parse = |(unit, size): (&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * size)
    };
    let Some(ppm) = units.into_iter().find_map(parse) else {
        return Err(format!("{text} is no drift; write it as 500ppm or 5%"));
    };
    if !(DRIFT_MIN_PPM..=DRIFT_MAX_PPM).contains(&ppm.abs()) {
        return Err(format!("{text} is not between 10ppm and 50%, ahead or behind"));
    }
    Ok(ppm.round() as i32)
}

impl Clock {
    /// Any of the offsets that can be seen, each equally likely.
    fn draw(&self, rng: &mut ChaCha8Rng) -> i64 {
        let Some((least, most)) = self.offset else { return 0 };
        let seen_from = SEEN_FROM.as_millis() as i64;
        // Those behind, and those ahead; either may be none.
        let behind = (least, most.min(-seen_from));
        let ahead = (least.max(seen_from), most);
        let count = |(least, most): (i64, i64)| (most - least + 1).max(0) as u64;
        let all = count(behind) + count(ahead);
        let place = rng.next_u64() % all.max(1);
        if place < count(behind) {
            behind.0 + place as i64
        } else {
            ahead.0 + (place - count(behind)) as i64
        }
    }
}

impl Fault for Clock {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        let mut parts = Vec::new();
        if let Some((least, most)) = self.offset {
            let one = least == most;
            let range = format!("{}..{}", signed(least), signed(most));
            parts.push(if one { signed(least) } else { range });
        }
        if self.drift_ppm != 0 {
            parts.push(format!("drifting by {} ppm", self.drift_ppm));
        }
        if let Some(strobe) = self.strobe {
            parts.push(format!("coming and going every {}", Span(strobe)));
        }
        let whose = if self.machine { "the machine's clock of " } else { "" };
        let off = if self.offset.is_some() { "off by " } else { "" };
        format!("{whose}{} {off}{}", self.of.words(), parts.join(", "))
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        self.of.fit(nodes, u16::MAX)
    }

    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        self.of.fit(nodes, clients)
    }

    fn least(&self) -> Duration {
        let strobes = self.strobe.map_or(Duration::ZERO, |strobe| strobe * STROBES);
        let drifts = match self.offset {
            Some(_) => Duration::ZERO,
            None => drifts_for(self.drift_ppm),
        };
        LOOKS + strobes + drifts
    }

    fn needs_disposable(&self) -> bool {
        self.machine
    }

    fn roles(&self) -> Vec<&'static str> {
        self.of.roles()
    }

    fn needs_holder(&self) -> bool {
        self.of.needs_holder()
    }

    fn plan(&self, view: &View, rng: &mut ChaCha8Rng) -> Injection {
        let strobe_ms = self.strobe.map(|strobe| strobe.as_millis() as u64);
        let (drift_ppm, offset_ms) = (self.drift_ppm, self.draw(rng));
        let effect = if self.machine {
            Effect::RealClock { offset_ms, drift_ppm, strobe_ms }
        } else {
            Effect::Clock { offset_ms, drift_ppm, strobe_ms }
        };
        match self.of.resolve(view, &view.taken(effect.kind()), rng) {
            Ok(victims) => Injection::Hold { victims, effect },
            Err(reason) => Injection::Nothing { reason },
        }
    }
}

/// How long a clock drifts until a probe can tell.
pub(crate) fn drifts_for(drift_ppm: i32) -> Duration {
    SEEN_FROM.mul_f64(1e6 / f64::from(drift_ppm.unsigned_abs().max(1)))
}

/// An offset in words: `-300ms`.
fn signed(offset_ms: i64) -> String {
    let sign = if offset_ms < 0 { "-" } else { "" };
    format!("{sign}{}", Span(Duration::from_millis(offset_ms.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use schism_lab::NodeId;
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_is_wrong_with_its_options() {
        let check = |given: Value, expected: &str| {
            let error = construct(&given).err().expect("an error").to_string();
            assert!(error.contains(expected), "{given}: {error}");
        };
        check(json!({"of": "leader"}), "add `offset: 2s` or `drift: 5%`");
        check(json!({"drift": "20%", "machine": true}), "10 % at the most");
        check(json!({"offset": "299ms"}), "less than 300ms");
        check(json!({"offset": "-200ms..200ms"}), "no probe could tell");
        check(json!({"offset": "5s..-5s"}), "runs backwards");
        check(json!({"offset": "5"}), "duration");
        check(json!({"drift": "5"}), "500ppm or 5%");
        check(json!({"drift": "60%"}), "between 10ppm and 50%");
        check(json!({"drift": "5%", "strobe": "1s"}), "`offset`, which is missing");
        check(json!({"offset": "2s", "strobe": "5ms"}), "less than 20ms");
        check(json!({"ofset": "2s"}), "did you mean `offset`?");
        check(json!({"offset": "2s", "of": "x"}), "names no victims");
    }

    #[test]
    fn says_what_it_does_and_how_long_that_must_last() {
        let check = |given: Value, detail: &str, least_ms: u64| {
            let fault = construct(&given).expect("a fault");
            assert_eq!(fault.detail(), detail);
            assert_eq!(fault.least().as_millis(), u128::from(least_ms), "{given}");
        };
        check(json!({"of": "leader", "offset": "2s"}), "leader off by 2s", 3_000);
        check(json!({"of": "n1", "offset": "-5s..500ms"}), "n1 off by -5s..500ms", 3_000);
        check(json!({"of": "n1", "drift": "-5%"}), "n1 drifting by -50000 ppm", 9_000);
        check(
            json!({"of": "n1", "offset": "2s", "strobe": "200ms"}),
            "n1 off by 2s, coming and going every 200ms",
            3_800,
        );
    }

    #[test]
    fn draws_offsets_that_can_be_seen_from_both_sides() {
        let fault = construct(&json!({"of": "n1", "offset": "-400ms..500ms"})).expect("a fault");
        let view = View { nodes: vec![NodeId(1)], ..View::default() };
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for seed in 0..2000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let Injection::Hold { effect: Effect::Clock { offset_ms, .. }, .. } =
                fault.plan(&view, &mut rng)
            else {
                panic!("a clock")
            };
            assert!((300..=500).contains(&offset_ms) || (-400..=-300).contains(&offset_ms));
            (least, most) = (least.min(offset_ms), most.max(offset_ms));
        }
        assert_eq!((least, most), (-400, 500));
    }
}
