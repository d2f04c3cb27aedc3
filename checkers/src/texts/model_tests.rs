//! Sessions and causality against their definitions, and against registers.

use schism_history::{Event, F, History, Kind, Outcome, Value};

use super::oracle::{guarantee, holds};
use super::random::{SMALL, Shape, history};
use super::{MODELS, SESSIONS};
use crate::chance::{Chance, cases};
use crate::session::{CAUSAL, SESSION};
use crate::{Asked, Budget, CheckerEntry, Claim, Question, Validity, Verdict};

fn verdicts(entry: &CheckerEntry, subject: &str, history: &History) -> Vec<Verdict> {
    let claims = entry.decides.iter().map(|&claim| Asked::new(claim)).collect();
    let mut question = Question::new(subject, claims);
    question.initial = Value::Text("".into());
    entry.check(&question, history, &Budget::default())
}

/// How often each of four claims was upheld, unknown and violated.
#[derive(Debug, Default)]
struct Tally([[u64; 3]; 4]);

impl Tally {
    fn count(&mut self, place: usize, validity: Validity) {
        self.0[place][validity as usize] += 1;
    }

    fn assert_both(&self, cases: u64) {
        // Two of the guarantees are seldom broken in so short a history.
        let both = |it: &[u64; 3]| it[0] > cases / 50 && it[2] > cases / 5_000;
        assert!(self.0.iter().all(both), "{self:?} of {cases}");
    }
}

fn models_agree(shape: Shape, usual: u64, seed: u64) {
    let (cases, mut tally) = (cases(usual), Tally::default());
    for case in 0..cases {
        let history = history(&mut Chance::new(seed << 40 | case), shape);
        for (place, verdict) in verdicts(&MODELS, "kv-append", &history).iter().enumerate() {
            let expected = holds(&history, MODELS.decides[place]);
            tally.count(place, verdict.validity);
            let fits = match verdict.validity {
                Validity::Valid => expected,
                Validity::Invalid => !expected,
                // Only where there was nothing to see.
                Validity::Unknown => expected && verdict.reason.starts_with("No "),
            };
            let claim = verdict.asked.claim;
            let reason = &verdict.reason;
            assert!(fits, "{claim}, expected {expected}: {reason}\n{}", history.to_text());
        }
    }
    tally.assert_both(cases);
}

#[test]
fn models_of_texts_agree_with_their_definitions() {
    models_agree(SMALL, 20_000, 1);
}

#[test]
fn models_of_appends_agree_with_their_definitions() {
    models_agree(Shape { puts: 1000, keys: 1, lost: 0, ..SMALL }, 10_000, 2);
}

#[test]
fn models_of_one_text_agree_with_their_definitions() {
    models_agree(Shape { puts: 2, keys: 1, operations: 7, clients: 2, ..SMALL }, 10_000, 3);
}

fn guarantees_agree(shape: Shape, usual: u64, seed: u64) {
    let (cases, mut tally) = (cases(usual), Tally::default());
    for case in 0..cases {
        let history = history(&mut Chance::new(seed << 40 | case), shape);
        for (place, verdict) in verdicts(&SESSIONS, "kv-append", &history).iter().enumerate() {
            // What nobody can have made is no reason to break a guarantee, nor to uphold one.
            let expected = match guarantee(&history, SESSIONS.decides[place]) {
                (Validity::Valid, false) => Validity::Unknown,
                (expected, _) => expected,
            };
            tally.count(place, verdict.validity);
            let nothing = verdict.reason.starts_with("No ");
            let fits = match expected {
                Validity::Invalid => verdict.validity == expected,
                _ => verdict.validity == expected || nothing,
            };
            let claim = verdict.asked.claim;
            let reason = &verdict.reason;
            assert!(fits, "{claim}, expected {expected:?}: {reason}\n{}", history.to_text());
        }
    }
    tally.assert_both(cases);
}

#[test]
fn guarantees_of_texts_agree_with_their_definitions() {
    guarantees_agree(Shape { operations: 8, ..SMALL }, 20_000, 4);
}

#[test]
fn guarantees_of_one_text_agree_with_their_definitions() {
    guarantees_agree(Shape { operations: 10, keys: 1, puts: 4, ..SMALL }, 20_000, 5);
}

#[test]
fn guarantees_of_appends_agree_with_their_definitions() {
    guarantees_agree(Shape { operations: 9, puts: 1000, ..SMALL }, 20_000, 6);
}

/// The same history, of registers: each text was put whole.
fn of_registers(history: &History) -> History {
    let events = history.events().iter().cloned().map(|mut event: Event| {
        if let Kind::Invoke { op, .. } = &mut event.kind {
            op.f = F::new(if op.f.as_str() == "get" { "read" } else { "write" });
        }
        if let Kind::Complete(Outcome::Ok(reply)) = &mut event.kind
            && reply.value == Value::Nil
        {
            reply.value = Value::Text("".into());
        }
        event
    });
    History::from_events(events.collect()).expect("it was one before")
}

#[test]
fn what_is_only_put_is_judged_as_registers_are() {
    let cases = cases(20_000);
    for (texts, registers, seed) in [(MODELS, CAUSAL, 7), (SESSIONS, SESSION, 8)] {
        let mut tally = Tally::default();
        for case in 0..cases {
            let shape = Shape { operations: 16, puts: 1, ..SMALL };
            let history = history(&mut Chance::new(seed << 40 | case), shape);
            let own = verdicts(&texts, "kv-append", &history);
            let others = verdicts(&registers, "register", &of_registers(&history));
            for (place, (own, other)) in own.iter().zip(&others).enumerate() {
                tally.count(place, own.validity);
                assert_eq!(own.asked.claim, other.asked.claim);
                // Of registers, not all that a session had read is followed where no order of it is
                // known; of texts it is.
                let more = || {
                    other.validity == Validity::Unknown
                        && own.asked.claim == Claim::WritesFollowReads
                        && guarantee(&history, own.asked.claim).0 == own.validity
                };
                assert!(
                    own.validity == other.validity || more(),
                    "{}: {}\nbut of registers: {}\n{}",
                    own.asked.claim,
                    own.reason,
                    other.reason,
                    history.to_text()
                );
            }
        }
        tally.assert_both(cases);
    }
}

#[test]
fn stronger_models_imply_weaker_ones() {
    let shape = Shape { operations: 40, clients: 4, lies: 60, puts: 8, ..SMALL };
    let (cases, mut tally) = (cases(4_000), Tally::default());
    for case in 0..cases {
        let history = history(&mut Chance::new(9 << 40 | case), shape);
        let found = verdicts(&MODELS, "kv-append", &history);
        let [pram, causal, memory, convergence] = [0, 1, 2, 3].map(|at| found[at].validity);
        (0..4).for_each(|at| tally.count(at, found[at].validity));
        if memory == Validity::Valid {
            assert_eq!((causal, pram), (Validity::Valid, Validity::Valid), "{}", history.to_text());
        }
        if convergence == Validity::Valid {
            assert_eq!(causal, Validity::Valid, "{}", history.to_text());
            // One order of updates and causal pasts are what the guarantees ask for.
            for verdict in verdicts(&SESSIONS, "kv-append", &history) {
                assert_ne!(verdict.validity, Validity::Invalid, "{}", verdict.reason);
            }
        }
    }
    tally.assert_both(cases);
}

fn check(text: &str, claim: Claim, expected: Validity, says: &str) {
    let history = History::from_text(text).expect("the text is a history");
    let question = Question::new("kv-append", vec![Asked::new(claim)]);
    let entry = if MODELS.decides.contains(&claim) { MODELS } else { SESSIONS };
    let verdict = entry.check(&question, &history, &Budget::default()).remove(0);
    assert_eq!(verdict.validity, expected, "{}", verdict.reason);
    assert!(verdict.reason.contains(says), "{}", verdict.reason);
}

use Validity::{Invalid, Unknown};

#[test]
fn tells_what_a_get_misses() {
    let appends = "p0 invoke append x \"1;\" \n p0 ok \n p0 invoke append x \"2;\" \n p0 ok
        p1 invoke get x \n p1 ok \"2;\"";
    check(
        appends,
        Claim::Causal,
        Invalid,
        "The get of x of event 4 (p1) found \"2;\", and no order of its causal past leads to \
         that",
    );
    check(
        appends,
        Claim::MonotonicWrites,
        Invalid,
        "The get of x of event 4 (p1) does not show append \"1;\" to x (event 0, p0), although the \
         get of x of event 4 (p1) had shown append \"2;\" to x (event 2, p0), and before that p0 \
         had done it: its text begins with what was there first, so that nothing hides it.",
    );
    check(appends, Claim::MonotonicReads, Unknown, "No get that could miss something was ok");
}

#[test]
fn says_where_nobody_can_tell_what_a_text_shows() {
    let text = "p0 invoke append x \"b\" \n p0 ok \n p0 invoke append x \"ab\" \n p0 ok
        p0 invoke append x \"a\" \n p0 ok \n p1 invoke get x \n p1 ok \"ab\"";
    check(text, Claim::Pram, Unknown, "in more than one way");
    check(text, Claim::ReadYourWrites, Unknown, "");
    let alien = "p0 invoke append x \"\" \n p0 ok";
    check(alien, Claim::Pram, Unknown, "the append of event 0 appends nothing");
    let nobody = "p1 invoke get x \n p1 ok \"9;\"";
    check(nobody, Claim::Causal, Invalid, "which no puts and appends");
    check(nobody, Claim::MonotonicReads, Unknown, "ask for causal");
}
