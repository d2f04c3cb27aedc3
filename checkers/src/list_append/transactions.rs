//! The transactions of a history.

use rayon::prelude::*;
use schism_history::{F, History, Key, Mop, MopKind, NodeId, Operation, Outcome, Process, Value};

use crate::transactional::{Lifetime, NEVER};

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
#[derive(Clone, Copy, Debug)]
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

impl Transaction<'_> {
    /// When it was, if it took effect.
    pub fn lifetime(&self, happened: bool) -> Lifetime {
        let completed = if self.fate == Fate::Committed { self.completed } else { NEVER };
        Lifetime { process: self.process, invoked: self.invoked, completed, happened }
    }
}

/// The transactions of a history.
#[derive(Debug, Default)]
pub(crate) struct Transactions<'a> {
    /// In order of invocation.
    pub all: Vec<Transaction<'a>>,
    /// The first event that is none of a transaction on lists, and what is wrong with it. What
    /// follows it is left out, and an operation that is open there is taken as open at the end.
    pub alien: Option<(u64, String)>,
}

impl<'a> Transactions<'a> {
    /// Takes the transactions out of a history. With `deep` every element that was read is looked
    /// at, too; otherwise that is left to those who look at it anyway.
    pub fn of(history: &'a History, deep: bool) -> Self {
        let txn = F::new("txn");
        let numbers = 0..history.len();
        let wrong = |number: usize| alien(&history.operation(number), txn, deep);
        let alien = numbers.clone().into_par_iter().filter_map(wrong).min();
        let cut = alien.as_ref().map_or(NEVER, |(index, _)| *index);
        let all = numbers.into_par_iter().map(|number| history.operation(number));
        let all = all.filter(|operation| operation.invoked < cut);
        Self { all: all.map(|operation| transaction(&operation, cut)).collect(), alien }
    }

    /// The transaction at a place.
    pub fn at(&self, place: u32) -> &Transaction<'a> {
        &self.all[place as usize]
    }

    /// How many took effect for certain.
    pub fn committed(&self) -> usize {
        self.all.iter().filter(|one| one.fate == Fate::Committed).count()
    }

    /// What a micro-operation of a place read; nothing if it is no read of a list.
    pub fn list(&self, touch: Touch) -> &'a [Value] {
        elements(&self.mop(touch).value).unwrap_or_default()
    }

    /// A micro-operation.
    pub fn mop(&self, touch: Touch) -> &'a Mop {
        &self.all[touch.transaction as usize].mops[touch.mop as usize]
    }
}

/// A micro-operation by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Touch {
    /// The place of the transaction.
    pub transaction: u32,
    /// The place in it.
    pub mop: u32,
}

fn transaction<'a>(operation: &Operation<'a>, cut: u64) -> Transaction<'a> {
    let Operation { process, node, invoked, .. } = *operation;
    let asked: &'a [Mop] = match &operation.op.value {
        Value::Mops(asked) => asked,
        _ => &[],
    };
    let known = operation.completed.filter(|completed| *completed < cut);
    let (fate, completed, mops) = match (operation.outcome, known) {
        (Some(Outcome::Ok(reply)), Some(completed)) => match &reply.value {
            Value::Mops(answered) => (Fate::Committed, completed, &**answered),
            _ => (Fate::Committed, completed, asked),
        },
        (Some(Outcome::Fail(_)), Some(completed)) => (Fate::Aborted, completed, asked),
        _ => (Fate::Indeterminate, NEVER, asked),
    };
    Transaction { process, node, invoked, completed, fate, mops }
}

/// The first event of an operation that is none of a transaction's, and what is wrong with it.
fn alien(operation: &Operation<'_>, txn: F, deep: bool) -> Option<(u64, String)> {
    let index = operation.invoked;
    if operation.op.f != txn {
        return Some((index, format!("the {} of event {index} is no transaction", operation.op.f)));
    }
    let Value::Mops(asked) = &operation.op.value else {
        return Some((index, format!("the transaction of event {index} has no micro-operations")));
    };
    let fits = |mop: &Mop| match mop.kind {
        MopKind::Append => is_element(&mop.value),
        MopKind::Read => true,
        MopKind::Write | MopKind::Send | MopKind::Poll => false,
    };
    if !asked.iter().all(fits) {
        let problem = format!(
            "the transaction of event {index} does more than read lists and append single elements"
        );
        return Some((index, problem));
    }
    let completed = operation.completed?;
    let Some(Outcome::Ok(reply)) = operation.outcome else { return None };
    let read =
        |value: &Value| elements(value).is_some_and(|list| !deep || list.iter().all(is_element));
    let answers = |answered: &[Mop]| {
        answered.len() == asked.len()
            && answered.iter().zip(&**asked).all(|(answer, asked)| {
                answer.kind == asked.kind
                    && answer.key == asked.key
                    && (answer.kind == MopKind::Append && answer.value == asked.value
                        || answer.kind == MopKind::Read && read(&answer.value))
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

/// The elements of a list that was read; `None` if it is no list.
pub(crate) fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Nil => Some(&[]),
        Value::List(list) => Some(list),
        _ => None,
    }
}

/// Whether a value can be an element of a list.
pub(crate) fn is_element(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Text(_) | Value::Bool(_))
}

/// The keys of micro-operations of a kind, each once, in order of their first.
pub(crate) fn keys(mops: &[Mop], kind: MopKind) -> Vec<Key> {
    let mut keys = Vec::new();
    for mop in mops.iter().filter(|mop| mop.kind == kind) {
        if !keys.contains(&mop.key) {
            keys.push(mop.key);
        }
    }
    keys
}
