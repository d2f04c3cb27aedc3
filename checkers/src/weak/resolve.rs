//! From whom each read reads, and what single transactions already prove.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::extract::{Before, Columns, Does, Fate, INITIAL};
use super::transactions::{INIT, NOBODY};
use super::versions::{Versions, Written};

/// Findings of a kind of which the operations are kept; the others are counted.
pub(crate) const KEPT_MAX: usize = 8;
/// Operations that one task resolves.
const CHUNK: usize = 8_192;

/// What a single read proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It returns what nobody wrote.
    Unwritten,
    /// It returns what a failed transaction wrote.
    Aborted,
    /// It returns what another transaction overwrote itself.
    Intermediate,
    /// It returns what its own transaction writes later.
    Future,
    /// It contradicts an earlier write of its own transaction.
    Internal,
    /// It contradicts an earlier read of its own transaction.
    Nonrepeatable,
}

impl Kind {
    /// All kinds, worst first.
    pub const ALL: [Kind; 6] = [
        Kind::Unwritten,
        Kind::Aborted,
        Kind::Intermediate,
        Kind::Future,
        Kind::Internal,
        Kind::Nonrepeatable,
    ];
}

/// A read that proves something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// What it proves.
    pub kind: Kind,
    /// The operation that reads, by its number.
    pub reader: u32,
    /// The place of the read among its micro-operations.
    pub place: u32,
    /// The operation that wrote the value, by its number; the place of the micro-operation that is
    /// contradicted, where it is the reader's own.
    pub other: u32,
}

/// What is wrong with single reads.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The first of each kind.
    pub kept: Vec<Finding>,
    counts: [usize; Kind::ALL.len()],
}

impl Findings {
    /// How many there are of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize]
    }

    fn add(&mut self, finding: Finding) {
        if self.count(finding.kind) < KEPT_MAX {
            self.kept.push(finding);
        }
        self.counts[finding.kind as usize] += 1;
    }

    fn join(&mut self, other: &Findings) {
        for kind in Kind::ALL {
            let free = KEPT_MAX.saturating_sub(self.count(kind));
            let kept = other.kept.iter().filter(|finding| finding.kind == kind);
            self.kept.extend(kept.take(free));
            self.counts[kind as usize] += other.count(kind);
        }
    }
}

/// A read of another transaction's version: the key, and the number of the operation that wrote it,
/// or `INIT`, or `NOBODY`, if nothing follows from it.
pub(super) type External = (u32, u32);

/// What was resolved.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Of each operation how many external reads it has.
    pub counts: Vec<u32>,
    /// All of them, in order.
    pub reads: Vec<External>,
    /// What single reads prove.
    pub findings: Findings,
    /// A read of a value that was written repeatedly: its operation, and its place.
    pub ambiguous: Option<(u32, u32)>,
    /// Transactions with an answer that could have been wrong.
    pub evidence: usize,
    /// Reads of values that nobody wrote: where, and the place in `reads`.
    unwritten: Vec<Unwritten>,
    /// Keys of which a read returned the initial value.
    initially: FxHashSet<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Unwritten {
    key: u32,
    value: u32,
    reader: u32,
    place: u32,
    at: usize,
}

/// Resolves all reads of committed transactions. With `presumed`, a value that nobody wrote is taken
/// for what the key held before the recording began, if it is the only one of its key.
pub(super) fn resolve(columns: &Columns, versions: &Versions, presumed: bool) -> Resolved {
    let chunks: Vec<usize> = (0..columns.fates.len()).step_by(CHUNK).collect();
    let parts: Vec<Resolved> = chunks
        .into_par_iter()
        .map(|first| {
            let mut part = Resolved::default();
            let mut before = Before::new();
            for number in first..(first + CHUNK).min(columns.fates.len()) {
                let length = part.reads.len();
                if columns.fates[number] == Fate::Committed {
                    part.transaction(columns, versions, &mut before, number);
                }
                part.counts.push((part.reads.len() - length) as u32);
            }
            part
        })
        .collect();
    let mut all = Resolved::default();
    for part in parts {
        let shift = all.reads.len();
        all.unwritten
            .extend(part.unwritten.iter().map(|it| Unwritten { at: it.at + shift, ..*it }));
        all.counts.extend(part.counts);
        all.reads.extend(part.reads);
        all.findings.join(&part.findings);
        all.ambiguous = all.ambiguous.or(part.ambiguous);
        all.evidence += part.evidence;
        all.initially.extend(part.initially);
    }
    all.judge_unwritten(presumed);
    all
}

impl Resolved {
    fn transaction(
        &mut self,
        columns: &Columns,
        versions: &Versions,
        before: &mut Before,
        number: usize,
    ) {
        let range = columns.range(number);
        let keys = &columns.keys[range.clone()];
        let values = &columns.values[range.clone()];
        let does = &columns.does[range];
        self.evidence += usize::from(does.contains(&Does::Reads));
        let reader = number as u32;
        before.clear();
        for place in 0..keys.len() {
            let earlier = before.find(keys, does, place);
            if does[place] != Does::Reads {
                continue;
            }
            let mut own = false;
            if let Some(earlier) = earlier {
                own = does[earlier] != Does::Reads;
                if values[earlier] == values[place] && own {
                    continue;
                }
                if values[earlier] != values[place] {
                    let kind = if own { Kind::Internal } else { Kind::Nonrepeatable };
                    let (place, other) = (place as u32, earlier as u32);
                    self.findings.add(Finding { kind, reader, place, other });
                }
            }
            self.external(versions, reader, place, keys[place], values[place], own);
        }
    }

    fn external(
        &mut self,
        versions: &Versions,
        reader: u32,
        place: usize,
        key: u32,
        value: u32,
        own: bool,
    ) {
        let place = place as u32;
        if value == INITIAL {
            if versions.rewrites_initial[key as usize] {
                self.ambiguous = self.ambiguous.or(Some((reader, place)));
            } else {
                self.initially.insert(key);
                // Who reads the initial value after a write of its own is told so already.
                self.reads.push((key, if own { NOBODY } else { INIT }));
            }
            return;
        }
        let mut find = |kind, other| {
            self.findings.add(Finding { kind, reader, place, other });
        };
        match versions.writer(key, value) {
            None => {
                let at = self.reads.len();
                self.unwritten.push(Unwritten { key, value, reader, place, at });
                self.reads.push((key, NOBODY));
            }
            Some((_, Written::Repeatedly)) => {
                self.ambiguous = self.ambiguous.or(Some((reader, place)));
            }
            Some((writer, Written::Aborted)) => find(Kind::Aborted, writer),
            // What its own transaction had written before is `Internal`.
            Some((writer, _)) if writer == reader => {
                if !own {
                    find(Kind::Future, writer);
                }
            }
            Some((writer, written)) => {
                if written == Written::ForNow {
                    find(Kind::Intermediate, writer);
                }
                self.reads.push((key, writer));
            }
        }
    }

    fn judge_unwritten(&mut self, presumed: bool) {
        let mut values: FxHashMap<u32, Option<u32>> = FxHashMap::default();
        for it in &self.unwritten {
            let one = values.entry(it.key).or_insert(Some(it.value));
            if *one != Some(it.value) {
                *one = None;
            }
        }
        for it in std::mem::take(&mut self.unwritten) {
            let only = values.get(&it.key).is_some_and(Option::is_some);
            if presumed && only && !self.initially.contains(&it.key) {
                self.reads[it.at].1 = INIT;
                continue;
            }
            let (kind, reader, place) = (Kind::Unwritten, it.reader, it.place);
            self.findings.add(Finding { kind, reader, place, other: reader });
        }
    }
}
