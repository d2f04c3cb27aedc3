//! The verdict.

use std::time::Instant;

use schism_history::History;

use super::inference::infer;
use super::search::{Answer, search};
use crate::phrase::count;
use crate::session::{
    Closed, Finding, Frame, SUBJECTS, Steps, Teller, broken, capitalized, too_large, verdict,
};
use crate::{
    Anomaly, Asked, Budget, CHECKERS, CheckerEntry, Claim, Question, Validity, Verdict, Witness,
};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "sequential",
    summary: "one order of all operations that keeps each session's: by what must come before \
              what, and a search with a budget for what that leaves open",
    subjects: SUBJECTS,
    decides: &[Claim::Sequential],
    check,
};

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let one = judge(question.claims[0], question, history, budget);
    question.claims.iter().map(|&asked| Verdict { asked, ..one.clone() }).collect()
}

fn judge(asked: Asked, question: &Question, history: &History, budget: &Budget) -> Verdict {
    if let Some(reason) = too_large(history, budget) {
        return Verdict::unknown(asked, 0, reason);
    }
    let steps = Steps::of(history, &question.initial);
    let frame = Frame::complete(&steps);
    let judge = |finding| verdict(asked, question, &steps, finding);
    if frame.clock_bytes() > budget.memory_bytes {
        let sessions = count(steps.sessions.len(), "session");
        return judge(Finding::Open(format!("no step, for want of memory for {sessions}")));
    }
    let graph = match infer(&frame, budget) {
        Closed::Circle(violation) => return judge(Finding::Breaks(vec![violation])),
        Closed::Open => return judge(Finding::Open("some inference".into())),
        Closed::Whole(graph) => graph,
    };
    // Whatever else is wrong is said by the verdict that all models share.
    let shared = judge(Finding::Holds);
    let untimed = steps.alien.is_some() && !history.has_real_time();
    if shared.validity == Validity::Invalid || untimed {
        return shared;
    }
    if let Some(linearizable) = linearizable(question, history, budget) {
        let reason = format!("It is even linearizable: {linearizable}");
        return Verdict::valid(asked, steps.all.len(), reason);
    }
    match search(&graph, budget) {
        Answer::Impossible { blocked, placed, states } => {
            let told = impossible(&steps, &blocked, placed, states);
            broken(asked, steps.all.len(), vec![told])
        }
        Answer::Open { placed, states } => judge(Finding::Open(format!(
            "a search of {states} states, of which the farthest placed {placed} of {}",
            count(steps.all.len(), "operation")
        ))),
        Answer::Found if shared.validity == Validity::Valid => {
            let reason = format!(
                "There is one order of {} on {} that keeps the order of {}, and explains every \
                 answer.",
                count(steps.all.len(), "operation"),
                count(steps.keys.len(), "key"),
                count(steps.sessions.len(), "session"),
            );
            Verdict::valid(asked, steps.all.len(), reason)
        }
        Answer::Found => shared,
    }
}

/// Why it is linearizable, if it can be told in a part of the time: what is, is sequential, too.
fn linearizable(question: &Question, history: &History, budget: &Budget) -> Option<String> {
    if !history.has_real_time() {
        return None;
    }
    let now = Instant::now();
    let left = budget.deadline.saturating_duration_since(now);
    let budget = Budget { deadline: now + left / 4, memory_bytes: budget.memory_bytes / 2 };
    let asked = Asked::new(Claim::Linearizable);
    let question = Question { claims: vec![asked], ..question.clone() };
    let row = CHECKERS.iter().find(|row| row.concerns(&question.workload, Claim::Linearizable))?;
    let found = row.check(&question, history, &budget);
    found.into_iter().find(|it| it.validity == Validity::Valid).map(|it| it.reason)
}

/// A violation that only the search shows.
fn impossible(steps: &Steps<'_>, blocked: &[u32], placed: usize, states: u64) -> Anomaly {
    /// Operations that are told one by one.
    const TOLD_MAX: usize = 6;
    let teller = Teller { steps };
    let number = |step: u32| steps.all[step as usize].number;
    let why = |&step: &u32| {
        let needs = steps
            .reads(step)
            .iter()
            .map(|&version| format!("needs {} in {}", teller.value(version), teller.key(version)));
        let needs: Vec<String> = needs.collect();
        let needs = if needs.is_empty() {
            "would replace what others have yet to read, or comes before what it must follow".into()
        } else {
            needs.join(" and ")
        };
        format!("{} {needs}", capitalized(&teller.operation(number(step))))
    };
    let told: Vec<String> = blocked.iter().take(TOLD_MAX).map(why).collect();
    let explanation = format!(
        "No order of all operations keeps each session's order and explains every answer: all \
         were tried, over {states} states. The longest places {placed} of {}; then none of these \
         can come next: {}.",
        steps.all.len(),
        told.join("; ")
    );
    let invoked = |&step: &u32| steps.history.operation(number(step) as usize).invoked;
    let mut operations: Vec<u64> = blocked.iter().map(invoked).collect();
    operations.sort_unstable();
    let (name, witness) = ("nonsequential".to_owned(), Witness::Operations);
    Anomaly { name, key: None, operations, explanation, witness }
}
