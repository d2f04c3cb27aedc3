//! Circles and contradictions in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::anomalies::Contradiction;
use super::cycles::{Cycle, name};
use super::graph::Edge;
use super::transactions::{Transactions, number};
use super::versions::Lists;
use crate::verdict::{Edge as Proof, Transaction};
use crate::{Anomaly, Witness};

/// A circle as a proof.
pub(crate) fn tell_cycle(
    transactions: &Transactions<'_>,
    lists: &Lists<'_>,
    cycle: &Cycle,
) -> Anomaly {
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for (number, (place, _)) in cycle.iter().enumerate() {
        names.entry(*place).or_insert_with(|| format!("T{}", number + 1));
    }
    let mut edges = Vec::new();
    for (number, (from, edge)) in cycle.iter().enumerate() {
        let to = cycle[(number + 1) % cycle.len()].0;
        let says = tell_edge(transactions, lists, &names, *from, to, *edge);
        let (from, to) = (names[from].clone(), names[&to].clone());
        edges.push(Proof { from, to, kind: edge.name().into(), says });
    }
    let class = name(cycle);
    let sentences: Vec<&str> = edges.iter().map(|edge| edge.says.as_str()).collect();
    let circle: Vec<&str> = edges.iter().map(|edge| edge.from.as_str()).collect();
    let explanation = format!(
        "{} So {} and again {} would each have to come before the next: {class}.",
        sentences.join(" "),
        circle.join(", "),
        circle.first().copied().unwrap_or_default(),
    );
    let key = cycle.iter().find_map(|(_, edge)| edge.key()).map(|key| key.to_string());
    let operations = cycle.iter().map(|(place, _)| transactions.at(*place).invoked).collect();
    let told = names.iter().map(|(place, name)| Transaction {
        name: name.clone(),
        operation: transactions.at(*place).invoked,
    });
    let witness = Witness::Cycle { transactions: told.collect(), edges };
    Anomaly { name: class, key, operations, explanation, witness }
}

/// A contradiction as a proof.
pub(crate) fn tell_contradiction(
    transactions: &Transactions<'_>,
    contradiction: &Contradiction,
) -> Anomaly {
    let Contradiction { name, key, transactions: places, says } = contradiction;
    let mut explanation = says.clone();
    for (number, place) in places.iter().enumerate() {
        let transaction = transactions.at(*place);
        let node = transaction.node.map(|node| format!(" on {node}")).unwrap_or_default();
        let _ = write!(
            explanation,
            " T{} is event {} ({}{node}).",
            number + 1,
            transaction.invoked,
            transaction.process
        );
    }
    Anomaly {
        name: (*name).into(),
        key: Some(key.to_string()),
        operations: places.iter().map(|place| transactions.at(*place).invoked).collect(),
        explanation,
        witness: Witness::Operations,
    }
}

fn tell_edge(
    transactions: &Transactions<'_>,
    lists: &Lists<'_>,
    names: &BTreeMap<u32, String>,
    from: u32,
    to: u32,
    edge: Edge,
) -> String {
    let (a, b) = (&names[&from], &names[&to]);
    let order = |key| lists.get(&key).and_then(super::versions::List::order).unwrap_or_default();
    let element = |key, place: u32| order(key).get(place as usize).map_or(0, number);
    // The last of its elements among the first so many of the list.
    let own = |key, until: usize| {
        let wrote = |element: &i64| {
            transactions.writers.get(&(key, *element)).is_some_and(|it| it.transaction == from)
        };
        let mut elements = order(key)[..until].iter().map(number).enumerate();
        elements.rfind(|(_, element)| wrote(element)).unwrap_or((until, 0))
    };
    match edge {
        Edge::WriteWrite(key, place) => {
            let (at, first) = own(key, place as usize);
            let next = element(key, place);
            let after = if at + 1 == place as usize {
                "directly after it"
            } else {
                "after it, with nothing between that took effect"
            };
            format!("{a} appended {first} to {key}, and {b} appended {next} {after}.")
        }
        Edge::WriteUnseen(key, unseen) => {
            let (_, last) = own(key, order(key).len());
            format!(
                "{a} appended {last} to {key}, and {b} appended {unseen}, which came later, since \
                 not even the longest read of {key} shows it."
            )
        }
        Edge::ReadUnseen(key, unseen) => {
            let read = match order(key).last().map(number) {
                Some(last) => format!("{a} read {key} up to {last}"),
                None => format!("{a} read {key} as empty"),
            };
            format!("{read}, before {b} appended {unseen}, which no read of {key} shows.")
        }
        Edge::WriteRead(key, place) => {
            let last = element(key, place);
            format!(
                "{a} appended {last} to {key}, and {b} read {key} with {last} as its last element."
            )
        }
        Edge::ReadWrite(key, 0) => {
            let next = element(key, 0);
            format!("{a} read {key} as empty, before {b} appended {next}, its first element.")
        }
        Edge::ReadWrite(key, place) => {
            let (last, next) = (element(key, place - 1), element(key, place));
            format!(
                "{a} read {key} up to {last}, and not the next element, {next}, which {b} appended."
            )
        }
        Edge::Realtime => {
            let (completed, invoked) =
                (transactions.at(from).completed, transactions.at(to).invoked);
            format!(
                "{a} had completed (event {completed}) before {b} was invoked (event {invoked})."
            )
        }
    }
}
