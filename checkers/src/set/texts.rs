//! Violations of sets, in words.

use std::fmt::Write as _;

use schism_history::History;

use super::checker::{name, operations};
use super::elements::{Against, Analysis, Final};
use crate::phrase::{count, span, who};
use crate::{Anomaly, Claim, Witness};

/// What is told, of which history.
pub(super) struct Texts<'a> {
    /// The history.
    pub history: &'a History,
    /// Which of its reads are final.
    pub end: Final,
}

impl Texts<'_> {
    /// The violation of `claim` that `against` is.
    pub fn anomaly(&self, claim: Claim, set: &Analysis<'_>, against: &Against<'_>) -> Anomaly {
        let (kind, what) = match claim {
            Claim::NoLostElements => ("lost", self.tell_lost(set, against)),
            Claim::NoStaleReads => ("stale", self.tell_stale(against)),
            Claim::NoDuplicates => ("duplicated", self.tell_duplicated(against)),
            _ => ("unexpected", self.tell_unexpected(against)),
        };
        let invoked = |number| self.history.operation(number).invoked;
        Anomaly {
            name: kind.into(),
            key: set.key.map(|key| key.to_string()),
            operations: operations(against).into_iter().map(invoked).collect(),
            explanation: format!("{}: {what}", name(set)),
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
    fn vouched(&self, against: &Against<'_>) -> String {
        let Some(known) = against.known else { return "it was never acknowledged".into() };
        let (known, read) = (self.history.operation(known), self.history.operation(against.read));
        let gap = span(read.start.since(known.end.unwrap_or(known.start)));
        // An element may be added twice, and acknowledged the second time only.
        if known.op.f.as_str() == "add" {
            format!("{} had been acknowledged {gap} before that read began", self.add(known.number))
        } else {
            format!("{} had returned it {gap} before that read began", self.read(known.number))
        }
    }

    fn tell_lost(&self, set: &Analysis<'_>, against: &Against<'_>) -> String {
        let misses = match self.end {
            Final::Last => "the last read of all, misses it".into(),
            _ => format!(
                "misses it, like every final read begun after it was known ({} in all)",
                count(set.final_reads, "final read")
            ),
        };
        let comma = if self.end == Final::Last { "," } else { "" };
        let mut what = format!(
            "element {} is lost. {}{comma} {misses}, although {}.",
            against.element,
            capital(&self.read(against.read)),
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

    fn tell_stale(&self, against: &Against<'_>) -> String {
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

    fn tell_duplicated(&self, against: &Against<'_>) -> String {
        let read = self.read(against.read);
        format!("{read} returned element {} more than once.", against.element)
    }

    fn tell_unexpected(&self, against: &Against<'_>) -> String {
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

/// The text with a capital at its beginning.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
