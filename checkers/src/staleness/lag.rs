//! How far each read lags.

use std::time::Duration;

use rustc_hash::FxHashMap;
use schism_history::Value;

use super::registers::{NEVER, Register};
use super::texts;

/// How far one read lags behind what had been acknowledged before it was invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lag {
    /// Its place among the register's reads.
    pub read: u32,
    /// How long a newer version had been acknowledged.
    pub time: Duration,
    /// How many newer versions had been.
    pub versions: u64,
    /// The place of the write that was acknowledged first of those newer ones.
    pub newer: Option<u32>,
    /// The place of the write whose version was returned; `None`: what was there first.
    pub source: Option<u32>,
}

/// What was found out about the reads of one register.
#[derive(Debug, Default)]
pub(super) struct Lags {
    /// Of each read the least lag that it can have. Where values are written once, that is its lag.
    pub least: Vec<Lag>,
    /// The greatest that it can have, where several writes may be its source.
    pub most: Vec<Lag>,
    /// The places of reads of what nobody wrote.
    pub nowhere: Vec<u32>,
    /// How many reads there are that follow an acknowledged write.
    pub evidence: usize,
}

/// A read, one of its possible sources, and what is newer than that source.
struct Query {
    read: u32,
    source: Option<u32>,
    /// Writes with a greater stamp are newer.
    after: Option<u64>,
    /// The compare-and-sets that replaced the source: one, unless the system is no register.
    children: Vec<u32>,
}

/// Judges the reads of one register. O(n log n).
///
/// Newer than a version is, where all writes and reads have version numbers, what has a greater
/// one. Otherwise, what was invoked after the version was there: after its write, or a read of it,
/// had completed; and what replaced it by compare-and-set.
pub(super) fn lags(register: &Register<'_>, initial: &Value) -> Lags {
    if let Some(made) = &register.made {
        return texts::lags(register, made);
    }
    let numbered = numbered(register, initial);
    let stamps: Vec<u64> = register
        .writes
        .iter()
        .map(|write| if numbered { write.version.unwrap_or(0) } else { write.invoked })
        .collect();
    let mut lags = Lags::default();
    let queries = queries(register, initial, numbered, &mut lags);
    let answers = answer(register, &stamps, &queries);
    for (query, lag) in queries.iter().zip(answers) {
        match (lags.least.last_mut(), lags.most.last_mut()) {
            (Some(least), Some(most)) if least.read == query.read => {
                if (lag.time, lag.versions) < (least.time, least.versions) {
                    *least = lag;
                }
                if (lag.time, lag.versions) > (most.time, most.versions) {
                    *most = lag;
                }
            }
            _ => {
                lags.least.push(lag);
                lags.most.push(lag);
            }
        }
    }
    let first = register.writes.iter().map(|write| write.completed).min().unwrap_or(NEVER);
    lags.evidence = register.reads.iter().filter(|read| read.invoked > first).count();
    lags
}

/// Whether the system numbers every version, each with one number of its own.
fn numbered(register: &Register<'_>, initial: &Value) -> bool {
    let mut values: FxHashMap<u64, &Value> = FxHashMap::default();
    let mut numbers: FxHashMap<&Value, u64> = FxHashMap::default();
    let ok = register.writes.iter().filter(|write| write.completed != NEVER);
    let written = ok.map(|write| (write.value, write.version));
    let plain = register.reads.iter().filter(|read| !read.writes && read.value != initial);
    let read = plain.map(|read| (read.value, read.version));
    let told = written.chain(read);
    let mut any = false;
    for (value, version) in told {
        let Some(version) = version else { return false };
        any = true;
        let one = *values.entry(version).or_insert(value) == value;
        if !one || *numbers.entry(value).or_insert(version) != version {
            return false;
        }
    }
    // Of an indeterminate write nobody knows the number, unless somebody read it.
    any && register.reads.iter().all(|read| !read.writes)
}

fn queries(
    register: &Register<'_>,
    initial: &Value,
    numbered: bool,
    lags: &mut Lags,
) -> Vec<Query> {
    let mut sources: FxHashMap<&Value, Vec<u32>> = FxHashMap::default();
    let mut children: FxHashMap<&Value, Vec<u32>> = FxHashMap::default();
    let writes = &register.writes;
    for (place, write) in (0..).zip(writes) {
        sources.entry(write.value).or_default().push(place);
        let Some(replaced) = write.replaced.filter(|_| write.completed != NEVER) else { continue };
        children.entry(replaced).or_default().push(place);
    }
    let mut seen: FxHashMap<&Value, u64> = FxHashMap::default();
    for read in &register.reads {
        let first = seen.entry(read.value).or_insert(read.completed);
        *first = read.completed.min(*first);
    }
    let mut queries = Vec::new();
    for (place, read) in (0..).zip(&register.reads) {
        let before = queries.len();
        let of_value = sources.get(read.value).map_or(&[][..], Vec::as_slice);
        let first = read.value == initial;
        let only = of_value.len() + usize::from(first) == 1;
        let children = children.get(read.value).filter(|_| only).into_iter().flatten().copied();
        // A replacement by the reading operation itself is no newer version.
        let children = children.filter(|&it| writes[it as usize].number != read.number);
        let children: Vec<u32> = children.collect();
        if first {
            let children = children.clone();
            queries.push(Query { read: place, source: None, after: None, children });
        }
        for &source in of_value {
            let write = &writes[source as usize];
            if write.invoked > read.completed || write.number == read.number {
                continue;
            }
            let there = seen.get(read.value).copied().filter(|_| only).unwrap_or(NEVER);
            let after = if numbered {
                read.version.or(write.version).unwrap_or(NEVER)
            } else {
                write.completed.min(there)
            };
            let (source, after, children) = (Some(source), Some(after), children.clone());
            queries.push(Query { read: place, source, after, children });
        }
        if queries.len() == before {
            lags.nowhere.push(place);
        }
    }
    queries
}

fn answer(register: &Register<'_>, stamps: &[u64], queries: &[Query]) -> Vec<Lag> {
    let writes = &register.writes;
    let completed = |place: u32| writes[place as usize].completed;
    let mut ranked: Vec<u32> =
        (0..writes.len() as u32).filter(|&it| completed(it) != NEVER).collect();
    ranked.sort_by_key(|&it| (stamps[it as usize], it));
    // Of the writes from each rank on the one that completed first.
    let mut first_from: Vec<u32> = ranked.clone();
    for rank in (0..ranked.len().saturating_sub(1)).rev() {
        if completed(first_from[rank + 1]) < completed(first_from[rank]) {
            first_from[rank] = first_from[rank + 1];
        }
    }
    let mut by_completion: Vec<(u64, usize)> =
        ranked.iter().enumerate().map(|(rank, &it)| (completed(it), rank)).collect();
    by_completion.sort_unstable();
    let mut order: Vec<usize> = (0..queries.len()).collect();
    let invoked = |query: &Query| register.reads[query.read as usize].invoked;
    order.sort_by_key(|&at| invoked(&queries[at]));
    // A Fenwick tree (1994) counts the completed writes by rank.
    let mut tree = vec![0u64; ranked.len() + 1];
    let mut counted = 0;
    let nothing = Lag { read: 0, time: Duration::ZERO, versions: 0, newer: None, source: None };
    let mut lags = vec![nothing; queries.len()];
    for at in order {
        let query = &queries[at];
        let before = invoked(query);
        while by_completion.get(counted).is_some_and(|&(completed, _)| completed < before) {
            add(&mut tree, by_completion[counted].1);
            counted += 1;
        }
        let rank = query
            .after
            .map_or(0, |after| ranked.partition_point(|&it| stamps[it as usize] <= after));
        let mut versions = counted as u64 - sum(&tree, rank);
        let mut newer = first_from.get(rank).copied().filter(|&it| completed(it) < before);
        for &child in query.children.iter().filter(|&&it| completed(it) < before) {
            if query.after.is_some_and(|after| stamps[child as usize] <= after) {
                versions += 1;
            }
            if newer.is_none_or(|it| completed(child) < completed(it)) {
                newer = Some(child);
            }
        }
        let read = &register.reads[query.read as usize];
        let time = newer.map_or(Duration::ZERO, |it| read.start.since(writes[it as usize].end));
        lags[at] = Lag { read: query.read, time, versions, newer, source: query.source };
    }
    lags
}

fn add(tree: &mut [u64], rank: usize) {
    let mut at = rank + 1;
    while at < tree.len() {
        tree[at] += 1;
        at += at & at.wrapping_neg();
    }
}

/// How many were added below `rank`.
fn sum(tree: &[u64], rank: usize) -> u64 {
    let (mut at, mut total) = (rank, 0);
    while at > 0 {
        total += tree[at];
        at &= at - 1;
    }
    total
}
