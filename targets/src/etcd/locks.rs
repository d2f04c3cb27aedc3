//! Locks: etcd's lock service, under a lease; and what they guard.
//!
//! A client holds its locks under one lease, its session, which a task of its own keeps alive, as
//! etcd's `concurrency.Session` does. When its beats do not arrive for the lease's time, the members
//! take the locks away and grant them to others, and cannot tell the holder. So a holder knows only
//! what it was told: it was granted the lock. `Unlock` does not tell it otherwise: it answers ok for
//! a lock that had been lost long before.
//!
//! The token of a grant is the store's revision when it was granted: whoever is granted the lock
//! later has a greater one. With `fencing`, what a lock guards carries the token under which it was
//! last written, and a write under an older one is refused.

use std::time::Duration;

use rustc_hash::FxHashMap;
use schism_history::{Code, Key, Reply, Value};
use schism_lab::Node;
use serde_json::json;
use tokio::time::Instant;

use super::client::place;
use super::gateway::Gateway;
use super::session::Session;
use super::settings::Settings;
use super::trouble::Trouble;
use super::wire::{Done, Lease, Locked, Put, Txn, encoded};

/// A token is padded to so many digits, as many as the greatest has, so that texts compare as
/// numbers do.
const DIGITS: usize = 20;

/// The locks of one client.
pub(super) struct Locks {
    node: Node,
    /// How long the lease lasts without a beat, in seconds: etcd counts in these.
    ttl_s: u64,
    fencing: bool,
    watchful: bool,
    session: Option<Session>,
    /// The key that stands for each hold.
    held: FxHashMap<Key, String>,
}

impl Locks {
    pub(super) fn new(node: &Node, settings: &Settings) -> Self {
        Self {
            node: node.clone(),
            ttl_s: settings.lease.as_secs().max(1),
            fencing: settings.fencing,
            watchful: settings.watch_lease,
            session: None,
            held: FxHashMap::default(),
        }
    }

    /// Waits for the lock and takes it. The reply is the token.
    pub(super) async fn acquire(
        &mut self,
        gateway: &Gateway,
        key: Key,
        deadline: Instant,
    ) -> Result<Reply, Trouble> {
        let lease = self.lease(gateway, deadline).await?;
        let body = json!({ "name": encoded(place("lock", key)), "lease": lease });
        let locked: Result<Locked, Trouble> = gateway.tell("/v3/lock/lock", &body, deadline).await;
        let locked = locked.inspect_err(|_| {
            // The lease may be gone, or hold a place in the queue that nobody waits in any more.
            self.session = None;
        })?;
        self.held.insert(key, locked.key);
        let revision = locked.header.revision;
        Ok(Reply { value: Value::Int(revision as i64), version: Some(revision) })
    }

    /// Gives the lock back.
    pub(super) async fn release(
        &mut self,
        gateway: &Gateway,
        key: Key,
        deadline: Instant,
    ) -> Result<Reply, Trouble> {
        let Some(held) = self.held.get(&key).cloned() else {
            return Err(Trouble::Never(Code::Other, format!("lock {key} is not held here")));
        };
        self.still_believes()?;
        let _: Done = gateway.tell("/v3/lock/unlock", &json!({ "key": held }), deadline).await?;
        self.held.remove(&key);
        Ok(Reply::default())
    }

    /// Writes what the lock guards, under the token of its grant.
    pub(super) async fn write(
        &self,
        gateway: &Gateway,
        key: Key,
        token: i64,
        value: &Value,
        deadline: Instant,
    ) -> Result<Reply, Trouble> {
        self.still_believes()?;
        let at = encoded(place("guarded", key));
        let put = json!({ "key": at, "value": encoded(format!("{} {value}", padded(token))) });
        let written = Value::List([Value::Int(token), value.clone()].into());
        if !self.fencing {
            let put: Put = gateway.tell("/v3/kv/put", &put, deadline).await?;
            return Ok(Reply { value: written, version: Some(put.header.revision) });
        }
        let txn: Txn = gateway.tell("/v3/kv/txn", &fenced(&at, token, &put), deadline).await?;
        let first = txn.responses.first().and_then(|response| response.response_txn.as_ref());
        if !txn.succeeded && !first.is_some_and(|inner| inner.succeeded) {
            // Committed without the put: the datum has seen a newer token.
            return Err(Trouble::Never(Code::Mismatch, format!("the token {token} is too old")));
        }
        Ok(Reply { value: written, version: Some(txn.header.revision) })
    }

    /// A lease that is alive, as far as is known.
    async fn lease(&mut self, gateway: &Gateway, deadline: Instant) -> Result<String, Trouble> {
        if let Some(session) = self.session.as_ref().filter(|session| !session.is_gone()) {
            return Ok(session.lease().to_owned());
        }
        let asked = Instant::now();
        let body = json!({ "TTL": self.ttl_s.to_string() });
        // A lease that nobody knows of holds nothing, and ends by itself.
        let lease: Lease = gateway.ask("/v3/lease/grant", &body, deadline).await?;
        let ttl = Duration::from_secs(lease.ttl_s);
        let session = Session::start(&self.node, lease.id, ttl, asked);
        Ok(self.session.insert(session).lease().to_owned())
    }

    /// Whether a watchful client would go on: its lease has time left, by its own clock.
    fn still_believes(&self) -> Result<(), Trouble> {
        let expired = self.session.as_ref().is_none_or(Session::may_have_expired);
        if self.watchful && expired {
            let problem = "the lease has run out, as far as the client knows".into();
            return Err(Trouble::Never(Code::Other, problem));
        }
        Ok(())
    }
}

fn padded(token: i64) -> String {
    format!("{token:0DIGITS$}")
}

/// Does `put` to the key `at` if that has seen no token above `token`. A comparison of the value
/// never holds where there is no key, so that the first write takes a second look.
fn fenced(at: &str, token: i64, put: &serde_json::Value) -> serde_json::Value {
    let put = json!({ "request_put": put });
    let above = encoded(padded(token + 1));
    let older = json!({ "key": at, "target": "VALUE", "result": "LESS", "value": above });
    let absent =
        json!({ "key": at, "target": "CREATE", "result": "EQUAL", "create_revision": "0" });
    let first = json!({ "compare": [absent], "success": [put] });
    json!({ "compare": [older], "success": [put], "failure": [{ "request_txn": first }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_tokens_compare_as_numbers_do() {
        for (less, greater) in [(9, 10), (99, 100), (0, i64::MAX)] {
            assert!(padded(less) < padded(greater));
        }
        // What is stored goes on behind the token, and is still less than the next one.
        assert!(format!("{} 7", padded(12)) < padded(13));
        assert!(format!("{} 7", padded(13)) > padded(13));
    }
}
