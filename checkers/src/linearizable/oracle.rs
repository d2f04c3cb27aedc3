//! The definition of linearizability, executed: every order of the operations is tried.

use schism_history::{Event, History, Operation, Outcome, Value};

/// Whether the history of one register is linearizable; exponential, for at most some ten
/// operations. It shares no code with the checker.
pub(crate) fn linearizable(history: &History) -> bool {
    explained(history, &Value::Nil, &|operation, state| {
        step(operation, state).into_iter().collect()
    })
}

/// Whether some order of the operations, which keeps to real time, explains what was returned.
/// `step`: all states to which an operation can lead from a state. Operations that failed are left
/// out, indeterminate ones may be.
pub(crate) fn explained<S: Clone>(
    history: &History,
    initial: &S,
    step: &dyn Fn(&Operation<'_>, &S) -> Vec<S>,
) -> bool {
    let operations: Vec<Operation<'_>> =
        history.operations().filter(|operation| !operation.failed()).collect();
    extend(&operations, &mut vec![false; operations.len()], initial, step)
}

/// The history up to and with the event of `index`.
pub(crate) fn cut(history: &History, index: u64) -> History {
    let events: Vec<Event> =
        history.events().iter().filter(|event| event.index <= index).cloned().collect();
    History::from_events(events).expect("a prefix of a history is one")
}

/// The history of these operations alone, by the indexes of their invocations.
pub(crate) fn part(history: &History, invoked: &[u64]) -> History {
    let chosen = history.operations().filter(|operation| invoked.contains(&operation.invoked));
    let chosen: Vec<u64> =
        chosen.flat_map(|it| [Some(it.invoked), it.completed]).flatten().collect();
    let events = history.events().iter().filter(|event| chosen.contains(&event.index));
    History::from_events(events.cloned().collect()).expect("whole operations make a history")
}

fn extend<S: Clone>(
    operations: &[Operation<'_>],
    placed: &mut Vec<bool>,
    state: &S,
    step: &dyn Fn(&Operation<'_>, &S) -> Vec<S>,
) -> bool {
    let left = |at: &usize| !placed[*at];
    if (0..operations.len()).filter(left).all(|at| operations[at].indeterminate()) {
        return true;
    }
    let candidates: Vec<usize> = (0..operations.len()).filter(left).collect();
    for &at in &candidates {
        let invoked = operations[at].invoked;
        let late = candidates.iter().any(|&other| {
            operations[other].ok().is_some()
                && operations[other].completed.is_some_and(|completed| completed < invoked)
        });
        if late {
            continue;
        }
        for next in step(&operations[at], state) {
            placed[at] = true;
            let found = extend(operations, placed, &next, step);
            placed[at] = false;
            if found {
                return true;
            }
        }
    }
    false
}

fn step(operation: &Operation<'_>, state: &Value) -> Option<Value> {
    match (operation.op.f.as_str(), &operation.op.value, operation.outcome) {
        ("read", _, Some(Outcome::Ok(reply))) => (reply.value == *state).then(|| state.clone()),
        ("read", _, _) => Some(state.clone()),
        ("write", value, _) => Some(value.clone()),
        ("cas", Value::List(pair), _) => (pair[0] == *state).then(|| pair[1].clone()),
        other => panic!("{other:?} is no operation of a register"),
    }
}
