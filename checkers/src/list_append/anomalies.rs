//! What is wrong with one list by itself, without a circle.

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{Key, Mop, MopKind, Value};

use super::lists::{Element, List, NOBODY, Writers};
use super::transactions::{Fate, Touch, Transactions, elements};

/// A contradiction.
#[derive(Clone, Debug)]
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

/// The contradictions of one list; the first of each kind.
pub(crate) fn contradictions<'a>(
    transactions: &Transactions<'a>,
    list: &List<'a>,
    touches: &[Touch],
    writers: &Writers<'a>,
) -> Vec<Contradiction> {
    let seen = Seen { transactions, list, writers };
    let mut found = Vec::new();
    if list.repeated.is_none() {
        found.extend(seen.duplicate());
        found.extend(seen.incompatible());
        found.extend(seen.dirty_reads());
        found.extend(seen.intermediate_read());
        found.extend(seen.dirty_update());
    }
    found.extend(seen.inside(touches));
    if list.ordered() {
        found.extend(seen.lost_update(touches));
    }
    found
}

struct Seen<'s, 'a> {
    transactions: &'s Transactions<'a>,
    list: &'s List<'a>,
    writers: &'s Writers<'a>,
}

impl<'a> Seen<'_, 'a> {
    /// Who appended an element.
    fn writer(&self, element: &'a Value) -> Option<u32> {
        let append = *self.writers.get(&Element::of(element))?;
        Some(self.list.appends[append as usize].touch.transaction)
    }

    fn duplicate(&self) -> Option<Contradiction> {
        let (read, element) = self.list.duplicate?;
        let mut places: Vec<u32> =
            self.writer(element).into_iter().filter(|it| *it != read.transaction).collect();
        places.push(read.transaction);
        let key = self.list.key;
        let says = format!(
            "T{} read {key} = {}, which holds element {element} twice, though it was appended once.",
            places.len(),
            shown(self.transactions.list(read))
        );
        Some(Contradiction { name: "duplicate-elements", key, transactions: places, says })
    }

    fn incompatible(&self) -> Option<Contradiction> {
        let (longest, other) = (self.list.longest?, self.list.incompatible?);
        let key = self.list.key;
        let says = format!(
            "T1 read {key} = {} and T2 read {key} = {}: neither is a prefix of the other, so that {key} has \
             no single order of versions.",
            shown(self.transactions.list(longest)),
            shown(self.transactions.list(other))
        );
        let transactions = vec![longest.transaction, other.transaction];
        Some(Contradiction { name: "incompatible-order", key, transactions, says })
    }

    /// Reads of what was aborted (G1a), and of what nobody wrote.
    fn dirty_reads(&self) -> Vec<Contradiction> {
        let all_known = self.list.writers.iter().all(|append| {
            *append != NOBODY && {
                let writer = self.list.appends[*append as usize].touch.transaction;
                self.transactions.at(writer).fate != Fate::Aborted
            }
        });
        if all_known && self.list.incompatible.is_none() {
            return Vec::new();
        }
        let key = self.list.key;
        let mut found: [Option<Contradiction>; 2] = [None, None];
        // Most reads are prefixes of longer ones: an element is looked at once.
        let mut looked: FxHashSet<Element<'_>> = FxHashSet::default();
        for read in &self.list.reads {
            let elements = self.transactions.list(*read).iter();
            for element in elements.filter(|element| looked.insert(Element::of(element))) {
                match self.writer(element) {
                    None => {
                        found[0].get_or_insert_with(|| Contradiction {
                            name: "unexpected-element",
                            key,
                            transactions: vec![read.transaction],
                            says: format!(
                                "T1 read element {element} in {key}, which nobody appended."
                            ),
                        });
                    }
                    Some(writer) if self.transactions.at(writer).fate == Fate::Aborted => {
                        found[1].get_or_insert_with(|| Contradiction {
                            name: "G1a",
                            key,
                            transactions: vec![writer, read.transaction],
                            says: format!(
                                "T2 read element {element} in {key}, which T1 appended, but T1 was aborted."
                            ),
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        found.into_iter().flatten().collect()
    }

    /// A read that ends with what is not the last append of another transaction (G1b).
    fn intermediate_read(&self) -> Option<Contradiction> {
        let key = self.list.key;
        self.list.reads.iter().find_map(|read| {
            let elements = self.transactions.list(*read);
            let last = elements.last()?;
            let append = if self.list.incompatible.is_none() {
                *self.list.writers.get(elements.len() - 1)?
            } else {
                *self.writers.get(&Element::of(last))?
            };
            let append = self.list.appends.get(append as usize)?;
            let writer = append.touch.transaction;
            (!append.last && writer != read.transaction).then(|| Contradiction {
                name: "G1b",
                key,
                transactions: vec![writer, read.transaction],
                says: format!(
                    "T2 read {key} up to {last}, which T1 appended, but T1 appended more to {key} after that: \
                     T2 saw T1 half done."
                ),
            })
        })
    }

    /// An append that built on what was aborted.
    fn dirty_update(&self) -> Option<Contradiction> {
        let read = self.list.longest.filter(|_| self.list.ordered())?;
        let fate = |writer: u32| self.transactions.at(writer).fate;
        let writers =
            || (0..self.list.writers.len()).filter_map(|it| Some((it, self.list.writer(it)?)));
        let (dirty, aborted) = writers().find(|(_, writer)| fate(*writer) == Fate::Aborted)?;
        let (next, writer) =
            writers().find(|(place, it)| *place > dirty && fate(*it) == Fate::Committed)?;
        let (key, elements) = (self.list.key, self.transactions.list(read));
        let mut transactions = vec![aborted, writer];
        let reader = if read.transaction == writer { 2 } else { 3 };
        if reader == 3 {
            transactions.push(read.transaction);
        }
        let says = format!(
            "T1 appended {} to {key} and was aborted, but T{reader} read {key} = {}, where {}, which T2 \
             appended and committed, stands after it: T2's version was made of T1's.",
            elements[dirty],
            shown(elements),
            elements[next]
        );
        Some(Contradiction { name: "dirty-update", key, transactions, says })
    }

    /// Whether transactions agree with what they have themselves read and written before.
    fn inside(&self, touches: &[Touch]) -> Vec<Contradiction> {
        let mut found: [Option<Contradiction>; 2] = [None, None];
        for own in touches.chunk_by(|a, b| a.transaction == b.transaction) {
            let transaction = own[0].transaction;
            if own.len() == 1 || self.transactions.at(transaction).fate != Fate::Committed {
                continue;
            }
            let mops: Vec<&Mop> = own.iter().map(|touch| self.transactions.mop(*touch)).collect();
            for (number, mop) in mops.iter().enumerate() {
                let Some(list) = elements(&mop.value).filter(|_| mop.kind == MopKind::Read) else {
                    continue;
                };
                let (name, says) = self.contradicted(&mops, number, list);
                let Some(says) = says else { continue };
                let found = &mut found[usize::from(name == "internal")];
                let key = self.list.key;
                let transactions = vec![transaction];
                found.get_or_insert(Contradiction { name, key, transactions, says });
            }
        }
        found.into_iter().flatten().collect()
    }

    /// What is wrong with a read by what its own transaction did to the list.
    fn contradicted(
        &self,
        mops: &[&Mop],
        number: usize,
        list: &[Value],
    ) -> (&'static str, Option<String>) {
        let key = self.list.key;
        let mut later = mops[number..].iter().filter(|mop| mop.kind == MopKind::Append);
        if self.list.repeated.is_none()
            && let Some(future) = later.find(|mop| list.contains(&mop.value))
        {
            let says = format!(
                "T1 read {key} = {}, which holds {}, before it appended that itself.",
                shown(list),
                future.value
            );
            return ("future-read", Some(says));
        }
        let says = expected(&mops[..number], list).map(|expected| {
            format!(
                "T1 read {key} = {}, though by its own earlier reads and appends it had to be {expected}.",
                shown(list)
            )
        });
        ("internal", says)
    }

    /// Two committed transactions that read the same version of the list and both appended to it.
    fn lost_update(&self, touches: &[Touch]) -> Option<Contradiction> {
        let key = self.list.key;
        let mut by_version: FxHashMap<usize, u32> = FxHashMap::default();
        for own in touches.chunk_by(|a, b| a.transaction == b.transaction) {
            let appends = |touch: &Touch| self.transactions.mop(*touch).kind == MopKind::Append;
            let transaction = own[0].transaction;
            let updates = own.len() > 1 && !appends(&own[0]) && own.iter().any(appends);
            if !updates || self.transactions.at(transaction).fate != Fate::Committed {
                continue;
            }
            let version = self.transactions.list(own[0]);
            if let Some(other) = by_version.insert(version.len(), transaction) {
                let says = format!(
                    "T1 and T2 both read {key} = {} and then both appended to {key}: one of them did not see \
                     the other.",
                    shown(version)
                );
                let transactions = vec![other, transaction];
                return Some(Contradiction { name: "lost-update", key, transactions, says });
            }
        }
        None
    }
}

/// What the list had to be, if `before` says so and it is not.
fn expected(before: &[&Mop], list: &[Value]) -> Option<String> {
    let read = before.iter().rposition(|mop| mop.kind == MopKind::Read);
    let known = read.and_then(|read| elements(&before[read].value));
    let own: Vec<&Value> = before[read.map_or(0, |read| read + 1)..]
        .iter()
        .filter(|mop| mop.kind == MopKind::Append)
        .map(|mop| &mop.value)
        .collect();
    let ends =
        list.len() >= own.len() && list[list.len() - own.len()..].iter().eq(own.iter().copied());
    let all = |known: &[Value]| -> Vec<Value> {
        known.iter().cloned().chain(own.iter().map(|value| (*value).clone())).collect()
    };
    match known {
        Some(known) => {
            let same = ends && list[..list.len() - own.len()] == *known;
            (!same).then(|| shown(&all(known)))
        }
        None => (!ends).then(|| format!("a list that ends with {}", shown(&all(&[])))),
    }
}

/// A list as a reader can bear it: of a long one the end.
pub(crate) fn shown(list: &[Value]) -> String {
    const SHOWN_MAX: usize = 12;
    let skipped = list.len().saturating_sub(SHOWN_MAX);
    let words: Vec<String> = list[skipped..].iter().map(ToString::to_string).collect();
    let before = if skipped > 0 { format!("… {skipped} more … ") } else { String::new() };
    format!("[{before}{}]", words.join(" "))
}
