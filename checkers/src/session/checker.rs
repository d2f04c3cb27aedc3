//! The verdicts.

use schism_history::History;

use super::causal::{Finding, Past, Violation};
use super::explanation::Teller;
use super::graph::Frame;
use super::guarantees::{Judgement, judge};
use super::saturation;
use super::step::Steps;
use super::versions::Orders;
use crate::phrase::{count, list};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The subjects whose histories are made of reads and writes of whole values.
pub(crate) const SUBJECTS: &[&str] = &["register", "cas-register", "multi-register"];

/// The row of what sessions are guaranteed.
pub(crate) const SESSION: CheckerEntry = CheckerEntry {
    name: "session",
    summary: "what each session sees of its own and others' reads and writes, where the order of \
              versions is known",
    subjects: SUBJECTS,
    decides: &[
        Claim::ReadYourWrites,
        Claim::MonotonicReads,
        Claim::MonotonicWrites,
        Claim::WritesFollowReads,
    ],
    check: check_sessions,
};

/// The row of the models of replicated memory.
pub(crate) const CAUSAL: CheckerEntry = CheckerEntry {
    name: "causal",
    summary: "PRAM and causal consistency of registers with unique values, by what must come \
              before what; no order of versions need be known",
    subjects: SUBJECTS,
    decides: &[Claim::Pram, Claim::Causal, Claim::CausalMemory, Claim::CausalConvergence],
    check: check_models,
};

/// Proofs that are kept.
const KEPT_MAX: usize = 8;

/// A reason for which nothing can be decided at all.
pub(crate) fn too_large(history: &History, budget: &Budget) -> Option<String> {
    /// What extraction and graph hold of each operation, clocks apart.
    const BYTES: usize = 400;
    let needed = history.len().saturating_mul(BYTES);
    (needed > budget.memory_bytes).then(|| {
        format!(
            "{} take about {} MB, more than the budget of {} MB; a larger one would help.",
            count(history.len(), "operation"),
            needed / 1_000_000,
            budget.memory_bytes / 1_000_000
        )
    })
}

fn check_models(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(reason) = too_large(history, budget) {
        let unknown = |&asked| Verdict::unknown(asked, 0, reason.clone());
        return question.claims.iter().map(unknown).collect();
    }
    let steps = Steps::of(history, &question.initial);
    let frame = Frame::of(&steps);
    let room = frame.clock_bytes().saturating_mul(2) <= budget.memory_bytes;
    let causal = |claim| claim != Claim::Pram;
    let past =
        (room && question.claims.iter().any(|asked| causal(asked.claim))).then(|| Past::of(&frame));
    let mut sound: Option<bool> = None;
    let mut decide = |asked: &Asked| {
        if !room {
            return Finding::Open(format!(
                "the clocks of {} take more than the budget's memory",
                count(frame.width, "session")
            ));
        }
        let past = match &past {
            Some(Err(violation)) if causal(asked.claim) => {
                return Finding::Breaks(vec![violation.clone()]);
            }
            Some(Ok(past)) if causal(asked.claim) => past,
            _ => return saturation::pram(&frame, budget),
        };
        // What breaks CC breaks the stronger two.
        if asked.claim == Claim::Causal || sound != Some(true) {
            let finding = past.causal(budget);
            sound = Some(matches!(finding, Finding::Holds));
            if asked.claim == Claim::Causal || sound == Some(false) {
                return finding;
            }
        }
        match asked.claim {
            Claim::CausalMemory => saturation::memory(past, budget),
            _ => past.convergent(budget),
        }
    };
    let findings: Vec<Finding> = question.claims.iter().map(&mut decide).collect();
    let judged = question.claims.iter().zip(findings);
    judged.map(|(&asked, finding)| verdict(asked, question, &steps, finding)).collect()
}

/// The verdict that a finding leads to. What contradicts every model, and what hinders all, is
/// looked at here.
pub(crate) fn verdict(
    asked: Asked,
    question: &Question,
    steps: &Steps<'_>,
    finding: Finding,
) -> Verdict {
    let judged = steps.all.len();
    let teller = Teller { steps };
    let mut proofs: Vec<Anomaly> = Vec::new();
    proofs.extend(
        steps.from_nowhere.iter().take(KEPT_MAX).map(|it| teller.oddity("ThinAirRead", it)),
    );
    proofs
        .extend(steps.contradictions.iter().take(KEPT_MAX).map(|it| teller.oddity("internal", it)));
    let (violations, open): (Vec<Violation>, _) = match finding {
        Finding::Holds => (Vec::new(), None),
        Finding::Breaks(violations) => (violations, None),
        Finding::Open(far) => (Vec::new(), Some(far)),
    };
    proofs.extend(violations.iter().map(|violation| teller.circle(violation)));
    proofs.truncate(KEPT_MAX);
    if !proofs.is_empty() && provable(steps) {
        return broken(asked, judged, proofs);
    }
    if let Some(reason) = hindrance(steps) {
        return Verdict::unknown(asked, judged, reason);
    }
    if let Some(far) = open {
        let reason = format!(
            "The check was given up after {far}; more time or memory would help. Until then \
             nothing was found."
        );
        return Verdict::unknown(asked, judged, reason);
    }
    let evidence = steps.evidence();
    if let Some(reason) = too_little(evidence, question, "read of what somebody writes was") {
        return Verdict::unknown(asked, judged, reason);
    }
    let reason = format!(
        "{} of {} on {}, with {} that could have shown a violation: each value has one writer, and \
         what must come before what turns in no circle.",
        count(judged, "operation"),
        count(steps.sessions.len(), "session"),
        count(steps.keys.len(), "key"),
        count(evidence, "read"),
    );
    Verdict::valid(asked, judged, reason)
}

/// The verdict on what proofs break.
pub(crate) fn broken(asked: Asked, judged: usize, proofs: Vec<Anomaly>) -> Verdict {
    let mut names: Vec<String> = proofs.iter().map(|proof| proof.name.clone()).collect();
    names.sort();
    names.dedup();
    let first = proofs.first().map(|proof| proof.explanation.clone()).unwrap_or_default();
    Verdict::invalid(asked, judged, format!("Found {}. {first}", list(&names)), proofs)
}

/// Why less evidence than is wanted upholds nothing.
pub(crate) fn too_little(evidence: usize, question: &Question, what: &str) -> Option<String> {
    let wanted = question.evidence_min;
    (evidence < wanted).then(|| match evidence {
        0 => format!("No {what} ok, so that nothing could have shown a violation."),
        some => format!(
            "Only {some} {what} ok, which is too few to uphold anything; at least {wanted} are wanted."
        ),
    })
}

/// Whether what came before an alien event proves anything. Without real time nobody knows what did,
/// and a value that was read there may be one that was written again beyond it.
fn provable(steps: &Steps<'_>) -> bool {
    steps.alien.is_none() || steps.history.has_real_time()
}

/// What keeps a history without a violation from being upheld.
pub(crate) fn hindrance(steps: &Steps<'_>) -> Option<String> {
    if let Some((_, problem)) = &steps.alien {
        return Some(format!(
            "The history cannot be judged as one of registers: {problem}. What came before it \
             proves no violation."
        ));
    }
    let first = steps.ambiguous.first()?;
    let teller = Teller { steps };
    let version = &steps.versions[first.version as usize];
    let event = |number: u32| steps.history.operation(number as usize).invoked;
    let writers: Vec<String> =
        version.writers.iter().flatten().map(|&it| format!("event {}", event(it))).collect();
    let how = match &writers[..] {
        [one] => format!("is the initial value, and was written again ({one})"),
        more => format!("was written more than once ({})", list(more)),
    };
    Some(format!(
        "{} of {} {how}, so that nobody can tell what {} saw; {} like that. Values must be written \
         once for this.",
        teller.value(first.version),
        teller.key(first.version),
        teller.operation(first.number),
        match steps.ambiguous.len() {
            1 => "it is the only read".to_owned(),
            more => format!("there are {more} reads"),
        },
    ))
}

fn check_sessions(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(reason) = too_large(history, budget) {
        let unknown = |&asked| Verdict::unknown(asked, 0, reason.clone());
        return question.claims.iter().map(unknown).collect();
    }
    let steps = Steps::of(history, &question.initial);
    let frame = Frame::of(&steps);
    let orders = Orders::of(&steps);
    let decide = |&asked: &Asked| {
        let judgement = judge(asked.claim, &frame, &orders, budget);
        session_verdict(asked, question, &steps, &orders, &judgement)
    };
    question.claims.iter().map(decide).collect()
}

fn session_verdict(
    asked: Asked,
    question: &Question,
    steps: &Steps<'_>,
    orders: &Orders,
    judgement: &Judgement,
) -> Verdict {
    let teller = Teller { steps };
    let judged = steps.all.len();
    let mut proofs: Vec<Anomaly> = Vec::new();
    let behind = judgement.broken.iter().take(KEPT_MAX);
    proofs.extend(behind.map(|demand| teller.behind(asked.claim, demand, orders)));
    let circles = judgement.circles.iter().take(KEPT_MAX - proofs.len());
    proofs.extend(circles.map(|demands| teller.contradiction(asked.claim, demands)));
    if !proofs.is_empty() && provable(steps) {
        return broken(asked, judged, proofs);
    }
    let unknown = |reason: String| Verdict::unknown(asked, judged, reason);
    if let Some(reason) = hindrance(steps) {
        return unknown(reason);
    }
    let odd = steps.from_nowhere.first().map(|it| teller.oddity("ThinAirRead", it));
    let odd = odd.or_else(|| steps.contradictions.first().map(|it| teller.oddity("internal", it)));
    if let Some(odd) = odd {
        return unknown(format!(
            "{} That is no version of the key, neither older nor newer than another; ask for \
             causal or pram, which it breaks.",
            odd.explanation
        ));
    }
    if judgement.cut_short {
        return unknown(format!(
            "The check was given up after {}; more time or memory would help. Until then nothing \
             was found.",
            count(judgement.demands, "comparison")
        ));
    }
    if let Some(doubt) = &judgement.doubt {
        return unknown(format!(
            "{} of {} depend on an order of versions that nobody knows, the first one on whether \
             {} of {} came after {}. It takes version numbers, compare-and-sets, or one writer a \
             key; pram and causal need none.",
            judgement.doubts,
            count(judgement.demands, "comparison"),
            teller.value(doubt.found),
            teller.key(doubt.found),
            teller.value(doubt.least),
        ));
    }
    if let Some(reason) = too_little(judgement.demands, question, "read that could fall behind was")
    {
        return unknown(reason);
    }
    let reason = format!(
        "{} of {} on {}: in none of {} a read fell behind, and the order of all versions concerned \
         is known.",
        count(judged, "operation"),
        count(steps.sessions.len(), "session"),
        count(steps.keys.len(), "key"),
        count(judgement.demands, "comparison"),
    );
    Verdict::valid(asked, judged, reason)
}
