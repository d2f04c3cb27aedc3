//! Violations in words.

use schism_history::Value;

use super::causal::Violation;
use super::graph::{Hop, Why};
use super::guarantees::Demand;
use super::step::{Oddity, Steps};
use super::versions::{By, Orders};
use crate::{Anomaly, Claim, Edge, Transaction, Witness};

/// Edges of a circle or path that are told; of longer ones the rest is in the witness.
const TOLD_MAX: usize = 12;

/// A value in words.
pub(crate) fn shown(value: &Value) -> String {
    if *value == Value::Nil { "nil".into() } else { value.to_string() }
}

/// Tells of steps and versions.
pub(crate) struct Teller<'a> {
    /// What it tells of.
    pub steps: &'a Steps<'a>,
}

impl Teller<'_> {
    /// Why one step comes before another, as a sentence without its full stop.
    fn hop(&self, &(from, why, to): &Hop) -> String {
        let (first, second) = (self.step(from), self.step(to));
        match why {
            Why::Session => {
                let process = self.steps.session(from).process;
                format!("{process} did {first} before {second}")
            }
            Why::ReadsFrom(version) => {
                let (value, key) = (self.value(version), self.key(version));
                format!("{second} found {value} in {key}, which {first} had put there")
            }
            Why::Overwritten { read, version } => {
                let (value, key) = (self.value(version), self.key(version));
                format!(
                    "{first} must come before {second}, since it comes before {}, which found {value} in {key}",
                    self.step(read)
                )
            }
            Why::ReplacedLater(version) => {
                let (value, key) = (self.value(version), self.key(version));
                format!("{first} found {value} in {key}, so it must come before {second}")
            }
            Why::Shown(read) => {
                format!("{} shows {first} before {second}", self.step(read))
            }
            Why::Hidden(read) => format!(
                "{first} must come before {second}, since it comes before {}, whose text begins \
                 with {second} and does not show it",
                self.step(read)
            ),
            Why::NotShown => format!(
                "the text of {first} does not show {second}, nor begins with a put that could hide \
                 it, so it must come before it"
            ),
        }
    }

    fn tell(&self, hops: &[Hop]) -> String {
        let mut told: Vec<String> = hops.iter().take(TOLD_MAX).map(|hop| self.hop(hop)).collect();
        if hops.len() > TOLD_MAX {
            told.push(format!("and so on, over {} more", hops.len() - TOLD_MAX));
        }
        told.join("; ")
    }

    /// A circle in words, with its witness.
    pub fn circle(&self, violation: &Violation) -> Anomaly {
        let circle = turned(merged(&violation.circle));
        let shows = |&(from, why, _): &Hop| match why {
            Why::Overwritten { read, version } => Some((read, Some(version))),
            Why::ReplacedLater(version) => Some((from, Some(version))),
            Why::Shown(read) | Why::Hidden(read) => Some((read, None)),
            Why::NotShown => Some((from, None)),
            _ => None,
        };
        let shown = circle.iter().find_map(shows);
        let mut explanation = match (violation.name, shown) {
            ("CyclicCO", _) => "These operations would each have to come causally before \
                themselves: "
                .to_owned(),
            (_, Some((of, version))) => {
                let read = capitalized(&self.step(of));
                let found = match version {
                    Some(version) => format!("{} in {}", self.value(version), self.key(version)),
                    None => self.returned(of),
                };
                let scope = match violation.name {
                    "WriteCORead" | "WriteCOInitRead" if version.is_none() => {
                        "and no order of its causal past leads to that"
                    }
                    "WriteCORead" | "WriteCOInitRead" => {
                        "though in its causal past that had been replaced"
                    }
                    "CyclicCF" => {
                        "and no one order of all writes explains that together with \
                        what others found"
                    }
                    "nonsequential" => {
                        "and no one order of all operations explains that together \
                        with what others found"
                    }
                    _ => {
                        "and no order of all writes explains that together with what its own \
                        session had found"
                    }
                };
                format!("{read} found {found}, {scope}: ")
            }
            _ => "These operations would each have to come before themselves: ".to_owned(),
        };
        explanation += &self.tell(&circle);
        let mut paths: Vec<Hop> = Vec::new();
        for path in &violation.paths {
            let new: Vec<Hop> = merged(path)
                .into_iter()
                .filter(|it| !circle.contains(it) && !paths.contains(it))
                .collect();
            paths.extend(new);
        }
        if !paths.is_empty() {
            explanation += ". What comes before that read: ";
            explanation += &self.tell(&paths);
        }
        explanation += ".";
        let mut steps: Vec<u32> =
            circle.iter().chain(&paths).flat_map(|&(from, _, to)| [from, to]).collect();
        steps.extend(shown.map(|(read, _)| read));
        steps.sort_unstable();
        steps.dedup();
        let last = shown.map(|(read, _)| read).or(circle.last().map(|hop| hop.0));
        let mut operations: Vec<u64> =
            steps.iter().filter(|&&it| Some(it) != last).map(|&it| self.invoked(it)).collect();
        operations.sort_unstable();
        operations.extend(last.map(|it| self.invoked(it)));
        Anomaly {
            name: violation.name.into(),
            key: shown.map(|(read, version)| match version {
                Some(version) => self.key(version),
                None => self.key_of(read),
            }),
            operations,
            explanation,
            witness: self.witness(&circle),
        }
    }

    fn witness(&self, circle: &[Hop]) -> Witness {
        let name = |step: u32| {
            let place = circle.iter().position(|hop| hop.0 == step).unwrap_or(0);
            format!("T{}", place + 1)
        };
        let transactions = circle
            .iter()
            .map(|&(from, ..)| Transaction { name: name(from), operation: self.invoked(from) });
        let edges = circle.iter().map(|hop| {
            let kind = match hop.1 {
                Why::Session => "process",
                Why::ReadsFrom(_) => "wr",
                Why::Overwritten { .. } | Why::Shown(_) | Why::Hidden(_) => "ww",
                Why::ReplacedLater(_) | Why::NotShown => "rw",
            };
            let says = format!("{}.", capitalized(&self.hop(hop)));
            Edge { from: name(hop.0), to: name(hop.2), kind: kind.into(), says }
        });
        Witness::Cycle { transactions: transactions.collect(), edges: edges.collect() }
    }

    /// A read of what nobody wrote, or of what contradicts its own transaction.
    pub fn oddity(&self, name: &str, oddity: &Oddity) -> Anomaly {
        let (key, value) = (self.key(oddity.version), self.value(oddity.version));
        let read = capitalized(&self.operation(oddity.number));
        let version = &self.steps.versions[oddity.version as usize];
        let invoked = |number: u32| self.steps.history.operation(number as usize).invoked;
        let mut operations = Vec::new();
        let why = match (oddity.instead, version.failed) {
            (Some(own), _) => {
                format!("although it had itself put or found {} there before", self.value(own))
            }
            (None, Some(failed)) => {
                operations.push(invoked(failed));
                format!("but {} had failed, and nobody else wrote {value}", self.operation(failed))
            }
            (None, None) => format!("but nobody ever wrote {value} there"),
        };
        operations.push(invoked(oddity.number));
        Anomaly {
            name: name.into(),
            key: Some(key.clone()),
            operations,
            explanation: format!("{read} found {value} in {key}, {why}."),
            witness: Witness::Operations,
        }
    }

    /// A read that fell behind.
    pub fn behind(&self, claim: Claim, demand: &Demand, orders: &Orders) -> Anomaly {
        let (key, found) = (self.key(demand.found), self.value(demand.found));
        let least = self.value(demand.least);
        let (read, because) = (self.step(demand.read), self.step(demand.because));
        let process = self.steps.session(demand.read).process;
        let other = self.steps.session(demand.because).process;
        let older = self.why_older(demand, orders);
        let seen =
            || format!("{} had found what {} wrote", self.step(demand.by), self.step(demand.seen));
        let read = capitalized(&read);
        let story = match claim {
            Claim::ReadYourWrites => {
                format!(
                    "{read} found {found} in {key}, although {process} itself had done {because} before: {older}"
                )
            }
            Claim::MonotonicReads => {
                format!(
                    "{read} found {found} in {key}, although {because} of the same session had found {least} before: {older}"
                )
            }
            Claim::MonotonicWrites => format!(
                "{read} found {found} in {key}, although {}, and {other} had done {because} before that: {older}",
                seen()
            ),
            _ => format!(
                "{read} found {found} in {key}, although {}, and before writing that {other} had found {least} in {key} by {because}: {older}",
                seen()
            ),
        };
        let mut operations: Vec<u64> =
            [demand.because, demand.seen, demand.by].map(|it| self.invoked(it)).to_vec();
        operations.extend(
            [demand.found, demand.least]
                .into_iter()
                .filter_map(|version| self.steps.writer(version).map(|it| self.invoked(it))),
        );
        operations.sort_unstable();
        operations.dedup();
        let last = self.invoked(demand.read);
        operations.retain(|&it| it != last);
        operations.push(last);
        Anomaly {
            name: anomaly_of(claim).into(),
            key: Some(key),
            operations,
            explanation: format!("{story}."),
            witness: Witness::Operations,
        }
    }

    fn why_older(&self, demand: &Demand, orders: &Orders) -> String {
        let (found, least) = (self.value(demand.found), self.value(demand.least));
        let version = &self.steps.versions[demand.found as usize];
        let key = version.key;
        let newer = &self.steps.versions[demand.least as usize];
        if self.steps.initial[key as usize] == demand.found {
            return format!("{found} was there before every write, and nobody wrote it again");
        }
        if orders.block(demand.found).0 == orders.block(demand.least).0 {
            return format!("compare-and-sets lead from {found} to {least}");
        }
        match (version.number, newer.number, orders.by[key as usize]) {
            (Some(old), Some(new), By::Numbers | By::Chains) => {
                format!("the system numbers {found} as version {old} and {least} as version {new}")
            }
            (.., By::OneWriter) => {
                format!("one session alone writes this key, and it wrote {found} before {least}")
            }
            _ => format!("the session that wrote both wrote {found} before {least}"),
        }
    }

    /// Reads of one session that contradict each other.
    pub fn contradiction(&self, claim: Claim, demands: &[Demand]) -> Anomaly {
        let key = demands.first().map(|demand| self.key(demand.found)).unwrap_or_default();
        let told: Vec<String> = demands
            .iter()
            .take(TOLD_MAX)
            .map(|demand| {
                let (found, least) = (self.value(demand.found), self.value(demand.least));
                let read = self.step(demand.read);
                format!("{read} found {found}, which must then be no older than {least}")
            })
            .collect();
        let explanation = format!(
            "In whatever order the versions of {key} came, one of these reads fell behind: {}; \
             that cannot all be, since each value was written once and what compare-and-sets \
             join cannot be parted.",
            told.join("; ")
        );
        let mut operations: Vec<u64> = demands
            .iter()
            .flat_map(|demand| [demand.because, demand.seen, demand.by, demand.read])
            .map(|it| self.invoked(it))
            .collect();
        operations.sort_unstable();
        operations.dedup();
        if let Some(last) = demands.iter().map(|demand| self.invoked(demand.read)).max() {
            operations.retain(|&it| it != last);
            operations.push(last);
        }
        Anomaly {
            name: anomaly_of(claim).into(),
            key: Some(key),
            operations,
            explanation,
            witness: Witness::Operations,
        }
    }
}

/// The name of what breaks a guarantee of sessions.
pub(crate) fn anomaly_of(claim: Claim) -> &'static str {
    match claim {
        Claim::ReadYourWrites => "own-write-missed",
        Claim::MonotonicReads => "nonmonotonic-read",
        Claim::MonotonicWrites => "nonmonotonic-write",
        _ => "write-without-its-reads",
    }
}

/// A text with its first letter large.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The same hops, with what one session did in a row made one.
fn merged(hops: &[Hop]) -> Vec<Hop> {
    let mut merged: Vec<Hop> = Vec::new();
    for &(from, why, to) in hops {
        match merged.last_mut() {
            Some(last) if last.1 == Why::Session && why == Why::Session => last.2 = to,
            _ => merged.push((from, why, to)),
        }
    }
    merged
}

/// The same circle, from after the edge that closes it on.
fn turned(mut circle: Vec<Hop>) -> Vec<Hop> {
    let closes = |hop: &Hop| !matches!(hop.1, Why::Session | Why::ReadsFrom(_));
    if let Some(place) = circle.iter().position(closes) {
        circle.rotate_left(place + 1);
    }
    // A session's steps may now meet at the seam.
    if circle.len() > 2
        && let (Some(first), Some(last)) = (circle.first().copied(), circle.last().copied())
        && (first.1, last.1) == (Why::Session, Why::Session)
    {
        circle[0].0 = last.0;
        circle.pop();
    }
    circle
}
