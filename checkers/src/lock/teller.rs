//! The violations of a lock, told.

use schism_history::{History, Operation};

use super::alternation::Stuck;
use super::fencing::Gap;
use super::holds::{Breach, Hold};
use super::operations::{Action, Lock};
use crate::phrase::{count, span, who};
use crate::{Anomaly, Blocker, Witness};

/// So many operations are reported at most.
const OPERATIONS_MAX: usize = 12;

/// Tells about one lock.
pub(crate) struct Teller<'a> {
    /// The history.
    pub history: &'a History,
    /// The lock.
    pub lock: &'a Lock,
}

impl Teller<'_> {
    fn operation(&self, place: u32) -> Operation<'_> {
        self.history.operation(self.lock.entries[place as usize].number as usize)
    }

    fn anomaly(&self, name: &str, operations: &[Operation<'_>], what: &str) -> Anomaly {
        let mut indexes: Vec<u64> = operations.iter().map(|it| it.invoked).collect();
        if let Some(last) = indexes.pop() {
            indexes.sort_unstable();
            indexes.dedup();
            indexes.push(last);
        }
        let text = format!("{}: {what}", self.lock.name());
        Anomaly {
            name: name.into(),
            key: self.lock.key.map(|key| key.to_string()),
            operations: indexes,
            explanation: capital(&text),
            witness: Witness::Operations,
        }
    }

    /// The end of every order of acquires and releases in turn.
    pub fn tell_stuck(&self, stuck: &Stuck) -> Anomaly {
        let impossible = self.operation(stuck.impossible);
        let acquires = impossible_acquires(self.lock, stuck);
        let last = stuck.order.last().map(|&place| self.operation(place));
        let placed = count(stuck.order.len(), "operation");
        let (name, needs, holds, lacking) = if acquires {
            ("two-holders", "free", "held", "release")
        } else {
            ("released-unheld", "held", "free", "acquire")
        };
        let since = match &last {
            Some(last) => format!("{holds} by {}", event(last)),
            None => format!("{holds}, as at first"),
        };
        let since = if acquires { since } else { since.replace(" by ", " since ") };
        let why = format!(
            "It needs the lock {needs}, and it is {since}; every {lacking} that had been invoked \
             before it returned is placed already."
        );
        let what = format!(
            "{} returned, but the lock was {since}. No {lacking} had been invoked by then that does \
             not have its place in the order before ({placed}).",
            event(&impossible),
        );
        let told = stuck.order.len().saturating_sub(OPERATIONS_MAX);
        let tail = || stuck.order[told..].iter().map(|&place| self.operation(place));
        let operations: Vec<Operation<'_>> = tail().chain([impossible]).collect();
        let state = |number: usize| if number.is_multiple_of(2) { "held" } else { "free" };
        let order = (told..).zip(tail()).map(|(number, it)| (it.invoked, state(number).into()));
        let blocked = Blocker {
            operation: impossible.invoked,
            needs: needs.into(),
            finds: holds.into(),
            why,
        };
        let witness = Witness::Linearization {
            impossible: impossible.invoked,
            prefix: impossible.completed.unwrap_or(impossible.invoked),
            order: order.collect(),
            holds: holds.into(),
            needs: needs.into(),
            blocked: vec![blocked],
            must_hold: Vec::new(),
            configurations: 0,
        };
        Anomaly { witness, ..self.anomaly(name, &operations, &what) }
    }

    /// The index of the event by which a breach shows.
    pub fn shows_at(&self, breach: &Breach) -> u64 {
        let completed = |place: u32| self.lock.entries[place as usize].completed;
        match breach {
            Breach::TwoHolders { one, other } => {
                let end = |hold: &Hold| {
                    hold.release.map_or(0, |it| {
                        let entry = &self.lock.entries[it as usize];
                        if entry.is_ok() { entry.completed } else { entry.invoked }
                    })
                };
                completed(one.acquire).max(completed(other.acquire)).max(end(one).min(end(other)))
            }
            Breach::AcquiredTwice { again: place, .. }
            | Breach::ReleasedUnheld { release: place, .. } => completed(*place),
        }
    }

    /// A breach of the rules of holders.
    pub fn tell_breach(&self, breach: &Breach) -> Anomaly {
        match breach {
            Breach::TwoHolders { one, other } => self.tell_two_holders(one, other),
            Breach::AcquiredTwice { first, again } => {
                let (first, again) = (self.operation(*first), self.operation(*again));
                let what = format!(
                    "{} was granted to {}, which had been granted it by {} and had not released it.",
                    event(&again),
                    again.process,
                    event(&first)
                );
                self.anomaly("acquired-twice", &[first, again], &what)
            }
            Breach::ReleasedUnheld { before, release } => {
                let release = self.operation(*release);
                let last = before.map(|place| self.operation(place));
                let holding = match &last {
                    None => "which had not acquired it before".to_owned(),
                    Some(last) => format!("which did not hold it any more after {}", event(last)),
                };
                let what = format!(
                    "{} was accepted from {}, {holding}.",
                    event(&release),
                    release.process
                );
                let operations: Vec<Operation<'_>> = last.into_iter().chain([release]).collect();
                self.anomaly("released-unheld", &operations, &what)
            }
        }
    }

    fn tell_two_holders(&self, one: &Hold, other: &Hold) -> Anomaly {
        let (first, second) = (self.operation(one.acquire), self.operation(other.acquire));
        let until = match one.release {
            Some(release) => {
                format!("did not release it before event {}", self.operation(release).invoked)
            }
            None => "never released it".to_owned(),
        };
        let gap = span(second.end.unwrap_or(second.start).since(first.end.unwrap_or(first.start)));
        let mut what = format!(
            "{} was granted to {} while {} held the lock: {} had been granted {gap} before, and {} \
             {until}.",
            event(&second),
            second.process,
            first.process,
            event(&first),
            first.process
        );
        if other.from >= other.to {
            what += " It was asked for after that grant and granted before that release, so that both \
                     had it at some moment, however soon it expired.";
        }
        let mut operations = vec![first];
        operations.extend(one.release.map(|place| self.operation(place)));
        operations.push(second);
        self.anomaly("two-holders", &operations, &what)
    }

    /// A gap in the fence.
    pub fn tell_gap(&self, gap: &Gap) -> Anomaly {
        match gap {
            Gap::NotRising { earlier, later } => {
                let (first, second) =
                    (self.operation(earlier.acquire), self.operation(later.acquire));
                let when = if earlier.completed < later.invoked {
                    "had been granted before it was asked for"
                } else {
                    "was granted at the same time"
                };
                let what = format!(
                    "{} was granted with token {}, but {} {when}, with token {}.",
                    event(&second),
                    later.token,
                    event(&first),
                    earlier.token
                );
                self.anomaly("token-not-rising", &[first, second], &what)
            }
            Gap::Stale { newer, stale } => {
                let operation = |number: u32| self.history.operation(number as usize);
                let (first, second) = (operation(newer.number), operation(stale.number));
                let what = format!(
                    "{} was accepted under token {}, although {} had been accepted before under the \
                     newer token {}.",
                    event(&second),
                    stale.token,
                    event(&first),
                    newer.token
                );
                self.anomaly("stale-token", &[first, second], &what)
            }
        }
    }
}

fn impossible_acquires(lock: &Lock, stuck: &Stuck) -> bool {
    lock.entries[stuck.impossible as usize].action == Action::Acquire
}

/// `the acquire of event 4 (p0 on n1)`.
fn event(operation: &Operation<'_>) -> String {
    format!("the {} of event {} ({})", operation.op.f, operation.invoked, who(operation))
}

/// The text with a capital at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
