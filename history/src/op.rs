//! What a client asks of a system: one shape for every workload.

use std::fmt;

use crate::text::{Quoted, Word};
use crate::{Symbol, Time, TraceId};

/// The name of a function: `read`, `write`, `cas`, `add`, `txn` …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct F(pub Symbol);

impl F {
    /// The function named `name`.
    pub fn new(name: &str) -> Self {
        Self(Symbol::new(name))
    }

    /// The function's name.
    pub fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

impl fmt::Display for F {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The object that an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Symbol);

impl Key {
    /// The key named `name`.
    pub fn new(name: &str) -> Self {
        Self(Symbol::new(name))
    }

    /// The key's name.
    pub fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An argument or a result.
///
/// A compare-and-set carries `List([expected, new])`; a transaction carries `Mops`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing: the argument of a read, the content of a register never written.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text.
    Text(Box<str>),
    /// Values in order.
    List(Box<[Value]>),
    /// The list `[offset message]` of two numbers, as the value of an acknowledged [`MopKind::Send`].
    /// Histories hold millions of them, and hold no [`Value::List`] in their place.
    Placed(i64, i64),
    /// The flat list `[offset message offset message …]` of numbers, and not an empty one, as the
    /// value of a [`MopKind::Poll`], held like [`Value::Placed`].
    Polled(Box<[(i64, i64)]>),
    /// Keys with their values, in the order of the file: what a bank read, `{0 100, 1 0}`.
    Map(Box<[(Value, Value)]>),
    /// The micro-operations of a transaction, in order.
    Mops(Box<[Mop]>),
}

/// One micro-operation of a transaction, as `["append", 3, 1]` or `["r", 3, [1]]` in Jepsen's JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mop {
    /// What it does.
    pub kind: MopKind,
    /// The object that it is about.
    pub key: Key,
    /// The value written or appended; for a read the value returned, `Nil` before it returned.
    pub value: Value,
}

/// What a micro-operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MopKind {
    /// Reads the whole object (`r`).
    Read,
    /// Replaces the object (`w`).
    Write,
    /// Appends one element to a list (`append`).
    Append,
    /// Sends one message to a partition of a log (`send`). The value is the message; once it is
    /// acknowledged `List([offset, message])`, where the offset is known, and in a history
    /// [`Value::Placed`] where both are numbers.
    Send,
    /// Polls one partition of a log (`poll`): of the reply the flat list
    /// `[offset, message, offset, message …]`, in a history [`Value::Polled`] where all are numbers;
    /// `Nil` before it returned.
    Poll,
}

impl Mop {
    /// Puts messages and their offsets into the one form in which histories hold them.
    pub(crate) fn compact(&mut self) {
        let Value::List(list) = &self.value else { return };
        match (self.kind, &**list) {
            (MopKind::Send, [Value::Int(offset), Value::Int(message)]) => {
                self.value = Value::Placed(*offset, *message);
            }
            (MopKind::Poll, flat) => {
                if let Some(value) = polled(flat) {
                    self.value = value;
                }
            }
            _ => {}
        }
    }
}

/// Numbers in pairs as [`Value::Polled`]; `None` of any other list.
fn polled(flat: &[Value]) -> Option<Value> {
    let (pairs, rest) = flat.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    let numbers = pairs.iter().map(|pair| match pair {
        [Value::Int(offset), Value::Int(message)] => Some((*offset, *message)),
        _ => None,
    });
    numbers.collect::<Option<_>>().map(Value::Polled)
}

/// One operation: a function, the object that it is about where there is one, and its argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// What to do.
    pub f: F,
    /// What to do it to; `None` for operations on the whole system, such as transactions.
    pub key: Option<Key>,
    /// The argument.
    pub value: Value,
}

impl Op {
    /// The operation `f` on `key` with `value`.
    pub fn new(f: &str, key: Option<&str>, value: Value) -> Self {
        Self { f: F::new(f), key: key.map(Key::new), value }
    }
}

/// An operation on its way to a client.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What is asked.
    pub op: &'a Op,
    /// The index of the invocation in the history.
    pub index: u64,
    /// The moment after which the client must give up and answer `Info` (or `Fail`, if nothing
    /// was sent), on the history's clock.
    pub deadline: Time,
    /// How long that is from now; what a client hands to its timer.
    pub timeout: std::time::Duration,
    /// The identity to pass to the system, where its protocol has a place for one.
    pub trace: TraceId,
}

/// As in the short text of histories: `_`, `3`, `[1 2]`, `[append x 1, r y _]`.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => formatter.write_str("_"),
            Value::Bool(truth) => truth.fmt(formatter),
            Value::Int(number) => number.fmt(formatter),
            Value::Text(text) => Quoted(text).fmt(formatter),
            Value::List(values) => {
                formatter.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    let space = if place == 0 { "" } else { " " };
                    write!(formatter, "{space}{value}")?;
                }
                formatter.write_str("]")
            }
            Value::Placed(offset, message) => write!(formatter, "[{offset} {message}]"),
            Value::Polled(messages) => {
                formatter.write_str("[")?;
                for (place, (offset, message)) in messages.iter().enumerate() {
                    let space = if place == 0 { "" } else { " " };
                    write!(formatter, "{space}{offset} {message}")?;
                }
                formatter.write_str("]")
            }
            Value::Map(entries) => {
                formatter.write_str("{")?;
                for (place, (key, value)) in entries.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{key} {value}")?;
                }
                formatter.write_str("}")
            }
            Value::Mops(mops) => {
                formatter.write_str("[")?;
                for (place, mop) in mops.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    let (kind, key) = (mop.kind.as_str(), Word(mop.key.as_str()));
                    write!(formatter, "{comma}{kind} {key} {}", mop.value)?;
                }
                formatter.write_str("]")
            }
        }
    }
}
