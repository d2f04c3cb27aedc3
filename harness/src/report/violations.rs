//! Violations as pictures: the few operations that matter.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use schism_checkers::{Anomaly, Budget, LogView, Witness};
use schism_history::{History, Time, Value};

use super::data::{Cycle, Edge, Transaction, Violation};
use super::logs;
use super::stored::Stored;
use super::timeline::timeline;
use super::words::{mop, whole_mop, whole_words, words};
use crate::store::Word;

/// More operations than this nobody looks at: the last ones are drawn.
pub const DRAWN_MAX: usize = 40;
/// Violations that are drawn, and how many of one claim.
const VIOLATIONS_MAX: usize = 12;
const OF_ONE_CLAIM_MAX: usize = 3;
/// Logs are shown from so long before the first operation that is drawn to so long after the last.
const LOGS_S: f64 = 1.0;

/// The violations of a run.
pub struct Found {
    /// Those that are drawn.
    pub violations: Vec<Violation>,
    /// How many more each claim has.
    pub undrawn: BTreeMap<String, usize>,
}

/// The violations of the run. Several claims may be broken by one circle; it is drawn once.
pub fn derive(stored: &Stored) -> Found {
    let events = Events::of(&stored.history);
    let mut violations: Vec<Violation> = Vec::new();
    let mut undrawn: BTreeMap<String, usize> = BTreeMap::new();
    let logs = (stored.run.workload == "log" && stored.verdict.verdict == Word::Violated)
        .then(|| LogView::new(&stored.history, &Budget::default()))
        .flatten();
    // The operations of the violations that are drawn, in the same order.
    let mut drawn: Vec<&[u64]> = Vec::new();
    for claim in stored.verdict.claims.iter().filter(|claim| claim.verdict == Word::Violated) {
        let mut of_this_claim = 0;
        for anomaly in &claim.anomalies {
            let same =
                |operations: &&[u64]| !operations.is_empty() && **operations == *anomaly.operations;
            if let Some(place) = drawn.iter().position(same) {
                let claims = &mut violations[place].claims;
                if !claims.contains(&claim.claim) {
                    claims.push(claim.claim.clone());
                }
                continue;
            }
            if violations.len() >= VIOLATIONS_MAX || of_this_claim >= OF_ONE_CLAIM_MAX {
                *undrawn.entry(claim.claim.clone()).or_default() += 1;
                continue;
            }
            of_this_claim += 1;
            drawn.push(&anomaly.operations);
            let id = format!("V{}", violations.len() + 1);
            let mut violation = violation(stored, &events, id, &claim.claim, anomaly);
            violation.log = logs.as_ref().map_or_else(Vec::new, |logs| logs.around(anomaly));
            violations.push(violation);
        }
    }
    Found { violations, undrawn }
}

/// The operations of a history by the index of their invocation, and the time of every event.
pub struct Events<'a> {
    history: &'a History,
    numbers: FxHashMap<u64, usize>,
}

impl<'a> Events<'a> {
    /// Those of `history`.
    pub fn of(history: &'a History) -> Self {
        let numbers = history.operations().map(|operation| (operation.invoked, operation.number));
        Self { history, numbers: numbers.collect() }
    }

    /// The operation that was invoked at this index.
    pub fn operation(&self, invoked: u64) -> Option<schism_history::Operation<'a>> {
        self.numbers.get(&invoked).map(|number| self.history.operation(*number))
    }

    /// When the event of this index happened.
    pub fn time(&self, index: u64) -> f64 {
        let events = self.history.events();
        let place = events.partition_point(|event| event.index < index);
        events
            .get(place.min(events.len().saturating_sub(1)))
            .map_or(0.0, |event| event.time.as_secs_f64())
    }
}

/// A violation with what the nodes logged around it.
fn violation(
    stored: &Stored,
    events: &Events<'_>,
    id: String,
    claim: &str,
    anomaly: &Anomaly,
) -> Violation {
    let mut violation = picture(stored, events, id, claim, anomaly);
    violation.logs = logs_around(stored, &violation);
    violation
}

/// What a proof shows: operations, or a circle.
pub fn picture(
    stored: &Stored,
    events: &Events<'_>,
    id: String,
    claim: &str,
    anomaly: &Anomaly,
) -> Violation {
    let mut violation = Violation {
        id,
        kind: "timeline",
        anomaly: anomaly.name.clone(),
        claims: vec![claim.to_owned()],
        key: anomaly.key.clone(),
        at_s: 0.0,
        explanation: anomaly.explanation.clone(),
        timeline: None,
        cycle: None,
        blocked: Vec::new(),
        folded: anomaly.operations.len().saturating_sub(DRAWN_MAX),
        log: Vec::new(),
        logs: Vec::new(),
    };
    let last = anomaly.operations.last().and_then(|index| events.operation(*index));
    violation.at_s = last.map_or(0.0, |operation| operation.start.as_secs_f64());
    match &anomaly.witness {
        Witness::Bound(bound) => {
            violation.kind = "bound";
            violation.at_s = bound.at_s;
        }
        Witness::Cycle { transactions, edges } => {
            violation.kind = "cycle";
            let transactions = transactions.iter().filter_map(|transaction| {
                let operation = events.operation(transaction.operation)?;
                Some(self::transaction(&transaction.name, &operation))
            });
            let edge = |edge: &schism_checkers::Edge| Edge {
                from: edge.from.clone(),
                to: edge.to.clone(),
                r#type: edge.kind.clone(),
                says: edge.says.clone(),
            };
            let edges = edges.iter().map(edge).collect();
            violation.cycle = Some(Cycle { transactions: transactions.collect(), edges });
        }
        Witness::Linearization { blocked, .. } => {
            for blocker in blocked {
                let name = events.operation(blocker.operation).map_or_else(
                    || format!("event {}", blocker.operation),
                    |operation| format!("{} ({})", words(&operation), operation.process),
                );
                let Blocked { needs, finds, why } = Blocked::of(blocker);
                violation.blocked.push([name, needs, finds, why]);
            }
            violation.timeline = timeline(stored, events, anomaly);
        }
        Witness::Operations => violation.timeline = timeline(stored, events, anomaly),
    }
    violation
}

struct Blocked {
    needs: String,
    finds: String,
    why: String,
}

impl Blocked {
    fn of(blocker: &schism_checkers::Blocker) -> Self {
        let (needs, finds, why) =
            (blocker.needs.clone(), blocker.finds.clone(), blocker.why.clone());
        Self { needs, finds, why }
    }
}

fn logs_around(stored: &Stored, violation: &Violation) -> Vec<(String, bool)> {
    let (from, to) = match (&violation.timeline, &violation.cycle) {
        (Some(timeline), _) => (timeline.from_s, timeline.to_s),
        (_, Some(cycle)) => {
            let ends = cycle.transactions.iter().map(|one| one.complete_s.unwrap_or(one.invoke_s));
            let starts = cycle.transactions.iter().map(|one| one.invoke_s);
            (starts.fold(f64::MAX, f64::min), ends.fold(0.0, f64::max))
        }
        _ => return Vec::new(),
    };
    logs::around(stored, from - LOGS_S, to + LOGS_S, (from, to))
}

fn transaction(name: &str, operation: &schism_history::Operation<'_>) -> Transaction {
    let (mops, whole) = match (&operation.op.value, operation.ok().map(|reply| &reply.value)) {
        (_, Some(Value::Mops(mops))) | (Value::Mops(mops), _) => {
            let whole = |one| whole_mop(one, operation.ok().is_some());
            (mops.iter().map(mop).collect(), mops.iter().map(whole).collect())
        }
        _ => (vec![words(operation)], vec![whole_words(operation)]),
    };
    Transaction {
        id: name.to_owned(),
        operation: operation.invoked,
        process: operation.process.to_string(),
        node: operation.node.map(|node| node.to_string()).unwrap_or_default(),
        invoke_s: operation.start.as_secs_f64(),
        complete_s: operation.end.filter(|_| operation.ok().is_some()).map(Time::as_secs_f64),
        mops,
        whole,
    }
}
