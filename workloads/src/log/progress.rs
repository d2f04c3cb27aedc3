//! How far logs are known to reach, and how far each client has read them.

use rustc_hash::FxHashMap;
use schism_history::{Event, F, Key, Kind, Mop, MopKind, Outcome, Process, Value};

use super::Functions;

/// How far logs reach, and who has read how far. A log that is known to reach further than a reader
/// came has no end where the reader found nothing more.
#[derive(Debug, Default)]
pub(super) struct Progress {
    f: Functions,
    /// The furthest offset of each log that any answer named.
    furthest: FxHashMap<Key, i64>,
    /// The logs that each process has chosen itself, and its last offset of each. Whoever newly
    /// chooses a log begins at its beginning, and has read all that came before that offset.
    readers: FxHashMap<Process, FxHashMap<Key, Option<i64>>>,
    /// The assignments that are under way.
    asked: FxHashMap<Process, (F, Vec<Key>)>,
}

impl Progress {
    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &Event) {
        match &event.kind {
            Kind::Invoke { op, .. } if op.f == self.f.assign || op.f == self.f.subscribe => {
                self.asked.insert(event.process, (op.f, keys_of(&op.value)));
            }
            Kind::Complete(outcome) => {
                let asked = self.asked.remove(&event.process);
                match (outcome, asked) {
                    (Outcome::Ok(_), Some((f, keys))) => self.assign(event.process, f, keys),
                    (Outcome::Ok(reply), None) => self.learn(event.process, &reply.value),
                    (Outcome::Info(_), _) => {
                        self.readers.remove(&event.process);
                    }
                    (Outcome::Fail(_), _) => {}
                }
            }
            _ => {}
        }
    }

    fn assign(&mut self, process: Process, f: F, keys: Vec<Key>) {
        let before = self.readers.remove(&process).unwrap_or_default();
        if f == self.f.assign {
            let kept = |key: Key| (key, before.get(&key).copied().flatten());
            self.readers.insert(process, keys.into_iter().map(kept).collect());
        }
    }

    fn learn(&mut self, process: Process, answer: &Value) {
        let Value::Mops(mops) = answer else { return };
        for mop in mops {
            let Some(offset) = offset_of(mop) else { continue };
            let furthest = self.furthest.entry(mop.key).or_insert(offset);
            *furthest = offset.max(*furthest);
            let place = self.readers.get_mut(&process).and_then(|logs| logs.get_mut(&mop.key));
            if let Some(place) = place.filter(|_| mop.kind == MopKind::Poll) {
                *place = (*place).max(Some(offset));
            }
        }
    }

    /// Whether the process has read the log as far as anybody knows it to reach.
    pub(super) fn has_reached(&self, process: Process, key: Key) -> bool {
        let place = self.readers.get(&process).and_then(|logs| logs.get(&key).copied().flatten());
        self.furthest.get(&key).copied() <= place
    }
}

fn keys_of(value: &Value) -> Vec<Key> {
    let Value::List(list) = value else { return Vec::new() };
    let key = |name: &Value| match name {
        Value::Text(name) => Some(Key::new(name)),
        _ => None,
    };
    list.iter().filter_map(key).collect()
}

/// The last offset that an answer names: of a message sent, or of those polled.
fn offset_of(mop: &Mop) -> Option<i64> {
    match &mop.value {
        Value::Placed(offset, _) => Some(*offset),
        Value::Polled(messages) => messages.last().map(|(offset, _)| *offset),
        Value::List(list) => match list.as_chunks::<2>().0.last()? {
            [Value::Int(offset), _] => Some(*offset),
            _ => None,
        },
        _ => None,
    }
}
