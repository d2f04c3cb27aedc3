//! The sums between which the reads of one counter must lie.

use crate::evidence::NEVER;

/// An add that did not fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Add {
    /// What it adds; may be negative.
    pub amount: i64,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion, if it is ok; otherwise [`NEVER`].
    pub acknowledged: u64,
}

/// An ok read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    /// The operation's number.
    pub number: usize,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
    /// What it returned.
    pub value: i64,
}

/// One counter's operations, both kinds in order of invocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter {
    /// Adds that did not fail.
    pub adds: Vec<Add>,
    /// Ok reads.
    pub reads: Vec<Read>,
}

/// What a read may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// At least this.
    pub low: i128,
    /// At most this.
    pub high: i128,
    /// How many adds were acknowledged before it began.
    pub certain: usize,
    /// How many adds began before it ended.
    pub possible: usize,
}

/// A sum by sign, so that it bounds from both sides. 2^32 amounts of 2^63 fit.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    positive: i128,
    negative: i128,
}

/// The sums of the first so many adds, in order of their acknowledgement and of their invocation.
pub(crate) struct Sums {
    acknowledged: Vec<u64>,
    certain: Vec<Sum>,
    invoked: Vec<u64>,
    possible: Vec<Sum>,
}

impl Sums {
    /// Sums up; without `real_time` any add may have come before any read, and none must have.
    pub fn new(adds: &[Add], real_time: bool) -> Self {
        let mut acknowledged: Vec<(u64, i64)> =
            adds.iter().map(|add| (add.acknowledged, add.amount)).collect();
        acknowledged.retain(|&(completed, _)| completed != NEVER && real_time);
        acknowledged.sort_unstable();
        let certain = prefixes(acknowledged.iter().map(|&(_, amount)| amount));
        let acknowledged = acknowledged.into_iter().map(|(completed, _)| completed).collect();
        let invoked = adds.iter().map(|add| if real_time { add.invoked } else { 0 }).collect();
        let possible = prefixes(adds.iter().map(|add| add.amount));
        Self { acknowledged, certain, invoked, possible }
    }

    /// What `read` may return of a counter that began at `initial`.
    pub fn bounds(&self, read: &Read, initial: i64) -> Bounds {
        let certain = self.acknowledged.partition_point(|&completed| completed < read.invoked);
        let possible = self.invoked.partition_point(|&invoked| invoked < read.completed);
        let (sure, maybe) = (self.certain[certain], self.possible[possible]);
        let low = i128::from(initial) + sure.positive + maybe.negative;
        let high = i128::from(initial) + sure.negative + maybe.positive;
        Bounds { low, high, certain, possible }
    }
}

fn prefixes(amounts: impl Iterator<Item = i64>) -> Vec<Sum> {
    let mut sum = Sum::default();
    let sums = amounts.map(|amount| {
        let side = if amount > 0 { &mut sum.positive } else { &mut sum.negative };
        *side += i128::from(amount);
        sum
    });
    let sums: Vec<Sum> = sums.collect();
    std::iter::once(Sum::default()).chain(sums).collect()
}
