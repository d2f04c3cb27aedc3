//! The JSON of etcd's gateway, as far as it is used here.
//!
//! Three things differ from what one expects. Keys and values are base64. Numbers of 64 bits are
//! texts, since JavaScript would round them. What is false, zero or empty is left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schism_history::Value;
use serde::{Deserialize, Deserializer};

/// `text`, as keys and values are sent.
pub(super) fn encoded(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

/// What `text` stands for.
pub(super) fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("`{text}` is no base64: {error}"))
}

/// What stands behind every key that begins with `prefix`: the end of their range.
pub(super) fn end_of(prefix: &str) -> String {
    let mut end = prefix.as_bytes().to_vec();
    let last = end.last_mut().expect("prefixes are never empty");
    // Prefixes end with `/` here, which has a successor.
    *last += 1;
    encoded(end)
}

/// A value as it is stored: its JSON.
pub(super) fn stored(value: &Value) -> String {
    let json = serde_json::to_string(value).expect("a value has only text keys");
    encoded(json)
}

/// The cluster's state when it answered.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Header {
    #[serde(default, deserialize_with = "number")]
    pub(super) member_id: u64,
    /// The store's revision: that of the write, if it was one.
    #[serde(default, deserialize_with = "number")]
    pub(super) revision: u64,
}

/// The answer to a put.
#[derive(Debug, Deserialize)]
pub(super) struct Put {
    pub(super) header: Header,
}

/// The answer to a range. What has no header is no answer: that nothing was found is said by leaving
/// it out, and must not be read out of nothing.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    pub(super) header: Header,
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
}

/// One key with what it holds.
#[derive(Debug, Deserialize)]
pub(super) struct KeyValue {
    /// The key, as it is sent.
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    value: String,
    /// The revision of its first write; 0 of one that was deleted.
    #[serde(default, deserialize_with = "number")]
    pub(super) create_revision: u64,
    /// The revision of its last write.
    #[serde(deserialize_with = "number")]
    pub(super) mod_revision: u64,
}

impl KeyValue {
    /// What it holds, of what was put there by [`stored`].
    pub(super) fn value(&self) -> Result<Value, String> {
        serde_json::from_slice(&decoded(&self.value)?).map_err(|error| error.to_string())
    }
}

/// The answer to a transaction.
#[derive(Debug, Deserialize)]
pub(super) struct Txn {
    pub(super) header: Header,
    /// Whether its comparisons held.
    #[serde(default)]
    pub(super) succeeded: bool,
    #[serde(default)]
    pub(super) responses: Vec<Response>,
}

/// What one request inside a transaction came to.
#[derive(Debug, Deserialize)]
pub(super) struct Response {
    pub(super) response_range: Option<Range>,
    pub(super) response_txn: Option<Inner>,
}

/// A transaction inside a transaction. Its header is empty.
#[derive(Debug, Deserialize)]
pub(super) struct Inner {
    #[serde(default)]
    pub(super) succeeded: bool,
}

/// The answer to a lease that was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Lease {
    #[serde(rename = "ID")]
    pub(super) id: String,
    /// How long it lasts, in seconds: no less than was asked for.
    #[serde(rename = "TTL", deserialize_with = "number")]
    pub(super) ttl_s: u64,
}

/// The answer to one beat of a lease.
#[derive(Debug, Deserialize)]
pub(super) struct KeepAlive {
    pub(super) result: Beat,
}

/// How long the lease lasts now; nothing if it is gone.
#[derive(Debug, Deserialize)]
pub(super) struct Beat {
    #[serde(rename = "TTL", default, deserialize_with = "number")]
    pub(super) ttl_s: u64,
}

/// The answer to a lock that was granted.
#[derive(Debug, Deserialize)]
pub(super) struct Locked {
    pub(super) header: Header,
    /// The key that stands for the hold: what unlocking takes.
    pub(super) key: String,
}

/// An answer of which nothing is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Done {
    #[serde(rename = "header")]
    _header: Header,
}

/// What a member says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) header: Header,
    /// Whom it takes for the leader; 0: nobody.
    #[serde(default, deserialize_with = "number")]
    pub(super) leader: u64,
    #[serde(rename = "raftTerm", default, deserialize_with = "number")]
    pub(super) term: u64,
    /// How large its store is, in bytes, and how much of that is used.
    #[serde(rename = "dbSize", default, deserialize_with = "number")]
    pub(super) db_size: u64,
    #[serde(rename = "dbSizeInUse", default, deserialize_with = "number")]
    pub(super) db_size_in_use: u64,
}

/// The members.
#[derive(Debug, Deserialize)]
pub(super) struct Members {
    #[serde(default)]
    pub(super) members: Vec<Member>,
}

/// One member.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Member {
    #[serde(rename = "ID")]
    pub(super) id: String,
    /// Empty until it has started for the first time.
    #[serde(default)]
    pub(super) name: String,
    #[serde(rename = "peerURLs", default)]
    pub(super) peer_urls: Vec<String>,
}

/// An answer that says why not.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    message: String,
    /// gRPC's number of the error.
    pub(super) code: Option<u32>,
}

impl Refusal {
    /// What `body`, of an answer with this HTTP status, says; or the body itself, where that is no
    /// refusal of the gateway.
    pub(super) fn parse(body: &[u8], status: u16) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| {
            let start = String::from_utf8_lossy(&body[..body.len().min(200)]);
            Refusal { message: format!("HTTP {status}: {}", start.trim()), ..Refusal::default() }
        })
    }

    /// What it says. The field has had two names.
    pub(super) fn text(&self) -> &str {
        if self.message.is_empty() { &self.error } else { &self.message }
    }
}

/// A number that is sent as a text; also as a number, in case a release does so.
pub(super) fn number<'de, D: Deserializer<'de>>(value: D) -> Result<u64, D::Error> {
    let number = match serde_json::Value::deserialize(value)? {
        serde_json::Value::String(text) => text.parse().ok(),
        serde_json::Value::Number(number) => number.as_u64(),
        _ => None,
    };
    number.ok_or_else(|| serde::de::Error::custom("a number was expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#""header":{"cluster_id":"7278047455102467840","member_id":"747926902933527769","revision":"4","raft_term":"2"}"#;

    fn read<T: for<'de> Deserialize<'de>>(rest: &str) -> T {
        serde_json::from_str(&format!("{{{HEADER}{rest}}}")).expect("an answer of etcd 3.4.23")
    }

    #[test]
    fn reads_what_a_range_found() {
        let kv = r#"{"key":"eA==","create_revision":"2","mod_revision":"3","version":"2","value":"Mg=="}"#;
        let range: Range = read(&format!(r#","kvs":[{kv}],"count":"1""#));
        let found = &range.kvs[0];
        assert_eq!((found.value(), found.mod_revision), (Ok(Value::Int(2)), 3));
        assert_eq!(found.create_revision, 2);
        assert!(read::<Range>("").kvs.is_empty(), "what is not there is left out");
    }

    #[test]
    fn reads_what_a_transaction_did() {
        let done: Txn = read(r#","succeeded":true,"responses":[{"response_put":{"header":{}}}]"#);
        assert!(done.succeeded && done.header.revision == 4);
        assert!(!read::<Txn>("").succeeded, "false is left out");
        let inner = r#","responses":[{"response_txn":{"header":{},"succeeded":true}}]"#;
        let inner = read::<Txn>(inner).responses[0].response_txn.as_ref().map(|it| it.succeeded);
        assert_eq!(inner, Some(true));
    }

    #[test]
    fn reads_leases_and_locks() {
        let lease: Lease = read(r#","ID":"2078870915726213646","TTL":"2""#);
        assert_eq!((lease.id.as_str(), lease.ttl_s), ("2078870915726213646", 2));
        let alive = |rest: &str| -> KeepAlive {
            serde_json::from_str(&format!(r#"{{"result":{{{HEADER},"ID":"123"{rest}}}}}"#))
                .expect("a beat")
        };
        assert_eq!(alive(r#","TTL":"30""#).result.ttl_s, 30);
        assert_eq!(alive("").result.ttl_s, 0, "a lease that is gone has no time left");
        let locked: Locked = read(r#","key":"bC8xY2Q5YTIxNTYxYzA4MjE0""#);
        assert_eq!(decoded(&locked.key), Ok(b"l/1cd9a21561c08214".to_vec()));
    }

    #[test]
    fn reads_what_members_say() {
        let status: Status =
            read(r#","version":"3.4.23","leader":"747926902933527769","raftTerm":"2""#);
        assert_eq!((status.leader, status.term), (status.header.member_id, 2));
        assert_eq!(read::<Status>(r#","raftTerm":"2""#).leader, 0, "nobody leads");
        let members: Members = read(
            r#","members":[{"ID":"1","name":"n1","peerURLs":["http://10.0.0.1:2380"]},{"ID":"2"}]"#,
        );
        assert_eq!(members.members[1].name, "");
    }

    #[test]
    fn ranges_end_behind_their_prefix() {
        assert_eq!(decoded(&end_of("set/x/")), Ok(b"set/x0".to_vec()));
    }
}
