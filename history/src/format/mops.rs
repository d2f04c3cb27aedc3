//! Micro-operations, in the shapes in which Jepsen's workloads write them.
//!
//! ```text
//! [:r 3 [1 2]]   [:w :x 7]   [:append 3 1]      also [:read :x nil] and [:write :x 7]
//! [:send 0 7]                the message 7 for the partition 0; acknowledged: [:send 0 [12 7]]
//! [:poll]                    before it returned
//! [:poll {0 [[12 7] [13 8]], 1 []}]      what it returned, per partition
//! ```
//!
//! A poll that returned messages of several partitions becomes one micro-operation per partition,
//! with the flat list `[12 7 13 8]`; one that returned no partition at all keeps the empty key and
//! has an empty list. What was not returned yet is nil.

use super::form::{Notation, Scan, Scanner};
use super::keys::Keys;
use crate::{Key, Mop, MopKind, Value};

impl Value {
    /// The value with lists of the shape `["append", key, value]` read as micro-operations, or
    /// `None` if it is no transaction.
    pub fn into_mops(self) -> Option<Value> {
        let Value::List(items) = self else { return None };
        let mut mops = Vec::with_capacity(items.len());
        for item in items {
            let Value::List(parts) = item else { return None };
            let mut parts = parts.into_iter();
            let Some(Value::Text(word)) = parts.next() else { return None };
            let kind = MopKind::named(&word)?;
            let (first, second) = (parts.next(), parts.next());
            if parts.next().is_some() {
                return None;
            }
            push(&mut mops, kind, first, second, &mut |key| Some(Key::new(&name_of(key)?)))?;
        }
        Some(Value::Mops(mops.into()))
    }
}

/// The text under which `value` is a key; `None` for nil and for truth values.
pub(super) fn name_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Nil | Value::Bool(_) => None,
        value => Some(value.to_string()),
    }
}

/// Appends the micro-operation of `kind` with what stood behind its name; `None` if it is none.
fn push(
    mops: &mut Vec<Mop>,
    kind: MopKind,
    first: Option<Value>,
    second: Option<Value>,
    key: &mut impl FnMut(&Value) -> Option<Key>,
) -> Option<()> {
    match (kind, first, second) {
        (kind, Some(name), Some(value)) => mops.push(Mop { kind, key: key(&name)?, value }),
        (MopKind::Poll, None, None) => {
            mops.push(Mop { kind, key: Key::new(""), value: Value::Nil });
        }
        (MopKind::Poll, Some(Value::Map(partitions)), None) => {
            if partitions.is_empty() {
                mops.push(Mop { kind, key: Key::new(""), value: Value::List(Box::new([])) });
            }
            for (name, messages) in partitions {
                mops.push(Mop { kind, key: key(&name)?, value: flattened(messages)? });
            }
        }
        _ => return None,
    }
    Some(())
}

/// `[[12 7] [13 8]]` as `[12 7 13 8]`.
fn flattened(messages: Value) -> Option<Value> {
    let Value::List(messages) = messages else { return None };
    let mut flat = Vec::with_capacity(messages.len() * 2);
    for message in messages {
        let Value::List(pair) = message else { return None };
        flat.extend(<[Value; 2]>::try_from(pair.into_vec()).ok()?);
    }
    Some(Value::List(flat.into()))
}

impl Scanner<'_> {
    /// The value that stands here, micro-operations if it has their shape.
    ///
    /// They are read without the lists and texts that a plain value would be made of, which is
    /// what most of the time would otherwise go into.
    pub fn value_or_mops(&mut self, keys: &mut Keys) -> Scan<Value> {
        self.skip_space()?;
        let start = self.at;
        if self.need()? == b'['
            && let Some(mops) = self.mops(keys)?
        {
            return Ok(Value::Mops(mops.into()));
        }
        self.at = start;
        self.value(0)
    }

    /// `None` if this is no transaction; the place is then anywhere.
    fn mops(&mut self, keys: &mut Keys) -> Scan<Option<Vec<Mop>>> {
        self.at += 1;
        let mut mops = Vec::new();
        while !self.closes(b']', mops.is_empty())? {
            if self.need()? != b'[' {
                return Ok(None);
            }
            self.at += 1;
            if self.closes(b']', true)? {
                return Ok(None);
            }
            let Some(kind) = self.mop_kind()? else { return Ok(None) };
            let (mut parts, mut found) = ([None, None], 0);
            while !self.closes(b']', false)? {
                let Some(part) = parts.get_mut(found) else { return Ok(None) };
                *part = Some(self.value(2)?);
                found += 1;
            }
            let [first, second] = parts;
            if push(&mut mops, kind, first, second, &mut |key| keys.key(key)).is_none() {
                return Ok(None);
            }
        }
        // An empty list is a transaction only where the function says so.
        Ok(Some(mops).filter(|mops| !mops.is_empty()))
    }

    fn mop_kind(&mut self) -> Scan<Option<MopKind>> {
        match (self.need()?, self.notation) {
            (b'"', _) => Ok(MopKind::named(&self.text()?)),
            (b':', Notation::Edn) => {
                self.at += 1;
                Ok(MopKind::named(self.name()?))
            }
            _ => Ok(None),
        }
    }
}
