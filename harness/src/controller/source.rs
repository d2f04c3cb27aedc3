//! The generator of a phase, shared by all clients.

use std::sync::{Arc, Mutex};

use rand_chacha::ChaCha8Rng;
use schism_history::{Event, Process, Time};
use schism_workloads::{Context, Generator, Next};
use tokio::sync::Notify;

use super::recorder::Observer;

/// A generator and its randomness, behind one lock.
#[derive(Clone)]
pub struct Source {
    state: Arc<Mutex<State>>,
    /// Wakes clients that were told to wait until something has happened.
    news: Arc<Notify>,
    threads: u32,
}

struct State {
    generator: Box<dyn Generator>,
    rng: ChaCha8Rng,
}

impl Source {
    /// A source for `threads` threads.
    pub fn new(generator: Box<dyn Generator>, rng: ChaCha8Rng, threads: u32) -> Self {
        let state = Arc::new(Mutex::new(State { generator, rng }));
        Self { state, news: Arc::new(Notify::new()), threads }
    }

    /// What the client should do now. A generator that has panicked has nothing more to ask.
    pub fn next(&self, time: Time, thread: u32, process: Process) -> Next {
        let Ok(mut state) = self.state.lock() else { return Next::Done };
        let State { generator, rng } = &mut *state;
        generator.next(&mut Context { time, thread, threads: self.threads, process, rng })
    }

    /// Whether the generator has panicked.
    pub fn is_broken(&self) -> bool {
        self.state.is_poisoned()
    }

    /// Returns after the next event, or soon: a missed wake-up must not stall a client.
    pub async fn news(&self) {
        let soon = std::time::Duration::from_millis(2);
        let _ = tokio::time::timeout(soon, self.news.notified()).await;
    }

    /// Puts another generator in the place of this one: the next phase of the run.
    pub fn replace(&self, generator: Box<dyn Generator>) {
        if let Ok(mut state) = self.state.lock() {
            state.generator = generator;
        }
    }
}

impl Observer for Source {
    fn observe(&mut self, events: &[Event]) {
        if let Ok(mut state) = self.state.lock() {
            for event in events {
                state.generator.observe(event);
            }
        }
        self.news.notify_waiters();
    }
}
