//! The definitions, word for word: all serial orders, all orders of starts and commits, all orders of
//! versions, on small histories.

use schism_history::{History, Mop, MopKind, Value};

use super::facts::{Isolation, Model};
use crate::transactional::Order;
use crate::weak::oracle::{Txn, choices, in_session, orders};

/// Whether `earlier` must come before `later` by the order that a model keeps.
fn bound(txns: &[Txn], order: Order, earlier: usize, later: usize) -> bool {
    let time = txns[earlier].completed.is_some_and(|end| end < txns[later].invoked);
    match order {
        Order::Data => false,
        Order::Process => in_session(txns, earlier, later),
        Order::Realtime => time || in_session(txns, earlier, later),
    }
}

/// Whether a model holds; `internal`: whether reads of own writes are looked at.
pub(crate) fn holds(history: &History, model: Model, internal: bool) -> bool {
    choices(history).iter().any(|txns| {
        (!internal || txns.iter().all(Txn::reads_its_own_writes))
            && match model.isolation {
                Isolation::Serial => serial(txns, model.order),
                Isolation::Snapshot => snapshots(txns, model.order),
                Isolation::View => view(txns),
            }
    })
}

fn keeps(txns: &[Txn], order: Order, serial: &[usize]) -> bool {
    (0..serial.len())
        .all(|later| (0..later).all(|earlier| !bound(txns, order, serial[later], serial[earlier])))
}

fn reads(txn: &Txn, state: &[(schism_history::Key, Value)]) -> bool {
    txn.external().all(|(_, mop)| value(state, mop) == mop.value)
}

fn value(state: &[(schism_history::Key, Value)], mop: &Mop) -> Value {
    let held = state.iter().rfind(|(key, _)| *key == mop.key);
    held.map_or(Value::Nil, |(_, value)| value.clone())
}

fn write(txn: &Txn, state: &mut Vec<(schism_history::Key, Value)>) {
    for mop in txn.mops.iter().filter(|mop| mop.kind == MopKind::Write) {
        state.push((mop.key, mop.value.clone()));
    }
}

fn serial(txns: &[Txn], order: Order) -> bool {
    orders(txns.len()).iter().any(|serial| {
        let mut state = Vec::new();
        keeps(txns, order, serial)
            && serial.iter().all(|&it| {
                let right = reads(&txns[it], &state);
                write(&txns[it], &mut state);
                right
            })
    })
}

/// Every order of starts and commits, by going through all of them with what is open.
fn snapshots(txns: &[Txn], order: Order) -> bool {
    struct At {
        started: usize,
        committed: usize,
        state: Vec<(schism_history::Key, Value)>,
    }
    let length = txns.len();
    let has = |set: usize, it: usize| set >> it & 1 == 1;
    let writes = |it: usize, other: usize| {
        let left = |mop: &Mop| mop.kind == MopKind::Write && txns[other].left(mop.key).is_some();
        txns[it].mops.iter().any(left)
    };
    let mut stack = vec![At { started: 0, committed: 0, state: Vec::new() }];
    while let Some(at) = stack.pop() {
        if at.committed == (1 << length) - 1 {
            return true;
        }
        for it in 0..length {
            if has(at.started, it) && !has(at.committed, it) {
                let mut state = at.state.clone();
                write(&txns[it], &mut state);
                let committed = at.committed | 1 << it;
                stack.push(At { committed, state, ..at });
            }
            if has(at.started, it) {
                continue;
            }
            let may = (0..length).filter(|other| *other != it).all(|other| {
                let committed = has(at.committed, other);
                let open = has(at.started, other) && !committed;
                (committed || !bound(txns, order, other, it)) && !(open && writes(it, other))
            });
            if may && reads(&txns[it], &at.state) {
                let started = at.started | 1 << it;
                stack.push(At { started, state: at.state.clone(), ..at });
            }
        }
    }
    false
}

/// All orders of the versions of each key, by way of all orders of the transactions for each key.
fn view(txns: &[Txn]) -> bool {
    let Some(from) = crate::weak::oracle::reads_from(txns) else { return false };
    let length = txns.len();
    let mut keys: Vec<schism_history::Key> =
        txns.iter().flat_map(|txn| txn.mops.iter().map(|mop| mop.key)).collect();
    keys.sort_unstable();
    keys.dedup();
    // Of each key every order of its writers.
    let all: Vec<Vec<Vec<usize>>> = keys
        .iter()
        .map(|key| {
            let writers: Vec<usize> =
                (0..length).filter(|it| txns[*it].left(*key).is_some()).collect();
            let orders = orders(writers.len());
            orders.iter().map(|order| order.iter().map(|it| writers[*it]).collect()).collect()
        })
        .collect();
    let mut choice = vec![0; keys.len()];
    loop {
        let versions: Vec<&Vec<usize>> =
            all.iter().zip(&choice).map(|(orders, chosen)| &orders[*chosen]).collect();
        if no_single(length, &keys, &from, &versions) {
            return true;
        }
        let Some(place) = (0..keys.len()).find(|place| choice[*place] + 1 < all[*place].len())
        else {
            return false;
        };
        choice[place] += 1;
        choice[..place].fill(0);
    }
}

fn no_single(
    length: usize,
    keys: &[schism_history::Key],
    from: &[Vec<(Mop, crate::weak::oracle::From)>],
    versions: &[&Vec<usize>],
) -> bool {
    use crate::weak::oracle::From;
    let mut before = vec![vec![false; length]; length];
    let mut anti = Vec::new();
    for order in versions {
        for pair in order.windows(2) {
            before[pair[0]][pair[1]] = true;
        }
    }
    for (reader, reads) in from.iter().enumerate() {
        for (mop, writer) in reads {
            let order = keys.iter().position(|key| *key == mop.key).map(|place| versions[place]);
            let Some(order) = order else { continue };
            let next = match writer {
                From::Initial => order.first(),
                From::Txn(writer) => {
                    before[*writer][reader] = true;
                    order.iter().skip_while(|it| **it != *writer).nth(1)
                }
            };
            if let Some(next) = next.filter(|next| **next != reader) {
                anti.push((reader, *next));
            }
        }
    }
    for middle in 0..length {
        for one in 0..length {
            for other in 0..length {
                before[one][other] |= before[one][middle] && before[middle][other];
            }
        }
    }
    (0..length).all(|it| !before[it][it]) && anti.iter().all(|(from, to)| !before[*to][*from])
}
