//! Whether a level holds, by the order of commit that it demands.

use super::causal::{Stopped, causal};
use super::infer::{Overwritten, read_atomic, read_committed};
use super::order::{Edges, Order};
use super::transactions::Transactions;
use crate::Budget;

/// What a reader must have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Nothing but what it read: reads go in no circle.
    ReadsFrom,
    /// Transactions that it has read from before.
    ReadCommitted,
    /// Transactions that it reads from.
    ReadAtomic,
    /// Those, and whatever they must have seen.
    Causal,
}

/// A level, and whether the order of sessions counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The level.
    pub level: Level,
    /// Whether a transaction has seen those before it in its session.
    pub sessions: bool,
}

/// Whether it holds.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// There is an order of commit.
    Holds,
    /// There is none, by this circle in which each must come before the next; the edges are those
    /// that were inferred.
    Circle(Vec<u32>, Edges),
    /// There is none, since an initial value was read that had been overwritten.
    Overwritten(Overwritten),
    /// Nobody can say within the budget.
    Stopped(Stopped),
}

/// Decides one level.
pub(crate) fn decide(transactions: &Transactions, rule: Rule, budget: &Budget) -> Answer {
    if budget.expired() {
        return Answer::Stopped(Stopped::Time);
    }
    let none = Edges::new();
    let inferred = match rule.level {
        Level::ReadsFrom => {
            return match Order::new(transactions, rule.sessions, &none).find() {
                Ok(_) => Answer::Holds,
                Err(circle) => Answer::Circle(circle, none),
            };
        }
        Level::ReadCommitted => read_committed(transactions),
        Level::ReadAtomic => read_atomic(transactions, rule.sessions),
        Level::Causal => {
            let order = match Order::new(transactions, rule.sessions, &none).find() {
                Ok(order) => order,
                Err(circle) => return Answer::Circle(circle, none),
            };
            match causal(transactions, &order, budget) {
                Ok(inferred) => inferred,
                Err(stopped) => return Answer::Stopped(stopped),
            }
        }
    };
    if let Some(overwritten) = inferred.overwritten {
        return Answer::Overwritten(overwritten);
    }
    let circle = Order::new(transactions, rule.sessions, &inferred.edges).find().err();
    circle.map_or(Answer::Holds, |circle| Answer::Circle(circle, inferred.edges))
}
