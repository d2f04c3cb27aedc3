//! The verdicts on sessions and causality.

use schism_history::{History, Value};

use super::causal::{causal, convergent};
use super::extract::Texts;
use super::guarantees::{Judgement, judge};
use super::orders::Pairs;
use super::views;
use crate::phrase::count;
use crate::session::{Finding, Frame, KEPT_MAX, Past, Teller, broken, too_large, too_little};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of what sessions are guaranteed.
pub(crate) const SESSIONS: CheckerEntry = CheckerEntry {
    name: "texts-session",
    summary: "what each session's gets show of its own and others' puts and appends, where the \
              order of puts is known",
    subjects: &["kv-append"],
    decides: &[
        Claim::ReadYourWrites,
        Claim::MonotonicReads,
        Claim::MonotonicWrites,
        Claim::WritesFollowReads,
    ],
    check: check_sessions,
};

/// The row of the models of replicated memory.
pub(crate) const MODELS: CheckerEntry = CheckerEntry {
    name: "texts-causal",
    summary: "PRAM and causal consistency of texts with unique pieces, by what must come before \
              what",
    subjects: &["kv-append"],
    decides: &[Claim::Pram, Claim::Causal, Claim::CausalMemory, Claim::CausalConvergence],
    check: check_models,
};

/// What was there first; nil is the empty text.
pub(crate) fn initial(question: &Question) -> &str {
    match &question.initial {
        Value::Text(text) => text,
        _ => "",
    }
}

/// The texts of a history, or why nothing can be said.
fn texts<'a>(
    question: &'a Question,
    history: &'a History,
    budget: &Budget,
) -> Result<Texts<'a>, Vec<Verdict>> {
    let texts = match too_large(history, budget) {
        Some(reason) => Err(reason),
        None => Texts::of(history, initial(question)),
    };
    texts.map_err(|reason| {
        let unknown = |&asked| Verdict::unknown(asked, 0, reason.clone());
        question.claims.iter().map(unknown).collect()
    })
}

fn check_models(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let texts = match texts(question, history, budget) {
        Ok(texts) => texts,
        Err(verdicts) => return verdicts,
    };
    let frame = Frame::of(&texts.steps);
    let room = frame.clock_bytes().saturating_mul(2) <= budget.memory_bytes;
    let past = room.then(|| Past::of(&frame));
    let decide = |&asked: &Asked| {
        let finding = match &past {
            None => Finding::Open(format!(
                "the clocks of {}, which take more than the budget's memory",
                count(frame.width, "session")
            )),
            Some(_) if asked.claim == Claim::Pram => views::pram(&frame, &texts, budget),
            Some(Err(violation)) => Finding::Breaks(vec![violation.clone()]),
            // What breaks CC breaks the stronger two.
            Some(Ok(past)) => match (causal(past, &texts, budget), asked.claim) {
                (Finding::Holds, Claim::CausalMemory) => views::memory(past, &texts, budget),
                (Finding::Holds, Claim::CausalConvergence) => convergent(past, &texts, budget),
                (finding, _) => finding,
            },
        };
        model_verdict(asked, question, &texts, finding)
    };
    question.claims.iter().map(decide).collect()
}

fn model_verdict(
    asked: Asked,
    question: &Question,
    texts: &Texts<'_>,
    finding: Finding,
) -> Verdict {
    let judged = texts.steps.all.len();
    let teller = Teller { steps: &texts.steps };
    let impossible = texts.impossible.iter().take(KEPT_MAX);
    let mut proofs: Vec<Anomaly> = impossible.map(|&it| teller.impossible(it)).collect();
    let open = match finding {
        Finding::Holds => None,
        Finding::Breaks(violations) => {
            proofs.extend(violations.iter().map(|it| teller.circle(it)));
            None
        }
        Finding::Open(far) => Some(far),
    };
    if !proofs.is_empty() {
        proofs.truncate(KEPT_MAX);
        return broken(asked, judged, proofs);
    }
    let unknown = |reason: String| Verdict::unknown(asked, judged, reason);
    if let Some(reason) = ambiguous(texts) {
        return unknown(reason);
    }
    if let Some(far) = open {
        return unknown(format!(
            "The check was given up after {far}; more time or memory would help. Until then \
             nothing was found."
        ));
    }
    let what = "get of what somebody puts or appends to was";
    if let Some(reason) = too_little(texts.evidence, question, what) {
        return unknown(reason);
    }
    let reason = format!(
        "{}, with {} that could have shown a violation: each text shows by whom it was made, and \
         what must come before what turns in no circle.",
        extent(texts),
        count(texts.evidence, "get"),
    );
    Verdict::valid(asked, judged, reason)
}

fn extent(texts: &Texts<'_>) -> String {
    let steps = &texts.steps;
    format!(
        "{} of {} on {}",
        count(steps.all.len(), "operation"),
        count(steps.sessions.len(), "session"),
        count(steps.keys.len(), "key")
    )
}

/// What keeps a history without a violation from being upheld.
fn ambiguous(texts: &Texts<'_>) -> Option<String> {
    let first = *texts.ambiguous.first()?;
    let teller = Teller { steps: &texts.steps };
    Some(format!(
        "What {} returned can have come about in more than one way, so that nobody can tell what it \
         shows; {} like that. Pieces must be written once, and none be made of others.",
        teller.operation(first),
        match texts.ambiguous.len() {
            1 => "it is the only get".to_owned(),
            more => format!("there are {more} gets"),
        },
    ))
}

fn check_sessions(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let texts = match texts(question, history, budget) {
        Ok(texts) => texts,
        Err(verdicts) => return verdicts,
    };
    let frame = Frame::of(&texts.steps);
    let pairs = Pairs::of(&texts);
    let decide = |&asked: &Asked| {
        let judgement = judge(asked.claim, &frame, &texts, &pairs, budget);
        session_verdict(asked, question, &texts, &pairs, &judgement)
    };
    question.claims.iter().map(decide).collect()
}

fn session_verdict(
    asked: Asked,
    question: &Question,
    texts: &Texts<'_>,
    pairs: &Pairs,
    judgement: &Judgement,
) -> Verdict {
    let judged = texts.steps.all.len();
    let teller = Teller { steps: &texts.steps };
    let proofs = judgement.proofs.iter().take(KEPT_MAX);
    let proofs: Vec<Anomaly> =
        proofs.map(|it| teller.proof(asked.claim, it, texts, pairs)).collect();
    if !proofs.is_empty() {
        return broken(asked, judged, proofs);
    }
    let unknown = |reason: String| Verdict::unknown(asked, judged, reason);
    if let Some(reason) = ambiguous(texts) {
        return unknown(reason);
    }
    if let Some(&first) = texts.impossible.first() {
        return unknown(format!(
            "{} So nobody can say what it shows; ask for causal or pram, which it breaks.",
            teller.impossible(first).explanation
        ));
    }
    if judgement.cut_short {
        return unknown(format!(
            "The check was given up after {}; more time would help. Until then nothing was found.",
            count(judgement.demands, "comparison")
        ));
    }
    if let Some((demand, base)) = &judgement.doubt {
        return unknown(format!(
            "In {}, {} times an order of updates matters that nobody knows, the first time whether \
             {} came before {}. It takes one session that alone puts to a key, or none that does; \
             pram and causal need neither.",
            count(judgement.demands, "comparison"),
            judgement.doubts,
            teller.step(demand.missing),
            teller.step(*base),
        ));
    }
    let what = "get that could miss something was";
    if let Some(reason) = too_little(judgement.demands, question, what) {
        return unknown(reason);
    }
    let reason = format!(
        "{}: in none of {} a get missed an update, and the order of all updates concerned is known.",
        extent(texts),
        count(judgement.demands, "comparison"),
    );
    Verdict::valid(asked, judged, reason)
}
