//! Read-your-writes, monotonic reads, monotonic writes, writes-follow-reads: which version a read
//! must not fall behind, and whether it does.

use rustc_hash::FxHashMap;

use super::graph::Frame;
use super::pending::Pending;
use super::versions::{Known, Orders};
use crate::{Budget, Claim};

/// A read that must not return a version older than another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// The step that reads.
    pub read: u32,
    /// The version that it returned.
    pub found: u32,
    /// The version that it must not fall behind.
    pub least: u32,
    /// The step of some session that wrote or read `least`.
    pub because: u32,
    /// For claims about writes: the later write of that session that the reader had seen.
    pub seen: u32,
    /// And the step by which the reader had seen it.
    pub by: u32,
}

/// What the reads of a history say about one guarantee.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Reads that fell behind.
    pub broken: Vec<Demand>,
    /// Reads of one session that contradict each other in whatever order the versions came.
    pub circles: Vec<Vec<Demand>>,
    /// The first demand that could not be judged.
    pub doubt: Option<Demand>,
    /// How many demands could not be judged.
    pub doubts: usize,
    /// How many demands there were.
    pub demands: usize,
    /// Whether the budget ended before all had been looked at.
    pub cut_short: bool,
}

/// Proofs that are kept.
const KEPT_MAX: usize = 8;

pub(super) struct Judge<'a> {
    frame: &'a Frame<'a>,
    orders: &'a Orders,
    budget: &'a Budget,
    judgement: Judgement,
    pending: Pending,
    claim: Claim,
}

/// Judges one of the four guarantees.
pub(crate) fn judge(
    claim: Claim,
    frame: &Frame<'_>,
    orders: &Orders,
    budget: &Budget,
) -> Judgement {
    let (judgement, pending) = (Judgement::default(), Pending::default());
    let mut judge = Judge { frame, orders, budget, judgement, pending, claim };
    let sessions = frame.steps.sessions.len() as u32;
    match claim {
        Claim::ReadYourWrites => (0..sessions).for_each(|it| judge.own_writes(it)),
        Claim::MonotonicReads => (0..sessions).for_each(|it| judge.own_reads(it)),
        _ => super::dependencies::judge(&mut judge),
    }
    let Judge { mut judgement, pending, .. } = judge;
    if judgement.broken.is_empty() {
        judgement.circles = pending.circles(orders, KEPT_MAX);
    }
    judgement
}

impl<'a> Judge<'a> {
    pub fn frame(&self) -> &'a Frame<'a> {
        self.frame
    }

    pub fn orders(&self) -> &'a Orders {
        self.orders
    }

    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// Whether to go on: what holds, and what was found.
    pub fn goes_on(&mut self) -> bool {
        if self.judgement.broken.len() >= KEPT_MAX {
            return false;
        }
        if self.budget.expired() || self.pending.bytes() > self.budget.memory_bytes {
            self.judgement.cut_short = true;
            return false;
        }
        true
    }

    /// Judges one demand. `surely`: what is known of it beyond the order of versions.
    pub fn demand(&mut self, demand: Demand, surely: Option<Known>, complete: bool) {
        self.judgement.demands += 1;
        let known = surely.unwrap_or_else(|| self.orders.compare(demand.least, demand.found));
        match known {
            Known::Older => {
                if self.judgement.broken.len() < KEPT_MAX {
                    self.judgement.broken.push(demand);
                }
            }
            Known::NotOlder if complete => {}
            known => {
                self.judgement.doubts += 1;
                self.judgement.doubt.get_or_insert(demand);
                if known == Known::Unknown {
                    let session = self.frame.steps.all[demand.read as usize].session;
                    let key = self.frame.steps.versions[demand.found as usize].key;
                    self.pending.push(session, key, demand);
                }
            }
        }
    }

    fn own_writes(&mut self, session: u32) {
        let steps = self.frame.steps;
        let range = steps.sessions[session as usize];
        let mut last: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        let mut own_blocks: FxHashMap<u32, u32> = FxHashMap::default();
        for step in range.from..range.to {
            for &version in steps.writes(step) {
                own_blocks.entry(self.orders.block(version).0).or_insert(step);
            }
        }
        for step in range.from..range.to {
            if step % 1024 == 0 && !self.goes_on() {
                return;
            }
            for &found in steps.reads(step) {
                let key = steps.versions[found as usize].key;
                let Some(&(least, because)) = last.get(&key) else { continue };
                // A session's own writes came in its order, as far as nothing else is known.
                let own = own_blocks.get(&self.orders.block(found).0);
                let unknown = self.orders.compare(least, found) == Known::Unknown;
                let own = own.filter(|_| unknown);
                let surely =
                    own.map(|&own| if own < because { Known::Older } else { Known::NotOlder });
                let (seen, by) = (because, because);
                self.demand(Demand { read: step, found, least, because, seen, by }, surely, true);
            }
            for &version in steps.writes(step) {
                last.insert(steps.versions[version as usize].key, (version, step));
            }
        }
    }

    fn own_reads(&mut self, session: u32) {
        let steps = self.frame.steps;
        let range = steps.sessions[session as usize];
        let mut last: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        for step in range.from..range.to {
            if step % 1024 == 0 && !self.goes_on() {
                return;
            }
            for &found in steps.reads(step) {
                let key = steps.versions[found as usize].key;
                if let Some((least, because)) = last.insert(key, (found, step)) {
                    let (seen, by) = (because, because);
                    self.demand(Demand { read: step, found, least, because, seen, by }, None, true);
                }
            }
        }
    }
}
