//! The definitions, word for word: all orders of commit, on small histories.

use schism_history::{History, Mop, MopKind, Value};

use super::decide::{Level, Rule};

/// A transaction as the definitions know it.
#[derive(Clone, Debug)]
pub(crate) struct Txn {
    /// Its session.
    pub session: u32,
    /// Its invocation.
    pub invoked: u64,
    /// Its completion; none if it is indeterminate.
    pub completed: Option<u64>,
    /// What it did; of an indeterminate one only the writes.
    pub mops: Vec<Mop>,
}

/// From whom a read reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The state before everything.
    Initial,
    /// A transaction.
    Txn(usize),
}

impl Txn {
    /// The last write of `key`.
    pub fn left(&self, key: schism_history::Key) -> Option<&Value> {
        let write = |mop: &&Mop| mop.kind == MopKind::Write && mop.key == key;
        self.mops.iter().rfind(write).map(|mop| &mop.value)
    }

    /// The reads that come before any write of the same key in the transaction.
    pub fn external(&self) -> impl Iterator<Item = (usize, &Mop)> {
        self.mops.iter().enumerate().filter(|(place, mop)| {
            let own = |it: &Mop| it.kind == MopKind::Write && it.key == mop.key;
            mop.kind == MopKind::Read && !self.mops[..*place].iter().any(own)
        })
    }

    /// Whether each read after an own write returns the last of them.
    pub fn reads_its_own_writes(&self) -> bool {
        (0..self.mops.len()).all(|place| {
            let mop = &self.mops[place];
            let own = |it: &&Mop| it.kind == MopKind::Write && it.key == mop.key;
            let own = self.mops[..place].iter().rfind(own);
            mop.kind != MopKind::Read || own.is_none_or(|own| own.value == mop.value)
        })
    }
}

/// Each choice of the indeterminate transactions that took effect, with all that did.
pub(crate) fn choices(history: &History) -> Vec<Vec<Txn>> {
    let mut committed = Vec::new();
    let mut open = Vec::new();
    for operation in history.operations().filter(|operation| !operation.failed()) {
        let told = operation.ok().map(|reply| &reply.value);
        let Value::Mops(mops) = told.unwrap_or(&operation.op.value) else { continue };
        let mut mops = mops.to_vec();
        if told.is_none() {
            mops.retain(|mop| mop.kind == MopKind::Write);
        }
        let txn = Txn {
            session: operation.process.0,
            invoked: operation.invoked,
            completed: told.and(operation.completed),
            mops,
        };
        if told.is_some() { committed.push(txn) } else { open.push(txn) }
    }
    let subsets = 0..1_usize << open.len();
    let choice = |set: usize| {
        let taken = (0..open.len()).filter(|place| set >> place & 1 == 1);
        let taken = taken.map(|place| open[place].clone());
        let mut all: Vec<Txn> = committed.iter().cloned().chain(taken).collect();
        all.sort_by_key(|txn| txn.invoked);
        all
    };
    subsets.map(choice).collect()
}

/// Of each external read the place and from whom it reads; none if some read returns what nobody of
/// these left.
pub(crate) fn reads_from(txns: &[Txn]) -> Option<Vec<Vec<(Mop, From)>>> {
    txns.iter()
        .enumerate()
        .map(|(own, txn)| {
            txn.external()
                .map(|(_, mop)| {
                    if mop.value == Value::Nil {
                        return Some((mop.clone(), From::Initial));
                    }
                    let left = |it: &Txn| it.left(mop.key) == Some(&mop.value);
                    let writer = txns.iter().position(left).filter(|writer| *writer != own)?;
                    Some((mop.clone(), From::Txn(writer)))
                })
                .collect()
        })
        .collect()
}

/// All orders of `length` transactions.
pub(crate) fn orders(length: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for next in 0..length {
        let mut longer = Vec::new();
        for order in all {
            for place in 0..=next {
                let mut order: Vec<usize> = order.clone();
                order.insert(place, next);
                longer.push(order);
            }
        }
        all = longer;
    }
    all
}

/// Whether `earlier` comes before `later` in one session.
pub(crate) fn in_session(txns: &[Txn], earlier: usize, later: usize) -> bool {
    let (a, b) = (&txns[earlier], &txns[later]);
    a.session == b.session && a.invoked < b.invoked
}

/// Whether there is an order of commit as the rule demands.
pub(crate) fn holds(history: &History, rule: Rule) -> bool {
    choices(history).iter().any(|txns| {
        let Some(from) = reads_from(txns) else { return false };
        txns.iter().all(Txn::reads_its_own_writes)
            && orders(txns.len()).iter().any(|order| explains(txns, &from, order, rule))
    })
}

fn explains(txns: &[Txn], from: &[Vec<(Mop, From)>], order: &[usize], rule: Rule) -> bool {
    let length = txns.len();
    let at = |txn: usize| order.iter().position(|it| *it == txn);
    let reads =
        |reader: usize, writer: usize| from[reader].iter().any(|(_, it)| *it == From::Txn(writer));
    let direct = |earlier: usize, later: usize| {
        reads(later, earlier) || (rule.sessions && in_session(txns, earlier, later))
    };
    let mut seen: Vec<Vec<bool>> = (0..length)
        .map(|later| (0..length).map(|earlier| direct(earlier, later)).collect())
        .collect();
    for (later, row) in seen.iter().enumerate() {
        if (0..length).any(|earlier| row[earlier] && at(earlier) >= at(later)) {
            return false;
        }
    }
    if rule.level == Level::Causal {
        for middle in 0..length {
            for later in 0..length {
                for earlier in 0..length {
                    seen[later][earlier] |= seen[later][middle] && seen[middle][earlier];
                }
            }
        }
    }
    for (reader, reads) in from.iter().enumerate() {
        for (place, (mop, writer)) in reads.iter().enumerate() {
            for other in (0..length).filter(|it| *writer != From::Txn(*it)) {
                if other == reader || txns[other].left(mop.key).is_none() {
                    continue;
                }
                let seen = match rule.level {
                    Level::ReadsFrom => false,
                    Level::ReadCommitted => {
                        reads[..place].iter().any(|(_, it)| *it == From::Txn(other))
                    }
                    Level::ReadAtomic | Level::Causal => seen[reader][other],
                };
                let before = match writer {
                    From::Initial => false,
                    From::Txn(writer) => at(other) < at(*writer),
                };
                if seen && !before {
                    return false;
                }
            }
        }
    }
    true
}
