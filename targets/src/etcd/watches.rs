//! Watches, and the changes that they tell of: deletions, and puts of several keys at one revision.
//!
//! A watch is one request whose answer goes on: it is read for as long as the plan says, and then the
//! connection is closed. With the watch the client asks for a progress notification, which vouches for
//! everything before it; etcd sends none by itself for ten minutes.
//!
//! A watch changes nothing. If its stream breaks, what has come has come, and is told; if nothing has, it
//! is a `Fail`. A watch of what has been compacted is refused: a `Fail` as well.

use std::time::Duration;

use schism_history::{Code, Key, Mop, MopKind, Reply, Value};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::client::place;
use super::gateway::Gateway;
use super::registers::KIND;
use super::trouble::Trouble;
use super::wire::{Header, KeyValue, Refusal, Txn, decoded, encoded, end_of, number, stored};

/// A watch ends so long before its client's patience does, at the latest.
const BEFORE: Duration = Duration::from_millis(300);
/// More than this in one response is taken for nonsense.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Deletes a key, and says whether there was one.
pub(super) async fn delete(
    gateway: &Gateway,
    key: Key,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let body = json!({ "key": encoded(place(KIND, key)) });
    let deleted: Deleted = gateway.tell("/v3/kv/deleterange", &body, deadline).await?;
    let version = Some(deleted.header.revision);
    Ok(Reply { value: Value::Bool(deleted.deleted > 0), version })
}

/// Puts several keys at one revision.
pub(super) async fn put_all(
    gateway: &Gateway,
    mops: &[Mop],
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let put = |mop: &Mop| {
        let (key, value) = (encoded(place(KIND, mop.key)), stored(&mop.value));
        json!({ "request_put": { "key": key, "value": value } })
    };
    let puts: Vec<serde_json::Value> = mops.iter().map(put).collect();
    // Nothing is compared, so that it is the success that is done.
    let txn: Txn = gateway.tell("/v3/kv/txn", &json!({ "success": puts }), deadline).await?;
    Ok(Reply { value: Value::Mops(mops.into()), version: Some(txn.header.revision) })
}

/// Whether a transaction does nothing but write.
pub(super) fn only_writes(mops: &[Mop]) -> bool {
    !mops.is_empty() && mops.iter().all(|mop| mop.kind == MopKind::Write)
}

/// Watches a key, or all of them, from a revision or from now on, for the time `span`.
pub(super) async fn watch(
    gateway: &Gateway,
    key: Option<Key>,
    start: Option<i64>,
    span: Duration,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let end = (Instant::now() + span).min(deadline.checked_sub(BEFORE).unwrap_or(deadline));
    let mut create = if let Some(key) = key {
        json!({ "key": encoded(place(KIND, key)) })
    } else {
        let prefix = format!("{KIND}/");
        json!({ "key": encoded(&prefix), "range_end": end_of(&prefix) })
    };
    if let Some(start) = start {
        create["start_revision"] = start.to_string().into();
    }
    // Two requests of one stream, as the gateway reads them: one after the other.
    let body =
        format!("{}{}", json!({ "create_request": create }), json!({ "progress_request": {} }));
    let mut stream = gateway.stream("/v3/watch", body, end).await.map_err(Trouble::harmless)?;
    let (mut seen, mut bytes) = (Seen::default(), Vec::new());
    let broken = loop {
        match timeout_at(end, stream.chunk()).await {
            Err(_) => break None,
            Ok(Ok(None)) => break Some("the stream ended".to_owned()),
            Ok(Err(error)) => break Some(error.to_string()),
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
        }
        if bytes.len() > LINE_BYTES_MAX {
            break Some("a response without an end".into());
        }
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = bytes.drain(..=end).collect();
            seen.hear(&line)?;
        }
        if seen.cancelled.is_some() {
            break seen.cancelled.clone();
        }
    };
    let who = gateway.node();
    if !seen.created || (seen.responses.is_empty() && broken.is_some()) {
        let problem = broken.unwrap_or_else(|| "no watch was created in time".into());
        return Err(Trouble::Never(Code::Unavailable, format!("{who}: {problem}")));
    }
    Ok(Reply { value: Value::List(seen.responses.into()), version: None })
}

/// What a watch was sent so far.
#[derive(Default)]
struct Seen {
    created: bool,
    /// Why there will be no more.
    cancelled: Option<String>,
    responses: Vec<Value>,
}

impl Seen {
    fn hear(&mut self, line: &[u8]) -> Result<(), Trouble> {
        let odd = |problem: String| Trouble::Never(Code::Protocol, problem);
        let said: Said = serde_json::from_slice(line).map_err(|error| {
            let text = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
            odd(format!("a watch was sent what cannot be read: {error}: {text}"))
        })?;
        let Some(result) = said.result else {
            let error = said.error.unwrap_or_default();
            self.cancelled = Some(error.text().to_owned());
            return Ok(());
        };
        self.created |= result.created;
        if result.cancelled {
            let compacted = format!("compacted up to revision {}", result.compact_revision);
            let reason = match (result.compact_revision, result.reason.is_empty()) {
                (0, true) => "the watch was cancelled".into(),
                (0, false) => result.reason,
                _ => compacted,
            };
            self.cancelled = Some(reason);
        } else if !result.events.is_empty() {
            let events = result.events.iter().map(event).collect::<Result<Vec<_>, _>>();
            self.responses.push(Value::List(events.map_err(odd)?.into()));
        } else if !result.created {
            // Neither begin nor end nor events: it tells how far it is.
            let revision = Value::Int(result.header.revision as i64);
            self.responses.push(Value::Map([(Value::Text("progress".into()), revision)].into()));
        }
        Ok(())
    }
}

/// `[7 "put" "x" 3]`, `[8 "delete" "x"]`.
fn event(event: &Change) -> Result<Value, String> {
    let key = String::from_utf8(decoded(&event.kv.key)?).map_err(|error| error.to_string())?;
    let key = key.strip_prefix(KIND).and_then(|key| key.strip_prefix('/'));
    let key = Value::Text(key.ok_or("an event of another key than was watched")?.into());
    let revision = Value::Int(event.kv.mod_revision as i64);
    let word = |word: &str| Value::Text(word.into());
    Ok(Value::List(if event.kind == "DELETE" {
        [revision, word("delete"), key].into()
    } else {
        [revision, word("put"), key, event.kv.value()?].into()
    }))
}

/// The answer to a deletion.
#[derive(Debug, Deserialize)]
struct Deleted {
    header: Header,
    #[serde(default, deserialize_with = "number")]
    deleted: u64,
}

/// A line of a stream.
#[derive(Debug, Deserialize)]
struct Said {
    result: Option<Response>,
    error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    header: Header,
    #[serde(default)]
    created: bool,
    #[serde(default, rename = "canceled")]
    cancelled: bool,
    #[serde(default, rename = "cancel_reason")]
    reason: String,
    #[serde(default, deserialize_with = "number")]
    compact_revision: u64,
    #[serde(default)]
    events: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    /// Left out for a put.
    #[serde(default, rename = "type")]
    kind: String,
    kv: KeyValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As etcd 3.4.23 sends them.
    fn heard(lines: &[&str]) -> Seen {
        let mut seen = Seen::default();
        for line in lines {
            seen.hear(line.as_bytes()).expect("a line of etcd");
        }
        seen
    }

    const CREATED: &str = r#"{"result":{"header":{"revision":"6"},"created":true}}"#;

    #[test]
    fn reads_events_and_how_far_a_watch_is() {
        let progress = r#"{"result":{"header":{"revision":"6"},"watch_id":"-1"}}"#;
        // register/x = 2
        let put = r#"{"kv":{"key":"cmVnaXN0ZXIveA==","create_revision":"2","mod_revision":"6","version":"5","value":"Mg=="}}"#;
        let gone = r#"{"type":"DELETE","kv":{"key":"cmVnaXN0ZXIveA==","mod_revision":"7"}}"#;
        let events =
            format!(r#"{{"result":{{"header":{{"revision":"7"}},"events":[{put},{gone}]}}}}"#);
        let seen = heard(&[CREATED, progress, &events]);
        assert!(seen.created && seen.cancelled.is_none());
        let text = Value::List(seen.responses.into()).to_string();
        assert_eq!(text, r#"[{"progress" 6} [[6 "put" "x" 2] [7 "delete" "x"]]]"#);
    }

    #[test]
    fn a_watch_of_what_was_compacted_is_refused() {
        let refused = r#"{"result":{"header":{},"canceled":true,"compact_revision":"5"}}"#;
        let seen = heard(&[CREATED, refused]);
        assert_eq!(seen.cancelled.as_deref(), Some("compacted up to revision 5"));
        let error = r#"{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}"#;
        assert_eq!(heard(&[error]).cancelled.as_deref(), Some("etcdserver: no leader"));
    }

    #[test]
    fn what_is_no_response_is_no_event() {
        assert!(Seen::default().hear(b"not json\n").is_err());
        let other = r#"{"result":{"header":{},"events":[{"kv":{"key":"eA==","mod_revision":"7","value":"Mg=="}}]}}"#;
        assert!(Seen::default().hear(other.as_bytes()).is_err(), "x is not watched");
    }
}
