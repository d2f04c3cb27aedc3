//! Monotonic writes and writes-follow-reads: what a write that was seen says about other keys.
//!
//! A session that has read a write W of session S has seen W. From then on
//! - monotonic writes: its reads of a key must not fall behind what S had written there before W;
//!   two versions that S wrote are in S's order;
//! - writes-follow-reads: its reads of a key must not fall behind what S had read there before W.

use rustc_hash::FxHashMap;

use super::guarantees::{Demand, Judge};
use super::step::Steps;
use super::versions::{Known, Orders};
use crate::Claim;

/// What one session read of one key, in its order.
#[derive(Clone, Copy, Debug)]
struct Seen {
    step: u32,
    /// What later reads must not fall behind, on account of this read and those before it.
    least: u32,
    /// The step that read it.
    because: u32,
    /// Whether that is all: it is known to be the newest of what was read so far.
    complete: bool,
}

/// Collects the demands of all sessions.
pub(super) fn judge(judge: &mut Judge<'_>) {
    let frame = judge.frame();
    let steps = frame.steps;
    let writes = judge.claim() == Claim::MonotonicWrites;
    let read_before = if writes { FxHashMap::default() } else { reads(steps, judge.orders()) };
    // Of each session that was seen its latest write that was, and the step that read it.
    let mut latest: Vec<Option<(u32, u32)>> = vec![None; steps.sessions.len()];
    for session in &steps.sessions {
        let mut sources: Vec<u32> = Vec::new();
        for step in session.from..session.to {
            if step % 64 == 0 && !judge.goes_on() {
                return;
            }
            for writer in steps.reads(step).iter().filter_map(|&version| steps.writer(version)) {
                let source = steps.all[writer as usize].session;
                let known = &mut latest[source as usize];
                if known.is_none() {
                    sources.push(source);
                }
                if known.is_none_or(|(other, _)| other < writer) {
                    *known = Some((writer, step));
                }
            }
            for &found in steps.reads(step) {
                for &source in &sources {
                    let Some((seen, by)) = latest[source as usize] else { continue };
                    if writes {
                        write_demand(judge, step, found, (source, seen, by));
                    } else {
                        read_demand(judge, &read_before, step, found, (source, seen, by));
                    }
                }
            }
        }
        for source in sources {
            latest[source as usize] = None;
        }
    }
}

/// `source`: the session, its latest write that was seen, and the step that saw it.
fn write_demand(judge: &mut Judge<'_>, read: u32, found: u32, source: (u32, u32, u32)) {
    let steps = judge.frame().steps;
    let (session, seen, by) = source;
    let key = steps.versions[found as usize].key;
    let before = judge.frame().writers.of_session(key, session);
    let Some(place) = before.partition_point(|&it| it < seen).checked_sub(1) else { return };
    // What the session itself wrote comes in its order; and a write that was seen is not to be
    // followed by an earlier one of the same key.
    let own = steps.writer(found).filter(|&it| steps.all[it as usize].session == session);
    if own == Some(seen) && by == read {
        return;
    }
    let mut because = before[place];
    if own == Some(because) && written(steps, seen, key).is_some() {
        because = seen;
    }
    let Some(least) = written(steps, because, key) else { return };
    let surely = own.map(|own| if own < because { Known::Older } else { Known::NotOlder });
    judge.demand(Demand { read, found, least, because, seen, by }, surely, true);
}

/// What the step wrote to the key.
fn written(steps: &Steps<'_>, step: u32, key: u32) -> Option<u32> {
    let of_key = |version: &u32| steps.versions[*version as usize].key == key;
    steps.writes(step).iter().copied().find(of_key)
}

fn read_demand(
    judge: &mut Judge<'_>,
    reads: &FxHashMap<(u32, u32), Vec<Seen>>,
    read: u32,
    found: u32,
    source: (u32, u32, u32),
) {
    let (session, seen, by) = source;
    let key = judge.frame().steps.versions[found as usize].key;
    let Some(before) = reads.get(&(session, key)) else { return };
    // What a step reads comes before what it writes.
    let Some(place) = before.partition_point(|it| it.step <= seen).checked_sub(1) else { return };
    let Seen { least, because, complete, .. } = before[place];
    judge.demand(Demand { read, found, least, because, seen, by }, None, complete);
}

/// What each session read of each key, in its order, with the newest so far where it is known.
fn reads(steps: &Steps<'_>, orders: &Orders) -> FxHashMap<(u32, u32), Vec<Seen>> {
    let mut reads: FxHashMap<(u32, u32), Vec<Seen>> = FxHashMap::default();
    for step in 0..steps.all.len() as u32 {
        for &version in steps.reads(step) {
            let key = steps.versions[version as usize].key;
            let seen = reads.entry((steps.all[step as usize].session, key)).or_default();
            let own = Seen { step, least: version, because: step, complete: true };
            let next = match seen.last() {
                None => own,
                Some(last) => match orders.compare(last.least, version) {
                    Known::NotOlder => Seen { complete: last.complete, ..own },
                    Known::Older => Seen { step, ..*last },
                    Known::Unknown => Seen { complete: false, ..own },
                },
            };
            seen.push(next);
        }
    }
    reads
}
