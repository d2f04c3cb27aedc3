//! The open loop: operations arrive at times that were fixed in advance.
//!
//! Those that find all clients busy wait in a bounded queue; what does not fit is shed, and
//! recorded as such, so that a stalled system can neither lower the offered load nor hide behind
//! an endless queue. Every arrival that came due is accounted for: sent, or shed.

use std::sync::{Arc, Mutex as Plain};

use schism_history::{Code, Kind, Outcome, Process, Reason, Time};
use schism_workloads::Next;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::client::Load;
use super::recorder::Pen;

/// The queue between the pacer and the clients.
pub struct Arrivals {
    queue: Mutex<mpsc::Receiver<Time>>,
    /// Taken from the queue by a client that was stopped before it asked for anything.
    returned: Plain<Vec<Time>>,
}

impl Arrivals {
    /// A queue for at most `capacity` waiting arrivals.
    pub fn new(capacity: usize) -> (Arc<Self>, mpsc::Sender<Time>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Arc::new(Self { queue: Mutex::new(receiver), returned: Plain::default() }), sender)
    }

    /// The intended start of the next operation; `None` when no more will come.
    pub async fn next(&self) -> Option<Time> {
        self.queue.lock().await.recv().await
    }

    /// Takes back an arrival that was not used.
    pub fn give_back(&self, due: Time) {
        if let Ok(mut returned) = self.returned.lock() {
            returned.push(due);
        }
    }

    /// Records as shed what still waits when the load has ended.
    pub async fn shed_the_rest(&self, shedder: Shedder) {
        let returned = self.returned.lock().map(|mut due| std::mem::take(&mut *due));
        for due in returned.unwrap_or_default() {
            shedder.shed(due);
        }
        let mut queue = self.queue.lock().await;
        queue.close();
        while let Some(due) = queue.recv().await {
            shedder.shed(due);
        }
    }
}

/// Records operations that were offered and never sent, as a process of its own. There is one of it,
/// and it is handed on, since two that write as one process would make the history malformed.
pub struct Shedder {
    load: Arc<Load>,
    pen: Pen,
    process: Process,
}

impl Shedder {
    /// The shedder of a run: the last number of the stride is its process.
    pub fn new(load: Arc<Load>, pen: Pen) -> Self {
        let process = Process(load.stride - 1);
        Self { load, pen, process }
    }

    /// A generator that has nothing to ask at this moment offers nothing.
    fn shed(&self, due: Time) {
        let process = self.process;
        let Next::Op(op) = self.load.source.next(self.pen.clock().now(), process.0, process) else {
            return;
        };
        self.pen.record(process, Kind::Invoke { op, due: Some(due), node: None });
        let reason = Reason::new(Code::Shed, "no client was free in time");
        self.pen.record(process, Kind::Complete(Outcome::Fail(reason)));
    }
}

/// Lets operations arrive at `times`, and sheds those for which there is no room. Whoever stops it
/// gets the shedder back, after what had come due until then was shed.
pub async fn pace(
    times: Vec<Time>,
    queue: mpsc::Sender<Time>,
    shedder: Shedder,
    stop: CancellationToken,
) -> Shedder {
    let clock = shedder.pen.clock();
    let mut times = times.into_iter();
    for due in times.by_ref() {
        tokio::select! {
            () = tokio::time::sleep_until(clock.instant(due)) => {}
            () = stop.cancelled() => {
                if due <= clock.now() {
                    shedder.shed(due);
                }
                break;
            }
        }
        if queue.try_send(due).is_err() {
            shedder.shed(due);
        }
    }
    let now = clock.now();
    times.take_while(|due| *due <= now).for_each(|due| shedder.shed(due));
    shedder
}
