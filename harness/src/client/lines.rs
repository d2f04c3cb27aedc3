//! The lines between the controller and a client that is a process of its own: one JSON object each.
//!
//! docs/clients.md describes them for those who write a client in another language.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schism_history::{Call, Code, F, Key, Op, Outcome, Process, Reason, Reply, TraceId, Value};
use serde::{Deserialize, Deserializer, Serialize};

/// The version of these lines.
pub const VERSION: u32 = 1;

/// The first line that a client is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The client's own name: `c1`.
    pub client: String,
    /// The system, by its name in the table of targets.
    pub target: String,
    /// The target's options as they stand in the plan, or null.
    pub options: serde_json::Value,
    /// All nodes, in order.
    pub nodes: Vec<NodeLine>,
    /// The node that this client speaks to.
    pub node: String,
}

/// A node, as clients know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    /// `n1`.
    pub node: String,
    /// Where it listens.
    pub address: IpAddr,
}

/// What a client says to the first line, once it can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// [`VERSION`].
    pub ready: u32,
}

/// One operation to be done.
#[derive(Debug, Serialize, Deserialize)]
pub struct CallLine<'a> {
    /// The call's number, which its answer bears, too. It rises with every call to this process.
    pub call: u64,
    /// Who asks. When it is another one than before, nothing of the earlier one is left: neither its
    /// connection nor its session.
    pub process: u32,
    /// What to do.
    pub f: &'a str,
    /// To which object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    /// With which argument.
    pub value: Value,
    /// How long the client may wait for an answer, from when it reads this line.
    pub timeout_ms: u64,
    /// Under which name the operation is found in traces: 32 hexadecimal digits.
    pub trace: &'a str,
}

/// What became of an operation.
#[derive(Debug, Serialize, Deserialize)]
struct AnswerLine {
    call: u64,
    #[serde(rename = "type")]
    kind: AnswerKind,
    /// Absent: the argument again.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// A class and words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<(String, String)>,
    /// What the client's real-time clock showed when it wrote this, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock_us: Option<u64>,
}

/// An answer, as the controller takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Which call it answers.
    pub number: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// What the client's real-time clock showed, in microseconds since 1970, where it says so.
    pub clock_us: Option<u64>,
}

/// What this process' real-time clock shows, in microseconds since 1970.
pub fn own_clock_us() -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(now.as_micros()).ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnswerKind {
    Ok,
    Fail,
    Info,
}

/// A null that is there is a value, too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Any of these, as one line.
pub fn line(what: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists of them can always be written.
    let mut line = serde_json::to_vec(what).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The line of a call.
pub fn call_line(number: u64, process: Process, call: &Call<'_>) -> Vec<u8> {
    // A time-out of less than a millisecond is none.
    let timeout_ms = (call.timeout.as_millis() as u64).max(1);
    line(&CallLine {
        call: number,
        process: process.0,
        f: call.op.f.as_str(),
        key: call.op.key.map(Key::as_str),
        value: call.op.value.clone(),
        timeout_ms,
        trace: &call.trace.to_string(),
    })
}

/// A call as the client takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The call's number.
    pub number: u64,
    /// Who asks.
    pub process: Process,
    /// What.
    pub op: Op,
    /// How long the client may wait.
    pub timeout: Duration,
    /// The operation's name in traces.
    pub trace: TraceId,
}

impl Asked {
    /// Reads the line of a call.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let given: CallLine<'_> = serde_json::from_slice(line).map_err(|error| {
            let line = String::from_utf8_lossy(line);
            format!("`{}` is no call: {error}", line.trim())
        })?;
        let trace = u128::from_str_radix(given.trace, 16)
            .map_err(|error| format!("trace `{}`: {error}", given.trace))?;
        let op = Op {
            f: F::new(given.f),
            key: given.key.map(Key::new),
            value: with_mops(given.f, given.value),
        };
        let timeout = Duration::from_millis(given.timeout_ms);
        let (number, process) = (given.call, Process(given.process));
        Ok(Self { number, process, op, timeout, trace: TraceId(trace) })
    }
}

/// A transaction comes as lists, like in a history's file.
fn with_mops(f: &str, value: Value) -> Value {
    let Value::List(items) = &value else { return value };
    let looks = |item: &Value| matches!(item, Value::List(parts) if matches!(parts.first(), Some(Value::Text(_))));
    // An empty transaction is one by its name alone.
    if f != "txn" && !items.first().is_some_and(looks) {
        return value;
    }
    value.clone().into_mops().unwrap_or(value)
}

/// The line of an answer.
pub fn answer_line(number: u64, outcome: &Outcome, clock_us: Option<u64>) -> Vec<u8> {
    let said = |reason: &Reason| (reason.code.as_str().to_owned(), reason.text.to_string());
    let (kind, value, version, error) = match outcome {
        Outcome::Ok(reply) => (AnswerKind::Ok, Some(reply.value.clone()), reply.version, None),
        Outcome::Fail(reason) => (AnswerKind::Fail, None, None, Some(said(reason))),
        Outcome::Info(reason) => (AnswerKind::Info, None, None, Some(said(reason))),
    };
    line(&AnswerLine { call: number, kind, value, version, error, clock_us })
}

/// Reads an answer to `op`: which call it answers, and what became of it.
pub fn read_answer(line: &[u8], op: &Op) -> Result<Answered, String> {
    let answer: AnswerLine = serde_json::from_slice(line).map_err(|error| {
        let said: String = String::from_utf8_lossy(line).trim().chars().take(200).collect();
        format!("said `{said}`, which is no answer: {error}")
    })?;
    let AnswerLine { call, kind, value, version, error, clock_us } = answer;
    let (code, text) = error.unwrap_or_default();
    let reason = || match Code::ALL.into_iter().find(|known| known.as_str() == code) {
        Some(code) => Reason::new(code, &*text),
        None => Reason::new(Code::Other, format!("{code} {text}").trim()),
    };
    let outcome = match kind {
        AnswerKind::Ok => {
            let value = value.unwrap_or_else(|| op.value.clone());
            // What answers a transaction is one.
            let mops = matches!(op.value, Value::Mops(_));
            let shaped = mops.then(|| value.clone().into_mops()).flatten();
            Outcome::Ok(Reply { value: shaped.unwrap_or(value), version })
        }
        AnswerKind::Fail => Outcome::Fail(reason()),
        AnswerKind::Info => Outcome::Info(reason()),
    };
    Ok(Answered { number: call, outcome, clock_us })
}

#[cfg(test)]
mod tests {
    use schism_history::{Mop, MopKind, Time};

    use super::*;

    fn call(op: &Op) -> (String, Asked) {
        let trace = TraceId::derive(1, 2);
        let timeout = Duration::from_secs(8);
        let call = Call { op, index: 9, deadline: Time(0), timeout, trace };
        let line = call_line(17, Process(3), &call);
        let asked = Asked::read(&line).expect("a call");
        (String::from_utf8(line).expect("text"), asked)
    }

    #[test]
    fn a_call_is_read_as_it_was_written() {
        let check = |op: Op, expected: &str| {
            let (line, asked) = call(&op);
            assert!(line.starts_with(expected) && line.ends_with("\"}\n"), "{line}");
            let (number, process) = (asked.number, asked.process);
            assert_eq!((number, process, asked.timeout.as_secs()), (17, Process(3), 8));
            assert_eq!((asked.op, asked.trace), (op, TraceId::derive(1, 2)));
        };
        let pair = Value::List([Value::Int(7), Value::Int(12)].into());
        let expected = r#"{"call":17,"process":3,"f":"write","key":"x","value":[7,12],"timeout_ms":8000,"trace":""#;
        check(Op::new("write", Some("x"), pair), expected);
        let mop = Mop { kind: MopKind::Append, key: Key::new("3"), value: Value::Int(1) };
        let txn = Op::new("txn", None, Value::Mops([mop].into()));
        check(txn, r#"{"call":17,"process":3,"f":"txn","value":[["append","#);
        check(Op::new("txn", None, Value::Mops([].into())), r#"{"call":17,"process":3,"f":"txn","#);
        check(Op::new("read", Some("x"), Value::Nil), r#"{"call":17,"process":3,"f":"read","#);
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let op = Op::new("read", Some("x"), Value::Nil);
        let reason = || Reason::new(Code::Mismatch, "the token 7 is too old");
        for outcome in [
            Outcome::Ok(Reply { value: Value::Int(3), version: Some(33) }),
            Outcome::Ok(Reply { value: Value::Nil, version: None }),
            Outcome::Fail(reason()),
            Outcome::Info(reason()),
        ] {
            let line = answer_line(5, &outcome, Some(7));
            let answered = Answered { number: 5, outcome, clock_us: Some(7) };
            assert_eq!(read_answer(&line, &op), Ok(answered));
        }
    }

    #[test]
    fn takes_what_a_client_in_another_language_may_say() {
        let write = Op::new("write", Some("x"), Value::Int(4));
        let check = |line: &str, expected: Result<Outcome, &str>| {
            let read = read_answer(line.as_bytes(), &write);
            match (read, expected) {
                (Ok(Answered { number: 2, outcome, .. }), Ok(expected)) => {
                    assert_eq!(outcome, expected, "{line}");
                }
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
                (other, _) => panic!("{line}: {other:?}"),
            }
        };
        let again = Reply { value: Value::Int(4), version: None };
        check(r#"{"call": 2, "type": "ok"}"#, Ok(Outcome::Ok(again)));
        let nothing = Reply { value: Value::Nil, version: None };
        check(r#"{"type":"ok","value":null,"call":2,"more":1}"#, Ok(Outcome::Ok(nothing)));
        let own = Reason::new(Code::Other, "E17 odd");
        check(r#"{"call":2,"type":"info","error":["E17","odd"]}"#, Ok(Outcome::Info(own)));
        let silent = Reason::new(Code::Other, "");
        check(r#"{"call":2,"type":"fail"}"#, Ok(Outcome::Fail(silent)));
        check("connected!", Err("said `connected!`, which is no answer"));
        check(r#"{"call":2,"type":"maybe"}"#, Err("unknown variant"));
    }
}
