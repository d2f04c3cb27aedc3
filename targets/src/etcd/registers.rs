//! Registers: a key each.

use schism_history::{Code, Key, Reply, Value};
use serde_json::json;
use tokio::time::Instant;

use super::client::place;
use super::gateway::Gateway;
use super::settings::Reads;
use super::trouble::Trouble;
use super::wire::{Put, Range, Txn, encoded, stored};

pub(super) const KIND: &str = "register";

/// Reads a register. The version is the revision of its last write; a register that was never
/// written has none.
pub(super) async fn read(
    gateway: &Gateway,
    key: Key,
    reads: Reads,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let body = json!({ "key": encoded(place(KIND, key)), "serializable": reads.serializable() });
    let range: Range = gateway.ask("/v3/kv/range", &body, deadline).await?;
    let Some(found) = range.kvs.first() else { return Ok(Reply::default()) };
    // A value that cannot be read was read all the same, and nothing has changed.
    let value = found.value().map_err(|problem| Trouble::Never(Code::Protocol, problem))?;
    Ok(Reply { value, version: Some(found.mod_revision) })
}

/// Writes a register.
pub(super) async fn write(
    gateway: &Gateway,
    key: Key,
    value: &Value,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let body = json!({ "key": encoded(place(KIND, key)), "value": stored(value) });
    let put: Put = gateway.tell("/v3/kv/put", &body, deadline).await?;
    Ok(Reply { value: value.clone(), version: Some(put.header.revision) })
}

/// Replaces `expected` by `new`, in one transaction.
pub(super) async fn compare_and_set(
    gateway: &Gateway,
    key: Key,
    expected: &Value,
    new: &Value,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let at = encoded(place(KIND, key));
    // A comparison of the value never holds where there is no key; nil is that there is none.
    let compare = match expected {
        Value::Nil => {
            json!({ "key": at, "target": "CREATE", "result": "EQUAL", "create_revision": "0" })
        }
        _ => {
            json!({ "key": at, "target": "VALUE", "result": "EQUAL", "value": stored(expected) })
        }
    };
    let put = json!({ "request_put": { "key": at, "value": stored(new) } });
    let body = json!({ "compare": [compare], "success": [put] });
    let txn: Txn = gateway.tell("/v3/kv/txn", &body, deadline).await?;
    if !txn.succeeded {
        // The transaction was committed, without its put.
        return Err(Trouble::Never(Code::Mismatch, format!("found another value than {expected}")));
    }
    let value = Value::List([expected.clone(), new.clone()].into());
    Ok(Reply { value, version: Some(txn.header.revision) })
}
