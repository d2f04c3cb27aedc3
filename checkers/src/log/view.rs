//! What there is to see in logs besides verdicts: how far consumers were behind, and what stands
//! where around an anomaly.

use std::time::Duration;

use rayon::prelude::*;
use schism_history::{History, Time};

use super::lag::lags;
use super::partition::Log;
use super::records::{Partition, Records, read};
use super::teller::Teller;
use super::waiting::Waiting;
use crate::Budget;

/// The logs of a history, read once for all that is asked about them.
pub struct LogView<'a> {
    pub(super) history: &'a History,
    pub(super) records: Records<'a>,
}

/// How far one poll was behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollLag {
    /// When the poll began.
    pub at: Time,
    /// How long the furthest message that its process had polled by then, or that this poll returned
    /// last, had not been the newest.
    pub lag: Duration,
    /// The index of the poll's invocation.
    pub invoked: u64,
}

/// How far consumers were behind.
#[derive(Clone, Debug, Default)]
pub struct LogLags {
    /// Of each poll that returned something of a log, the least lag first.
    pub polls: Vec<PollLag>,
    /// How many acknowledged messages nobody had polled, at moments that are equally far from each
    /// other.
    pub unseen: Vec<(Time, u64)>,
}

impl<'a> LogView<'a> {
    /// The logs of `history`, or `None` where they are too large for the budget.
    pub fn new(history: &'a History, budget: &Budget) -> Option<Self> {
        read(history, budget).ok().map(|records| Self { history, records })
    }

    /// How far consumers were behind. Nothing of a history without real time.
    pub fn lags(&self) -> LogLags {
        if !self.history.has_real_time() {
            return LogLags::default();
        }
        let waiting = Waiting::new(&self.records);
        let of_one = |partition: &Partition| {
            let log = Log::new(partition);
            waiting.add(&log, &self.records);
            lags(&log, &self.teller(&log), &self.records)
        };
        let lags: Vec<Vec<(u64, u32)>> = self.records.partitions.par_iter().map(of_one).collect();
        LogLags::new(self.history, lags.into_iter().flatten(), &waiting)
    }

    pub(super) fn teller<'b>(&'b self, log: &'b Log<'b>) -> Teller<'b>
    where
        'a: 'b,
    {
        Teller { history: self.history, names: &self.records.names, log }
    }

    pub(super) fn partition(&self, key: &str) -> Option<&Partition> {
        self.records.partitions.iter().find(|partition| partition.key.as_str() == key)
    }
}

impl LogLags {
    /// The lags of polls, in nanoseconds, with the numbers of their operations, and what waited.
    /// Nothing of a history without real time.
    pub(super) fn new(
        history: &History,
        lags: impl Iterator<Item = (u64, u32)>,
        waiting: &Waiting,
    ) -> Self {
        if !history.has_real_time() {
            return Self::default();
        }
        let poll = |(lag, number): (u64, u32)| {
            let operation = history.operation(number as usize);
            let (at, invoked) = (operation.start, operation.invoked);
            PollLag { at, lag: Duration::from_nanos(lag), invoked }
        };
        let mut polls: Vec<PollLag> = lags.map(poll).collect();
        polls.par_sort_unstable_by_key(|poll| (poll.lag, std::cmp::Reverse(poll.invoked)));
        Self { polls, unseen: waiting.over_time() }
    }

    /// The lag that so many percent of the polls do not exceed, by the nearest rank.
    pub fn quantile(&self, percent: usize) -> Option<&PollLag> {
        let rank = (self.polls.len() * percent).div_ceil(100).max(1);
        self.polls.get(rank - 1)
    }
}
