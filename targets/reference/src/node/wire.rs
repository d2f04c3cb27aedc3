//! The lines of clients.
//!
//! ```text
//! {"id":17,"client":"9021","seq":17,"op":{"f":"cas","key":"x","value":[1,2]}}
//! {"id":17,"ok":{"value":null,"version":12}}
//! {"id":18,"fail":{"code":"mismatch","text":"found 3"}}
//! {"id":19,"info":{"code":"timeout","text":"the leader did not answer"}}
//! ```

use serde::Deserialize;
use serde_json::{Value, json};

use crate::store::{Answer, Content, Mop, Operation, Request};

#[derive(Deserialize)]
struct Line {
    id: u64,
    client: String,
    seq: u64,
    op: Asked,
}

#[derive(Deserialize)]
struct Asked {
    f: String,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Value,
}

/// A line to a client, and the word for what it says.
pub(super) struct Reply {
    /// ok, fail or info.
    pub outcome: &'static str,
    /// The line, with its end.
    pub line: Vec<u8>,
}

impl Reply {
    fn new(outcome: &'static str, id: u64, content: Value) -> Self {
        let mut line = json!({ "id": id, outcome: content }).to_string().into_bytes();
        line.push(b'\n');
        Self { outcome, line }
    }

    fn refused(id: u64, problem: impl std::fmt::Display) -> Self {
        Self::new("fail", id, json!({ "code": "protocol", "text": problem.to_string() }))
    }
}

/// The request of a line, under the client's own number for it.
pub(super) fn parse(line: &[u8]) -> Result<(u64, Request), Reply> {
    let line: Line = serde_json::from_slice(line).map_err(|error| Reply::refused(0, error))?;
    let id = line.id;
    let client = line.client.parse().map_err(|_| Reply::refused(id, "client is no number"))?;
    let operation = operation(line.op).map_err(|problem| Reply::refused(id, problem))?;
    Ok((id, Request { client, sequence: line.seq, operation }))
}

fn operation(asked: Asked) -> Result<Operation, String> {
    if asked.f == "txn" {
        let mops = asked.value.as_array().ok_or("txn: value is an array of micro-operations")?;
        return Ok(Operation::Transact { mops: mops.iter().map(mop).collect::<Result<_, _>>()? });
    }
    let key = asked.key.ok_or_else(|| format!("{}: key is missing", asked.f))?;
    let integer = |value: &Value| value.as_i64().ok_or_else(|| format!("`{value}` is no integer"));
    match asked.f.as_str() {
        "read" => Ok(Operation::Read { key }),
        "read-set" => Ok(Operation::ReadSet { key }),
        "write" => Ok(Operation::Write { key, value: integer(&asked.value)? }),
        "add" => Ok(Operation::Add { key, value: integer(&asked.value)? }),
        "cas" => match asked.value.as_array().map(Vec::as_slice) {
            Some([Value::Null, new]) => {
                Ok(Operation::Cas { key, expected: None, new: integer(new)? })
            }
            Some([expected, new]) => {
                Ok(Operation::Cas { key, expected: Some(integer(expected)?), new: integer(new)? })
            }
            _ => Err("cas: value is [expected, new]".into()),
        },
        other => Err(format!("`{other}` is none of read, write, cas, add, read-set and txn")),
    }
}

fn mop(value: &Value) -> Result<Mop, String> {
    let wrong = || {
        format!(
            "`{value}` is none of [\"append\", key, integer], [\"r\", key, null], [\"w\", key, integer]"
        )
    };
    let [Value::String(f), Value::String(key), argument] =
        value.as_array().map(Vec::as_slice).unwrap_or_default()
    else {
        return Err(wrong());
    };
    let key = key.clone();
    match (f.as_str(), argument.as_i64()) {
        ("r", _) => Ok(Mop::Read { key }),
        ("append", Some(value)) => Ok(Mop::Append { key, value }),
        ("w", Some(value)) => Ok(Mop::Write { key, value }),
        _ => Err(wrong()),
    }
}

/// The line that carries `answer`.
pub(super) fn reply(id: u64, answer: &Answer) -> Reply {
    match answer {
        Answer::Done { content, version } => {
            Reply::new("ok", id, json!({ "value": content_json(content), "version": version }))
        }
        Answer::Mismatch { found } => {
            let found = found.map_or("nothing".to_owned(), |found| found.to_string());
            Reply::new("fail", id, json!({ "code": "mismatch", "text": format!("found {found}") }))
        }
        Answer::Unavailable { why } => {
            Reply::new("fail", id, json!({ "code": "unavailable", "text": why }))
        }
        Answer::Unknown { why } => {
            Reply::new("info", id, json!({ "code": "timeout", "text": why }))
        }
    }
}

fn content_json(content: &Content) -> Value {
    match content {
        Content::Nothing | Content::Register(None) => Value::Null,
        Content::Register(Some(value)) => json!(value),
        Content::Elements(elements) => json!(elements),
        Content::Transaction(done) => done.iter().map(mop_json).collect(),
    }
}

fn mop_json((mop, content): &(Mop, Content)) -> Value {
    match mop {
        Mop::Append { key, value } => json!(["append", key, value]),
        Mop::Write { key, value } => json!(["w", key, value]),
        Mop::Read { key } => json!(["r", key, content_json(content)]),
    }
}
