//! Simulated clients, for tests: they ask a generator, and answer themselves.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schism_history::{Event, F, History, Key, Kind, Op, Outcome, Process, Reply, Time, Value};

use crate::{Context, Generator, Next};

/// How far the clock goes at every step of a client.
const STEP_NS: u64 = 1_000_000;

/// Clients that ask and answer in an order drawn from a seed. The clock goes a millisecond a step.
pub(crate) struct Driver {
    /// What the system answers, unless set: ok with the argument, and to an `acquire` with a token.
    pub(crate) answer: Box<dyn FnMut(&Op) -> Outcome>,
    clients: Vec<Client>,
    /// What the generator draws from.
    rng: ChaCha8Rng,
    /// What the order of the clients is drawn from.
    order: ChaCha8Rng,
    now: Time,
    events: Vec<Event>,
}

struct Client {
    process: u32,
    state: State,
}

enum State {
    Free,
    Open(Op),
    Asleep(Time),
    Waiting,
}

impl Driver {
    pub(crate) fn new(threads: u32, seed: u64) -> Self {
        Self {
            answer: Box::new(|op| {
                let token = op.f.as_str() == "acquire";
                let value = if token { Value::Int(1) } else { op.value.clone() };
                Outcome::Ok(Reply { value, ..Reply::default() })
            }),
            clients: (0..threads).map(|process| Client { process, state: State::Free }).collect(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            order: ChaCha8Rng::seed_from_u64(seed ^ 1),
            now: Time::ZERO,
            events: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn wait_until(&mut self, time: Time) {
        self.now = time;
    }

    /// The operations that `generator` hands out until it is done, at most `count`.
    pub(crate) fn ops(&mut self, generator: &mut dyn Generator, count: usize) -> Vec<Op> {
        let invoked = |event: Event| match event.kind {
            Kind::Invoke { op, .. } => Some(op),
            _ => None,
        };
        self.events(generator, count).into_iter().filter_map(invoked).collect()
    }

    /// The history of the clients until `generator` is done, or has handed out `count` operations
    /// and all are answered.
    pub(crate) fn events(&mut self, generator: &mut dyn Generator, count: usize) -> Vec<Event> {
        let mut left = count;
        while left > 0 && self.step(generator, &mut left) {}
        for thread in 0..self.clients.len() {
            if matches!(self.clients[thread].state, State::Open(_)) {
                self.complete(thread, generator);
            }
        }
        let events = std::mem::take(&mut self.events);
        History::from_events(events.clone()).expect("a generator leads to a history");
        events
    }

    /// One client does something; false once the generator is done.
    fn step(&mut self, generator: &mut dyn Generator, left: &mut usize) -> bool {
        let ready = |client: &Client| match client.state {
            State::Free | State::Open(_) => true,
            State::Asleep(until) => until <= self.now,
            State::Waiting => false,
        };
        let threads: Vec<usize> =
            (0..self.clients.len()).filter(|&thread| ready(&self.clients[thread])).collect();
        if threads.is_empty() {
            self.sleep();
            return true;
        }
        let thread = threads[self.order.random_range(0..threads.len())];
        self.now.0 += STEP_NS;
        if matches!(self.clients[thread].state, State::Open(_)) {
            self.complete(thread, generator);
            return true;
        }
        match self.ask(thread, generator) {
            Next::Op(op) => {
                *left -= 1;
                self.clients[thread].state = State::Open(op.clone());
                self.emit(thread, Kind::Invoke { op, due: None, node: None }, generator);
            }
            Next::At(time) => {
                assert!(time > self.now, "told to ask again at {time}, and it is {}", self.now);
                self.clients[thread].state = State::Asleep(time);
            }
            Next::Pending => self.clients[thread].state = State::Waiting,
            Next::Done => return false,
        }
        true
    }

    fn ask(&mut self, thread: usize, generator: &mut dyn Generator) -> Next {
        generator.next(&mut Context {
            time: self.now,
            thread: thread as u32,
            threads: self.clients.len() as u32,
            process: Process(self.clients[thread].process),
            rng: &mut self.rng,
        })
    }

    /// Nobody can do anything: the clock goes on to the first sleeper.
    fn sleep(&mut self) {
        let until = |client: &Client| match client.state {
            State::Asleep(until) => Some(until),
            _ => None,
        };
        self.now = self
            .clients
            .iter()
            .filter_map(until)
            .min()
            .expect("every client waits for an event, and none can come");
    }

    fn complete(&mut self, thread: usize, generator: &mut dyn Generator) {
        let threads = self.clients.len() as u32;
        let state = std::mem::replace(&mut self.clients[thread].state, State::Free);
        let State::Open(op) = state else { panic!("nothing is open") };
        let outcome = (self.answer)(&op);
        let retired = matches!(outcome, Outcome::Info(_));
        self.emit(thread, Kind::Complete(outcome), generator);
        if retired {
            self.clients[thread].process += threads;
        }
    }

    fn emit(&mut self, thread: usize, kind: Kind, generator: &mut dyn Generator) {
        let process = Process(self.clients[thread].process);
        let event = Event { index: self.events.len() as u64, time: self.now, process, kind };
        generator.observe(&event);
        self.events.push(event);
        for client in &mut self.clients {
            if matches!(client.state, State::Waiting) {
                client.state = State::Free;
            }
        }
    }
}

/// Operations `f` on no key, numbered from 1.
pub(crate) fn numbered(f: &'static str) -> Box<dyn Generator> {
    numbers(f, None)
}

/// Operations `f` on `key`, numbered from 1.
pub(crate) fn numbered_on(f: &'static str, key: Key) -> Box<dyn Generator> {
    numbers(f, Some(key))
}

fn numbers(f: &'static str, key: Option<Key>) -> Box<dyn Generator> {
    let mut number = 0;
    Box::new(super::Make(move |_: &mut Context<'_>| {
        number += 1;
        Op { f: F::new(f), key, value: Value::Int(number) }
    }))
}
