//! Objects of any model, decided by the search.

use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;
use rustc_hash::FxHashSet;
use schism_history::{History, Operation, Outcome};

use super::model::Model;
use super::operations::{Fate, NEVER};
use super::prefix::first_failing_end;
use super::search::{Answer, Call, Impossible, Limits, search_operations};
use super::summary::{Evidence, Finding, Label, Summary};
use super::witness::{OPERATIONS_MAX, Proof};
use crate::phrase::{count, who};
use crate::{Anomaly, Asked, Blocker, Budget, Question, Verdict, Witness};

/// The first search of each object visits so many configurations at most, so that one hard object
/// does not keep the others from being decided.
const FIRST_LOOK: u64 = 200_000;

/// One operation. Ranks are indexes of events plus one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<A> {
    /// The operation's number in the history.
    pub number: u32,
    /// What it may have done if nobody knows its result; `None` if that constrains nothing.
    pub asked: Option<A>,
    /// What it did, if it is ok; `None` if that constrains nothing.
    pub answered: Option<A>,
    /// What became of it.
    pub fate: Fate,
    /// The rank of its invocation.
    pub invoked: u64,
    /// The rank of its completion; [`NEVER`] if it is indeterminate.
    pub completed: u64,
}

impl<A> Item<A> {
    /// The item of an operation.
    pub fn new(operation: &Operation<'_>, asked: Option<A>, answered: Option<A>) -> Self {
        let fate = match operation.outcome {
            Some(Outcome::Ok(_)) => Fate::Ok,
            Some(Outcome::Fail(_)) => Fate::Failed,
            _ => Fate::Indeterminate,
        };
        let completed = match (fate, operation.completed) {
            (Fate::Ok | Fate::Failed, Some(index)) => index + 1,
            _ => NEVER,
        };
        let (number, invoked) = (operation.number as u32, operation.invoked + 1);
        Self { number, asked, answered, fate, invoked, completed }
    }
}

/// An object with the operations on it.
#[derive(Debug)]
pub(crate) struct Object<M: Model> {
    /// Its name.
    pub label: Label,
    /// What it is.
    pub model: M,
    /// The operations, in order of invocation.
    pub items: Vec<Item<M::Action>>,
    /// From this rank on the history cannot be judged: [`NEVER`], or the rank of a malformed event.
    pub cut: u64,
}

impl<M: Model> Object<M> {
    /// The operations of the prefix up to the rank `prefix`, as the search wants them, with their
    /// places among the items. Operations that fail later are left out, or with `open_failures`
    /// taken as indeterminate.
    fn calls(&self, prefix: u64, open_failures: bool) -> (Vec<Call<M::Action>>, Vec<u32>) {
        let call = |(place, item): (u32, &Item<M::Action>)| {
            let done = item.completed <= prefix;
            let (action, returned) = match item.fate {
                _ if item.invoked > prefix => return None,
                Fate::Ok if done => (item.answered?, item.completed),
                Fate::Failed if done || !open_failures => return None,
                _ => (item.asked?, NEVER),
            };
            Some((Call { action, invoked: item.invoked, returned }, place))
        };
        (0..).zip(&self.items).filter_map(call).unzip()
    }

    fn until(&self) -> u64 {
        if self.cut == NEVER { NEVER } else { self.cut - 1 }
    }

    /// Decides it.
    fn decide(&mut self, history: &History, limits: Limits<'_>) -> Finding {
        let until = self.until();
        let (calls, _) = self.calls(until, false);
        match search_operations(&mut self.model, &calls, limits) {
            Answer::Linearizable { configurations, order } => {
                let order: Vec<(M::Action, u32)> =
                    order.iter().map(|&(call, state)| (calls[call].action, state)).collect();
                let remark = self.model.remark(&order);
                Finding::Holds { configurations: Some(configurations), remark }
            }
            Answer::Exhausted(exhausted) => Finding::Open(exhausted),
            Answer::Impossible(found) => {
                let least = calls[found.call].returned;
                Finding::Breaks(Box::new(self.prove(history, least, found, limits)))
            }
        }
    }

    /// The proof, if no prefix that ends before the rank `least` fails, and the whole does.
    fn prove(
        &mut self,
        history: &History,
        least: u64,
        whole: Impossible,
        limits: Limits<'_>,
    ) -> Proof {
        let until = self.until();
        let ends = self.items.iter().map(|item| item.completed);
        let mut ends: Vec<u64> =
            ends.filter(|&end| end != NEVER && end >= least && end <= until).collect();
        ends.sort_unstable();
        let end = first_failing_end(&ends, |end| {
            let (calls, _) = self.calls(end, true);
            matches!(search_operations(&mut self.model, &calls, limits), Answer::Impossible(_))
        });
        let prefix = end.unwrap_or(least);
        let (calls, places) = self.calls(prefix, true);
        if end.is_some()
            && let Answer::Impossible(found) = search_operations(&mut self.model, &calls, limits)
        {
            return self.proof(history, prefix, found, &calls, &places);
        }
        // The budget ended: what is known is that all of it fails.
        let (calls, places) = self.calls(until, false);
        let prefix = ends.last().copied().unwrap_or(least);
        self.proof(history, prefix, whole, &calls, &places)
    }

    fn proof(
        &self,
        history: &History,
        prefix: u64,
        found: Impossible,
        calls: &[Call<M::Action>],
        places: &[u32],
    ) -> Proof {
        let operation =
            |call: usize| history.operation(self.items[places[call] as usize].number as usize);
        let impossible = operation(found.call);
        let holds = self.model.show(found.holds);
        let needs = self.model.needs(calls[found.call].action);
        let placed: FxHashSet<usize> = found.order.iter().map(|&(call, _)| call).collect();
        let left = (0..calls.len()).filter(|call| {
            !placed.contains(call) && *call != found.call && calls[*call].invoked <= prefix
        });
        let left: Vec<usize> = left.take(OPERATIONS_MAX / 4).collect();
        let blocker = |call: usize| {
            let needs = self.model.needs(calls[call].action);
            let why = if needs == "anything" {
                format!("It could come next, but {} could not follow.", name(&impossible))
            } else {
                format!("It needs {needs}, and the object holds {holds}.")
            };
            Blocker { operation: operation(call).invoked, needs, finds: holds.clone(), why }
        };
        let blocked = std::iter::once(found.call).chain(left.iter().copied()).map(blocker);
        // Only the end of a long order is told: it says what was there at last.
        let told = found.order.len().saturating_sub(OPERATIONS_MAX - left.len() - 1);
        let last = &found.order[told..];
        let mut operations: Vec<u64> = last
            .iter()
            .map(|&(call, _)| call)
            .chain(left.clone())
            .map(|call| operation(call).invoked)
            .collect();
        operations.sort_unstable();
        operations.push(impossible.invoked);
        let explanation = format!(
            "{}: {}, but no order of the operations before its completion leads to {}: the longest \
             of them places {} and leaves {holds}.",
            self.label.capital(),
            full(&impossible),
            if needs == "anything" { "it" } else { &needs },
            count(found.order.len(), "operation"),
        );
        let anomaly = Anomaly {
            name: "nonlinearizable".into(),
            key: (!self.label.name.is_empty()).then(|| self.label.name.clone()),
            operations,
            explanation,
            witness: Witness::Linearization {
                impossible: impossible.invoked,
                prefix: prefix - 1,
                order: last
                    .iter()
                    .map(|&(call, state)| (operation(call).invoked, self.model.show(state)))
                    .collect(),
                blocked: blocked.collect(),
                holds: holds.clone(),
                needs,
                must_hold: Vec::new(),
                configurations: found.configurations,
            },
        };
        Proof { prefix, anomaly }
    }
}

/// `the dequeue of event 7`.
fn name(operation: &Operation<'_>) -> String {
    format!("the {} of event {}", operation.op.f, operation.invoked)
}

/// A clause: what the operation returned.
fn full(operation: &Operation<'_>) -> String {
    let returned = match operation.ok() {
        Some(reply) if reply.value != operation.op.value => {
            let text: String = reply.value.to_string();
            let short: String = text.chars().take(80).collect();
            let dots = if short.len() < text.len() { "…" } else { "" };
            format!("returned {short}{dots}")
        }
        _ => "completed".into(),
    };
    format!("{} ({}) {returned}", name(operation), who(operation))
}

/// The verdict on objects that share nothing.
pub(crate) fn judge<M: Model + Send>(
    asked: Asked,
    question: &Question,
    history: &History,
    mut objects: Vec<Object<M>>,
    evidence: &Evidence,
    budget: &Budget,
) -> Verdict
where
    M::Action: Send + Sync,
{
    let held_bytes = AtomicUsize::new(0);
    let limits =
        |configurations_max| Limits { budget, held_bytes: &held_bytes, configurations_max };
    // rayon keeps the order of the objects, so that the verdict does not depend on the threads.
    let first_look =
        objects.par_iter_mut().map(|object| object.decide(history, limits(FIRST_LOOK)));
    let mut findings: Vec<Finding> = first_look.collect();
    if !findings.iter().any(|finding| matches!(finding, Finding::Breaks(_))) {
        let open = findings.par_iter_mut().zip(&mut objects);
        open.filter(|(finding, _)| matches!(finding, Finding::Open(_)))
            .for_each(|(finding, object)| *finding = object.decide(history, limits(u64::MAX)));
    }
    let labels = objects.into_iter().map(|object| object.label);
    Summary::new(labels.zip(findings).collect()).verdict(asked, question, history, evidence)
}
