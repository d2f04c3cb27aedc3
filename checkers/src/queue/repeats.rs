//! Queues in which values repeat: what can be decided by counting, and a search for the rest.

use rustc_hash::FxHashMap;
use schism_history::{Event, History, Key, Kind, Process};

use super::linearizable::Discipline;
use super::operations::{Alien, Fate, Queue, Told};
use crate::linearizable::judge_queues;
use crate::{Asked, Budget, Question, Verdict};

/// What is known of a queue in which values repeat.
pub(crate) enum Repeats {
    /// Linearizable.
    Hold,
    /// These dequeues, places in [`Queue::takes`], returned one value more often than it had been
    /// enqueued by the time the last of them completed.
    Break { takes: Vec<u32> },
    /// Not decided.
    Open,
}

/// Decides by counting. O(n log n).
///
/// The k-th dequeue of a value that completes needs a k-th enqueue of it to have been invoked by
/// then, whatever the order of the queue. For a bag in which no dequeue found nothing, that is
/// enough: let every enqueue take effect when it is invoked and every dequeue when it completes.
pub(crate) fn decide_repeating(queue: &Queue<'_>, discipline: Discipline) -> Repeats {
    let mut events: Vec<(u64, u32, Option<u32>)> = Vec::new();
    let enqueues = queue.enqueues.iter().filter(|it| it.fate != Fate::Failed);
    events.extend(enqueues.map(|it| (it.invoked, it.value, None)));
    events.extend((0..).zip(&queue.takes).map(|(at, it)| (it.completed, it.value, Some(at))));
    events.sort_unstable();
    let mut held = vec![0u32; queue.values.len()];
    for (_, value, take) in events {
        let held = &mut held[value as usize];
        match take {
            None => *held += 1,
            Some(_) if *held > 0 => *held -= 1,
            Some(last) => {
                let end = queue.takes[last as usize].completed;
                let same = (0..).zip(&queue.takes).filter(|(_, it)| it.value == value);
                let mut takes: Vec<u32> = same
                    .filter(|&(at, it)| it.completed <= end && at != last)
                    .map(|(at, _)| at)
                    .collect();
                takes.push(last);
                return Repeats::Break { takes };
            }
        }
    }
    let found_nothing = queue.empties.iter().any(|it| it.told == Told::Nil);
    match discipline {
        Discipline::Bag if !found_nothing => Repeats::Hold,
        // Nobody saw anything.
        _ if !found_nothing && queue.takes.is_empty() => Repeats::Hold,
        _ => Repeats::Open,
    }
}

/// Searches the queues of these keys for a linearization, up to the event that is none of a queue's.
/// The verdict is about them alone; `Valid` says nothing about how much was seen.
pub(crate) fn search(
    question: &Question,
    history: &History,
    keys: &[Option<Key>],
    alien: Option<&Alien>,
    discipline: Discipline,
    budget: &Budget,
) -> Verdict {
    let asked: Asked = question.claims[0];
    let mut open: FxHashMap<Process, bool> = FxHashMap::default();
    let kept = |event: &&Event| match &event.kind {
        Kind::Invoke { op, .. } => {
            let kept = keys.contains(&op.key);
            open.insert(event.process, kept);
            kept
        }
        Kind::Complete(_) => open.get(&event.process).copied().unwrap_or(false),
        Kind::Fault(_) => false,
    };
    let cut = alien.map_or(u64::MAX, |alien| alien.index);
    let known = history.events().iter().take_while(|event| event.index < cut);
    let part = match History::from_events(known.filter(kept).cloned().collect()) {
        Ok(part) => part,
        Err(error) => return Verdict::unknown(asked, 0, format!("No part of a history: {error}.")),
    };
    // Whether enough was seen is judged of the whole.
    let question = Question { evidence_min: 1, ..question.clone() };
    judge_queues(asked, &question, &part, discipline == Discipline::Fifo, budget)
}
