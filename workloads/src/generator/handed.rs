//! Which operations a generator handed out, found again in the events.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};
use schism_history::{Event, Kind, Op, Outcome, Process};

/// The operations that were handed out and have not completed, each with a tag.
///
/// A generator sees events of operations that others handed out, too, and events may lag behind
/// what was handed out: a client can ask again before its last completion was passed on. So an
/// invocation is taken for ours only if it is that of an operation handed to its process, and a
/// completion only after such an invocation. What was handed to the process before that operation
/// and not invoked never will be, and is forgotten. O(1) an event.
#[derive(Debug)]
pub(crate) struct Handed<T> {
    of: FxHashMap<Process, VecDeque<Entry<T>>>,
    open: usize,
}

#[derive(Debug)]
struct Entry<T> {
    fingerprint: u64,
    invoked: bool,
    tag: T,
}

impl<T> Default for Handed<T> {
    fn default() -> Self {
        Self { of: FxHashMap::default(), open: 0 }
    }
}

impl<T: Copy> Handed<T> {
    /// Notes that `op` was handed to `process`.
    pub(crate) fn hand(&mut self, process: Process, op: &Op, tag: T) {
        let entry = Entry { fingerprint: fingerprint(op), invoked: false, tag };
        self.of.entry(process).or_default().push_back(entry);
        self.open += 1;
    }

    /// Whether every operation that was handed out has completed.
    pub(crate) fn all_completed(&self) -> bool {
        self.open == 0
    }

    /// The tag of the operation that `event` invokes or completes, if it was handed out here.
    pub(crate) fn owner(&mut self, event: &Event) -> Option<T> {
        match &event.kind {
            Kind::Invoke { op, .. } => {
                let entries = self.of.get_mut(&event.process)?;
                let print = fingerprint(op);
                let place = entries.iter().position(|entry| entry.fingerprint == print)?;
                self.open -= entries.drain(..place).count();
                let entry = entries.front_mut()?;
                entry.invoked = true;
                Some(entry.tag)
            }
            Kind::Complete(outcome) => {
                let entries = self.of.get_mut(&event.process)?;
                let entry = entries.pop_front_if(|entry| entry.invoked)?;
                self.open -= 1;
                // A process is retired by an indeterminate outcome; the next has another number.
                if entries.is_empty() && matches!(outcome, Outcome::Info(_)) {
                    self.of.remove(&event.process);
                }
                Some(entry.tag)
            }
            Kind::Fault(_) => None,
        }
    }
}

/// A hash stands for the operation, so that none need be cloned. Operations handed to one process
/// at one time are few, and those of the workloads are nearly all distinct.
fn fingerprint(op: &Op) -> u64 {
    let mut hasher = FxHasher::default();
    op.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use schism_history::History;

    use super::*;

    fn check(text: &str, expected: &[Option<u8>]) {
        let history = History::from_text(text).expect("the test's text is a history");
        let mut handed = Handed::default();
        let write = |value| Op::new("write", Some("x"), schism_history::Value::Int(value));
        handed.hand(Process(0), &write(1), 1);
        handed.hand(Process(0), &write(2), 2);
        handed.hand(Process(1), &write(3), 3);
        let owners: Vec<_> = history.events().iter().map(|event| handed.owner(event)).collect();
        assert_eq!(owners, expected);
    }

    #[test]
    fn finds_events_that_lag_behind() {
        check(
            "p0 invoke write x 1\np0 ok\np1 invoke write x 3\np0 invoke write x 2\np0 ok\np1 ok",
            &[Some(1), Some(1), Some(3), Some(2), Some(2), Some(3)],
        );
    }

    #[test]
    fn leaves_alone_what_others_handed_out() {
        check(
            "p0 invoke write x 9\np0 ok\np0 invoke write x 1\np2 invoke write x 3\np0 ok",
            &[None, None, Some(1), None, Some(1)],
        );
    }

    #[test]
    fn forgets_what_was_never_invoked() {
        check(
            "p0 invoke write x 2\np0 ok\np0 invoke write x 1\np0 ok",
            &[Some(2), Some(2), None, None],
        );
    }

    #[test]
    fn knows_when_all_have_completed() {
        let mut handed = Handed::default();
        let op = Op::new("read", Some("x"), schism_history::Value::Nil);
        assert!(handed.all_completed());
        handed.hand(Process(0), &op, ());
        let history = History::from_text("p0 invoke read x\np0 info timeout").expect("a history");
        assert!(!handed.all_completed());
        for event in history.events() {
            handed.owner(event);
        }
        assert!(handed.all_completed());
        assert!(handed.of.is_empty());
    }
}
