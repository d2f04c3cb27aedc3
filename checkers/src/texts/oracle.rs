//! The definitions of what texts may show, executed: every causal order, every linearization and
//! every arbitration is tried. Shares no code with the checkers.

use schism_history::{History, Outcome, Process, Value};

use crate::{Claim, Validity};

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Get(String),
    Put(String),
    Append(String),
}

/// An operation that may have taken effect.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub process: Process,
    pub key: String,
    pub does: Does,
    pub maybe: bool,
}

impl Effect {
    fn reads(&self) -> bool {
        matches!(self.does, Does::Get(_))
    }
}

/// The operations of a history that may have taken effect; gets only if they were answered.
pub(super) fn effects(history: &History) -> Vec<Effect> {
    let mut effects = Vec::new();
    for operation in history.operations() {
        if matches!(operation.outcome, Some(Outcome::Fail(_))) {
            continue;
        }
        let asked = match &operation.op.value {
            Value::Text(text) => text.to_string(),
            _ => String::new(),
        };
        let does = match (operation.op.f.as_str(), operation.ok().map(|reply| &reply.value)) {
            ("get", Some(Value::Text(text))) => Does::Get(text.to_string()),
            ("get", Some(_)) => Does::Get(String::new()),
            ("get", None) => continue,
            ("put", _) => Does::Put(asked),
            _ => Does::Append(asked),
        };
        let key = operation.op.key.map(|key| key.to_string()).unwrap_or_default();
        let (process, maybe) = (operation.process, operation.ok().is_none());
        effects.push(Effect { process, key, does, maybe });
    }
    effects
}

type Relation = Vec<Vec<bool>>;

/// Whether the history is of the model, for some choice of which indeterminate operations happened.
pub(super) fn holds(history: &History, model: Claim) -> bool {
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

fn explained(effects: &[Effect], model: Claim) -> bool {
    let total = effects.len();
    let mut sessions: Relation = vec![vec![false; total]; total];
    for (from, one) in effects.iter().enumerate() {
        for (to, other) in effects.iter().enumerate() {
            sessions[from][to] = from < to && one.process == other.process;
        }
    }
    if model == Claim::Pram {
        return effects.iter().all(|viewer| {
            let own = |at: &usize| effects[*at].process == viewer.process;
            let part = |at: &usize| !effects[*at].reads() || own(at);
            linearizes(effects, &sessions, &(0..total).filter(part).collect::<Vec<_>>(), &|_| true)
        });
    }
    // What a causal order says beyond sessions matters only by which updates it puts before which
    // gets; so all choices of that are all causal orders.
    let mut choices: Vec<(usize, usize)> = Vec::new();
    for (to, get) in effects.iter().enumerate().filter(|(_, it)| it.reads()) {
        let others = effects.iter().enumerate();
        let others = others.filter(|(_, it)| !it.reads() && it.process != get.process);
        choices.extend(others.map(|(from, _)| (from, to)));
    }
    (0..1u32 << choices.len()).any(|chosen| {
        let mut order = sessions.clone();
        for (place, &(from, to)) in choices.iter().enumerate() {
            order[from][to] |= chosen >> place & 1 == 1;
        }
        close(&mut order);
        (0..total).all(|at| !order[at][at]) && causally(effects, &order, model)
    })
}

fn close(order: &mut Relation) {
    let total = order.len();
    for over in 0..total {
        for from in 0..total {
            for to in 0..total {
                order[from][to] |= order[from][over] && order[over][to];
            }
        }
    }
}

fn causally(effects: &[Effect], causal: &Relation, model: Claim) -> bool {
    let total = effects.len();
    if model == Claim::CausalConvergence {
        let updates: Vec<usize> = (0..total).filter(|&at| !effects[at].reads()).collect();
        return arbitrations(causal, &updates).iter().any(|order| {
            (0..total).filter(|&at| effects[at].reads()).all(|get| {
                let mut holds = String::new();
                for &at in order.iter().filter(|&&at| causal[at][get]) {
                    run(&effects[at], &effects[get].key, &mut holds);
                }
                effects[get].does == Does::Get(holds)
            })
        });
    }
    (0..total).all(|of| {
        let own = |at: usize| {
            at == of || model == Claim::CausalMemory && effects[at].process == effects[of].process
        };
        let part =
            |at: &usize| (*at == of || causal[*at][of]) && (!effects[*at].reads() || own(*at));
        linearizes(effects, causal, &(0..total).filter(part).collect::<Vec<_>>(), &own)
    })
}

fn run(effect: &Effect, key: &str, holds: &mut String) {
    match &effect.does {
        _ if effect.key != key => {}
        Does::Get(_) => {}
        Does::Put(text) => holds.clone_from(text),
        Does::Append(piece) => holds.push_str(piece),
    }
}

/// Whether the operations of `left` fit into an order that explains the gets that are `checked`.
fn linearizes(
    effects: &[Effect],
    order: &Relation,
    left: &[usize],
    checked: &dyn Fn(usize) -> bool,
) -> bool {
    extend(effects, order, left, checked, &mut Vec::new())
}

fn extend(
    effects: &[Effect],
    order: &Relation,
    left: &[usize],
    checked: &dyn Fn(usize) -> bool,
    placed: &mut Vec<usize>,
) -> bool {
    left.is_empty()
        || left.iter().enumerate().any(|(place, &at)| {
            if left.iter().any(|&other| order[other][at]) {
                return false;
            }
            if let (Does::Get(text), true) = (&effects[at].does, checked(at)) {
                let mut holds = String::new();
                for &it in &*placed {
                    run(&effects[it], &effects[at].key, &mut holds);
                }
                if holds != *text {
                    return false;
                }
            }
            let mut rest = left.to_vec();
            rest.remove(place);
            placed.push(at);
            let found = extend(effects, order, &rest, checked, placed);
            placed.pop();
            found
        })
}

/// Every order of `updates` that keeps `order`.
fn arbitrations(order: &Relation, updates: &[usize]) -> Vec<Vec<usize>> {
    if updates.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (place, &first) in updates.iter().enumerate() {
        if updates.iter().any(|&other| order[other][first]) {
            continue;
        }
        let mut rest = updates.to_vec();
        rest.remove(place);
        for mut later in arbitrations(order, &rest) {
            later.insert(0, first);
            all.push(later);
        }
    }
    all
}

/// The pieces that a text shows, in order, and whether the first of them was put.
fn shown(effects: &[Effect], key: &str, text: &str) -> Option<(Vec<usize>, bool)> {
    fn appended(effects: &[Effect], key: &str, text: &str, so_far: &[usize]) -> Option<Vec<usize>> {
        if text.is_empty() {
            return Some(so_far.to_vec());
        }
        effects.iter().enumerate().find_map(|(at, it)| match &it.does {
            Does::Append(piece) if it.key == key && !so_far.contains(&at) => {
                let rest = text.strip_prefix(piece.as_str())?;
                appended(effects, key, rest, &[so_far, &[at]].concat())
            }
            _ => None,
        })
    }
    let put = effects.iter().enumerate().find_map(|(at, it)| match &it.does {
        Does::Put(base) if it.key == key => {
            Some((appended(effects, key, text.strip_prefix(base.as_str())?, &[at])?, true))
        }
        _ => None,
    });
    put.or_else(|| Some((appended(effects, key, text, &[])?, false)))
}

/// The verdict that the definition of a guarantee of sessions leads to, and whether somebody can have
/// made every text. A text that nobody can have made tells nothing.
///
/// A get of a key that must show an update shows it, or begins with a put that comes after it, in an
/// order of the key's updates. Every order is tried that agrees with all texts; with the session's,
/// where only one writes the key; and with what the guarantee says of a session's own updates. Where
/// no order does, only what needs none is known.
pub(super) fn guarantee(history: &History, claim: Claim) -> (Validity, bool) {
    let every = effects(history);
    let made = |it: &&Effect| match &it.does {
        Does::Get(text) => shown(&every, &it.key, text).is_some(),
        _ => true,
    };
    let all: Vec<Effect> = every.iter().filter(made).cloned().collect();
    let whole = all.len() == every.len();
    let mut seen: Vec<usize> = Vec::new();
    for get in &all {
        if let Does::Get(text) = &get.does {
            seen.extend(shown(&all, &get.key, text).unwrap_or_default().0);
        }
    }
    let kept = all.iter().enumerate().filter(|(at, it)| !it.maybe || seen.contains(at));
    let effects: Vec<Effect> = kept.map(|(_, it)| it.clone()).collect();
    let mut processes: Vec<Process> = effects.iter().map(|it| it.process).collect();
    processes.sort();
    processes.dedup();
    let mut uncertain = false;
    for process in processes {
        for key in ["x", "y"] {
            match of_one(&effects, claim, process, key) {
                Validity::Invalid => return (Validity::Invalid, whole),
                Validity::Unknown => uncertain = true,
                Validity::Valid => {}
            }
        }
    }
    (if uncertain { Validity::Unknown } else { Validity::Valid }, whole)
}

fn of_one(effects: &[Effect], claim: Claim, process: Process, key: &str) -> Validity {
    let texts = |at: usize| match &effects[at].does {
        Does::Get(text) => shown(effects, &effects[at].key, text),
        _ => None,
    };
    let same = |one: usize, other: usize| effects[one].process == effects[other].process;
    let updates: Vec<usize> =
        (0..effects.len()).filter(|&at| effects[at].key == key && !effects[at].reads()).collect();
    let one_writer = updates.iter().all(|&at| same(at, updates[0]));
    let in_order = |at: usize| match claim {
        Claim::ReadYourWrites => effects[at].process == process,
        Claim::MonotonicWrites => true,
        _ => false,
    };
    let mut known: Relation = vec![vec![false; effects.len()]; effects.len()];
    for (from, row) in known.iter_mut().enumerate() {
        for (to, known) in row.iter_mut().enumerate() {
            *known = from < to && same(from, to) && (one_writer || in_order(from));
        }
    }
    for get in (0..effects.len()).filter(|&at| effects[at].key == key) {
        let (pieces, _) = texts(get).unwrap_or_default();
        for pair in pieces.windows(2) {
            known[pair[0]][pair[1]] = true;
        }
    }
    let orders = arbitrations(&known, &updates);
    // Of each get of this session: which update must come before which put.
    let mut demands: Vec<(usize, usize)> = Vec::new();
    for get in (0..effects.len()).filter(|&at| {
        effects[at].key == key && effects[at].process == process && effects[at].reads()
    }) {
        let (pieces, put) = texts(get).unwrap_or_default();
        let place = |update: usize| pieces.iter().position(|&it| it == update);
        let own = |at: &usize| effects[*at].process == process;
        let mut must: Vec<usize> = Vec::new();
        match claim {
            Claim::ReadYourWrites => {
                must.extend(updates.iter().filter(|&&at| own(&at) && at < get));
            }
            Claim::MonotonicReads => {
                let earlier = (0..get).filter(|at| own(at) && effects[*at].key == key);
                must.extend(earlier.filter_map(texts).flat_map(|it| it.0));
            }
            _ => {
                for earlier in (0..=get).filter(own) {
                    let (seen, _) = texts(earlier).unwrap_or_default();
                    for &write in &seen {
                        let before = (0..write).filter(|&at| same(at, write));
                        let before = before.filter(|&at| effects[at].key == key);
                        for it in before {
                            let what = match claim {
                                Claim::MonotonicWrites if effects[it].reads() => Vec::new(),
                                Claim::MonotonicWrites => vec![it],
                                _ => texts(it).unwrap_or_default().0,
                            };
                            for update in what {
                                must.push(update);
                                // A text shows the later one first.
                                if place(write).is_some() && place(write) < place(update) {
                                    return Validity::Invalid;
                                }
                                // The later one was seen without the earlier, and now the earlier
                                // without the later.
                                let now = put && pieces[0] == update && place(write).is_none();
                                let of_key = effects[write].key == key && !seen.contains(&update);
                                if claim == Claim::MonotonicWrites && now && of_key {
                                    return Validity::Invalid;
                                }
                            }
                        }
                    }
                }
            }
        }
        for update in must.into_iter().filter(|&it| place(it).is_none()) {
            if !put {
                return Validity::Invalid;
            }
            demands.push((update, pieces[0]));
        }
    }
    let keeps = |order: &&Vec<usize>| {
        let at = |update: usize| order.iter().position(|&it| it == update);
        demands.iter().all(|&(from, to)| at(from) < at(to))
    };
    match orders.iter().filter(keeps).count() {
        _ if demands.is_empty() => Validity::Valid,
        _ if orders.is_empty() => Validity::Unknown,
        0 => Validity::Invalid,
        kept if kept == orders.len() => Validity::Valid,
        _ => Validity::Unknown,
    }
}
