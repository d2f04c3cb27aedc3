//! The true sequence of events, as far as it is known: from acknowledged writes, and from watches.

use rustc_hash::FxHashMap;
use schism_history::{History, Key};

use super::operations::{Alien, Content, Event, Functions, Response, Target, Watch, What};
use crate::Budget;

/// So many operations are read between two looks at the budget.
const BETWEEN_LOOKS: usize = 1 << 14;
/// What one event costs at most, in bytes.
const EVENT_BYTES: usize = 160;

/// A change that is known to have taken place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The change.
    pub event: Event<'a>,
    /// The number of the operation that vouches for it: the write, or the first watch.
    pub by: usize,
    /// Whether a write vouches for it.
    pub written: bool,
    /// Whether several operations vouch for it.
    pub several: bool,
}

impl Known<'_> {
    /// Whether another operation than this vouches for it.
    pub fn apart_from(&self, number: usize) -> bool {
        self.several || self.by != number
    }
}

/// The watches of a history, and what is known of the events.
pub(crate) struct Events<'a> {
    /// The watches that ended, in order of their invocations.
    pub watches: Vec<Watch<'a>>,
    /// All known changes, by revision and key.
    all: Vec<Known<'a>>,
    /// The places of those of each key.
    by_key: FxHashMap<Key, Vec<u32>>,
    /// The first event that nobody understands; what follows is left out.
    pub alien: Option<Alien>,
    /// How many operations were read.
    pub operations: usize,
}

/// Why the events were not read.
pub(crate) enum TooMuch {
    /// They would take so many bytes.
    Memory(usize),
    /// The time is over.
    Time,
}

impl<'a> Events<'a> {
    /// Reads the events of a history.
    pub fn read(history: &'a History, budget: &Budget) -> Result<Self, TooMuch> {
        let functions = Functions::new();
        let aliens = history.operations().filter_map(|operation| functions.read(&operation).err());
        let alien = aliens.min_by_key(|alien| alien.index);
        let cut = alien.as_ref().map_or(u64::MAX, |alien| alien.index);
        let (mut watches, mut told): (Vec<Watch<'a>>, Vec<Told<'a>>) = (Vec::new(), Vec::new());
        let mut operations = 0;
        for mut operation in history.operations().take_while(|operation| operation.invoked < cut) {
            let bytes = told.len().saturating_mul(EVENT_BYTES);
            if bytes > budget.memory_bytes || u32::try_from(told.len()).is_err() {
                return Err(TooMuch::Memory(bytes));
            }
            if operation.number % BETWEEN_LOOKS == 0 && budget.expired() {
                return Err(TooMuch::Time);
            }
            if operation.completed.is_some_and(|completed| completed >= cut) {
                operation.outcome = None;
            }
            operations += 1;
            let by = operation.number;
            match functions.read(&operation) {
                Ok(What::Written(events)) => {
                    told.extend(events.into_iter().map(|event| Told { event, by, written: true }));
                }
                Ok(What::Watched(watch)) => {
                    for response in &watch.responses {
                        let Response::Events(events) = response else { continue };
                        let tell = |&event: &Event<'a>| Told { event, by, written: false };
                        told.extend(events.iter().map(tell));
                    }
                    watches.push(watch);
                }
                Ok(What::Nothing) | Err(_) => {}
            }
        }
        let all = merge(told);
        let mut by_key: FxHashMap<Key, Vec<u32>> = FxHashMap::default();
        for (place, known) in all.iter().enumerate() {
            by_key.entry(known.event.key).or_default().push(place as u32);
        }
        Ok(Self { watches, all, by_key, alien, operations })
    }

    /// How many changes are known.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The known changes that concern a watch of `target`, from one revision to another.
    pub fn between(
        &self,
        target: Target,
        from: u64,
        to: u64,
    ) -> Box<dyn Iterator<Item = &Known<'a>> + '_> {
        if let Target::One(key) = target {
            let places = self.by_key.get(&key).map_or(&[][..], Vec::as_slice);
            let known = |place: &u32| &self.all[*place as usize];
            let begin = places.partition_point(|place| known(place).event.revision < from);
            let within = move |known: &&Known<'_>| known.event.revision <= to;
            return Box::new(places[begin..].iter().map(known).take_while(within));
        }
        let begin = self.all.partition_point(|known| known.event.revision < from);
        let within = move |known: &&Known<'_>| known.event.revision <= to;
        let concerns = move |known: &&Known<'_>| target.matches(known.event.key);
        Box::new(self.all[begin..].iter().take_while(within).filter(concerns))
    }
}

struct Told<'a> {
    event: Event<'a>,
    by: usize,
    written: bool,
}

/// One change for each revision and key: as the write says that made it, or else the first watch.
fn merge(mut told: Vec<Told<'_>>) -> Vec<Known<'_>> {
    told.sort_by_key(|told| (told.event.revision, told.event.key, !told.written, told.by));
    let same = |one: &Told<'_>, other: &Told<'_>| {
        one.event.revision == other.event.revision && one.event.key == other.event.key
    };
    let mut all = Vec::new();
    for group in told.chunk_by(same) {
        let first = &group[0];
        let mut event = first.event;
        let writes = group.iter().filter(|told| told.written);
        // Two writes at one revision contradict each other, and nobody knows which is right.
        if writes.clone().any(|told| !told.event.content.agrees(event.content)) {
            continue;
        }
        if event.content == Content::Put(None) {
            let mut told = group.iter().map(|told| told.event.content);
            let value = told.find(|content| matches!(content, Content::Put(Some(_))));
            event.content = value.unwrap_or(event.content);
        }
        // What a watch tells otherwise does not vouch for this.
        let agreeing = group.iter().filter(|told| told.event.content.agrees(event.content));
        let several = agreeing.clone().any(|told| told.by != first.by);
        all.push(Known { event, by: first.by, written: first.written, several });
    }
    all
}
