//! What is there in the end.

use std::collections::VecDeque;
use std::time::Duration;

use schism_history::{Event, Key, Kind, Op, Outcome, Time};

use super::KeysOpened;
use super::handed::Handed;
use crate::{Context, Generator, Next};

/// How often one thread asks for one object before it lets go.
const ATTEMPTS: u32 = 3;

/// How long after a read that did not succeed it is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// With many objects, each is read by fewer threads, so that there are about so many reads in all …
const READS_IN_ALL: usize = 2048;

/// … but never by fewer than this.
const READERS_AT_LEAST: u32 = 3;

/// One object to be read in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalRead {
    /// The read.
    pub op: Op,
    /// How many threads do it; as many as there are, if there are fewer.
    pub readers: u32,
}

/// Every object read once by each of several threads, and then nothing more.
///
/// Threads speak to different nodes, so several readers show whether the nodes agree. Each thread
/// begins with another object. A read that does not succeed is asked again, as an operation of its
/// own in the history, while nobody has read its object: at most three times by one thread. So an
/// election that happens to be going on costs no evidence, and a dead system ends the reads soon.
/// Done when every thread has asked its last read and all are answered.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next, generator::{FinalRead, FinalReads}};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let op = Op::new("read", Some("x"), Value::Nil);
/// let mut reads = FinalReads::new(vec![FinalRead { op: op.clone(), readers: u32::MAX }]);
/// let mut ask = |thread| reads.next(&mut Context::of_thread(thread, 2, &mut rng));
/// assert_eq!(ask(0), Next::Op(op.clone()));
/// assert_eq!(ask(0), Next::Pending, "the other thread has yet to read");
/// assert_eq!(ask(1), Next::Op(op));
/// ```
pub struct FinalReads {
    source: Option<Source>,
    reads: Vec<Object>,
    /// What each thread has yet to ask; empty before the first client asks.
    threads: Vec<VecDeque<Turn>>,
    handed: Handed<(u32, Turn)>,
}

/// Tells what is to be read, when the first client asks.
type Source = Box<dyn FnOnce() -> Vec<FinalRead> + Send>;

struct Object {
    read: FinalRead,
    /// Whether anyone has read it.
    answered: bool,
}

/// One thread's read of one object.
#[derive(Clone, Copy, Debug)]
struct Turn {
    read: u32,
    attempt: u32,
    earliest: Time,
}

impl FinalReads {
    /// Does `reads`.
    pub fn new(reads: Vec<FinalRead>) -> Self {
        Self::later(Box::new(|| reads))
    }

    /// Reads every key that is `opened` when the first client asks, by the operation that `read`
    /// makes: each by all threads, or, with many keys, by fewer, but at least three.
    pub fn of_keys(opened: KeysOpened, read: impl Fn(Key) -> Op + Send + 'static) -> Self {
        Self::later(Box::new(move || {
            let keys = opened.keys();
            let share = READS_IN_ALL / keys.len().max(1);
            let readers = READERS_AT_LEAST.max(share as u32);
            keys.into_iter().map(|key| FinalRead { op: read(key), readers }).collect()
        }))
    }

    fn later(source: Source) -> Self {
        let source = Some(source);
        Self { source, reads: Vec::new(), threads: Vec::new(), handed: Handed::default() }
    }

    /// Deals the reads out: the readers of an object are threads in a row, and the rows begin one
    /// thread further from object to object.
    fn deal(&mut self, threads: u32) {
        self.threads = vec![VecDeque::new(); threads as usize];
        for (number, object) in (0u32..).zip(&self.reads) {
            for reader in 0..object.read.readers.min(threads) {
                let turn = Turn { read: number, attempt: 1, earliest: Time::ZERO };
                self.threads[((number % threads + reader) % threads) as usize].push_back(turn);
            }
        }
        for (thread, turns) in self.threads.iter_mut().enumerate() {
            let length = turns.len();
            turns.rotate_left(if length == 0 { 0 } else { thread % length });
        }
    }

    fn over(&self) -> bool {
        self.handed.all_completed() && self.threads.iter().all(VecDeque::is_empty)
    }
}

impl Generator for FinalReads {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        if let Some(source) = self.source.take() {
            let object = |read| Object { read, answered: false };
            self.reads = source().into_iter().map(object).collect();
            self.deal(context.threads);
        }
        let turns = &mut self.threads[context.thread as usize];
        let moot = |turn: &mut Turn| turn.attempt > 1 && self.reads[turn.read as usize].answered;
        while turns.pop_front_if(moot).is_some() {}
        match turns.front() {
            Some(turn) if turn.earliest > context.time => return Next::At(turn.earliest),
            Some(_) => {}
            None => return if self.over() { Next::Done } else { Next::Pending },
        }
        let turn = turns.pop_front().expect("there is a first");
        let op = self.reads[turn.read as usize].read.op.clone();
        self.handed.hand(context.process, &op, (context.thread, turn));
        Next::Op(op)
    }

    fn observe(&mut self, event: &Event) {
        let Some((thread, turn)) = self.handed.owner(event) else { return };
        let Kind::Complete(outcome) = &event.kind else { return };
        let object = &mut self.reads[turn.read as usize];
        if matches!(outcome, Outcome::Ok(_)) {
            object.answered = true;
        } else if !object.answered && turn.attempt < ATTEMPTS {
            let (attempt, earliest) = (turn.attempt + 1, event.time + PAUSE);
            self.threads[thread as usize].push_back(Turn { attempt, earliest, ..turn });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schism_history::{Code, Reason, Reply, Value};

    use super::*;
    use crate::generator::KeyWindow;
    use crate::generator::driver::Driver;

    fn reads(readers: &[u32]) -> FinalReads {
        let read = |(number, &readers): (usize, &u32)| FinalRead {
            op: Op::new("read", Some(&number.to_string()), Value::Nil),
            readers,
        };
        FinalReads::new(readers.iter().enumerate().map(read).collect())
    }

    /// How often each thread read each object.
    fn count(events: &[Event], threads: u32) -> BTreeMap<(String, u32), usize> {
        let mut counts = BTreeMap::new();
        for event in events {
            if let Kind::Invoke { op, .. } = &event.kind {
                let key = op.key.expect("a read has a key").to_string();
                *counts.entry((key, event.process.0 % threads)).or_default() += 1;
            }
        }
        counts
    }

    #[test]
    fn reads_each_object_by_each_of_its_readers_once() {
        let counts = count(&Driver::new(5, 7).events(&mut reads(&[9, 3, 5, 0]), 1000), 5);
        assert!(counts.values().all(|&count| count == 1));
        let readers = |key: &str| counts.keys().filter(|(of, _)| of == key).count();
        assert_eq!(["0", "1", "2", "3"].map(readers), [5, 3, 5, 0]);
    }

    #[test]
    fn reads_the_keys_that_were_opened_in_the_end() {
        let opened = KeysOpened::default();
        let read = |key: Key| Op::new("read", Some(key.as_str()), Value::Nil);
        let mut few = FinalReads::of_keys(opened.clone(), read);
        let mut many = FinalReads::of_keys(opened.clone(), read);
        let _window = KeyWindow::new(4, None, opened.clone());
        assert_eq!(count(&Driver::new(5, 7).events(&mut few, 9999), 5).len(), 4 * 5);
        let _window = KeyWindow::new(1000, None, opened);
        assert_eq!(count(&Driver::new(5, 7).events(&mut many, 9999), 5).len(), 1000 * 3);
    }

    #[test]
    fn has_nothing_to_do_without_objects() {
        assert!(Driver::new(5, 7).events(&mut reads(&[]), 1000).is_empty());
    }

    #[test]
    fn asks_again_while_nobody_has_read_the_object() {
        for outcome in [Outcome::Fail, Outcome::Info] {
            let mut driver = Driver::new(2, 7);
            driver.answer = Box::new(move |_| outcome(Reason::new(Code::Unavailable, "election")));
            let counts = count(&driver.events(&mut reads(&[2, 2]), 1000), 2);
            assert_eq!(counts.into_values().collect::<Vec<_>>(), [3, 3, 3, 3]);
        }
    }

    #[test]
    fn does_not_insist_once_the_object_was_read() {
        let mut driver = Driver::new(3, 7);
        let mut failures = 2;
        driver.answer = Box::new(move |_| {
            if failures == 0 {
                return Outcome::Ok(Reply::default());
            }
            failures -= 1;
            Outcome::Fail(Reason::new(Code::Refused, "one node is down"))
        });
        let counts = count(&driver.events(&mut reads(&[3]), 1000), 3);
        assert_eq!(counts.into_values().sum::<usize>(), 3);
    }
}
