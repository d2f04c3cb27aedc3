//! Records polled, and whether a poll that returned nothing had come to the end.
//!
//! A consumer that gets nothing may have read everything, or may not have reached a leader yet; the
//! library's answer is the same. What is not there is evidence, though: a message that no reader found
//! counts as lost. So an empty poll of partitions that the client chose itself succeeds only if the
//! brokers have told where each partition ends and the consumer has read as far; otherwise it fails.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, ConsumerGroupMetadata,
};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schism_history::{Code, Value};
use serde::Deserialize;

use super::native;
use super::producer::left;
use super::refusal::{Trouble, class_of};
use super::settings::{Settings, config};
use crate::kafka::keys::Place;

/// So many records one poll returns at most.
const POLLED_MAX: usize = 1000;
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
    /// Where each partition goes on that was polled or assigned.
    positions: BTreeMap<Place, i64>,
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
        let consumer = Self::new(settings, bootstrap, Chosen::ByItself, positions)?;
        let mut list = TopicPartitionList::new();
        for place in places {
            let offset =
                consumer.positions.get(place).map_or(Offset::Beginning, |at| Offset::Offset(*at));
            let added = list.add_partition_offset(&place.topic, place.partition, offset);
            added.map_err(|error| refused("assign", &error))?;
        }
        consumer.inner.assign(&list).map_err(|error| refused("assign", &error))?;
        Ok(consumer)
    }

    /// A consumer to which the group's coordinator gives some of the partitions of these topics.
    pub(super) fn subscribed(
        settings: &Settings,
        bootstrap: &str,
        topics: &[&str],
    ) -> Result<Self, Trouble> {
        let consumer = Self::new(settings, bootstrap, Chosen::ByGroup, BTreeMap::new())?;
        consumer.inner.subscribe(topics).map_err(|error| refused("subscribe", &error))?;
        Ok(consumer)
    }

    fn new(
        settings: &Settings,
        bootstrap: &str,
        chosen: Chosen,
        positions: BTreeMap<Place, i64>,
    ) -> Result<Self, Trouble> {
        let made = config(settings.consumer(), bootstrap).create_with_context(Sayings::default());
        let inner = made.map_err(|error| refused("no consumer", &error))?;
        Ok(Self { inner, chosen, wait: settings.poll, positions })
    }

    pub(super) fn chosen(&self) -> Chosen {
        self.chosen
    }

    pub(super) fn positions(&self) -> &BTreeMap<Place, i64> {
        &self.positions
    }

    /// Other topics for a consumer that the group gives its partitions.
    pub(super) fn subscribe_to(&self, topics: &[&str]) -> Result<(), Trouble> {
        self.inner.subscribe(topics).map_err(|error| refused("subscribe", &error))
    }

    /// The next records, in their order; none if there are none.
    pub(super) fn poll(&mut self, deadline: Instant) -> Result<Vec<Polled>, Trouble> {
        let mut polled = Vec::new();
        let mut trouble = None;
        let first = deadline.min(Instant::now() + self.wait);
        while polled.len() < POLLED_MAX {
            let wait = if polled.is_empty() { left(first) } else { Duration::ZERO };
            match self.inner.poll(wait) {
                Some(Ok(message)) => {
                    let place =
                        Place { topic: message.topic().into(), partition: message.partition() };
                    let (offset, value) = (message.offset(), read(message.payload()));
                    polled.push(Polled { place, offset, value });
                }
                // Whatever it is about, what came before it came.
                Some(Err(error)) => {
                    trouble.get_or_insert(error);
                }
                None if !polled.is_empty() || left(first).is_zero() => break,
                None => {}
            }
        }
        for record in &polled {
            self.positions.insert(record.place.clone(), record.offset + 1);
        }
        match trouble {
            _ if !polled.is_empty() => Ok(polled),
            // librdkafka has given the consumer up: its process is over, too.
            Some(error @ KafkaError::MessageConsumptionFatal(_)) => {
                Err(Trouble::Unknown(class_of(&error), format!("poll: {error}")))
            }
            Some(error) => Err(Trouble::Never(class_of(&error), format!("poll: {error}"))),
            None if self.chosen == Chosen::ByGroup => Ok(polled),
            None => self.at_end(deadline).map(|()| polled),
        }
    }

    /// Whether everything that the brokers have now was read.
    fn at_end(&mut self, deadline: Instant) -> Result<(), Trouble> {
        let asked = self.inner.assignment().map_err(|error| refused("assignment", &error))?;
        let mut ends = Vec::new();
        for element in asked.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let within = left(deadline).min(END_WITHIN);
            // Under read_committed this is the end of what is decided, the last stable offset.
            let told = self.inner.fetch_watermarks(topic, partition, within);
            let (_, end) = told.map_err(|error| refused("the end of a log", &error))?;
            ends.push((topic.to_owned(), partition, end));
        }
        // What it told before may be about how far it was before.
        let since = Instant::now();
        loop {
            if let Some(behind) = self.behind(&ends, since) {
                if behind == 0 {
                    return Ok(());
                }
                let words =
                    format!("{behind} of {} partitions were not read to their end", ends.len());
                return Err(Trouble::Never(Code::Unavailable, words));
            }
            if left(deadline).is_zero() {
                let words = "it was not known in time how far was read";
                return Err(Trouble::Never(Code::Timeout, words.into()));
            }
            // Statistics come while it is polled. A record would be one that was written meanwhile, and
            // must not be lost: the consumer is set back to it.
            if let Some(Ok(message)) = self.inner.poll(Duration::from_millis(20)) {
                let (topic, partition) = (message.topic().to_owned(), message.partition());
                let back = Offset::Offset(message.offset());
                drop(message);
                self.inner
                    .seek(&topic, partition, back, left(deadline))
                    .map_err(|error| refused("seek", &error))?;
                let words = "records came while the end was looked for";
                return Err(Trouble::Never(Code::Unavailable, words.into()));
            }
        }
    }

    /// Of how many partitions more is there than was read; `None` until that was told after `since`.
    fn behind(&self, ends: &[(String, i32, i64)], since: Instant) -> Option<usize> {
        let context = self.inner.context();
        let latest = context.statistics.lock().expect("no code panics while it holds this lock");
        let (_, text) = latest.as_ref().filter(|(told, _)| *told > since)?;
        let statistics: Statistics = serde_json::from_slice(text).ok()?;
        let read = |(topic, partition, end): &(String, i32, i64)| {
            let topic = statistics.topics.get(topic)?;
            let progress = topic.partitions.get(&partition.to_string())?;
            Some(progress.fetchq_cnt == 0 && (progress.eof_offset >= *end || *end == 0))
        };
        Some(ends.iter().filter(|end| read(end) != Some(true)).count())
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

    /// Commits what was polled. Whether that succeeds is nothing that the poll promises: records that
    /// are not committed are polled again by whoever gets the partition next.
    pub(super) fn commit(&self, polled: &[Polled]) {
        if let Ok(offsets) = Self::offsets(polled) {
            let _ = self.inner.commit(&offsets, CommitMode::Async);
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

    /// Polls again what was polled in a transaction that is aborted.
    pub(super) fn back(&mut self, polled: &[Polled], deadline: Instant) -> Result<(), Trouble> {
        let mut first: BTreeMap<&Place, i64> = BTreeMap::new();
        for record in polled {
            first.entry(&record.place).or_insert(record.offset);
        }
        for (place, offset) in first {
            self.inner
                .seek(&place.topic, place.partition, Offset::Offset(offset), left(deadline))
                .map_err(|error| refused("seek", &error))?;
            self.positions.insert(place.clone(), offset);
        }
        Ok(())
    }
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
