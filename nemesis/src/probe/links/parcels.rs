//! Parcels: datagrams that are sent right after the rules of links have changed, and looked for when
//! everything is healed.
//!
//! They prove rules that stand for milliseconds only, which no sender could wait for: what was sent
//! while a link was held must come, not before its release, and in order; what was sent over a cut
//! link must not come at all; what was sent over a slow one must come late. The times of the changes
//! say when a parcel *may* come. Whether it came is seen by the receiver alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use schism_history::Evidence;
use schism_lab::LinkRule;

use super::{Link, LinkProbe, links};
use crate::probe::evidence;

/// Datagrams for each link and change: one may be lost in a full queue without any fault.
const EACH: usize = 3;
/// What a clock and a busy machine may be off by.
const SLACK: Duration = Duration::from_millis(1);
/// How long parcels may take when nothing holds them any more.
const PATIENCE: Duration = Duration::from_millis(500);
/// A switch that is this much behind may take a parcel for one that was sent after a change.
const BEHIND: Duration = Duration::from_millis(100);

/// What one fault has sent, and how it changed the links.
pub(crate) struct Parcels {
    probe: Arc<LinkProbe>,
    sent: Vec<Parcel>,
    /// The rule of each link after each of its changes, with the moment just before.
    changes: BTreeMap<Link, Vec<(Instant, LinkRule)>>,
}

struct Parcel {
    link: Link,
    number: u64,
    at: Instant,
}

/// What is to become of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fate {
    /// It may not come before this; `None`: never.
    not_before: Option<Instant>,
    /// Whether it must come then.
    comes: bool,
    /// Whether its link was open when it was sent, so that its coming proves nothing of a rule.
    open: bool,
    /// After how many changes of its link it was sent.
    batch: usize,
}

impl Parcels {
    pub(crate) fn new(probe: Arc<LinkProbe>) -> Self {
        Self { probe, sent: Vec::new(), changes: BTreeMap::new() }
    }

    /// These links are about to have these rules.
    pub(crate) fn changing(&mut self, rules: impl IntoIterator<Item = (Link, LinkRule)>) {
        let now = Instant::now();
        for (link, rule) in rules {
            self.changes.entry(link).or_default().push((now, rule));
        }
    }

    /// Nothing is about to be left of what was done to any of the links.
    pub(crate) fn release(&mut self) {
        let all: Vec<Link> = self.links().collect();
        self.changing(all.into_iter().map(|link| (link, LinkRule::default())));
    }

    /// The links that were ever changed.
    pub(crate) fn links(&self) -> impl Iterator<Item = Link> {
        self.changes.keys().copied()
    }

    /// Sends parcels over links that have just changed.
    pub(crate) fn post(&mut self, links: &[Link]) {
        for _ in 0..EACH {
            for &link in links {
                let at = Instant::now();
                if let Some(number) = self.probe.send(link) {
                    self.sent.push(Parcel { link, number, at });
                }
            }
        }
    }

    /// What became of them, to be asked when everything is healed. Links that `hidden` names were
    /// changed by other faults, too, and say nothing of this one.
    pub(crate) async fn delivered(&self, hidden: impl Fn(Link) -> bool) -> Evidence {
        let fates: Vec<(&Parcel, Fate)> = self
            .sent
            .iter()
            .filter(|parcel| !hidden(parcel.link))
            .map(|parcel| (parcel, fate(parcel.at, &self.changes[&parcel.link])))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let came = self.probe.arrivals_of(fates.iter().map(|(parcel, _)| parcel.number));
            let waits =
                |(parcel, fate): &(&Parcel, Fate)| fate.comes && !came.contains_key(&parcel.number);
            if !fates.iter().any(waits) || Instant::now() >= deadline {
                return self.judge(&fates, &came);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn judge(&self, fates: &[(&Parcel, Fate)], came: &BTreeMap<u64, Instant>) -> Evidence {
        let dead: Vec<Link> =
            self.links().filter(|link| !self.probe.before.contains_key(link)).collect();
        if !dead.is_empty() {
            let dead: Vec<&Link> = dead.iter().collect();
            let text = format!("{} carried nothing even before the fault", links(&dead));
            return evidence(false, text);
        }
        let facts: Vec<Fact> = fates
            .iter()
            .map(|(parcel, fate)| Fact {
                link: parcel.link,
                fate: *fate,
                at: parcel.at,
                came: came.get(&parcel.number).copied(),
            })
            .collect();
        judge(&facts)
    }
}

/// A parcel, and what became of it.
#[derive(Clone, Debug)]
struct Fact {
    link: Link,
    fate: Fate,
    at: Instant,
    came: Option<Instant>,
}

/// Each link must have kept what it was to keep, and let go what it was to let go: at least one
/// parcel of each change that lets any through, in order, and none too early.
fn judge(facts: &[Fact]) -> Evidence {
    let ruled = |fact: &&Fact| !fact.fate.open;
    let mut early: BTreeSet<&Link> = BTreeSet::new();
    let mut disordered: BTreeSet<&Link> = BTreeSet::new();
    let mut last: BTreeMap<&Link, Instant> = BTreeMap::new();
    let mut owed: BTreeMap<(&Link, usize), bool> = BTreeMap::new();
    for fact in facts {
        if let Some(came) = fact.came {
            if fact.fate.not_before.is_none_or(|least| came + SLACK < least) {
                early.insert(&fact.link);
            }
            let last = last.entry(&fact.link).or_insert(came);
            if came < *last {
                disordered.insert(&fact.link);
            }
            *last = came.max(*last);
        }
        if fact.fate.comes {
            *owed.entry((&fact.link, fact.fate.batch)).or_default() |= fact.came.is_some();
        }
    }
    let lost: BTreeSet<&Link> =
        owed.iter().filter(|(_, came)| !**came).map(|((link, _), _)| *link).collect();
    let named = |all: BTreeSet<&Link>| links(&all.into_iter().collect::<Vec<_>>());
    let kept = facts.iter().filter(ruled).count();
    let over: BTreeSet<&Link> = facts.iter().filter(ruled).map(|fact| &fact.link).collect();
    if !early.is_empty() {
        return evidence(false, format!("{} carried what they were to keep", named(early)));
    }
    if !disordered.is_empty() {
        return evidence(false, format!("{} delivered out of order", named(disordered)));
    }
    if !lost.is_empty() {
        return evidence(false, format!("{} never delivered what they had kept", named(lost)));
    }
    if kept == 0 {
        return evidence(false, "nothing could be sent over a link while its rules stood");
    }
    let held = facts.iter().filter(ruled).filter_map(|fact| Some(fact.came? - fact.at)).max();
    let longest = match held {
        Some(longest) => format!(", the latest after {} ms", longest.as_millis()),
        None => String::new(),
    };
    let came = facts.iter().filter(ruled).filter(|fact| fact.came.is_some()).count();
    let text = format!(
        "of {kept} datagrams over {} links none came before it might; {came} came in order{longest}",
        over.len()
    );
    evidence(true, text)
}

/// What is to become of what was sent at a moment, by the changes of its link.
fn fate(sent: Instant, changes: &[(Instant, LinkRule)]) -> Fate {
    let batch = changes.partition_point(|(at, _)| *at <= sent);
    let rule = batch.checked_sub(1).map(|place| changes[place].1).unwrap_or_default();
    let later = &changes[batch..];
    let open = rule == LinkRule::default();
    let fate = |not_before, comes| Fate { not_before, comes, open, batch };
    if rule.drop {
        // A switch that is behind lets through what was sent just before the end of a cut.
        let lifted = later.iter().find(|(_, rule)| !rule.drop).map(|(at, _)| *at);
        return fate(lifted.filter(|lifted| *lifted - sent < BEHIND), false);
    }
    let soonest = |rule: LinkRule| rule.delay.saturating_sub(rule.jitter);
    let mut earliest = sent + soonest(rule);
    // `None`: its link keeps it, or may do so.
    let mut latest = (!rule.hold).then_some(sent + rule.delay + rule.jitter);
    let mut kept = rule.hold;
    for &(at, next) in later {
        if latest.is_some_and(|latest| at >= latest + BEHIND) {
            break;
        }
        if next.drop {
            // What a link keeps is lost with a cut; what was let go may be.
            return fate((!kept).then_some(earliest), false);
        }
        if next.hold {
            latest = None;
            continue;
        }
        let goes_on = at + soonest(next);
        earliest = if kept { goes_on } else { earliest.min(goes_on) };
        latest = Some(latest.unwrap_or(at).max(at + next.delay + next.jitter));
        kept = false;
    }
    match latest {
        Some(_) => fate(Some(earliest), true),
        None => fate((!kept).then_some(earliest), false),
    }
}

#[cfg(test)]
mod tests;
