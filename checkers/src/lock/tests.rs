//! The procedures against the definitions.

use schism_history::{
    Code, Event, History, Kind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

use super::holds::Holding;
use super::{ENTRY, LEASE, oracle};
use crate::queue::random::Random;
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000 small ones.
fn cases(usual: u64) -> u64 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (usual * asked / 20_000).max(100)
}

/// What a client asked, if anything, and the answer once there is one.
type Asking = Option<(Op, Option<Outcome>)>;

/// A random history of the lock `x`: what clients ask, and answers that are right or not.
fn history(random: &mut Random, leases: bool, lies: u32) -> History {
    let most = if leases { 12 } else { 8 };
    let clients = 2 + random.below(3);
    let mut events: Vec<Event> = Vec::new();
    // Each client, with its process.
    let mut open: Vec<(u32, Asking)> = (0..clients as u32).map(|process| (process, None)).collect();
    let mut holder: Option<usize> = None;
    let (mut begun, mut token) = (0, 0);
    let mut tokens: Vec<i64> = vec![0; clients];
    for _ in 0..most * 12 {
        let client = random.below(clients);
        let (index, process) = (events.len() as u64, open[client].0);
        let mut record = |kind| {
            let time = Time(index * 1_000_000);
            events.push(Event { index, time, process: Process(process), kind });
        };
        match open[client].1.take() {
            None if begun == most => {}
            None => {
                begun += 1;
                let op = match random.below(if leases { 5 } else { 4 }) {
                    0 | 1 => Op::new("acquire", Some("x"), Value::Nil),
                    2 | 3 => Op::new("release", Some("x"), Value::Nil),
                    _ => {
                        let pair = [Value::Int(tokens[client]), Value::Int(7)];
                        Op::new("write", Some("x"), Value::List(pair.into()))
                    }
                };
                open[client].1 = Some((op.clone(), None));
                record(Kind::Invoke { op, due: None, node: None });
            }
            Some((op, None)) => {
                let mut right = match op.f.as_str() {
                    "acquire" => holder.is_none() || (leases && random.one_in(2)),
                    "release" => holder == Some(client),
                    _ => tokens[client] == token,
                };
                right |= random.one_in(lies);
                let reply = |value| Outcome::Ok(Reply { value, version: None });
                let outcome = match (op.f.as_str(), right) {
                    (_, false) => Outcome::Fail(Reason::new(Code::Mismatch, "no")),
                    ("acquire", true) => {
                        holder = Some(client);
                        token += i64::from(!random.one_in(lies));
                        tokens[client] = token;
                        reply(if leases { Value::Int(token) } else { Value::Nil })
                    }
                    ("release", true) => {
                        holder = None;
                        reply(Value::Nil)
                    }
                    _ => reply(op.value.clone()),
                };
                let lost = random.one_in(6);
                let timeout = Outcome::Info(Reason::new(Code::Timeout, "no answer"));
                open[client].1 = Some((op, Some(if lost { timeout } else { outcome })));
            }
            Some((_, Some(outcome))) => {
                if matches!(outcome, Outcome::Info(_)) {
                    open[client].0 += clients as u32;
                }
                record(Kind::Complete(outcome));
            }
        }
    }
    History::from_events(events).expect("the simulation makes histories")
}

fn verdict(history: &History, subject: &str, claim: Claim) -> Verdict {
    let question = Question::new(subject, vec![Asked::new(claim)]);
    let row = if subject == "lease" { ENTRY_OF_LEASES } else { &ENTRY };
    row.check(&question, history, &Budget::default()).remove(0)
}

const ENTRY_OF_LEASES: &crate::CheckerEntry = &LEASE;

/// Compares verdicts with what `expected` says; both must be frequent.
fn agree(subject: &str, claim: Claim, usual: u64, expected: impl Fn(&History) -> bool) {
    let cases = cases(usual);
    let (mut valid, mut invalid) = (0, 0);
    for case in 0..cases {
        let mut random = Random(case.wrapping_mul(0xD134_2543_DE82_EF95));
        let lies = if (subject, claim) == ("lease", Claim::MutualExclusion) { 2 } else { 6 };
        let history = history(&mut random, subject == "lease", lies);
        let (expected, verdict) = (expected(&history), verdict(&history, subject, claim));
        let text = || format!("{subject}: {}\n{}", verdict.reason, history.to_text());
        assert_eq!(verdict.validity == Validity::Invalid, !expected, "{}", text());
        valid += u64::from(verdict.validity == Validity::Valid);
        invalid += u64::from(!expected);
    }
    assert!(valid > cases / 20, "only {valid} of {cases} were upheld");
    assert!(invalid > cases / 20, "only {invalid} of {cases} were violated");
}

#[test]
fn a_lock_that_anybody_releases_agrees_with_the_definition() {
    agree("mutex", Claim::MutualExclusion, 20_000, |it| oracle::linearizable(it, None));
}

#[test]
fn a_lock_that_its_owner_releases_agrees_with_the_definition() {
    let owned = |it: &History| oracle::linearizable(it, Some(Holding::Owned));
    agree("owner-aware-mutex", Claim::MutualExclusion, 20_000, owned);
}

#[test]
fn a_reentrant_lock_agrees_with_the_definition() {
    let reentrant = |it: &History| oracle::linearizable(it, Some(Holding::Reentrant));
    agree("reentrant-mutex", Claim::Linearizable, 20_000, reentrant);
}

#[test]
fn leases_agree_with_the_definition() {
    let lease = |it: &History| oracle::linearizable(it, Some(Holding::Lease));
    agree("lease", Claim::MutualExclusion, 20_000, lease);
}

#[test]
fn fences_agree_with_the_definition() {
    agree("lease", Claim::Fencing, 20_000, oracle::fenced);
}
