//! How many acknowledged messages wait to be polled, over time.

use std::sync::atomic::{AtomicI64, Ordering};

use schism_history::Time;

use super::partition::{Log, NONE};
use super::records::Records;

/// So many moments of a history are looked at, equally far from each other.
const MOMENTS: u64 = 1_000;

/// How many messages begin and cease to wait between one moment and the next, in all logs.
pub(crate) struct Waiting {
    end: u64,
    changes: Vec<AtomicI64>,
}

impl Waiting {
    /// Nothing yet, over the time of these records.
    pub fn new(records: &Records<'_>) -> Self {
        let ended = records.ends.iter().filter(|&&end| end != u64::MAX);
        let end = ended.max().copied().unwrap_or_default().max(1);
        Self { end, changes: (0..=MOMENTS + 1).map(|_| AtomicI64::new(0)).collect() }
    }

    /// The first moment at or after a time; one after the last for what never happens.
    fn moment(&self, time: u64) -> usize {
        if time > self.end {
            return MOMENTS as usize + 1;
        }
        (u128::from(time) * u128::from(MOMENTS)).div_ceil(u128::from(self.end)) as usize
    }

    /// Adds the messages of a log: each waits from its acknowledgement to its first poll.
    pub fn add(&self, log: &Log<'_>, records: &Records<'_>) {
        let mut changes = vec![0_i64; self.changes.len()];
        for message in &log.messages {
            let Some(send) = log.acknowledged(message) else { continue };
            let sent = records.ends[send.operation as usize];
            let polled = log.reader(message).filter(|_| message.poll != NONE);
            let polled = polled.map_or(u64::MAX, |poll| records.ends[poll.operation as usize]);
            if sent < polled {
                changes[self.moment(sent)] += 1;
                changes[self.moment(polled)] -= 1;
            }
        }
        for (all, change) in self.changes.iter().zip(changes) {
            if change != 0 {
                all.fetch_add(change, Ordering::Relaxed);
            }
        }
    }

    /// How many waited at each moment.
    pub fn over_time(&self) -> Vec<(Time, u64)> {
        let mut waiting = 0;
        let moments = self.changes.iter().enumerate().take(MOMENTS as usize + 1);
        let sum = moments.map(|(moment, change)| {
            waiting += change.load(Ordering::Relaxed);
            let time = u128::from(self.end) * moment as u128 / u128::from(MOMENTS);
            (Time(time as u64), waiting.max(0) as u64)
        });
        sum.collect()
    }

    /// The most that waited at one of the moments, and when first, in nanoseconds.
    pub fn most(&self) -> (i64, u64) {
        let (mut waiting, mut most) = (0, (0, 0));
        for (moment, change) in self.changes.iter().enumerate().take(MOMENTS as usize + 1) {
            waiting += change.load(Ordering::Relaxed);
            if waiting > most.0 {
                let time = u128::from(self.end) * moment as u128 / u128::from(MOMENTS);
                most = (waiting, time as u64);
            }
        }
        most
    }
}
