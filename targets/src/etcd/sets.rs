//! Sets: a key for each element, under a prefix for each set.
//!
//! One list under one key would make every add a read and a compare-and-set, of which all but one
//! at a time fail; a key for each element is how etcd's users keep sets (Kubernetes does). A range
//! shows all of them at one revision. What cannot happen so is that an element stands there twice.

use schism_history::{Code, Key, Reply, Value};
use serde_json::json;
use tokio::time::Instant;

use super::client::place;
use super::gateway::Gateway;
use super::settings::Reads;
use super::trouble::Trouble;
use super::wire::{Put, Range, encoded, end_of, stored};

/// What stands before the elements of a set.
fn prefix(key: Key) -> String {
    place("set", key) + "/"
}

/// Adds an element.
pub(super) async fn add(
    gateway: &Gateway,
    key: Key,
    element: &Value,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let at = encoded(prefix(key) + &element.to_string());
    let body = json!({ "key": at, "value": stored(element) });
    let put: Put = gateway.tell("/v3/kv/put", &body, deadline).await?;
    Ok(Reply { value: element.clone(), version: Some(put.header.revision) })
}

/// Reads a set, in the order of its keys.
pub(super) async fn read(
    gateway: &Gateway,
    key: Key,
    reads: Reads,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    let prefix = prefix(key);
    let body = json!({
        "key": encoded(&prefix), "range_end": end_of(&prefix), "serializable": reads.serializable(),
    });
    let range: Range = gateway.ask("/v3/kv/range", &body, deadline).await?;
    let elements: Result<Box<[Value]>, String> = range.kvs.iter().map(|kv| kv.value()).collect();
    let elements = elements.map_err(|problem| Trouble::Never(Code::Protocol, problem))?;
    Ok(Reply { value: Value::List(elements), version: None })
}
