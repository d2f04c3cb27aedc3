//! The checker: every register by the cheapest procedure that decides it.

use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;
use schism_history::History;

use super::extract::Extract;
use super::model::RegisterModel;
use super::operations::{NEVER, Register};
use super::prefix::{ambiguous, first_failing_prefix, past_open_failures};
use super::queue::{Bag, FifoQueue};
use super::search::{Answer, Limits, search_operations};
use super::summary::{Evidence, Finding, Summary};
use super::witness;
use super::{objects, subjects};
use crate::{Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "linearizable",
    summary: "registers with read, write and compare-and-set: zones of chains where values are \
              unique, a search with a budget where they repeat",
    subjects: &["register", "cas-register"],
    decides: &[Claim::Linearizable],
    check,
};

/// The row for other objects.
pub(crate) const OBJECTS: CheckerEntry = CheckerEntry {
    name: "linearizable-objects",
    summary: "several registers as one object, and texts that are appended to: a search with a \
              budget",
    subjects: &["multi-register", "kv-append"],
    decides: &[Claim::Linearizable],
    check,
};

/// The first search of each register visits so many configurations at most, so that one hard
/// register does not keep the others from being decided.
const FIRST_LOOK: u64 = 200_000;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let verdict = judge(question.claims[0], question, history, budget);
    question.claims.iter().map(|&asked| Verdict { asked, ..verdict.clone() }).collect()
}

fn judge(asked: Asked, question: &Question, history: &History, budget: &Budget) -> Verdict {
    if !history.has_real_time() {
        let reason = "The history says only in which order each process did what, and not what \
                      came before what between processes, so that linearizability cannot be judged.";
        return Verdict::unknown(asked, 0, reason);
    }
    match question.workload.as_str() {
        "multi-register" => {
            let (objects, evidence) = subjects::multi_registers(history, &question.initial);
            objects::judge(asked, question, history, objects, &evidence, budget)
        }
        "kv-append" => {
            let (objects, evidence) = subjects::texts(history, &question.initial);
            objects::judge(asked, question, history, objects, &evidence, budget)
        }
        _ => registers(asked, question, history, budget),
    }
}

/// The verdict of the search on queues of `question`, first in, first out, or bags.
#[cfg_attr(not(test), allow(dead_code, reason = "the room of queues is built apart"))]
pub(crate) fn judge_queues(
    asked: Asked,
    question: &Question,
    history: &History,
    fifo: bool,
    budget: &Budget,
) -> Verdict {
    if fifo {
        let (objects, evidence) = subjects::queues::<FifoQueue<'_>>(history);
        objects::judge(asked, question, history, objects, &evidence, budget)
    } else {
        let (objects, evidence) = subjects::queues::<Bag<'_>>(history);
        objects::judge(asked, question, history, objects, &evidence, budget)
    }
}

fn registers(asked: Asked, question: &Question, history: &History, budget: &Budget) -> Verdict {
    let extract = Extract::new(history, &question.initial);
    let held_bytes = AtomicUsize::new(0);
    let limits =
        |configurations_max| Limits { budget, held_bytes: &held_bytes, configurations_max };
    let decide = |register: &Register, most| decide(history, register, limits(most));
    // rayon keeps the order of the registers, so that the verdict does not depend on the threads.
    let registers = &extract.registers;
    let first_look = registers.par_iter().map(|register| decide(register, FIRST_LOOK));
    let mut findings: Vec<Finding> = first_look.collect();
    let broken = findings.iter().any(|finding| matches!(finding, Finding::Breaks(_)));
    if !broken {
        let open = findings.par_iter_mut().zip(registers);
        open.filter(|(finding, _)| matches!(finding, Finding::Open(_)))
            .for_each(|(finding, register)| *finding = decide(register, u64::MAX));
    }
    let tested = || registers.iter().map(Register::tested).sum();
    let evidence = Evidence {
        ok: vec![(extract.reads, "read"), (extract.writes, "write")],
        telling: extract.telling,
        tested: if question.evidence_min > 1 { tested() } else { extract.telling },
        alien: extract.alien.clone(),
    };
    let labels = registers.iter().map(Register::label);
    Summary::new(labels.zip(findings).collect()).verdict(asked, question, history, &evidence)
}

/// Decides one register.
fn decide(history: &History, register: &Register, limits: Limits<'_>) -> Finding {
    let until = if register.cut == NEVER { NEVER } else { register.cut - 1 };
    let unique = register.unique_until();
    // Also where values repeat later: what is wrong before is found without a search, and stays
    // found whatever comes after.
    if let Some(prefix) = first_failing_prefix(register, unique.min(until)) {
        let few = Limits { configurations_max: FIRST_LOOK, ..limits };
        let shown = past_open_failures(register, prefix, until, few, ambiguous(register));
        let proof = witness::of_chains(history, register, prefix, shown);
        return Finding::Breaks(Box::new(proof));
    }
    if unique >= until {
        return Finding::Holds { configurations: None, remark: None };
    }
    let (calls, kept) = register.calls(until, None, false);
    match search_operations(&mut RegisterModel, &calls, limits) {
        Answer::Linearizable { configurations, .. } => {
            Finding::Holds { configurations: Some(configurations), remark: None }
        }
        // The search would have to try every order to learn that none explains such a value.
        Answer::Exhausted(exhausted) => match register.unwritten(until) {
            Some((place, prefix)) => {
                let proof = witness::of_unwritten(history, register, place, prefix);
                Finding::Breaks(Box::new(proof))
            }
            None => Finding::Open(exhausted),
        },
        Answer::Impossible(found) => {
            let prefix = calls[found.call].returned;
            let prefix = past_open_failures(register, prefix, until, limits, |_| true);
            let kept_before =
                kept.iter().copied().filter(|&at| register.entries[at as usize].invoked <= prefix);
            let kept_before: Vec<u32> = kept_before.collect();
            let proof = witness::of_search(history, register, prefix, found, &kept_before);
            Finding::Breaks(Box::new(proof))
        }
    }
}
