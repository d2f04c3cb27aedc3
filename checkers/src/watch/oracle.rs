//! Every definition restated as it stands, at whatever cost.

use std::collections::BTreeSet;

use schism_history::{History, Key};

use super::operations::{Content, Event, Functions, Response, Watch, What};
use super::watches::Kind;

/// A history as the definitions see it.
pub(crate) struct Oracle<'a> {
    watches: Vec<Watch<'a>>,
    written: Vec<Event<'a>>,
}

impl<'a> Oracle<'a> {
    pub fn new(history: &'a History) -> Self {
        let functions = Functions::new();
        let (mut watches, mut written) = (Vec::new(), Vec::new());
        for operation in history.operations() {
            match functions.read(&operation) {
                Ok(What::Written(events)) => written.extend(events),
                Ok(What::Watched(watch)) => watches.push(watch),
                _ => {}
            }
        }
        Self { watches, written }
    }

    /// What is known to have happened.
    fn known(&self) -> Vec<Event<'a>> {
        let seen = self.watches.iter().flat_map(|watch| sent(watch)).map(|(_, event)| event);
        let all: Vec<Event<'a>> = self.written.iter().copied().chain(seen).collect();
        let places: BTreeSet<(u64, Key)> = all.iter().map(|it| (it.revision, it.key)).collect();
        let mut known = Vec::new();
        for place in places {
            let here = |event: &&Event<'a>| (event.revision, event.key) == place;
            let writes: Vec<&Event<'a>> = self.written.iter().filter(here).collect();
            if writes.iter().any(|one| writes.iter().any(|two| !one.content.agrees(two.content))) {
                continue;
            }
            let mut told = all.iter().filter(here);
            let mut event = *told.next().expect("somebody told it");
            if let Content::Put(None) = event.content {
                let value = told.find(|it| matches!(it.content, Content::Put(Some(_))));
                event = value.copied().unwrap_or(event);
            }
            known.push(event);
        }
        known
    }

    /// How many anomalies of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        let known = self.known();
        self.watches.iter().map(|watch| count(watch, &known, kind)).sum()
    }
}

/// The events of a watch, each with the number of its response.
fn sent<'a>(watch: &Watch<'a>) -> Vec<(usize, Event<'a>)> {
    let events = |(number, response): (usize, &Response<'a>)| match response {
        Response::Events(events) => events.iter().map(|event| (number, *event)).collect(),
        Response::Progress(_) => Vec::new(),
    };
    watch.responses.iter().enumerate().flat_map(events).collect()
}

fn count(watch: &Watch<'_>, known: &[Event<'_>], kind: Kind) -> usize {
    let sent = sent(watch);
    let place = |event: &Event<'_>| (event.revision, event.key);
    let first = |event: &Event<'_>| sent.iter().find(|it| place(&it.1) == place(event));
    let least = sent.iter().map(|it| it.1.revision).min();
    let greatest = sent.iter().map(|it| it.1.revision).max();
    let known: Vec<&Event<'_>> = known.iter().filter(|it| watch.target.matches(it.key)).collect();
    let progress: Vec<(usize, u64)> = watch
        .responses
        .iter()
        .enumerate()
        .filter_map(|(number, response)| match response {
            Response::Progress(revision) => Some((number, *revision)),
            Response::Events(_) => None,
        })
        .collect();
    match kind {
        Kind::Unordered => (0..sent.len())
            .filter(|&it| sent[..it].iter().any(|one| one.1.revision > sent[it].1.revision))
            .count(),
        Kind::Repeated => (0..sent.len())
            .filter(|&it| sent[..it].iter().any(|one| place(&one.1) == place(&sent[it].1)))
            .count(),
        Kind::Missing => known
            .iter()
            .filter(|event| match first(event) {
                Some(came) => !came.1.content.agrees(event.content),
                None => least < Some(event.revision) && Some(event.revision) < greatest,
            })
            .count(),
        Kind::Split => {
            let revisions: BTreeSet<u64> = known.iter().map(|it| it.revision).collect();
            let is_split = |revision: &&u64| {
                let own = known.iter().filter(|it| it.revision == **revision);
                let responses: BTreeSet<Option<usize>> =
                    own.map(|event| first(event).map(|it| it.0)).collect();
                responses.len() > 1
            };
            revisions.iter().filter(is_split).count()
        }
        Kind::Unresumed => {
            let (Some(start), Some(least)) = (watch.start, least) else { return 0 };
            known.iter().filter(|it| start <= it.revision && it.revision < least).count()
        }
        Kind::Bookmark => {
            let late = (0..sent.len()).filter(|&it| {
                let (response, event) = &sent[it];
                let fresh = !sent[..it].iter().any(|one| place(&one.1) == place(event));
                fresh && progress.iter().any(|(at, to)| at < response && event.revision <= *to)
            });
            let Some(last) = progress.iter().map(|it| it.1).max() else { return late.count() };
            let begun = progress[0].1 + 1;
            let from = watch.start.unwrap_or(begun.min(least.unwrap_or(begun)));
            let never = known
                .iter()
                .filter(|it| from <= it.revision && it.revision <= last && first(it).is_none());
            late.count() + never.count()
        }
    }
}
