//! One operation map of Jepsen: `{:process 0, :type :invoke, :f :read, :value nil}`.

use super::form::{Notation, Scan, Scanner, shortened};
use super::keys::Keys;
use crate::{Code, F, Key, NodeId, Reason, Value};

/// What a map says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Kind {
    /// What Jepsen's `:type` names.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "invoke" => Some(Kind::Invoke),
            "ok" => Some(Kind::Ok),
            "fail" => Some(Kind::Fail),
            "info" => Some(Kind::Info),
            _ => None,
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The map names no process.
    Missing,
    /// A client.
    Client(u32),
    /// The nemesis, or whoever else is no client.
    Other,
}

/// One operation map.
#[derive(Debug)]
pub(super) struct Entry {
    /// The line of the file, from 1. A piece counts from its own first line.
    pub line: u64,
    /// The column of its first byte, from 1.
    pub column: usize,
    pub who: Who,
    pub kind: Kind,
    pub f: Option<F>,
    pub key: Option<Key>,
    /// `None` if the map has none.
    pub value: Option<Value>,
    /// Why it did not succeed; of a fail and of an info only.
    pub reason: Option<Reason>,
    pub time: Option<u64>,
    pub index: Option<u64>,
    pub due: Option<u64>,
    pub version: Option<u64>,
    pub node: Option<NodeId>,
}

/// The fields that mean something to a history. The bit of each tells whether it was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Type,
    Process,
    Function,
    Value,
    Time,
    Index,
    Error,
    Key,
    Due,
    Version,
    Node,
    Other,
}

impl Field {
    fn named(name: &[u8]) -> Self {
        match name {
            b"type" => Field::Type,
            b"process" => Field::Process,
            b"f" => Field::Function,
            b"value" => Field::Value,
            b"time" => Field::Time,
            b"index" => Field::Index,
            b"error" => Field::Error,
            b"key" => Field::Key,
            b"due" => Field::Due,
            b"version" => Field::Version,
            b"node" => Field::Node,
            _ => Field::Other,
        }
    }
}

impl Scanner<'_> {
    /// The operation map that stands here.
    pub fn entry(&mut self, keys: &mut Keys) -> Scan<Entry> {
        let start = self.at;
        if self.need()? != b'{' {
            let found = shortened(&String::from_utf8_lossy(&self.bytes[start..][..1])).into_owned();
            return Self::wrong(start, format!("`{found}` where an operation map was expected"));
        }
        self.at += 1;
        let mut entry = Entry::new();
        let (mut kind, mut error) = (None, None);
        let mut seen = 0u16;
        let mut others: Vec<&[u8]> = Vec::new();
        while !self.closes(b'}', seen == 0 && others.is_empty())? {
            let at = self.at;
            let field = self.field()?;
            let name = &self.bytes[at..self.at];
            let repeated = match field {
                Field::Other => others.contains(&name),
                field => seen & (1 << field as u8) != 0,
            };
            if repeated {
                let name = String::from_utf8_lossy(name);
                return Self::wrong(at, format!("the key {} stands twice", shortened(&name)));
            }
            match field {
                Field::Other => others.push(name),
                field => seen |= 1 << field as u8,
            }
            self.between()?;
            let at = self.at;
            if self.need()? == b'}' {
                return Self::wrong(at, "a key without its value");
            }
            match field {
                Field::Value => entry.value = Some(self.value_or_mops(keys)?),
                Field::Type => kind = Some((at, self.value(1)?)),
                Field::Error => error = Some(self.value(1)?),
                Field::Function => entry.f = self.function(keys)?,
                Field::Process => entry.who = self.who()?,
                Field::Key => entry.key = self.key(keys)?,
                Field::Time => entry.time = self.nanoseconds("time")?,
                Field::Due => entry.due = self.nanoseconds("due")?,
                Field::Index => entry.index = self.count()?,
                Field::Version => entry.version = self.count()?,
                Field::Node => entry.node = self.node()?,
                Field::Other => drop(self.value(1)?),
            }
        }
        if entry.who == Who::Other {
            return Ok(entry);
        }
        entry.kind = Self::kind(start, kind)?;
        if matches!(entry.kind, Kind::Fail | Kind::Info) {
            entry.reason = Some(error.map_or_else(|| Reason::new(Code::Other, ""), reason));
        }
        Ok(entry)
    }

    /// The field that is named here.
    fn field(&mut self) -> Scan<Field> {
        let at = self.at;
        match (self.need()?, self.notation) {
            (b':', Notation::Edn) => {
                self.at += 1;
                Ok(Field::named(self.name()?.as_bytes()))
            }
            (b'"', _) => Ok(Field::named(self.text()?.as_bytes())),
            (_, Notation::Edn) => self.value(1).map(|_| Field::Other),
            (_, Notation::Json) => Self::wrong(at, "expected a key in quotes"),
        }
    }

    fn kind(start: usize, kind: Option<(usize, Value)>) -> Scan<Kind> {
        let Some((at, kind)) = kind else {
            let wanted = "an operation without its type: invoke, ok, fail or info";
            return Self::wrong(start, wanted);
        };
        let known = match &kind {
            Value::Text(word) => Kind::named(word),
            _ => None,
        };
        known.map_or_else(
            || {
                let kind = kind.to_string();
                let kind = shortened(&kind);
                Self::wrong(at, format!("type {kind} is none of invoke, ok, fail and info"))
            },
            Ok,
        )
    }

    fn function(&mut self, keys: &mut Keys) -> Scan<Option<F>> {
        let at = self.at;
        if self.need()? == b':' && self.notation == Notation::Edn {
            self.at += 1;
            return Ok(Some(keys.function(self.name()?)));
        }
        match self.value(1)? {
            Value::Nil => Ok(None),
            Value::Text(name) => Ok(Some(keys.function(&name))),
            other => Self::wrong(at, format!("the function {other} is no name")),
        }
    }

    fn who(&mut self) -> Scan<Who> {
        let at = self.at;
        match self.value(1)? {
            Value::Nil => Ok(Who::Missing),
            Value::Int(number) => {
                let client = u32::try_from(number).ok().filter(|&client| client < FIRST_FRESH);
                let wanted = "a process is a number from 0 to 2^31 - 1";
                let wrong = || Self::wrong(at, format!("process {number}; {wanted}"));
                client.map_or_else(wrong, |client| Ok(Who::Client(client)))
            }
            // Some writers of JSON put every number in quotes.
            Value::Text(name) => Ok(match name.parse() {
                Ok(number) if number < FIRST_FRESH => Who::Client(number),
                _ => Who::Other,
            }),
            other => Self::wrong(at, format!("process {other} is neither a number nor a name")),
        }
    }

    fn key(&mut self, keys: &mut Keys) -> Scan<Option<Key>> {
        let value = self.value(1)?;
        Ok(keys.key(&value))
    }

    /// Nanoseconds; times before the beginning are the beginning.
    fn nanoseconds(&mut self, what: &str) -> Scan<Option<u64>> {
        let at = self.at;
        match self.value(1)? {
            Value::Nil => Ok(None),
            Value::Int(number) => Ok(Some(u64::try_from(number).unwrap_or(0))),
            // A float: the text that stands in the file.
            Value::Text(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
                Ok(text.parse::<f64>().ok().map(|number| number.max(0.0) as u64))
            }
            other => Self::wrong(at, format!("{what} {other} is no number of nanoseconds")),
        }
    }

    fn count(&mut self) -> Scan<Option<u64>> {
        // What other tools put here is their own affair.
        Ok(match self.value(1)? {
            Value::Int(number) => u64::try_from(number).ok(),
            _ => None,
        })
    }

    fn node(&mut self) -> Scan<Option<NodeId>> {
        Ok(match self.value(1)? {
            Value::Text(name) => name.parse().ok(),
            _ => None,
        })
    }
}

/// From here on processes are numbered that a file gave no number of its own.
pub(super) const FIRST_FRESH: u32 = 1 << 31;

impl Entry {
    /// A map of nobody that says nothing.
    pub fn new() -> Self {
        Self {
            line: 1,
            column: 1,
            who: Who::Missing,
            kind: Kind::Info,
            f: None,
            key: None,
            value: None,
            reason: None,
            time: None,
            index: None,
            due: None,
            version: None,
            node: None,
        }
    }
}

/// The reason that `error` gives: one of our classes where it names one, else what it says.
pub(super) fn reason(error: Value) -> Reason {
    let class = |code: &str| Code::ALL.into_iter().find(|known| known.as_str() == code);
    match &error {
        Value::Nil => Reason::new(Code::Other, ""),
        Value::Text(text) => Reason::new(Code::Other, text.clone()),
        Value::List(parts) => match &**parts {
            [Value::Text(code), Value::Text(text)] => match class(code) {
                Some(code) => Reason::new(code, text.clone()),
                None => Reason::new(Code::Other, format!("{code}: {text}")),
            },
            _ => Reason::new(Code::Other, error.to_string()),
        },
        _ => Reason::new(Code::Other, error.to_string()),
    }
}
