//! The operations on each queue of a history, taken out of it and made small.

use rustc_hash::FxHashMap;
use schism_history::{Code, F, History, Key, Operation, Outcome, Value};

/// The index of no event: what never completes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The first event that is none of a queue's.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// Its index.
    pub index: u64,
    /// What is wrong with it, as a clause that names the event.
    pub problem: String,
}

/// What became of an enqueue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Acknowledged.
    Ok,
    /// It had no effect.
    Failed,
    /// Nobody knows.
    Open,
}

/// An enqueue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enqueue {
    /// The operation's number in the history.
    pub number: u32,
    /// The message, as a number into [`Queue::values`].
    pub value: u32,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion; [`NEVER`] unless it is ok.
    pub completed: u64,
    /// What became of it.
    pub fate: Fate,
}

/// A message that an ok dequeue or drain returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take {
    /// The operation's number in the history.
    pub number: u32,
    /// The message, as a number into [`Queue::values`].
    pub value: u32,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
}

/// How a dequeue told that there was nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It was ok and returned nil.
    Nil,
    /// It failed, and said why. As a failure it claims no moment at which the queue was empty.
    Refusal,
    /// It was a drain, which goes on until there is nothing.
    Drain,
}

/// A dequeue that found nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Empty {
    /// The operation's number in the history.
    pub number: u32,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
    /// How it said so.
    pub told: Told,
}

/// A dequeue or drain of which nobody knows what it removed, if anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unseen {
    /// The operation's number in the history.
    pub number: u32,
    /// The index of its invocation.
    pub invoked: u64,
    /// Whether it was a drain, which may have removed any number of messages.
    pub drain: bool,
}

/// One queue's operations, each list in order of invocation.
#[derive(Clone, Debug)]
pub(crate) struct Queue<'a> {
    /// Which queue; `None` where the history names none.
    pub key: Option<Key>,
    /// The messages by number.
    pub values: Vec<&'a Value>,
    /// Every enqueue, failed ones too.
    pub enqueues: Vec<Enqueue>,
    /// Every message that was returned.
    pub takes: Vec<Take>,
    /// Every dequeue that found nothing.
    pub empties: Vec<Empty>,
    /// Every dequeue of which nobody knows.
    pub unseen: Vec<Unseen>,
    numbers: FxHashMap<&'a Value, u32>,
}

impl<'a> Queue<'a> {
    fn new(key: Option<Key>) -> Self {
        Self {
            key,
            values: Vec::new(),
            enqueues: Vec::new(),
            takes: Vec::new(),
            empties: Vec::new(),
            unseen: Vec::new(),
            numbers: FxHashMap::default(),
        }
    }

    fn number(&mut self, value: &'a Value) -> u32 {
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        })
    }

    /// `queue q`, or `the queue` where it has no name.
    pub fn name(&self) -> String {
        self.key.map_or_else(|| "the queue".to_owned(), |key| format!("queue {key}"))
    }

    /// How many operations were answered.
    pub fn ok(&self) -> usize {
        let enqueues = self.enqueues.iter().filter(|it| it.fate == Fate::Ok).count();
        let mut dequeues: Vec<u32> = self.takes.iter().map(|take| take.number).collect();
        dequeues
            .extend(self.empties.iter().filter(|it| it.told != Told::Refusal).map(|it| it.number));
        dequeues.sort_unstable();
        dequeues.dedup();
        enqueues + dequeues.len()
    }

    /// What is known before the event of index `cut`: what is open there is unknown. Operations that
    /// fail later are left out, since they had no effect.
    pub fn until(mut self, cut: u64) -> Self {
        self.enqueues.retain(|it| it.invoked < cut);
        for enqueue in &mut self.enqueues {
            if enqueue.fate == Fate::Ok && enqueue.completed >= cut {
                (enqueue.fate, enqueue.completed) = (Fate::Open, NEVER);
            }
        }
        self.unseen.retain(|it| it.invoked < cut);
        let drains: Vec<u32> =
            self.empties.iter().filter(|it| it.told == Told::Drain).map(|it| it.number).collect();
        let mut open: Vec<Unseen> = Vec::new();
        let mut keep = |number: u32, invoked: u64, completed: u64, failed: bool| {
            if completed >= cut && invoked < cut && !failed {
                let drain = drains.binary_search(&number).is_ok();
                open.push(Unseen { number, invoked, drain });
            }
            completed < cut
        };
        self.takes.retain(|it| keep(it.number, it.invoked, it.completed, false));
        self.empties
            .retain(|it| keep(it.number, it.invoked, it.completed, it.told == Told::Refusal));
        self.unseen.append(&mut open);
        self.unseen.sort_unstable_by_key(|it| it.number);
        self.unseen.dedup_by_key(|it| it.number);
        self
    }
}

/// Sorts a history by queue, up to the first event that is none of a queue's: nobody knows what it
/// did. `drains`: whether `drain` is a function of these queues.
pub(crate) fn by_queue(history: &History, drains: bool) -> (Vec<Queue<'_>>, Option<Alien>) {
    let functions = Functions::new(drains);
    let mut places: FxHashMap<Option<Key>, usize> = FxHashMap::default();
    let mut queues: Vec<Queue<'_>> = Vec::new();
    let mut alien: Option<Alien> = None;
    for operation in history.operations() {
        let key = operation.op.key;
        let last = queues.last().filter(|queue| queue.key == key).map(|_| queues.len() - 1);
        let place = last.unwrap_or_else(|| {
            *places.entry(key).or_insert_with(|| {
                queues.push(Queue::new(key));
                queues.len() - 1
            })
        });
        if let Err(found) = functions.take(&operation, &mut queues[place]) {
            alien = alien.into_iter().chain([found]).min_by_key(|alien| alien.index);
        }
    }
    queues.sort_by_key(|queue| queue.key);
    for queue in &mut queues {
        queue.numbers = FxHashMap::default();
    }
    if let Some(alien) = &alien {
        queues = queues.into_iter().map(|queue| queue.until(alien.index)).collect();
    }
    (queues, alien)
}

struct Functions {
    enqueue: F,
    dequeue: F,
    drain: F,
    drains: bool,
}

impl Functions {
    fn new(drains: bool) -> Self {
        let [enqueue, dequeue, drain] = ["enqueue", "dequeue", "drain"].map(F::new);
        Self { enqueue, dequeue, drain, drains }
    }

    fn take<'a>(&self, operation: &Operation<'a>, queue: &mut Queue<'a>) -> Result<(), Alien> {
        let (number, invoked, f) = (operation.number as u32, operation.invoked, operation.op.f);
        let alien = |index: u64, what: &str| {
            Err(Alien { index, problem: format!("the {f} of event {invoked} {what}") })
        };
        let completed = operation.completed.unwrap_or(NEVER);
        if f == self.enqueue {
            if matches!(operation.op.value, Value::Nil | Value::Mops(_)) {
                return alien(invoked, "enqueues no message");
            }
            let value = queue.number(&operation.op.value);
            let (fate, completed) = match operation.outcome {
                Some(Outcome::Ok(_)) => (Fate::Ok, completed),
                Some(Outcome::Fail(_)) => (Fate::Failed, NEVER),
                Some(Outcome::Info(_)) | None => (Fate::Open, NEVER),
            };
            queue.enqueues.push(Enqueue { number, value, invoked, completed, fate });
            return Ok(());
        }
        let drain = f == self.drain;
        if drain && !self.drains {
            return alien(invoked, "is many operations in one, whose moments nobody knows");
        }
        if f != self.dequeue && !drain {
            let known = if self.drains { "enqueue, dequeue, drain" } else { "enqueue, dequeue" };
            return alien(invoked, &format!("is no operation of a queue ({known})"));
        }
        let empty = |told| Empty { number, invoked, completed, told };
        match operation.outcome {
            None | Some(Outcome::Info(_)) => queue.unseen.push(Unseen { number, invoked, drain }),
            Some(Outcome::Fail(reason)) => {
                let text = reason.text.to_ascii_lowercase();
                let says = ["empty", "exhausted"].iter().any(|word| text.contains(word));
                if !drain && (says || reason.code == Code::Mismatch) {
                    queue.empties.push(empty(Told::Refusal));
                }
            }
            Some(Outcome::Ok(reply)) if drain => {
                let messages: &[Value] = match &reply.value {
                    Value::List(messages) => messages,
                    Value::Nil => &[],
                    _ => return alien(completed, "returned no list of messages"),
                };
                if messages.iter().any(|it| matches!(it, Value::Nil | Value::Mops(_))) {
                    return alien(completed, "returned what is no message");
                }
                for message in messages {
                    let value = queue.number(message);
                    queue.takes.push(Take { number, value, invoked, completed });
                }
                queue.empties.push(empty(Told::Drain));
            }
            Some(Outcome::Ok(reply)) => match &reply.value {
                Value::Nil => queue.empties.push(empty(Told::Nil)),
                Value::Mops(_) => return alien(completed, "returned what is no message"),
                message => {
                    let value = queue.number(message);
                    queue.takes.push(Take { number, value, invoked, completed });
                }
            },
        }
        Ok(())
    }
}
