//! The definitions of the models, executed: every order is tried. Shares no code with the checkers.

use std::collections::BTreeMap;

use schism_history::{History, Key, MopKind, Outcome, Process, Value};

/// One step of an operation: whether it writes, where, and what it writes or must find.
type Action = (bool, Key, Value);

/// An operation that may have taken effect.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub process: Process,
    pub actions: Vec<Action>,
    pub maybe: bool,
    /// Whether it is a compare-and-set.
    pub cas: bool,
}

impl Effect {
    /// What it finds that it has not itself written before.
    pub fn reads(&self) -> impl Iterator<Item = (Key, &Value)> {
        let own = |at: usize, key: Key| self.actions[..at].iter().any(|it| it.1 == key);
        let reads = self.actions.iter().enumerate().filter(|(_, it)| !it.0);
        reads.filter(move |(at, it)| !own(*at, it.1)).map(|(_, it)| (it.1, &it.2))
    }

    /// What it leaves behind.
    pub fn writes(&self) -> impl Iterator<Item = (Key, &Value)> {
        let later =
            |at: usize, key: Key| self.actions[at + 1..].iter().any(|it| it.0 && it.1 == key);
        let writes = self.actions.iter().enumerate().filter(|(_, it)| it.0);
        writes.filter(move |(at, it)| !later(*at, it.1)).map(|(_, it)| (it.1, &it.2))
    }
}

/// A model of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    Sequential,
    Pram,
    Causal,
    Memory,
    Convergence,
}

/// The operations of a history that may have taken effect.
pub(crate) fn effects(history: &History) -> Vec<Effect> {
    let mut effects = Vec::new();
    for operation in history.operations() {
        let ok = operation.ok();
        if matches!(operation.outcome, Some(Outcome::Fail(_))) {
            continue;
        }
        let key = || operation.op.key.expect("single operations have keys");
        let actions: Vec<Action> = match (operation.op.f.as_str(), &operation.op.value) {
            ("read", _) => ok.iter().map(|reply| (false, key(), reply.value.clone())).collect(),
            ("write", value) => vec![(true, key(), value.clone())],
            ("cas", Value::List(pair)) => {
                vec![(false, key(), pair[0].clone()), (true, key(), pair[1].clone())]
            }
            ("txn", asked) => {
                let mops = ok.map_or(asked, |reply| &reply.value);
                let Value::Mops(mops) = mops else { panic!("{mops:?} are no micro-operations") };
                let known = mops.iter().filter(|mop| ok.is_some() || mop.kind == MopKind::Write);
                known.map(|mop| (mop.kind == MopKind::Write, mop.key, mop.value.clone())).collect()
            }
            other => panic!("{other:?} is no operation of a register"),
        };
        let (process, maybe) = (operation.process, ok.is_none());
        let cas = operation.op.f.as_str() == "cas";
        if !actions.is_empty() {
            effects.push(Effect { process, actions, maybe, cas });
        }
    }
    effects
}

/// Whether the history is of the model, for some choice of which indeterminate operations happened.
pub(crate) fn holds(history: &History, model: Model) -> bool {
    let effects = effects(history);
    let maybe: Vec<usize> = (0..effects.len()).filter(|&at| effects[at].maybe).collect();
    (0..1u32 << maybe.len()).any(|chosen| {
        let happened = |at: &usize| {
            maybe.iter().position(|it| it == at).is_none_or(|place| chosen >> place & 1 == 1)
        };
        let present: Vec<Effect> =
            (0..effects.len()).filter(happened).map(|at| effects[at].clone()).collect();
        explained(&present, model)
    })
}

fn explained(effects: &[Effect], model: Model) -> bool {
    let total = effects.len();
    let mut sessions = vec![vec![false; total]; total];
    for (from, one) in effects.iter().enumerate() {
        for (to, other) in effects.iter().enumerate() {
            sessions[from][to] = from < to && one.process == other.process;
        }
    }
    let all = vec![true; total];
    match model {
        Model::Sequential => any_order(effects, &sessions, &all, &all),
        Model::Pram => effects.iter().all(|viewer| {
            let own: Vec<bool> = effects.iter().map(|it| it.process == viewer.process).collect();
            let part: Vec<bool> =
                (0..total).map(|at| own[at] || effects[at].writes().next().is_some()).collect();
            any_order(effects, &sessions, &part, &own)
        }),
        _ => {
            let Some(causal) = causal_order(effects, sessions) else { return false };
            if model == Model::Convergence {
                return any_arbitration(effects, &causal, &mut Vec::new());
            }
            (0..total).all(|of| {
                let past: Vec<bool> = (0..total).map(|at| at == of || causal[at][of]).collect();
                let checked = |at: usize| {
                    let own = effects[at].process == effects[of].process;
                    at == of || (model == Model::Memory && own && past[at])
                };
                let checked: Vec<bool> = (0..total).map(checked).collect();
                any_order(effects, &causal, &past, &checked)
            })
        }
    }
}

/// Sessions and what was read from whom, closed; `None` if it is no order, or something was read
/// that nobody wrote. A larger causal order would only make more demands on each past.
fn causal_order(effects: &[Effect], mut order: Vec<Vec<bool>>) -> Option<Vec<Vec<bool>>> {
    for (to, reader) in effects.iter().enumerate() {
        for (key, value) in reader.reads().filter(|(_, value)| **value != Value::Nil) {
            let writes = |it: &Effect| it.writes().any(|write| write == (key, value));
            order[effects.iter().position(writes)?][to] = true;
        }
    }
    for over in 0..effects.len() {
        for from in 0..effects.len() {
            for to in 0..effects.len() {
                order[from][to] |= order[from][over] && order[over][to];
            }
        }
    }
    (0..effects.len()).all(|at| !order[at][at]).then_some(order)
}

fn any_order(effects: &[Effect], order: &[Vec<bool>], part: &[bool], checked: &[bool]) -> bool {
    extend(effects, order, part, checked, &mut vec![false; effects.len()], &BTreeMap::new())
}

type Memory = BTreeMap<Key, Value>;

fn extend(
    effects: &[Effect],
    order: &[Vec<bool>],
    part: &[bool],
    checked: &[bool],
    placed: &mut Vec<bool>,
    memory: &Memory,
) -> bool {
    let left: Vec<usize> = (0..effects.len()).filter(|&at| part[at] && !placed[at]).collect();
    left.is_empty()
        || left.iter().any(|&at| {
            if left.iter().any(|&other| order[other][at]) {
                return false;
            }
            let mut memory = memory.clone();
            if !run(&effects[at], checked[at], &mut memory) {
                return false;
            }
            placed[at] = true;
            let found = extend(effects, order, part, checked, placed, &memory);
            placed[at] = false;
            found
        })
}

fn run(effect: &Effect, checked: bool, memory: &mut Memory) -> bool {
    effect.actions.iter().all(|(writes, key, value)| {
        if *writes {
            memory.insert(*key, value.clone());
            return true;
        }
        !checked || memory.get(key).unwrap_or(&Value::Nil) == value
    })
}

fn any_arbitration(effects: &[Effect], causal: &[Vec<bool>], order: &mut Vec<usize>) -> bool {
    if order.len() == effects.len() {
        return (0..effects.len()).all(|of| {
            let past = order.iter().filter(|&&at| causal[at][of]);
            let mut memory = Memory::new();
            past.for_each(|&at| {
                run(&effects[at], false, &mut memory);
            });
            run(&effects[of], true, &mut memory)
        });
    }
    (0..effects.len()).any(|at| {
        let ready = !order.contains(&at)
            && (0..effects.len()).all(|other| !causal[other][at] || order.contains(&other));
        if !ready {
            return false;
        }
        order.push(at);
        let found = any_arbitration(effects, causal, order);
        order.pop();
        found
    })
}
