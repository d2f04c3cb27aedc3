//! Records events: indexes are taken by whoever sees something, one thread restores the order.
//!
//! A client takes an index before its request leaves and another after the reply has arrived, so
//! recording costs no round trip, intervals are never widened by a queue (which would hide bugs),
//! and no two events tie. The writer thread holds back an event until all before it are there.

use std::collections::VecDeque;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use schism_history::{Event, FaultMark, Kind, Process, jsonl};

use super::clock::Clock;

/// A killed controller loses at most what came in this time.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// Events on their way to the writer. When the disk is slower than the clients, they wait here,
/// which bounds memory; waiting happens after the event's time was taken.
const QUEUE: usize = 1 << 14;
/// The writer rests so long after it has taken what there was. Whoever records while it rests need
/// not wake it, which costs more than everything else about an event; what observers see is late by
/// less than an answer takes.
const REST: Duration = Duration::from_micros(200);

/// Sees every event in order of index, on the writer's thread.
pub trait Observer: Send {
    /// Takes note of some events that directly follow one another.
    fn observe(&mut self, events: &[Event]);
}

impl Observer for schism_nemesis::Ear {
    fn observe(&mut self, events: &[Event]) {
        self.hear(events);
    }
}

/// The recorder of a run. Cheap to share; [`Recording::finish`] ends it.
pub struct Recorder {
    next: AtomicU64,
    clock: Clock,
    queue: Mutex<Option<SyncSender<Event>>>,
    failure: Mutex<Option<String>>,
}

/// The writer thread of a recorder.
pub struct Recording {
    recorder: Arc<Recorder>,
    writer: JoinHandle<()>,
}

/// A clone of the recorder's queue, for one task: sending takes no lock.
#[derive(Clone)]
pub struct Pen {
    recorder: Arc<Recorder>,
    queue: SyncSender<Event>,
}

impl Recorder {
    /// Creates `path` and starts the thread that writes it.
    pub fn start(
        path: &Path,
        clock: Clock,
        observers: Vec<Box<dyn Observer>>,
    ) -> io::Result<(Recording, Pen)> {
        let file = BufWriter::with_capacity(1 << 18, std::fs::File::create(path)?);
        let mut writer = jsonl::Writer::new(file)?;
        writer.flush()?;
        let (sender, receiver) = sync_channel(QUEUE);
        let recorder = Arc::new(Self {
            next: AtomicU64::new(0),
            clock,
            queue: Mutex::new(Some(sender.clone())),
            failure: Mutex::new(None),
        });
        let scribe = Scribe {
            writer,
            receiver,
            observers,
            waiting: VecDeque::new(),
            base: 0,
            path: path.to_owned(),
            recorder: recorder.clone(),
        };
        let writer =
            std::thread::Builder::new().name("recorder".into()).spawn(move || scribe.run())?;
        let pen = Pen { recorder: recorder.clone(), queue: sender };
        Ok((Recording { recorder, writer }, pen))
    }

    /// Why the history could not be written, if it could not.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().ok()?.clone()
    }
}

impl Recording {
    /// The recorder, for whoever asks about failures.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// Waits until everything is on disk. All pens must have been dropped.
    pub fn finish(self) -> Result<(), String> {
        if let Ok(mut queue) = self.recorder.queue.lock() {
            queue.take();
        }
        if self.writer.join().is_err() {
            return Err("the recorder's thread panicked".into());
        }
        self.recorder.failure().map_or(Ok(()), Err)
    }
}

impl Pen {
    /// Records `kind`, seen by `process` now, and returns its index.
    pub fn record(&self, process: Process, kind: Kind) -> u64 {
        let index = self.recorder.next.fetch_add(1, Ordering::SeqCst);
        let time = self.recorder.clock.now();
        // The writer lives as long as there are pens.
        let _ = self.queue.send(Event { index, time, process, kind });
        index
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.recorder.clock
    }
}

impl schism_nemesis::Recorder for Pen {
    fn record(&self, mark: FaultMark) {
        Pen::record(self, Process::NEMESIS, Kind::Fault(mark));
    }

    fn elapsed(&self) -> Duration {
        self.recorder.clock.elapsed()
    }
}

/// What the writer thread owns.
struct Scribe {
    writer: jsonl::Writer<BufWriter<std::fs::File>>,
    receiver: Receiver<Event>,
    observers: Vec<Box<dyn Observer>>,
    /// Events from index `base` on, with gaps for those that have not come yet.
    waiting: VecDeque<Option<Event>>,
    base: u64,
    path: PathBuf,
    recorder: Arc<Recorder>,
}

impl Scribe {
    fn run(mut self) {
        let mut flushed = Instant::now();
        let mut ready: Vec<Event> = Vec::with_capacity(QUEUE);
        loop {
            let mut full = false;
            match self.receiver.recv_timeout(FLUSH_EVERY) {
                Ok(event) => {
                    self.take(event);
                    full = self.take_the_rest();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.write(&mut ready);
            if flushed.elapsed() >= FLUSH_EVERY {
                self.check(jsonl::Writer::flush);
                flushed = Instant::now();
            }
            if !full {
                std::thread::sleep(REST);
            }
        }
        self.write(&mut ready);
        self.check(jsonl::Writer::flush);
    }

    /// Takes what else has come, so that one lock of each observer serves many events; whether there
    /// is more.
    fn take_the_rest(&mut self) -> bool {
        while let Ok(event) = self.receiver.try_recv() {
            self.take(event);
            if self.waiting.len() >= QUEUE {
                return true;
            }
        }
        false
    }

    fn take(&mut self, event: Event) {
        let place = (event.index - self.base) as usize;
        if place >= self.waiting.len() {
            self.waiting.resize_with(place + 1, || None);
        }
        self.waiting[place] = Some(event);
    }

    /// Writes what is complete from the base on, and shows it to the observers.
    fn write(&mut self, ready: &mut Vec<Event>) {
        while let Some(Some(_)) = self.waiting.front() {
            ready.extend(self.waiting.pop_front().flatten());
            self.base += 1;
        }
        if ready.is_empty() {
            return;
        }
        for event in &*ready {
            self.check(|writer| writer.write(event));
        }
        for observer in &mut self.observers {
            observer.observe(ready);
        }
        ready.clear();
    }

    /// After a failure nothing more is written, since a gap would make another history of it.
    fn check(
        &mut self,
        act: impl FnOnce(&mut jsonl::Writer<BufWriter<std::fs::File>>) -> io::Result<()>,
    ) {
        let Ok(mut failure) = self.recorder.failure.lock() else { return };
        if failure.is_some() {
            return;
        }
        if let Err(error) = act(&mut self.writer) {
            *failure =
                Some(format!("{}: the history cannot be written: {error}", self.path.display()));
        }
    }
}
