//! Random histories of simulated systems, for tests: the same ones in every run.

use schism_history::{
    Code, Event, FaultMark, History, Kind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

use crate::{Asked, Budget, CheckerEntry, Question, Validity, Verdict};

/// `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to, but not with, `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// Whether that which happens once in `odds` times happens.
    pub fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }
}

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000.
pub(crate) fn cases(usual: u64) -> u64 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (usual * asked / 20_000).max(100)
}

/// The reply `value`.
pub(crate) fn ok(value: Value) -> Outcome {
    Outcome::Ok(Reply { value, version: None })
}

/// It did not happen.
pub(crate) fn fail() -> Outcome {
    Outcome::Fail(Reason::new(Code::Other, "refused"))
}

/// Nobody knows.
pub(crate) fn info() -> Outcome {
    Outcome::Info(Reason::new(Code::Timeout, "no answer"))
}

/// A list of numbers.
pub(crate) fn numbers(numbers: impl IntoIterator<Item = i64>) -> Value {
    Value::List(numbers.into_iter().map(Value::Int).collect())
}

/// How large a simulated history is.
pub(crate) struct Shape {
    /// How many clients there are.
    pub clients: usize,
    /// How many operations they begin.
    pub operations: usize,
    /// One in so many operations stays open at the end of the history.
    pub open: usize,
}

/// An operation under way, and what became of it once it has taken effect.
type Open = (Op, Option<Outcome>);

/// Clients that take turns: each invokes what `invent` says, `effect` decides what becomes of it at
/// some moment, and later the client is told.
pub(crate) fn simulate(
    chance: &mut Chance,
    shape: &Shape,
    mut invent: impl FnMut(&mut Chance) -> Op,
    mut effect: impl FnMut(&mut Chance, &Op) -> Outcome,
) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut clients: Vec<(u32, Option<Open>)> =
        (0..shape.clients as u32).map(|process| (process, None)).collect();
    let mut begun = 0;
    for _ in 0..shape.operations * 12 {
        let (process, client) = &mut clients[chance.below(shape.clients)];
        let (index, process_now) = (events.len() as u64, *process);
        let mut record = |kind| {
            let (time, process) = (Time(index * 1_000_000), Process(process_now));
            events.push(Event { index, time, process, kind });
        };
        match client {
            None if begun == shape.operations => {}
            None => {
                begun += 1;
                let op = invent(chance);
                record(Kind::Invoke { op: op.clone(), due: None, node: None });
                *client = Some((op, None));
            }
            Some((op, outcome @ None)) => *outcome = Some(effect(chance, op)),
            Some((_, Some(_))) if begun == shape.operations && chance.one_in(shape.open) => {}
            Some((_, outcome)) => {
                if let Some(outcome) = outcome.take() {
                    if matches!(outcome, Outcome::Info(_)) {
                        *process += shape.clients as u32;
                    }
                    record(Kind::Complete(outcome));
                }
                *client = None;
            }
        }
    }
    events
}

/// The history of these events.
pub(crate) fn history(events: Vec<Event>) -> History {
    History::from_events(events).expect("the simulation makes histories")
}

/// The same events, healed for good before the one at `place`.
pub(crate) fn healed(mut events: Vec<Event>, place: usize) -> Vec<Event> {
    let kind = Kind::Fault(FaultMark::Healed);
    let mark = Event { index: 0, time: Time::ZERO, process: Process::NEMESIS, kind };
    events.insert(place.min(events.len()), mark);
    for (event, index) in events.iter_mut().zip(0..) {
        (event.index, event.time) = (index, Time(index * 1_000_000));
    }
    events
}

/// The verdicts of `entry` on all that it decides.
pub(crate) fn verdicts(entry: &CheckerEntry, history: &History) -> Vec<Verdict> {
    let claims = entry.decides.iter().copied().map(Asked::new).collect();
    entry.check(&Question::new(entry.subjects[0], claims), history, &Budget::default())
}

/// The first verdict of `entry` on a short text must be `expected`, and its first explanation, or else
/// its reason, must hold `part`.
pub(crate) fn check(entry: &CheckerEntry, text: &str, expected: Validity, part: &str) -> Verdict {
    let history = History::from_text(text).expect("the text is a history");
    let verdict = verdicts(entry, &history).remove(0);
    let said = verdict.anomalies.first().map_or(&verdict.reason, |it| &it.explanation);
    assert_eq!(verdict.validity, expected, "{said}");
    assert!(said.contains(part), "{part} is not in: {said}");
    verdict
}

/// Asks `expected` what the definition says of the first claim of `entry`, and compares. Of `usual`
/// histories at least one in twenty must uphold it, and one in twenty break it.
pub(crate) fn compare(
    entry: &CheckerEntry,
    usual: u64,
    make: impl Fn(&mut Chance) -> History,
    expected: impl Fn(&History) -> Validity,
) {
    let (cases, mut valid, mut invalid) = (cases(usual), 0, 0);
    for seed in 0..cases {
        let history = make(&mut Chance::new(seed));
        let verdict = verdicts(entry, &history).remove(0);
        let (found, reason) = (verdict.validity, &verdict.reason);
        assert_eq!(found, expected(&history), "seed {seed}: {reason}\n{}", history.to_text());
        valid += u64::from(found == Validity::Valid);
        invalid += u64::from(found == Validity::Invalid);
    }
    assert!(valid > cases / 20, "only {valid} of {cases} histories uphold the claim");
    assert!(invalid > cases / 20, "only {invalid} of {cases} histories break the claim");
}
