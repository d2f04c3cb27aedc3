//! The open loop: operations arrive at times that were fixed in advance.
//!
//! Those that find all clients busy wait in a bounded queue; what does not fit is shed, and
//! recorded as such, so that a stalled system can neither lower the offered load nor hide behind
//! an endless queue.

use std::sync::Arc;

use schism_history::{Code, Kind, Outcome, Process, Reason, Time};
use schism_workloads::Next;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::client::Load;
use super::recorder::Pen;

/// The queue between the pacer and the clients.
pub struct Arrivals {
    queue: Mutex<mpsc::Receiver<Time>>,
}

impl Arrivals {
    /// A queue for at most `capacity` waiting arrivals.
    pub fn new(capacity: usize) -> (Arc<Self>, mpsc::Sender<Time>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Arc::new(Self { queue: Mutex::new(receiver) }), sender)
    }

    /// The intended start of the next operation; `None` when no more will come.
    pub async fn next(&self) -> Option<Time> {
        self.queue.lock().await.recv().await
    }

    /// Records as shed what still waits when the load ends.
    pub async fn shed_the_rest(&self, load: &Load, pen: &Pen) {
        let mut queue = self.queue.lock().await;
        queue.close();
        while let Some(due) = queue.recv().await {
            shed(load, pen, due, Process(load.stride - 1));
        }
    }
}

/// Lets operations arrive at `times`, and sheds those for which there is no room.
pub async fn pace(
    times: Vec<Time>,
    queue: mpsc::Sender<Time>,
    load: Arc<Load>,
    pen: Pen,
    stop: CancellationToken,
) {
    let thread = load.stride - 1;
    for due in times {
        tokio::select! {
            () = tokio::time::sleep_until(pen.clock().instant(due)) => {}
            () = stop.cancelled() => return,
        }
        if queue.try_send(due).is_err() {
            shed(&load, &pen, due, Process(thread));
        }
    }
}

/// Records an operation that was offered and never sent. A generator that has nothing to ask at
/// this moment offers nothing.
fn shed(load: &Load, pen: &Pen, due: Time, process: Process) {
    let Next::Op(op) = load.source.next(pen.clock().now(), process.0, process) else { return };
    pen.record(process, Kind::Invoke { op, due: Some(due), node: None });
    let reason = Reason::new(Code::Shed, "no client was free in time");
    pen.record(process, Kind::Complete(Outcome::Fail(reason)));
}
