//! Locks as Redis' own documentation has them: `SET key owner NX PX lease`, given back by a script that
//! deletes the key only while it holds the owner.
//!
//! The grant also counts, so that it has a token; with `fencing` what the lock guards refuses a write
//! under an older one. Lock, count and guarded datum share a slot. A primary that is succeeded by a
//! replica may have granted what that one has never heard of, and the count goes back with it.
//!
//! An acquire is one request: a lock that somebody holds is refused, and the caller may ask again.

use std::time::Duration;

use rustc_hash::FxHashMap;
use schism_history::{Code, Key, Op, Outcome, Process, Reason, Value};
use tokio::time::Instant;

use super::command::{Answer, Request};
use super::resp::{Reply, write_command};
use super::settings::Settings;
use super::slot::slot_of;

const ACQUIRE: &str = "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then \
     return redis.call('INCR', KEYS[2]) end return false";
/// Deletes the lock if it is still this owner's.
pub(crate) const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
     return redis.call('DEL', KEYS[1]) end return 0";
const WRITE: &str = "local held = redis.call('GET', KEYS[1]) \
     if held and tonumber(string.match(held, '^%d+')) > tonumber(ARGV[1]) then return held end \
     redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2]) return 1";

/// The locks of one client.
pub(super) struct Locks {
    process: Process,
    lease: Duration,
    fencing: bool,
    grants: u64,
    held: FxHashMap<Key, Held>,
}

struct Held {
    /// What the lock holds while it is this client's: no two grants have the same.
    owner: String,
    /// When the lease runs out at the earliest, by the client's clock.
    until: Instant,
}

/// What an operation on a lock is.
pub(super) enum Asked {
    /// This is to be sent.
    Request(Request),
    /// Nothing is to be sent: the client knows better.
    Refused(Reason),
}

impl Locks {
    pub(super) fn new(process: Process, settings: &Settings) -> Self {
        let (lease, fencing) = (settings.lease, settings.fencing);
        Self { process, lease, fencing, grants: 0, held: FxHashMap::default() }
    }

    /// What is to be sent for `op`; `None` if it is about no lock.
    pub(super) fn request(&mut self, op: &Op) -> Option<Asked> {
        let key = op.key?;
        let (lock, count, guarded) =
            (format!("lock:{{{key}}}"), format!("count:{{{key}}}"), format!("guarded:{{{key}}}"));
        let words = match (op.f.as_str(), &op.value) {
            ("acquire", _) => {
                self.grants += 1;
                let owner = format!("{}-{}", self.process.0, self.grants);
                let lease = self.lease.as_millis().to_string();
                let words =
                    vec![text("EVAL"), text(ACQUIRE), text("2"), lock, count, owner.clone(), lease];
                // Counted from before it is asked: at Redis it lasts no shorter.
                self.held.insert(key, Held { owner, until: Instant::now() + self.lease });
                words
            }
            ("release", _) => {
                let Some(held) = self.held.get(&key) else {
                    let text = format!("lock {key} is not held here");
                    return Some(Asked::Refused(Reason::new(Code::Other, text)));
                };
                vec![text("EVAL"), text(RELEASE), text("1"), lock, held.owner.clone()]
            }
            ("write", Value::List(parts)) => {
                let [Value::Int(token), value] = &**parts else { return None };
                let (token, value) = (token.to_string(), value.to_string());
                if self.fencing {
                    vec![text("EVAL"), text(WRITE), text("1"), guarded, token, value]
                } else {
                    vec![text("SET"), guarded, format!("{token} {value}")]
                }
            }
            _ => return None,
        };
        let mut bytes = Vec::with_capacity(256);
        write_command(&mut bytes, &words);
        let slot = slot_of(&format!("{{{key}}}"));
        Some(Asked::Request(Request { slot, bytes, replies: 1, only_reads: false }))
    }

    /// What the client makes of what became of its operation.
    pub(super) fn learn(&mut self, op: &Op, outcome: Outcome) -> Outcome {
        let Some(key) = op.key else { return outcome };
        match (op.f.as_str(), &outcome) {
            ("acquire", Outcome::Fail(_) | Outcome::Info(_)) | ("release", Outcome::Ok(_)) => {
                self.held.remove(&key);
                outcome
            }
            ("release", Outcome::Fail(reason)) if reason.code == Code::Mismatch => {
                // Somebody else has it, or nobody. A holder whose lease has not run out was promised
                // that nobody would, and has believed it until now: it gives back what it held.
                match self.held.remove(&key) {
                    Some(held) if Instant::now() < held.until => {
                        Outcome::Ok(schism_history::Reply::default())
                    }
                    _ => Outcome::Fail(Reason::new(Code::Other, "the lease had run out")),
                }
            }
            _ => outcome,
        }
    }
}

fn text(word: &str) -> String {
    word.to_owned()
}

/// What the reply to an operation on a lock says.
pub(super) fn answer(op: &Op, mut replies: Vec<Reply>) -> Result<Answer, String> {
    let reply = replies.pop().ok_or("no answer")?;
    match (op.f.as_str(), reply) {
        (_, Reply::Error(error)) => Ok(Answer::Error(error)),
        ("acquire", Reply::Integer(token)) => Ok(Answer::Done(Value::Int(token))),
        ("acquire", Reply::Nil) => Ok(Answer::Mismatch("somebody holds it".into())),
        ("release", Reply::Integer(1)) => Ok(Answer::Done(Value::Nil)),
        ("release", Reply::Integer(0)) => {
            Ok(Answer::Mismatch("it is another's, or nobody's".into()))
        }
        ("write", Reply::Integer(1)) => Ok(Answer::Done(op.value.clone())),
        ("write", Reply::Status(word)) if word == "OK" => Ok(Answer::Done(op.value.clone())),
        ("write", Reply::Bulk(held)) => {
            let held = String::from_utf8_lossy(&held).into_owned();
            Ok(Answer::Mismatch(format!("the token is older than that of `{held}`")))
        }
        (f, reply) => Err(format!("{} as the answer to {f}", reply.shown())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn locks(options: serde_json::Value) -> Locks {
        Locks::new(Process(7), &Settings::read(&options).expect("right options"))
    }

    fn op(f: &str, value: Value) -> Op {
        Op::new(f, Some("x"), value)
    }

    fn sent(locks: &mut Locks, op: &Op) -> String {
        match locks.request(op) {
            Some(Asked::Request(request)) => String::from_utf8(request.bytes).expect("a text"),
            Some(Asked::Refused(reason)) => reason.to_string(),
            None => "nothing".into(),
        }
    }

    #[test]
    fn no_two_grants_have_one_owner() {
        let mut locks = locks(json!({ "lease": "2s" }));
        let first = sent(&mut locks, &op("acquire", Value::Nil));
        assert!(first.contains("7-1\r\n") && first.contains("2000\r\n"), "{first}");
        assert!(sent(&mut locks, &op("acquire", Value::Nil)).contains("7-2\r\n"));
        assert!(sent(&mut locks, &op("release", Value::Nil)).contains("7-2\r\n"));
    }

    #[test]
    fn a_holder_within_its_lease_held_the_lock_whatever_redis_says() {
        let gone = || Outcome::Fail(Reason::new(Code::Mismatch, "gone"));
        let release = op("release", Value::Nil);
        let mut early = locks(json!({ "lease": "1h" }));
        sent(&mut early, &op("acquire", Value::Nil));
        assert!(matches!(early.learn(&release, gone()), Outcome::Ok(_)));
        assert!(matches!(early.request(&release), Some(Asked::Refused(_))), "it is held no more");
        let mut late = locks(json!({ "lease": "1ms" }));
        sent(&mut late, &op("acquire", Value::Nil));
        std::thread::sleep(Duration::from_millis(2));
        assert!(matches!(late.learn(&release, gone()), Outcome::Fail(_)));
    }

    #[test]
    fn reads_what_redis_answers() {
        let check = |f: &str, reply, expected| {
            assert_eq!(answer(&op(f, Value::Nil), vec![reply]), Ok(expected), "{f}");
        };
        check("acquire", Reply::Integer(3), Answer::Done(Value::Int(3)));
        check("acquire", Reply::Nil, Answer::Mismatch("somebody holds it".into()));
        check("release", Reply::Integer(1), Answer::Done(Value::Nil));
        check("write", Reply::Error("READONLY x".into()), Answer::Error("READONLY x".into()));
        assert!(answer(&op("release", Value::Nil), vec![Reply::Nil]).is_err());
    }

    #[test]
    fn only_a_fence_looks_at_tokens() {
        let write = op("write", Value::List([Value::Int(4), Value::Int(9)].into()));
        assert!(sent(&mut locks(json!(null)), &write).contains("SET\r\n"));
        assert!(sent(&mut locks(json!({ "fencing": "yes" })), &write).contains("EVAL\r\n"));
        assert_eq!(sent(&mut locks(json!(null)), &op("write", Value::Int(1))), "nothing");
    }
}
