//! Circles in words.

use std::collections::BTreeMap;

use schism_history::Key;

use super::class::name;
use super::cycles::Cycle;
use super::graph::EdgeKind;
use super::time::Lifetime;
use crate::verdict::{Edge, Transaction};
use crate::{Anomaly, Witness};

/// An edge of a circle, to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// The place of the transaction that comes before.
    pub from: u32,
    /// The place of the one that comes after.
    pub to: u32,
    /// Why.
    pub kind: EdgeKind,
    /// What the transaction that comes before is called: `T1` …
    pub from_name: &'a str,
    /// What the one that comes after is called.
    pub to_name: &'a str,
}

/// Those who know what the transactions of a graph did.
pub(crate) trait Teller {
    /// When a transaction was.
    fn lifetime(&self, transaction: u32) -> Lifetime;
    /// The sentence that proves an edge of data, and the key that it is about.
    fn says(&self, step: &Step<'_>) -> (Option<Key>, String);
}

/// A circle as a proof, under the name of its class.
pub(crate) fn tell(cycle: &Cycle, teller: &impl Teller) -> Anomaly {
    tell_as(&name(cycle.class, cycle.order), &cycle.steps, teller)
}

/// A circle as a proof, under a name.
pub(crate) fn tell_as(class: &str, steps: &[(u32, EdgeKind)], teller: &impl Teller) -> Anomaly {
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for (place, _) in steps {
        let name = format!("T{}", names.len() + 1);
        names.entry(*place).or_insert(name);
    }
    let mut edges = Vec::new();
    let mut first_key = None;
    for (number, &(from, kind)) in steps.iter().enumerate() {
        let to = steps[(number + 1) % steps.len()].0;
        let (from_name, to_name) = (names[&from].as_str(), names[&to].as_str());
        let step = Step { from, to, kind, from_name, to_name };
        let (key, says) = match kind {
            EdgeKind::Process | EdgeKind::Realtime | EdgeKind::Through => {
                (None, in_time(&step, teller))
            }
            _ => teller.says(&step),
        };
        first_key = first_key.or(key);
        let (from, to) = (from_name.to_owned(), to_name.to_owned());
        edges.push(Edge { from, to, kind: kind.name().into(), says });
    }
    let sentences: Vec<&str> = edges.iter().map(|edge| edge.says.as_str()).collect();
    let circle: Vec<&str> = edges.iter().map(|edge| edge.from.as_str()).collect();
    let explanation = format!(
        "{} So {} and again {} would each have to come before the next: {class}.",
        sentences.join(" "),
        circle.join(", "),
        circle.first().copied().unwrap_or_default(),
    );
    let invoked = |place: u32| teller.lifetime(place).invoked;
    let mut told: Vec<(u32, String)> = names.into_iter().collect();
    told.sort_by_key(|(_, name)| name[1..].parse::<u32>().unwrap_or(0));
    let mut operations: Vec<u64> = steps.iter().map(|(place, _)| invoked(*place)).collect();
    operations.dedup();
    let transactions =
        told.into_iter().map(|(place, name)| Transaction { name, operation: invoked(place) });
    let witness = Witness::Cycle { transactions: transactions.collect(), edges };
    let key = first_key.map(|key| key.to_string());
    Anomaly { name: class.into(), key, operations, explanation, witness }
}

/// The sentence that proves an edge of time.
fn in_time(step: &Step<'_>, teller: &impl Teller) -> String {
    let Step { from_name, to_name, .. } = step;
    let (before, after) = (teller.lifetime(step.from), teller.lifetime(step.to));
    if step.kind == EdgeKind::Process {
        return format!(
            "{from_name} (event {}) came before {to_name} (event {}) in the session of {}.",
            before.invoked, after.invoked, after.process
        );
    }
    format!(
        "{from_name} had completed (event {}) before {to_name} was invoked (event {}).",
        before.completed, after.invoked
    )
}
