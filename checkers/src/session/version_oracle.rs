//! The guarantees of sessions, executed: every order of the versions of a key that fits what is
//! known is tried. Shares no code with the checker.

use std::collections::BTreeMap;

use schism_history::{History, Key, Process, Value};

use super::oracle::{Effect, effects};
use crate::{Claim, Validity};

/// Values of one key, oldest first.
type Order = Vec<Value>;

/// The verdict that the definition leads to. `None`: what is known of the versions contradicts
/// itself, so that there is no order at all; or something was read that nobody wrote.
pub(crate) fn verdict(history: &History, claim: Claim) -> Option<Validity> {
    let effects = happened(effects(history));
    let mut keys: Vec<Key> =
        effects.iter().flat_map(|it| it.actions.iter().map(|it| it.1)).collect();
    keys.sort();
    keys.dedup();
    let numbers = numbers(history);
    let mut processes: Vec<Process> = effects.iter().map(|it| it.process).collect();
    processes.sort();
    processes.dedup();
    let mut uncertain = false;
    for key in keys {
        let orders = orders(&effects, key, &numbers);
        for &process in &processes {
            let fits: Vec<&Order> = match claim {
                Claim::ReadYourWrites => {
                    let fits =
                        |order: &&Order| in_session_order(&effects, key, order, |it| it == process);
                    orders.iter().filter(fits).collect()
                }
                Claim::MonotonicWrites => {
                    let fits = |order: &&Order| in_session_order(&effects, key, order, |_| true);
                    orders.iter().filter(fits).collect()
                }
                _ => orders.iter().collect(),
            };
            if fits.is_empty() {
                return None;
            }
            let mut breaks = 0;
            for order in &fits {
                breaks += usize::from(broken(&effects, claim, process, key, order)?);
            }
            if breaks == fits.len() {
                return Some(Validity::Invalid);
            }
            uncertain |= breaks > 0;
        }
    }
    Some(if uncertain { Validity::Unknown } else { Validity::Valid })
}

/// Those indeterminate operations are left out whose writes nobody saw.
fn happened(mut effects: Vec<Effect>) -> Vec<Effect> {
    loop {
        let seen = |it: &Effect| {
            it.writes().any(|write| {
                effects
                    .iter()
                    .filter(|other| !other.maybe)
                    .any(|other| other.reads().any(|read| read == write))
            })
        };
        let Some(place) = effects.iter().position(|it| it.maybe && seen(it)) else { break };
        effects[place].maybe = false;
    }
    effects.retain(|it| !it.maybe);
    effects
}

fn numbers(history: &History) -> BTreeMap<(Key, String), u64> {
    let mut numbers = BTreeMap::new();
    for operation in history.operations() {
        let (Some(reply), Some(key)) = (operation.ok(), operation.op.key) else { continue };
        let value = match &reply.value {
            Value::List(pair) => pair[1].clone(),
            value => value.clone(),
        };
        if let Some(number) = reply.version.filter(|_| value != Value::Nil) {
            numbers.insert((key, value.to_string()), number);
        }
    }
    numbers
}

/// Every order of a key's versions that fits what is known of it for certain.
fn orders(effects: &[Effect], key: Key, numbers: &BTreeMap<(Key, String), u64>) -> Vec<Order> {
    let mut versions: Vec<Value> = Vec::new();
    let mut next_to: Vec<(Value, Value)> = Vec::new();
    let mut writers: Vec<Process> = Vec::new();
    for effect in effects {
        for (_, value) in effect.writes().filter(|it| it.0 == key) {
            versions.push(value.clone());
            match effect.reads().find(|it| it.0 == key).filter(|_| effect.cas) {
                Some((_, found)) => next_to.push((found.clone(), value.clone())),
                None => writers.push(effect.process),
            }
        }
    }
    writers.dedup();
    let one_writer = writers.len() <= 1;
    let plain: Vec<Value> =
        versions.iter().filter(|it| !next_to.iter().any(|(_, to)| to == *it)).cloned().collect();
    let mut all = Vec::new();
    permute(&mut vec![Value::Nil], &mut versions, &mut all);
    all.retain(|order| {
        let at = |value: &Value| order.iter().position(|it| it == value);
        let number = |value: &Value| numbers.get(&(key, value.to_string()));
        next_to.iter().all(|(from, to)| at(from).map(|it| it + 1) == at(to))
            && (!one_writer || plain.windows(2).all(|pair| at(&pair[0]) < at(&pair[1])))
            && order.iter().filter_map(number).is_sorted()
    });
    all
}

fn permute(order: &mut Order, left: &mut Vec<Value>, all: &mut Vec<Order>) {
    if left.is_empty() {
        all.push(order.clone());
    }
    for place in 0..left.len() {
        let value = left.remove(place);
        order.push(value);
        permute(order, left, all);
        left.insert(place, order.pop().expect("it was pushed"));
    }
}

fn in_session_order(
    effects: &[Effect],
    key: Key,
    order: &Order,
    of: impl Fn(Process) -> bool,
) -> bool {
    let at = |value: &Value| order.iter().position(|it| it == value);
    let writes: Vec<(Process, usize)> = effects
        .iter()
        .filter(|it| of(it.process))
        .flat_map(|it| {
            it.writes().filter(|write| write.0 == key).map(|write| (it.process, write.1))
        })
        .filter_map(|(process, value)| Some((process, at(value)?)))
        .collect();
    let ordered = |(place, one): (usize, &(Process, usize))| {
        writes[place + 1..].iter().all(|other| other.0 != one.0 || one.1 < other.1)
    };
    writes.iter().enumerate().all(ordered)
}

/// Whether the process breaks the claim on the key, if its versions came in this order.
fn broken(
    effects: &[Effect],
    claim: Claim,
    process: Process,
    key: Key,
    order: &Order,
) -> Option<bool> {
    let at = |value: &Value| order.iter().position(|it| it == value);
    let read_here =
        |effect: &Effect| effect.reads().find(|it| it.0 == key).map(|(_, value)| value.clone());
    let mut found_older = false;
    for (place, reader) in effects.iter().enumerate().filter(|(_, it)| it.process == process) {
        let Some(found) = read_here(reader) else { continue };
        let found_at = at(&found)?;
        let before = &effects[..place];
        let own = before.iter().filter(|it| it.process == process);
        match claim {
            Claim::ReadYourWrites => {
                let last = own.rev().find_map(|it| it.writes().find(|write| write.0 == key));
                found_older |= last.is_some_and(|(_, last)| at(last) > Some(found_at));
            }
            Claim::MonotonicReads => {
                for earlier in own.filter_map(read_here) {
                    found_older |= at(&earlier)? > found_at;
                }
            }
            _ => {
                let seen = own.chain([reader]).flat_map(|it| {
                    it.reads().map(|(key, value)| (key, value.clone())).collect::<Vec<_>>()
                });
                for (seen_key, seen) in seen {
                    let wrote = |it: &Effect| it.writes().any(|write| write == (seen_key, &seen));
                    let Some(writer) = effects.iter().position(wrote) else { continue };
                    let session = effects[writer].process;
                    let earlier = |at: &usize| effects[*at].process == session;
                    if claim == Claim::MonotonicWrites {
                        for at_write in (0..writer).filter(earlier) {
                            let write = effects[at_write].writes().find(|it| it.0 == key);
                            let Some((_, write)) = write else { continue };
                            found_older |= at(write)? > found_at;
                            // Two writes of one session on one key, seen in the other order.
                            let other = *write == found;
                            let other = other && effects[writer].writes().any(|it| it.0 == key);
                            found_older |= other;
                        }
                    } else {
                        for at_read in (0..=writer).filter(earlier) {
                            let Some(read) = read_here(&effects[at_read]) else { continue };
                            found_older |= at(&read)? > found_at;
                        }
                    }
                }
            }
        }
    }
    Some(found_older)
}
