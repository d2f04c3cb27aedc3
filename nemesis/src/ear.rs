//! What the nemesis hears of operations: enough to wait for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schism_history::{Code, Event, F, Key, Kind, NodeId, Outcome, Process};
use tokio::sync::oneshot;

/// How far an operation is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Began {
    /// It was begun.
    Begun,
    /// It took effect.
    Ok,
    /// It never will.
    Fail,
    /// Nobody knows.
    Info,
}

/// An operation that is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its function; `None`: any.
    pub(crate) f: Option<F>,
    pub(crate) outcome: Began,
    /// The nodes that were asked; empty: any.
    pub(crate) at: Vec<NodeId>,
    /// It was begun no earlier than at this time of the load.
    pub(crate) since: Duration,
}

/// Hears the events of a run, in their order, and tells those who wait for an operation. Cheap to
/// clone; all clones are one.
#[derive(Clone, Default)]
pub struct Ear(Arc<Mutex<Hearing>>);

#[derive(Default)]
struct Hearing {
    open: HashMap<Process, Open>,
    /// Who was granted which lock and has not begun to give it back, in order of the grants.
    holds: Vec<(Process, Option<Key>)>,
    waiting: Vec<(Wanted, oneshot::Sender<String>)>,
}

struct Open {
    f: F,
    key: Option<Key>,
    node: Option<NodeId>,
    begun: Duration,
}

impl Ear {
    /// Takes note of events that follow one another.
    pub fn hear(&self, events: &[Event]) {
        let mut hearing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            match &event.kind {
                Kind::Invoke { op, node, .. } => {
                    let begun = Duration::from_nanos(event.time.0);
                    let open = Open { f: op.f, key: op.key, node: *node, begun };
                    if op.f.as_str() == "release" {
                        hearing.let_go(event.process, op.key);
                    }
                    hearing.tell(&open, Began::Begun);
                    hearing.open.insert(event.process, open);
                }
                Kind::Complete(outcome) => {
                    let Some(open) = hearing.open.remove(&event.process) else { continue };
                    hearing.learn(event.process, &open, outcome);
                    let outcome = match outcome {
                        Outcome::Ok(_) => Began::Ok,
                        Outcome::Fail(_) => Began::Fail,
                        Outcome::Info(_) => Began::Info,
                    };
                    hearing.tell(&open, outcome);
                }
                Kind::Fault(_) => {}
            }
        }
    }

    /// The processes that hold a lock now, as far as they know, the most recent grant first.
    pub(crate) fn holders(&self) -> Vec<Process> {
        let hearing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hearing.holds.iter().rev().map(|(process, _)| *process).collect()
    }

    /// Comes when such an operation has come so far: what it was, in words.
    pub(crate) fn wait_for(&self, wanted: Wanted) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut hearing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was given up waits no more.
        hearing.waiting.retain(|(_, sender)| !sender.is_closed());
        hearing.waiting.push((wanted, sender));
        receiver
    }
}

impl Hearing {
    /// What the end of an operation says of locks.
    fn learn(&mut self, process: Process, open: &Open, outcome: &Outcome) {
        match outcome {
            Outcome::Ok(_) if open.f.as_str() == "acquire" => {
                self.holds.push((process, open.key));
            }
            // A newer token was seen: it has learnt that the lock is lost.
            Outcome::Fail(reason) if reason.code == Code::Mismatch => {
                self.let_go(process, open.key);
            }
            // Whoever the process was, it is no more.
            Outcome::Info(_) => self.holds.retain(|(holder, _)| *holder != process),
            Outcome::Ok(_) | Outcome::Fail(_) => {}
        }
    }

    /// The process holds this lock no more.
    fn let_go(&mut self, process: Process, key: Option<Key>) {
        self.holds.retain(|hold| *hold != (process, key));
    }

    fn tell(&mut self, open: &Open, outcome: Began) {
        let meant = |wanted: &Wanted| {
            wanted.outcome == outcome
                && wanted.f.is_none_or(|f| f == open.f)
                && (wanted.at.is_empty() || open.node.is_some_and(|at| wanted.at.contains(&at)))
                && open.begun >= wanted.since
        };
        if !self.waiting.iter().any(|(wanted, _)| meant(wanted)) {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        for (wanted, sender) in waiting {
            if meant(&wanted) {
                let at = open.node.map_or_else(String::new, |node| format!(" at {node}"));
                // Whoever was given up waits no more.
                let _ = sender.send(format!("{}{at} {}", open.f, outcome.word()));
            } else {
                self.waiting.push((wanted, sender));
            }
        }
    }
}

impl Began {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Began::Begun => "begun",
            Began::Ok => "ok",
            Began::Fail => "fail",
            Began::Info => "info",
        }
    }
}

#[cfg(test)]
mod tests {
    use schism_history::{Op, Reply, Time, Value};

    use super::*;

    fn event(at_ms: u64, process: u32, kind: Kind) -> Event {
        let time = Time::from(Duration::from_millis(at_ms));
        Event { index: at_ms, time, process: Process(process), kind }
    }

    fn invoke(at_ms: u64, process: u32, f: &str, node: u16) -> Event {
        let op = Op::new(f, Some("x"), Value::Nil);
        event(at_ms, process, Kind::Invoke { op, due: None, node: Some(NodeId(node)) })
    }

    fn ok(at_ms: u64, process: u32) -> Event {
        let reply = Reply { value: Value::Nil, version: None };
        event(at_ms, process, Kind::Complete(Outcome::Ok(reply)))
    }

    fn wanted(outcome: Began, node: u16) -> Wanted {
        let since = Duration::from_millis(10);
        Wanted { f: Some(F::new("write")), outcome, at: vec![NodeId(node)], since }
    }

    #[test]
    fn waits_for_the_operation_that_was_begun_since_and_at_the_node_meant() {
        let ear = Ear::default();
        let mut heard = ear.wait_for(wanted(Began::Ok, 2));
        ear.hear(&[invoke(5, 1, "write", 2), invoke(11, 2, "write", 3), invoke(12, 3, "read", 2)]);
        ear.hear(&[ok(13, 1), ok(14, 2), ok(15, 3)]);
        assert!(heard.try_recv().is_err(), "too early, elsewhere, another function");
        ear.hear(&[invoke(16, 1, "write", 2)]);
        assert!(heard.try_recv().is_err(), "only begun");
        ear.hear(&[ok(17, 1)]);
        assert_eq!(heard.try_recv().as_deref(), Ok("write at n2 ok"));
    }

    #[test]
    fn knows_who_holds_a_lock() {
        let ear = Ear::default();
        let holders = || ear.holders().iter().map(|holder| holder.0).collect::<Vec<_>>();
        let fail = |at_ms, process| {
            let reason = schism_history::Reason::new(Code::Mismatch, "too old");
            event(at_ms, process, Kind::Complete(Outcome::Fail(reason)))
        };
        let info = |at_ms, process| {
            let reason = schism_history::Reason::new(Code::Timeout, "late");
            event(at_ms, process, Kind::Complete(Outcome::Info(reason)))
        };
        ear.hear(&[invoke(1, 1, "acquire", 1), invoke(2, 2, "acquire", 2), ok(3, 2)]);
        assert_eq!(holders(), [2]);
        ear.hear(&[ok(4, 1), invoke(5, 2, "write", 2), ok(6, 2)]);
        assert_eq!(holders(), [1, 2]);
        // It gives the lock back as soon as it asks for that, and loses it when it hears so.
        ear.hear(&[invoke(7, 1, "release", 1)]);
        assert_eq!(holders(), [2]);
        ear.hear(&[ok(8, 1), invoke(9, 2, "write", 2), fail(10, 2)]);
        assert_eq!(holders(), Vec::<u32>::new());
        ear.hear(&[invoke(11, 3, "acquire", 1), ok(12, 3), invoke(13, 3, "write", 1), info(14, 3)]);
        assert_eq!(holders(), Vec::<u32>::new());
    }

    #[test]
    fn hears_of_an_operation_as_soon_as_it_is_begun() {
        let ear = Ear::default();
        let mut heard = ear.wait_for(wanted(Began::Begun, 2));
        ear.hear(&[invoke(9, 1, "write", 2)]);
        assert!(heard.try_recv().is_err(), "before it was waited for");
        ear.hear(&[invoke(10, 2, "write", 2)]);
        assert_eq!(heard.try_recv().as_deref(), Ok("write at n2 begun"));
    }
}
