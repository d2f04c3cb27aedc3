//! What is wrong with one watch.

use rustc_hash::FxHashMap;
use schism_history::{History, Key};

use super::known::{Events, Known};
use super::operations::{Event, Response, Watch};

/// Violations of one kind in one watch of which the proofs are kept; the others are counted.
pub(crate) const KEPT_MAX: usize = 8;

/// What can be wrong with a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unordered,
    Repeated,
    Missing,
    Split,
    Unresumed,
    Bookmark,
}

impl Kind {
    /// All of them, in the order of the declaration.
    pub const ALL: [Kind; 6] = [
        Kind::Unordered,
        Kind::Repeated,
        Kind::Missing,
        Kind::Split,
        Kind::Unresumed,
        Kind::Bookmark,
    ];

    /// The anomaly's name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Unordered => "unordered-event",
            Kind::Repeated => "repeated-event",
            Kind::Missing => "missing-event",
            Kind::Split => "split-revision",
            Kind::Unresumed => "incomplete-resume",
            Kind::Bookmark => "false-bookmark",
        }
    }
}

/// One violation, as its story needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof<'a> {
    /// The event that is wrong, or that is not there.
    pub event: Event<'a>,
    /// The event against which it is wrong: the one before it, the other of its revision, or what
    /// the watch was sent in its place.
    pub against: Option<Event<'a>>,
    /// Another operation that vouches for the event.
    pub by: Option<usize>,
    /// The revision up to which everything was said to have been delivered.
    pub progress: Option<u64>,
}

/// The violations of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations<'a> {
    /// All of them.
    pub count: usize,
    /// The first.
    pub kept: Vec<Proof<'a>>,
}

/// What was found in one watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings<'a> {
    violations: [Violations<'a>; Kind::ALL.len()],
    /// How many chances there were to find a violation of each kind.
    pub chances: [usize; Kind::ALL.len()],
    /// How many events it was sent.
    pub events: usize,
    /// How many acknowledged changes that concern it are later than all that it was sent.
    pub lag: usize,
}

impl<'a> Findings<'a> {
    /// The violations of a kind.
    pub fn of(&self, kind: Kind) -> &Violations<'a> {
        &self.violations[kind as usize]
    }

    fn add(&mut self, kind: Kind, event: Event<'a>, fill: impl FnOnce(&mut Proof<'a>)) {
        let violations = &mut self.violations[kind as usize];
        violations.count += 1;
        if violations.kept.len() < KEPT_MAX {
            let mut proof = Proof { event, against: None, by: None, progress: None };
            fill(&mut proof);
            violations.kept.push(proof);
        }
    }

    fn chance(&mut self, kind: Kind) {
        self.chances[kind as usize] += 1;
    }
}

/// An event, where it came first.
#[derive(Clone, Copy)]
struct Came<'a> {
    event: Event<'a>,
    response: usize,
}

/// What one watch was sent, by revision and key.
struct Sent<'a> {
    first: FxHashMap<(u64, Key), Came<'a>>,
    least: u64,
    greatest: u64,
}

/// Looks at one watch.
pub(crate) fn find<'a>(watch: &Watch<'a>, events: &Events<'a>, history: &History) -> Findings<'a> {
    let mut findings = Findings::default();
    let sent = in_order(watch, &mut findings);
    findings.lag = lag(watch, events, &sent, history);
    let any = !sent.first.is_empty();
    if any {
        find_missing(watch, events, &sent, &mut findings);
        find_split(watch, events, &sent, &mut findings);
    }
    if let Some(start) = watch.start.filter(|_| any) {
        find_unresumed(watch, events, start, &sent, &mut findings);
    }
    find_bookmarks(watch, events, &sent, &mut findings);
    findings
}

/// Goes through what was sent: order, repetitions, and what comes after a bookmark.
fn in_order<'a>(watch: &Watch<'a>, findings: &mut Findings<'a>) -> Sent<'a> {
    let mut sent = Sent { first: FxHashMap::default(), least: u64::MAX, greatest: 0 };
    let mut latest: Option<Event<'a>> = None;
    let mut progress: Option<u64> = None;
    for (response, what) in watch.responses.iter().enumerate() {
        let events = match what {
            Response::Events(events) => events,
            Response::Progress(revision) => {
                progress = progress.max(Some(*revision));
                continue;
            }
        };
        for &event in events {
            findings.events += 1;
            if let Some(before) = latest {
                findings.chance(Kind::Unordered);
                findings.chance(Kind::Repeated);
                if event.revision < before.revision {
                    findings.add(Kind::Unordered, event, |proof| proof.against = Some(before));
                }
            }
            if latest.is_none_or(|latest| latest.revision < event.revision) {
                latest = Some(event);
            }
            sent.least = sent.least.min(event.revision);
            sent.greatest = sent.greatest.max(event.revision);
            let place = (event.revision, event.key);
            if let Some(first) = sent.first.get(&place) {
                let first = first.event;
                findings.add(Kind::Repeated, event, |proof| proof.against = Some(first));
                continue;
            }
            sent.first.insert(place, Came { event, response });
            if progress.is_some() {
                findings.chance(Kind::Bookmark);
            }
            if progress.is_some_and(|progress| event.revision <= progress) {
                findings.add(Kind::Bookmark, event, |proof| proof.progress = progress);
            }
        }
    }
    sent
}

fn find_missing<'a>(
    watch: &Watch<'a>,
    events: &Events<'a>,
    sent: &Sent<'a>,
    findings: &mut Findings<'a>,
) {
    for known in events.between(watch.target, sent.least, sent.greatest) {
        let Known { event, by, .. } = *known;
        let inside = sent.least < event.revision && event.revision < sent.greatest;
        if inside && known.apart_from(watch.number) {
            findings.chance(Kind::Missing);
        }
        let came = sent.first.get(&(event.revision, event.key)).map(|came| came.event);
        match came {
            Some(came) if came.content.agrees(event.content) => {}
            // What is missing of a revision that came is told as its being split.
            None if !inside => {}
            came => findings.add(Kind::Missing, event, |proof| {
                (proof.against, proof.by) = (came, Some(by));
            }),
        }
    }
}

/// A revision is split if what it changes, as far as it is known and concerns the watch, did not
/// all come first in one response.
fn find_split<'a>(
    watch: &Watch<'a>,
    events: &Events<'a>,
    sent: &Sent<'a>,
    findings: &mut Findings<'a>,
) {
    let known: Vec<&Known<'a>> = events.between(watch.target, sent.least, sent.greatest).collect();
    for revision in known.chunk_by(|one, other| one.event.revision == other.event.revision) {
        let came = |known: &Known<'a>| sent.first.get(&(known.event.revision, known.event.key));
        let Some(first) = revision.iter().find_map(|known| came(known)) else { continue };
        if revision.len() > 1 {
            findings.chance(Kind::Split);
        }
        let together = |came: &Came<'a>| came.response == first.response;
        let apart = revision.iter().find(|known| !came(known).is_some_and(together));
        if let Some(apart) = apart {
            findings.add(Kind::Split, apart.event, |proof| {
                proof.against = Some(first.event);
                proof.by = came(apart).is_none().then_some(apart.by);
            });
        }
    }
}

fn find_unresumed<'a>(
    watch: &Watch<'a>,
    events: &Events<'a>,
    start: u64,
    sent: &Sent<'a>,
    findings: &mut Findings<'a>,
) {
    let known = |known: &&Known<'a>| known.apart_from(watch.number);
    if events.between(watch.target, start, sent.least).any(|it| known(&it)) {
        findings.chance(Kind::Unresumed);
    }
    for known in events.between(watch.target, start, sent.least) {
        if known.event.revision < sent.least {
            let by = Some(known.by);
            findings.add(Kind::Unresumed, known.event, |proof| proof.by = by);
        }
    }
}

/// What a progress notification vouches for must have come before it. A watch that begins at no
/// revision has begun by its first event, or its first notification.
fn find_bookmarks<'a>(
    watch: &Watch<'a>,
    events: &Events<'a>,
    sent: &Sent<'a>,
    findings: &mut Findings<'a>,
) {
    let progress = watch.responses.iter().filter_map(|response| match response {
        Response::Progress(revision) => Some(*revision),
        Response::Events(_) => None,
    });
    let Some(greatest) = progress.clone().max() else { return };
    let begun = progress.clone().next().map_or(u64::MAX, |first| first.saturating_add(1));
    let from = watch.start.unwrap_or_else(|| begun.min(sent.least));
    if from > greatest {
        return;
    }
    for known in events.between(watch.target, from, greatest) {
        let Known { event, by, .. } = *known;
        if known.apart_from(watch.number) {
            findings.chance(Kind::Bookmark);
        }
        // What came too late was found when it came.
        if !sent.first.contains_key(&(event.revision, event.key)) {
            findings.add(Kind::Bookmark, event, |proof| {
                (proof.by, proof.progress) = (Some(by), Some(greatest));
            });
        }
    }
}

/// How many changes that concern a watch had been acknowledged when it ended, and are later than
/// all that it was sent or told of.
fn lag(watch: &Watch<'_>, events: &Events<'_>, sent: &Sent<'_>, history: &History) -> usize {
    let Some(ended) = history.operation(watch.number).completed else { return 0 };
    let told = watch.responses.iter().filter_map(|response| match response {
        Response::Progress(revision) => Some(*revision),
        Response::Events(_) => None,
    });
    let Some(far) = told.chain((!sent.first.is_empty()).then_some(sent.greatest)).max() else {
        return 0;
    };
    let acknowledged = |known: &&Known<'_>| {
        let completed = history.operation(known.by).completed;
        known.written && completed.is_some_and(|completed| completed < ended)
    };
    let later = events.between(watch.target, far.saturating_add(1), u64::MAX);
    later.filter(acknowledged).count()
}
