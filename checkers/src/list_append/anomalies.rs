//! What is wrong by itself, without a circle.

use rustc_hash::FxHashMap;
use schism_history::{Key, Mop, MopKind, Value};

use super::transactions::{Fate, Transactions, elements, number};
use super::versions::{Lists, Read};

/// A contradiction, by the weakest claim that it breaks.
#[derive(Debug)]
pub(crate) struct Contradiction {
    /// Its name in the literature.
    pub name: &'static str,
    /// The list.
    pub key: Key,
    /// The places of the transactions that matter, the one that shows it last.
    pub transactions: Vec<u32>,
    /// What happened, as whole sentences about `T1`, `T2` …, in the order of `transactions`.
    pub says: String,
}

/// The contradictions that break each claim, weakest claim first; the first of each kind and list.
#[derive(Debug, Default)]
pub(crate) struct Contradictions {
    /// Break `read-uncommitted`.
    pub uncommitted: Vec<Contradiction>,
    /// Break `read-committed`.
    pub committed: Vec<Contradiction>,
    /// Break `snapshot-isolation`.
    pub snapshot: Vec<Contradiction>,
}

impl Contradictions {
    /// Finds them.
    pub fn of(transactions: &Transactions<'_>, lists: &Lists<'_>) -> Self {
        let mut found = Self::default();
        for (&key, list) in lists {
            if let Some((read, element)) = list.duplicate {
                found.uncommitted.push(Contradiction {
                    name: "duplicate-elements",
                    key,
                    transactions: with_writer(transactions, key, element, read.transaction),
                    says: format!(
                        "{} read {key} = {}, which holds element {element} twice, though it was appended once.",
                        last_name(transactions, key, element, read.transaction),
                        shown(read.list)
                    ),
                });
            }
            if let (Some(longest), Some(other)) = (list.longest, list.incompatible) {
                found.committed.push(Contradiction {
                    name: "incompatible-order",
                    key,
                    transactions: vec![longest.transaction, other.transaction],
                    says: format!(
                        "T1 read {key} = {} and T2 read {key} = {}: neither is a prefix of the other, so \
                         that {key} has no single order of versions.",
                        shown(longest.list),
                        shown(other.list)
                    ),
                });
            }
            found.committed.extend(dirty_reads(transactions, key, &list.reads));
        }
        for place in 0..transactions.all.len() as u32 {
            found.look_inside(transactions, place);
        }
        found.snapshot.extend(lost_updates(transactions, lists));
        found
    }

    /// Whether a transaction agrees with what it has itself read and written before.
    fn look_inside(&mut self, transactions: &Transactions<'_>, place: u32) {
        let transaction = transactions.at(place);
        if transaction.fate != Fate::Committed {
            return;
        }
        for (number_of_read, read) in transaction.mops.iter().enumerate() {
            let Some(list) = elements(&read.value).filter(|_| read.kind == MopKind::Read) else {
                continue;
            };
            let (before, after) =
                (&transaction.mops[..number_of_read], &transaction.mops[number_of_read..]);
            let own = |mop: &&Mop| mop.kind == MopKind::Append && mop.key == read.key;
            if let Some(future) = after.iter().filter(own).find(|mop| list.contains(&mop.value)) {
                self.committed.push(Contradiction {
                    name: "future-read",
                    key: read.key,
                    transactions: vec![place],
                    says: format!(
                        "T1 read {} = {}, which holds {}, before it appended that itself.",
                        read.key,
                        shown(list),
                        future.value
                    ),
                });
            } else if let Some(expected) = contradicted(before, read.key, list) {
                self.snapshot.push(Contradiction {
                    name: "internal",
                    key: read.key,
                    transactions: vec![place],
                    says: format!(
                        "T1 read {} = {}, though by its own earlier reads and appends it had to be {expected}.",
                        read.key,
                        shown(list)
                    ),
                });
            }
        }
    }
}

/// What the list had to be, if `before` says so and it is not.
fn contradicted(before: &[Mop], key: Key, list: &[Value]) -> Option<String> {
    let mut known: Option<Vec<Value>> = None;
    let mut suffix: Vec<Value> = Vec::new();
    for mop in before.iter().filter(|mop| mop.key == key) {
        match mop.kind {
            MopKind::Read => known = elements(&mop.value).map(<[Value]>::to_vec),
            _ => match &mut known {
                Some(known) => known.push(mop.value.clone()),
                None => suffix.push(mop.value.clone()),
            },
        }
    }
    match known {
        Some(known) => (known != list).then(|| shown(&known)),
        None => {
            (!list.ends_with(&suffix)).then(|| format!("a list that ends with {}", shown(&suffix)))
        }
    }
}

/// Reads of what was aborted (G1a), of what was not final (G1b), and of what nobody wrote.
fn dirty_reads(
    transactions: &Transactions<'_>,
    key: Key,
    reads: &[Read<'_>],
) -> Vec<Contradiction> {
    let mut found: [Option<Contradiction>; 3] = [None, None, None];
    // Most reads are prefixes of longer ones: an element is looked at once.
    let mut looked: rustc_hash::FxHashSet<i64> = rustc_hash::FxHashSet::default();
    for read in reads {
        for element in read.list.iter().map(number).filter(|element| looked.insert(*element)) {
            let Some(writer) = transactions.writers.get(&(key, element)) else {
                found[0].get_or_insert_with(|| Contradiction {
                    name: "unexpected-element",
                    key,
                    transactions: vec![read.transaction],
                    says: format!("T1 read element {element} in {key}, which nobody appended."),
                });
                continue;
            };
            if transactions.at(writer.transaction).fate == Fate::Aborted {
                found[1].get_or_insert_with(|| Contradiction {
                    name: "G1a",
                    key,
                    transactions: vec![writer.transaction, read.transaction],
                    says: format!(
                        "T2 read element {element} in {key}, which T1 appended, but T1 was aborted."
                    ),
                });
            }
        }
        let Some(last) = read.list.last().map(number) else { continue };
        let Some(writer) = transactions.writers.get(&(key, last)) else { continue };
        if !writer.last && writer.transaction != read.transaction {
            found[2].get_or_insert_with(|| Contradiction {
                name: "G1b",
                key,
                transactions: vec![writer.transaction, read.transaction],
                says: format!(
                    "T2 read {key} up to {last}, which T1 appended, but T1 appended more to {key} after \
                     that: T2 saw T1 half done."
                ),
            });
        }
    }
    found.into_iter().flatten().collect()
}

/// Two committed transactions that read the same version of a list and both appended to it.
fn lost_updates(transactions: &Transactions<'_>, lists: &Lists<'_>) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for (&key, list) in lists.iter().filter(|(_, list)| list.order().is_some()) {
        let mut by_version: FxHashMap<usize, u32> = FxHashMap::default();
        for read in &list.reads {
            let mops = transactions.at(read.transaction).mops;
            let touches = |mop: &Mop| mop.key == key;
            let first = !mops[..read.mop].iter().any(touches);
            let appends = |mop: &Mop| mop.key == key && mop.kind == MopKind::Append;
            if !first || !mops[read.mop..].iter().any(appends) {
                continue;
            }
            if let Some(&other) = by_version.get(&read.list.len()) {
                found.push(Contradiction {
                    name: "lost-update",
                    key,
                    transactions: vec![other, read.transaction],
                    says: format!(
                        "T1 and T2 both read {key} = {} and then both appended to {key}: one of them did \
                         not see the other.",
                        shown(read.list)
                    ),
                });
                break;
            }
            by_version.insert(read.list.len(), read.transaction);
        }
    }
    found
}

fn with_writer(transactions: &Transactions<'_>, key: Key, element: i64, reader: u32) -> Vec<u32> {
    let writer = transactions.writers.get(&(key, element)).map(|writer| writer.transaction);
    let mut places: Vec<u32> = writer.into_iter().filter(|writer| *writer != reader).collect();
    places.push(reader);
    places
}

fn last_name(transactions: &Transactions<'_>, key: Key, element: i64, reader: u32) -> String {
    format!("T{}", with_writer(transactions, key, element, reader).len())
}

/// A list as a reader can bear it: of a long one the end.
pub(crate) fn shown(list: &[Value]) -> String {
    const SHOWN_MAX: usize = 12;
    let skipped = list.len().saturating_sub(SHOWN_MAX);
    let words: Vec<String> = list[skipped..].iter().map(ToString::to_string).collect();
    let before = if skipped > 0 { format!("… {skipped} more … ") } else { String::new() };
    format!("[{before}{}]", words.join(" "))
}
