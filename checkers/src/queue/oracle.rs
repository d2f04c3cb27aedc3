//! The definition of linearizability of queues, executed: every order of the operations is tried.

use schism_history::{History, Operation, Outcome, Value};

/// Whether the history of one queue is linearizable; exponential, for some ten operations at most.
/// It shares no code with the checker.
pub(crate) fn linearizable(history: &History, fifo: bool) -> bool {
    let operations: Vec<Operation<'_>> =
        history.operations().filter(|operation| !operation.failed()).collect();
    extend(&operations, &mut vec![false; operations.len()], &mut Vec::new(), fifo)
}

fn extend(
    operations: &[Operation<'_>],
    placed: &mut [bool],
    held: &mut Vec<Value>,
    fifo: bool,
) -> bool {
    let left: Vec<usize> = (0..operations.len()).filter(|&at| !placed[at]).collect();
    if left.iter().all(|&at| operations[at].indeterminate()) {
        return true;
    }
    for &at in &left {
        let operation = &operations[at];
        let late = left.iter().any(|&other| {
            let other = &operations[other];
            other.ok().is_some() && other.completed.is_some_and(|it| it < operation.invoked)
        });
        if late {
            continue;
        }
        placed[at] = true;
        for next in steps(operation, held, fifo) {
            let before = std::mem::replace(held, next);
            let found = extend(operations, placed, held, fifo);
            *held = before;
            if found {
                placed[at] = false;
                return true;
            }
        }
        placed[at] = false;
    }
    false
}

/// What the queue can hold after the operation.
fn steps(operation: &Operation<'_>, held: &[Value], fifo: bool) -> Vec<Vec<Value>> {
    let without = |place: usize| {
        let mut rest = held.to_vec();
        rest.remove(place);
        rest
    };
    let first = if fifo { 1.min(held.len()) } else { held.len() };
    match (operation.op.f.as_str(), operation.outcome) {
        ("enqueue", _) => vec![[held, std::slice::from_ref(&operation.op.value)].concat()],
        ("dequeue", Some(Outcome::Ok(reply))) if reply.value == Value::Nil => {
            if held.is_empty() {
                vec![Vec::new()]
            } else {
                Vec::new()
            }
        }
        ("dequeue", Some(Outcome::Ok(reply))) => {
            (0..first).filter(|&at| held[at] == reply.value).map(without).collect()
        }
        ("dequeue", _) => (0..first).map(without).collect(),
        other => panic!("{other:?} is no operation of a queue"),
    }
}
