//! The verdicts about transactions.

use std::collections::BTreeSet;

use schism_history::{History, MopKind};

use super::atomicity::{causal_circles, fractured_reads};
use super::conflicts::{Settled, settle};
use super::dependencies::dependencies;
use super::explanation::{Story, tell_contradiction};
use super::lists::Lists;
use super::transactions::{Fate, Transactions};
use crate::phrase::{count, list};
use crate::transactional::{Class, Cycles, Graph, Order, breaks, claims, cycles, order, tell};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "list-append",
    summary: "isolation of transactions on lists, by circles of dependencies (G0 to G2) and by contradictions",
    subjects: &["list-append"],
    decides: DECIDES,
    check,
};

const DECIDES: &[Claim] = &[
    Claim::ReadUncommitted,
    Claim::ReadCommitted,
    Claim::CursorStability,
    Claim::ReadAtomic,
    Claim::Causal,
    Claim::ConsistentView,
    Claim::SnapshotIsolation,
    Claim::RepeatableRead,
    Claim::Serializable,
    Claim::StrongSessionSnapshotIsolation,
    Claim::StrongSnapshotIsolation,
    Claim::StrongSessionSerializable,
    Claim::StrictSerializable,
];

/// Proofs of one class, and of one verdict, that are kept.
const KEPT_MAX: usize = 8;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let asked = &question.claims;
    let mut transactions = Transactions::of(history, false);
    let needed = needed_bytes(&transactions);
    if needed > budget.memory_bytes {
        let unknown = |asked: &Asked| {
            let reason = format!(
                "{} have no room in {} MB.",
                count(transactions.all.len(), "transaction"),
                budget.memory_bytes / 1_000_000
            );
            Verdict::unknown(*asked, transactions.committed(), reason)
        };
        return asked.iter().map(unknown).collect();
    }
    let mut lists = Lists::of(&transactions, budget);
    if lists.all.iter().any(|list| list.alien) {
        transactions = Transactions::of(history, true);
        lists = Lists::of(&transactions, budget);
    }
    let left = Budget { memory_bytes: budget.memory_bytes - needed, ..*budget };
    let judge = Judge { story: Story { transactions: &transactions, lists: &lists }, history };
    let findings = judge.findings(asked, &left);
    asked.iter().map(|asked| judge.verdict(*asked, question, &findings, budget)).collect()
}

/// What the transactions and lists of a history take at most.
fn needed_bytes(transactions: &Transactions<'_>) -> usize {
    let mops: usize = transactions.all.iter().map(|one| one.mops.len()).sum();
    // Twice while they are sorted by key; then the appends with their elements, and the reads.
    transactions.all.len() * 64 + mops * 32
}

/// What was found out.
struct Findings {
    /// Proofs, the one of the weakest broken claim first.
    anomalies: Vec<Anomaly>,
    /// Whether some dependencies had no room in the memory of the budget.
    partial: bool,
    /// Whether the time ended first.
    late: bool,
    /// The claims that need an order of appends that no read shows, and none was found in time.
    unsettled: Vec<Claim>,
}

struct Judge<'s, 'a> {
    story: Story<'s, 'a>,
    history: &'a History,
}

impl Judge<'_, '_> {
    fn findings(&self, asked: &[Asked], budget: &Budget) -> Findings {
        let Story { transactions, lists } = self.story;
        let mut orders: Vec<Order> = asked.iter().map(|asked| order(asked.claim)).collect();
        orders.push(Order::Data);
        orders.retain(|order| *order != Order::Realtime || self.history.has_real_time());
        orders.sort_unstable();
        orders.dedup();
        let strongest = orders.last().copied().unwrap_or(Order::Data);
        let mut anomalies = Vec::new();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for one in lists.all.iter().flat_map(|list| &list.contradictions) {
            // The first few of each kind.
            let same = |anomaly: &&Anomaly| anomaly.name == one.name;
            if told.insert(one.name) || anomalies.iter().filter(same).count() < KEPT_MAX {
                anomalies.push(tell_contradiction(transactions, one));
            }
        }
        let found = dependencies(transactions, lists, &[], &orders, budget);
        let circles = cycles(&found.graph, strongest, KEPT_MAX, budget);
        let mut late = !circles.whole || !lists.whole;
        let asks = |claim: Claim| asked.iter().any(|asked| asked.claim == claim);
        if (asks(Claim::ReadAtomic) || asks(Claim::Causal)) && !circles.circular.is_empty() {
            anomalies.extend(fractured_reads(&self.story, &circles.circular, KEPT_MAX));
        }
        if asks(Claim::Causal) && !circles.circular.is_empty() {
            let (more, whole) =
                causal_circles(&self.story, &found.graph, &circles.circular, KEPT_MAX, budget);
            anomalies.extend(more);
            late |= !whole;
        }
        anomalies.extend(circles.found.iter().map(|circle| tell(circle, &self.story)));
        let unsettled = if found.whole && !late {
            self.settle(asked, &found.graph, &circles, &mut anomalies, budget)
        } else {
            Vec::new()
        };
        // Stable: of two anomalies that break the same claim contradictions stand first.
        anomalies.sort_by_key(|anomaly| {
            claims().position(|claim| breaks(&anomaly.name, claim)).unwrap_or(usize::MAX)
        });
        Findings {
            anomalies,
            partial: !found.whole,
            late: late || (unsettled.is_empty() && budget.expired()),
            unsettled,
        }
    }

    /// For the claims that forbid two transactions at a time that append to one list: whether the
    /// appends that no read shows can have an order. Those of which that is not known.
    fn settle(
        &self,
        asked: &[Asked],
        graph: &Graph,
        circles: &Cycles,
        anomalies: &mut Vec<Anomaly>,
        budget: &Budget,
    ) -> Vec<Claim> {
        let mut unsettled = Vec::new();
        for (claim, class) in [
            (Claim::ConsistentView, Class::GSingle),
            (Claim::SnapshotIsolation, Class::GNonadjacent),
            (Claim::StrongSessionSnapshotIsolation, Class::GNonadjacent),
            (Claim::StrongSnapshotIsolation, Class::GNonadjacent),
        ] {
            let order = order(claim);
            let idle = !asked.iter().any(|asked| asked.claim == claim)
                || order == Order::Realtime && !self.history.has_real_time()
                || anomalies.iter().any(|anomaly| breaks(&anomaly.name, claim))
                // Where there is a serial order all appends have one.
                || !circles.any(Class::G2, order);
            if idle {
                continue;
            }
            match settle(&self.story, graph, class, order, budget) {
                Settled::Yes => {}
                Settled::No(anomaly) => anomalies.push(*anomaly),
                Settled::Late => unsettled.push(claim),
            }
        }
        unsettled
    }

    fn verdict(
        &self,
        asked: Asked,
        question: &Question,
        findings: &Findings,
        budget: &Budget,
    ) -> Verdict {
        let Story { transactions, lists } = self.story;
        let committed = transactions.committed();
        let proofs = proofs(asked.claim, &findings.anomalies);
        if let Some(first) = proofs.first() {
            let names: BTreeSet<&str> = proofs.iter().map(|proof| proof.name.as_str()).collect();
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let reason = format!("Found {}. {}", list(&names), first.explanation);
            return Verdict::invalid(asked, committed, reason, proofs);
        }
        let unknown = |reason: String| Verdict::unknown(asked, committed, reason);
        if let Some((_, problem)) = &transactions.alien {
            return unknown(format!("Not everything can be judged: {problem}."));
        }
        let repeated = lists.all.iter().find_map(|list| Some((list.key, list.repeated?)));
        if let Some((key, element)) = repeated {
            return unknown(format!(
                "Not everything can be judged: element {element} is appended to {key} more than once, so \
                 that nobody can tell whose append a read shows."
            ));
        }
        if findings.late {
            return unknown(format!(
                "The time for the check ended with {committed} transactions read; more of it would help."
            ));
        }
        if findings.partial {
            return unknown(format!(
                "The dependencies between {committed} transactions have no room in {} MB; those that were \
                 looked at show no circle.",
                budget.memory_bytes / 1_000_000
            ));
        }
        if findings.unsettled.contains(&asked.claim) {
            return unknown(format!(
                "Among {committed} transactions some append to one list in an order that no read shows; \
                 whether there is one that {} allows was not known when the time ended. A last read of \
                 every list would help.",
                asked.claim
            ));
        }
        if order(asked.claim) == Order::Realtime && !self.history.has_real_time() {
            return unknown(format!(
                "{} is about real time, and of this history only the order within each process is known.",
                asked.claim
            ));
        }
        self.evidence(asked, question, committed)
    }

    /// The verdict where nothing is wrong.
    fn evidence(&self, asked: Asked, question: &Question, committed: usize) -> Verdict {
        let Story { transactions, lists } = self.story;
        if lists.evidence < question.evidence_min {
            let some = match lists.evidence {
                0 => "No committed transaction".to_owned(),
                evidence => format!("Only {}", count(evidence, "committed transaction")),
            };
            let reason = format!(
                "{some} read a list that anybody appended to; it takes {} to uphold a claim.",
                question.evidence_min
            );
            return Verdict::unknown(asked, committed, reason);
        }
        let certain = transactions.all.iter().filter(|one| one.fate == Fate::Committed);
        let reads = certain.flat_map(|one| one.mops).filter(|mop| mop.kind == MopKind::Read);
        let reason = format!(
            "{} with {} on {}: no contradiction, no circle.",
            count(committed, "committed transaction"),
            count(reads.count(), "read"),
            count(lists.all.len(), "list"),
        );
        Verdict::valid(asked, committed, reason)
    }
}

/// The proofs that a claim is broken, at most so many as are kept. A circle of the same transactions
/// is not told again under another name.
fn proofs(claim: Claim, anomalies: &[Anomaly]) -> Vec<Anomaly> {
    let sorted = |anomaly: &Anomaly| {
        let mut operations = anomaly.operations.clone();
        operations.sort_unstable();
        operations
    };
    let mut proofs: Vec<Anomaly> = Vec::new();
    for anomaly in anomalies.iter().filter(|anomaly| breaks(&anomaly.name, claim)) {
        let circle = matches!(anomaly.witness, Witness::Cycle { .. });
        let known = |other: &Anomaly| circle && sorted(anomaly) == sorted(other);
        if proofs.len() < KEPT_MAX && !proofs.iter().any(known) {
            proofs.push(anomaly.clone());
        }
    }
    proofs
}
