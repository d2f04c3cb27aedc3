//! Records sent, and what became of each.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::topic_partition_list::TopicPartitionList;
use schism_history::{Code, Mop, MopKind, Value};

use super::native::status;
use super::refusal::{Trouble, class_of, of_record, of_untaken};
use super::settings::{Acks, Settings, config};
use crate::kafka::keys::Place;

/// So long a full queue is waited for before it is tried again.
const FULL: Duration = Duration::from_millis(2);

/// What the records of one operation came to. The number of the operation stands in the high half of
/// what librdkafka gives back with each record, so that one of an operation before is told from these.
#[derive(Debug, Default)]
struct Batch {
    number: u32,
    left: usize,
    /// The offset of each record, or why there is none.
    records: Vec<Option<Result<Option<i64>, Trouble>>>,
}

/// What librdkafka's own threads tell.
pub(super) struct Reports {
    acks: Acks,
    batch: Mutex<Batch>,
    changed: Condvar,
}

impl Reports {
    /// Never held over a wait, but for that of the condition.
    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().expect("no code panics while it holds this lock")
    }

    fn note(&self, number: u32, place: usize, result: Result<Option<i64>, Trouble>) {
        let mut batch = self.batch();
        if batch.number != number {
            return;
        }
        if let Some(record @ None) = batch.records.get_mut(place) {
            *record = Some(result);
            batch.left -= 1;
            if batch.left == 0 {
                self.changed.notify_all();
            }
        }
    }
}

/// librdkafka's words go nowhere: what matters of them comes back with operations.
impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let (number, place) = ((opaque >> 32) as u32, opaque & 0xffff_ffff);
        let result = match result {
            // Without acknowledgements there is no offset.
            Ok(message) => Ok(Some(message.offset()).filter(|offset| *offset >= 0)),
            Err((error, message)) => Err(of_record(error, status(message), self.acks)),
        };
        self.note(number, place, result);
    }
}

/// What a transaction came to that is not committed.
pub(super) enum Uncommitted {
    /// It is aborted, and nothing of it will ever be seen by readers of committed records.
    Aborted(Trouble),
    /// Nobody knows; the producer is not to be used again.
    Unknown(Trouble),
}

/// A producer of one client.
pub(super) struct Producer {
    inner: ThreadedProducer<Reports>,
    number: u32,
    record_size: usize,
}

impl Producer {
    /// A producer; with a transactional id also one that has been told to its coordinator.
    pub(super) fn new(
        settings: &Settings,
        bootstrap: &str,
        id: Option<&str>,
        deadline: Instant,
    ) -> Result<Self, Trouble> {
        let mut config = config(settings.producer(), bootstrap);
        if let Some(id) = id {
            config.set("transactional.id", id);
        }
        let made = config.create_with_context(Reports {
            acks: settings.acks,
            batch: Mutex::default(),
            changed: Condvar::new(),
        });
        let inner: ThreadedProducer<Reports> =
            made.map_err(|error| Trouble::Never(Code::Other, format!("no producer: {error}")))?;
        let producer = Self { inner, number: 0, record_size: settings.record_size };
        if id.is_some() {
            // It sends nothing of ours, so that nothing can have happened.
            producer.inner.init_transactions(left(deadline)).map_err(|error| {
                let text = format!("no transactional producer: {error}");
                let trouble = Trouble::Never(class_of(&error), text);
                // It goes with this error, and takes with it what is known of why.
                match producer.fatal() {
                    Some(why) => trouble.fatal(&why),
                    None => trouble,
                }
            })?;
        }
        Ok(producer)
    }

    /// Sends the records, and waits for what becomes of each: the offset of each that is acknowledged.
    /// Where some are and others are not, the operation as a whole is neither done nor not done.
    pub(super) fn send(
        &mut self,
        records: &[(&Place, &Value)],
        deadline: Instant,
    ) -> Result<Vec<Option<i64>>, Trouble> {
        self.number = self.number.wrapping_add(1);
        let reports = self.inner.context().clone();
        *reports.batch() =
            Batch { number: self.number, left: records.len(), records: vec![None; records.len()] };
        let mut payload = String::new();
        for (at, (place, value)) in records.iter().enumerate() {
            payload.clear();
            write_padded(&mut payload, value, self.record_size);
            self.enqueue(place, &payload, at, &reports, deadline);
        }
        let mut batch = reports.batch();
        while batch.left > 0 {
            let wait = left(deadline);
            if wait.is_zero() {
                break;
            }
            let waited = reports.changed.wait_timeout(batch, wait);
            batch = waited.expect("no code panics while it holds this lock").0;
        }
        let records = std::mem::take(&mut batch.records);
        // What comes later is of no operation any more.
        batch.number = self.number.wrapping_add(1);
        self.number = batch.number;
        summed(records)
    }

    /// Sends each record when the one before it is acknowledged and `pause` has passed, as a program
    /// does that has something to do in between; within a transaction, which undoes the first if a
    /// later one is refused.
    pub(super) fn send_one_by_one(
        &mut self,
        records: &[(&Place, &Value)],
        pause: Duration,
        deadline: Instant,
    ) -> Result<Vec<Option<i64>>, Trouble> {
        let mut offsets = Vec::with_capacity(records.len());
        for record in records {
            offsets.extend(self.send(std::slice::from_ref(record), deadline)?);
            std::thread::sleep(pause.min(left(deadline)));
        }
        Ok(offsets)
    }

    fn enqueue(
        &self,
        place: &Place,
        payload: &str,
        at: usize,
        reports: &Arc<Reports>,
        deadline: Instant,
    ) {
        let opaque = (self.number as usize) << 32 | at;
        let mut record = BaseRecord::<(), str, usize>::with_opaque_to(&place.topic, opaque)
            .partition(place.partition)
            .payload(payload);
        loop {
            let (error, back) = match self.inner.send(record) {
                Ok(()) => return,
                Err(refused) => refused,
            };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || left(deadline).is_zero() {
                // librdkafka has not taken it.
                reports.note(self.number, at, Err(of_untaken(&error)));
                return;
            }
            record = back;
            std::thread::sleep(FULL);
        }
    }

    pub(super) fn begin(&self) -> Result<(), Trouble> {
        self.inner.begin_transaction().map_err(|error| {
            Trouble::Never(class_of(&error), format!("no transaction was begun: {error}"))
        })
    }

    /// Makes the offsets a part of the transaction.
    pub(super) fn take_offsets(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        let sent = self.inner.send_offsets_to_transaction(offsets, group, left(deadline));
        sent.map_err(|error| Trouble::Never(class_of(&error), format!("offsets: {error}")))
    }

    /// Why librdkafka will do nothing more with this producer, if it is so.
    pub(super) fn fatal(&self) -> Option<String> {
        let (code, text) = self.inner.client().fatal_error()?;
        Some(format!("{code}: {text}"))
    }

    /// Commits the transaction. All records are acknowledged by now, so that what fails is the end
    /// itself; librdkafka may have told it to the coordinator more than once, and an error, even one
    /// that calls for an abort, answers the last of these. Nothing is known then.
    pub(super) fn commit(&self, deadline: Instant) -> Result<(), Uncommitted> {
        self.inner.commit_transaction(left(deadline)).map_err(|error| {
            let text = format!("commit: {error}");
            Uncommitted::Unknown(Trouble::Unknown(class_of(&error), text))
        })
    }

    /// Aborts the transaction; only once the coordinator has said so nothing of it can be committed.
    pub(super) fn abort(&self, why: Trouble, deadline: Instant) -> Uncommitted {
        match self.inner.abort_transaction(left(deadline)) {
            Ok(()) => {
                let (Trouble::Never(code, text) | Trouble::Unknown(code, text)) = why;
                Uncommitted::Aborted(Trouble::Never(code, format!("aborted: {text}")))
            }
            Err(error) => {
                let (Trouble::Never(code, text) | Trouble::Unknown(code, text)) = why;
                Uncommitted::Unknown(Trouble::Unknown(code, format!("{text}; abort: {error}")))
            }
        }
    }
}

/// The time that is left until `deadline`.
pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A message as the value of a record: readable, and filled up with spaces.
fn write_padded(payload: &mut String, value: &Value, size: usize) {
    use std::fmt::Write as _;
    let _ = match value {
        Value::Text(text) => payload.write_str(text),
        other => write!(payload, "{other}"),
    };
    let missing = size.saturating_sub(payload.len());
    payload.extend(std::iter::repeat_n(' ', missing));
}

/// What the records of one operation amount to.
fn summed(records: Vec<Option<Result<Option<i64>, Trouble>>>) -> Result<Vec<Option<i64>>, Trouble> {
    let (count, mut offsets, mut unknown, mut failed) = (records.len(), Vec::new(), None, None);
    let mut failures = 0;
    for record in records {
        match record {
            Some(Ok(offset)) => offsets.push(offset),
            Some(Err(trouble)) if trouble.is_certain() => {
                failures += 1;
                failed.get_or_insert(trouble);
            }
            Some(Err(trouble)) => drop(unknown.get_or_insert(trouble)),
            None => {
                let late = "a record was neither delivered nor given up in time";
                unknown.get_or_insert(Trouble::Unknown(Code::Timeout, late.into()));
            }
        }
    }
    match (unknown, failed) {
        (None, None) => Ok(offsets),
        (None, Some(failed)) if failures == count => Err(failed),
        (Some(trouble), _) | (None, Some(trouble)) => {
            let (Trouble::Never(code, text) | Trouble::Unknown(code, text)) = trouble;
            let delivered = offsets.len();
            Err(Trouble::Unknown(code, format!("{delivered} of {count} delivered; {text}")))
        }
    }
}

/// The sends of an operation, with their places.
pub(super) fn sends<'a>(
    mops: &'a [Mop],
    place: impl Fn(&Mop) -> &'a Place,
) -> Vec<(&'a Place, &'a Value)> {
    let sends = mops.iter().filter(|mop| mop.kind == MopKind::Send);
    sends.map(|mop| (place(mop), &mop.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_of_which_a_part_was_done_is_neither_done_nor_failed() {
        let ok = || Some(Ok(Some(7)));
        let failed = || Some(Err(Trouble::Never(Code::Unavailable, "no leader".into())));
        let unknown = || Some(Err(Trouble::Unknown(Code::Timeout, "late".into())));
        assert_eq!(summed(vec![ok(), ok()]), Ok(vec![Some(7), Some(7)]));
        assert!(summed(vec![failed(), failed()]).is_err_and(|trouble| trouble.is_certain()));
        for parts in [vec![ok(), failed()], vec![failed(), unknown()], vec![ok(), None]] {
            assert!(summed(parts).is_err_and(|trouble| !trouble.is_certain()));
        }
    }

    #[test]
    fn a_record_has_the_size_that_the_plan_wants() {
        let padded = |value: Value, size| {
            let mut payload = String::new();
            write_padded(&mut payload, &value, size);
            payload
        };
        assert_eq!(padded(Value::Int(42), 5), "42   ");
        assert_eq!(padded(Value::Int(42), 0), "42");
        assert_eq!(padded(Value::Text("a b".into()), 2), "a b");
    }
}
