//! Effects on a node of the local lab: held by processes of the controller's own namespaces, which
//! see the node's processes and folders and die with the lab.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schism_agent::effects::Effect;
use schism_agent::holder::{Held, Order};
use schism_agent::ledger::Ledger;
use schism_agent::members::Members;

use super::life::spawn;

/// What is held on one node.
pub(super) struct Holders {
    ledger: Ledger,
    data: PathBuf,
    /// The node's network namespace, as /proc names it.
    network: String,
    held: Mutex<BTreeMap<String, Held>>,
}

impl Holders {
    pub(super) fn new(ledger: PathBuf, data: PathBuf, network: String) -> Self {
        Self { ledger: Ledger::at(ledger), data, network, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an effect. Blocks, for a bounded time.
    pub(super) fn hold(&self, name: &str, effect: Effect) -> Result<(), String> {
        if self.held().contains_key(name) {
            return Err(format!("something is held as {name} already"));
        }
        if effect.needs_disposable() {
            return Err(format!("{} would be about this whole machine", effect.kind()));
        }
        let order = Order {
            ledger: self.ledger.folder().to_owned(),
            name: name.to_owned(),
            members: Members::Network(self.network.clone()),
            data: self.data.clone(),
            effect,
        };
        let mut command = Command::new("/proc/self/exe");
        command.args(order.words()?);
        Held::connect(&mut command);
        let child = spawn(command).map_err(|error| format!("a holder: {error}"))?;
        let held = Held::meet(child, self.ledger.clone(), name)?;
        self.held().insert(name.to_owned(), held);
        Ok(())
    }

    /// Ends an effect. Blocks, for a bounded time.
    pub(super) fn release(&self, name: &str) -> Result<(), String> {
        let held = self.held().remove(name);
        held.map_or(Ok(()), Held::release)
    }
}
