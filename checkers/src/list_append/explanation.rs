//! Circles and contradictions in words.

use std::fmt::Write as _;

use schism_history::{Key, MopKind, Value};

use super::anomalies::Contradiction;
use super::lists::{List, Lists};
use super::transactions::{Touch, Transactions, keys};
use crate::transactional::{EdgeKind, Lifetime, Step, Teller};
use crate::{Anomaly, Witness};

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

/// What is needed to tell why one transaction comes before another.
pub(crate) struct Story<'s, 'a> {
    /// The transactions.
    pub transactions: &'s Transactions<'a>,
    /// The lists.
    pub lists: &'s Lists<'a>,
}

impl Teller for Story<'_, '_> {
    fn lifetime(&self, transaction: u32) -> Lifetime {
        let happened = self.lists.happened[transaction as usize];
        self.transactions.at(transaction).lifetime(happened)
    }

    fn says(&self, step: &Step<'_>) -> (Option<Key>, String) {
        let told = match step.kind {
            EdgeKind::WriteWrite | EdgeKind::PresumedWrite => self.write_write(step),
            EdgeKind::WriteRead => self.write_read(step),
            EdgeKind::ReadWrite => {
                self.read_write(step, false).or_else(|| self.read_write(step, true))
            }
            _ => None,
        };
        let Some((key, says)) = told else {
            let Step { from_name, to_name, .. } = step;
            let says = format!(
                "{from_name} and {to_name} appended to one list, {from_name} first: the other order closes a \
                 circle as well."
            );
            return (None, says);
        };
        (Some(key), says)
    }
}

impl<'a> Story<'_, 'a> {
    fn ordered(&self, key: Key) -> Option<(&List<'a>, &'a [Value])> {
        let list = self.lists.get(key)?;
        Some((list, list.order(self.transactions)?))
    }

    fn unseen(&self, list: &List<'a>, transaction: u32) -> Option<&'a Value> {
        let unseen = list.unseen(&self.lists.happened);
        let touch = unseen.into_iter().find(|touch| touch.transaction == transaction)?;
        Some(&self.transactions.mop(touch).value)
    }

    fn write_write(&self, step: &Step<'_>) -> Option<(Key, String)> {
        let Step { from, to, from_name, to_name, .. } = step;
        keys(self.transactions.at(*from).mops, MopKind::Append).into_iter().find_map(|key| {
            let (list, order) = self.ordered(key)?;
            let mut before: Option<(usize, u32)> = None;
            for (place, writer) in list.versions(&self.lists.happened) {
                if let Some((last, it)) = before.filter(|(_, it)| it == from && writer == *to) {
                    debug_assert_eq!(it, *from);
                    let after = if last + 1 == place {
                        "directly after it"
                    } else {
                        "after it, with nothing between that took effect"
                    };
                    let says = format!(
                        "{from_name} appended {} to {key}, and {to_name} appended {} {after}.",
                        order[last], order[place]
                    );
                    return Some((key, says));
                }
                before = Some((place, writer));
            }
            let (last, _) = before.filter(|(_, writer)| writer == from)?;
            let unseen = self.unseen(list, *to)?;
            let says = format!(
                "{from_name} appended {} to {key}, and {to_name} appended {unseen}, which came later, since not \
                 even the longest read of {key} shows it.",
                order[last]
            );
            Some((key, says))
        })
    }

    fn reads(&self, transaction: u32) -> impl Iterator<Item = (Key, Touch)> + '_ {
        let mops = self.transactions.at(transaction).mops.iter();
        let reads = (0u32..).zip(mops).filter(|(_, mop)| mop.kind == MopKind::Read);
        reads.map(move |(mop, read)| (read.key, Touch { transaction, mop }))
    }

    fn write_read(&self, step: &Step<'_>) -> Option<(Key, String)> {
        let Step { from, to, from_name, to_name, .. } = step;
        self.reads(*to).find_map(|(key, read)| {
            let (list, order) = self.ordered(key)?;
            let last = self.transactions.list(read).len().checked_sub(1)?;
            (list.effective_writer(last, &self.lists.happened)? == *from).then(|| {
                let last = &order[last];
                let says = format!(
                    "{from_name} appended {last} to {key}, and {to_name} read {key} with {last} as its last \
                     element."
                );
                (key, says)
            })
        })
    }

    /// `later`: not necessarily the next version.
    fn read_write(&self, step: &Step<'_>, later: bool) -> Option<(Key, String)> {
        let Step { from, to, from_name, to_name, .. } = step;
        self.reads(*from).find_map(|(key, read)| {
            let (list, order) = self.ordered(key)?;
            let length = self.transactions.list(read).len();
            let read = match length.checked_sub(1) {
                None => format!("{from_name} read {key} as empty"),
                Some(last) => format!("{from_name} read {key} up to {}", order.get(last)?),
            };
            let end = if later { order.len() } else { order.len().min(length + 1) };
            let writes =
                |place: &usize| list.effective_writer(*place, &self.lists.happened) == Some(*to);
            if let Some(place) = (length..end).find(writes) {
                let next = &order[place];
                let says = match (place - length, length) {
                    (0, 0) => {
                        format!("{read}, before {to_name} appended {next}, its first element.")
                    }
                    (0, _) => {
                        format!(
                            "{read}, and not the next element, {next}, which {to_name} appended."
                        )
                    }
                    _ => format!("{read}, and not {next}, which {to_name} appended."),
                };
                return Some((key, says));
            }
            if !later && length < order.len() {
                return None;
            }
            let unseen = self.unseen(list, *to)?;
            let says = format!(
                "{read}, before {to_name} appended {unseen}, which no read of {key} shows."
            );
            Some((key, says))
        })
    }
}
