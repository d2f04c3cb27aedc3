//! The verdicts about logs.

use std::sync::Arc;

use rayon::prelude::*;
use schism_history::History;

use super::cycles::circles;
use super::ending::{Ending, endings};
use super::findings::{Evidence, Findings, KEPT_MAX, Kind, Proof};
use super::group::find_skips;
use super::lag::lags;
use super::messages::{find_edges, find_misplaced, find_missing, find_repeated, find_uncommitted};
use super::order::{find_polls, find_sends};
use super::partition::Log;
use super::records::{Partition, Records, TooMuch, read};
use super::teller::Teller;
use super::view::LogLags;
use super::waiting::Waiting;
use super::wider::Wide;
use super::words;
use crate::phrase::count;
use crate::{
    Anomaly, Asked, Budget, CheckerEntry, Claim, Edge, Question, Transaction, Verdict, Witness,
};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "log",
    summary: "partitioned logs: offsets, lost and unseen messages, the order of polls and sends",
    subjects: &["log"],
    decides: DECIDES,
    check,
};

pub(crate) const DECIDES: &[Claim] = &[
    Claim::ConsistentOffsets,
    Claim::NoLostWrites,
    Claim::NoUnseenWrites,
    Claim::NoGroupSkips,
    Claim::PollOrder,
    Claim::SendOrder,
    Claim::NoPrecommittedReads,
    Claim::NoAbortedReads,
    Claim::NoDuplicates,
    Claim::NoCircularReads,
];

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let all = |reason: String| -> Vec<Verdict> {
        question.claims.iter().map(|&asked| Verdict::unknown(asked, 0, reason.clone())).collect()
    };
    let records = match read(history, budget) {
        Ok(records) => records,
        Err(TooMuch::Memory(bytes)) => return all(words::too_large(bytes, budget)),
        Err(TooMuch::Time) => return all(words::TOO_SLOW.into()),
    };
    let endings = endings(history, &records);
    let waiting = Waiting::new(&records);
    // One operation that both sends and polls makes no circle: nothing is then told of others, either.
    let circular = records.both.len() > 1
        && question.claims.iter().any(|asked| asked.claim == Claim::NoCircularReads);
    let analyse = |partition: &Partition| {
        let ending = endings.get(&partition.key).copied();
        // Rayon keeps the order of the logs.
        (!budget.expired()).then(|| {
            let mut findings = analyse(history, &records, partition, ending, &waiting);
            if circular {
                findings.wide = Wide::new(&Log::new(partition));
            }
            findings
        })
    };
    let findings: Option<Vec<Findings>> = records.partitions.par_iter().map(analyse).collect();
    let Some(findings) = findings else { return all(words::TOO_SLOW.into()) };
    let mut evidence = Evidence::default();
    for found in &findings {
        evidence += &found.evidence;
    }
    let judge = Judge { question, history, records, findings, evidence, waiting };
    let mut verdicts: Vec<Verdict> =
        question.claims.iter().map(|&asked| judge.verdict(asked)).collect();
    // The messages are no longer needed, and there are many.
    drop(judge.records);
    let lags = judge.findings.iter().flat_map(|found| &found.lags).copied();
    let lags = Arc::new(LogLags::new(history, lags, &judge.waiting));
    for verdict in &mut verdicts {
        verdict.lags = Some(Arc::clone(&lags));
    }
    verdicts
}

/// Analyses one log.
fn analyse(
    history: &History,
    records: &Records<'_>,
    partition: &Partition,
    ending: Option<Ending>,
    waiting: &Waiting,
) -> Findings {
    let log = Log::new(partition);
    let teller = Teller { history, names: &records.names, log: &log };
    let mut findings = Findings::default();
    find_repeated(&log, &teller, &mut findings);
    find_misplaced(&log, &teller, &mut findings);
    find_uncommitted(&log, &teller, &mut findings);
    find_missing(&log, &teller, records, ending, &mut findings);
    find_skips(&log, &teller, records, &mut findings);
    find_polls(&log, &teller, records, &mut findings);
    find_sends(&log, &teller, records, &mut findings);
    find_edges(&log, &records.both, &mut findings);
    if history.has_real_time() {
        waiting.add(&log, records);
        findings.lags = lags(&log, &teller, records);
    }
    findings
}

/// What is known of all logs, and what is asked.
pub(crate) struct Judge<'a> {
    /// What is asked.
    pub question: &'a Question,
    /// Where the operations are.
    pub history: &'a History,
    /// What was read of it.
    pub records: Records<'a>,
    /// What was found, in order of the logs.
    pub findings: Vec<Findings>,
    /// What there was to find it in.
    pub evidence: Evidence,
    /// How many messages waited to be polled, over time.
    pub waiting: Waiting,
}

/// The kinds of violations that a claim forbids.
pub(crate) fn forbidden(claim: Claim) -> &'static [Kind] {
    match claim {
        Claim::ConsistentOffsets => &[Kind::InconsistentOffsets],
        Claim::NoDuplicates => &[Kind::Duplicate],
        Claim::NoAbortedReads => &[Kind::AbortedRead],
        Claim::NoPrecommittedReads => &[Kind::PrecommittedRead],
        Claim::NoLostWrites => &[Kind::LostWrite],
        Claim::NoUnseenWrites => &[Kind::Unseen],
        Claim::NoGroupSkips => &[Kind::GroupSkip],
        Claim::PollOrder => {
            &[Kind::IntNonmonotonicPoll, Kind::NonmonotonicPoll, Kind::IntPollSkip, Kind::PollSkip]
        }
        Claim::SendOrder => &[Kind::IntNonmonotonicSend, Kind::NonmonotonicSend],
        _ => &[],
    }
}

impl Judge<'_> {
    fn verdict(&self, asked: Asked) -> Verdict {
        let claim = asked.claim;
        let judged = self.records.operations;
        // What follows an event that nobody understands may poll what seems to be missing.
        let retractable =
            matches!(claim, Claim::NoLostWrites | Claim::NoUnseenWrites | Claim::NoGroupSkips);
        if !(retractable && self.records.alien.is_some()) {
            let (anomalies, reason) = match claim {
                Claim::NoCircularReads => self.circular(),
                _ => self.violations(claim),
            };
            if !anomalies.is_empty() {
                return Verdict::invalid(asked, judged, reason, anomalies);
            }
        }
        match words::undecided(self, claim) {
            Some(reason) => Verdict::unknown(asked, judged, reason),
            None => Verdict::valid(asked, judged, words::upheld(self, claim)),
        }
    }

    /// How many violations of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.findings.iter().map(|found| found.of(kind).count).sum()
    }

    fn violations(&self, claim: Claim) -> (Vec<Anomaly>, String) {
        let mut anomalies = Vec::new();
        for &kind in forbidden(claim) {
            for (partition, found) in self.records.partitions.iter().zip(&self.findings) {
                let kept = found.of(kind).kept.iter();
                let key = partition.key.to_string();
                anomalies.extend(kept.map(|proof| self.anomaly(kind.name(), &key, proof)));
            }
        }
        anomalies.truncate(KEPT_MAX);
        let reason =
            if anomalies.is_empty() { String::new() } else { words::violated(self, claim) };
        (anomalies, reason)
    }

    fn anomaly(&self, name: &str, key: &str, proof: &Proof) -> Anomaly {
        Anomaly {
            name: name.into(),
            key: Some(key.to_owned()),
            operations: proof.operations.iter().map(|&number| self.invoked(number)).collect(),
            explanation: proof.story.clone(),
            witness: Witness::Operations,
        }
    }

    fn invoked(&self, number: u32) -> u64 {
        self.history.operation(number as usize).invoked
    }

    /// Circles of transactions that poll each other's messages.
    fn circular(&self) -> (Vec<Anomaly>, String) {
        let edges: Vec<(u32, u32)> =
            self.findings.iter().flat_map(|found| &found.edges).copied().collect();
        let circles = circles(&edges, KEPT_MAX);
        let operations: usize = circles.iter().map(|circle| circle.component).sum();
        let reason = format!(
            "{} poll each other's messages in circles, in {}.",
            count(operations, "operation"),
            count(circles.len(), "group")
        );
        let kept = circles.iter().filter(|circle| !circle.operations.is_empty());
        (kept.map(|circle| self.circle(&circle.operations)).collect(), reason)
    }

    fn circle(&self, operations: &[u32]) -> Anomaly {
        let name = |place: usize| format!("T{}", place + 1);
        let transactions = operations.iter().enumerate().map(|(place, &number)| Transaction {
            name: name(place),
            operation: self.invoked(number),
        });
        let edges = operations.iter().enumerate().map(|(place, &from)| {
            let next = (place + 1) % operations.len();
            Edge {
                from: name(place),
                to: name(next),
                kind: "wr".into(),
                says: words::polled_from(self, from, operations[next]),
            }
        });
        let edges: Vec<Edge> = edges.collect();
        let says: Vec<&str> = edges.iter().map(|edge| edge.says.as_str()).collect();
        Anomaly {
            name: "G1c".into(),
            key: None,
            operations: operations.iter().map(|&number| self.invoked(number)).collect(),
            explanation: format!(
                "{} Each would have to be committed before the next, in a circle.",
                says.join(" ")
            ),
            witness: Witness::Cycle { transactions: transactions.collect(), edges },
        }
    }
}
