//! The verdicts about sets, in words.

use std::fmt::Write as _;

use rayon::prelude::*;
use schism_history::History;

use super::elements::{Against, Analysis, KEPT_MAX, Violations, analyse};
use super::operations::{Alien, by_set};
use crate::phrase::{count, list, span, who};
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

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

/// With fewer ok operations nothing is upheld.
const OPERATIONS_MIN: usize = 10;
/// Nor with fewer reads that could have been stale, …
const TESTED_READS_MIN: usize = 3;
/// … or fewer elements in all reads together, each of which could have been none of theirs.
const RETURNED_MIN: usize = 10;

/// The cost is linear, so that the budget is not looked at.
fn check(question: &Question, history: &History, _: &Budget) -> Vec<Verdict> {
    let (sets, alien) = by_set(history);
    let healed = history.healed().map(|(index, _)| index);
    // rayon keeps the order of the sets.
    let analyses = sets.par_iter().map(|set| analyse(set, healed)).collect();
    let judge = Judge { history, analyses, alien };
    question.claims.iter().map(|&asked| judge.verdict(asked)).collect()
}

struct Judge<'a> {
    history: &'a History,
    analyses: Vec<Analysis>,
    alien: Option<Alien>,
}

impl Judge<'_> {
    fn verdict(&self, asked: Asked) -> Verdict {
        let judged = self.sum(|set| set.ok);
        let found: Vec<(&Analysis, &Violations)> = self
            .analyses
            .iter()
            .map(|set| (set, violations(asked.claim, set)))
            .filter(|(_, violations)| violations.count > 0)
            .collect();
        // What follows an event that nobody understands may show a lost element again.
        let proven = asked.claim != Claim::NoLostElements || self.alien.is_none();
        if proven && !found.is_empty() {
            let kept = found.iter().flat_map(|(set, violations)| {
                violations.kept.iter().map(|against| self.anomaly(asked.claim, set, against))
            });
            let anomalies = kept.take(KEPT_MAX).collect();
            return Verdict::invalid(asked, judged, self.violated(asked.claim, &found), anomalies);
        }
        match self.undecided(asked.claim) {
            Some(reason) => Verdict::unknown(asked, judged, reason),
            None => Verdict::valid(asked, judged, self.upheld(asked.claim)),
        }
    }

    fn sum(&self, part: impl Fn(&Analysis) -> usize) -> usize {
        self.analyses.iter().map(part).sum()
    }

    fn violated(&self, claim: Claim, found: &[(&Analysis, &Violations)]) -> String {
        let number: usize = found.iter().map(|(_, violations)| violations.count).sum();
        let keys: Vec<String> = found.iter().map(|(set, _)| set.key.to_string()).collect();
        let of = format!("of set{} {}", if keys.len() == 1 { "" } else { "s" }, list(&keys));
        let (verb, plural) = if number == 1 { ("is", "") } else { ("are", "s") };
        match claim {
            Claim::NoLostElements => {
                let tested = self.sum(|set| set.tested);
                format!("{number} of {tested} known elements {verb} lost, {of}.")
            }
            Claim::NoStaleReads => {
                let tested = self.sum(|set| set.tested_reads);
                format!(
                    "{number} of {tested} reads {verb} stale, {of}: they miss elements that were \
                     known before they began."
                )
            }
            Claim::NoDuplicates => {
                format!("{number} element{plural} {verb} repeated within one read, {of}.")
            }
            _ => format!("{number} element{plural} {verb} returned that nobody added, {of}."),
        }
    }

    fn undecided(&self, claim: Claim) -> Option<String> {
        if let Some(alien) = &self.alien {
            return Some(format!("The history is not one of sets: {}.", alien.problem));
        }
        let ok = self.sum(|set| set.ok);
        if self.sum(|set| set.reads) == 0 {
            return Some("No read was ok, so that nothing was seen.".into());
        }
        if ok < OPERATIONS_MIN {
            return Some(format!(
                "Only {} ok, which is too few to uphold anything; at least {OPERATIONS_MIN} are \
                 wanted.",
                if ok == 1 { "1 operation was".into() } else { format!("{ok} operations were") }
            ));
        }
        match claim {
            Claim::NoLostElements => self.undecided_lost(),
            Claim::NoStaleReads => {
                let tested = self.sum(|set| set.tested_reads);
                (tested < TESTED_READS_MIN).then(|| {
                    format!(
                        "Only {} began after an element was known; at least {TESTED_READS_MIN} are \
                         wanted.",
                        count(tested, "read")
                    )
                })
            }
            _ => {
                let returned = self.sum(|set| set.returned);
                (returned < RETURNED_MIN).then(|| {
                    format!(
                        "All reads together returned only {}; at least {RETURNED_MIN} are wanted.",
                        count(returned, "element")
                    )
                })
            }
        }
    }

    fn undecided_lost(&self) -> Option<String> {
        if self.history.healed().is_none() {
            return Some("The history has no mark of healing, so that no read is final.".into());
        }
        let unread = self.analyses.iter().filter(|set| set.final_reads == 0 && set.known > 0);
        let unread: Vec<String> = unread.map(|set| set.key.to_string()).collect();
        if !unread.is_empty() {
            let plural = if unread.len() == 1 { "" } else { "s" };
            return Some(format!("No final read of set{plural} {} was ok.", list(&unread)));
        }
        (self.sum(|set| set.tested) == 0)
            .then(|| "No element was known before a final read began.".into())
    }

    fn upheld(&self, claim: Claim) -> String {
        let sets = count(self.analyses.len(), "set");
        let reads = count(self.sum(|set| set.reads), "read");
        let returned = count(self.sum(|set| set.returned), "element");
        match claim {
            Claim::NoLostElements => format!(
                "{} of {sets} are all in the final reads.",
                count(self.sum(|set| set.tested), "known element")
            ),
            Claim::NoStaleReads => format!(
                "{} of {sets} return all that was known before they began.",
                count(self.sum(|set| set.tested_reads), "read")
            ),
            Claim::NoDuplicates => {
                format!("{returned} in {reads} of {sets}, none of them twice in one read.")
            }
            _ => format!("{returned} in {reads} of {sets}, each of them added before."),
        }
    }

    fn anomaly(&self, claim: Claim, set: &Analysis, against: &Against) -> Anomaly {
        let (name, what) = match claim {
            Claim::NoLostElements => ("lost", self.tell_lost(set, against)),
            Claim::NoStaleReads => ("stale", self.tell_stale(against)),
            Claim::NoDuplicates => ("duplicated", self.tell_duplicated(against)),
            _ => ("unexpected", self.tell_unexpected(against)),
        };
        let before = [against.add, against.known, against.present];
        let mut operations: Vec<usize> =
            before.into_iter().flatten().filter(|&number| number != against.read).collect();
        operations.sort_unstable();
        operations.dedup();
        operations.push(against.read);
        let invoked = |number| self.history.operation(number).invoked;
        Anomaly {
            name: name.into(),
            key: Some(set.key.to_string()),
            operations: operations.into_iter().map(invoked).collect(),
            explanation: format!("Set {}: {what}", set.key),
            witness: Witness::Operations,
        }
    }

    fn read(&self, number: usize) -> String {
        let operation = self.history.operation(number);
        format!("the read of event {} ({})", operation.invoked, who(&operation))
    }

    fn add(&self, number: usize) -> String {
        let operation = self.history.operation(number);
        let (element, index) = (&operation.op.value, operation.invoked);
        format!("add {element} (event {index}, {})", who(&operation))
    }

    /// `add 4 (…) had been acknowledged 20 ms before that read began`.
    fn vouched(&self, against: &Against) -> String {
        let Some(known) = against.known else { return "it was never acknowledged".into() };
        let (known, read) = (self.history.operation(known), self.history.operation(against.read));
        let gap = span(read.start.since(known.end.unwrap_or(known.start)));
        match against.add {
            Some(add) if add == known.number => {
                format!("{} had been acknowledged {gap} before that read began", self.add(add))
            }
            _ => {
                format!("{} had returned it {gap} before that read began", self.read(known.number))
            }
        }
    }

    fn tell_lost(&self, set: &Analysis, against: &Against) -> String {
        let mut what = format!(
            "element {} is lost. {} misses it, like every final read begun after it was known ({} \
             in all), although {}.",
            against.element,
            capital(&self.read(against.read)),
            count(set.final_reads, "final read"),
            self.vouched(against)
        );
        if let Some(present) = against.present {
            let _ = write!(what, " {} was the last to return it.", capital(&self.read(present)));
        }
        if against.alike > 1 {
            let _ = write!(what, " {} elements of this set are lost.", against.alike);
        }
        what
    }

    fn tell_stale(&self, against: &Against) -> String {
        let mut what = format!(
            "{} misses element {}, although {}.",
            self.read(against.read),
            against.element,
            self.vouched(against)
        );
        if against.alike > 1 {
            let _ = write!(what, " It misses {} known elements.", against.alike);
        }
        what
    }

    fn tell_duplicated(&self, against: &Against) -> String {
        let read = self.read(against.read);
        format!("{read} returned element {} more than once.", against.element)
    }

    fn tell_unexpected(&self, against: &Against) -> String {
        let returned = format!("{} returned element {}", self.read(against.read), against.element);
        let Some(add) = against.add else { return format!("{returned}, which nobody added.") };
        let operation = self.history.operation(add);
        if operation.failed() {
            return format!("{returned}, but {} had failed.", self.add(add));
        }
        let read = self.history.operation(against.read);
        let gap = span(operation.start.since(read.end.unwrap_or(read.start)));
        format!("{returned} {gap} before {} was invoked.", self.add(add))
    }
}

fn violations(claim: Claim, set: &Analysis) -> &Violations {
    match claim {
        Claim::NoLostElements => &set.lost,
        Claim::NoStaleReads => &set.stale,
        Claim::NoDuplicates => &set.duplicated,
        _ => &set.unexpected,
    }
}

/// The text with a capital at its beginning.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
