//! Violations as pictures: the few operations that matter.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use schism_checkers::{Anomaly, Witness};
use schism_history::{FaultWindow, History, Mop, MopKind, Op, Outcome, Time, Value};

use super::data::{
    Band, Cycle, Edge, Group, Hold, Mark, Operation, Timeline, Transaction, Violation,
};
use super::logs;
use super::stored::Stored;
use crate::store::Word;

/// More operations than this nobody looks at: the last ones are drawn.
const DRAWN_MAX: usize = 40;
/// Violations that are drawn, and how many of one claim.
const VIOLATIONS_MAX: usize = 12;
const OF_ONE_CLAIM_MAX: usize = 3;
/// Logs are shown from so long before the first operation that is drawn to so long after the last.
const LOGS_S: f64 = 1.0;

/// The violations of the run. Several claims may be broken by one circle; it is drawn once.
pub fn derive(stored: &Stored) -> Vec<Violation> {
    let events = Events::of(&stored.history);
    let mut violations: Vec<Violation> = Vec::new();
    let mut drawn: BTreeSet<Vec<u64>> = BTreeSet::new();
    for claim in stored.verdict.claims.iter().filter(|claim| claim.verdict == Word::Violated) {
        let mut of_this_claim = 0;
        for anomaly in &claim.anomalies {
            if violations.len() >= VIOLATIONS_MAX || of_this_claim >= OF_ONE_CLAIM_MAX {
                break;
            }
            if !anomaly.operations.is_empty() && !drawn.insert(anomaly.operations.clone()) {
                continue;
            }
            of_this_claim += 1;
            let id = format!("V{}", violations.len() + 1);
            violations.push(violation(stored, &events, id, &claim.claim, anomaly));
        }
    }
    violations
}

/// The operations of a history by the index of their invocation, and the time of every event.
struct Events<'a> {
    history: &'a History,
    numbers: FxHashMap<u64, usize>,
}

impl<'a> Events<'a> {
    fn of(history: &'a History) -> Self {
        let numbers = history.operations().map(|operation| (operation.invoked, operation.number));
        Self { history, numbers: numbers.collect() }
    }

    fn operation(&self, invoked: u64) -> Option<schism_history::Operation<'a>> {
        self.numbers.get(&invoked).map(|number| self.history.operation(*number))
    }

    fn time(&self, index: u64) -> f64 {
        let events = self.history.events();
        let place = events.partition_point(|event| event.index < index);
        events
            .get(place.min(events.len().saturating_sub(1)))
            .map_or(0.0, |event| event.time.as_secs_f64())
    }
}

fn violation(
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
        claim: claim.to_owned(),
        key: anomaly.key.clone(),
        at_s: 0.0,
        explanation: anomaly.explanation.clone(),
        timeline: None,
        cycle: None,
        blocked: Vec::new(),
        folded: anomaly.operations.len().saturating_sub(DRAWN_MAX),
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
    violation.logs = logs_around(stored, &violation);
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

fn timeline(stored: &Stored, events: &Events<'_>, anomaly: &Anomaly) -> Option<Timeline> {
    let skipped = anomaly.operations.len().saturating_sub(DRAWN_MAX);
    let mut operations: Vec<Operation> = Vec::new();
    let mut last_event = 0;
    let mut nodes_of: BTreeMap<String, String> = BTreeMap::new();
    for index in &anomaly.operations[skipped..] {
        let operation = events.operation(*index)?;
        last_event = last_event.max(operation.completed.unwrap_or(operation.invoked));
        let drawn = bar(&operation, operations.len());
        nodes_of.insert(drawn.process.clone(), drawn.node.clone());
        operations.push(drawn);
    }
    let (mut initial, mut must_hold, mut holds, mut needs) = (None, Vec::new(), None, None);
    let impossible = match &anomaly.witness {
        Witness::Linearization {
            impossible,
            order,
            holds: held,
            needs: needed,
            must_hold: must,
            ..
        } => {
            for (place, (index, state)) in order.iter().enumerate() {
                if let Some(operation) = operations.iter_mut().find(|one| one.index[0] == *index) {
                    (operation.place, operation.state) = (Some(place + 1), Some(state.clone()));
                }
            }
            initial = Some("…".to_owned());
            must_hold = must
                .iter()
                .filter(|hold| hold.from < hold.to)
                .map(|hold| held_from(events, hold))
                .collect();
            (holds, needs) = (Some(held.clone()), Some(needed.clone()));
            *impossible
        }
        _ => *anomaly.operations.last()?,
    };
    for operation in &mut operations {
        operation.impossible = operation.index[0] == impossible;
    }
    operations.sort_by_key(|operation| operation.index[0]);
    let from_index = operations.first()?.index[0];
    let from_s = operations.first()?.invoke_s;
    let ends = operations.iter().map(|one| one.complete_s.unwrap_or(one.invoke_s));
    let to_s = ends.fold(from_s, f64::max);
    let mut rows: Vec<String> = Vec::new();
    for operation in &operations {
        if !rows.contains(&operation.process) {
            rows.push(operation.process.clone());
        }
    }
    let (marks, bands) = marks(stored, from_index, last_event, from_s, to_s);
    let groups = groups(stored, from_s, to_s, &nodes_of);
    Some(Timeline {
        from_s,
        to_s,
        groups,
        rows,
        operations,
        marks,
        bands,
        initial,
        must_hold,
        holds,
        needs,
    })
}

fn held_from(events: &Events<'_>, hold: &schism_checkers::MustHold) -> Hold {
    Hold {
        value: hold.value.clone(),
        from_index: hold.from,
        to_index: hold.to,
        from_s: events.time(hold.from),
        to_s: events.time(hold.to),
    }
}

fn bar(operation: &schism_history::Operation<'_>, number: usize) -> Operation {
    let (outcome, error) = match operation.outcome {
        Some(Outcome::Ok(_)) => ("ok", None),
        Some(Outcome::Fail(reason)) => ("fail", Some(reason.to_string())),
        Some(Outcome::Info(reason)) => ("info", Some(reason.to_string())),
        None => ("info", None),
    };
    let end = operation.end.map(Time::as_secs_f64);
    Operation {
        id: format!("o{number}"),
        process: operation.process.to_string(),
        node: operation.node.map(|node| node.to_string()).unwrap_or_default(),
        f: words(operation),
        invoke_s: operation.start.as_secs_f64(),
        complete_s: end.filter(|_| outcome != "info"),
        gave_up_s: end.filter(|_| outcome == "info"),
        outcome,
        index: [Some(operation.invoked), operation.completed].into_iter().flatten().collect(),
        place: None,
        state: None,
        impossible: false,
        error,
    }
}

/// `write 412`, `read → 401`, `cas 412→418`, `append x 3, r y → [1 2]`.
fn words(operation: &schism_history::Operation<'_>) -> String {
    let Op { f, value, .. } = operation.op;
    let reply = operation.ok().map(|reply| &reply.value);
    match (f.as_str(), value, reply) {
        (_, Value::Mops(asked), _) => {
            let mops = match reply {
                Some(Value::Mops(answered)) => answered,
                _ => asked,
            };
            mops.iter().map(mop).collect::<Vec<_>>().join(", ")
        }
        ("cas", Value::List(pair), _) if pair.len() == 2 => format!("cas {}→{}", pair[0], pair[1]),
        (name, Value::Nil, Some(reply)) => format!("{name} → {}", cut(&reply.to_string())),
        (name, Value::Nil, None) => name.to_owned(),
        (name, value, _) => format!("{name} {}", cut(&value.to_string())),
    }
}

fn mop(mop: &Mop) -> String {
    match (mop.kind, &mop.value) {
        (MopKind::Read, Value::Nil) => format!("r {}", mop.key),
        (MopKind::Read, value) => format!("r {} → {}", mop.key, cut(&value.to_string())),
        (MopKind::Append, value) => format!("append {} {value}", mop.key),
        (MopKind::Write, value) => format!("w {} {value}", mop.key),
    }
}

/// The end of a long text: of a list, what was added last.
fn cut(text: &str) -> String {
    const SHOWN_MAX: usize = 28;
    let length = text.chars().count();
    if length <= SHOWN_MAX {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - SHOWN_MAX).collect();
    format!("[… {end}")
}

fn transaction(name: &str, operation: &schism_history::Operation<'_>) -> Transaction {
    let mops = match (&operation.op.value, operation.ok().map(|reply| &reply.value)) {
        (_, Some(Value::Mops(answered))) => answered.iter().map(mop).collect(),
        (Value::Mops(asked), _) => asked.iter().map(mop).collect(),
        _ => vec![words(operation)],
    };
    Transaction {
        id: name.to_owned(),
        process: operation.process.to_string(),
        node: operation.node.map(|node| node.to_string()).unwrap_or_default(),
        invoke_s: operation.start.as_secs_f64(),
        complete_s: operation.end.filter(|_| operation.ok().is_some()).map(Time::as_secs_f64),
        mops,
    }
}

/// The faults that reach into the picture, and the moments at which they begin and end in it.
fn marks(
    stored: &Stored,
    from_index: u64,
    to_index: u64,
    from_s: f64,
    to_s: f64,
) -> (Vec<Mark>, Vec<Band>) {
    let (mut marks, mut bands) = (Vec::new(), Vec::new());
    let event_at = |time: Time| {
        let events = stored.history.events();
        let place = events.partition_point(|event| event.time < time);
        events.get(place).map_or(u64::MAX, |event| event.index)
    };
    for fault in &stored.faults {
        let start = event_at(fault.start);
        let stop = fault.stop.map_or(u64::MAX, event_at);
        if start > to_index || stop < from_index {
            continue;
        }
        let (begins, ends) = (start > from_index, stop < to_index);
        let id = fault.fault.to_string();
        let stop_s = fault.stop.map_or(to_s, Time::as_secs_f64);
        let label = format!("{id} {} {}", fault.name, fault.detail);
        if begins {
            let at_s = fault.start.as_secs_f64();
            marks.push(Mark { at_s, index: start, label: label.clone() });
        }
        if ends {
            marks.push(Mark { at_s: stop_s, index: stop, label: format!("{id} healed") });
        }
        bands.push(Band {
            id: label,
            from_index: begins.then_some(start),
            to_index: ends.then_some(stop),
            from_s: fault.start.as_secs_f64().max(from_s),
            to_s: stop_s.min(to_s),
        });
    }
    (marks, bands)
}

/// The nodes of the picture, by who reaches whom under the partitions of that time.
fn groups(
    stored: &Stored,
    from_s: f64,
    to_s: f64,
    nodes_of: &BTreeMap<String, String>,
) -> Vec<Group> {
    let nodes = &stored.run.nodes;
    let within = |fault: &&FaultWindow| {
        let stop = fault.stop.map_or(f64::MAX, Time::as_secs_f64);
        fault.start.as_secs_f64() <= to_s && stop >= from_s
    };
    let cut: BTreeSet<(String, String)> = stored
        .faults
        .iter()
        .filter(within)
        .flat_map(|fault| fault.injection["links"].as_array().cloned().unwrap_or_default())
        .filter(|link| link["drop"] == true)
        .map(|link| {
            let end = |name: &str| link[name].as_str().unwrap_or_default().to_owned();
            (end("from"), end("to"))
        })
        .collect();
    let reaches = |a: &String, b: &String| {
        !cut.contains(&(a.clone(), b.clone())) && !cut.contains(&(b.clone(), a.clone()))
    };
    let mut left: Vec<String> = nodes.clone();
    let mut groups: Vec<Vec<String>> = Vec::new();
    while let Some(first) = left.first().cloned() {
        let mut group = vec![first];
        let mut place = 0;
        while place < group.len() {
            let (near, far) = left.iter().cloned().partition(|node| reaches(&group[place], node));
            let near: Vec<String> = near;
            group.extend(near.into_iter().filter(|node| !group.contains(node)).collect::<Vec<_>>());
            left = far;
            place += 1;
        }
        left.retain(|node| !group.contains(node));
        group.sort_by_key(|node| nodes.iter().position(|other| other == node));
        groups.push(group);
    }
    // A node that is not on the list (a target without nodes) still has its rows.
    let rest: BTreeSet<String> =
        nodes_of.values().filter(|node| !nodes.contains(node)).cloned().collect();
    if !rest.is_empty() {
        groups.push(rest.into_iter().collect());
    }
    let largest = groups.iter().map(Vec::len).max().unwrap_or(0);
    let several = groups.len() > 1;
    let asked = |group: &Vec<String>| nodes_of.values().any(|node| group.contains(node));
    groups
        .into_iter()
        .filter(asked)
        .map(|nodes| {
            let label = match (several, nodes.len()) {
                (false, _) => String::new(),
                (true, 1) => format!("{} is cut off", nodes[0]),
                (true, _) => format!("{} reach one another", nodes.join(" ")),
            };
            let cut = several && nodes.len() < largest;
            Group { label, nodes, cut }
        })
        .collect()
}
