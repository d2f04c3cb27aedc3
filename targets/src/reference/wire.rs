//! The lines between a client and a node: one JSON request, one JSON reply.
//!
//! ```text
//! {"id":17,"client":"9021","seq":17,"op":{"f":"cas","key":"x","value":[1,2]}}
//! {"id":17,"ok":{"value":null,"version":12}}
//! {"id":18,"fail":{"code":"mismatch","text":"found 3"}}
//! {"id":19,"info":{"code":"timeout","text":"not committed in time"}}
//! ```

use schism_history::{Code, Key, Mop, MopKind, Op, Outcome, Reason, Reply, Value};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    client: &'a str,
    seq: u64,
    op: Asked<'a>,
}

#[derive(Serialize)]
struct Asked<'a> {
    f: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Value>,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    ok: Option<Done>,
    fail: Option<Refusal>,
    info: Option<Refusal>,
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    value: Value,
    #[serde(default)]
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    #[serde(default)]
    text: String,
}

/// The line that asks for `op` as the request `seq` of `client`, into `line`.
pub(super) fn write_request(line: &mut Vec<u8>, client: &str, seq: u64, op: &Op) {
    let value = Some(&op.value).filter(|value| **value != Value::Nil);
    let asked = Asked { f: op.f.as_str(), key: op.key.map(Key::as_str), value };
    line.clear();
    serde_json::to_writer(&mut *line, &Request { id: seq, client, seq, op: asked })
        .expect("a request has only text keys, and memory takes every write");
    line.push(b'\n');
}

/// What `line` says became of `op`, the request `seq`; or why it can't be understood.
pub(super) fn read_reply(line: &[u8], seq: u64, op: &Op) -> Result<Outcome, String> {
    let answer: Answer = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if answer.id != seq {
        return Err(format!("an answer to request {} in the place of {seq}", answer.id));
    }
    match (answer.ok, answer.fail, answer.info) {
        (Some(done), None, None) => {
            let value = result(op, done.value)?;
            Ok(Outcome::Ok(Reply { value, version: done.version }))
        }
        (None, Some(refusal), None) => Ok(Outcome::Fail(refusal.into())),
        (None, None, Some(refusal)) => Ok(Outcome::Info(refusal.into())),
        _ => Err("an answer must be one of ok, fail and info".into()),
    }
}

/// Whether `op` can have no effect, so that it may be taken for failed when its answer is lost.
pub(super) fn only_reads(op: &Op) -> bool {
    match (op.f.as_str(), &op.value) {
        ("read" | "read-set", _) => true,
        ("txn", Value::Mops(mops)) => mops.iter().all(|mop| mop.kind == MopKind::Read),
        _ => false,
    }
}

/// The result of `op`, from the value in the answer.
fn result(op: &Op, value: Value) -> Result<Value, String> {
    match (op.f.as_str(), &op.value) {
        ("read", _) => Ok(value),
        ("read-set", _) => match value {
            Value::List(_) => Ok(value),
            Value::Nil => Ok(Value::List([].into())),
            other => Err(format!("{other:?} in the place of a set")),
        },
        ("txn", Value::Mops(asked)) => match value.into_mops() {
            Some(Value::Mops(done)) if answers(&done, asked) => Ok(Value::Mops(done)),
            _ => Err("an answer with other micro-operations than were asked".into()),
        },
        // Writes have no result; the argument stands in for it.
        _ => Ok(op.value.clone()),
    }
}

/// Whether `done` are the micro-operations `asked`, but for what the reads found.
fn answers(done: &[Mop], asked: &[Mop]) -> bool {
    let same = |(done, asked): (&Mop, &Mop)| {
        done.kind == asked.kind
            && done.key == asked.key
            && (asked.kind == MopKind::Read || done.value == asked.value)
    };
    done.len() == asked.len() && done.iter().zip(asked).all(same)
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        let code = Code::ALL.into_iter().find(|code| code.as_str() == refusal.code);
        match code {
            Some(code) => Reason::new(code, refusal.text),
            None => Reason::new(Code::Other, format!("{}: {}", refusal.code, refusal.text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(f: &str, value: Value) -> Op {
        Op::new(f, (f != "txn").then_some("x"), value)
    }

    fn mops(read: Value) -> Value {
        let mop = |kind, value| Mop { kind, key: Key::new("x"), value };
        let append = mop(MopKind::Append, Value::Int(1));
        Value::Mops([append, mop(MopKind::Read, read)].into())
    }

    fn list(elements: &[i64]) -> Value {
        Value::List(elements.iter().map(|&element| Value::Int(element)).collect())
    }

    #[test]
    fn writes_requests_as_lines() {
        let check = |op: Op, expected: &str| {
            let mut line = b"left over".to_vec();
            write_request(&mut line, "9021", 17, &op);
            let expected = format!(r#"{{"id":17,"client":"9021","seq":17,"op":{expected}}}"#);
            assert_eq!(String::from_utf8_lossy(&line), expected + "\n");
        };
        check(op("read", Value::Nil), r#"{"f":"read","key":"x"}"#);
        check(op("cas", list(&[1, 2])), r#"{"f":"cas","key":"x","value":[1,2]}"#);
        check(
            op("txn", mops(Value::Nil)),
            r#"{"f":"txn","value":[["append","x",1],["r","x",null]]}"#,
        );
    }

    fn check(op: &Op, reply: &str, expected: Outcome) {
        assert_eq!(read_reply(reply.as_bytes(), 17, op), Ok(expected), "{reply}");
    }

    fn check_not(op: &Op, reply: &str, problem: &str) {
        let found = read_reply(reply.as_bytes(), 17, op).expect_err(reply);
        assert!(found.contains(problem), "{found}");
    }

    fn ok(value: Value, version: Option<u64>) -> Outcome {
        Outcome::Ok(Reply { value, version })
    }

    #[test]
    fn reads_results() {
        let read = op("read", Value::Nil);
        check(&read, r#"{"id":17,"ok":{"value":4,"version":12}}"#, ok(Value::Int(4), Some(12)));
        check(&read, r#"{"id":17,"ok":{"value":null}}"#, ok(Value::Nil, None));
        let write = op("write", Value::Int(4));
        check(&write, r#"{"id":17,"ok":{}}"#, ok(Value::Int(4), None));
        check(&write, r#"{"id":17,"ok":{"value":null,"version":3}}"#, ok(Value::Int(4), Some(3)));
        let read_set = op("read-set", Value::Nil);
        check(&read_set, r#"{"id":17,"ok":{"value":[2,1]}}"#, ok(list(&[2, 1]), None));
        check(&read_set, r#"{"id":17,"ok":{}}"#, ok(list(&[]), None));
        check(
            &op("txn", mops(Value::Nil)),
            r#"{"id":17,"ok":{"value":[["append","x",1],["r","x",[1]]]}}"#,
            ok(mops(list(&[1])), None),
        );
    }

    #[test]
    fn reads_refusals() {
        let write = op("write", Value::Int(4));
        check(
            &write,
            r#"{"id":17,"fail":{"code":"mismatch","text":"found 3"}}"#,
            Outcome::Fail(Reason::new(Code::Mismatch, "found 3")),
        );
        check(
            &write,
            r#"{"id":17,"info":{"code":"timeout","text":"late"}}"#,
            Outcome::Info(Reason::new(Code::Timeout, "late")),
        );
        check(
            &write,
            r#"{"id":17,"fail":{"code":"tired","text":"later"}}"#,
            Outcome::Fail(Reason::new(Code::Other, "tired: later")),
        );
    }

    #[test]
    fn takes_no_answer_for_another() {
        let write = op("write", Value::Int(4));
        check_not(&write, r#"{"id":16,"ok":{}}"#, "an answer to request 16");
        check_not(&write, r#"{"id":17}"#, "one of ok, fail and info");
        check_not(
            &write,
            r#"{"id":17,"ok":{},"fail":{"code":"other","text":""}}"#,
            "one of ok, fail and info",
        );
        check_not(&write, r#"{"id":17,"ok""#, "EOF");
        check_not(&op("read", Value::Nil), r#"{"id":17,"ok":{"value":1.5}}"#, "integer");
        check_not(&op("read-set", Value::Nil), r#"{"id":17,"ok":{"value":3}}"#, "place of a set");
        let txn = op("txn", mops(Value::Nil));
        for other in
            [r#"[["append","x",2],["r","x",[1]]]"#, r#"[["append","x",1]]"#, "[]", "null", "[1,2]"]
        {
            let reply = format!(r#"{{"id":17,"ok":{{"value":{other}}}}}"#);
            check_not(&txn, &reply, "other micro-operations");
        }
    }

    #[test]
    fn knows_what_can_have_no_effect() {
        let read = Mop { kind: MopKind::Read, key: Key::new("x"), value: Value::Nil };
        assert!(only_reads(&op("read", Value::Nil)));
        assert!(only_reads(&op("read-set", Value::Nil)));
        assert!(only_reads(&op("txn", Value::Mops([read].into()))));
        assert!(!only_reads(&op("txn", mops(Value::Nil))));
        for f in ["write", "cas", "add", "anything"] {
            assert!(!only_reads(&op(f, Value::Int(1))));
        }
    }
}
