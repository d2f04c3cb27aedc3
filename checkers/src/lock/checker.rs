//! The verdicts about locks.

use schism_history::History;

use super::alternation::alternate;
use super::fencing::{Fence, fence};
use super::holds::{Breach, Holding, holds, overlaps};
use super::operations::{Alien, Lock, by_lock};
use super::teller::Teller;
use crate::phrase::{count, list};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of locks.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "lock",
    summary: "locks: acquires and releases in turn, holders one at a time, without a search",
    subjects: &["mutex", "owner-aware-mutex", "reentrant-mutex"],
    decides: &[Claim::Linearizable, Claim::MutualExclusion],
    check,
};

/// The row of leases.
pub(crate) const LEASE: CheckerEntry = CheckerEntry {
    name: "lease",
    summary: "leases: holders one at a time, fencing tokens that rise, nothing done under an old one",
    subjects: &["lease"],
    decides: &[Claim::MutualExclusion, Claim::Fencing],
    check,
};

/// So many proofs are reported at most.
const PROOFS_MAX: usize = 8;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(reason) = refusal(history, budget) {
        let unknown = |&asked: &Asked| Verdict::unknown(asked, 0, reason.clone());
        return question.claims.iter().map(unknown).collect();
    }
    let leases = question.workload == "lease";
    let (locks, alien) = by_lock(history, leases);
    let judge = Judge { question, history, locks, alien };
    let verdict = |&asked: &Asked| match asked.claim {
        Claim::Fencing => judge.fencing(asked),
        _ => judge.exclusion(asked),
    };
    question.claims.iter().map(verdict).collect()
}

fn refusal(history: &History, budget: &Budget) -> Option<String> {
    /// Bytes for each operation, about.
    const BYTES_EACH: usize = 200;
    if !history.has_real_time() {
        return Some(
            "Only the order within each process is known, and a lock is about the order between \
             them."
                .into(),
        );
    }
    let (need, have) = (history.len().saturating_mul(BYTES_EACH), budget.memory_bytes);
    (need > have || budget.expired()).then(|| {
        format!(
            "{} need about {} MB and some time; the budget has {} MB. A larger one would help.",
            count(history.len(), "operation"),
            need.div_ceil(1_000_000),
            have / 1_000_000
        )
    })
}

/// What is known of who held one lock.
#[derive(Default)]
struct Finding {
    anomalies: Vec<Anomaly>,
    /// Why it is open.
    open: Option<String>,
}

struct Judge<'a> {
    question: &'a Question,
    history: &'a History,
    locks: Vec<Lock>,
    alien: Option<Alien>,
}

impl Judge<'_> {
    fn judged(&self) -> usize {
        self.locks.iter().map(Lock::ok).sum()
    }

    /// Whether every lock had one holder at a time.
    fn exclusion(&self, asked: Asked) -> Verdict {
        let findings: Vec<Finding> = self.locks.iter().map(|lock| self.decide(lock)).collect();
        let judged = self.judged();
        let broken: Vec<String> = self
            .locks
            .iter()
            .zip(&findings)
            .filter(|(_, finding)| !finding.anomalies.is_empty())
            .map(|(lock, _)| lock.name())
            .collect();
        let open = findings.iter().find_map(|finding| finding.open.clone());
        let anomalies = findings.into_iter().flat_map(|finding| finding.anomalies);
        let anomalies: Vec<Anomaly> = anomalies.take(PROOFS_MAX).collect();
        if !broken.is_empty() {
            let verb = if broken.len() == 1 { "breaks" } else { "break" };
            let reason =
                format!("{} {verb}, of {}.", list(&broken), count(self.locks.len(), "lock"));
            return Verdict::invalid(asked, judged, super::teller::capital(&reason), anomalies);
        }
        if let Some(reason) = self.alien_reason().or(open) {
            return Verdict::unknown(asked, judged, reason);
        }
        let tested: usize = self.locks.iter().map(Lock::tested).sum();
        if let Some(reason) =
            self.too_few(tested, "acquire", "granted after another one was asked for")
        {
            return Verdict::unknown(asked, judged, reason);
        }
        let reason = format!(
            "{} with {}, of which {} came after another one was asked for: never two holders.",
            count(self.locks.len(), "lock"),
            count(judged, "ok operation"),
            count(tested, "grant"),
        );
        Verdict::valid(asked, judged, reason)
    }

    fn alien_reason(&self) -> Option<String> {
        let alien = self.alien.as_ref()?;
        Some(format!(
            "The history cannot be judged as one of locks: {}. What came before shows no violation.",
            alien.problem
        ))
    }

    fn too_few(&self, tested: usize, noun: &str, when: &str) -> Option<String> {
        let least = self.question.evidence_min;
        let wanted = if least == 1 { "1 is wanted".into() } else { format!("{least} are wanted") };
        let verb = if tested == 1 { "was" } else { "were" };
        (tested < least)
            .then(|| format!("Only {} {verb} {when}; at least {wanted}.", count(tested, noun)))
    }

    fn decide(&self, lock: &Lock) -> Finding {
        let teller = Teller { history: self.history, lock };
        let holding = match self.question.workload.as_str() {
            "owner-aware-mutex" => Holding::Owned,
            "reentrant-mutex" => Holding::Reentrant,
            "lease" => Holding::Lease,
            _ => {
                let stuck = alternate(lock);
                let anomalies = stuck.iter().map(|stuck| teller.tell_stuck(stuck)).collect();
                return Finding { anomalies, open: None };
            }
        };
        let (holds, mut breaches) = holds(lock, holding);
        breaches.extend(overlaps(&holds, PROOFS_MAX));
        if !breaches.is_empty() && lock.shared_owners && holding != Holding::Lease {
            return Self::decide_shared(&teller, holding);
        }
        breaches.sort_by_key(|breach| teller.shows_at(breach));
        breaches.truncate(PROOFS_MAX);
        let tell = |breach: &Breach| teller.tell_breach(breach);
        Finding { anomalies: breaches.iter().map(tell).collect(), open: None }
    }

    /// One owner is several processes, so that one may release what another acquired. Then a lock
    /// that anybody may release is the least that must hold.
    fn decide_shared(teller: &Teller<'_>, holding: Holding) -> Finding {
        if holding == Holding::Owned
            && let Some(stuck) = alternate(teller.lock)
        {
            return Finding { anomalies: vec![teller.tell_stuck(&stuck)], open: None };
        }
        let reason = format!(
            "Some owner of {} is more than one process, and taken for itself each of these breaks \
             the rules: which of them released what cannot be told. One process for each owner \
             would help.",
            teller.lock.name()
        );
        Finding { anomalies: Vec::new(), open: Some(reason) }
    }

    /// Whether tokens rise, and nothing was done under an old one.
    fn fencing(&self, asked: Asked) -> Verdict {
        let judged = self.judged();
        let fences: Vec<Fence> = self.locks.iter().map(|lock| fence(lock, PROOFS_MAX)).collect();
        let pairs = || self.locks.iter().zip(&fences);
        let tell = |(lock, fence): (&Lock, &Fence)| {
            let teller = Teller { history: self.history, lock };
            fence.gaps.iter().map(|gap| teller.tell_gap(gap)).collect::<Vec<Anomaly>>()
        };
        let anomalies: Vec<Anomaly> = pairs().flat_map(tell).take(PROOFS_MAX).collect();
        if !anomalies.is_empty() {
            let broken: Vec<String> = pairs()
                .filter(|(_, fence)| !fence.gaps.is_empty())
                .map(|(lock, _)| lock.name())
                .collect();
            let reason = format!(
                "The fencing of {} fails, of {}.",
                list(&broken),
                count(self.locks.len(), "lock")
            );
            return Verdict::invalid(asked, judged, reason, anomalies);
        }
        if let Some(reason) = self.alien_reason() {
            return Verdict::unknown(asked, judged, reason);
        }
        let without = pairs().find_map(|(lock, fence)| Some((lock, fence.without_token?)));
        if let Some((lock, place)) = without {
            let acquire = self.history.operation(lock.entries[place as usize].number as usize);
            let reason = format!(
                "The acquire of event {} was granted and returned no token.",
                acquire.invoked
            );
            return Verdict::unknown(asked, judged, reason);
        }
        let tested = fences.iter().map(|fence| fence.tested).sum();
        if let Some(reason) = self.too_few(tested, "grant or write", "asked for after another one")
        {
            return Verdict::unknown(asked, judged, reason);
        }
        let reason = format!(
            "{} of {} came after another one, each with a token that fits.",
            count(tested, "grant or write").replace("grant or writes", "grants and writes"),
            count(self.locks.len(), "lock")
        );
        Verdict::valid(asked, judged, reason)
    }
}
