//! The client of one process, on librdkafka.
//!
//! A thread of its own owns the producer and the consumer, does one operation at a time, and may block:
//! librdkafka's calls do. Whoever asks waits no longer than the operation may take; a thread that does
//! not answer by then is given up, ends when librdkafka lets it, and its operation is `Info`.

mod consumer;
mod native;
mod producer;
mod refusal;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schism_history::{Call, Code, Key, Mop, MopKind, Op, Outcome, Process, Reason, Reply, Value};
use tokio::sync::oneshot;

use self::consumer::{Chosen, Consumer, Polled};
use self::producer::{Producer, Uncommitted, sends};
use self::refusal::Trouble;
use self::settings::Commits;
pub(crate) use self::settings::{OPTIONS, Settings};
use super::GROUP;
use super::keys::{Layout, Place};
use super::questions;
use super::topics::TopicSettings;
use crate::Client;

/// How much sooner than whoever waits the thread ends an operation, so that it can tell how.
const SOONER: Duration = Duration::from_millis(50);
/// How long the making of topics may take.
const MAKE_WITHIN: Duration = Duration::from_secs(3);

/// The topics that are known to exist, shared by all clients of this program.
pub(super) type KnownTopics = Arc<Mutex<BTreeSet<String>>>;

struct Task {
    op: Op,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

/// A client that speaks to all brokers, and first to that of its node.
pub(super) struct KafkaClient {
    settings: Arc<Settings>,
    topics: TopicSettings,
    known: KnownTopics,
    bootstrap: Vec<SocketAddr>,
    process: Process,
    /// `None` until the first operation, and after one that was given up.
    thread: Option<mpsc::Sender<Task>>,
}

impl KafkaClient {
    pub(super) fn new(
        settings: Arc<Settings>,
        topics: TopicSettings,
        known: KnownTopics,
        bootstrap: Vec<SocketAddr>,
        process: Process,
    ) -> Self {
        Self { settings, topics, known, bootstrap, process, thread: None }
    }

    /// Makes the topics of the operation that are not known to exist.
    async fn make_topics(&self, op: &Op, deadline: Instant) -> Result<(), Trouble> {
        let layout = self.topics.layout;
        let missing: BTreeSet<String> = {
            let known = self.known.lock().expect("no code panics while it holds this lock");
            let topics = keys(op).into_iter().map(|key| layout.place(key).topic);
            topics.filter(|topic| !known.contains(topic)).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let mut problem = String::new();
        for at in &self.bootstrap {
            let within = producer::left(deadline).min(MAKE_WITHIN);
            match questions::create(*at, &self.topics, &missing, within).await {
                Ok(()) => {
                    let mut known =
                        self.known.lock().expect("no code panics while it holds this lock");
                    known.extend(missing);
                    return Ok(());
                }
                Err(error) => problem = error,
            }
        }
        // No record was sent yet.
        let names: Vec<&str> = missing.iter().map(String::as_str).collect();
        let text = format!("the topic {} could not be made: {problem}", names.join(", "));
        Err(Trouble::Never(Code::Unavailable, text))
    }

    fn thread(&mut self) -> Result<&mpsc::Sender<Task>, Trouble> {
        if self.thread.is_none() {
            let (sender, tasks) = mpsc::channel();
            let bootstrap: Vec<String> = self.bootstrap.iter().map(ToString::to_string).collect();
            let worker = Worker {
                settings: self.settings.clone(),
                layout: self.topics.layout,
                bootstrap: bootstrap.join(","),
                id: format!("{GROUP}-{}", self.process.0),
                producer: None,
                consumer: None,
                transactions: 0,
            };
            let name = format!("kafka-{}", self.process.0);
            std::thread::Builder::new().name(name).spawn(move || worker.serve(&tasks)).map_err(
                |error| Trouble::Never(Code::Other, format!("no thread for the client: {error}")),
            )?;
            self.thread = Some(sender);
        }
        self.thread.as_ref().ok_or_else(|| Trouble::Never(Code::Other, "no thread".into()))
    }

    async fn perform(&mut self, call: &Call<'_>) -> Result<Outcome, Trouble> {
        let deadline = Instant::now() + call.timeout;
        self.make_topics(call.op, deadline).await?;
        let (answer, answered) = oneshot::channel();
        let sooner = deadline.checked_sub(SOONER).unwrap_or(deadline);
        let task = Task { op: call.op.clone(), deadline: sooner, answer };
        if self.thread()?.send(task).is_err() {
            self.thread = None;
            return Err(Trouble::Never(Code::Other, "the client's thread has ended".into()));
        }
        let waited = tokio::time::timeout(producer::left(deadline), answered).await;
        match waited {
            Ok(Ok(outcome)) => Ok(outcome),
            late_or_ended => {
                self.thread = None;
                let text = match late_or_ended {
                    Err(_) => "librdkafka did not answer in time",
                    Ok(_) => "the client's thread ended in the middle",
                };
                Ok(Outcome::Info(Reason::new(Code::Timeout, text)))
            }
        }
    }
}

#[async_trait]
impl Client for KafkaClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        self.perform(call).await.unwrap_or_else(Trouble::outcome)
    }
}

/// The keys that an operation names.
fn keys(op: &Op) -> Vec<Key> {
    match &op.value {
        Value::Mops(mops) => {
            let sends = mops.iter().filter(|mop| mop.kind == MopKind::Send);
            sends.map(|mop| mop.key).collect()
        }
        Value::List(list) if matches!(op.f.as_str(), "assign" | "subscribe") => {
            list.iter().filter_map(key).collect()
        }
        _ => op.key.into_iter().collect(),
    }
}

fn key(value: &Value) -> Option<Key> {
    match value {
        Value::Int(number) => Some(Key::new(&number.to_string())),
        Value::Text(text) => Some(Key::new(text)),
        _ => None,
    }
}

/// What a client's thread has.
struct Worker {
    settings: Arc<Settings>,
    layout: Layout,
    bootstrap: String,
    id: String,
    producer: Option<Producer>,
    consumer: Option<Consumer>,
    /// How many transactions were begun.
    transactions: u64,
}

impl Worker {
    fn serve(mut self, tasks: &mpsc::Receiver<Task>) {
        for Task { op, deadline, answer } in tasks {
            let mut outcome = self.perform(&op, deadline);
            let sends = matches!(op.f.as_str(), "send" | "txn");
            if let Some(why) = self.producer.as_ref().and_then(Producer::fatal).filter(|_| sends) {
                // One that was acknowledged is so: the next one meets the producer that is given up.
                outcome = outcome.map_err(|trouble| trouble.fatal(&why));
            }
            let outcome = outcome.unwrap_or_else(Trouble::outcome);
            let is_fatal =
                matches!(&outcome, Outcome::Fail(reason) if sends && reason.code == Code::Fatal);
            if is_fatal || matches!(outcome, Outcome::Info(_)) {
                // After an `Info` the process is over, and what it held is not to be used again. One
                // whose operation is known not to have been done goes on with another producer where
                // librdkafka has given up this one, which would refuse everything from now on.
                self.producer = None;
            }
            // Nobody waits any more where it took too long.
            let _ = answer.send(outcome);
        }
    }

    fn perform(&mut self, op: &Op, deadline: Instant) -> Result<Outcome, Trouble> {
        let value = match (op.f.as_str(), &op.value) {
            ("send", Value::Mops(mops)) if self.settings.transactions => {
                self.transaction(mops, deadline)?
            }
            ("send", Value::Mops(mops)) => self.send(mops, deadline)?,
            ("poll", Value::Mops(mops)) => self.poll(mops, deadline)?,
            ("txn", Value::Mops(mops)) if self.settings.transactions => {
                self.transaction(mops, deadline)?
            }
            ("txn", _) => {
                let text = "a txn needs the option `transactions: true` of kafka";
                return Err(Trouble::Never(Code::Other, text.into()));
            }
            ("assign", Value::List(list)) => self.assign(list).map(|()| op.value.clone())?,
            ("subscribe", Value::List(list)) => self.subscribe(list).map(|()| op.value.clone())?,
            ("crash", _) => return Err(self.crash()),
            (f, value) => {
                let text = format!("{f} {value} is no operation of this client");
                return Err(Trouble::Never(Code::Other, text));
            }
        };
        Ok(Outcome::Ok(Reply { value, version: None }))
    }

    /// Drops everything as the death of the process would: nothing is flushed, no transaction aborted,
    /// no group left. The process is over for the controller.
    fn crash(&mut self) -> Trouble {
        if let Some(consumer) = self.consumer.take() {
            consumer.vanish();
        }
        self.producer = None;
        Trouble::Unknown(Code::Other, "the client crashed, as it was told to".into())
    }

    /// The producer, made when it is first needed.
    fn producer(&mut self, deadline: Instant) -> Result<&mut Producer, Trouble> {
        if self.producer.is_none() {
            let id = self.settings.transactions.then_some(self.id.as_str());
            self.producer = Some(Producer::new(&self.settings, &self.bootstrap, id, deadline)?);
        }
        self.producer.as_mut().ok_or_else(|| Trouble::Never(Code::Other, "no producer".into()))
    }

    fn send(&mut self, mops: &[Mop], deadline: Instant) -> Result<Value, Trouble> {
        let places = places(mops, self.layout);
        let records = sends(mops, |mop| &places[&mop.key]);
        let offsets = self.producer(deadline)?.send(&records, deadline)?;
        Ok(answered(mops, offsets, Vec::new(), self.layout))
    }

    fn assign(&mut self, list: &[Value]) -> Result<(), Trouble> {
        let places: Vec<Place> =
            list.iter().filter_map(key).map(|key| self.layout.place(key)).collect();
        // What the group gave is no choice of the client's: it goes on from nowhere.
        let before = self.consumer.take();
        let before = before.filter(|consumer| consumer.chosen() == Chosen::ByItself);
        let positions = before.as_ref().map(|it| it.positions().clone()).unwrap_or_default();
        drop(before);
        let now = Consumer::assigned(&self.settings, &self.bootstrap, &places, &positions);
        // Where the client was is forgotten if it is not: its process is over then.
        self.consumer = Some(now.map_err(Trouble::doubtful)?);
        Ok(())
    }

    fn subscribe(&mut self, list: &[Value]) -> Result<(), Trouble> {
        let topics: BTreeSet<String> =
            list.iter().filter_map(key).map(|key| self.layout.place(key).topic).collect();
        match &mut self.consumer {
            Some(consumer) if consumer.chosen() == Chosen::ByGroup => consumer.subscribe_to(topics),
            _ => {
                self.consumer = None;
                self.consumer =
                    Some(Consumer::subscribed(&self.settings, &self.bootstrap, topics)?);
                Ok(())
            }
        }
    }

    fn poll(&mut self, mops: &[Mop], deadline: Instant) -> Result<Value, Trouble> {
        let commits = self.settings.commits;
        let Some(consumer) = &mut self.consumer else {
            let text = "nothing is assigned to this client, and it has subscribed to nothing";
            return Err(Trouble::Never(Code::Other, text.into()));
        };
        let by_group = consumer.chosen() == Chosen::ByGroup;
        if by_group && commits == Commits::Before {
            let polled = consumer.hand_out(deadline)?;
            return Ok(answered(mops, Vec::new(), polled, self.layout));
        }
        let polled = consumer.poll(deadline)?;
        if by_group && !polled.is_empty() {
            match commits {
                Commits::Before | Commits::Never => {}
                Commits::After => consumer.commit(&polled, None),
                Commits::Waited => consumer.commit(&polled, Some(deadline)),
            }
        }
        Ok(answered(mops, Vec::new(), polled, self.layout))
    }

    /// Sends and polls in one transaction: the records and the offsets of what was polled are committed
    /// together, or nothing is.
    fn transaction(&mut self, mops: &[Mop], deadline: Instant) -> Result<Value, Trouble> {
        let (layout, places) = (self.layout, places(mops, self.layout));
        let polls = mops.iter().any(|mop| mop.kind == MopKind::Poll);
        self.producer(deadline)?.begin()?;
        self.transactions += 1;
        let think = self.settings.think;
        let regrets =
            self.settings.abort_every.is_some_and(|every| self.transactions.is_multiple_of(every));
        let (Some(producer), consumer) = (&mut self.producer, &mut self.consumer) else {
            return Err(Trouble::Never(Code::Other, "no producer".into()));
        };
        // Part of the time is kept for the end: without it no failure would ever be known for one.
        let body_deadline = deadline.checked_sub(producer::left(deadline) / 3).unwrap_or(deadline);
        let mut polled = Vec::new();
        let mut body = || -> Result<Vec<Option<i64>>, Trouble> {
            if let (true, Some(consumer)) = (polls, consumer.as_mut()) {
                polled = consumer.poll(body_deadline)?;
                if consumer.chosen() == Chosen::ByGroup && !polled.is_empty() {
                    producer.take_offsets(
                        &Consumer::offsets(&polled)?,
                        &consumer.group()?,
                        body_deadline,
                    )?;
                }
            }
            let records = sends(mops, |mop| &places[&mop.key]);
            match think {
                Some(pause) => producer.send_one_by_one(&records, pause, body_deadline),
                None => producer.send(&records, body_deadline),
            }
        };
        let done = body();
        let ended = match done {
            Ok(_) if regrets => {
                let why = Trouble::Never(Code::Other, "on purpose".into());
                Err(producer.abort(why, deadline))
            }
            Ok(offsets) => producer.commit(deadline).map(|()| offsets),
            Err(trouble) => Err(producer.abort(trouble, deadline)),
        };
        match ended {
            Ok(offsets) => Ok(answered(mops, offsets, polled, layout)),
            Err(Uncommitted::Aborted(trouble)) => {
                // One that is given up polls nothing any more, whatever it had polled.
                let is_over = |it: &Consumer| !polled.is_empty() || it.fatal().is_some();
                if let Some(before) = consumer.take_if(|it| is_over(it)) {
                    let again = before.again(&self.settings, &self.bootstrap, &polled);
                    // Without it what was polled would be skipped, as if it were lost: the process is over.
                    *consumer = Some(again.map_err(Trouble::doubtful)?);
                }
                Err(trouble)
            }
            Err(Uncommitted::Unknown(trouble)) => Err(trouble.doubtful()),
        }
    }
}

/// Where each key of the sends stands.
fn places(mops: &[Mop], layout: Layout) -> HashMap<Key, Place> {
    let mut places = HashMap::new();
    for mop in mops.iter().filter(|mop| mop.kind == MopKind::Send) {
        places.entry(mop.key).or_insert_with(|| layout.place(mop.key));
    }
    places
}

/// The operation with its answers: each send with its offset, and in the place of the first poll one for
/// each partition that returned something. A poll that returned nothing stays as it was.
fn answered(mops: &[Mop], offsets: Vec<Option<i64>>, polled: Vec<Polled>, layout: Layout) -> Value {
    let mut offsets = offsets.into_iter();
    let mut by_key: BTreeMap<Place, Vec<Value>> = BTreeMap::new();
    for Polled { place, offset, value } in polled {
        by_key.entry(place).or_default().extend([Value::Int(offset), value]);
    }
    let mut answers = Vec::with_capacity(mops.len());
    for mop in mops {
        match mop.kind {
            MopKind::Send => {
                let offset = offsets.next().flatten().map_or(Value::Nil, Value::Int);
                let value = Value::List([offset, mop.value.clone()].into());
                answers.push(Mop { kind: MopKind::Send, key: mop.key, value });
            }
            _ if by_key.is_empty() => answers.push(mop.clone()),
            _ => answers.extend(std::mem::take(&mut by_key).into_iter().map(|(place, list)| Mop {
                kind: MopKind::Poll,
                key: layout.key(&place.topic, place.partition),
                value: Value::List(list.into()),
            })),
        }
    }
    Value::Mops(answers.into())
}
