//! The transactions of a history.

use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, Mop, MopKind, NodeId, Operation, Outcome, Process, Value};

/// An index of no event.
pub(crate) const NEVER: u64 = u64::MAX;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It took effect.
    Committed,
    /// It never did.
    Aborted,
    /// Nobody knows; once somebody reads what it wrote, it has.
    Indeterminate,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(crate) struct Transaction<'a> {
    /// Who asked.
    pub process: Process,
    /// Whom.
    pub node: Option<NodeId>,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion; `NEVER` unless it committed or aborted.
    pub completed: u64,
    /// What became of it.
    pub fate: Fate,
    /// Its micro-operations, with what was read where that is known.
    pub mops: &'a [Mop],
}

/// Who appended an element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    /// The transaction's place.
    pub transaction: u32,
    /// Whether it was the last element that this transaction appended to this list.
    pub last: bool,
}

/// The transactions of a history, and who appended what.
#[derive(Debug, Default)]
pub(crate) struct Transactions<'a> {
    /// In order of invocation.
    pub all: Vec<Transaction<'a>>,
    /// Who appended each element to each list.
    pub writers: FxHashMap<(Key, i64), Writer>,
    /// Why a part of the history, or all of it, cannot be judged.
    pub problem: Option<String>,
}

impl<'a> Transactions<'a> {
    /// Takes the transactions out of a history. What follows the first event that is none of a
    /// transaction's is left out; an operation open there is taken as open at the end.
    pub fn of(history: &'a History) -> Self {
        let txn = F::new("txn");
        let alien = history.operations().filter_map(|operation| alien(&operation, txn)).min();
        let cut = alien.as_ref().map_or(NEVER, |(index, _)| *index);
        let mut transactions =
            Self { problem: alien.map(|(_, problem)| problem), ..Self::default() };
        for operation in history.operations().take_while(|operation| operation.invoked < cut) {
            transactions.take(&operation, cut);
        }
        transactions
    }

    fn take(&mut self, operation: &Operation<'a>, cut: u64) {
        let Value::Mops(asked) = &operation.op.value else { return };
        let known = operation.completed.filter(|completed| *completed < cut);
        let (fate, completed, mops): (Fate, u64, &'a [Mop]) = match (operation.outcome, known) {
            (Some(Outcome::Ok(reply)), Some(completed)) => match &reply.value {
                Value::Mops(answered) => (Fate::Committed, completed, answered),
                _ => (Fate::Committed, completed, asked),
            },
            (Some(Outcome::Fail(_)), Some(completed)) => (Fate::Aborted, completed, asked),
            _ => (Fate::Indeterminate, NEVER, asked),
        };
        let place = self.all.len() as u32;
        for (number, mop) in mops.iter().enumerate() {
            let (MopKind::Append, Value::Int(element)) = (mop.kind, &mop.value) else { continue };
            let later = &mops[number + 1..];
            let last =
                !later.iter().any(|other| other.kind == MopKind::Append && other.key == mop.key);
            let writer = Writer { transaction: place, last };
            if self.writers.insert((mop.key, *element), writer).is_some() {
                let problem = format!(
                    "element {element} is appended to {} more than once, so that nobody can tell whose \
                     append a read shows",
                    mop.key
                );
                self.problem.get_or_insert(problem);
            }
        }
        let Operation { process, node, invoked, .. } = *operation;
        self.all.push(Transaction { process, node, invoked, completed, fate, mops });
    }

    /// The transaction at a place.
    pub fn at(&self, place: u32) -> &Transaction<'a> {
        &self.all[place as usize]
    }
}

/// The first event of an operation that is none of a transaction's, and what is wrong with it.
fn alien(operation: &Operation<'_>, txn: F) -> Option<(u64, String)> {
    let index = operation.invoked;
    if operation.op.f != txn {
        return Some((index, format!("the {} of event {index} is no transaction", operation.op.f)));
    }
    let Value::Mops(asked) = &operation.op.value else {
        return Some((index, format!("the transaction of event {index} has no micro-operations")));
    };
    let fits = |mop: &Mop| match mop.kind {
        MopKind::Append => matches!(mop.value, Value::Int(_)),
        MopKind::Read => true,
        MopKind::Write | MopKind::Send | MopKind::Poll => false,
    };
    if !asked.iter().all(fits) {
        let problem = format!(
            "the transaction of event {index} does more than read lists and append numbers"
        );
        return Some((index, problem));
    }
    let completed = operation.completed?;
    let Some(Outcome::Ok(reply)) = operation.outcome else { return None };
    let answers = |answered: &[Mop]| {
        answered.len() == asked.len()
            && answered.iter().zip(&**asked).all(|(answer, asked)| {
                answer.kind == asked.kind
                    && answer.key == asked.key
                    && (answer.kind == MopKind::Append && answer.value == asked.value
                        || answer.kind == MopKind::Read && elements(&answer.value).is_some())
            })
    };
    match &reply.value {
        Value::Mops(answered) if answers(answered) => None,
        _ => {
            let problem =
                format!("event {completed} does not answer the transaction that it completes");
            Some((completed, problem))
        }
    }
}

/// The elements of a list that was read; `None` if it is no list of numbers.
pub(crate) fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Nil => Some(&[]),
        Value::List(list) if list.iter().all(|one| matches!(one, Value::Int(_))) => Some(list),
        _ => None,
    }
}

/// The number of an element.
pub(crate) fn number(element: &Value) -> i64 {
    match element {
        Value::Int(number) => *number,
        _ => 0,
    }
}
