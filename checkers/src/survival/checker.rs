//! The verdict about acknowledged writes, in words.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{History, Key, Value};

use super::evidence::{FinalRead, Object, Objects, Write};
use crate::phrase::{count, list, span, who};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "survival",
    summary: "acknowledged writes that no final read shows",
    subjects: &[],
    decides: &[Claim::AcknowledgedWritesSurvive],
    check,
};

/// Proofs of one history that are kept; the rest is counted.
const KEPT_MAX: usize = 8;

/// The cost is linear, so that the budget is not looked at.
fn check(question: &Question, history: &History, _: &Budget) -> Vec<Verdict> {
    question.claims.iter().map(|&asked| verdict(asked, &question.initial, history)).collect()
}

/// What was found, over all objects.
#[derive(Default)]
struct Findings {
    anomalies: Vec<Anomaly>,
    lost: usize,
    acknowledged: usize,
    reads: usize,
    /// Keys with acknowledged writes that no final read tells about.
    unread: Vec<String>,
}

fn verdict(asked: Asked, initial: &Value, history: &History) -> Verdict {
    let Some((healed, _)) = history.healed() else {
        let reason =
            "The history ends before everything was healed, so that there are no final reads.";
        return Verdict::unknown(asked, 0, reason);
    };
    let objects = Objects::of(history, Some(healed));
    let mut findings = Findings::default();
    findings.look(&objects.growing, lost_elements);
    findings.look(&objects.registers, |key, object| lost_values(key, object, initial));
    findings.verdict(asked)
}

impl Findings {
    fn look(
        &mut self,
        objects: &BTreeMap<Key, Object<'_>>,
        lost: impl Fn(Key, &Object<'_>) -> Vec<Anomaly>,
    ) {
        for (&key, object) in objects {
            let acknowledged = object.writes.iter().filter(|write| write.acknowledged()).count();
            self.acknowledged += acknowledged;
            self.reads += object.reads.len();
            if acknowledged > 0 && object.reads.is_empty() {
                self.unread.push(key.to_string());
            }
            let anomalies = lost(key, object);
            self.lost += anomalies.len();
            self.anomalies.extend(anomalies);
            // All are counted, few are kept.
            self.anomalies.truncate(KEPT_MAX);
        }
    }

    fn verdict(self, asked: Asked) -> Verdict {
        let (writes, reads) = (self.acknowledged, self.reads);
        let judged = writes + reads;
        let tally =
            format!("{}, {}", count(writes, "acknowledged write"), count(reads, "final read"));
        if let Some(first) = self.anomalies.first() {
            let more = match self.lost {
                1 => String::new(),
                lost => format!(" {lost} acknowledged writes are lost in all."),
            };
            let reason = format!("{}{more} ({tally})", first.explanation);
            return Verdict::invalid(asked, judged, reason, self.anomalies);
        }
        if writes == 0 {
            return Verdict::unknown(asked, judged, "No write was acknowledged.");
        }
        if reads == 0 {
            return Verdict::unknown(asked, judged, "No final read was answered.");
        }
        if !self.unread.is_empty() {
            let keys = list(&self.unread);
            let reason = format!(
                "No final read of {keys} was answered; what was read shows no loss ({tally})."
            );
            return Verdict::unknown(asked, judged, reason);
        }
        Verdict::valid(asked, judged, format!("All of {tally} agree."))
    }
}

/// Acknowledged elements that are in no final read begun after they were acknowledged.
fn lost_elements(key: Key, object: &Object<'_>) -> Vec<Anomaly> {
    let Some(last) = object.reads.last() else { return Vec::new() };
    let mut seen: FxHashSet<&Value> = FxHashSet::default();
    for read in &object.reads {
        if let Value::List(elements) = read.value {
            seen.extend(elements.iter());
        }
    }
    let lost = object.writes.iter().filter(|write| {
        let before = |read: &FinalRead<'_>| {
            write.operation.completed.is_some_and(|completed| completed < read.operation.invoked)
        };
        write.acknowledged() && !seen.contains(write.value) && object.reads.iter().any(before)
    });
    let tell = |write: &Write<'_>| {
        let explanation = format!(
            "element {} of {key} is lost: {} acknowledged it after {}, and none of {} of {key} shows it.",
            write.value,
            who(&write.operation),
            took(write),
            count(object.reads.len(), "final read"),
        );
        anomaly(key, vec![write.operation.invoked, last.operation.invoked], explanation)
    };
    lost.map(tell).collect()
}

/// Final reads that return what an acknowledged write had replaced for good.
fn lost_values(key: Key, object: &Object<'_>, initial: &Value) -> Vec<Anomaly> {
    // The last event at which each value can have been written; an indeterminate write: never ends.
    let mut until: FxHashMap<&Value, u64> = FxHashMap::default();
    until.insert(initial, 0);
    for write in &object.writes {
        let end = if write.acknowledged() {
            write.operation.completed.unwrap_or(u64::MAX)
        } else {
            u64::MAX
        };
        until.entry(write.value).and_modify(|latest| *latest = end.max(*latest)).or_insert(end);
    }
    let mut acknowledged: Vec<&Write<'_>> =
        object.writes.iter().filter(|write| write.acknowledged()).collect();
    acknowledged.sort_by_key(|write| std::cmp::Reverse(write.operation.invoked));
    let mut anomalies: Vec<Anomaly> = Vec::new();
    let mut told: FxHashSet<&Value> = FxHashSet::default();
    for read in &object.reads {
        // Of all writes acknowledged before the read the one invoked last proves the most.
        let proves = |write: &&&Write<'_>| {
            write.value != read.value
                && write.operation.completed.is_some_and(|end| end < read.operation.invoked)
        };
        let Some(write) = acknowledged.iter().find(proves) else { continue };
        let lost = match until.get(read.value) {
            // The initial value has no event of its own: any acknowledged write comes after it.
            Some(&end) => write.operation.invoked > end || (end == 0 && read.value == initial),
            // Where something is that nobody can have written, nothing else is.
            None => true,
        };
        if lost && told.insert(read.value) {
            anomalies.push(tell_value(key, object, write, read, initial));
        }
    }
    anomalies
}

fn tell_value<'a>(
    key: Key,
    object: &Object<'a>,
    write: &Write<'a>,
    read: &FinalRead<'a>,
    initial: &Value,
) -> Anomaly {
    let wrote = |writes: &[Write<'a>]| {
        writes.iter().rev().find(|other| other.value == read.value).map(|write| write.operation)
    };
    let (source, origin) = match (wrote(&object.writes), wrote(&object.failed)) {
        (Some(source), _) => {
            (Some(source), format!("which {} had written before that", who(&source)))
        }
        (None, _) if read.value == initial => {
            (None, "which it held before the first write".to_owned())
        }
        (None, Some(failed)) => {
            (Some(failed), format!("which only {} had wanted to write, and failed", who(&failed)))
        }
        (None, None) => (None, "which nobody had written".to_owned()),
    };
    let explanation = format!(
        "{key} = {} is lost: {} acknowledged the write after {}, yet at the end {} read {}, {origin}, \
         and no later write of it explains that.",
        write.value,
        who(&write.operation),
        took(write),
        who(&read.operation),
        read.value,
    );
    let mut operations: Vec<u64> = source.map(|source| source.invoked).into_iter().collect();
    operations.extend([write.operation.invoked, read.operation.invoked]);
    anomaly(key, operations, explanation)
}

fn took(write: &Write<'_>) -> String {
    let operation = &write.operation;
    span(operation.end.unwrap_or(operation.start).since(operation.start))
}

fn anomaly(key: Key, operations: Vec<u64>, explanation: String) -> Anomaly {
    let (name, key) = ("lost-write".into(), Some(key.to_string()));
    let mut explanation = explanation;
    if let Some(first) = explanation.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Anomaly { name, key, operations, explanation, witness: Witness::Operations }
}
