//! The verdicts about watches, in words.

use std::fmt::Write as _;

use rayon::prelude::*;
use schism_history::History;

use super::known::{Events, TooMuch};
use super::operations::{Content, Event, Watch};
use super::watches::{Findings, KEPT_MAX, Kind, Proof, find};
use crate::phrase::{count, list, who};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "watch",
    summary: "watches of a store: order, repetitions, gaps, split revisions, resumption, bookmarks",
    subjects: &["watch"],
    decides: DECIDES,
    check,
};

/// What it decides, in the order of [`Kind::ALL`].
pub(crate) const DECIDES: &[Claim] = &[
    Claim::Ordered,
    Claim::Unique,
    Claim::Reliable,
    Claim::Atomic,
    Claim::Resumable,
    Claim::Bookmarkable,
];

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let all = |reason: String| -> Vec<Verdict> {
        question.claims.iter().map(|&asked| Verdict::unknown(asked, 0, reason.clone())).collect()
    };
    let too_slow = "The time was over before all watches were read; more of it would help.";
    let events = match Events::read(history, budget) {
        Ok(events) => events,
        Err(TooMuch::Time) => return all(too_slow.into()),
        Err(TooMuch::Memory(bytes)) => {
            return all(format!(
                "The events would take {} MB or more, and {} MB are allowed; more memory would help.",
                bytes >> 20,
                budget.memory_bytes >> 20
            ));
        }
    };
    // Rayon keeps the order of the watches.
    let look = |watch| (!budget.expired()).then(|| find(watch, &events, history));
    let findings: Option<Vec<Findings<'_>>> = events.watches.par_iter().map(look).collect();
    let Some(findings) = findings else { return all(too_slow.into()) };
    let judge = Judge { question, history, events: &events, findings };
    question.claims.iter().map(|&asked| judge.verdict(asked)).collect()
}

struct Judge<'a> {
    question: &'a Question,
    history: &'a History,
    events: &'a Events<'a>,
    findings: Vec<Findings<'a>>,
}

/// What a claim forbids.
pub(crate) fn forbidden(claim: Claim) -> Kind {
    match claim {
        Claim::Ordered => Kind::Unordered,
        Claim::Unique => Kind::Repeated,
        Claim::Reliable => Kind::Missing,
        Claim::Atomic => Kind::Split,
        Claim::Resumable => Kind::Unresumed,
        _ => Kind::Bookmark,
    }
}

impl Judge<'_> {
    fn verdict(&self, asked: Asked) -> Verdict {
        let (kind, judged) = (forbidden(asked.claim), self.events.operations);
        let number = self.count(kind);
        if number > 0 {
            let watches = self.events.watches.iter().zip(&self.findings);
            let kept = watches.flat_map(|(watch, found)| {
                let proofs = found.of(kind).kept.iter();
                proofs.map(move |proof| self.anomaly(kind, watch, proof))
            });
            let anomalies = kept.take(KEPT_MAX).collect();
            return Verdict::invalid(asked, judged, self.violated(kind, number), anomalies);
        }
        match self.undecided(kind) {
            Some(reason) => Verdict::unknown(asked, judged, reason),
            None => Verdict::valid(asked, judged, self.upheld(kind)),
        }
    }

    fn count(&self, kind: Kind) -> usize {
        self.findings.iter().map(|found| found.of(kind).count).sum()
    }

    fn chances(&self, kind: Kind) -> usize {
        self.findings.iter().map(|found| found.chances[kind as usize]).sum()
    }

    fn watches(&self) -> String {
        let number = self.findings.len();
        format!("{number} watch{}", if number == 1 { "" } else { "es" })
    }

    fn violated(&self, kind: Kind, number: usize) -> String {
        let here = self.findings.iter().filter(|found| found.of(kind).count > 0).count();
        let of = format!("in {here} of {}", self.watches());
        let (events, one) = (count(number, "event"), number == 1);
        match kind {
            Kind::Unordered => {
                let verb = if one { "comes" } else { "come" };
                format!("{events} {verb} after one of a later revision, {of}.")
            }
            Kind::Repeated => {
                format!("{events} {} again, {of}.", if one { "comes" } else { "come" })
            }
            Kind::Missing => format!(
                "{events} that happened between the first and the last that came {} not among them, \
                 {of}.",
                if one { "is" } else { "are" }
            ),
            Kind::Split => {
                format!("{} did not come in one response, {of}.", count(number, "revision"))
            }
            Kind::Unresumed => format!(
                "{events} since the revision from which a watch was to begin {} before its first, \
                 {of}.",
                if one { "is missing" } else { "are missing" }
            ),
            Kind::Bookmark => format!(
                "{events} up to a revision of which a notification said that all was delivered had \
                 not been, {of}."
            ),
        }
    }

    fn undecided(&self, kind: Kind) -> Option<String> {
        if let Some(alien) = &self.events.alien {
            return Some(format!("The history is not one of watches: {}.", alien.problem));
        }
        if self.findings.iter().all(|found| found.events == 0) && kind != Kind::Bookmark {
            return Some(format!(
                "{} returned no event, so that nothing was seen.",
                self.watches()
            ));
        }
        let (chances, minimum) = (self.chances(kind), self.question.evidence_min);
        let what = match kind {
            Kind::Unordered | Kind::Repeated => "event that came after another",
            Kind::Missing => {
                "event between the first and the last of a watch for which another operation vouches"
            }
            Kind::Split => "revision with several events in one watch",
            Kind::Unresumed => {
                "watch from a revision since which an event is known by another operation"
            }
            Kind::Bookmark => "event that a progress notification covers, or that came after one",
        };
        (chances < minimum).then(|| {
            format!(
                "Of what could show a violation ({what}) there are {chances}; at least {minimum} \
                 are wanted."
            )
        })
    }

    fn upheld(&self, kind: Kind) -> String {
        let events: usize = self.findings.iter().map(|found| found.events).sum();
        let (chances, watches) = (self.chances(kind), self.watches());
        let events = count(events, "event");
        match kind {
            Kind::Unordered => format!(
                "{events} of {watches} came in order of their revisions.{}{}",
                self.lag(),
                self.others()
            ),
            Kind::Repeated => format!("{events} of {watches}, none of them twice in one watch."),
            Kind::Missing => format!(
                "{} known from other operations to lie inside {watches} came, out of {} in all.{}",
                count(chances, "event"),
                count(self.events.len(), "known event"),
                self.lag()
            ),
            Kind::Split => {
                format!(
                    "{} with several events came in one response each.",
                    count(chances, "revision")
                )
            }
            Kind::Unresumed => format!(
                "{chances} of {watches} began at a revision, and missed nothing known since it."
            ),
            Kind::Bookmark => format!(
                "{} covered by progress notifications, or after them, came when they should.",
                count(chances, "event")
            ),
        }
    }

    /// How many acknowledged changes the watches had not been sent when they ended.
    fn lag(&self) -> String {
        let worst = self
            .findings
            .iter()
            .enumerate()
            .max_by_key(|(place, found)| (found.lag, std::cmp::Reverse(*place)));
        let Some((place, worst)) = worst.filter(|_| self.history.has_real_time()) else {
            return String::new();
        };
        if worst.lag == 0 {
            return " None lagged behind what had been acknowledged when it ended.".into();
        }
        format!(
            " The worst lag is that of the {}, which ended {} behind what had been acknowledged.",
            self.the(self.events.watches[place].number),
            count(worst.lag, "event")
        )
    }

    /// Violations of claims that were not asked.
    fn others(&self) -> String {
        let asked = |claim| self.question.claims.iter().any(|asked| asked.claim == claim);
        let others = DECIDES.iter().filter(|&&claim| !asked(claim));
        let seen: Vec<String> = others
            .filter(|&&claim| self.count(forbidden(claim)) > 0)
            .map(|&claim| {
                let kind = forbidden(claim);
                format!("{} {} (forbidden by {claim})", self.count(kind), kind.name())
            })
            .collect();
        if seen.is_empty() {
            return String::new();
        }
        format!(" Also seen, and not asked about: {}.", list(&seen))
    }

    fn the(&self, number: usize) -> String {
        let operation = self.history.operation(number);
        format!("{} of event {} ({})", operation.op.f, operation.invoked, who(&operation))
    }

    fn anomaly(&self, kind: Kind, watch: &Watch<'_>, proof: &Proof<'_>) -> Anomaly {
        let by = proof.by.filter(|&by| by != watch.number);
        let invoked = |number| self.history.operation(number).invoked;
        Anomaly {
            name: kind.name().into(),
            key: Some(proof.event.key.to_string()),
            operations: by.into_iter().chain([watch.number]).map(invoked).collect(),
            explanation: self.tell(kind, watch, proof, by),
            witness: Witness::Operations,
        }
    }

    fn tell(&self, kind: Kind, watch: &Watch<'_>, proof: &Proof<'_>, by: Option<usize>) -> String {
        let (the, event) = (self.the(watch.number), told(proof.event));
        let against = proof.against.map(told).unwrap_or_default();
        let mut story = match kind {
            Kind::Unordered => format!("The {the} was sent {event} after {against}."),
            Kind::Repeated => format!("The {the} was sent {event} when it had already had it."),
            Kind::Missing if proof.against.is_some() => {
                format!("The {the} was sent {against} in place of {event}.")
            }
            Kind::Missing => {
                format!("The {the} was sent events before and after {event}, but never that.")
            }
            Kind::Split if by.is_some() || proof.by.is_some() => {
                format!("The {the} was sent {against}, but not {event}, of the same revision.")
            }
            Kind::Split => format!(
                "The {the} was sent {against} in one response and {event}, of the same revision, in \
                 another."
            ),
            Kind::Unresumed => format!(
                "The {the} was to begin at revision {}, but {event} did not come before its first \
                 event.",
                watch.start.unwrap_or_default()
            ),
            Kind::Bookmark => {
                let progress = proof.progress.unwrap_or_default();
                let late = if proof.by.is_some() { "never came" } else { "came only afterwards" };
                format!(
                    "The {the} was told that everything up to revision {progress} had been \
                     delivered, but {event} {late}."
                )
            }
        };
        if let Some(by) = by {
            let _ = write!(story, " The {} vouches for it.", self.the(by));
        }
        story
    }
}

/// `put x = 3 at revision 7`.
fn told(event: Event<'_>) -> String {
    let (key, revision) = (event.key, event.revision);
    match event.content {
        Content::Deleted => format!("the deletion of {key} at revision {revision}"),
        Content::Put(Some(value)) => format!("the put of {key} = {value} at revision {revision}"),
        Content::Put(None) => format!("the put of {key} at revision {revision}"),
    }
}
