//! Violations in words.

use super::dependencies::Wrong;
use super::extract::{Shown, Texts};
use super::guarantees::{Demand, Proof};
use super::orders::Pairs;
use crate::session::{Teller, anomaly_of, capitalized};
use crate::{Anomaly, Claim, Witness};

/// Edges of a circle that are told.
const TOLD_MAX: usize = 12;

impl Teller<'_> {
    /// A get, by its number, of what nobody can have made.
    pub(super) fn impossible(&self, number: u32) -> Anomaly {
        let operation = self.steps.history.operation(number as usize);
        let returned = operation.ok().map(|reply| reply.value.to_string()).unwrap_or_default();
        Anomaly {
            name: "ThinAirRead".into(),
            key: operation.op.key.map(|key| key.to_string()),
            operations: vec![operation.invoked],
            explanation: format!(
                "{} returned {returned}, which no puts and appends that may have happened can have \
                 made.",
                capitalized(&self.operation(number)),
            ),
            witness: Witness::Operations,
        }
    }

    /// A proof that a guarantee of sessions was broken.
    pub(super) fn proof(
        &self,
        claim: Claim,
        proof: &Proof,
        texts: &Texts<'_>,
        pairs: &Pairs,
    ) -> Anomaly {
        match proof {
            Proof::Missing(demand) => {
                let why = "its text begins with what was there first, so that nothing hides it";
                self.missing(claim, demand, why, &[])
            }
            Proof::Circle(demand, circle) => {
                let key = self.steps.versions[self.version(demand.missing) as usize].key;
                let told: Vec<String> = circle
                    .iter()
                    .take(TOLD_MAX)
                    .map(|&(from, to)| self.before(from, to, pairs.shown_by(key, (from, to))))
                    .collect();
                let base = texts.shown[demand.read as usize].as_ref().and_then(Shown::base);
                let base = base.map(|base| self.step(base)).unwrap_or_default();
                let why = format!(
                    "{base}, with which its text begins, cannot have come after that: {}",
                    told.join("; ")
                );
                let more: Vec<u32> = circle.iter().flat_map(|&(from, to)| [from, to]).collect();
                self.missing(claim, demand, &why, &more)
            }
            Proof::Swapped(wrong) => self.swapped(claim, wrong),
        }
    }

    fn version(&self, update: u32) -> u32 {
        self.steps.writes(update).first().copied().unwrap_or(0)
    }

    fn before(&self, from: u32, to: u32, shown_by: Option<u32>) -> String {
        let (first, second) = (self.step(from), self.step(to));
        let of = |step: u32| self.steps.all[step as usize].session;
        match shown_by {
            Some(get) => format!("{} shows {first} before {second}", self.step(get)),
            None if of(from) == of(to) && from < to => {
                format!("{} did {first} before {second}", self.steps.session(from).process)
            }
            None => format!(
                "{first} would have to come before {second}, which some get shows without it"
            ),
        }
    }

    fn missing(&self, claim: Claim, demand: &Demand, why: &str, more: &[u32]) -> Anomaly {
        let (read, missing) = (self.step(demand.read), self.step(demand.missing));
        let because = self.step(demand.because);
        let seen = demand.seen.map(|(write, by)| {
            let process = self.steps.session(write).process;
            format!("{} had shown {}, and before that {process}", self.step(by), self.step(write))
        });
        let although = match (claim, seen) {
            (Claim::ReadYourWrites, _) => "which its own session had done before".to_owned(),
            (Claim::MonotonicReads, _) => format!("which {because} of the same session had shown"),
            (Claim::MonotonicWrites, seen) => {
                format!("although {} had done it", seen.unwrap_or_default())
            }
            (_, seen) => format!("although {} had seen it by {because}", seen.unwrap_or_default()),
        };
        let explanation =
            format!("{} does not show {missing}, {although}: {why}.", capitalized(&read));
        let seen = demand.seen.iter().flat_map(|&(write, by)| [write, by]);
        let steps = [demand.missing, demand.because].into_iter().chain(seen);
        self.anomaly(claim, demand.read, steps.chain(more.iter().copied()), explanation)
    }

    fn swapped(&self, claim: Claim, wrong: &Wrong) -> Anomaly {
        let Wrong { read, first, second, because, earlier } = *wrong;
        let process = self.steps.session(second).process;
        let (one, other) = (self.step(first), self.step(second));
        let read_told = capitalized(&self.step(read));
        let explanation = match (because, earlier) {
            (Some(because), _) => format!(
                "{read_told} shows {other} before {one}, which {process} had seen by {} before it \
                 did that.",
                self.step(because)
            ),
            (None, Some(earlier)) => format!(
                "{read_told} shows {one} without {other}, and {} the latter without the former, \
                 although {process} did them in this order.",
                self.step(earlier)
            ),
            (None, None) => format!(
                "{read_told} shows {other} before {one}, although {process} did them in the other \
                 order."
            ),
        };
        let more = because.into_iter().chain(earlier);
        self.anomaly(claim, read, [first, second].into_iter().chain(more), explanation)
    }

    fn anomaly(
        &self,
        claim: Claim,
        read: u32,
        steps: impl Iterator<Item = u32>,
        explanation: String,
    ) -> Anomaly {
        let last = self.invoked(read);
        let mut operations: Vec<u64> =
            steps.filter(|&it| it != read).map(|it| self.invoked(it)).collect();
        operations.sort_unstable();
        operations.dedup();
        operations.retain(|&it| it != last);
        operations.push(last);
        Anomaly {
            name: anomaly_of(claim).into(),
            key: Some(self.key_of(read)),
            operations,
            explanation,
            witness: Witness::Operations,
        }
    }
}
