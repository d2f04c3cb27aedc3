//! The verdict on causal reverse.

use std::fmt::Write as _;

use schism_history::{History, Key};

use super::groups::{Group, Precedence, Reverse, by_key};
use crate::evidence::{Alien, named, too_few, used_up};
use crate::phrase::{count, span, who};
use crate::refutation::{Proofs, refute};
use crate::{
    Anomaly, Asked, Budget, CheckerEntry, Claim, Edge, Question, Transaction, Verdict, Witness,
};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "causal-reverse",
    summary: "reads that see a write without one that was acknowledged before it began; refutes models",
    subjects: &["causal-reverse"],
    decides: &[
        Claim::NoCausalReverse,
        Claim::StrongSessionSnapshotIsolation,
        Claim::StrongSnapshotIsolation,
        Claim::StrongSessionSerializable,
        Claim::StrictSerializable,
    ],
    check,
};

/// Bytes that an operation takes while it is judged.
const BYTES: usize = 150;

/// What was found in one order of the writes: that of real time, or that of each session.
#[derive(Default)]
struct Found {
    proofs: Proofs,
    reads: usize,
    /// Reads that saw a write which others precede.
    tested: usize,
    /// An element that was written twice, and its key.
    twice: Option<String>,
    expired: bool,
}

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(unknown) = used_up(question, history, budget, BYTES) {
        return unknown;
    }
    let (groups, alien) = by_key(history);
    let look = |sessions: bool| find(history, &groups, sessions, budget);
    let of_sessions = question.claims.iter().any(|asked| is_of_sessions(asked.claim));
    let sessions = (of_sessions || !history.has_real_time()).then(|| look(true));
    let all = history.has_real_time().then(|| look(false));
    let judge = |&asked: &Asked| {
        let found = if is_of_sessions(asked.claim) { &sessions } else { &all };
        let found = found.as_ref().or(sessions.as_ref());
        let nothing = Found::default();
        verdict(asked, question, history, (found.unwrap_or(&nothing), alien.as_ref()))
    };
    question.claims.iter().map(judge).collect()
}

fn is_of_sessions(claim: Claim) -> bool {
    matches!(claim, Claim::StrongSessionSnapshotIsolation | Claim::StrongSessionSerializable)
}

fn find(
    history: &History,
    groups: &[(Option<Key>, Group<'_>)],
    sessions: bool,
    budget: &Budget,
) -> Found {
    let mut found = Found::default();
    for (key, group) in groups {
        found.reads += group.reads.len();
        let mut precedence = match Precedence::new(group, sessions) {
            Ok(precedence) => precedence,
            Err(element) => {
                let of = key.map_or_else(String::new, |key| format!(" to {key}"));
                found
                    .twice
                    .get_or_insert(format!("element {element} was written{of} more than once"));
                continue;
            }
        };
        for (&read, turn) in group.reads.iter().zip(0..) {
            if budget.expired() {
                found.expired = true;
                return found;
            }
            let (tested, reverse) = precedence.look(turn, read);
            found.tested += usize::from(tested);
            if let Some(reverse) = reverse {
                found.proofs.add(|| tell(history, *key, &reverse, sessions));
            }
        }
    }
    found
}

fn verdict(
    asked: Asked,
    question: &Question,
    history: &History,
    (found, alien): (&Found, Option<&Alien>),
) -> Verdict {
    let (reads, proofs) = (found.reads, &found.proofs);
    let verb = if proofs.count == 1 { "sees" } else { "see" };
    let broken = format!(
        "{} of {} {verb} a write without one that precedes it.",
        proofs.count,
        count(reads, "read")
    );
    if !proofs.any()
        && let Some(reason) = problem(found, alien)
    {
        return Verdict::unknown(asked, reads, reason);
    }
    if asked.claim != Claim::NoCausalReverse {
        let order = if is_of_sessions(asked.claim) { "each session" } else { "real time" };
        let because = format!(
            "{} orders transactions as {order} does, and the read follows what it saw.",
            asked.claim
        );
        let unbroken = "No read sees a write without one that precedes it";
        return refute(asked, reads, proofs, [&broken, &because, unbroken]);
    }
    if proofs.any() {
        return Verdict::invalid(asked, reads, broken, proofs.kept.clone());
    }
    if !history.has_real_time() {
        let reason = "Only the order within each process is known; no read sees a write without an \
                      earlier one of the same process.";
        return Verdict::unknown(asked, reads, reason);
    }
    let nothing = "No read saw a write that began after another had been acknowledged.";
    let could = "read that saw a write begun after another was acknowledged";
    if let Some(reason) = too_few(found.tested, question.evidence_min, nothing, could) {
        return Verdict::unknown(asked, reads, reason);
    }
    let reason = format!(
        "{} saw writes with all that had been acknowledged before these began.",
        count(found.tested, "read")
    );
    Verdict::valid(asked, reads, reason)
}

fn problem(found: &Found, alien: Option<&Alien>) -> Option<String> {
    if let Some(alien) = alien {
        return Some(alien.reason("elements written once"));
    }
    if found.expired {
        return Some("Time ran out; more of it, or a shorter history, would help.".into());
    }
    let twice = |twice| format!("Nobody can say which write was seen: {twice}.");
    found.twice.as_ref().map(twice)
}

fn tell(history: &History, key: Option<Key>, reverse: &Reverse, sessions: bool) -> Anomaly {
    let [read, saw, missed] =
        [reverse.read, reverse.saw, reverse.missed].map(|number| history.operation(number));
    let mut what = format!(
        "the read of event {} ({}) returned {} (event {}, {}) and not {} (event {}, {}), ",
        read.invoked,
        who(&read),
        saw.op.value,
        saw.invoked,
        who(&saw),
        missed.op.value,
        missed.invoked,
        who(&missed),
    );
    let end = missed.end.unwrap_or(missed.start);
    if sessions {
        let _ = write!(what, "which the same process had written before.");
    } else {
        let gap = span(saw.start.since(end));
        let _ = write!(what, "which had been acknowledged {gap} before that write began.");
    }
    if reverse.alike > 1 {
        let _ = write!(what, " It misses {} such writes.", reverse.alike);
    }
    let transaction = |name: &str, operation| Transaction { name: name.into(), operation };
    let edge = |from: &str, to: &str, kind: &str, says: &str| Edge {
        from: from.into(),
        to: to.into(),
        kind: kind.into(),
        says: says.into(),
    };
    let (kind, says) = if sessions {
        ("process", "one process did T1 before T2")
    } else {
        ("realtime", "T1 was acknowledged before T2 began")
    };
    Anomaly {
        name: "causal-reverse".into(),
        key: key.map(|key| key.to_string()),
        operations: vec![missed.invoked, saw.invoked, read.invoked],
        explanation: format!("{}: {what}", named("key", key)),
        witness: Witness::Cycle {
            transactions: vec![
                transaction("T1", missed.invoked),
                transaction("T2", saw.invoked),
                transaction("T3", read.invoked),
            ],
            edges: vec![
                edge("T1", "T2", kind, says),
                edge("T2", "T3", "wr", "T3 returned what T2 wrote"),
                edge("T3", "T1", "rw", "T3 did not return what T1 wrote"),
            ],
        },
    }
}
