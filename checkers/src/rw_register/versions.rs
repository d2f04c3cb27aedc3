//! What transactions that read a version and overwrite it say by themselves.

use rustc_hash::FxHashMap;
use schism_history::MopKind;

use super::facts::Facts;
use crate::verdict::{Edge, Transaction};
use crate::weak::{Case, INIT};
use crate::{Anomaly, Witness};

/// Anomalies that are told.
const TOLD_MAX: usize = 8;

/// Whether `reader` read `key` before it wrote it.
fn reads_before_it_writes(case: &Case<'_>, reader: u32, key: u32) -> bool {
    let name = case.teller.transactions.names[key as usize];
    let mops = case.teller.of(reader);
    mops.iter().find(|mop| mop.key == name).is_some_and(|mop| mop.kind == MopKind::Read)
}

/// Who read a version and overwrote it, each with the version and the key, in order of versions.
fn updates(facts: &Facts<'_>) -> Vec<(u32, u32, u32)> {
    let mut updates = Vec::new();
    for version in 0..facts.versions_len() as u32 {
        let key = facts.keys[version as usize];
        let readers = facts.readers(version).iter();
        updates.extend(
            readers.filter(|it| facts.transactions.wrote(**it, key)).map(|it| (version, key, *it)),
        );
    }
    updates
}

/// Versions that several transactions read, each of which overwrote them.
pub(crate) fn lost_updates(case: &Case<'_>, facts: &Facts<'_>) -> Vec<Anomaly> {
    let mut updates = updates(facts);
    updates.retain(|(_, key, it)| reads_before_it_writes(case, *it, *key));
    let teller = &case.teller;
    let mut anomalies = Vec::new();
    for group in updates.chunk_by(|one, other| one.0 == other.0).filter(|group| group.len() > 1) {
        if anomalies.len() == TOLD_MAX {
            break;
        }
        let mut group = group.to_vec();
        group.sort_unstable_by_key(|(_, _, it)| facts.invoked[*it as usize]);
        let (version, key, first) = group[0];
        let second = group[1].2;
        let writer = facts.writers[version as usize];
        let (one, other) = (facts.invoked[first as usize], facts.invoked[second as usize]);
        let more = match group.len() {
            2 => String::new(),
            length => format!(" {length} transactions did so."),
        };
        let explanation = format!(
            "The transactions of events {one} and {other} both read {}, and each overwrote it: the \
             first with {}, the second with {}. Whichever came later had not seen the write of the \
             other, which is lost.{more}",
            teller.read(first, key, writer),
            teller.written(first, key),
            teller.written(second, key)
        );
        anomalies.push(Anomaly {
            name: "lost-update".into(),
            key: Some(teller.key(key).to_owned()),
            operations: group.iter().map(|(_, _, it)| facts.invoked[*it as usize]).collect(),
            explanation,
            witness: Witness::Operations,
        });
    }
    anomalies
}

/// A circle of transactions each of which read what the one before it wrote, and overwrote it:
/// `cyclic-versions` if it is about one key, otherwise `G0`.
pub(crate) fn circle(case: &Case<'_>, facts: &Facts<'_>) -> Option<Anomaly> {
    // From the later to the earlier one: there may be several of these.
    let mut before: FxHashMap<u32, Vec<(u32, u32)>> = FxHashMap::default();
    let mut ends: Vec<u32> = Vec::new();
    for (version, key, it) in updates(facts) {
        let writer = facts.writers[version as usize];
        if writer != INIT && reads_before_it_writes(case, it, key) {
            before.entry(it).or_default().push((writer, key));
            ends.push(it);
        }
    }
    // One key first: such a circle says more.
    let keys = |circle: &[(u32, u32)]| circle.iter().all(|(_, key)| *key == circle[0].1);
    let mut found: Option<Vec<(u32, u32)>> = None;
    for one_key in [true, false] {
        found = found.or_else(|| find(&before, &ends, one_key));
    }
    let circle = found?;
    let name = if keys(&circle) { "cyclic-versions" } else { "G0" };
    let teller = &case.teller;
    let mut proofs = Vec::new();
    for (place, (it, key)) in circle.iter().enumerate() {
        let to = circle[(place + 1) % circle.len()].0;
        let (from, next) = (place + 1, (place + 1) % circle.len() + 1);
        proofs.push(Edge {
            from: format!("T{from}"),
            to: format!("T{next}"),
            kind: "ww".into(),
            says: format!(
                "T{next} read {}, which T{from} wrote, and overwrote it with {}.",
                teller.read(to, *key, *it),
                teller.written(to, *key)
            ),
        });
    }
    let says: Vec<&str> = proofs.iter().map(|edge| edge.says.as_str()).collect();
    let explanation = format!(
        "{} So each of these writes would be older than the next, and the last older than the first: \
         {name}.",
        says.join(" ")
    );
    let invoked = |it: u32| facts.invoked[it as usize];
    let transactions = circle.iter().enumerate().map(|(place, (it, _))| Transaction {
        name: format!("T{}", place + 1),
        operation: invoked(*it),
    });
    let witness = Witness::Cycle { transactions: transactions.collect(), edges: proofs };
    Some(Anomaly {
        name: name.into(),
        key: Some(teller.key(circle[0].1).to_owned()),
        operations: circle.iter().map(|(it, _)| invoked(*it)).collect(),
        explanation,
        witness,
    })
}

/// A circle: each with the key by which it comes before the next.
fn find(
    before: &FxHashMap<u32, Vec<(u32, u32)>>,
    ends: &[u32],
    one_key: bool,
) -> Option<Vec<(u32, u32)>> {
    // Node: a transaction, with the key if circles must be about one.
    let mut done: FxHashMap<(u32, u32), bool> = FxHashMap::default();
    let none: &[(u32, u32)] = &[];
    let of = |it: u32| before.get(&it).map_or(none, Vec::as_slice);
    for &end in ends {
        for &(_, key) in of(end) {
            let root = (end, if one_key { key } else { 0 });
            if done.contains_key(&root) {
                continue;
            }
            done.insert(root, false);
            let mut stack: Vec<((u32, u32), usize, u32)> = vec![(root, 0, key)];
            while let Some((node, next, _)) = stack.last_mut() {
                let node = *node;
                let Some(&(writer, key)) = of(node.0).get(*next) else {
                    done.insert(node, true);
                    stack.pop();
                    continue;
                };
                *next += 1;
                if one_key && key != node.1 {
                    continue;
                }
                let to = (writer, node.1);
                match done.get(&to) {
                    Some(true) => {}
                    Some(false) => {
                        let start = stack.iter().position(|(it, _, _)| *it == to)?;
                        // Each entry says by which key it was reached from the later one.
                        let mut circle = vec![(stack[start].0.0, key)];
                        let reached = stack[start + 1..].iter().rev();
                        let later: Vec<(u32, u32)> =
                            reached.map(|(node, _, by)| (node.0, *by)).collect();
                        circle.extend(later);
                        return Some(circle);
                    }
                    None => {
                        done.insert(to, false);
                        stack.push((to, 0, key));
                    }
                }
            }
        }
    }
    None
}
