//! A violation as operations: bars on the rows of their processes.

use std::collections::{BTreeMap, BTreeSet};

use schism_checkers::{Anomaly, MustHold, Witness};
use schism_history::{FaultId, FaultMark, FaultWindow, Kind, Outcome, Time, Value};
use schism_workloads::WORKLOADS;

use super::data::{Band, Group, Hold, Mark, Operation, Timeline};
use super::stored::Stored;
use super::violations::{DRAWN_MAX, Events};
use super::words::{whole_words, words};

/// The operations that `anomaly` names, with what the proof says of them.
pub fn timeline(stored: &Stored, events: &Events<'_>, anomaly: &Anomaly) -> Option<Timeline> {
    let skipped = anomaly.operations.len().saturating_sub(DRAWN_MAX);
    let mut operations: Vec<Operation> = Vec::new();
    let mut nodes_of: BTreeMap<String, String> = BTreeMap::new();
    for index in &anomaly.operations[skipped..] {
        let drawn = bar(&events.operation(*index)?, operations.len());
        nodes_of.insert(drawn.process.clone(), drawn.node.clone());
        operations.push(drawn);
    }
    let proof = Proof::of(stored, events, anomaly, &mut operations)?;
    for operation in &mut operations {
        operation.impossible = operation.index[0] == proof.impossible;
    }
    operations.sort_by_key(|operation| operation.index[0]);
    let first = operations.first()?;
    let (from_index, from_s) = (first.index[0], first.invoke_s);
    let last_index = operations.iter().filter_map(|one| one.index.last()).max();
    let ends = operations.iter().map(|one| one.complete_s.unwrap_or(one.invoke_s));
    let to_s = ends.fold(from_s, f64::max);
    let mut rows: Vec<String> = Vec::new();
    for operation in &operations {
        if !rows.contains(&operation.process) {
            rows.push(operation.process.clone());
        }
    }
    let (marks, bands) =
        marks(stored, (from_index, *last_index.unwrap_or(&from_index)), (from_s, to_s));
    let groups = groups(stored, (from_s, to_s), &nodes_of);
    let Proof { initial, must_hold, holds, needs, .. } = proof;
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

/// What a proof says about its operations together.
#[derive(Default)]
struct Proof {
    /// The invocation of the operation that cannot be.
    impossible: u64,
    initial: Option<String>,
    must_hold: Vec<Hold>,
    holds: Option<String>,
    needs: Option<String>,
}

impl Proof {
    /// Also writes places and states of an order to the operations.
    fn of(
        stored: &Stored,
        events: &Events<'_>,
        anomaly: &Anomaly,
        operations: &mut [Operation],
    ) -> Option<Self> {
        let Witness::Linearization { impossible, order, holds, needs, must_hold, .. } =
            &anomaly.witness
        else {
            return Some(Self { impossible: *anomaly.operations.last()?, ..Self::default() });
        };
        for (place, (index, state)) in order.iter().enumerate() {
            if let Some(operation) = operations.iter_mut().find(|one| one.index[0] == *index) {
                (operation.place, operation.state) = (Some(place + 1), Some(state.clone()));
            }
        }
        let initial = order.first().and_then(|(index, _)| initial(stored, events, *index));
        Some(Self {
            impossible: *impossible,
            initial,
            must_hold: contradiction(events, must_hold),
            holds: Some(holds.clone()),
            needs: Some(needs.clone()),
        })
    }
}

/// What the object held before the first operation of an order. A read or a compare-and-set tells;
/// before a write anything can have been held, unless nothing was asked of the object before it.
fn initial(stored: &Stored, events: &Events<'_>, first: u64) -> Option<String> {
    let first = events.operation(first)?;
    match (first.op.f.as_str(), &first.op.value) {
        ("read", _) => return Some(first.ok()?.value.to_string()),
        ("cas", Value::List(pair)) => return pair.first().map(ToString::to_string),
        _ => {}
    }
    let earlier = |one: &schism_history::Operation<'_>| {
        one.invoked < first.invoked && one.op.key == first.op.key
    };
    if stored.history.operations().any(|operation| earlier(&operation)) {
        return None;
    }
    let asked = &stored.asked.as_ref()?.workload;
    let entry = WORKLOADS.iter().find(|entry| entry.name == asked.name)?;
    Some((entry.construct)(&asked.options).ok()?.initial().to_string())
}

/// The two values, if no register can have held both as it must.
fn contradiction(events: &Events<'_>, must_hold: &[MustHold]) -> Vec<Hold> {
    let [one, other] = must_hold else { return Vec::new() };
    // A value whose last invocation comes before its first completion must be held at some moment
    // between the two.
    let throughout = |hold: &MustHold| hold.from < hold.to;
    let within = |inner: &MustHold, outer: &MustHold| {
        throughout(outer) && outer.from <= inner.to && inner.from <= outer.to
    };
    let met = match (throughout(one), throughout(other)) {
        (true, true) => one.from < other.to && other.from < one.to,
        (true, false) => within(other, one),
        (false, true) => within(one, other),
        (false, false) => false,
    };
    if !met {
        return Vec::new();
    }
    let drawn = |hold: &MustHold| {
        let (from_index, to_index) = (hold.from.min(hold.to), hold.from.max(hold.to));
        Hold {
            value: hold.value.clone(),
            throughout: throughout(hold),
            from_index,
            to_index,
            from_s: events.time(from_index),
            to_s: events.time(to_index),
        }
    };
    must_hold.iter().map(drawn).collect()
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
        whole: whole_words(operation),
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

/// The faults that reach into the picture, and the moments at which they begin and end in it.
fn marks(
    stored: &Stored,
    (from_index, to_index): (u64, u64),
    (from_s, to_s): (f64, f64),
) -> (Vec<Mark>, Vec<Band>) {
    let (mut marks, mut bands) = (Vec::new(), Vec::new());
    for fault in &stored.faults {
        let (start, stop) = indexes(stored, fault.fault);
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

/// The indexes of a fault's marks of start and stop; a fault that was not healed has no end.
fn indexes(stored: &Stored, wanted: FaultId) -> (u64, u64) {
    let (mut start, mut stop) = (u64::MAX, u64::MAX);
    for event in stored.history.events() {
        match &event.kind {
            Kind::Fault(FaultMark::Start { fault, .. }) if *fault == wanted => start = event.index,
            Kind::Fault(FaultMark::Stop { fault }) if *fault == wanted => stop = event.index,
            _ => {}
        }
    }
    (start, stop)
}

/// The nodes of the picture, by who reaches whom under the partitions of that time.
fn groups(
    stored: &Stored,
    (from_s, to_s): (f64, f64),
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
