//! A store inside the controller, for tests of the harness and for measuring it.

mod logs;
mod store;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{Call, OptionError, Options, Outcome, Process};
use schism_lab::Node;

use crate::{Client, Cluster, Target, TargetEntry, TargetError};
use logs::{Logs, Reader};
use store::Store;

const NAME: &str = "memory";

/// The row of this target.
pub(crate) const ENTRY: TargetEntry = TargetEntry {
    name: NAME,
    summary: "a linearizable store inside the controller; no nodes, no faults, very fast",
    needs_lab: false,
    operations: &[
        "read",
        "write",
        "cas",
        "add",
        "read-set",
        "txn",
        "append",
        "send",
        "poll",
        "assign",
        "subscribe",
        "crash",
    ],
    faults: &[],
    roles: &[],
    options: &[],
    fits: |_, _| Ok(()),
    construct,
};

/// Registers, sets, lists and logs in memory. They live as long as the target: a client sees what the
/// clients before it wrote.
#[derive(Default)]
struct Memory {
    store: Arc<Store>,
    logs: Arc<Logs>,
}

fn construct(given: &serde_json::Value) -> Result<Arc<dyn Target>, OptionError> {
    Options::read(given, &[])?;
    Ok(Arc::new(Memory::default()))
}

#[async_trait]
impl Target for Memory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> String {
        "memory, a linearizable store inside the controller".into()
    }

    async fn start(&self, _: &Cluster, _: &Node) -> Result<(), TargetError> {
        Err(TargetError::Unsupported { target: NAME, what: "run on a node" })
    }

    async fn ready(&self, _: &Cluster, _: Duration) -> Result<(), TargetError> {
        Ok(())
    }

    /// A client of the one store, whatever the node.
    async fn connect(
        &self,
        _: &Cluster,
        _: &Node,
        _: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        let (store, logs) = (Arc::clone(&self.store), Arc::clone(&self.logs));
        Ok(Box::new(MemoryClient { store, reader: Reader::new(Arc::clone(&logs)), logs }))
    }
}

struct MemoryClient {
    store: Arc<Store>,
    logs: Arc<Logs>,
    reader: Reader,
}

#[async_trait]
impl Client for MemoryClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        if self.logs.concerns(call.op) {
            self.reader.invoke(call.op)
        } else {
            self.store.apply(call.op)
        }
    }
}
