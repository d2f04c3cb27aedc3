//! The smallest part of a history that still shows an anomaly.
//!
//! Delta debugging (Zeller & Hildebrandt 2002, `ddmin`) over operations: begin with what the proof
//! names, or with all of the history, and leave out more and more while a check of what is left still
//! finds the same anomaly. An operation whose value something that is left returned is never left
//! out: a part in which a value seems to come from nowhere would prove something else.
//!
//! What is left is checked, so it is a proof of its own; that it is the *smallest* is not claimed
//! beyond "nothing more can be left out one by one", within the budget.

use rustc_hash::FxHashSet;
use schism_history::{Event, History, Key, Kind, MopKind, Operation, Outcome, Value};

use crate::{Anomaly, Budget, CHECKERS, Question, Validity};

/// Parts longer than this are not tried: a check of them would take the time of many small ones.
const OPERATIONS_MAX: usize = 5_000;
/// So often the whole history is looked through for what the named operations rest on.
const LOOKS_MAX: usize = 8;
/// So many parts are checked at most.
const CHECKS_MAX: usize = 1_000;

/// A part of `history` that still has `anomaly`, and of which nothing can be left out; `None` if none
/// was found within the budget. The question holds the one claim that the anomaly breaks. Indexes
/// stay as they are.
pub fn minimal(
    question: &Question,
    history: &History,
    anomaly: &Anomaly,
    budget: &Budget,
) -> Option<History> {
    // What the proof names, with what that rests on, is enough more often than not, and a long
    // history is then never taken apart.
    let near = neighbourhood(history, anomaly, budget)
        .and_then(|near| shrink(question, &near, anomaly, budget));
    if near.is_some() || history.len() > OPERATIONS_MAX {
        return near;
    }
    shrink(question, history, anomaly, budget)
}

/// The operations that the anomaly names, and those that put there what they returned; `None` if they
/// are too many.
fn neighbourhood(history: &History, anomaly: &Anomaly, budget: &Budget) -> Option<History> {
    let named: FxHashSet<u64> = anomaly.operations.iter().copied().collect();
    let mut kept: FxHashSet<u32> = FxHashSet::default();
    let mut wanted: FxHashSet<Link> = FxHashSet::default();
    let mut settled = false;
    for _ in 0..LOOKS_MAX {
        let before = kept.len();
        for operation in history.operations() {
            let number = operation.number as u32;
            if number.is_multiple_of(4096) && budget.expired() {
                return None;
            }
            let near = named.contains(&operation.invoked)
                || puts(&operation).iter().any(|link| wanted.contains(link));
            if near && kept.insert(number) {
                wanted.extend(returns(&operation));
            }
        }
        if kept.len() > OPERATIONS_MAX {
            return None;
        }
        settled = kept.len() == before;
        if settled {
            break;
        }
    }
    // Otherwise a value would seem to come from nowhere.
    if !settled {
        return None;
    }
    let mut kept: Vec<u32> = kept.into_iter().collect();
    kept.sort_unstable();
    part(history, &kept)
}

/// The smallest part of `history` that shows the anomaly, if all of it does.
fn shrink(
    question: &Question,
    history: &History,
    anomaly: &Anomaly,
    budget: &Budget,
) -> Option<History> {
    let mut shrinking = Shrinking::new(question, history, anomaly, budget);
    let mut kept: Vec<u32> = (0..history.len() as u32).collect();
    if !shrinking.shows(&kept) {
        return None;
    }
    let mut chunk = kept.len().div_ceil(2).max(1);
    loop {
        let mut smaller = false;
        let mut from = 0;
        while from < kept.len() && shrinking.may_go_on() {
            let until = (from + chunk).min(kept.len());
            let without: Vec<u32> = kept[..from].iter().chain(&kept[until..]).copied().collect();
            if shrinking.is_closed(&without) && shrinking.shows(&without) {
                kept = without;
                smaller = true;
            } else {
                from = until;
            }
        }
        if !shrinking.may_go_on() || chunk == 1 && !smaller {
            break;
        }
        chunk = if chunk == 1 { 1 } else { chunk.div_ceil(2) };
    }
    part(history, &kept)
}

/// A value of an object: what links an operation that returned it to the one that put it there.
type Link = (Option<Key>, Value);

struct Shrinking<'a> {
    question: Question,
    history: &'a History,
    anomaly: &'a Anomaly,
    budget: &'a Budget,
    checks: usize,
    /// By operation: what it may have put where.
    puts: Vec<Vec<Link>>,
    /// By operation: what it returned, as far as somebody may have put it there.
    returns: Vec<Vec<Link>>,
}

impl<'a> Shrinking<'a> {
    fn new(
        question: &Question,
        history: &'a History,
        anomaly: &'a Anomaly,
        budget: &'a Budget,
    ) -> Self {
        let question = Question { evidence_min: 1, ..question.clone() };
        let puts: Vec<Vec<Link>> = history.operations().map(|operation| puts(&operation)).collect();
        let put: FxHashSet<&Link> = puts.iter().flatten().collect();
        let returns = history.operations().map(|operation| {
            let mut links = returns(&operation);
            links.retain(|link| put.contains(link));
            links
        });
        let returns = returns.collect();
        Self { question, history, anomaly, budget, checks: 0, puts, returns }
    }

    fn may_go_on(&self) -> bool {
        self.checks < CHECKS_MAX && !self.budget.expired()
    }

    /// Whether what is returned in this part is also put there in it.
    fn is_closed(&self, kept: &[u32]) -> bool {
        let put: FxHashSet<&Link> =
            kept.iter().flat_map(|number| &self.puts[*number as usize]).collect();
        let mut returned = kept.iter().flat_map(|number| &self.returns[*number as usize]);
        returned.all(|link| put.contains(link))
    }

    /// Whether a check of this part finds the anomaly.
    fn shows(&mut self, kept: &[u32]) -> bool {
        self.checks += 1;
        let Some(part) = part(self.history, kept) else { return false };
        let rows = CHECKERS.iter();
        let verdicts = rows.flat_map(|row| row.check(&self.question, &part, self.budget));
        verdicts.filter(|verdict| verdict.validity == Validity::Invalid).any(|verdict| {
            verdict.anomalies.iter().any(|anomaly| anomaly.name == self.anomaly.name)
        })
    }
}

/// The history of these operations, and of all marks.
fn part(history: &History, kept: &[u32]) -> Option<History> {
    let mut indexes: FxHashSet<u64> = FxHashSet::default();
    for &number in kept {
        let operation = history.operation(number as usize);
        indexes.insert(operation.invoked);
        indexes.extend(operation.completed);
    }
    let keep =
        |event: &&Event| matches!(event.kind, Kind::Fault(_)) || indexes.contains(&event.index);
    let events: Vec<Event> = history.events().iter().filter(keep).cloned().collect();
    let part = History::from_events(events).ok()?;
    Some(if history.has_real_time() { part } else { part.without_real_time() })
}

/// What an operation may have put where: its argument, or the new value of a compare-and-set.
fn puts(operation: &Operation<'_>) -> Vec<Link> {
    let op = operation.op;
    match (&op.value, op.f.as_str()) {
        (Value::Mops(mops), _) => {
            let writes =
                mops.iter().filter(|mop| !matches!(mop.kind, MopKind::Read | MopKind::Poll));
            writes.map(|mop| (Some(mop.key), mop.value.clone())).collect()
        }
        (Value::List(pair), "cas") if pair.len() == 2 => vec![(op.key, pair[1].clone())],
        (Value::Nil | Value::List(_) | Value::Map(_), _) => Vec::new(),
        (value, _) => vec![(op.key, value.clone())],
    }
}

/// What an ok operation returned, value by value, and what a compare-and-set found.
fn returns(operation: &Operation<'_>) -> Vec<Link> {
    let mut links = Vec::new();
    let Some(Outcome::Ok(reply)) = operation.outcome else { return links };
    let op = operation.op;
    match (&reply.value, &op.value) {
        (Value::Mops(mops), _) => {
            for mop in mops.iter().filter(|mop| matches!(mop.kind, MopKind::Read | MopKind::Poll)) {
                flatten(Some(mop.key), &mop.value, &mut links);
            }
        }
        (_, Value::List(pair)) if op.f.as_str() == "cas" && pair.len() == 2 => {
            links.push((op.key, pair[0].clone()));
        }
        (value, argument) if value != argument => flatten(op.key, value, &mut links),
        _ => {}
    }
    links
}

fn flatten(key: Option<Key>, value: &Value, links: &mut Vec<Link>) {
    match value {
        Value::Nil | Value::Mops(_) | Value::Map(_) => {}
        // Lists of lists are no values that somebody put there one by one.
        Value::List(values) => {
            let scalars = values.iter().filter(|value| !matches!(value, Value::List(_)));
            links.extend(scalars.map(|value| (key, value.clone())));
        }
        Value::Placed(offset, message) => {
            links.extend([*offset, *message].map(|it| (key, Value::Int(it))));
        }
        Value::Polled(messages) => {
            let numbers = messages.iter().flat_map(|(offset, message)| [*offset, *message]);
            links.extend(numbers.map(|it| (key, Value::Int(it))));
        }
        value => links.push((key, value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Asked, Claim};

    fn check(subject: &str, claim: Claim, text: &str, expected: &str) {
        let history = History::from_text(text).expect("the text is a history");
        let question = Question::new(subject, vec![Asked::new(claim)]);
        let row = CHECKERS.iter().find(|row| row.concerns(subject, claim)).expect("a checker");
        let budget = Budget::default();
        let verdict = row.check(&question, &history, &budget).remove(0);
        let part = minimal(&question, &history, &verdict.anomalies[0], &budget).expect("a part");
        let expected = History::from_text(expected).expect("the text is a history");
        let without_times = |history: &History| {
            let text = history.to_text();
            let cut = |line: &str| line.split_once(' ').map(|(_, rest)| rest.to_owned());
            text.lines().filter_map(cut).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_times(&part), without_times(&expected));
    }

    #[test]
    fn leaves_only_what_a_stale_read_needs() {
        check(
            "register",
            Claim::Linearizable,
            "p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 ok 1 \n p0 invoke write y 7 \n p0 ok
             p0 invoke write x 2 \n p0 ok \n p2 invoke write x 3 \n p2 ok \n p1 invoke read x \n p1 ok 1
             p1 invoke read x \n p1 ok 3",
            "p0 invoke write x 1 \n p0 ok \n p0 invoke write x 2 \n p0 ok \n p1 invoke read x \n p1 ok 1",
        );
    }
}
