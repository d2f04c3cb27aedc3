//! The verdicts on banks.

use schism_history::History;

use super::accounts::by_bank;
use super::judgement::Found;
use crate::evidence::{Alien, too_few, used_up};
use crate::phrase::{count, list};
use crate::refutation::refute;
use crate::{Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "bank",
    summary: "banks: the same total in every read, no account below zero; refutes models",
    subjects: &["bank"],
    decides: &[
        Claim::TotalConserved,
        Claim::NoNegativeBalances,
        Claim::ConsistentView,
        Claim::SnapshotIsolation,
        Claim::RepeatableRead,
        Claim::Serializable,
        Claim::StrongSessionSnapshotIsolation,
        Claim::StrongSnapshotIsolation,
        Claim::StrongSessionSerializable,
        Claim::StrictSerializable,
    ],
    check,
};

/// Bytes that an operation takes while it is judged.
const BYTES: usize = 64;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(unknown) = used_up(question, history, budget, BYTES) {
        return unknown;
    }
    let (banks, alien) = by_bank(history);
    let mut found = Found::default();
    for (key, bank) in &banks {
        if let Some(unknown) = used_up(question, history, budget, BYTES) {
            return unknown;
        }
        found.add(history, (*key, bank), &question.parameters);
    }
    question.claims.iter().map(|&asked| verdict(asked, question, &found, alien.as_ref())).collect()
}

fn verdict(asked: Asked, question: &Question, found: &Found, alien: Option<&Alien>) -> Verdict {
    let overdrafts = question.parameters.negative_balances;
    let (proofs, what) = match asked.claim {
        Claim::TotalConserved => (&found.not_conserved, "do not conserve the total"),
        Claim::NoNegativeBalances => (&found.negative, "find a balance below zero"),
        _ => return model(asked, found, alien),
    };
    let declared = asked.claim == Claim::NoNegativeBalances && overdrafts;
    if proofs.any() && !declared {
        let reason = format!("{} of {} {what}.", proofs.count, count(found.reads, "read"));
        return Verdict::invalid(asked, found.reads, reason, proofs.kept.clone());
    }
    if let Some(reason) = undecided(asked, question, found, alien) {
        return Verdict::unknown(asked, found.reads, reason);
    }
    let early = match found.early {
        0 => String::new(),
        early => format!(" {} found no accounts yet.", count(early, "read")),
    };
    let reason = if asked.claim == Claim::TotalConserved {
        let mut totals: Vec<String> = found.totals.iter().map(i128::to_string).collect();
        totals.dedup();
        let whence = match question.parameters.total {
            Some(_) => "as declared",
            None => "which is what the first read found",
        };
        let tested = count(found.total_tested, "read");
        let find = if found.total_tested == 1 { "finds" } else { "find" };
        format!("{tested} after a transfer {find} a total of {}, {whence}.{early}", list(&totals))
    } else {
        let tested = count(found.balances_tested, "read");
        let find = if found.balances_tested == 1 { "finds" } else { "find" };
        format!("{tested} after a transfer {find} no balance below zero.{early}")
    };
    Verdict::valid(asked, found.reads, reason)
}

fn undecided(
    asked: Asked,
    question: &Question,
    found: &Found,
    alien: Option<&Alien>,
) -> Option<String> {
    if let Some(alien) = alien {
        return Some(alien.reason("banks"));
    }
    if question.evidence_min == 0 {
        return None;
    }
    if found.reads == 0 {
        return Some("No read was ok, so that nothing was seen.".into());
    }
    if found.totals.is_empty() {
        return Some("No read found an account.".into());
    }
    if asked.claim == Claim::NoNegativeBalances {
        if found.negative.any() {
            return Some("Balances are below zero, and declared to be allowed to.".into());
        }
        let nothing = "No read completed after a transfer had begun.";
        let could = "read that completed after a transfer had begun";
        return too_few(found.balances_tested, question.evidence_min, nothing, could);
    }
    let nothing =
        "No read that could have found another total completed after a transfer had begun.";
    let could = "read that could have found another total";
    too_few(found.total_tested, question.evidence_min, nothing, could)
}

fn model(asked: Asked, found: &Found, alien: Option<&Alien>) -> Verdict {
    if let Some(alien) = alien.filter(|_| !found.torn.any()) {
        return Verdict::unknown(asked, found.reads, alien.reason("banks"));
    }
    let broken = format!(
        "{} of {} find another total than the first did in the same accounts.",
        found.torn.count,
        count(found.reads, "read")
    );
    let because = format!(
        "Transfers read and write both of their accounts in one transaction, so that this is a torn \
         read or a lost update; {} allows neither.",
        asked.claim
    );
    let unbroken = if found.not_conserved.any() || found.negative.any() {
        "Some reads find what a bank should not hold, but none finds another total in the same accounts"
    } else {
        "No two reads differ in total"
    };
    refute(asked, found.reads, &found.torn, [&broken, &because, unbroken])
}
