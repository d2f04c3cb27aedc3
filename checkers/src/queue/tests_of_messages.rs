//! What became of the messages, against definitions that look at every pair.

use schism_history::{History, Operation, Outcome, Value};

use super::ENTRY;
use super::random::Shape;
use super::tests::{SMALL, on_random};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

fn verdict(history: &History, claim: Claim) -> Verdict {
    let question = Question::new("total-queue", vec![Asked::new(claim)]);
    ENTRY.check(&question, history, &Budget::default()).remove(0)
}

fn ok<'a>(history: &'a History, f: &'a str) -> impl Iterator<Item = Operation<'a>> {
    history.operations().filter(move |it| it.op.f.as_str() == f && it.ok().is_some())
}

/// Every message that came out, with the invocation and completion of what returned it.
fn taken(history: &History) -> Vec<(Value, u64, u64)> {
    let mut taken = Vec::new();
    for operation in history.operations() {
        let Some(Outcome::Ok(reply)) = operation.outcome else { continue };
        let messages = match (operation.op.f.as_str(), &reply.value) {
            ("enqueue", _) | (_, Value::Nil) => Vec::new(),
            (_, Value::List(messages)) => messages.to_vec(),
            (_, message) => vec![message.clone()],
        };
        let ended = operation.completed.expect("it is ok");
        taken.extend(
            messages
                .into_iter()
                .filter(|it| *it != Value::Nil)
                .map(|it| (it, operation.invoked, ended)),
        );
    }
    taken
}

fn attempts<'a>(history: &'a History, message: &'a Value) -> impl Iterator<Item = Operation<'a>> {
    let enqueues = history.operations().filter(|it| it.op.f.as_str() == "enqueue" && !it.failed());
    enqueues.filter(move |it| it.op.value == *message)
}

/// Whether the claim is violated, by the definitions.
fn violated(history: &History, claim: Claim) -> bool {
    let taken = taken(history);
    let times = |message: &Value| taken.iter().filter(|it| it.0 == *message).count();
    match claim {
        Claim::NoUnexpectedElements => taken
            .iter()
            .any(|(message, _, end)| attempts(history, message).all(|it| it.invoked > *end)),
        Claim::NoDuplicates => taken.iter().any(|(message, _, end)| {
            let tried = attempts(history, message).count();
            let early = taken.iter().filter(|it| it.0 == *message).all(|it| it.2 >= *end);
            early
                && tried > 0
                && attempts(history, message).any(|it| it.invoked < *end)
                && times(message) > tried
        }),
        Claim::ProducerOrder => ok(history, "enqueue").any(|first| {
            ok(history, "enqueue").any(|second| {
                let (one, other) = (&first.op.value, &second.op.value);
                let alone = |it| attempts(history, it).count() == 1 && times(it) > 0;
                first.process == second.process
                    && first.number < second.number
                    && alone(one)
                    && alone(other)
                    && taken.iter().any(|out| {
                        let before = |it: &&(Value, u64, u64)| it.0 == *one;
                        out.0 == *other && taken.iter().filter(before).all(|it| it.1 > out.2)
                    })
            })
        }),
        _ => {
            let unseen = |f: &'static str| {
                history.operations().filter(move |it| it.op.f.as_str() == f && it.indeterminate())
            };
            let finds_nothing = |it: &Operation<'_>| match it.ok().map(|reply| &reply.value) {
                Some(Value::List(_)) => true,
                Some(value) => it.op.f.as_str() != "enqueue" && *value == Value::Nil,
                None => false,
            };
            let last = history.operations().any(|it| {
                finds_nothing(&it)
                    && ok(history, "enqueue").all(|other| other.completed < Some(it.invoked))
                    && taken.iter().all(|out| Some(out.1) < it.completed)
            });
            let mut missing = 0;
            let mut messages: Vec<&Value> = history.operations().map(|it| &it.op.value).collect();
            messages.sort_by_key(ToString::to_string);
            messages.dedup();
            for message in messages {
                let kept = ok(history, "enqueue").filter(|it| it.op.value == *message).count();
                missing += kept.saturating_sub(times(message));
            }
            last && unseen("drain").count() == 0 && missing > unseen("dequeue").count()
        }
    }
}

fn agree(claim: Claim, shape: Shape) {
    on_random(shape, 20_000, |history| {
        let verdict = verdict(history, claim);
        let expected = violated(history, claim);
        let text = || format!("{}\n{}", verdict.reason, history.to_text());
        assert_eq!(verdict.validity == Validity::Invalid, expected, "{}", text());
        !expected
    });
}

const DRAINED: Shape = Shape { drains: true, lies: 4, lost: 12, ..SMALL };

#[test]
fn lost_messages_are_those_of_the_definition() {
    agree(Claim::NoLostElements, DRAINED);
    agree(Claim::NoLostElements, Shape { unique: false, ..DRAINED });
}

#[test]
fn unexpected_messages_are_those_of_the_definition() {
    agree(Claim::NoUnexpectedElements, DRAINED);
    agree(Claim::NoUnexpectedElements, Shape { lies: 2, unique: false, ..DRAINED });
}

#[test]
fn duplicated_messages_are_those_of_the_definition() {
    agree(Claim::NoDuplicates, Shape { lies: 2, ..DRAINED });
    agree(Claim::NoDuplicates, Shape { lies: 2, unique: false, ..DRAINED });
}

#[test]
fn overtaken_messages_are_those_of_the_definition() {
    let shape = Shape { operations: 16, clients: 3, fifo: false, lost: 40, lies: 3, ..SMALL };
    agree(Claim::ProducerOrder, shape);
}

#[test]
fn a_queue_that_keeps_its_promises_breaks_none() {
    let shape = Shape { operations: 200, lies: 0, drains: true, ..SMALL };
    on_random(shape, 400, |history| {
        for &claim in ENTRY.decides {
            let verdict = verdict(history, claim);
            assert_ne!(verdict.validity, Validity::Invalid, "{}", verdict.reason);
        }
        true
    });
}
