//! The verdicts about sets.

use rayon::prelude::*;
use schism_history::{History, Kind};

use super::elements::{Against, Analysis, Final, Violations, analyse};
use super::operations::by_set;
use super::texts::Texts;
use crate::evidence::{Alien, named, too_few};
use crate::phrase::{count, list, span};
use crate::refutation::KEPT_MAX;
use crate::{Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "set",
    summary: "grow-only sets, element by element: lost, stale, duplicated, unexpected",
    subjects: &["set", "set-full"],
    decides: DECIDES,
    check,
};

const DECIDES: &[Claim] =
    &[Claim::NoLostElements, Claim::NoStaleReads, Claim::NoDuplicates, Claim::NoUnexpectedElements];

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let (sets, alien) = by_set(history);
    let end = end_of(history, question);
    let at_once = rayon::current_num_threads().min(sets.len()).max(1);
    let budget = Budget { memory_bytes: budget.memory_bytes / at_once, ..*budget };
    // rayon keeps the order of the sets.
    let analyses = sets.par_iter().map(|set| analyse(history, set, end, &budget)).collect();
    let judge = Judge { history, analyses, alien, end, evidence_min: question.evidence_min };
    question.claims.iter().map(|&asked| judge.verdict(asked)).collect()
}

/// Which reads are final. Runs mark their end, so that a run without the mark was cut short; so was
/// a history that begins faults and never heals them. Others' histories end with their last read.
fn end_of(history: &History, question: &Question) -> Final {
    let faults = || history.events().iter().any(|event| matches!(event.kind, Kind::Fault(_)));
    match history.healed() {
        Some((index, _)) => Final::After(index),
        None if question.evidence_min > 1 || faults() => Final::None,
        None => Final::Last,
    }
}

struct Judge<'a> {
    history: &'a History,
    analyses: Vec<Analysis<'a>>,
    alien: Option<Alien>,
    end: Final,
    evidence_min: usize,
}

impl<'a> Judge<'a> {
    fn verdict(&self, asked: Asked) -> Verdict {
        let judged = self.sum(|set| set.ok);
        let found: Vec<(&Analysis<'a>, &Violations<'a>)> = self
            .analyses
            .iter()
            .map(|set| (set, violations(asked.claim, set)))
            .filter(|(_, violations)| violations.count > 0)
            .collect();
        // What follows an event that nobody understands may show a lost element again.
        let proven = asked.claim != Claim::NoLostElements || self.alien.is_none();
        if proven && !found.is_empty() {
            let texts = Texts { history: self.history, end: self.end };
            let kept = found.iter().flat_map(|(set, violations)| {
                violations.kept.iter().map(|against| texts.anomaly(asked.claim, set, against))
            });
            let anomalies = kept.take(KEPT_MAX).collect();
            return Verdict::invalid(asked, judged, self.violated(asked.claim, &found), anomalies);
        }
        match self.undecided(asked.claim) {
            Some(reason) => Verdict::unknown(asked, judged, reason),
            None => Verdict::valid(asked, judged, self.upheld(asked.claim)),
        }
    }

    fn sum(&self, part: impl Fn(&Analysis<'a>) -> usize) -> usize {
        self.analyses.iter().map(part).sum()
    }

    fn violated(&self, claim: Claim, found: &[(&Analysis<'a>, &Violations<'a>)]) -> String {
        let number: usize = found.iter().map(|(_, violations)| violations.count).sum();
        let of = sets_named(found.iter().map(|(set, _)| *set));
        let (verb, plural) = if number == 1 { ("is", "") } else { ("are", "s") };
        match claim {
            Claim::NoLostElements => {
                let tested = self.sum(|set| set.tested);
                format!("{number} of {} {verb} lost, of {of}.", count(tested, "known element"))
            }
            Claim::NoStaleReads => {
                let tested = self.sum(|set| set.tested_reads);
                format!(
                    "{number} of {} {verb} stale, of {of}: missing there are elements that were known \
                     before the read began.",
                    count(tested, "read")
                )
            }
            Claim::NoDuplicates => {
                format!("{number} element{plural} {verb} repeated within one read, of {of}.")
            }
            _ => format!("{number} element{plural} {verb} returned that nobody added, of {of}."),
        }
    }

    fn undecided(&self, claim: Claim) -> Option<String> {
        if let Some(alien) = &self.alien {
            return Some(alien.reason("sets"));
        }
        if self.sum(|set| set.reads) == 0 && self.evidence_min > 0 {
            return Some("No read was ok, so that nothing was seen.".into());
        }
        let about_time = matches!(claim, Claim::NoLostElements | Claim::NoStaleReads);
        if about_time && !self.history.has_real_time() {
            let reason = "Only the order within each process is known, so that nobody can say \
                          whether a read began after an element was known.";
            return Some(reason.into());
        }
        let (looked_at, reads) = (self.sum(|set| set.looked_at), self.sum(|set| set.reads));
        if looked_at < reads {
            return Some(format!(
                "Time or memory ran out after {looked_at} of {}; more of both, or a shorter \
                 history, would help.",
                count(reads, "read")
            ));
        }
        match claim {
            Claim::NoLostElements => self.undecided_lost(),
            Claim::NoStaleReads => too_few(
                self.sum(|set| set.tested_reads),
                self.evidence_min,
                "No read began after an element was known.",
                "read that began after an element was known",
            ),
            _ => too_few(
                self.sum(|set| set.returned),
                self.evidence_min,
                "No read returned an element.",
                "element that a read returned",
            ),
        }
    }

    fn undecided_lost(&self) -> Option<String> {
        if self.end == Final::None {
            return Some("The history has no mark of healing, so that no read is final.".into());
        }
        let unread = |set: &&Analysis<'_>| match self.end {
            Final::Last => set.tested == 0 && (set.never_read > 0 || set.reads == 0),
            _ => set.final_reads == 0,
        };
        let unread = self.analyses.iter().filter(|set| set.known > 0).filter(unread);
        let unread: Vec<&Analysis<'_>> = unread.collect();
        if !unread.is_empty() {
            let sets = sets_named(unread.into_iter());
            return Some(match self.end {
                Final::Last => format!("No read of {sets} began after an element was known."),
                _ => format!("No final read of {sets} was ok."),
            });
        }
        too_few(
            self.sum(|set| set.tested),
            self.evidence_min,
            "No element was known before a final read began.",
            "element that was known before a final read began",
        )
    }

    fn upheld(&self, claim: Claim) -> String {
        let sets = count(self.analyses.len(), "set");
        let reads = count(self.sum(|set| set.reads), "read");
        let returned = count(self.sum(|set| set.returned), "element");
        match claim {
            Claim::NoLostElements => {
                let tested = self.sum(|set| set.tested);
                let verb = if tested == 1 { "is" } else { "are all" };
                let (tested, stable) = (count(tested, "known element"), self.time_to_stable());
                format!("{tested} of {sets} {verb} in the final reads. {stable}")
            }
            Claim::NoStaleReads => {
                let tested = self.sum(|set| set.tested_reads);
                let (verb, they) = if tested == 1 { ("returns", "it") } else { ("return", "they") };
                let tested = count(tested, "read");
                format!("{tested} of {sets} {verb} all that was known before {they} began.")
            }
            Claim::NoDuplicates => {
                format!("{returned} in {reads} of {sets}, none of them twice in one read.")
            }
            _ => format!("{returned} in {reads} of {sets}, each of them added before."),
        }
    }

    /// How long it took until all reads showed an element, over all elements that are there to stay.
    fn time_to_stable(&self) -> String {
        let unstable = self.analyses.iter().flat_map(|set| &set.unstable_for);
        let mut unstable: Vec<u64> = unstable.copied().collect();
        unstable.sort_unstable();
        let (Some(&worst), never) = (unstable.last(), self.sum(|set| set.never_read)) else {
            return "No element is in the last read of its set.".into();
        };
        let never = match never {
            0 => String::new(),
            1 => " 1 known element was never read after that.".into(),
            never => format!(" {never} known elements were never read after that."),
        };
        if worst == 0 {
            return format!("Each was in every read from the moment that it was known.{never}");
        }
        let stale = unstable.len() - unstable.partition_point(|&took| took == 0);
        let was = if stale == 1 { "1 was" } else { &format!("{stale} were") };
        let quantile = |percent: usize| {
            let place = (unstable.len() * percent / 100).min(unstable.len() - 1);
            span(std::time::Duration::from_nanos(unstable[place]))
        };
        format!(
            "{was} stale at first: from when an element was known to the last read that missed it took \
             {} in the median, {} at the 99th percentile and {} at worst.{never}",
            quantile(50),
            quantile(99),
            quantile(100)
        )
    }
}

fn violations<'s, 'a>(claim: Claim, set: &'s Analysis<'a>) -> &'s Violations<'a> {
    match claim {
        Claim::NoLostElements => &set.lost,
        Claim::NoStaleReads => &set.stale,
        Claim::NoDuplicates => &set.duplicated,
        _ => &set.unexpected,
    }
}

/// `set x`, `sets x and y`, or `the set` where it has no key.
fn sets_named<'s, 'a: 's>(sets: impl Iterator<Item = &'s Analysis<'a>>) -> String {
    let keys: Vec<String> = sets.filter_map(|set| set.key).map(|key| key.to_string()).collect();
    match keys.len() {
        0 => "the set".into(),
        1 => format!("set {}", keys[0]),
        _ => format!("sets {}", list(&keys)),
    }
}

/// How texts call the set that `set` is about.
pub(super) fn name(set: &Analysis<'_>) -> String {
    named("set", set.key)
}

/// The operations that prove a violation, the read last, by number.
pub(super) fn operations(against: &Against<'_>) -> Vec<usize> {
    let before = [against.add, against.known, against.present];
    let mut operations: Vec<usize> =
        before.into_iter().flatten().filter(|&number| number != against.read).collect();
    operations.sort_unstable();
    operations.dedup();
    operations.push(against.read);
    operations
}
