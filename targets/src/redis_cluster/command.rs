//! An operation as Redis commands, and what the replies say became of it.
//!
//! | operation | commands |
//! |---|---|
//! | `read`, `write` of a register | `GET`, `SET` |
//! | `cas` | a script: compares and sets on the primary, which runs one script at a time |
//! | `add`, `read-set` of a set | `SADD`, `SMEMBERS` |
//! | `increment`, `read` of a counter | `INCRBY`, `GET` |
//! | `txn` of lists: `append`, `r` | `MULTI`, `RPUSH` and `LRANGE`, `EXEC` |
//!
//! A transaction of Redis Cluster has all its keys in one slot, so all lists share the hash tag
//! `{lists}`: they stand on one primary. Values are JSON texts, so that a number is its digits, which
//! is what `INCRBY` counts with.

use schism_history::{Code, Key, Mop, MopKind, Op, Reason, Value};

use super::resp::{Reply, write_command};
use super::slot::slot_of;

/// Sets the key if it holds what was expected; otherwise says what it holds.
const COMPARE_AND_SET: &str = "local held = redis.call('GET', KEYS[1]) or 'null' \
     if held ~= ARGV[1] then return held end \
     redis.call('SET', KEYS[1], ARGV[2]) return 1";

/// What is sent for an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The slot of its keys.
    pub(super) slot: u16,
    pub(super) bytes: Vec<u8>,
    /// How many replies come back.
    pub(super) replies: usize,
    /// Whether it can have no effect, so that it may be taken for failed when its answer is lost.
    pub(super) only_reads: bool,
}

/// What the replies say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was done, with this result.
    Done(Value),
    /// A compare-and-set found another value.
    Mismatch(String),
    /// The node answered with this error, to the operation as a whole.
    Error(String),
    /// A part of it may have been done; this went wrong with another.
    Partly(String),
}

/// The request for `op`, or why there is none.
pub(super) fn request(op: &Op) -> Result<Request, Reason> {
    let no_such = || {
        let text = format!("no such operation: {} with {}", op.f, op.value);
        Reason::new(Code::Other, text)
    };
    let name = op.key.map(Key::as_str).unwrap_or_default();
    let one = |words: &[&str], only_reads| {
        let mut bytes = Vec::with_capacity(64);
        write_command(&mut bytes, words);
        Ok(Request { slot: slot_of(name), bytes, replies: 1, only_reads })
    };
    match (op.f.as_str(), op.key, &op.value) {
        ("read", Some(_), _) => one(&["GET", name], true),
        ("read-set", Some(_), _) => one(&["SMEMBERS", name], true),
        // An absent key is nil, so that nil cannot be written.
        ("write" | "add", Some(_), Value::Nil) => Err(no_such()),
        ("write", Some(_), value) => one(&["SET", name, &text_of(value)], false),
        ("add", Some(_), value) => one(&["SADD", name, &text_of(value)], false),
        ("increment", Some(_), Value::Int(amount)) => {
            one(&["INCRBY", name, &amount.to_string()], false)
        }
        ("cas", Some(_), Value::List(pair)) => match &**pair {
            [expected, new] if *new != Value::Nil => {
                let (expected, new) = (text_of(expected), text_of(new));
                one(&["EVAL", COMPARE_AND_SET, "1", name, &expected, &new], false)
            }
            _ => Err(no_such()),
        },
        ("txn", _, Value::Mops(mops)) => transaction(mops).ok_or_else(no_such),
        _ => Err(no_such()),
    }
}

fn transaction(mops: &[Mop]) -> Option<Request> {
    let mut bytes = Vec::with_capacity(64 * (mops.len() + 2));
    write_command(&mut bytes, &["MULTI"]);
    for mop in mops {
        let list = list_of(mop.key);
        match mop.kind {
            MopKind::Append => write_command(&mut bytes, &["RPUSH", &list, &text_of(&mop.value)]),
            MopKind::Read => write_command(&mut bytes, &["LRANGE", &list, "0", "-1"]),
            MopKind::Write | MopKind::Send | MopKind::Poll => return None,
        }
    }
    write_command(&mut bytes, &["EXEC"]);
    let only_reads = mops.iter().all(|mop| mop.kind == MopKind::Read);
    let slot = slot_of(&list_of(mops.first()?.key));
    Some(Request { slot, bytes, replies: mops.len() + 2, only_reads })
}

fn list_of(key: Key) -> String {
    format!("{{lists}}:{key}")
}

/// What the `replies` to the request for `op` say, or why they can't be understood.
pub(super) fn answer(op: &Op, mut replies: Vec<Reply>) -> Result<Answer, String> {
    if let Value::Mops(mops) = &op.value {
        return transacted(mops, replies);
    }
    let reply = replies.pop().ok_or("no answer")?;
    let odd = |reply: &Reply| Err(format!("{} as the answer to {}", reply.shown(), op.f));
    match (op.f.as_str(), reply) {
        (_, Reply::Error(error)) => Ok(Answer::Error(error)),
        ("read", Reply::Nil) => Ok(Answer::Done(Value::Nil)),
        ("read", Reply::Bulk(text)) => Ok(Answer::Done(value_of(&text)?)),
        ("read-set", reply @ Reply::Array(_)) => Ok(Answer::Done(list(reply)?)),
        ("cas", Reply::Bulk(held)) => {
            Ok(Answer::Mismatch(format!("found {}", String::from_utf8_lossy(&held))))
        }
        // Writes have no result; the argument stands in for it.
        ("write", Reply::Status(word)) if word == "OK" => Ok(Answer::Done(op.value.clone())),
        ("cas", Reply::Integer(1)) | ("add" | "increment", Reply::Integer(_)) => {
            Ok(Answer::Done(op.value.clone()))
        }
        (_, reply) => odd(&reply),
    }
}

fn transacted(mops: &[Mop], mut replies: Vec<Reply>) -> Result<Answer, String> {
    let executed = replies.pop().ok_or("no answer")?;
    // If no transaction was begun, the commands were executed one by one.
    if let Some(reply) = replies.first().filter(|reply| **reply != Reply::Status("OK".into())) {
        return Ok(Answer::Partly(format!("MULTI was answered by {}", reply.shown())));
    }
    let results = match executed {
        Reply::Array(results) => results,
        // EXEC executed nothing, since a command could not be queued: that one tells why.
        Reply::Error(error) if error.starts_with("EXECABORT") => {
            let queued = replies.into_iter().find_map(|reply| match reply {
                Reply::Error(error) => Some(error),
                _ => None,
            });
            return Ok(Answer::Error(queued.filter(|error| is_known(error)).unwrap_or(error)));
        }
        Reply::Error(error) => return Ok(Answer::Error(error)),
        other => return Err(format!("{} as the answer to EXEC", other.shown())),
    };
    if results.len() != mops.len() {
        return Err(format!("{} answers to {} micro-operations", results.len(), mops.len()));
    }
    let mut done = Vec::with_capacity(mops.len());
    for (mop, result) in mops.iter().zip(results) {
        let value = match (mop.kind, result) {
            // The others of the transaction were executed all the same.
            (_, Reply::Error(error)) => return Ok(Answer::Partly(error)),
            (MopKind::Append, Reply::Integer(_)) => mop.value.clone(),
            (MopKind::Read, reply @ Reply::Array(_)) => list(reply)?,
            (_, other) => return Err(format!("{} in a transaction", other.shown())),
        };
        done.push(Mop { value, ..mop.clone() });
    }
    Ok(Answer::Done(Value::Mops(done.into())))
}

/// Whether the error of a command that was not queued says more than `EXECABORT`: nothing of the
/// transaction was executed, whatever the error would mean elsewhere.
fn is_known(error: &str) -> bool {
    let from = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    super::refusal::read(error, from) != super::refusal::Refusal::Doubtful
}

fn text_of(value: &Value) -> String {
    serde_json::to_string(value).expect("a value has only text keys")
}

fn value_of(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map_err(|error| {
        let text: String = String::from_utf8_lossy(text).chars().take(200).collect();
        format!("{text:?} is no value: {error}")
    })
}

fn list(reply: Reply) -> Result<Value, String> {
    let Reply::Array(elements) = reply else { return Err("no list".into()) };
    let value = |element| match element {
        Reply::Bulk(text) => value_of(&text),
        other => Err(format!("{} in a list", other.shown())),
    };
    Ok(Value::List(elements.into_iter().map(value).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests;
