//! Circles in words.

use std::collections::BTreeMap;

use schism_history::Key;

use super::class::name;
use super::cycles::Cycle;
use super::graph::EdgeKind;
use super::path::Steps;
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
    let mut names = BTreeMap::new();
    let (key, edges, explanation) = sentences(class, steps, teller, &mut names);
    let invoked = |place: u32| teller.lifetime(place).invoked;
    let mut operations: Vec<u64> = steps.iter().map(|(place, _)| invoked(*place)).collect();
    operations.dedup();
    let witness = Witness::Cycle { transactions: named(names, teller), edges };
    let key = key.map(|key| key.to_string());
    Anomaly { name: class.into(), key, operations, explanation, witness }
}

/// Two transactions of which no read shows the order, and the circle that each order closes: the
/// first if the first comes first. The first circle is drawn, both are told.
pub(crate) fn tell_both(
    class: &str,
    key: Key,
    (first, second): (u32, u32),
    circles: &[Steps; 2],
    teller: &impl Teller,
) -> Anomaly {
    let mut names = BTreeMap::from([(first, "T1".to_owned()), (second, "T2".to_owned())]);
    let (_, edges, one) = sentences(class, &circles[0], teller, &mut names);
    let drawn = named(names.clone(), teller);
    let (_, _, other) = sentences(class, &circles[1], teller, &mut names);
    let explanation = format!(
        "No read of {key} shows whether T1 or T2 appended first. If T1 did: {one} If T2 did: {other}"
    );
    let operations = drawn.iter().map(|one| one.operation).collect();
    let witness = Witness::Cycle { transactions: drawn, edges };
    Anomaly { name: class.into(), key: Some(key.to_string()), operations, explanation, witness }
}

/// The transactions of a circle, in order of their names.
fn named(names: BTreeMap<u32, String>, teller: &impl Teller) -> Vec<Transaction> {
    let mut told: Vec<(u32, String)> = names.into_iter().collect();
    told.sort_by_key(|(_, name)| name[1..].parse::<u32>().unwrap_or(0));
    let operation = |place: u32| teller.lifetime(place).invoked;
    told.into_iter()
        .map(|(place, name)| Transaction { name, operation: operation(place) })
        .collect()
}

/// The first key that a circle is about, its edges, and what they come to; with names for those who
/// have none yet.
fn sentences(
    class: &str,
    steps: &[(u32, EdgeKind)],
    teller: &impl Teller,
    names: &mut BTreeMap<u32, String>,
) -> (Option<Key>, Vec<Edge>, String) {
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
    let told: Vec<&str> = edges.iter().map(|edge| edge.says.as_str()).collect();
    let circle: Vec<&str> = edges.iter().map(|edge| edge.from.as_str()).collect();
    let explanation = format!(
        "{} So {} and again {} would each have to come before the next: {class}.",
        short(&told, " ", "more edges like these."),
        short(&circle, ", ", "others"),
        circle.first().copied().unwrap_or_default(),
    );
    (first_key, edges, explanation)
}

/// Words joined; of many the first few and the last.
fn short(words: &[&str], between: &str, more: &str) -> String {
    const TOLD_MAX: usize = 12;
    let Some((last, most)) = words.split_last().filter(|_| words.len() > TOLD_MAX) else {
        return words.join(between);
    };
    let begin = &most[..TOLD_MAX / 2];
    let left = most.len() - begin.len();
    format!("{}{between}{left} {more}{between}{last}", begin.join(between))
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
