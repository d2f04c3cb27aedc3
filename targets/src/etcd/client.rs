//! A client of one node.
//!
//! | operation | what it is to etcd |
//! |---|---|
//! | `read`, `write`, `cas` | a range, a put, a transaction that compares the value |
//! | `add`, `read-set` | a put of a key of its own for each element; a range over all of them |
//! | `txn` | one read of all keys, then one transaction that writes if none has changed |
//! | `txn` of writes alone | one transaction of puts |
//! | `delete` | a deletion of the register's key |
//! | `watch` | a watch of one register or of all, for a time |
//! | `acquire`, `release` | `Lock` and `Unlock` of the lock service, under a lease that is kept alive |
//! | `write` of a token and a value | a put of what a lock guards, fenced or not |

use async_trait::async_trait;
use schism_history::{Call, Code, Key, Op, Outcome, Reply, Value};
use schism_lab::Node;
use tokio::time::Instant;

use super::gateway::Gateway;
use super::locks::Locks;
use super::settings::Settings;
use super::trouble::Trouble;
use super::{registers, sets, transactions, watches};
use crate::Client;

/// Asks one node, whatever becomes of it: never another.
pub(super) struct EtcdClient {
    node: Node,
    settings: Settings,
    /// Made with the first operation, which says how long operations may take.
    gateway: Option<Gateway>,
    locks: Locks,
}

impl EtcdClient {
    pub(super) fn new(node: &Node, settings: &Settings) -> Self {
        let locks = Locks::new(node, settings);
        Self { node: node.clone(), settings: settings.clone(), gateway: None, locks }
    }

    async fn perform(&mut self, call: &Call<'_>) -> Result<Reply, Trouble> {
        let deadline = Instant::now() + call.timeout;
        let kept = || Gateway::kept(&self.node, call.timeout);
        let gateway = &*self.gateway.get_or_insert_with(kept);
        let Op { f, key, value } = call.op;
        let reads = self.settings.reads;
        match (f.as_str(), *key, value) {
            ("read", Some(key), _) => registers::read(gateway, key, reads, deadline).await,
            // A write of a pair is one of what a lock guards: its token and the value.
            ("write", Some(key), Value::List(parts)) => {
                let [Value::Int(token), value] = &**parts else { return Err(unknown(call.op)) };
                self.locks.write(gateway, key, *token, value, deadline).await
            }
            ("write", Some(key), value) => registers::write(gateway, key, value, deadline).await,
            ("cas", Some(key), Value::List(pair)) if pair.len() == 2 => {
                registers::compare_and_set(gateway, key, &pair[0], &pair[1], deadline).await
            }
            ("add", Some(key), element) => sets::add(gateway, key, element, deadline).await,
            ("read-set", Some(key), _) => sets::read(gateway, key, reads, deadline).await,
            ("delete", Some(key), _) => watches::delete(gateway, key, deadline).await,
            ("watch", key, Value::Nil) => {
                watches::watch(gateway, key, None, self.settings.watch, deadline).await
            }
            ("watch", key, Value::Int(start)) => {
                watches::watch(gateway, key, Some(*start), self.settings.watch, deadline).await
            }
            ("txn", _, Value::Mops(mops)) if watches::only_writes(mops) => {
                watches::put_all(gateway, mops, deadline).await
            }
            ("txn", _, Value::Mops(mops)) => {
                transactions::transact(gateway, mops, reads, deadline).await
            }
            ("acquire", Some(key), _) => self.locks.acquire(gateway, key, deadline).await,
            ("release", Some(key), _) => self.locks.release(gateway, key, deadline).await,
            _ => Err(unknown(call.op)),
        }
    }
}

#[async_trait]
impl Client for EtcdClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        self.perform(call).await.map_or_else(Trouble::outcome, Outcome::Ok)
    }
}

/// An object's key in the store: objects of different kinds never meet.
pub(super) fn place(kind: &str, key: Key) -> String {
    format!("{kind}/{key}")
}

fn unknown(op: &Op) -> Trouble {
    Trouble::Never(Code::Other, format!("etcd has no operation {} {}", op.f, op.value))
}
