//! The verdicts about what became of the messages, in words.

use schism_history::{FaultMark, History, Kind, Value};

use super::elements::Elements;
use super::linearizable::{PROOFS_MAX, capital};
use super::messages::{Messages, Overtaking};
use super::operations::{Alien, Queue, by_queue};
use super::teller::{Teller, event};
use crate::phrase::{count, list};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row that decides what became of the messages.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "queue",
    summary: "messages, one by one: lost, unexpected, duplicated, out of their producer's order",
    subjects: &["total-queue", "queue", "fifo-queue"],
    decides: &[
        Claim::NoLostElements,
        Claim::NoDuplicates,
        Claim::NoUnexpectedElements,
        Claim::ProducerOrder,
    ],
    check,
};

/// The cost is linear, so that the budget is looked at once.
fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let refused = refusal(question, history, budget);
    if let Some(reason) = refused {
        let unknown = |&asked: &Asked| Verdict::unknown(asked, 0, reason.clone());
        return question.claims.iter().map(unknown).collect();
    }
    let (queues, alien) = by_queue(history, true);
    let healed = if has_faults(history) {
        // With faults and no mark of healing nothing is final.
        Some(history.healed().map_or(u64::MAX, |(index, _)| index))
    } else {
        None
    };
    let messages: Vec<Messages> =
        queues.iter().map(|queue| Messages::new(history, queue, healed)).collect();
    let judge = Judge { question, history, queues, messages, alien };
    question.claims.iter().map(|&asked| judge.verdict(asked)).collect()
}

fn refusal(question: &Question, history: &History, budget: &Budget) -> Option<String> {
    /// Bytes for each operation, about.
    const BYTES_EACH: usize = 160;
    if question.initial != Value::Nil {
        return Some(format!("A queue that holds {} at first is not judged.", question.initial));
    }
    let (need, have) = (history.len().saturating_mul(BYTES_EACH), budget.memory_bytes);
    (need > have || budget.expired()).then(|| {
        format!(
            "{} need about {} MB and some time; the budget has {} MB. A larger one would help.",
            count(history.len(), "operation"),
            need.div_ceil(1_000_000),
            have / 1_000_000
        )
    })
}

fn has_faults(history: &History) -> bool {
    let starts = |event: &schism_history::Event| {
        matches!(event.kind, Kind::Fault(FaultMark::Start { .. } | FaultMark::Healed))
    };
    history.events().iter().any(starts)
}

struct Judge<'a> {
    question: &'a Question,
    history: &'a History,
    queues: Vec<Queue<'a>>,
    messages: Vec<Messages>,
    alien: Option<Alien>,
}

impl Judge<'_> {
    fn verdict(&self, asked: Asked) -> Verdict {
        let judged = self.queues.iter().map(Queue::ok).sum();
        let found = self.violations(asked.claim);
        if found.0 > 0 {
            return Verdict::invalid(asked, judged, self.violated(asked.claim, found.0), found.1);
        }
        match self.undecided(asked.claim) {
            Some(reason) => Verdict::unknown(asked, judged, reason),
            None => Verdict::valid(asked, judged, self.upheld(asked.claim)),
        }
    }

    fn sum(&self, part: impl Fn(&Messages) -> usize) -> usize {
        self.messages.iter().map(part).sum()
    }

    /// How many violations there are, and the proofs of the first.
    fn violations(&self, claim: Claim) -> (usize, Vec<Anomaly>) {
        let mut total = 0;
        let mut proofs: Vec<Anomaly> = Vec::new();
        let none = Elements {
            all: Vec::new(),
            odd: Vec::new(),
            empties: Vec::new(),
            unseen: Vec::new(),
            span: 0,
        };
        for (queue, messages) in self.queues.iter().zip(&self.messages) {
            let teller = Teller { history: self.history, queue, elements: &none };
            let left = PROOFS_MAX - proofs.len();
            match claim {
                Claim::NoLostElements => {
                    let lost = self.lost(messages);
                    total += lost;
                    if lost > 0 {
                        proofs.extend(tell_lost(&teller, messages, lost, left));
                    }
                }
                Claim::NoDuplicates => {
                    total += messages.duplicated.len();
                    let first = messages.duplicated.iter().filter(|it| it.len() > 1).take(left);
                    proofs.extend(first.map(|takes| teller.tell_too_many(takes)));
                }
                Claim::NoUnexpectedElements => {
                    total += messages.unexpected.len();
                    let first = messages.unexpected.iter().take(left);
                    proofs.extend(first.map(|it| teller.tell_unexpected(it.take, it.enqueue)));
                }
                _ => {
                    total += messages.overtakings.len();
                    let first = messages.overtakings.iter().take(left);
                    proofs.extend(first.map(|it| tell_overtaking(&teller, it)));
                }
            }
        }
        (total, proofs)
    }

    /// How many messages are certainly lost. What follows an event that nobody understands may
    /// have taken them.
    fn lost(&self, messages: &Messages) -> usize {
        if self.alien.is_some() || messages.emptied.is_none() || messages.unseen_drain.is_some() {
            return 0;
        }
        messages.missing.len().saturating_sub(messages.unseen)
    }

    fn violated(&self, claim: Claim, number: usize) -> String {
        let taken = self.sum(|it| it.taken);
        let (verb, plural) = if number == 1 { ("is", "") } else { ("are", "s") };
        let recovered = self.recovered();
        match claim {
            Claim::NoLostElements => {
                let acknowledged = self.sum(|it| it.acknowledged);
                format!("{number} of {acknowledged} acknowledged messages {verb} lost{recovered}.")
            }
            Claim::NoDuplicates => {
                let was = if number == 1 { "was" } else { "were" };
                format!(
                    "{number} message{plural} {was} returned more often than enqueued, of {taken} \
                     returned."
                )
            }
            Claim::NoUnexpectedElements => {
                let was = if number == 1 { "was" } else { "were" };
                format!(
                    "{number} message{plural} {was} returned that nobody can have enqueued, of \
                     {taken} returned."
                )
            }
            _ => format!(
                "{number} message{plural} overtook an earlier one of the same producer, of {} that \
                 could have.",
                self.sum(|it| it.ordered)
            ),
        }
    }

    /// `; 2 of unknown outcome came out, too`, or nothing.
    fn recovered(&self) -> String {
        match self.sum(|it| it.recovered) {
            0 => String::new(),
            some => {
                format!("; {some} whose enqueue had an unknown outcome came out, too (recovered)")
            }
        }
    }

    fn undecided(&self, claim: Claim) -> Option<String> {
        if let Some(alien) = &self.alien {
            return Some(format!("The history is not one of queues: {}.", alien.problem));
        }
        if claim == Claim::ProducerOrder && !self.history.has_real_time() {
            return Some(
                "Only the order within each process is known, and messages of one producer go to \
                 many consumers."
                    .into(),
            );
        }
        let least = self.question.evidence_min;
        let wanted = if least == 1 { "1 is wanted".into() } else { format!("{least} are wanted") };
        if claim == Claim::NoLostElements {
            return self.undecided_lost(least, &wanted);
        }
        if claim == Claim::ProducerOrder {
            if let Some(reason) = self.repeated() {
                return Some(reason);
            }
            let ordered = self.sum(|it| it.ordered);
            return (ordered < least).then(|| {
                format!(
                    "Only {} came out that had an earlier one of the same producer come out, too; \
                     at least {wanted}.",
                    count(ordered, "message")
                )
            });
        }
        let taken = self.sum(|it| it.taken);
        (taken < least)
            .then(|| format!("Only {} came out; at least {wanted}.", count(taken, "message")))
    }

    fn repeated(&self) -> Option<String> {
        let mut pairs = self.queues.iter().zip(&self.messages);
        let (queue, place) = pairs.find_map(|(queue, it)| Some((queue, it.repeated?)))?;
        let enqueue = self.history.operation(queue.enqueues[place as usize].number as usize);
        Some(format!(
            "{} enqueues a message that had been enqueued before, so that nobody can tell which of \
             them came out. Unique messages would help.",
            capital(&event(&enqueue))
        ))
    }

    fn undecided_lost(&self, least: usize, wanted: &str) -> Option<String> {
        let acknowledged = self.sum(|it| it.acknowledged);
        if acknowledged < least {
            let acknowledged = count(acknowledged, "enqueue");
            return Some(format!("Only {acknowledged} acknowledged; at least {wanted}."));
        }
        let mut pairs = self.queues.iter().zip(&self.messages);
        let (queue, messages) = pairs.find(|(_, it)| !it.missing.is_empty())?;
        let remain = format!(
            "{} of {} acknowledged messages of {} did not come out",
            messages.missing.len(),
            messages.acknowledged,
            queue.name()
        );
        if let Some(drain) = messages.unseen_drain {
            let index = self.history.operation(drain as usize).invoked;
            return Some(format!(
                "{remain}, but the drain of event {index}, whose outcome nobody knows, may have \
                 taken them."
            ));
        }
        if !self.history.has_real_time() {
            return Some(format!(
                "{remain}, but only the order within each process is known, so that nobody can tell \
                 whether the queue was found empty after all."
            ));
        }
        if messages.emptied.is_none() {
            let when = if has_faults(self.history) { " and healing" } else { "" };
            return Some(format!(
                "{remain}, but they may be inside still: after the last acknowledged enqueue{when} \
                 nobody found the queue empty for good. A final drain would help."
            ));
        }
        let unseen = count(messages.unseen, "dequeue");
        Some(format!("{remain}, but {unseen} whose outcome nobody knows may have taken them."))
    }

    fn upheld(&self, claim: Claim) -> String {
        let queues = count(self.queues.len(), "queue");
        let taken = count(self.sum(|it| it.taken), "message");
        match claim {
            Claim::NoLostElements => {
                let acknowledged = count(self.sum(|it| it.acknowledged), "acknowledged message");
                format!("{acknowledged} of {queues} all came out{}.", self.recovered())
            }
            Claim::NoDuplicates => {
                format!("{taken} came out of {queues}, none more often than it was enqueued.")
            }
            Claim::NoUnexpectedElements => {
                format!("{taken} came out of {queues}, each of them enqueued before.")
            }
            _ => format!(
                "{} of {queues} came out, none of them before an earlier one of the same producer.",
                count(self.sum(|it| it.ordered), "message")
            ),
        }
    }
}

fn tell_lost(teller: &Teller<'_>, messages: &Messages, lost: usize, most: usize) -> Vec<Anomaly> {
    let Some(emptied) = messages.emptied else { return Vec::new() };
    let last = teller.history.operation(emptied.by.number as usize);
    let found = match emptied.by.told {
        super::operations::Told::Drain => format!("{} emptied the queue", event(&last)),
        _ => format!("{} found the queue empty", event(&last)),
    };
    let value = |place: u32| {
        let value = teller.queue.enqueues[place as usize].value;
        teller.queue.values[value as usize].to_string()
    };
    let enqueue = |place: u32| {
        let number = teller.queue.enqueues[place as usize].number;
        teller.history.operation(number as usize)
    };
    let missing = &messages.missing;
    if lost < missing.len() {
        // Nobody knows which of them were taken unseen: all of them together are the proof.
        let names: Vec<String> = missing.iter().map(|&place| value(place)).collect();
        let what = format!(
            "{} were acknowledged and returned by no dequeue ({}), {found} after that, and only {} \
             of unknown outcome can have taken any: at least {lost} of them {} lost.",
            count(missing.len(), "message"),
            list(&names),
            count(messages.unseen, "dequeue"),
            if lost == 1 { "is" } else { "are" }
        );
        let mut operations: Vec<_> = missing.iter().take(20).map(|&place| enqueue(place)).collect();
        operations.extend(
            teller
                .queue
                .unseen
                .iter()
                .take(20)
                .map(|it| teller.history.operation(it.number as usize)),
        );
        operations.push(last);
        return vec![teller.anomaly("lost-message", &operations, &what)];
    }
    let tell = |&place: &u32| {
        let operation = enqueue(place);
        let what = format!(
            "message {} is lost. {} was acknowledged, {found} after that, and no dequeue ever \
             returned {}.",
            value(place),
            capital(&event(&operation)),
            value(place)
        );
        teller.anomaly("lost-message", &[operation, last], &what)
    };
    missing.iter().take(most).map(tell).collect()
}

fn tell_overtaking(teller: &Teller<'_>, found: &Overtaking) -> Anomaly {
    let operation = |number: u32| teller.history.operation(number as usize);
    let enqueue = |place: u32| operation(teller.queue.enqueues[place as usize].number);
    let take = |place: u32| operation(teller.queue.takes[place as usize].number);
    let (first, second) = (enqueue(found.first), enqueue(found.second));
    let (first_out, second_out) = (take(found.first_out), take(found.second_out));
    let what = format!(
        "{} enqueued {} (event {}) and then {} (event {}), but {} had returned {} before {} was \
         invoked, the first to return {}.",
        first.process,
        first.op.value,
        first.invoked,
        second.op.value,
        second.invoked,
        event(&second_out),
        second.op.value,
        event(&first_out),
        first.op.value
    );
    teller.anomaly("producer-order", &[first, second, second_out, first_out], &what)
}
