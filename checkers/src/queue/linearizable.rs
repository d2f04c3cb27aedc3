//! Linearizability of queues: each queue by the conditions, and the verdict about all.

use rayon::prelude::*;
use schism_history::{History, Value};

use super::elements::{Element, Elements, Oddity};
use super::emptiness::{FalseEmpty, false_empties};
use super::operations::{Fate, NEVER, Queue, Told, by_queue};
use super::order::{Disorder, deadlines, disorders};
use super::repeats::{Repeats, decide_repeating, search};
use super::teller::Teller;
use crate::phrase::{count, list};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Validity, Verdict};

/// The row that decides linearizability.
pub(crate) const LINEARIZABLE: CheckerEntry = CheckerEntry {
    name: "queue-linearizable",
    summary: "queues, first in first out or unordered: without a search where values are unique",
    subjects: &["queue", "fifo-queue"],
    decides: &[Claim::Linearizable],
    check,
};

/// So many proofs are reported at most.
pub(crate) const PROOFS_MAX: usize = 8;

/// Which message a queue hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discipline {
    /// The one that went in first.
    Fifo,
    /// Any.
    Bag,
}

/// Why a queue with unique values is not linearizable.
#[derive(Clone, Debug)]
pub(crate) enum Violation {
    /// A message that contradicts itself.
    Odd(Oddity),
    /// Messages whose order contradicts the queue's.
    Disorder(Disorder),
    /// A dequeue that found nothing where something was.
    FalseEmpty(FalseEmpty),
}

/// What is known of one queue.
pub(crate) enum Finding {
    /// Linearizable.
    Holds,
    /// Not linearizable.
    Breaks(Vec<Anomaly>),
    /// Its values repeat, so that a search has to decide.
    Repeats,
    /// Not decided, with the reason as a sentence.
    Open(String),
}

/// Up to `most` violations of a queue in which no value is enqueued twice, and what they are about.
pub(crate) fn violations(
    queue: &Queue<'_>,
    discipline: Discipline,
    most: usize,
) -> (Elements, Vec<Violation>) {
    let elements = Elements::new(queue);
    let mut found: Vec<Violation> = elements.odd.iter().copied().map(Violation::Odd).collect();
    // The other conditions hold of messages that do not contradict themselves.
    if found.is_empty() {
        let unseen = !elements.unseen.is_empty();
        let deadlines = match discipline {
            _ if !unseen => Vec::new(),
            Discipline::Fifo => deadlines(&elements),
            Discipline::Bag => untaken(&elements),
        };
        if discipline == Discipline::Fifo {
            let disorders = disorders(&elements, &deadlines, most);
            found.extend(disorders.into_iter().map(Violation::Disorder));
        }
        let left = most.saturating_sub(found.len());
        // What has to be out by a deadline is counted there: without an order that can be kept,
        // it would be blamed on the dequeues that found nothing.
        if left > 0 && (found.is_empty() || !unseen) {
            let empties = false_empties(&elements, &deadlines, left);
            found.extend(empties.into_iter().map(Violation::FalseEmpty));
        }
    }
    found.truncate(most);
    (elements, found)
}

/// What nobody took, in order of entry: of a bag it may stay for ever.
fn untaken(elements: &Elements) -> Vec<(u32, u32)> {
    let untaken = (0..).zip(&elements.all).filter(|(_, it): &(u32, &Element)| !it.taken());
    let mut untaken: Vec<(u32, u32)> =
        untaken.map(|(place, _)| (place, super::elements::NONE)).collect();
    untaken.sort_unstable_by_key(|&(place, _)| elements.all[place as usize].in_by);
    untaken
}

/// The index of the first event by which a value was enqueued twice; [`NEVER`] if none is.
pub(crate) fn unique_until(queue: &Queue<'_>) -> u64 {
    let mut seen = vec![false; queue.values.len()];
    let tried = queue.enqueues.iter().filter(|it| it.fate != Fate::Failed);
    let mut again = tried.filter(|it| std::mem::replace(&mut seen[it.value as usize], true));
    again.next().map_or(NEVER, |it| it.invoked)
}

fn decide(
    history: &History,
    queue: &Queue<'_>,
    discipline: Discipline,
    budget: &Budget,
) -> Finding {
    let (bytes, bound) = (Elements::bytes(queue), budget.memory_bytes);
    if bytes > bound || budget.expired() {
        let (need, have) = (bytes.div_ceil(1_000_000), bound / 1_000_000);
        return Finding::Open(format!(
            "{} could not be judged within the budget: it needs about {need} MB of {have} MB, and \
             time that is left. A larger budget would help.",
            capital(&queue.name())
        ));
    }
    let repeats_at = unique_until(queue);
    // What is wrong before a value repeats stays so whatever comes after.
    let unique = (repeats_at != NEVER).then(|| queue.clone().until(repeats_at));
    let unique = unique.as_ref().unwrap_or(queue);
    let (elements, found) = violations(unique, discipline, PROOFS_MAX);
    let teller = Teller { history, queue: unique, elements: &elements };
    if !found.is_empty() {
        return Finding::Breaks(found.iter().map(|violation| teller.tell(violation)).collect());
    }
    if repeats_at == NEVER {
        return Finding::Holds;
    }
    match decide_repeating(queue, discipline) {
        Repeats::Hold => Finding::Holds,
        Repeats::Break { takes } => Finding::Breaks(vec![
            Teller { history, queue, elements: &elements }.tell_too_many(&takes),
        ]),
        Repeats::Open => Finding::Repeats,
    }
}

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let discipline =
        if question.workload == "fifo-queue" { Discipline::Fifo } else { Discipline::Bag };
    let verdict = judge(question, history, discipline, budget);
    question.claims.iter().map(|&asked| Verdict { asked, ..verdict.clone() }).collect()
}

fn judge(
    question: &Question,
    history: &History,
    discipline: Discipline,
    budget: &Budget,
) -> Verdict {
    let asked: Asked = question.claims[0];
    if !history.has_real_time() {
        let reason = "Only the order within each process is known, and linearizability is about \
                      the order between them.";
        return Verdict::unknown(asked, 0, reason);
    }
    if question.initial != Value::Nil {
        let reason = format!("A queue that holds {} at first is not judged.", question.initial);
        return Verdict::unknown(asked, 0, reason);
    }
    let (queues, alien) = by_queue(history, false);
    let judged: usize = queues.iter().map(Queue::ok).sum();
    // rayon keeps the order of the queues.
    let decide = |queue: &Queue<'_>| decide(history, queue, discipline, budget);
    let findings: Vec<Finding> = queues.par_iter().map(decide).collect();
    let mut anomalies: Vec<Anomaly> = Vec::new();
    let (mut broken, mut repeating, mut open) = (Vec::new(), Vec::new(), None);
    for (queue, finding) in queues.iter().zip(findings) {
        match finding {
            Finding::Holds => {}
            Finding::Breaks(found) => {
                broken.push(queue.name());
                anomalies.extend(found);
            }
            Finding::Repeats => repeating.push(queue.key),
            Finding::Open(reason) => open = open.or(Some(reason)),
        }
    }
    if !broken.is_empty() {
        let verb = if broken.len() == 1 { "breaks" } else { "break" };
        let reason = format!("{} {verb}, of {}.", list(&broken), count(queues.len(), "queue"));
        anomalies.truncate(PROOFS_MAX);
        return Verdict::invalid(asked, judged, capital(&reason), anomalies);
    }
    if !repeating.is_empty() {
        let found = search(question, history, &repeating, alien.as_ref(), discipline, budget);
        match found.validity {
            Validity::Invalid => return Verdict { judged, ..found },
            Validity::Unknown => open = open.or(Some(found.reason)),
            Validity::Valid => {}
        }
    }
    if let Some(alien) = alien {
        let reason = format!(
            "The history cannot be judged as one of queues: {}. What came before shows no \
             violation.",
            alien.problem
        );
        return Verdict::unknown(asked, judged, reason);
    }
    if let Some(reason) = open {
        return Verdict::unknown(asked, judged, reason);
    }
    upheld(question, asked, judged, &queues)
}

/// Nothing breaks: whether that is worth something.
fn upheld(question: &Question, asked: Asked, judged: usize, queues: &[Queue<'_>]) -> Verdict {
    let empties =
        |queue: &Queue<'_>| queue.empties.iter().filter(|it| it.told == Told::Nil).count();
    let took: usize = queues.iter().map(|queue| queue.takes.len()).sum();
    let empty: usize = queues.iter().map(empties).sum();
    let enqueued = judged - took - empty;
    if took + empty < question.evidence_min {
        let reason = format!(
            "Only {} answered what the queue held, beside {}; at least {} wanted.",
            count(took + empty, "dequeue"),
            count(enqueued, "acknowledged enqueue"),
            if question.evidence_min <= 1 {
                "1 is".into()
            } else {
                format!("{} are", question.evidence_min)
            }
        );
        return Verdict::unknown(asked, judged, reason);
    }
    let reason = format!(
        "{} with {} acknowledged, {} that took one and {} that found none: some order of them all \
         explains every answer.",
        count(queues.len(), "queue"),
        count(enqueued, "message"),
        count(took, "dequeue"),
        empty,
    );
    Verdict::valid(asked, judged, reason)
}

/// The text with a capital at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
