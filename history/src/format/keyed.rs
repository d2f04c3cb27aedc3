//! Histories of many independent objects, whose key stands in the value: `:value [k v]`.
//!
//! Jepsen's `independent` runs one workload per key and wraps each value into a pair with it.
//! Nothing in a history says so but the values themselves, and pairs are arguments, too: of a
//! compare-and-set, of a transfer, of sets and queues of pairs. So a history is split only if
//!
//! 1. every invocation of a client, other than of transactions, has a pair whose first is a
//!    number, a name or a text (and none has a `:key` beside its value),
//! 2. every compare-and-set has a pair as the second of its pair: `[k [a b]]`,
//! 3. every ok completion returns a pair with the same key,
//! 4. and some invocation asks without an argument, `[k nil]`: the reads of such a workload.
//!    Pairs that are arguments leave the reads without one.
//!
//! Sets of pairs are kept apart by 1 and 4, since a read of the whole set names no pair; a
//! register of which only compare-and-sets were asked by 2 and 4.

use super::mops::name_of;
use crate::{Event, Key, Kind, Op, Outcome, Value};

/// What speaks for and against keys in the values.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    asked: bool,
    refuted: bool,
}

impl Keyed {
    /// Notes an invocation.
    pub fn invoked(&mut self, op: &Op) {
        if self.refuted || matches!(op.value, Value::Mops(_)) {
            return;
        }
        let Some((_, value)) = pair(&op.value).filter(|_| op.key.is_none()) else {
            self.refuted = true;
            return;
        };
        self.asked |= *value == Value::Nil;
        let compares = matches!(op.f.as_str(), "cas" | "compare-and-set");
        self.refuted = compares && !matches!(value, Value::List(parts) if parts.len() == 2);
    }

    /// Notes what `op` returned.
    pub fn returned(&mut self, op: &Op, value: &Value) {
        if self.refuted || matches!(op.value, Value::Mops(_)) {
            return;
        }
        let key = |value| pair(value).map(|(key, _)| key);
        self.refuted = key(value).is_none() || key(value) != key(&op.value);
    }

    /// Moves the keys from the values to the operations, if that is what they are.
    pub fn split(&self, events: &mut [Event]) {
        if self.refuted || !self.asked {
            return;
        }
        for event in events {
            match &mut event.kind {
                Kind::Invoke { op, .. } => {
                    if let Some((key, value)) = take_pair(&mut op.value) {
                        op.key = Some(key);
                        op.value = value;
                    }
                }
                Kind::Complete(Outcome::Ok(reply)) => {
                    if let Some((_, value)) = take_pair(&mut reply.value) {
                        reply.value = value;
                    }
                }
                _ => {}
            }
        }
    }
}

/// The parts of `value`, if it is a pair of a key and something.
fn pair(value: &Value) -> Option<(&Value, &Value)> {
    let Value::List(parts) = value else { return None };
    match &**parts {
        [key @ (Value::Int(_) | Value::Text(_)), value] => Some((key, value)),
        _ => None,
    }
}

fn take_pair(value: &mut Value) -> Option<(Key, Value)> {
    let Value::List(parts) = value else { return None };
    match &mut **parts {
        [key, value] => Some((Key::new(&name_of(key)?), std::mem::take(value))),
        _ => None,
    }
}
