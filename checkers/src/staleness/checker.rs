//! The verdicts.

use std::time::Duration;

use schism_history::{History, Value};

use super::convergence::{Finding, converges};
use super::lag::{Lag, Lags, lags};
use super::registers::{Register, Registers};
use crate::phrase::{count, list, span, who};
use crate::session::{SUBJECTS, broken, shown, too_large, too_little};
use crate::{Anomaly, Asked, Bound, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "staleness",
    summary: "how far reads lag behind acknowledged writes, and whether final reads agree",
    subjects: SUBJECTS,
    decides: &[Claim::BoundedStaleness, Claim::EventualConvergence],
    check,
};

/// The row of texts that grow.
pub(crate) const TEXTS: CheckerEntry = CheckerEntry {
    name: "texts-staleness",
    summary: "how far gets lag behind acknowledged puts and appends, and whether final gets agree",
    subjects: &["kv-append"],
    check: check_texts,
    ..ENTRY
};

/// What is allowed when nobody says more.
const WITHIN: Duration = Duration::from_secs(5);
/// Proofs that are kept.
const KEPT_MAX: usize = 8;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    decide(question, history, budget, || Registers::of(history))
}

fn check_texts(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    // Nil is what many systems call the empty text.
    let initial = match &question.initial {
        text @ Value::Text(_) => text.clone(),
        _ => Value::Text("".into()),
    };
    let question = Question { initial, ..question.clone() };
    decide(&question, history, budget, || Registers::of_texts(history, &question.initial))
}

fn decide<'a>(
    question: &'a Question,
    history: &'a History,
    budget: &Budget,
    registers: impl FnOnce() -> Registers<'a>,
) -> Vec<Verdict> {
    if let Some(reason) = too_large(history, budget) {
        let unknown = |&asked| Verdict::unknown(asked, 0, reason.clone());
        return question.claims.iter().map(unknown).collect();
    }
    let judge = Judge { question, history, registers: registers() };
    let verdict = |&asked: &Asked| match asked.claim {
        Claim::BoundedStaleness => judge.staleness(asked, budget),
        _ => judge.convergence(asked, budget),
    };
    question.claims.iter().map(verdict).collect()
}

struct Judge<'a> {
    question: &'a Question,
    history: &'a History,
    registers: Registers<'a>,
}

/// The lags of all reads, as quantiles, and the worst.
struct Distribution {
    sorted: Vec<Duration>,
    /// Its place among the registers, and the lag.
    worst: Option<(usize, Lag)>,
    versions: u64,
}

impl Distribution {
    fn of(all: &[Lags]) -> Self {
        let lags = || all.iter().flat_map(|lags| &lags.least);
        let mut sorted: Vec<Duration> = lags().map(|lag| lag.time).collect();
        sorted.sort_unstable();
        let each = all.iter().enumerate();
        let each = each.flat_map(|(place, lags)| lags.least.iter().map(move |lag| (place, *lag)));
        let worst = each.max_by_key(|(place, lag)| (lag.time, lag.versions, usize::MAX - place));
        let versions = lags().map(|lag| lag.versions).max().unwrap_or(0);
        Self { sorted, worst, versions }
    }

    fn quantile(&self, share: f64) -> Duration {
        let place = (self.sorted.len() as f64 * share).ceil() as usize;
        self.sorted.get(place.max(1) - 1).copied().unwrap_or_default()
    }

    fn told(&self) -> String {
        format!(
            "{}: lag p50 {}, p99 {}, worst {} and {}",
            count(self.sorted.len(), "read"),
            span(self.quantile(0.5)),
            span(self.quantile(0.99)),
            span(self.sorted.last().copied().unwrap_or_default()),
            count(self.versions as usize, "version"),
        )
    }
}

impl Judge<'_> {
    fn objects(&self) -> &'static str {
        if TEXTS.subjects.contains(&self.question.workload.as_str()) {
            "texts"
        } else {
            "registers"
        }
    }

    fn staleness(&self, asked: Asked, budget: &Budget) -> Verdict {
        let judged = self.history.len();
        let unknown = |reason: String| Verdict::unknown(asked, judged, reason);
        if !self.history.has_real_time() {
            return unknown(
                "Only the order within each session is known, so that nobody can say what had been \
                 acknowledged before a read began."
                    .into(),
            );
        }
        if !self.history.has_times() && asked.versions.is_none() {
            return unknown(
                "The history records no times; a bound in versions (bounded-staleness:3) would \
                 help."
                    .into(),
            );
        }
        let mut all: Vec<Lags> = Vec::new();
        for register in &self.registers.registers {
            if budget.expired() {
                let of = self.registers.registers.len();
                return unknown(format!(
                    "The time for the check ended after {} of {of} keys; more would help.",
                    all.len()
                ));
            }
            all.push(lags(register, &self.question.initial));
        }
        let within = match (asked.within, asked.versions) {
            (None, None) => Some(WITHIN),
            (within, _) => within,
        };
        let beyond = |lag: &Lag| {
            within.is_some_and(|it| lag.time > it)
                || asked.versions.is_some_and(|it| lag.versions > it)
        };
        let each = || {
            all.iter().enumerate().flat_map(|(at, it)| it.least.iter().map(move |lag| (at, lag)))
        };
        let mut proofs: Vec<(usize, &Lag)> = each().filter(|(_, lag)| beyond(lag)).collect();
        proofs
            .sort_by_key(|(at, lag)| (std::cmp::Reverse((lag.time, lag.versions)), *at, lag.read));
        let beyond_count = proofs.len();
        let distribution = Distribution::of(&all);
        if !proofs.is_empty() {
            proofs.truncate(KEPT_MAX);
            let told = proofs.iter().map(|(at, lag)| self.stale(asked, within, *at, lag)).collect();
            let mut verdict = broken(asked, judged, told);
            verdict.reason = format!(
                "{} of {} {} beyond the bound. {}",
                beyond_count,
                distribution.told(),
                if beyond_count == 1 { "is" } else { "are" },
                verdict.anomalies[0].explanation
            );
            return verdict;
        }
        if let Some(problem) = &self.registers.alien {
            return unknown(format!(
                "The history cannot be judged as one of {}: {problem}. Before it, {}.",
                self.objects(),
                distribution.told()
            ));
        }
        let registers = || self.registers.registers.iter().zip(&all);
        let nowhere =
            registers().find_map(|(it, lags)| Some(it.reads[*lags.nowhere.first()? as usize]));
        if let Some(read) = nowhere {
            let operation = self.history.operation(read.number as usize);
            return unknown(format!(
                "The read of event {} ({}) returned {}, which nobody had written by then, so that \
                 it is of no age.",
                operation.invoked,
                who(&operation),
                shown(read.value)
            ));
        }
        let doubt = registers().find_map(|(it, lags)| {
            let lag = lags.most.iter().find(|lag| beyond(lag))?;
            Some(it.reads[lag.read as usize])
        });
        if let Some(read) = doubt {
            let event = self.history.operation(read.number as usize).invoked;
            return unknown(format!(
                "{} was written more than once, and whether the read of event {event} is within the \
                 bound depends on which write it saw. {}.",
                shown(read.value),
                distribution.told()
            ));
        }
        let evidence = all.iter().map(|lags| lags.evidence).sum();
        let what = "read after an acknowledged write was";
        if let Some(reason) = too_little(evidence, self.question, what) {
            return unknown(reason);
        }
        let worst = distribution.worst.filter(|(_, lag)| lag.newer.is_some());
        let worst = worst.map(|(at, lag)| format!(" The worst: {}", self.story(at, &lag)));
        let reason = format!("{}.{}", distribution.told(), worst.unwrap_or_default());
        Verdict::valid(asked, judged, reason)
    }

    fn story(&self, at: usize, lag: &Lag) -> String {
        let register: &Register<'_> = &self.registers.registers[at];
        let read = &register.reads[lag.read as usize];
        let operation = self.history.operation(read.number as usize);
        let newer = lag.newer.map(|it| &register.writes[it as usize]);
        let newer = newer.map(|write| {
            let of = self.history.operation(write.number as usize);
            format!(
                "{} (event {}, {}), which is newer, had been acknowledged {} before that read was \
                 invoked",
                shown(write.value),
                of.invoked,
                who(&of),
                span(lag.time)
            )
        });
        format!(
            "the read of {} of event {} ({}) returned {}, though {}; it misses {}.",
            register.key,
            operation.invoked,
            who(&operation),
            shown(read.value),
            newer.unwrap_or_default(),
            count(lag.versions as usize, "acknowledged version"),
        )
    }

    fn stale(&self, asked: Asked, within: Option<Duration>, at: usize, lag: &Lag) -> Anomaly {
        let register = &self.registers.registers[at];
        let read = &register.reads[lag.read as usize];
        let invoked = |number: u32| self.history.operation(number as usize).invoked;
        let writes = [lag.source, lag.newer].into_iter().flatten();
        let mut operations: Vec<u64> =
            writes.map(|it| invoked(register.writes[it as usize].number)).collect();
        operations.push(invoked(read.number));
        let mut bounds: Vec<String> = within.iter().map(|it| span(*it)).collect();
        bounds.extend(asked.versions.iter().map(|it| count(*it as usize, "version")));
        let explanation = self.story(at, lag);
        Anomaly {
            name: "lagging-read".into(),
            key: Some(register.key.to_string()),
            operations,
            explanation: crate::session::capitalized(&explanation),
            witness: Witness::Bound(Bound {
                what: "age of the newest acknowledged version that a read misses".into(),
                bound: list(&bounds),
                seen: format!("{} and {}", span(lag.time), count(lag.versions as usize, "version")),
                fault: None,
                at_s: read.start.as_secs_f64(),
            }),
        }
    }

    fn convergence(&self, asked: Asked, budget: &Budget) -> Verdict {
        let judged = self.history.len();
        let unknown = |reason: String| Verdict::unknown(asked, judged, reason);
        if !self.history.has_real_time() {
            return unknown(
                "Only the order within each session is known, so that nobody can say which reads \
                 are final."
                    .into(),
            );
        }
        if let Some(problem) = &self.registers.alien {
            return unknown(format!(
                "The history cannot be judged as one of {}: {problem}.",
                self.objects()
            ));
        }
        let (mut proofs, mut late, mut unsettled) = (Vec::new(), None, None);
        let (mut agreed, mut evidence, mut unread) = (0, 0, 0);
        for register in &self.registers.registers {
            if budget.expired() {
                return unknown("The time for the check ended; more would help.".into());
            }
            match converges(register, &self.question.initial, self.history) {
                Finding::Agrees(more) => {
                    agreed += 1;
                    evidence += more;
                }
                Finding::Unread => unread += 1,
                Finding::Differs(one, other) => proofs.push(self.differ(register, one, other)),
                Finding::Unwritten(read) => proofs.push(self.unwritten(register, read)),
                Finding::Late => late = late.or(Some(register.key)),
                Finding::Unsettled => unsettled = unsettled.or(Some(register.key)),
            }
        }
        if !proofs.is_empty() {
            proofs.truncate(KEPT_MAX);
            return broken(asked, judged, proofs);
        }
        if let Some(key) = unsettled {
            return unknown(format!(
                "The reads of {key} after its last write do not agree, but no mark says that \
                 everything was healed and had been given time."
            ));
        }
        if let Some(key) = late {
            return unknown(format!(
                "The final reads of {key} differ, but an indeterminate write may have taken effect \
                 between them."
            ));
        }
        if unread > 0 && agreed > 0 || agreed == 0 {
            let keys = self.registers.registers.len();
            return unknown(format!(
                "Of {} {} no final read: none was invoked after everything was healed and the last \
                 write had completed.",
                count(keys, "key"),
                if unread == 1 { "1 has".to_owned() } else { format!("{unread} have") }
            ));
        }
        let what = "final read of a second replica was";
        if let Some(reason) = too_little(evidence, self.question, what) {
            return unknown(reason);
        }
        let reason = format!(
            "The final reads of {} agree, {} beyond the first of each key, on what was written.",
            count(agreed, "key"),
            count(evidence, "read")
        );
        Verdict::valid(asked, judged, reason)
    }

    fn told(&self, register: &Register<'_>, read: u32) -> (u64, String) {
        let read = &register.reads[read as usize];
        let operation = self.history.operation(read.number as usize);
        let event = operation.invoked;
        let found = shown(read.value);
        (event, format!("the read of event {event} ({}) returned {found}", who(&operation)))
    }

    fn anomaly(name: &str, register: &Register<'_>, operations: Vec<u64>, says: String) -> Anomaly {
        Anomaly {
            name: name.into(),
            key: Some(register.key.to_string()),
            operations,
            explanation: says,
            witness: Witness::Operations,
        }
    }

    fn differ(&self, register: &Register<'_>, one: u32, other: u32) -> Anomaly {
        let ((first, one), (second, other)) =
            (self.told(register, one), self.told(register, other));
        let says = format!(
            "After everything was healed and the last write of key {} had completed, {one}, but \
             {other}; no write can have come between.",
            register.key
        );
        Self::anomaly("divergence", register, vec![first, second], says)
    }

    fn unwritten(&self, register: &Register<'_>, read: u32) -> Anomaly {
        let value: &Value = register.reads[read as usize].value;
        let (event, told) = self.told(register, read);
        let why = if *value == self.question.initial {
            "as if nothing had been written, though a write had been acknowledged"
        } else {
            "which nobody ever wrote"
        };
        let says = format!("Finally, {told} of key {}, {why}.", register.key);
        let writes =
            register.writes.iter().filter(|write| write.completed != super::registers::NEVER);
        let last = writes.max_by_key(|write| write.completed);
        let last = last.map(|write| self.history.operation(write.number as usize).invoked);
        let operations = last.into_iter().chain([event]).collect();
        Self::anomaly("unwritten-final-value", register, operations, says)
    }
}
