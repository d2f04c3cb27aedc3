//! The definitions of locks, executed: every order of the operations is tried.

use schism_history::{History, Operation, Process};

use super::holds::Holding;

/// Whether the history of one lock is linearizable. `holding`: how it is held; `None`: anybody may
/// release it. Exponential, for some ten operations at most. It shares no code with the checker.
pub(crate) fn linearizable(history: &History, holding: Option<Holding>) -> bool {
    let mut operations: Vec<Operation<'_>> =
        history.operations().filter(|it| !it.failed() && it.op.f.as_str() != "write").collect();
    if holding == Some(Holding::Lease) {
        let all = operations.clone();
        operations.retain(|it| it.ok().is_some() && (acquires(it) || releases_own(&all, it)));
    }
    let mut placed = vec![false; operations.len()];
    extend(&operations, &mut placed, &[], holding)
}

fn acquires(operation: &Operation<'_>) -> bool {
    operation.op.f.as_str() == "acquire"
}

/// The ok operation that the process did before this one, or did next.
fn neighbour<'a>(
    all: &[Operation<'a>],
    operation: &Operation<'a>,
    next: bool,
) -> Option<Operation<'a>> {
    let mut own: Vec<Operation<'_>> =
        all.iter().copied().filter(|it| it.process == operation.process).collect();
    own.sort_by_key(|it| it.invoked);
    let at = own.iter().position(|it| it.invoked == operation.invoked)?;
    let at = if next { at + 1 } else { at.checked_sub(1)? };
    own.get(at).copied()
}

fn releases_own(all: &[Operation<'_>], release: &Operation<'_>) -> bool {
    neighbour(all, release, false).is_some_and(|before| acquires(&before) && before.ok().is_some())
}

fn extend(
    operations: &[Operation<'_>],
    placed: &mut [bool],
    holders: &[Process],
    holding: Option<Holding>,
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
        let next = if late { None } else { step(operations, operation, holders, holding) };
        let Some(next) = next else { continue };
        placed[at] = true;
        let found = extend(operations, placed, &next, holding);
        placed[at] = false;
        if found {
            return true;
        }
    }
    false
}

/// Who holds the lock after the operation, as often as it does; `None` if it cannot happen.
fn step(
    operations: &[Operation<'_>],
    operation: &Operation<'_>,
    holders: &[Process],
    holding: Option<Holding>,
) -> Option<Vec<Process>> {
    let process = operation.process;
    if acquires(operation) {
        let own = holding == Some(Holding::Reentrant) && holders.first() == Some(&process);
        if !holders.is_empty() && !own {
            return None;
        }
        // A lease that its holder does not release may expire at once.
        let kept = holding != Some(Holding::Lease)
            || neighbour(operations, operation, true).is_some_and(|it| !acquires(&it));
        let mut after = holders.to_vec();
        after.extend(kept.then_some(process));
        return Some(after);
    }
    let anybody = holding.is_none() && !holders.is_empty();
    (anybody || holders.first() == Some(&process)).then(|| holders[1..].to_vec())
}

/// Whether tokens rise and nothing was done under an old one: each pair of operations.
pub(crate) fn fenced(history: &History) -> bool {
    let token = |operation: &Operation<'_>| {
        let value = match operation.op.f.as_str() {
            "acquire" => operation.ok()?.value.clone(),
            "write" => match (&operation.op.value, operation.ok()) {
                (schism_history::Value::List(parts), Some(_)) => parts[0].clone(),
                _ => return None,
            },
            _ => return None,
        };
        match value {
            schism_history::Value::Int(token) => Some(token),
            _ => None,
        }
    };
    let renewed = |one: &Operation<'_>, other: &Operation<'_>| {
        // Of one process, with nothing of its own in between but writes and grants of that token.
        one.process == other.process
            && one.invoked < other.invoked
            && history
                .operations()
                .filter(|it| it.process == one.process && !it.failed())
                .filter(|it| it.invoked > one.invoked && it.invoked < other.invoked)
                .all(|it| match it.op.f.as_str() {
                    "release" => false,
                    "acquire" => token(&it) == token(one),
                    _ => true,
                })
    };
    let fits = |one: &Operation<'_>, other: &Operation<'_>| {
        let (Some(a), Some(b)) = (token(one), token(other)) else { return true };
        let before = one.completed.is_some_and(|end| end < other.invoked);
        match (acquires(one), acquires(other)) {
            (true, true) if a == b => renewed(one, other) || renewed(other, one),
            (true, true) => !before || a < b,
            (false, false) => !before || a <= b,
            _ => true,
        }
    };
    let all: Vec<Operation<'_>> = history.operations().collect();
    all.iter().all(|one| all.iter().all(|other| one.number == other.number || fits(one, other)))
}
