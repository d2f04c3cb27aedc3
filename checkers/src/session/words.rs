//! Operations, values and keys in words.

use schism_history::Value;

use super::explanation::{Teller, shown};
use crate::phrase::who;

impl Teller<'_> {
    /// An operation of the history: `write 5 to x (event 3, p0)`.
    pub fn operation(&self, number: u32) -> String {
        let operation = self.steps.history.operation(number as usize);
        let (event, who) = (operation.invoked, who(&operation));
        let key = operation.op.key.map(|key| key.to_string()).unwrap_or_default();
        match (operation.op.f.as_str(), &operation.op.value) {
            ("read", _) => format!("the read of {key} of event {event} ({who})"),
            ("get", _) => format!("the get of {key} of event {event} ({who})"),
            (f @ ("put" | "append"), value) => {
                format!("{f} {value} to {key} (event {event}, {who})")
            }
            ("write", value) => format!("write {} to {key} (event {event}, {who})", shown(value)),
            ("cas", Value::List(pair)) if pair.len() == 2 => format!(
                "compare-and-set {} → {} on {key} (event {event}, {who})",
                shown(&pair[0]),
                shown(&pair[1])
            ),
            (f, _) => format!("the {f} of event {event} ({who})"),
        }
    }

    /// The operation of a step.
    pub fn step(&self, step: u32) -> String {
        self.operation(self.steps.all[step as usize].number)
    }

    /// The index of its invocation.
    pub fn invoked(&self, step: u32) -> u64 {
        self.steps.history.operation(self.steps.all[step as usize].number as usize).invoked
    }

    /// The value of a version.
    pub fn value(&self, version: u32) -> String {
        shown(self.steps.versions[version as usize].value)
    }

    /// The name of a version's key.
    pub fn key(&self, version: u32) -> String {
        self.steps.keys[self.steps.versions[version as usize].key as usize].to_string()
    }

    /// What a step returned.
    pub fn returned(&self, step: u32) -> String {
        let number = self.steps.all[step as usize].number as usize;
        let operation = self.steps.history.operation(number);
        shown(operation.ok().map_or(&Value::Nil, |reply| &reply.value))
    }

    /// The name of the one key that a step is about.
    pub fn key_of(&self, step: u32) -> String {
        let number = self.steps.all[step as usize].number as usize;
        let operation = self.steps.history.operation(number);
        operation.op.key.map(|key| key.to_string()).unwrap_or_default()
    }
}
