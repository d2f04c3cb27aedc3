//! Records polled, and whether a poll that returned nothing had come to the end.
//!
//! A consumer that gets nothing may have read everything, or may not have reached a leader yet; the
//! library's answer is the same. What is not there is evidence, though: a message that no reader found
//! counts as lost. So an empty poll of partitions that the client chose itself succeeds only if the
//! brokers have told where each partition ends and the consumer has read as far; otherwise it fails. It
//! fails, too, where a transaction that is not decided yet hides what stands behind it from readers of
//! what is committed: those messages are there, and come when it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, ConsumerGroupMetadata,
};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schism_history::{Code, Value};
use serde::Deserialize;

use super::native;
use super::producer::left;
use super::refusal::{Trouble, class_of};
use super::settings::{Isolation, Settings, config};
use crate::kafka::keys::Place;

/// So many records one poll returns at most.
const POLLED_MAX: usize = 1000;
/// So many records one poll hands out of those that were committed before.
const HANDED_MAX: usize = 4;
/// How often librdkafka tells how far it is.
pub(super) const STATISTICS_EVERY: Duration = Duration::from_millis(250);
/// How long the ends of partitions may take to be told, each.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The latest of what librdkafka tells of itself.
#[derive(Default)]
pub(super) struct Sayings {
    statistics: Mutex<Option<(Instant, Vec<u8>)>>,
}

impl ClientContext for Sayings {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}

    fn stats_raw(&self, statistics: &[u8]) {
        let mut latest = self.statistics.lock().expect("no code panics while it holds this lock");
        *latest = Some((Instant::now(), statistics.to_vec()));
    }
}

impl ConsumerContext for Sayings {}

#[derive(Deserialize)]
struct Statistics {
    topics: BTreeMap<String, Topic>,
}

#[derive(Deserialize)]
struct Topic {
    partitions: BTreeMap<String, Progress>,
}

/// How far a consumer is in a partition.
#[derive(Clone, Copy, Deserialize)]
struct Progress {
    /// Records that are fetched and wait to be polled.
    fetchq_cnt: i64,
    /// The end that it came to last.
    eof_offset: i64,
    /// Where the partition ends for readers of what is committed, and where for all, as the last fetch
    /// was answered.
    ls_offset: i64,
    hi_offset: i64,
}

/// So many partitions have more than was read.
struct Behind {
    unread: usize,
    /// Those in which a transaction is not decided yet.
    hidden: usize,
}

impl Behind {
    fn words(&self, of: usize) -> String {
        if self.unread > 0 {
            return format!("{} of {of} partitions were not read to their end", self.unread);
        }
        let hidden = self.hidden;
        format!("{hidden} of {of} partitions hold messages behind a transaction that is undecided")
    }
}

/// A record that was polled.
pub(super) struct Polled {
    pub(super) place: Place,
    pub(super) offset: i64,
    pub(super) value: Value,
}

/// How partitions come to a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// It reads those that it named.
    ByItself,
    /// The group's coordinator gives it some.
    ByGroup,
}

/// A consumer of one client.
pub(super) struct Consumer {
    inner: BaseConsumer<Sayings>,
    chosen: Chosen,
    wait: Duration,
    /// Whether it sees only what is committed.
    committed: bool,
    /// What it named: partitions, or topics.
    places: Vec<Place>,
    topics: BTreeSet<String>,
    /// Where each partition goes on that was polled or assigned.
    positions: BTreeMap<Place, i64>,
    /// Records that were fetched and committed, and that no poll has returned yet.
    waiting: VecDeque<Polled>,
}

impl Consumer {
    /// A consumer of these partitions, which goes on where the client was, or begins at the earliest.
    ///
    /// It is a new one each time: what librdkafka tells of its progress is then about this assignment.
    pub(super) fn assigned(
        settings: &Settings,
        bootstrap: &str,
        places: &[Place],
        before: &BTreeMap<Place, i64>,
    ) -> Result<Self, Trouble> {
        let known = |place: &Place| Some((place.clone(), *before.get(place)?));
        let positions: BTreeMap<Place, i64> = places.iter().filter_map(known).collect();
        let mut consumer = Self::new(settings, bootstrap, Chosen::ByItself, positions)?;
        let mut list = TopicPartitionList::new();
        for place in places {
            let offset =
                consumer.positions.get(place).map_or(Offset::Beginning, |at| Offset::Offset(*at));
            let added = list.add_partition_offset(&place.topic, place.partition, offset);
            added.map_err(|error| refused("assign", &error))?;
        }
        consumer.inner.assign(&list).map_err(|error| refused("assign", &error))?;
        consumer.places = places.to_vec();
        Ok(consumer)
    }

    /// A consumer to which the group's coordinator gives some of the partitions of these topics.
    pub(super) fn subscribed(
        settings: &Settings,
        bootstrap: &str,
        topics: BTreeSet<String>,
    ) -> Result<Self, Trouble> {
        let mut consumer = Self::new(settings, bootstrap, Chosen::ByGroup, BTreeMap::new())?;
        consumer.subscribe_to(topics)?;
        Ok(consumer)
    }

    fn new(
        settings: &Settings,
        bootstrap: &str,
        chosen: Chosen,
        positions: BTreeMap<Place, i64>,
    ) -> Result<Self, Trouble> {
        let made =
            config(settings.consumer(chosen), bootstrap).create_with_context(Sayings::default());
        let inner = made.map_err(|error| refused("no consumer", &error))?;
        let (places, topics, waiting) = (Vec::new(), BTreeSet::new(), VecDeque::new());
        let committed = settings.isolation == Isolation::Committed;
        let wait = settings.poll;
        Ok(Self { inner, chosen, wait, committed, places, topics, positions, waiting })
    }

    pub(super) fn chosen(&self) -> Chosen {
        self.chosen
    }

    pub(super) fn positions(&self) -> &BTreeMap<Place, i64> {
        &self.positions
    }

    /// Other topics for a consumer that the group gives its partitions.
    pub(super) fn subscribe_to(&mut self, topics: BTreeSet<String>) -> Result<(), Trouble> {
        self.is_alive("subscribe")?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.inner.subscribe(&names).map_err(|error| refused("subscribe", &error))?;
        self.topics = topics;
        Ok(())
    }

    /// The next records, in their order; none if there are none.
    pub(super) fn poll(&mut self, deadline: Instant) -> Result<Vec<Polled>, Trouble> {
        let mut polled = Vec::new();
        let mut trouble = None;
        let first = deadline.min(Instant::now() + self.wait);
        while polled.len() < POLLED_MAX {
            let wait = if polled.is_empty() { left(first) } else { Duration::ZERO };
            match self.inner.poll(wait) {
                Some(Ok(message)) => polled.push(record(&message)),
                // Whatever it is about, what came before it came.
                Some(Err(error)) => drop(trouble.get_or_insert(error)),
                None if !polled.is_empty() || left(first).is_zero() => break,
                None => {}
            }
        }
        if polled.is_empty() {
            self.is_alive("poll")?;
            if let Some(error) = trouble {
                return Err(refused("poll", &error));
            }
            match self.chosen {
                Chosen::ByItself => polled.extend(self.at_end(deadline)?),
                Chosen::ByGroup => self.has_some()?,
            }
        }
        for record in &polled {
            self.positions.insert(record.place.clone(), record.offset + 1);
        }
        Ok(polled)
    }

    /// The next few records of those that were fetched and committed before, as a program polls that
    /// wants no record twice: what it has not handed out when it dies is passed over by its group.
    pub(super) fn hand_out(&mut self, deadline: Instant) -> Result<Vec<Polled>, Trouble> {
        if self.waiting.is_empty() {
            let fetched = self.poll(deadline)?;
            if !fetched.is_empty() {
                self.commit(&fetched, Some(deadline));
            }
            self.waiting.extend(fetched);
        }
        let few = self.waiting.len().min(HANDED_MAX);
        Ok(self.waiting.drain(..few).collect())
    }

    /// Succeeds unless librdkafka has given the consumer up, which it tells once, and perhaps behind a
    /// record: the process of such a client is over.
    fn is_alive(&self, what: &str) -> Result<(), Trouble> {
        let given_up = |why: String| Trouble::Unknown(Code::Fatal, what.into()).fatal(&why);
        self.fatal().map_or(Ok(()), |why| Err(given_up(why)))
    }

    /// Why librdkafka will do nothing more with this consumer, if it is so.
    pub(super) fn fatal(&self) -> Option<String> {
        let (code, text) = self.inner.client().fatal_error()?;
        Some(format!("{code}: {text}"))
    }

    /// Succeeds if the group has given it partitions: a member that has none has not looked anywhere.
    fn has_some(&self) -> Result<(), Trouble> {
        let given = self.inner.assignment().map_err(|error| refused("assignment", &error))?;
        if given.count() > 0 {
            return Ok(());
        }
        let words = "the group has given this member no partition";
        Err(Trouble::Never(Code::Unavailable, words.into()))
    }

    /// Succeeds if everything that the brokers have now was read, or with a record that came meanwhile.
    fn at_end(&self, deadline: Instant) -> Result<Option<Polled>, Trouble> {
        let mut ends = Vec::new();
        for place in &self.places {
            let within = left(deadline).min(END_WITHIN);
            // Under read_committed this is the end of what is decided, the last stable offset.
            let told = self.inner.fetch_watermarks(&place.topic, place.partition, within);
            let (_, end) = told.map_err(|error| refused("the end of a log", &error))?;
            ends.push((place, end));
        }
        // What it told before may be about how far it was before.
        let since = Instant::now();
        loop {
            match self.behind(&ends, since) {
                Some(Behind { unread: 0, hidden: 0 }) => return Ok(None),
                // It may still be on its way.
                Some(behind) if since.elapsed() > STATISTICS_EVERY * 2 => {
                    return Err(Trouble::Never(Code::Unavailable, behind.words(ends.len())));
                }
                _ if left(deadline).is_zero() => {
                    let words = "it was not known in time how far was read";
                    return Err(Trouble::Never(Code::Timeout, words.into()));
                }
                _ => {}
            }
            // Statistics come while it is polled.
            match self.inner.poll(Duration::from_millis(20)) {
                Some(Ok(message)) => return Ok(Some(record(&message))),
                Some(Err(error)) => return Err(refused("poll", &error)),
                None => {}
            }
        }
    }

    /// How many partitions were not read to their end; `None` until that was told after `since`.
    fn behind(&self, ends: &[(&Place, i64)], since: Instant) -> Option<Behind> {
        let context = self.inner.context();
        let latest = context.statistics.lock().expect("no code panics while it holds this lock");
        let (_, text) = latest.as_ref().filter(|(told, _)| *told > since)?;
        let statistics: Statistics = serde_json::from_slice(text).ok()?;
        let mut behind = Behind { unread: 0, hidden: 0 };
        for (place, end) in ends {
            let topic = statistics.topics.get(&place.topic);
            let progress = topic.and_then(|it| it.partitions.get(&place.partition.to_string()));
            let read = |it: &Progress| it.fetchq_cnt == 0 && (it.eof_offset >= *end || *end == 0);
            behind.unread += usize::from(!progress.is_some_and(read));
            let hidden = progress.is_some_and(|it| self.committed && it.ls_offset < it.hi_offset);
            behind.hidden += usize::from(hidden);
        }
        Some(behind)
    }

    /// What would be committed after what was polled.
    pub(super) fn offsets(polled: &[Polled]) -> Result<TopicPartitionList, Trouble> {
        let mut next: BTreeMap<&Place, i64> = BTreeMap::new();
        for record in polled {
            next.insert(&record.place, record.offset + 1);
        }
        let mut list = TopicPartitionList::new();
        for (place, offset) in next {
            let added =
                list.add_partition_offset(&place.topic, place.partition, Offset::Offset(offset));
            added.map_err(|error| refused("offsets", &error))?;
        }
        Ok(list)
    }

    /// Commits what was polled, and waits for the answer until `deadline` if there is one. Whether that
    /// succeeds is nothing that the poll promises: records that are not committed are polled again by
    /// whoever gets the partition next.
    pub(super) fn commit(&self, polled: &[Polled], deadline: Option<Instant>) {
        let Ok(offsets) = Self::offsets(polled) else { return };
        match deadline {
            None => drop(self.inner.commit(&offsets, CommitMode::Async)),
            Some(deadline) => native::commit(&self.inner, &offsets, left(deadline)),
        }
    }

    pub(super) fn group(&self) -> Result<ConsumerGroupMetadata, Trouble> {
        let none = || Trouble::Never(Code::Other, "the consumer is of no group".into());
        self.inner.group_metadata().ok_or_else(none)
    }

    /// Ends as the death of its process would: without leaving its group.
    pub(super) fn vanish(self) {
        native::vanish(self.inner);
    }

    /// A consumer in the place of this one, which polls again what was polled in a transaction that is
    /// aborted: its own partitions from there on, or those that the group gives it from what is committed.
    pub(super) fn again(
        mut self,
        settings: &Settings,
        bootstrap: &str,
        polled: &[Polled],
    ) -> Result<Self, Trouble> {
        for record in polled.iter().rev() {
            self.positions.insert(record.place.clone(), record.offset);
        }
        let Self { inner, chosen, places, topics, positions, .. } = self;
        drop(inner);
        match chosen {
            Chosen::ByItself => Self::assigned(settings, bootstrap, &places, &positions),
            Chosen::ByGroup => Self::subscribed(settings, bootstrap, topics),
        }
    }
}

/// A record as it came.
fn record(message: &BorrowedMessage<'_>) -> Polled {
    let place = Place { topic: message.topic().into(), partition: message.partition() };
    Polled { place, offset: message.offset(), value: read(message.payload()) }
}

/// Reading changes nothing.
fn refused(what: &str, error: &KafkaError) -> Trouble {
    Trouble::Never(class_of(error), format!("{what}: {error}"))
}

/// A message as it was sent; anything else is told as it is.
fn read(payload: Option<&[u8]>) -> Value {
    let text = String::from_utf8_lossy(payload.unwrap_or_default());
    let text = text.trim_end_matches(' ');
    text.parse().map_or_else(|_| Value::Text(text.into()), Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_sent() {
        assert_eq!(read(Some(b"42   ")), Value::Int(42));
        assert_eq!(read(Some(b"a b ")), Value::Text("a b".into()));
        assert_eq!(read(None), Value::Text("".into()));
    }
}
