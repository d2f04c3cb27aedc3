//! What was offered to the system, in order of its intended start.

use std::time::Duration;

use schism_history::{Code, F, History, Outcome, Time};

/// One offered operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered {
    /// When it was to start.
    pub start: Time,
    /// How long after that the answer came; `None` if none did.
    pub latency: Option<Duration>,
}

/// All offered operations of the load: final reads are not among them.
#[derive(Debug)]
pub(crate) struct Load {
    offered: Vec<Offered>,
    /// When the last one started.
    pub end: Time,
}

impl Load {
    /// Takes the load out of a history.
    pub fn of(history: &History) -> Self {
        let healed = history.healed().map_or(u64::MAX, |(index, _)| index);
        // A client that is to crash answers nothing, and that is no fault of the system's.
        let crash = F::new("crash");
        let during = history
            .operations()
            .filter(|operation| operation.invoked < healed && operation.op.f != crash);
        let mut offered: Vec<Offered> = during
            .map(|operation| {
                let answered = match operation.outcome {
                    Some(Outcome::Ok(_)) => true,
                    Some(Outcome::Fail(reason)) => reason.code == Code::Mismatch,
                    _ => false,
                };
                let start = operation.intended();
                let latency = operation.end.filter(|_| answered).map(|end| end.since(start));
                Offered { start, latency }
            })
            .collect();
        offered.sort_by_key(|one| one.start);
        let end = offered.last().map_or(Time::ZERO, |one| one.start);
        Self { offered, end }
    }

    /// What was offered from `from` until before `to`.
    pub fn between(&self, from: Time, to: Time) -> &[Offered] {
        let place = |time| self.offered.partition_point(|one| one.start < time);
        let (start, end) = (place(from), place(to));
        &self.offered[start..end.max(start)]
    }

    /// When the first one starts at `from` or later.
    pub fn next(&self, from: Time) -> Option<Time> {
        let place = self.offered.partition_point(|one| one.start < from);
        self.offered.get(place).map(|one| one.start)
    }

    /// Everything.
    pub fn all(&self) -> &[Offered] {
        &self.offered
    }
}

/// The 99th percentile of latency by the nearest rank, unanswered operations being the latest of
/// all: `None` if it falls on one of them. Also `None` for no operations.
pub(crate) fn p99<'a>(offered: impl IntoIterator<Item = &'a Offered>) -> Option<Duration> {
    let all = offered.into_iter().map(|one| one.latency.unwrap_or(Duration::MAX));
    let mut latencies: Vec<Duration> = all.collect();
    let rank = (latencies.len() * 99).div_ceil(100).checked_sub(1)?;
    let (_, value, _) = latencies.select_nth_unstable(rank);
    (*value < Duration::MAX).then_some(*value)
}

/// How many of `offered` were answered.
pub(crate) fn answered(offered: &[Offered]) -> usize {
    offered.iter().filter(|one| one.latency.is_some()).count()
}
