//! Orders of commit: one that keeps every edge, or a circle.

use super::transactions::{NOBODY, Transactions};

/// What must come before what, beyond what the transactions themselves say: pairs (after, before),
/// each as one number, in order.
pub(crate) type Edges = Vec<u64>;

/// The pair of a transaction and one that must commit before it.
pub(crate) fn edge(after: u32, before: u32) -> u64 {
    u64::from(after) << 32 | u64::from(before)
}

/// The graph of sessions, reads and further edges, seen from later to earlier.
pub(crate) struct Order<'a> {
    transactions: &'a Transactions,
    sessions: bool,
    offsets: Vec<u32>,
    edges: &'a Edges,
}

impl<'a> Order<'a> {
    /// The graph; `edges` must be sorted.
    pub fn new(transactions: &'a Transactions, sessions: bool, edges: &'a Edges) -> Self {
        let mut offsets = Vec::new();
        if !edges.is_empty() {
            offsets = vec![0; transactions.len() + 1];
            for edge in edges {
                offsets[(edge >> 32) as usize + 1] += 1;
            }
            for place in 1..offsets.len() {
                offsets[place] += offsets[place - 1];
            }
        }
        Self { transactions, sessions, offsets, edges }
    }

    /// The predecessor with this number: `Err` past the last, `Ok(None)` for one that is none.
    fn before(&self, transaction: u32, number: usize) -> Result<Option<u32>, ()> {
        let reads = self.transactions.reads(transaction);
        if number == 0 {
            let session = self.transactions.before(transaction).filter(|_| self.sessions);
            return Ok(session);
        }
        if let Some(read) = reads.get(number - 1) {
            return Ok(Some(read.writer).filter(|&writer| writer < NOBODY));
        }
        let place = number - 1 - reads.len();
        self.further(transaction).get(place).map(|edge| Some(*edge as u32)).ok_or(())
    }

    /// The edges that are neither of the session nor of a read.
    fn further(&self, transaction: u32) -> &'a [u64] {
        if self.offsets.is_empty() {
            return &[];
        }
        let place = transaction as usize;
        &self.edges[self.offsets[place] as usize..self.offsets[place + 1] as usize]
    }

    /// Whether `before` precedes `after` by a read.
    pub fn reads_from(&self, after: u32, before: u32) -> bool {
        self.transactions.reads(after).iter().any(|read| read.writer == before)
    }

    /// An order of all transactions that keeps every edge, or a circle: each of its members must
    /// come before the one that follows it, and the last before the first.
    pub fn find(&self) -> Result<Vec<u32>, Vec<u32>> {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let length = self.transactions.len();
        let mut states = vec![NEW; length];
        let mut order = Vec::with_capacity(length);
        let mut stack: Vec<(u32, u32)> = Vec::new();
        for root in 0..length as u32 {
            if states[root as usize] != NEW {
                continue;
            }
            states[root as usize] = OPEN;
            stack.push((root, 0));
            while let Some((transaction, next)) = stack.last_mut() {
                let Ok(before) = self.before(*transaction, *next as usize) else {
                    states[*transaction as usize] = DONE;
                    order.push(*transaction);
                    stack.pop();
                    continue;
                };
                *next += 1;
                let Some(before) = before else { continue };
                match states[before as usize] {
                    NEW => {
                        states[before as usize] = OPEN;
                        stack.push((before, 0));
                    }
                    OPEN => {
                        let start = stack.iter().position(|(it, _)| *it == before).unwrap_or(0);
                        let mut circle: Vec<u32> =
                            stack[start..].iter().map(|(it, _)| *it).collect();
                        circle.reverse();
                        return Err(self.shortened(circle));
                    }
                    _ => {}
                }
            }
        }
        Ok(order)
    }

    /// A circle through one of the same transactions with as few steps as can be found soon; steps
    /// inside a session cost nothing, since many of them are told as one.
    fn shortened(&self, circle: Vec<u32>) -> Vec<u32> {
        /// Starting points that are tried.
        const STARTS_MAX: usize = 16;
        let cost = |circle: &[u32]| {
            let following = circle.iter().cycle().skip(1);
            let steps = circle.iter().zip(following);
            steps.filter(|(from, to)| self.transactions.before(**to) != Some(**from)).count()
        };
        let stride = circle.len().div_ceil(STARTS_MAX).max(1);
        let mut best = circle.clone();
        for &start in circle.iter().step_by(stride) {
            if let Some(found) = self.through(start)
                && (cost(&found), found.len()) < (cost(&best), best.len())
            {
                best = found;
            }
        }
        best
    }

    /// The cheapest circle through `start`.
    fn through(&self, start: u32) -> Option<Vec<u32>> {
        let mut came: Vec<u32> = vec![NOBODY; self.transactions.len()];
        let mut settled = vec![false; self.transactions.len()];
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(transaction) = queue.pop_front() {
            if std::mem::replace(&mut settled[transaction as usize], true) {
                continue;
            }
            for number in 0.. {
                let Ok(before) = self.before(transaction, number) else { break };
                let Some(before) = before else { continue };
                if before == start {
                    let mut circle = vec![transaction];
                    let mut at = transaction;
                    while at != start {
                        at = came[at as usize];
                        circle.push(at);
                    }
                    // Walked from earlier to later already: each stands before who led to it.
                    return Some(circle);
                }
                if settled[before as usize] {
                    continue;
                }
                if number == 0 {
                    came[before as usize] = transaction;
                    queue.push_front(before);
                } else if came[before as usize] == NOBODY {
                    came[before as usize] = transaction;
                    queue.push_back(before);
                }
            }
        }
        None
    }
}
