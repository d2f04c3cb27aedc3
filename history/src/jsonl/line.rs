//! One line of the file, on its way into or out of an [`Event`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::{
    Code, Event, Evidence, F, FaultId, FaultMark, Key, Kind, Mop, NodeId, Op, Outcome, Phase,
    Process, Reason, Reply, Time, Value,
};

/// The fields of a line. Everything that is borrowed stays in the line's own buffer.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    index: u64,
    time: u64,
    #[serde(borrow)]
    process: Field<'a>,
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    f: Option<Text<'a>>,
    #[serde(borrow, default)]
    key: Option<Field<'a>>,
    #[serde(borrow, default)]
    value: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a serde_json::value::RawValue>,
    #[serde(default)]
    due: Option<u64>,
    #[serde(borrow, default)]
    node: Option<Text<'a>>,
    #[serde(default)]
    version: Option<u64>,
}

/// A text that stays in the line unless it has escapes. (An optional `Cow` is always copied.)
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A number, or a text. Read by hand: it stands on every line, and serde's untagged enums copy.
enum Field<'a> {
    Number(i64),
    Text(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number or a text")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Field<'de>, E> {
        let number = i64::try_from(number).map_err(|_| E::custom("a number beyond 2^63"))?;
        Ok(Field::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Code(#[serde(borrow)] [Cow<'a, str>; 1]),
    Pair(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>),
}

/// The `value` of a fault's mark.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkValue<'a> {
    pub fault: FaultId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victims: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injection: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

impl Line<'_> {
    /// The event, or what is wrong with the line.
    pub(super) fn into_event(self) -> Result<Event, String> {
        let (process, kind) = match &self.process {
            Field::Text(name) if name == "nemesis" => (Process::NEMESIS, Kind::Fault(self.mark()?)),
            Field::Text(name) => {
                return Err(format!("process `{name}` is neither a number nor nemesis"));
            }
            Field::Number(number) => {
                let number = u32::try_from(*number).ok().filter(|&number| number < u32::MAX);
                let wanted = "a process is a number from 0 to 2^32 - 2";
                (Process(number.ok_or(wanted)?), self.client_kind()?)
            }
        };
        Ok(Event { index: self.index, time: Time(self.time), process, kind })
    }

    fn f(&self) -> Option<&str> {
        self.f.as_ref().map(|f| &*f.0)
    }

    fn client_kind(&self) -> Result<Kind, String> {
        let completion = match &*self.kind.0 {
            "invoke" => {
                let f = self.f().ok_or("an invocation names its function in `f`")?;
                let key = self.key.as_ref().map(|key| match key {
                    Field::Text(text) => Key::new(text),
                    Field::Number(number) => Key::new(&number.to_string()),
                });
                let node = self
                    .node
                    .as_ref()
                    .map(|node| &*node.0)
                    .map(str::parse::<NodeId>)
                    .transpose()?;
                let op = Op { f: F::new(f), key, value: self.value()? };
                return Ok(Kind::Invoke { op, due: self.due.map(Time), node });
            }
            "ok" => Outcome::Ok(Reply { value: self.value()?, version: self.version }),
            "fail" => Outcome::Fail(self.reason()),
            "info" => Outcome::Info(self.reason()),
            other => {
                return Err(format!("type `{other}` is none of invoke, ok, fail and info"));
            }
        };
        Ok(Kind::Complete(completion))
    }

    fn value(&self) -> Result<Value, String> {
        let Some(raw) = self.value else { return Ok(Value::Nil) };
        let text = raw.get();
        // Most values are small numbers or null: they need no second parser.
        if text == "null" {
            return Ok(Value::Nil);
        }
        if let Ok(number) = text.parse() {
            return Ok(Value::Int(number));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("value: {error}"))?;
        if self.f() == Some("txn") {
            let wanted = "value: a txn is an array of [\"append\"|\"r\"|\"w\", key, value]";
            return value.into_mops().map(compacted).ok_or_else(|| wanted.into());
        }
        // Other functions may be transactions, too: the sends and polls of a log.
        if text.starts_with("[[\"")
            && let Some(mops) = value.clone().into_mops()
        {
            return Ok(compacted(mops));
        }
        Ok(value)
    }

    fn reason(&self) -> Reason {
        let Some(raw) = self.error else { return Reason::new(Code::Other, "") };
        // Other tools have other errors: none of them makes a history unreadable.
        match serde_json::from_str(raw.get()) {
            Ok(ErrorField::Text(text)) => Reason::new(Code::Other, &*text),
            Ok(ErrorField::Code([code])) => coded(&code, ""),
            Ok(ErrorField::Pair(code, text)) => coded(&code, &text),
            Err(_) => Reason::new(Code::Other, raw.get()),
        }
    }

    fn mark(&self) -> Result<FaultMark, String> {
        let f = self.f().unwrap_or_default();
        if f == "healed" {
            return Ok(FaultMark::Healed);
        }
        let raw = self.value.ok_or("a mark of the nemesis has a value")?;
        let value: MarkValue<'_> =
            serde_json::from_str(raw.get()).map_err(|error| format!("value: {error}"))?;
        let fault = value.fault;
        match f {
            "fault-start" => Ok(FaultMark::Start {
                fault,
                name: value.name.unwrap_or_default().into(),
                detail: value.detail.unwrap_or_default().into(),
                victims: value
                    .victims
                    .unwrap_or_default()
                    .iter()
                    .map(|node| node.parse())
                    .collect::<Result<_, String>>()?,
                injection: value.injection.unwrap_or_default().into(),
            }),
            "fault-probe" => Ok(FaultMark::Probe {
                fault,
                phase: value.phase.ok_or("a probe's mark names its phase")?,
                evidence: value.evidence.ok_or("a probe's mark has its evidence")?,
            }),
            "fault-step" => Ok(FaultMark::Step {
                fault,
                step: value.step.ok_or("the mark of a step has its number")?,
                detail: value.detail.unwrap_or_default().into(),
                injection: value.injection.unwrap_or_default().into(),
                late_us: value.late_us.unwrap_or_default(),
            }),
            "fault-stop" => Ok(FaultMark::Stop { fault }),
            other => {
                let known = "fault-start, fault-step, fault-probe, fault-stop and healed";
                Err(format!("the nemesis' `{other}` is none of {known}"))
            }
        }
    }
}

fn compacted(mut value: Value) -> Value {
    if let Value::Mops(mops) = &mut value {
        mops.iter_mut().for_each(Mop::compact);
    }
    value
}

fn coded(code: &str, text: &str) -> Reason {
    match Code::ALL.into_iter().find(|known| known.as_str() == code) {
        Some(code) => Reason::new(code, text),
        None if text.is_empty() => Reason::new(Code::Other, code),
        None => Reason::new(Code::Other, format!("{code}: {text}")),
    }
}
