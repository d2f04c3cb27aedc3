//! Every log read to its end, after everything has healed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use schism_history::{Event, Key, Kind, Mop, MopKind, Op, Outcome, Process, Time, Value};

use super::progress::Progress;
use super::{Functions, named};
use crate::generator::handed::Handed;
use crate::{Context, Generator, Next};

/// So many polls in a row must return nothing of a log, as the checker wants it.
const EMPTY_MIN: u32 = 3;
/// So often in a row one thread is refused, or gets no answer, before another one tries …
const FAILURES_MAX: u32 = 8;
/// … and so many threads try before a share is let go: for longer than the twenty seconds or so for which
/// an undecided transaction hides messages in a system that is well.
const THREADS_MAX: u32 = 6;
/// How long after that a thread asks again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long after a poll that found nothing the next one waits, if there may be more to come.
const BETWEEN: Duration = Duration::from_millis(100);
/// A log that never ends ends here.
const POLLS_MAX: u32 = 1_000_000;

/// The logs, dealt out to the threads. Each thread assigns its share to itself and polls until it has
/// come to the end of every log of it: until three polls in a row have returned nothing, and all that
/// is known to be there has come, or has not come for as long as the plan has patience.
///
/// A thread whose poll is refused asks again, one that has crashed begins anew, and one that gets
/// nowhere leaves its share to another, each so many times: neither an election that is going on nor
/// a dead node costs evidence, and a dead system ends the polls in the end. A share that was left is
/// halved, so that a log that is dead does not keep others from being read.
pub(super) struct LastPolls {
    keys: Vec<Key>,
    patience: Duration,
    progress: Arc<Mutex<Progress>>,
    f: Functions,
    /// Empty before the first client asks.
    shares: Vec<Share>,
    handed: Handed<(usize, Asked)>,
}

/// What was handed out.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Assignment,
    Poll,
}

/// Logs that one thread reads.
struct Share {
    keys: Vec<Key>,
    /// Whose it is now.
    thread: Option<u32>,
    /// Whose it was last.
    former: Option<u32>,
    /// The process that has it assigned.
    process: Option<Process>,
    /// How many of the last polls returned nothing, of each log.
    empty: Vec<u32>,
    /// When something came, or the logs were assigned, for the last time.
    since: Time,
    /// An operation was handed out, and its end was not seen.
    waits: bool,
    /// Nothing before.
    earliest: Time,
    failures: u32,
    threads: u32,
    polls: u32,
    over: bool,
}

impl Share {
    fn new(keys: Vec<Key>) -> Self {
        Self {
            empty: vec![0; keys.len()],
            keys,
            thread: None,
            former: None,
            process: None,
            since: Time::ZERO,
            waits: false,
            earliest: Time::ZERO,
            failures: 0,
            threads: 0,
            polls: 0,
            over: false,
        }
    }

    /// The operation was refused, or not answered. What of its logs another thread is to read, if it
    /// was so too often for this one.
    fn fail(&mut self, now: Time) -> Option<Self> {
        // The client may have been made anew, and then has nothing assigned.
        self.process = None;
        self.earliest = now + PAUSE;
        self.failures += 1;
        if self.failures < FAILURES_MAX {
            return None;
        }
        self.failures = 0;
        self.threads += 1;
        self.former = self.thread.take();
        self.over = self.threads == THREADS_MAX;
        let rest = self.keys.split_off(self.keys.len().div_ceil(2));
        self.empty.truncate(self.keys.len());
        let (former, threads, over) = (self.former, self.threads, self.over);
        (!rest.is_empty()).then(|| Self { former, threads, over, ..Self::new(rest) })
    }

    fn assigned(&mut self, process: Process, now: Time) {
        self.process = Some(process);
        self.empty.fill(0);
        self.since = now;
    }

    /// Takes note of what a poll returned.
    fn polled(&mut self, answer: &Value, now: Time) {
        self.polls += 1;
        self.failures = 0;
        let mops = if let Value::Mops(mops) = answer { &**mops } else { &[] };
        if mops.iter().any(returned) {
            // What it says of one log tells nothing of the others: a poll may return before it has looked
            // at all of them.
            for (key, empty) in self.keys.iter().zip(&mut self.empty) {
                if mops.iter().any(|mop| mop.key == *key && returned(mop)) {
                    *empty = 0;
                    self.since = now;
                }
            }
        } else {
            self.empty.iter_mut().for_each(|empty| *empty += 1);
        }
        self.over |= self.polls == POLLS_MAX;
        if self.is_silent() {
            self.earliest = now + BETWEEN;
        }
    }

    fn is_silent(&self) -> bool {
        self.empty.iter().all(|&empty| empty >= EMPTY_MIN)
    }
}

/// Whether a poll returned anything of this log.
fn returned(mop: &Mop) -> bool {
    let messages = match &mop.value {
        Value::List(list) => !list.is_empty(),
        value => matches!(value, Value::Polled(_)),
    };
    mop.kind == MopKind::Poll && messages
}

impl LastPolls {
    pub(super) fn new(keys: Vec<Key>, patience: Duration, progress: Arc<Mutex<Progress>>) -> Self {
        let f = Functions::default();
        Self { keys, patience, progress, f, shares: Vec::new(), handed: Handed::default() }
    }

    fn deal(&mut self, threads: u32) {
        let count = self.keys.len().min(threads as usize);
        let share = |first: usize| self.keys.iter().copied().skip(first).step_by(count).collect();
        self.shares = (0..count).map(|first| Share::new(share(first))).collect();
    }

    /// The share that a thread has, or the first that nobody has. Who has failed at one leaves it to
    /// another thread, if there is any.
    fn share(&mut self, context: &Context<'_>) -> Option<usize> {
        let (thread, alone) = (context.thread, context.threads == 1);
        let own = self.shares.iter().position(|share| !share.over && share.thread == Some(thread));
        own.or_else(|| {
            let free = |share: &Share| {
                !share.over && share.thread.is_none() && (alone || share.former != Some(thread))
            };
            let found = self.shares.iter().position(free)?;
            self.shares[found].thread = Some(thread);
            Some(found)
        })
    }

    /// Ends a share that was read to its end.
    fn end(&mut self, number: usize, now: Time) {
        let share = &mut self.shares[number];
        if share.over || !share.is_silent() {
            return;
        }
        let (Some(process), Ok(progress)) = (share.process, self.progress.lock()) else { return };
        share.over = share.keys.iter().all(|key| progress.has_reached(process, *key))
            || now >= share.since + self.patience;
    }
}

impl Generator for LastPolls {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        if self.shares.is_empty() {
            self.deal(context.threads);
        }
        let Some(number) = self.share(context) else {
            let over = self.shares.iter().all(|share| share.over);
            return if over { Next::Done } else { Next::Pending };
        };
        let share = &mut self.shares[number];
        if share.waits {
            return Next::Pending;
        }
        if share.earliest > context.time {
            return Next::At(share.earliest);
        }
        share.waits = true;
        let (op, asked) = if share.process == Some(context.process) {
            (self.f.poll(), Asked::Poll)
        } else {
            let value = named(&share.keys);
            (Op { f: self.f.assign, key: None, value }, Asked::Assignment)
        };
        self.handed.hand(context.process, &op, (number, asked));
        Next::Op(op)
    }

    fn observe(&mut self, event: &Event) {
        if let Ok(mut progress) = self.progress.lock() {
            progress.observe(event);
        }
        let Some((number, asked)) = self.handed.owner(event) else { return };
        let Kind::Complete(outcome) = &event.kind else { return };
        let share = &mut self.shares[number];
        share.waits = false;
        match (outcome, asked) {
            (Outcome::Ok(_), Asked::Assignment) => share.assigned(event.process, event.time),
            (Outcome::Ok(reply), Asked::Poll) => {
                share.polled(&reply.value, event.time);
                self.end(number, event.time);
            }
            (Outcome::Fail(_) | Outcome::Info(_), _) => {
                let rest = share.fail(event.time);
                self.shares.extend(rest);
            }
        }
    }
}
