//! Objects of every model against the definition.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use schism_history::{
    Code, History, Key, Mop, MopKind, Op, Operation, Outcome, Reason, Reply, Value,
};

use super::oracle::{cut, explained};
use super::queue::{LockAction, Mutex};
use super::random::{Choices, Shape, Simulated, simulate};
use super::tests::on_random_of;
use super::{Evidence, Item, Label, OBJECTS, Object, judge, judge_queues};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict, Witness};

const SMALL: Shape = Shape { operations: 7, clients: 4, unique: false, lies: 10 };

fn asked() -> Asked {
    Asked::new(Claim::Linearizable)
}

/// The verdict on a history of `subject`, whatever room asks for it.
fn verdict(subject: &str, history: &History) -> Verdict {
    let question = Question::new(subject, vec![asked()]);
    let budget = Budget::default();
    match subject {
        "queue" | "fifo-queue" => {
            judge_queues(asked(), &question, history, subject == "fifo-queue", &budget)
        }
        "mutex" => judge_lock(&question, history),
        _ => OBJECTS.check(&question, history, &budget).remove(0),
    }
}

fn judge_lock(question: &Question, history: &History) -> Verdict {
    let items = history.operations().map(|operation| {
        let acquires = operation.op.f.as_str() == "acquire";
        let action = Some(if acquires { LockAction::Acquire } else { LockAction::Release });
        Item::new(&operation, action, action)
    });
    let items: Vec<_> = items.collect();
    let label = Label { noun: "the lock", name: String::new() };
    let telling = items.len();
    let object = Object { label, model: Mutex, items, cut: super::operations::NEVER };
    let evidence = Evidence { ok: vec![(telling, "grant")], telling, tested: telling, alien: None };
    judge(asked(), question, history, vec![object], &evidence, &Budget::default())
}

/// The verdicts on random histories must be those of `oracle`, and so must the prefixes told.
fn agree<S: Simulated>(subject: &str, new: impl Fn() -> S, oracle: impl Fn(&History) -> bool) {
    let make = |choices: &mut Choices<'_>| simulate(choices, SMALL, &mut new());
    on_random_of(&make, SMALL, 20_000, |history| {
        let expected = oracle(history);
        let verdict = verdict(subject, history);
        let found = verdict.validity != Validity::Invalid;
        prop_assert_eq!(found, expected, "{}\n{}", verdict.reason, history.to_text());
        // Of several groups the first to fail is told first.
        if let Some(anomaly) = verdict.anomalies.first() {
            let Witness::Linearization { impossible, prefix, .. } = &anomaly.witness else {
                return Err(TestCaseError::fail("the witness is no linearization"));
            };
            prop_assert!(!oracle(&cut(history, *prefix)), "{}", history.to_text());
            let shorter = cut(history, prefix.saturating_sub(1));
            prop_assert!(*prefix == 0 || oracle(&shorter), "{prefix}: {}", history.to_text());
            prop_assert_eq!(anomaly.operations.last(), Some(impossible));
        }
        Ok(expected)
    });
}

fn ok(value: Value) -> Outcome {
    Outcome::Ok(Reply { value, version: None })
}

fn timeout() -> Outcome {
    Outcome::Info(Reason::new(Code::Timeout, "no answer"))
}

fn fail() -> Outcome {
    Outcome::Fail(Reason::new(Code::Other, "refused"))
}

/// What may happen to an operation beside its effect: it is refused, lost, or its answer is.
fn mishap(choices: &mut Choices<'_>, effect: impl FnOnce() -> Outcome) -> Outcome {
    match choices.below(16) {
        0 => fail(),
        1 => timeout(),
        2 => {
            effect();
            timeout()
        }
        _ => effect(),
    }
}

fn number(choices: &mut Choices<'_>, bound: usize) -> Value {
    Value::Int(1 + choices.below(bound) as i64)
}

/// A queue, or a bag that gives back anything.
struct Queue {
    fifo: bool,
    held: Vec<Value>,
}

impl Simulated for Queue {
    fn invent(&mut self, choices: &mut Choices<'_>, _: usize) -> Op {
        match choices.below(2) {
            0 => Op::new("enqueue", None, number(choices, 3)),
            _ => Op::new("dequeue", None, Value::Nil),
        }
    }

    fn take_effect(&mut self, choices: &mut Choices<'_>, op: &Op) -> Outcome {
        let place = if self.fifo { 0 } else { choices.below(self.held.len().max(1)) };
        mishap(choices, || {
            if op.f.as_str() == "enqueue" {
                self.held.push(op.value.clone());
                return ok(op.value.clone());
            }
            ok(if self.held.is_empty() { Value::Nil } else { self.held.remove(place) })
        })
    }

    fn lie(&mut self, choices: &mut Choices<'_>, op: &Op, outcome: Outcome) -> Outcome {
        match (op.f.as_str(), choices.below(3)) {
            ("dequeue", 0) => ok(Value::Nil),
            ("dequeue", _) => ok(number(choices, 3)),
            (_, 0) => fail(),
            (_, 1) => ok(op.value.clone()),
            _ => outcome,
        }
    }
}

fn queue_step(fifo: bool, operation: &Operation<'_>, held: &[Value]) -> Vec<Vec<Value>> {
    if operation.op.f.as_str() == "enqueue" {
        return vec![[held, std::slice::from_ref(&operation.op.value)].concat()];
    }
    let places = if fifo { 0..held.len().min(1) } else { 0..held.len() };
    let without = |place: usize| [&held[..place], &held[place + 1..]].concat();
    match operation.ok().map(|reply| &reply.value) {
        Some(Value::Nil) => {
            if held.is_empty() {
                vec![Vec::new()]
            } else {
                Vec::new()
            }
        }
        Some(value) => places.filter(|&place| held[place] == *value).map(without).collect(),
        None => places.map(without).chain([held.to_vec()]).collect(),
    }
}

#[test]
fn queues_agree_with_the_definition() {
    agree(
        "fifo-queue",
        || Queue { fifo: true, held: Vec::new() },
        |history| {
            explained(history, &Vec::new(), &|operation, held: &Vec<Value>| {
                queue_step(true, operation, held)
            })
        },
    );
}

#[test]
fn bags_agree_with_the_definition() {
    agree(
        "queue",
        || Queue { fifo: false, held: Vec::new() },
        |history| {
            explained(history, &Vec::new(), &|operation, held: &Vec<Value>| {
                queue_step(false, operation, held)
            })
        },
    );
}

/// A text.
struct Text(String);

impl Simulated for Text {
    fn invent(&mut self, choices: &mut Choices<'_>, _: usize) -> Op {
        let text = Value::Text(["a", "b", "ab", ""][choices.below(4)].into());
        match choices.below(5) {
            0 | 1 => Op::new("get", Some("x"), Value::Nil),
            2 => Op::new("put", Some("x"), text),
            _ => Op::new("append", Some("x"), text),
        }
    }

    fn take_effect(&mut self, choices: &mut Choices<'_>, op: &Op) -> Outcome {
        mishap(choices, || {
            let given = if let Value::Text(given) = &op.value { &**given } else { "" };
            match op.f.as_str() {
                "get" => return ok(Value::Text(self.0.as_str().into())),
                "put" => self.0 = given.into(),
                _ => self.0 += given,
            }
            ok(op.value.clone())
        })
    }

    fn lie(&mut self, choices: &mut Choices<'_>, op: &Op, outcome: Outcome) -> Outcome {
        match (op.f.as_str(), choices.below(3)) {
            ("get", _) => ok(Value::Text(["", "a", "b", "ab", "aab"][choices.below(5)].into())),
            (_, 0) => fail(),
            (_, 1) => ok(op.value.clone()),
            _ => outcome,
        }
    }
}

#[test]
fn texts_agree_with_the_definition() {
    let step = |operation: &Operation<'_>, held: &String| {
        let given = if let Value::Text(given) = &operation.op.value { &**given } else { "" };
        let answer = operation.ok().map(|reply| &reply.value);
        match (operation.op.f.as_str(), answer) {
            ("get", Some(Value::Text(text))) if **text != *held.as_str() => Vec::new(),
            ("get", _) => vec![held.clone()],
            ("put", _) => vec![given.to_owned()],
            _ => vec![format!("{held}{given}")],
        }
    };
    agree("kv-append", || Text(String::new()), |history| explained(history, &String::new(), &step));
}

/// Two registers.
struct Registers([Value; 2]);

const NAMES: [&str; 2] = ["x", "y"];

impl Simulated for Registers {
    fn invent(&mut self, choices: &mut Choices<'_>, _: usize) -> Op {
        let mops = (0..=choices.below(3)).map(|_| {
            let reads = choices.below(2) == 0;
            let value = if reads { Value::Nil } else { number(choices, 2) };
            let kind = if reads { MopKind::Read } else { MopKind::Write };
            Mop { kind, key: Key::new(NAMES[choices.below(2)]), value }
        });
        Op::new("txn", None, Value::Mops(mops.collect()))
    }

    fn take_effect(&mut self, choices: &mut Choices<'_>, op: &Op) -> Outcome {
        mishap(choices, || {
            let Value::Mops(mops) = &op.value else { return fail() };
            let done = mops.iter().map(|mop| {
                let held = &mut self.0[usize::from(mop.key.as_str() == "y")];
                if mop.kind == MopKind::Write {
                    *held = mop.value.clone();
                }
                Mop { value: held.clone(), ..mop.clone() }
            });
            ok(Value::Mops(done.collect()))
        })
    }

    fn lie(&mut self, choices: &mut Choices<'_>, op: &Op, outcome: Outcome) -> Outcome {
        let (Value::Mops(mops), Outcome::Ok(reply)) = (&op.value, &outcome) else {
            return outcome;
        };
        let Value::Mops(done) = &reply.value else { return outcome };
        let lied = choices.below(done.len());
        let changed = done.iter().enumerate().map(|(place, mop)| {
            let lies = place == lied && mops[place].kind == MopKind::Read;
            let value = if lies { number(choices, 3) } else { mop.value.clone() };
            Mop { value, ..mop.clone() }
        });
        ok(Value::Mops(changed.collect()))
    }
}

type Held = BTreeMap<&'static str, Value>;

fn registers_step(operation: &Operation<'_>, held: &Held) -> Vec<Held> {
    let mut held = held.clone();
    let answer = operation.ok().map(|reply| &reply.value);
    let Value::Mops(mops) = answer.unwrap_or(&operation.op.value) else { return Vec::new() };
    for mop in mops {
        match mop.kind {
            MopKind::Write => {
                held.insert(mop.key.as_str(), mop.value.clone());
            }
            _ if answer.is_some() && held[mop.key.as_str()] != mop.value => return Vec::new(),
            _ => {}
        }
    }
    vec![held]
}

#[test]
fn registers_joined_by_transactions_agree_with_the_definition() {
    let values = || [Value::Nil].into_iter().chain((1..=3).map(Value::Int));
    let begin = |first: Value| values().map(move |second| [first.clone(), second]);
    let begins: Vec<Held> =
        values().flat_map(begin).map(|two| NAMES.into_iter().zip(two).collect()).collect();
    agree(
        "multi-register",
        || Registers([Value::Nil, Value::Int(2)]),
        |history| begins.iter().any(|held| explained(history, held, &registers_step)),
    );
}

/// A lock.
struct Lock(bool);

impl Simulated for Lock {
    fn invent(&mut self, choices: &mut Choices<'_>, _: usize) -> Op {
        Op::new(["acquire", "release"][choices.below(2)], None, Value::Nil)
    }

    fn take_effect(&mut self, choices: &mut Choices<'_>, op: &Op) -> Outcome {
        mishap(choices, || {
            let acquires = op.f.as_str() == "acquire";
            if acquires == self.0 {
                return fail();
            }
            self.0 = acquires;
            ok(Value::Nil)
        })
    }

    fn lie(&mut self, choices: &mut Choices<'_>, _: &Op, _: Outcome) -> Outcome {
        if choices.below(2) == 0 { ok(Value::Nil) } else { fail() }
    }
}

#[test]
fn locks_agree_with_the_definition() {
    let step = |operation: &Operation<'_>, held: &bool| {
        let acquires = operation.op.f.as_str() == "acquire";
        if acquires == *held { Vec::new() } else { vec![acquires] }
    };
    agree("mutex", || Lock(false), |history| explained(history, &false, &step));
}
