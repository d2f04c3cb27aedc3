//! The verdicts about transactions.

use schism_history::History;

use super::anomalies::{Contradiction, Contradictions};
use super::cycles::{Class, cycles};
use super::explanation::{tell_contradiction, tell_cycle};
use super::graph::{Graph, anything_read, reads};
use super::transactions::{Fate, Transactions};
use super::versions::{Lists, lists};
use crate::phrase::{count, list};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "list-append",
    summary: "isolation of transactions on lists, by circles of dependencies (G0 to G2) and by contradictions",
    subjects: &["list-append"],
    decides: DECIDES,
    check,
};

/// Weakest first: what breaks one also breaks those after it.
const DECIDES: &[Claim] = &[
    Claim::ReadUncommitted,
    Claim::ReadCommitted,
    Claim::SnapshotIsolation,
    Claim::Serializable,
    Claim::StrictSerializable,
];

/// With fewer committed transactions nothing is upheld.
const COMMITTED_MIN: usize = 10;
/// Proofs of one class that are kept.
const KEPT_MAX: usize = 8;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let asked = &question.claims;
    let transactions = Transactions::of(history);
    let lists = lists(&transactions);
    let judge = Judge { transactions, lists };
    // Each level is looked at once, from the weakest to the strongest that is asked for.
    let strongest = asked.iter().map(|asked| level(asked.claim)).max().unwrap_or(0);
    let findings = judge.findings(strongest, budget);
    asked.iter().map(|&asked| judge.verdict(asked, &findings, budget)).collect()
}

fn level(claim: Claim) -> usize {
    DECIDES.iter().position(|other| *other == claim).unwrap_or(0)
}

/// What was found out about one level.
#[derive(Default)]
struct Finding {
    /// What breaks it and no weaker one.
    anomalies: Vec<Anomaly>,
    /// Whether some dependencies had no room in the memory of the budget.
    partial: bool,
}

struct Judge<'a> {
    transactions: Transactions<'a>,
    lists: Lists<'a>,
}

impl Judge<'_> {
    /// What was found out about each level up to `strongest`.
    fn findings(&self, strongest: usize, budget: &Budget) -> Vec<Finding> {
        if self.transactions.problem.as_ref().is_some_and(|_| self.repeated()) {
            return (0..=strongest).map(|_| Finding::default()).collect();
        }
        let found = Contradictions::of(&self.transactions, &self.lists);
        let data = Graph::of(&self.transactions, &self.lists, false, budget);
        let mut findings: Vec<Finding> = (0..=strongest.min(3))
            .map(|level| {
                let (contradictions, class): (&[Contradiction], Class) = match level {
                    0 => (&found.uncommitted, Class::Writes),
                    1 => (&found.committed, Class::WritesAndReads),
                    2 => (&found.snapshot, Class::NoAdjacent),
                    _ => (&[], Class::Any),
                };
                let told = contradictions.iter().take(KEPT_MAX);
                let told = told.map(|one| tell_contradiction(&self.transactions, one));
                let anomalies = told.chain(self.circles(&data, class, budget)).collect();
                Finding { anomalies, partial: !data.whole }
            })
            .collect();
        // Two graphs are never held at once.
        drop(data);
        if strongest == 4 {
            let timed = Graph::of(&self.transactions, &self.lists, true, budget);
            let anomalies = self.circles(&timed, Class::Any, budget);
            findings.push(Finding { anomalies, partial: !timed.whole });
        }
        findings
    }

    fn circles(&self, graph: &Graph, class: Class, budget: &Budget) -> Vec<Anomaly> {
        let circles = cycles(graph, class, KEPT_MAX, budget);
        circles.iter().map(|one| tell_cycle(&self.transactions, &self.lists, one)).collect()
    }

    /// Whether some element was appended more than once: then nothing can be told.
    fn repeated(&self) -> bool {
        let appends = self.transactions.all.iter().flat_map(|one| one.mops);
        let appends = appends.filter(|mop| mop.kind == schism_history::MopKind::Append).count();
        appends > self.transactions.writers.len()
    }

    fn verdict(&self, asked: Asked, findings: &[Finding], budget: &Budget) -> Verdict {
        let committed =
            self.transactions.all.iter().filter(|one| one.fate == Fate::Committed).count();
        // A circle that a weaker level has shown is not told again for a stronger one.
        let mut proofs: Vec<Anomaly> = Vec::new();
        let findings = &findings[..=level(asked.claim)];
        for anomaly in findings.iter().flat_map(|finding| &finding.anomalies) {
            let sorted = |anomaly: &Anomaly| {
                let mut operations = anomaly.operations.clone();
                operations.sort_unstable();
                operations
            };
            let known =
                |other: &Anomaly| sorted(anomaly) == sorted(other) && anomaly.key == other.key;
            if proofs.len() < KEPT_MAX && !proofs.iter().any(known) {
                proofs.push(anomaly.clone());
            }
        }
        if let Some(first) = proofs.first() {
            let mut names: Vec<String> = proofs.iter().map(|proof| proof.name.clone()).collect();
            names.dedup();
            names.sort();
            names.dedup();
            let reason = format!("Found {}. {}", list(&names), first.explanation);
            return Verdict::invalid(asked, committed, reason, proofs);
        }
        let unknown = |reason: String| Verdict::unknown(asked, committed, reason);
        if let Some(problem) = &self.transactions.problem {
            return unknown(format!("Not everything can be judged: {problem}."));
        }
        if budget.expired() {
            return unknown(format!(
                "The time for the check ended with {committed} transactions read."
            ));
        }
        if findings.iter().any(|finding| finding.partial) {
            return unknown(format!(
                "The dependencies between {committed} transactions have no room in {} MB; those \
                 that were looked at show no circle.",
                budget.memory_bytes / 1_000_000
            ));
        }
        if committed < COMMITTED_MIN {
            let some = count(committed, "committed transaction");
            return unknown(format!("Only {some}; it takes {COMMITTED_MIN} to uphold a claim."));
        }
        if !anything_read(&self.lists) {
            return unknown(
                "No transaction read an element, so that nothing shows an order.".into(),
            );
        }
        let reason = format!(
            "{} with {} on {}: no contradiction, no circle.",
            count(committed, "committed transaction"),
            count(reads(&self.transactions), "read"),
            count(self.lists.len(), "list"),
        );
        Verdict::valid(asked, committed, reason)
    }
}
