//! The verdicts about transactions on registers, in words.

use std::time::Duration;

use schism_history::History;

use super::deadlock::Trouble;
use super::events::Events;
use super::explanation::proofs;
use super::facts::{Facts, Isolation, Model};
use super::place::place;
use super::saturate::Stopped;
use super::search::{Answer, Contradiction, search};
use super::versions;
use crate::phrase::count;
use crate::transactional::Order;
use crate::weak::{
    Case, Kind, Level, Rule, Transactions, out_of_memory, out_of_time, unread_verdicts,
};
use crate::{Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "rw-register",
    summary: "transactions on registers: an order of versions that explains the reads, or a circle",
    subjects: &["rw-register"],
    decides: DECIDES,
    check,
};

/// How many transactions before and after those in trouble are looked at for a proof.
const REACHES: [usize; 4] = [10, 50, 500, 5_000];
/// How long each time.
const NEARBY: Duration = Duration::from_secs(2);

const DECIDES: &[Claim] = &[
    Claim::ReadUncommitted,
    Claim::ReadCommitted,
    Claim::ReadAtomic,
    Claim::Causal,
    Claim::CursorStability,
    Claim::ConsistentView,
    Claim::SnapshotIsolation,
    Claim::RepeatableRead,
    Claim::Serializable,
    Claim::StrongSessionSnapshotIsolation,
    Claim::StrongSnapshotIsolation,
    Claim::StrongSessionSerializable,
    Claim::StrictSerializable,
];

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let transactions = match Transactions::new(history, &question.initial, true, budget) {
        Ok(transactions) => transactions,
        Err(unread) => return unread_verdicts(question, &unread, budget),
    };
    let case = Case::new(history, &transactions, &question.initial, "unwritten-read", question);
    let facts = Facts::new(history, &transactions);
    let bytes = facts.versions_len() * 48 + transactions.len() * 64;
    if bytes > budget.memory_bytes {
        let reason = out_of_memory(bytes, budget);
        let unknown =
            |&asked: &Asked| Verdict::unknown(asked, transactions.committed, reason.clone());
        return question.claims.iter().map(unknown).collect();
    }
    let mut judge = Judge { case, history, facts, serial: [const { None }; 3], budget };
    question.claims.iter().map(|asked| judge.verdict(*asked)).collect()
}

/// What claims are about circles of which edges.
fn model(claim: Claim) -> Option<Model> {
    let (isolation, order) = match claim {
        Claim::ConsistentView => (Isolation::View, Order::Data),
        Claim::SnapshotIsolation => (Isolation::Snapshot, Order::Data),
        Claim::StrongSessionSnapshotIsolation => (Isolation::Snapshot, Order::Process),
        Claim::StrongSnapshotIsolation => (Isolation::Snapshot, Order::Realtime),
        Claim::RepeatableRead | Claim::Serializable => (Isolation::Serial, Order::Data),
        Claim::StrongSessionSerializable => (Isolation::Serial, Order::Process),
        Claim::StrictSerializable => (Isolation::Serial, Order::Realtime),
        _ => return None,
    };
    Some(Model { isolation, order })
}

struct Judge<'a> {
    case: Case<'a>,
    history: &'a History,
    facts: Facts<'a>,
    /// Whether a serial order was found that keeps each of the orders, as far as that was tried.
    serial: [Option<Result<(), Trouble>>; Order::ALL.len()],
    budget: &'a Budget,
}

impl Judge<'_> {
    fn verdict(&mut self, asked: Asked) -> Verdict {
        let claim = asked.claim;
        match claim {
            Claim::ReadUncommitted => self.read_uncommitted(asked),
            Claim::CursorStability => self.cursor_stability(asked),
            Claim::ReadCommitted => {
                let rule = Rule { level: Level::ReadsFrom, sessions: false };
                self.case.weak(asked, rule, tells_of_others, self.budget)
            }
            Claim::ReadAtomic => {
                let rule = Rule { level: Level::ReadAtomic, sessions: false };
                self.case.weak(asked, rule, |_| true, self.budget)
            }
            Claim::Causal => {
                let rule = Rule { level: Level::Causal, sessions: true };
                self.case.weak(asked, rule, |_| true, self.budget)
            }
            _ => self.by_order(asked),
        }
    }

    /// Versions that are read and overwritten in one transaction go in no circle.
    fn read_uncommitted(&self, asked: Asked) -> Verdict {
        let judged = self.facts.transactions.committed;
        if let Some(anomaly) = versions::circle(&self.case, &self.facts) {
            let reason = format!(
                "Some of {} would each have to overwrite the next ({}).",
                count(judged, "transaction"),
                anomaly.name
            );
            return Verdict::invalid(asked, judged, reason, vec![anomaly]);
        }
        if let Some(reason) = self.case.undecided() {
            return Verdict::unknown(asked, judged, reason);
        }
        let reason = self.case.upheld("some order of the versions agrees with");
        Verdict::valid(asked, judged, reason)
    }

    fn cursor_stability(&self, asked: Asked) -> Verdict {
        let rule = Rule { level: Level::ReadsFrom, sessions: false };
        let verdict = self.case.weak(asked, rule, tells_of_others, self.budget);
        if verdict.validity == crate::Validity::Invalid {
            return verdict;
        }
        let lost = versions::lost_updates(&self.case, &self.facts);
        if lost.is_empty() {
            return verdict;
        }
        let judged = self.facts.transactions.committed;
        let reason = format!(
            "Some of {} overwrote one version that each of them had read (lost-update).",
            count(judged, "transaction")
        );
        Verdict::invalid(asked, judged, reason, lost)
    }

    fn by_order(&mut self, asked: Asked) -> Verdict {
        let claim = asked.claim;
        let judged = self.facts.transactions.committed;
        let Some(model) = model(claim) else {
            return Verdict::unknown(asked, judged, "This checker does not decide it.");
        };
        let weak = matches!(claim, Claim::ConsistentView | Claim::RepeatableRead);
        let breaking = |kind| !weak || tells_of_others(kind);
        if let Some(verdict) = self.case.broken_by_findings(asked, breaking) {
            return verdict;
        }
        if model.order == Order::Realtime && !self.history.has_real_time() {
            // What breaks it without real time breaks it.
            let without = Model { order: Order::Process, ..model };
            let verdict = self.decide(asked, without);
            if verdict.validity == crate::Validity::Invalid {
                return verdict;
            }
            let reason = "The history says nothing of real time, only the order of each session, so \
                          that nobody can say whether an order of transactions agrees with it.";
            return Verdict::unknown(asked, judged, reason);
        }
        self.decide(asked, model)
    }

    fn decide(&mut self, asked: Asked, model: Model) -> Verdict {
        let judged = self.facts.transactions.committed;
        let serial = self.is_serial(model.order);
        let upheld = |what: &str| match self.case.undecided() {
            Some(reason) => Verdict::unknown(asked, judged, reason),
            None => Verdict::valid(asked, judged, self.case.upheld(what)),
        };
        if serial {
            let keeps = match model.order {
                Order::Data => "",
                Order::Process => " that keeps every session",
                Order::Realtime => " that keeps real time",
            };
            return upheld(&format!("a serial order{keeps}, played back, explains"));
        }
        if let Some(verdict) = self.broken_nearby(asked, model) {
            return verdict;
        }
        let events = Events::new(&self.facts, model);
        match search(&events, self.budget) {
            Answer::Holds => upheld(match model.isolation {
                Isolation::Serial => "a serial order, played back, explains",
                Isolation::Snapshot => "an order of starts and commits, played back, explains",
                Isolation::View => "an order of all versions explains",
            }),
            Answer::Broken(contradictions, cases) => self
                .broken(asked, &self.case, &events, &contradictions, cases)
                .unwrap_or_else(|| Verdict::unknown(asked, judged, out_of_time())),
            Answer::Stopped(Stopped::Memory(bytes), _) => {
                Verdict::unknown(asked, judged, out_of_memory(bytes, self.budget))
            }
            Answer::Stopped(Stopped::Time, tried) => {
                let reason = format!(
                    "Inference left the order of some versions open, and {} of it were tried before \
                     the time ended. More time would help, or transactions that read what they \
                     overwrite.",
                    count(tried, "case")
                );
                Verdict::unknown(asked, judged, reason)
            }
        }
    }
}

impl Judge<'_> {
    /// Whether a serial order is found that keeps an order, or a stronger one.
    fn is_serial(&mut self, least: Order) -> bool {
        let real_time = self.history.has_real_time();
        let usable = |order: &Order| *order >= least && (*order < Order::Realtime || real_time);
        Order::ALL.into_iter().rev().filter(usable).any(|order| {
            let (facts, budget) = (&self.facts, self.budget);
            let tried = &mut self.serial[order as usize];
            tried.get_or_insert_with(|| place(facts, order, &[], budget)).is_ok()
        })
    }

    /// Looks for a proof among the transactions around those that no serial order was found for. What
    /// a part of a history breaks the whole does.
    fn broken_nearby(&self, asked: Asked, model: Model) -> Option<Verdict> {
        let trouble = self.serial[model.order as usize].as_ref()?.as_ref().err()?;
        for reach in REACHES {
            let keep = self.facts.near(&trouble.around, reach)?;
            let part = self.facts.transactions.part(&keep);
            let facts = Facts::new(self.history, &part);
            let events = Events::new(&facts, model);
            let time = NEARBY.min(self.budget.left());
            let budget = Budget::new(time, self.budget.memory_bytes);
            if let Answer::Broken(contradictions, cases) = search(&events, &budget) {
                let case = self.case.about(&part);
                let verdict = self.broken(asked, &case, &events, &contradictions, cases);
                if verdict.is_some() {
                    return verdict;
                }
            }
        }
        None
    }

    /// That a claim is broken, by contradictions; nothing if they could not be told in time.
    fn broken(
        &self,
        asked: Asked,
        case: &Case<'_>,
        events: &Events<'_>,
        contradictions: &[Contradiction],
        cases: usize,
    ) -> Option<Verdict> {
        let judged = self.facts.transactions.committed;
        let told =
            proofs(case, self.history, events, asked.claim, contradictions, cases, self.budget);
        let reason = format!(
            "There is no such order of {}: some would each have to come before the next ({}).",
            count(judged, "transaction"),
            told.first()?.name
        );
        Some(Verdict::invalid(asked, judged, reason, told))
    }
}

/// Whether a finding is about what other transactions did, and not a contradiction of a transaction
/// with itself.
fn tells_of_others(kind: Kind) -> bool {
    !matches!(kind, Kind::Internal | Kind::Nonrepeatable)
}
