//! `scenario`: ordered steps, with roles, waits on conditions and random times.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use schism_history::OptionError;
use schism_lab::Effect;
use serde_json::Value;

use crate::scenario::Scenario;
use crate::{Fault, FaultEntry, Injection, View};

pub(crate) const ENTRY: FaultEntry = FaultEntry {
    name: "scenario",
    summary: "ordered steps on links and nodes, with roles, random times, and waits for a leader or an operation",
    forms: &[
        "scenario: [ STEP, … ]         one step after the other, within `for`; then all is healed. A STEP is:",
        "  roles: { L: leader, C: ROLE, F: follower, G: other | one | n1 }   named when the step begins; names can be given anew",
        "  roles: { H: holder | client | c1 }   clients, with `load: { host: process }`; the holder of a lock",
        "  hold | release | drop | heal: { from: L, to: F } | { between: [L, clients] } | { links: L }   heal: all",
        "  delay: { from: L, to: F, by: 100ms, jitter: 20ms }",
        "  pause | resume | kill | start: L | n1 | [L, F] | H | clients",
        "  wait: 300ms | 100ms..450ms    drawn evenly from the seed",
        "  until: { leader: { not: L }, within: 5s }   a node that is not L says that it leads",
        "  until: { ROLE: { not: C }, within: 5s }         another node plays that role of the target",
        "  until: { operation: { f: write, outcome: begun | ok | fail | info, at: F }, within: 5s }   one begun since then",
        "  burn | clock | memory | descriptors | disk | power-loss | damage: { of: L, … }   as elsewhere; held until",
        "  end: clock | [clock, burn]                     or the end of the scenario",
        "  in-any-order: { gap: 0ms..100ms, steps: [ release: { from: L, to: F }, … ] }",
    ],
    construct,
};

fn construct(given: &Value) -> Result<Box<dyn Fault>, OptionError> {
    Ok(Box::new(Scenario::parse(given)?))
}

impl Fault for Scenario {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn detail(&self) -> String {
        format!("of {} steps", self.steps.len())
    }

    fn fits(&self, nodes: u16) -> Result<(), String> {
        Scenario::fits(self, nodes, 0)
    }

    fn fits_with(&self, nodes: u16, clients: u16) -> Result<(), String> {
        Scenario::fits(self, nodes, clients)
    }

    fn least(&self) -> Duration {
        Scenario::least(self)
    }

    fn needs_switch(&self) -> Option<&'static str> {
        Some("its steps change links at moments that only the switch keeps")
    }

    fn needs_disposable(&self) -> bool {
        self.inner().any(|fault| fault.needs_disposable())
    }

    fn prepares(&self) -> Option<Effect> {
        self.inner().find_map(|fault| fault.prepares())
    }

    fn parts(&self) -> Vec<&'static str> {
        self.faults()
    }

    /// Its steps ask for them.
    fn named_roles(&self) -> Vec<&'static str> {
        Scenario::roles(self)
    }

    /// Nothing is resolved yet: that is what its steps do when they begin.
    fn plan(&self, _: &View, _: &mut ChaCha8Rng) -> Injection {
        Injection::Scenario(self.clone())
    }
}
