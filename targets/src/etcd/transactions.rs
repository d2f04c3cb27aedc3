//! Transactions over lists: one read of all keys, then one write if nothing has changed.
//!
//! An etcd transaction is one request, fixed in advance: what is appended to must be read before.
//! So a transaction that appends takes two requests, as etcd's own software transactional memory
//! does (`clientv3/concurrency`): a transaction that reads all keys at one revision, and one that
//! puts the longer lists if the last write of every key, also of those only read, is still the one
//! that was read. Nothing is tried again: one that met another fails.

use std::collections::BTreeMap;

use schism_history::{Code, Key, Mop, MopKind, Reply, Value};
use serde_json::json;
use tokio::time::Instant;

use super::client::place;
use super::gateway::Gateway;
use super::settings::Reads;
use super::trouble::Trouble;
use super::wire::{Response, Txn, encoded, stored};

const KIND: &str = "list";

/// A list as the transaction sees it.
#[derive(Clone, Debug, Default, PartialEq)]
struct List {
    elements: Vec<Value>,
    /// The revision of its last write; 0 where it was never written, as etcd compares it.
    revision: u64,
    /// Whether this transaction appends to it.
    longer: bool,
}

type Lists = BTreeMap<Key, List>;

/// Does `mops` at one moment, or none of them.
pub(super) async fn transact(
    gateway: &Gateway,
    mops: &[Mop],
    reads: Reads,
    deadline: Instant,
) -> Result<Reply, Trouble> {
    if let Some(mop) = mops.iter().find(|mop| !admitted(mop.kind)) {
        let problem = format!("lists take no {}", mop.kind.as_str());
        return Err(Trouble::Never(Code::Other, problem));
    }
    let mut lists = read(gateway, mops, reads, deadline).await?;
    let done = apply(mops, &mut lists);
    let mut version = None;
    if lists.values().any(|list| list.longer) {
        let txn: Txn = gateway.tell("/v3/kv/txn", &commit(&lists), deadline).await?;
        if !txn.succeeded {
            // It was committed without its puts.
            let problem = "another transaction wrote to its keys in between".into();
            return Err(Trouble::Never(Code::Mismatch, problem));
        }
        version = Some(txn.header.revision);
    }
    Ok(Reply { value: Value::Mops(done), version })
}

fn admitted(kind: MopKind) -> bool {
    matches!(kind, MopKind::Read | MopKind::Append)
}

/// Reads every key of `mops`, all at one revision.
async fn read(
    gateway: &Gateway,
    mops: &[Mop],
    reads: Reads,
    deadline: Instant,
) -> Result<Lists, Trouble> {
    let mut lists: Lists = mops.iter().map(|mop| (mop.key, List::default())).collect();
    let range = |key: &Key| {
        let key = encoded(place(KIND, *key));
        json!({ "request_range": { "key": key, "serializable": reads.serializable() } })
    };
    let ranges: Vec<_> = lists.keys().map(range).collect();
    let txn: Txn = gateway.ask("/v3/kv/txn", &json!({ "success": ranges }), deadline).await?;
    let broken = |problem| Trouble::Never(Code::Protocol, problem);
    if txn.responses.len() != lists.len() {
        return Err(broken("a transaction with other answers than questions".into()));
    }
    for (list, response) in lists.values_mut().zip(&txn.responses) {
        if let Some((elements, revision)) = found(response).map_err(broken)? {
            (list.elements, list.revision) = (elements, revision);
        }
    }
    Ok(lists)
}

/// The elements of a list, and the revision of its last write; `None` if it is not there.
fn found(response: &Response) -> Result<Option<(Vec<Value>, u64)>, String> {
    let range = response.response_range.as_ref().ok_or("no range in the place of one")?;
    let Some(found) = range.kvs.first() else { return Ok(None) };
    match found.value()? {
        Value::List(elements) => Ok(Some((elements.into_vec(), found.mod_revision))),
        other => Err(format!("{other} in the place of a list")),
    }
}

/// Does `mops` to `lists`, and returns them with what the reads found.
fn apply(mops: &[Mop], lists: &mut Lists) -> Box<[Mop]> {
    let does = |mop: &Mop| {
        let list = lists.get_mut(&mop.key).expect("every key was read");
        let value = if mop.kind == MopKind::Append {
            list.elements.push(mop.value.clone());
            list.longer = true;
            mop.value.clone()
        } else if list.elements.is_empty() {
            Value::Nil
        } else {
            Value::List(list.elements.clone().into())
        };
        Mop { value, ..mop.clone() }
    };
    mops.iter().map(does).collect()
}

/// The request that puts the longer lists if no list has changed.
fn commit(lists: &Lists) -> serde_json::Value {
    let compare = |(key, list): (&Key, &List)| {
        let (key, revision) = (encoded(place(KIND, *key)), list.revision.to_string());
        json!({ "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision })
    };
    let put = |(key, list): (&Key, &List)| {
        let elements = stored(&Value::List(list.elements.clone().into()));
        json!({ "request_put": { "key": encoded(place(KIND, *key)), "value": elements } })
    };
    let longer = lists.iter().filter(|(_, list)| list.longer);
    json!({
        "compare": lists.iter().map(compare).collect::<Vec<_>>(),
        "success": longer.map(put).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mop(kind: MopKind, key: &str, value: Value) -> Mop {
        Mop { kind, key: Key::new(key), value }
    }

    fn list(elements: &[i64]) -> Value {
        Value::List(elements.iter().map(|&element| Value::Int(element)).collect())
    }

    #[test]
    fn a_transaction_sees_its_own_appends() {
        let mut lists = Lists::new();
        let x = List { elements: vec![Value::Int(1)], revision: 7, longer: false };
        lists.insert(Key::new("x"), x);
        lists.insert(Key::new("y"), List::default());
        let read = |key: &str, value| mop(MopKind::Read, key, value);
        let append = |key: &str, value| mop(MopKind::Append, key, Value::Int(value));
        let asked = [read("x", Value::Nil), append("x", 2), read("x", Value::Nil)];
        let done = apply(&asked, &mut lists);
        assert_eq!(*done, [read("x", list(&[1])), append("x", 2), read("x", list(&[1, 2]))]);
        assert_eq!(*apply(&[read("y", Value::Nil)], &mut lists), [read("y", Value::Nil)]);
        assert!(lists[&Key::new("x")].longer && !lists[&Key::new("y")].longer);
    }

    #[test]
    fn a_commit_compares_what_was_only_read_too() {
        let mut lists = Lists::new();
        let x = List { elements: vec![Value::Int(1)], revision: 7, longer: true };
        lists.insert(Key::new("x"), x);
        lists.insert(Key::new("y"), List::default());
        let commit = commit(&lists);
        let compared = |at: usize| commit["compare"][at]["mod_revision"].as_str();
        let mut revisions = [compared(0), compared(1)];
        revisions.sort_unstable();
        assert_eq!(revisions, [Some("0"), Some("7")]);
        assert_eq!(commit["success"].as_array().map(Vec::len), Some(1));
    }
}
