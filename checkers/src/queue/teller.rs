//! The violations of a queue, told.

use schism_history::{History, Operation};

use super::elements::{Elements, Oddity};
use super::emptiness::FalseEmpty;
use super::linearizable::Violation;
use super::operations::{Fate, Queue};
use super::order::Disorder;
use crate::phrase::{count, list, span, who};
use crate::{Anomaly, Witness};

/// So many messages are named at most.
const NAMED_MAX: usize = 20;

/// Tells about one queue.
pub(crate) struct Teller<'a> {
    /// The history.
    pub history: &'a History,
    /// The queue.
    pub queue: &'a Queue<'a>,
    /// Its messages; empty where values repeat.
    pub elements: &'a Elements,
}

impl Teller<'_> {
    /// The violation as it is reported.
    pub fn tell(&self, violation: &Violation) -> Anomaly {
        match violation {
            Violation::Odd(Oddity::Unexpected { take, enqueue }) => {
                self.tell_unexpected(*take, *enqueue)
            }
            Violation::Odd(Oddity::Repeated { take, before }) => self.tell_repeated(*take, *before),
            Violation::Disorder(Disorder::Overtaken { first, second }) => {
                self.tell_overtaken(*first, *second)
            }
            Violation::Disorder(Disorder::Stuck { stuck, second, unseen }) => {
                self.tell_stuck(stuck, *second, *unseen)
            }
            Violation::FalseEmpty(found) => self.tell_false_empty(found),
        }
    }

    fn operation(&self, number: u32) -> Operation<'_> {
        self.history.operation(number as usize)
    }

    fn enqueue(&self, place: u32) -> Operation<'_> {
        self.operation(self.queue.enqueues[place as usize].number)
    }

    fn take(&self, place: u32) -> Operation<'_> {
        self.operation(self.queue.takes[place as usize].number)
    }

    /// The message that a dequeue returned.
    fn taken(&self, place: u32) -> String {
        self.queue.values[self.queue.takes[place as usize].value as usize].to_string()
    }

    /// The message of an element.
    fn message(&self, element: u32) -> String {
        let enqueue = self.elements.all[element as usize].enqueue;
        self.queue.values[self.queue.enqueues[enqueue as usize].value as usize].to_string()
    }

    pub fn anomaly(&self, name: &str, operations: &[Operation<'_>], what: &str) -> Anomaly {
        let mut indexes: Vec<u64> = operations.iter().map(|it| it.invoked).collect();
        if let Some(last) = indexes.pop() {
            indexes.retain(|&index| index != last);
            indexes.sort_unstable();
            indexes.dedup();
            indexes.push(last);
        }
        let text = format!("{}: {what}", self.queue.name());
        Anomaly {
            name: name.into(),
            key: self.queue.key.map(|key| key.to_string()),
            operations: indexes,
            explanation: super::linearizable::capital(&text),
            witness: Witness::Operations,
        }
    }

    /// `take` returned what cannot have been there.
    pub fn tell_unexpected(&self, take: u32, enqueue: Option<u32>) -> Anomaly {
        let operation = self.take(take);
        let returned = format!("{} returned {}", event(&operation), self.taken(take));
        let Some(enqueue) = enqueue else {
            let what = format!("{returned}, which nobody had enqueued.");
            return self.anomaly("unexpected-message", &[operation], &what);
        };
        let failed = self.queue.enqueues[enqueue as usize].fate == Fate::Failed;
        let writer = self.enqueue(enqueue);
        let what = if failed {
            format!("{returned}, but {} had failed, so that it had no effect.", event(&writer))
        } else {
            let gap = span(writer.start.since(operation.end.unwrap_or(operation.start)));
            format!("{returned} {gap} before {} was invoked.", event(&writer))
        };
        self.anomaly("unexpected-message", &[writer, operation], &what)
    }

    fn tell_repeated(&self, take: u32, before: u32) -> Anomaly {
        let (one, other) = (self.take(before), self.take(take));
        let what = format!(
            "{} and {} both returned {}, which was enqueued once.",
            event(&one),
            event(&other),
            self.taken(take)
        );
        self.anomaly("duplicated-message", &[one, other], &what)
    }

    /// One value was returned more often than it had been enqueued; the last of `takes` is too many.
    pub fn tell_too_many(&self, takes: &[u32]) -> Anomaly {
        let last = takes.last().copied().unwrap_or_default();
        let operations: Vec<Operation<'_>> = takes[takes.len().saturating_sub(NAMED_MAX)..]
            .iter()
            .map(|&it| self.take(it))
            .collect();
        let end = self.queue.takes[last as usize].completed;
        let value = self.queue.takes[last as usize].value;
        let enqueues = self.queue.enqueues.iter();
        let enqueues = enqueues
            .filter(|it| it.value == value && it.fate != Fate::Failed && it.invoked < end)
            .count();
        let what = format!(
            "{} returned {}, the {} time, but it had been enqueued {} by then.",
            event(&self.take(last)),
            self.taken(last),
            ordinal(takes.len()),
            match enqueues {
                0 => "by nobody".into(),
                1 => "only once".into(),
                more => format!("only {more} times"),
            },
        );
        let name = if enqueues == 0 { "unexpected-message" } else { "duplicated-message" };
        self.anomaly(name, &operations, &what)
    }

    fn tell_overtaken(&self, first: u32, second: u32) -> Anomaly {
        let (one, other) = (self.elements.all[first as usize], self.elements.all[second as usize]);
        let (first_in, second_in) = (self.enqueue(one.enqueue), self.enqueue(other.enqueue));
        let second_out = self.take(other.take);
        let (first_name, second_name) = (self.message(first), self.message(second));
        let entered = self.entered(first);
        let removed = format!(
            "{} had returned {second_name} {}",
            event(&second_out),
            if one.taken() {
                format!(
                    "before {} was invoked, which returned {first_name}",
                    event(&self.take(one.take))
                )
            } else {
                format!("while no dequeue ever returned {first_name}")
            }
        );
        let what = format!(
            "{first_name} went in before {second_name} and came out after it. {entered} before {} \
             was invoked, and {removed}.",
            event(&second_in)
        );
        let mut operations = vec![first_in, second_in];
        if one.taken() {
            operations.extend([second_out, self.take(one.take)]);
        } else {
            operations.push(second_out);
        }
        self.anomaly("queue-order", &operations, &what)
    }

    /// `Enqueue 1 (event 4, p0) was acknowledged`, or what else shows that it was in.
    fn entered(&self, element: u32) -> String {
        let it = self.elements.all[element as usize];
        let enqueue = &self.queue.enqueues[it.enqueue as usize];
        let taken = self.queue.takes.get(it.take as usize);
        match taken {
            Some(take) if take.completed < enqueue.completed => {
                let returned = event(&self.operation(take.number));
                format!("{} had already returned {}", capital(&returned), self.message(element))
            }
            _ => format!("{} was acknowledged", capital(&event(&self.operation(enqueue.number)))),
        }
    }

    fn tell_stuck(&self, stuck: &[u32], second: u32, unseen: usize) -> Anomaly {
        let other = self.elements.all[second as usize];
        let second_out = self.take(other.take);
        let named = &stuck[..stuck.len().min(NAMED_MAX)];
        let names: Vec<String> = stuck.iter().map(|&it| self.message(it)).collect();
        let could = match unseen {
            0 => "no dequeue of unknown outcome had begun by then that could have".into(),
            1 => "only 1 dequeue of unknown outcome had begun by then that could have".into(),
            _ => format!(
                "only {unseen} dequeues of unknown outcome had begun by then that could have"
            ),
        };
        let what = format!(
            "{} returned {}. By then {} that had been in the queue before later messages that came \
             out ({}) had to be out as well, but nobody is known to have taken any of them, and \
             {could}.",
            event(&second_out),
            self.message(second),
            count(stuck.len(), "message"),
            list(&names),
        );
        let enqueues = named.iter().map(|&it| self.enqueue(self.elements.all[it as usize].enqueue));
        let mut operations: Vec<Operation<'_>> = enqueues.collect();
        operations.extend(
            self.queue
                .unseen
                .iter()
                .take(unseen.min(NAMED_MAX))
                .map(|it| self.operation(it.number)),
        );
        operations.push(second_out);
        self.anomaly("queue-order", &operations, &what)
    }

    fn tell_false_empty(&self, found: &FalseEmpty) -> Anomaly {
        let empty = self.operation(self.queue.empties[found.empty as usize].number);
        let names: Vec<String> = found.inside.iter().map(|&it| self.message(it)).collect();
        let nothing = format!("{} found the queue empty", event(&empty));
        let what = match found.inside.as_slice() {
            [] => format!(
                "{nothing}. But at every moment of it, some message was certainly inside, or more \
                 of them had been acknowledged and taken by nobody than dequeues of unknown outcome \
                 ({} in all) can have removed by then.",
                self.queue.unseen.len()
            ),
            [one] => format!(
                "{nothing}, but {} was inside all the time. {} before that, and {}.",
                names[0],
                self.entered(*one),
                self.left(*one)
            ),
            [first, .., last] => format!(
                "{nothing}, but at every moment of it at least one of {} was inside. {} before \
                 that, each of them went in before the one before it came out, and {}.",
                list(&names),
                self.entered(*first),
                self.left(*last)
            ),
        };
        let named = found.inside.iter().take(NAMED_MAX).map(|&it| self.elements.all[it as usize]);
        let mut operations: Vec<Operation<'_>> = Vec::new();
        for element in named {
            operations.push(self.enqueue(element.enqueue));
            operations.extend(element.taken().then(|| self.take(element.take)));
        }
        if found.inside.is_empty() {
            let unseen = self.queue.unseen.iter().take(NAMED_MAX);
            operations.extend(unseen.map(|it| self.operation(it.number)));
        }
        operations.push(empty);
        self.anomaly("false-empty", &operations, &what)
    }

    /// `no dequeue ever returned 2`, or when the one that did was invoked.
    fn left(&self, element: u32) -> String {
        let (it, message) = (self.elements.all[element as usize], self.message(element));
        if it.taken() {
            let take = event(&self.take(it.take));
            format!("{take}, which returned {message}, was invoked only after it")
        } else {
            format!("no dequeue ever returned {message}")
        }
    }
}

/// `enqueue 1 (event 4, p0)`, `the dequeue of event 6 (p1 on n2)`.
pub(crate) fn event(operation: &Operation<'_>) -> String {
    let (f, index, who) = (operation.op.f, operation.invoked, who(operation));
    match &operation.op.value {
        schism_history::Value::Nil => format!("the {f} of event {index} ({who})"),
        value => format!("{f} {value} (event {index}, {who})"),
    }
}

fn capital(text: &str) -> String {
    super::linearizable::capital(text)
}

fn ordinal(number: usize) -> String {
    match number {
        1 => "first".into(),
        2 => "second".into(),
        3 => "third".into(),
        more => format!("{more}th"),
    }
}
