//! The verdicts about weak levels, in words.

use schism_history::{History, Value};

use super::causal::Stopped;
use super::decide::{Answer, Level, Rule, decide};
use super::explanation::Teller;
use super::resolve::{Finding, KEPT_MAX, Kind};
use super::transactions::{Transactions, Unread};
use crate::phrase::{count, who};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "weak-isolation",
    summary: "transactions on registers, session by session: an order of commit that explains the reads",
    subjects: &["weak-isolation"],
    decides: &[Claim::ReadCommitted, Claim::ReadAtomic, Claim::Causal],
    check,
};

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let transactions = match Transactions::new(history, &question.initial, false, budget) {
        Ok(transactions) => transactions,
        Err(unread) => return unread_verdicts(question, &unread, budget),
    };
    let case = Case::new(history, &transactions, &question.initial, "thin-air-read", question);
    let judge = |&asked: &Asked| {
        let level = match asked.claim {
            Claim::ReadCommitted => Level::ReadCommitted,
            Claim::ReadAtomic => Level::ReadAtomic,
            _ => Level::Causal,
        };
        let breaking = |kind| level != Level::ReadCommitted || kind != Kind::Nonrepeatable;
        case.weak(asked, Rule { level, sessions: true }, breaking, budget)
    };
    question.claims.iter().map(judge).collect()
}

/// The answer to all claims where the history was not even read.
pub(crate) fn unread_verdicts(
    question: &Question,
    unread: &Unread,
    budget: &Budget,
) -> Vec<Verdict> {
    let reason = match unread {
        Unread::Memory(bytes) => out_of_memory(*bytes, budget),
        Unread::Time => out_of_time(),
        Unread::TooLong => "The history has more than 2^31 micro-operations, more than can be \
                            numbered."
            .into(),
    };
    question.claims.iter().map(|&asked| Verdict::unknown(asked, 0, reason.clone())).collect()
}

/// Why memory ended a check.
pub(crate) fn out_of_memory(bytes: usize, budget: &Budget) -> String {
    format!(
        "The check would hold about {} MB, more than the {} MB that it may; a greater budget of \
         memory would help.",
        bytes >> 20,
        budget.memory_bytes >> 20
    )
}

/// Why time ended a check.
pub(crate) fn out_of_time() -> String {
    "The time for the check ended before an answer was found; more time, or a shorter history, would \
     help."
        .into()
}

/// A history that is being judged.
pub(crate) struct Case<'a> {
    /// Tells what is proved.
    pub teller: Teller<'a>,
    /// What a read of a value is called that nobody wrote.
    unwritten: &'static str,
    evidence_min: usize,
}

impl<'a> Case<'a> {
    /// A history with its transactions.
    pub fn new(
        history: &'a History,
        transactions: &'a Transactions,
        initial: &'a Value,
        unwritten: &'static str,
        question: &Question,
    ) -> Self {
        let teller = Teller { history, transactions, initial };
        Self { teller, unwritten, evidence_min: question.evidence_min }
    }

    /// The same about some of its transactions.
    pub fn about<'b>(&self, transactions: &'b Transactions) -> Case<'b>
    where
        'a: 'b,
    {
        let teller = Teller { transactions, ..self.teller };
        Case { teller, ..*self }
    }

    /// The verdict on a weak level; `breaking`: which findings break it by themselves.
    pub fn weak(
        &self,
        asked: Asked,
        rule: Rule,
        breaking: impl Fn(Kind) -> bool,
        budget: &Budget,
    ) -> Verdict {
        if let Some(verdict) = self.broken_by_findings(asked, breaking) {
            return verdict;
        }
        let transactions = self.teller.transactions;
        let judged = transactions.committed;
        match decide(transactions, rule, budget) {
            Answer::Circle(circle, edges) => {
                let anomaly = self.teller.circle(rule, &circle, &edges);
                let reason = format!(
                    "{} of {} go in a circle: each would have to commit before the next ({}).",
                    count(circle.len(), "transaction"),
                    judged,
                    anomaly.name
                );
                Verdict::invalid(asked, judged, reason, vec![anomaly])
            }
            Answer::Overwritten(found) => {
                let anomaly = self.teller.overwritten(rule, found);
                let reason = format!(
                    "A transaction read what {} held before the first write, although it had seen a \
                     write ({}).",
                    self.teller.key(found.key),
                    anomaly.name
                );
                Verdict::invalid(asked, judged, reason, vec![anomaly])
            }
            Answer::Stopped(Stopped::Time) => Verdict::unknown(asked, judged, out_of_time()),
            Answer::Stopped(Stopped::Memory(bytes)) => {
                Verdict::unknown(asked, judged, out_of_memory(bytes, budget))
            }
            Answer::Holds => match self.undecided() {
                Some(reason) => Verdict::unknown(asked, judged, reason),
                None => Verdict::valid(asked, judged, self.upheld("an order of commit explains")),
            },
        }
    }

    /// What was judged, and that `what` all reads.
    pub fn upheld(&self, what: &str) -> String {
        let transactions = self.teller.transactions;
        format!(
            "{} in {}: {what} all {} of {}.",
            count(transactions.committed, "transaction"),
            count(transactions.starts.len() - 1, "session"),
            count(transactions.reads_len(), "external read"),
            count(transactions.names.len(), "key"),
        )
    }

    /// Invalid, if single reads break the claim.
    pub fn broken_by_findings(
        &self,
        asked: Asked,
        breaking: impl Fn(Kind) -> bool,
    ) -> Option<Verdict> {
        let findings = &self.teller.transactions.findings;
        let number: usize = Kind::ALL
            .into_iter()
            .filter(|kind| breaking(*kind))
            .map(|kind| findings.count(kind))
            .sum();
        if number == 0 {
            return None;
        }
        let mut kept: Vec<&Finding> =
            findings.kept.iter().filter(|finding| breaking(finding.kind)).collect();
        kept.sort_unstable();
        let mut names: Vec<&str> = Vec::new();
        let mut anomalies: Vec<Anomaly> = Vec::new();
        for finding in kept {
            let name = self.name(finding.kind);
            // One of each name first: each is a story of its own.
            if !names.contains(&name) {
                names.push(name);
                anomalies.insert(names.len() - 1, self.teller.finding(finding, name));
            } else if anomalies.len() < KEPT_MAX {
                anomalies.push(self.teller.finding(finding, name));
            }
        }
        anomalies.truncate(KEPT_MAX);
        let judged = self.teller.transactions.committed;
        let verb = if number == 1 { "contradicts" } else { "contradict" };
        let reason = format!(
            "{} {verb} what {judged} committed transactions wrote: {}.",
            count(number, "read"),
            names.join(", ")
        );
        Some(Verdict::invalid(asked, judged, reason, anomalies))
    }

    fn name(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Unwritten => self.unwritten,
            Kind::Aborted => "G1a",
            Kind::Intermediate => "G1b",
            Kind::Future => "future-read",
            Kind::Internal | Kind::Nonrepeatable => "internal",
        }
    }

    /// Why nothing is upheld although nothing was violated.
    pub fn undecided(&self) -> Option<String> {
        let transactions = self.teller.transactions;
        if let Some(alien) = &transactions.alien {
            return Some(format!(
                "The history is not one of transactions on registers: {}.",
                alien.problem
            ));
        }
        if let Some((reader, place)) = transactions.ambiguous {
            let operation = self.teller.history.operation(reader as usize);
            let told = operation.ok().map(|reply| &reply.value);
            let read = match told {
                Some(Value::Mops(mops)) => mops
                    .get(place as usize)
                    .map(|mop| format!("{} = {}", mop.key, mop.value))
                    .unwrap_or_default(),
                _ => String::new(),
            };
            return Some(format!(
                "The read of {read} in event {} ({}) has several possible writers: written values \
                 must be unique for each key.",
                operation.invoked,
                who(&operation)
            ));
        }
        let evidence = transactions.evidence;
        if evidence < self.evidence_min {
            if evidence == 0 {
                return Some("No transaction with a read was ok, so that nothing was seen.".into());
            }
            return Some(format!(
                "Only {} with a read, too few to uphold anything; at least {} are wanted.",
                if evidence == 1 {
                    "1 transaction was ok".into()
                } else {
                    format!("{evidence} transactions were ok")
                },
                self.evidence_min
            ));
        }
        None
    }
}
