//! One client of the load: asks its source, records, invokes, records.

use std::sync::Arc;
use std::time::Duration;

use schism_history::{Call, Code, Kind, NodeId, Op, Outcome, Process, Reason, Time, TraceId};
use schism_lab::Node;
use schism_targets::{Client, Cluster, Target};
use schism_workloads::Next;
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::places::Places;
use super::recorder::Pen;
use super::source::Source;
use crate::sabotage::Sabotage;

/// A client that has not answered this long after its time-out is given up: a fault in the client
/// itself must not hang a run.
const GRACE: Duration = Duration::from_secs(2);
/// How long a client of a closed loop waits after a node has refused it, and after its library has given
/// it up: whoever is fatal again and again costs a new connection each time.
const PAUSE_WHEN_REFUSED: Duration = Duration::from_millis(10);
const PAUSE_WHEN_FATAL: Duration = Duration::from_millis(200);

/// What all clients of a run have in common.
pub struct Load {
    /// The system.
    pub target: Arc<dyn Target>,
    /// Its nodes.
    pub cluster: Cluster,
    /// What to ask.
    pub source: Source,
    /// How long a client waits for an answer.
    pub timeout: Duration,
    /// Clients, plus one number for what is shed; the step from a retired process to the next.
    pub stride: u32,
    /// Names the run in traces.
    pub run: u64,
    /// Where clients are processes of their own; otherwise they live in the controller.
    pub places: Option<Arc<Places>>,
    /// How the run is cheated, if it is.
    pub sabotage: Option<Sabotage>,
}

/// A thread of the load, with the process under which it now goes.
pub struct Worker {
    load: Arc<Load>,
    pen: Pen,
    thread: u32,
    process: Process,
    node: Option<Node>,
    client: Option<Box<dyn Client>>,
    /// The life of the client's own process under which `process` asks, where it has one.
    life: Option<u32>,
    completed: u64,
}

impl Worker {
    /// The worker of `thread`. Threads are dealt to the nodes in turn.
    pub fn new(load: Arc<Load>, pen: Pen, thread: u32) -> Self {
        let nodes: Vec<Node> = load.cluster.nodes().cloned().collect();
        let node = (!nodes.is_empty()).then(|| nodes[thread as usize % nodes.len()].clone());
        let (process, client, life) = (Process(thread), None, None);
        Self { load, pen, thread, process, node, client, life, completed: 0 }
    }

    /// How many operations it has recorded to their ends.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Works until the source or the arrivals end, or `stop` is given; an operation that is under
    /// way is finished first. Returns itself, to go on in the next phase of the run.
    pub async fn work(mut self, arrivals: Option<Arc<Arrivals>>, stop: CancellationToken) -> Self {
        loop {
            if !self.is_there(&stop).await {
                return self;
            }
            let due = match &arrivals {
                None => None,
                Some(arrivals) => tokio::select! {
                    due = arrivals.next() => match due {
                        Some(due) => Some(due),
                        None => return self,
                    },
                    () = stop.cancelled() => return self,
                },
            };
            let Some(op) = self.ask(&stop).await else {
                if let (Some(arrivals), Some(due)) = (arrivals, due) {
                    arrivals.give_back(due);
                }
                return self;
            };
            let pause = self.perform(op, due).await;
            if let (Some(pause), None) = (pause, due) {
                // In a closed loop nothing else keeps a client from asking a dead node in vain
                // thousands of times a second.
                tokio::time::sleep(pause).await;
            }
            // A client inside the controller never waits for anything: without this it would keep
            // timers, and whoever is to stop it, from running.
            tokio::task::consume_budget().await;
        }
    }

    /// Waits until the client's process, if it has one, runs and is idle; `false` if `stop` came
    /// first. After a death it is another client, which holds nothing of what the one before held.
    async fn is_there(&mut self, stop: &CancellationToken) -> bool {
        let Some(places) = &self.load.places else { return true };
        let patience = self.load.timeout + GRACE;
        let Some(life) = places.ready(self.thread, patience, stop).await else { return false };
        if self.life.replace(life).is_some_and(|before| before != life) && self.client.is_some() {
            self.retire();
        }
        true
    }

    fn retire(&mut self) {
        self.process = Process(self.process.0 + self.load.stride);
        self.client = None;
    }

    async fn ask(&mut self, stop: &CancellationToken) -> Option<Op> {
        loop {
            if stop.is_cancelled() {
                return None;
            }
            match self.load.source.next(self.pen.clock().now(), self.thread, self.process) {
                Next::Op(op) => return Some(op),
                Next::Done => return None,
                Next::Pending => self.load.source.news().await,
                Next::At(time) => tokio::select! {
                    () = tokio::time::sleep_until(self.pen.clock().instant(time)) => {}
                    () = stop.cancelled() => return None,
                },
            }
        }
    }

    /// Does one operation; how long to wait before the next, where nobody was there to take it.
    async fn perform(&mut self, op: Op, due: Option<Time>) -> Option<Duration> {
        let node = self.node.as_ref().map(|node| NodeId(node.id.0));
        let index = self.pen.record(self.process, Kind::Invoke { op: op.clone(), due, node });
        let outcome = self.invoke(&op, index).await;
        let retired = matches!(outcome, Outcome::Info(_));
        let pause = match &outcome {
            Outcome::Fail(reason) if reason.code == Code::Refused => Some(PAUSE_WHEN_REFUSED),
            Outcome::Fail(reason) | Outcome::Info(reason) if reason.code == Code::Fatal => {
                Some(PAUSE_WHEN_FATAL)
            }
            _ => None,
        };
        self.pen.record(self.process, Kind::Complete(outcome));
        self.completed += 1;
        if retired {
            self.retire();
        }
        pause
    }

    async fn invoke(&mut self, op: &Op, index: u64) -> Outcome {
        let timeout = self.load.timeout;
        if self.client.is_none() {
            match self.connect().await {
                Ok(client) => self.client = Some(client),
                Err(problem) => return Outcome::Fail(Reason::new(Code::Refused, problem)),
            }
        }
        let Some(client) = &mut self.client else {
            unreachable!("the client was connected just above");
        };
        let deadline = self.pen.clock().now() + timeout;
        let trace = TraceId::derive(self.load.run, index);
        let call = Call { op, index, deadline, timeout, trace };
        // Clients inside the controller answer at once: the timer costs more than they do.
        let mut answer = client.invoke(&call);
        let first =
            std::future::poll_fn(|context| std::task::Poll::Ready(answer.as_mut().poll(context)));
        if let std::task::Poll::Ready(outcome) = first.await {
            return outcome;
        }
        match tokio::time::timeout(timeout + GRACE, answer).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Info(Reason::new(
                Code::Timeout,
                "the client did not keep its own time-out",
            )),
        }
    }

    async fn connect(&mut self) -> Result<Box<dyn Client>, String> {
        connect(&self.load, self.node.as_ref(), self.thread, self.process).await
    }
}

/// A client of `thread` for `node`, or for the target inside the controller.
pub async fn connect(
    load: &Load,
    node: Option<&Node>,
    thread: u32,
    process: Process,
) -> Result<Box<dyn Client>, String> {
    let nowhere = nowhere();
    let node = node.unwrap_or(&nowhere);
    let placed = load.places.as_ref().and_then(|places| places.client(thread, process));
    if let Some(client) = placed {
        return Ok(match load.sabotage {
            Some(sabotage) => sabotage.client(client, node),
            None => client,
        });
    }
    let connecting = load.target.connect(&load.cluster, node, process);
    match tokio::time::timeout(load.timeout, connecting).await {
        Ok(client) => client.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no connection within {:?}", load.timeout)),
    }
}

/// The place of targets that stand on no node.
fn nowhere() -> Node {
    Node {
        id: schism_lab::NodeId(0),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        data: std::path::PathBuf::new(),
        logs: std::path::PathBuf::new(),
        platform: schism_lab::Platform {
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
        },
    }
}
