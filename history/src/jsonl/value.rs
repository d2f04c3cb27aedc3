//! Values as JSON: numbers, texts and arrays stand for themselves.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::format::key_of;
use crate::{Mop, MopKind, Value};

impl MopKind {
    /// The word for it in files: `r`, `w`, `append`.
    pub fn as_str(self) -> &'static str {
        match self {
            MopKind::Read => "r",
            MopKind::Write => "w",
            MopKind::Append => "append",
            MopKind::Send => "send",
            MopKind::Poll => "poll",
        }
    }

    /// What the word stands for; some workloads say `read` and `write`.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "r" | "read" => Some(MopKind::Read),
            "w" | "write" => Some(MopKind::Write),
            "append" => Some(MopKind::Append),
            "send" => Some(MopKind::Send),
            "poll" => Some(MopKind::Poll),
            _ => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(values) => serializer.collect_seq(values.iter()),
            Value::Placed(offset, message) => serializer.collect_seq([offset, message]),
            Value::Polled(messages) => serializer
                .collect_seq(messages.iter().flat_map(|(offset, message)| [offset, message])),
            Value::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| {
                let key = match key {
                    Value::Text(text) => text.to_string(),
                    key => key.to_string(),
                };
                (key, value)
            })),
            Value::Mops(mops) => serializer.collect_seq(mops.iter()),
        }
    }
}

impl Serialize for Mop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(3))?;
        sequence.serialize_element(self.kind.as_str())?;
        sequence.serialize_element(self.key.as_str())?;
        sequence.serialize_element(&self.value)?;
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    /// Reads what has the shape of a value; micro-operations come as lists, see
    /// [`Value::into_mops`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("null, a truth value, an integer, a text, or an array or an object of them")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map(Value::Int)
            .map_err(|_| E::custom(format_args!("{number} does not fit into 64 bits with a sign")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            entries.push((key_of(&key), value));
        }
        Ok(Value::Map(entries.into()))
    }
}
