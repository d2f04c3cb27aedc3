//! What clients of logs do while the load lasts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{Event, Key, Kind, Op, Outcome, Process, Time, Value};

use super::progress::Progress;
use super::{Functions, Read, Settings, keys, mops, named, polled, sent};
use crate::{Context, Generator, Next};

/// Clients that send and poll. One that reads chooses its logs first, and others now and then; one
/// that has crashed is another process, and begins anew.
pub(super) struct Clients {
    settings: Settings,
    keys: Vec<Key>,
    f: Functions,
    /// The last message that was handed out.
    message: i64,
    /// The processes that have logs to read, and until when they keep them.
    readers: FxHashMap<Process, Time>,
    /// The processes whose question for logs is under way.
    asked: FxHashSet<Process>,
    /// When each thread is to crash next.
    crashes: FxHashMap<u32, Time>,
    progress: Arc<Mutex<Progress>>,
}

impl Clients {
    pub(super) fn new(settings: Settings, progress: Arc<Mutex<Progress>>) -> Self {
        Self {
            settings,
            keys: keys(settings.keys),
            f: Functions::default(),
            message: 0,
            readers: FxHashMap::default(),
            asked: FxHashSet::default(),
            crashes: FxHashMap::default(),
            progress,
        }
    }

    /// Whether a thread sends, and whether it polls.
    fn role(&self, context: &Context<'_>) -> (bool, bool) {
        match self.settings.producers {
            None => (true, true),
            Some(producers) => (context.thread < producers, context.thread >= producers),
        }
    }

    /// Whether the time has come for the client to crash.
    fn crashes(&mut self, context: &mut Context<'_>) -> bool {
        let Some(every) = self.settings.crash else { return false };
        let next = context.time + about(every, context.rng);
        // The first crash is as far away as every other.
        let due = self.crashes.entry(context.thread).or_insert(next);
        let now = *due <= context.time;
        if now {
            *due = next;
        }
        now
    }

    /// Some logs, at least one: each as likely as not.
    fn choose(&mut self, context: &mut Context<'_>) -> Op {
        let until = context.time + about(self.settings.reassign, context.rng);
        self.readers.insert(context.process, until);
        let subscribes = match self.settings.read {
            Read::Assign => false,
            Read::Subscribe => true,
            Read::Both => context.rng.random_ratio(1, 2),
        };
        let one = self.key(context.rng);
        let chosen: Vec<Key> = self
            .keys
            .iter()
            .copied()
            .filter(|&key| key == one || context.rng.random_ratio(1, 2))
            .collect();
        let f = if subscribes { self.f.subscribe } else { self.f.assign };
        Op { f, key: None, value: named(&chosen) }
    }

    fn key(&self, rng: &mut ChaCha8Rng) -> Key {
        self.keys[rng.random_range(0..self.keys.len())]
    }

    fn sends(&mut self, rng: &mut ChaCha8Rng) -> Vec<schism_history::Mop> {
        let count = rng.random_range(1..=self.settings.length);
        let first = self.message + 1;
        self.message += i64::from(count);
        (first..=self.message).map(|message| sent(self.key(rng), message)).collect()
    }

    fn send(&mut self, rng: &mut ChaCha8Rng) -> Op {
        Op { f: self.f.send, key: None, value: mops(self.sends(rng)) }
    }

    /// A transaction of whoever polls may poll, before it sends as a program does that passes on what
    /// it reads, or after it, when it must not see its own messages.
    fn transaction(&mut self, sends: bool, polls: bool, rng: &mut ChaCha8Rng) -> Op {
        let mut all = if sends { self.sends(rng) } else { Vec::new() };
        if polls && (!sends || rng.random_ratio(1, 2)) {
            let place = if rng.random_ratio(1, 2) { 0 } else { all.len() };
            all.insert(place, polled());
        }
        Op { f: self.f.txn, key: None, value: mops(all) }
    }
}

/// Between half and three halves of a time.
fn about(mean: Duration, rng: &mut ChaCha8Rng) -> Duration {
    let half = (mean.as_nanos() / 2).min(u128::from(u64::MAX / 4)) as u64;
    Duration::from_nanos(half + rng.random_range(0..=2 * half))
}

impl Generator for Clients {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        if context.thread >= context.threads {
            // What no client is free to do never reaches the system: no message is spent on it, since
            // one that was never sent cannot be polled wrongly.
            return Next::Op(self.f.poll());
        }
        if self.crashes(context) {
            return Next::Op(Op { f: self.f.crash, key: None, value: Value::Nil });
        }
        let (sends, polls) = self.role(context);
        let reads = self.readers.get(&context.process).is_some_and(|until| *until > context.time);
        if polls && !reads {
            return Next::Op(self.choose(context));
        }
        let [send, poll, transaction] = self.settings.weights.map(u64::from);
        let send = if sends { send } else { 0 };
        let poll = if polls { poll } else { 0 };
        let drawn = context.rng.random_range(0..(send + poll + transaction).max(1));
        Next::Op(if drawn < send {
            self.send(context.rng)
        } else if drawn < send + poll || transaction == 0 {
            self.f.poll()
        } else {
            self.transaction(sends, polls, context.rng)
        })
    }

    fn observe(&mut self, event: &Event) {
        if let Ok(mut progress) = self.progress.lock() {
            progress.observe(event);
        }
        match &event.kind {
            Kind::Invoke { op, .. } if op.f == self.f.assign || op.f == self.f.subscribe => {
                self.asked.insert(event.process);
            }
            Kind::Complete(outcome) => {
                let asked = self.asked.remove(&event.process);
                // Whoever was refused its logs asks for some again.
                let lost = asked && matches!(outcome, Outcome::Fail(_));
                if lost || matches!(outcome, Outcome::Info(_)) {
                    self.readers.remove(&event.process);
                }
            }
            _ => {}
        }
    }
}
