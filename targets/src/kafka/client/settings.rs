//! What a plan can set of the clients, and what librdkafka is configured with for that.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use schism_history::{OptionError, Options};
use serde_json::Value;

use super::consumer::{Chosen, STATISTICS_EVERY};

/// The keys, each with one line of help.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    (
        "acks",
        "which brokers must have a record before it is acknowledged: 0, 1 or all; default all",
    ),
    (
        "idempotence",
        "enable.idempotence: retries make no duplicates, and librdkafka always retries; default false",
    ),
    ("transactions", "whether a client sends in transactions; brings idempotence; default false"),
    (
        "retries",
        "how often librdkafka sends a record again by itself; default 0, and with idempotence as \
         often as it likes, which cannot be turned off",
    ),
    ("delivery_timeout", "how long librdkafka may try to deliver a record; default 4s"),
    (
        "request_timeout",
        "how long a broker may take to answer one request before its connection is given up; \
         default 3s",
    ),
    ("transaction_timeout", "after which the coordinator aborts a transaction; default 10s"),
    (
        "abort_every",
        "each so many-th transaction of a client is aborted when all of it was sent, as by a program \
         that thinks better of it; default: none",
    ),
    (
        "think",
        "how long a program thinks after each record of a transaction, each of which it sends alone \
         then; default: it sends all of them at once",
    ),
    ("isolation", "what consumers see: read_committed (default) or read_uncommitted"),
    (
        "assignor",
        "how partitions are distributed in a group: range, roundrobin (both eager) or \
         cooperative-sticky; default range",
    ),
    (
        "commit",
        "when subscribers commit what they polled: after (each poll, and nobody waits; default), sync \
         (the same, and the poll waits for the answer), before (all that was fetched, which polls then \
         return a few records at a time: at most once), or never; in a transaction they always do",
    ),
    (
        "reset",
        "where subscribers begin in a partition of which their group has committed nothing: earliest \
         (default) or latest; whoever chooses partitions begins at the earliest",
    ),
    (
        "group_timeout",
        "session.timeout.ms: silence after which a member of the group is taken to be gone; \
         default 6s",
    ),
    ("poll", "how long a poll waits for a first message; default 200ms"),
    ("linger", "how long records wait for others of their batch; default 0ms, that is, not"),
    ("batch", "batch.size in bytes; librdkafka's default is 1000000"),
    (
        "record_size",
        "the size of a record's value in bytes, filled with spaces; default: as it comes",
    ),
    ("client", "more properties of librdkafka, by its names: { socket.nagle.disable: true }"),
];

const RESET: &str = "auto.offset.reset";
const EARLIEST: &str = "earliest";

/// Properties that other options or this target set.
const TAKEN: &[(&str, &str)] = &[
    ("bootstrap.servers", "the lab says where brokers are"),
    ("acks", "the option `acks` does"),
    ("request.required.acks", "the option `acks` does"),
    ("enable.idempotence", "the option `idempotence` does"),
    ("transactional.id", "the option `transactions` does"),
    ("retries", "the option `retries` does"),
    ("message.send.max.retries", "the option `retries` does"),
    ("isolation.level", "the option `isolation` does"),
    ("group.id", "all clients are of one group"),
    (RESET, "the option `reset` does"),
    ("enable.auto.commit", "the option `commit` does"),
    ("enable.auto.offset.store", "the option `commit` does"),
    ("enable.partition.eof", "the ends of logs are asked for"),
    ("statistics.interval.ms", "the ends of logs are seen by it"),
];

/// Who has a record when it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acks {
    Nobody,
    Leader,
    All,
}

impl Acks {
    fn word(self) -> &'static str {
        match self {
            Self::Nobody => "0",
            Self::Leader => "1",
            Self::All => "all",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    Committed,
    Uncommitted,
}

/// When subscribers commit what they poll outside of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commits {
    /// What a poll returned, without waiting for the answer: at least once.
    After,
    /// The same, but the poll waits for the answer.
    Waited,
    /// What was fetched, before it is returned: at most once.
    Before,
    Never,
}

/// The options of a plan, read.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) acks: Acks,
    idempotence: bool,
    pub(super) transactions: bool,
    retries: Option<u64>,
    delivery_timeout: Duration,
    request_timeout: Duration,
    transaction_timeout: Duration,
    pub(super) abort_every: Option<u64>,
    pub(super) think: Option<Duration>,
    pub(super) isolation: Isolation,
    assignor: &'static str,
    pub(super) commits: Commits,
    reset: &'static str,
    group_timeout: Duration,
    pub(super) poll: Duration,
    linger: Duration,
    batch: Option<u64>,
    pub(super) record_size: usize,
    more: BTreeMap<String, String>,
}

impl Settings {
    pub(crate) fn read(options: &Options<'_>, given: &Value) -> Result<Self, OptionError> {
        let span = |key: &str, default| Ok(options.span(key)?.unwrap_or(default));
        let transactions = options.truth("transactions")?;
        let settings = Self {
            acks: acks(options, given)?,
            idempotence: options.truth("idempotence")? || transactions,
            transactions,
            retries: options.count("retries", 0..=1_000_000)?,
            delivery_timeout: span("delivery_timeout", Duration::from_secs(4))?,
            request_timeout: span("request_timeout", Duration::from_secs(3))?,
            transaction_timeout: span("transaction_timeout", Duration::from_secs(10))?,
            abort_every: options.count("abort_every", 1..=1_000_000)?,
            think: options.span("think")?,
            isolation: match options.choice("isolation", &["read_committed", "read_uncommitted"])? {
                Some("read_uncommitted") => Isolation::Uncommitted,
                _ => Isolation::Committed,
            },
            assignor: options
                .choice("assignor", &["range", "roundrobin", "cooperative-sticky"])?
                .unwrap_or("range"),
            commits: match options.choice("commit", &["after", "sync", "before", "never"])? {
                Some("sync") => Commits::Waited,
                Some("before") => Commits::Before,
                Some("never") => Commits::Never,
                _ => Commits::After,
            },
            reset: options.choice("reset", &[EARLIEST, "latest"])?.unwrap_or(EARLIEST),
            group_timeout: span("group_timeout", Duration::from_secs(6))?,
            poll: span("poll", Duration::from_millis(200))?,
            linger: options.span("linger")?.unwrap_or_default(),
            batch: options.count("batch", 1..=2_147_483_647)?,
            record_size: options.count("record_size", 1..=1_000_000)?.unwrap_or(0) as usize,
            more: more(options, given)?,
        };
        if settings.idempotence && settings.acks != Acks::All {
            let problem = "idempotence needs `acks: all`, as librdkafka has it";
            return Err(options.error("acks", problem));
        }
        if settings.idempotence && settings.retries == Some(0) {
            let problem = "librdkafka has no idempotence without retries: leave `retries` out";
            return Err(options.error("retries", problem));
        }
        if settings.abort_every.is_some() && !transactions {
            let problem = "only transactions are aborted: add `transactions: true`";
            return Err(options.error("abort_every", problem));
        }
        if settings.think.is_some() && !transactions {
            let problem = "only in a transaction is there more to send: add `transactions: true`";
            return Err(options.error("think", problem));
        }
        if transactions && settings.commits == Commits::Before {
            let problem =
                "a transaction commits what it polled with what it sends: leave `commit` out";
            return Err(options.error("commit", problem));
        }
        if transactions && settings.delivery_timeout > settings.transaction_timeout {
            let problem = "`delivery_timeout` is longer than a transaction may last";
            return Err(options.error("delivery_timeout", problem));
        }
        Ok(settings)
    }

    /// Whether clients send in transactions.
    pub(crate) fn transactions(&self) -> bool {
        self.transactions
    }

    /// What a producer is made with, but for where brokers are and who it is.
    pub(super) fn producer(&self) -> Vec<(String, String)> {
        let millis = |span: Duration| span.as_millis().max(1).to_string();
        let mut all = vec![
            ("acks", self.acks.word().to_owned()),
            ("enable.idempotence", self.idempotence.to_string()),
            ("message.timeout.ms", millis(self.delivery_timeout)),
            ("request.timeout.ms", millis(self.request_timeout)),
            ("queue.buffering.max.ms", self.linger.as_millis().to_string()),
            ("queue.buffering.max.messages", "1000000".into()),
        ];
        match self.retries {
            Some(retries) => all.push(("message.send.max.retries", retries.to_string())),
            None if self.idempotence => {}
            None => all.push(("message.send.max.retries", "0".into())),
        }
        if let Some(bytes) = self.batch {
            all.push(("batch.size", bytes.to_string()));
        }
        if self.transactions {
            all.push(("transaction.timeout.ms", millis(self.transaction_timeout)));
        }
        self.with_common(all)
    }

    /// What a consumer is made with, but for where brokers are.
    pub(super) fn consumer(&self, chosen: Chosen) -> Vec<(String, String)> {
        // Who chose its partitions passes over nothing, whatever groups do: what is not in its polls
        // counts as lost.
        let reset = match chosen {
            Chosen::ByItself => EARLIEST,
            Chosen::ByGroup => self.reset,
        };
        let isolation = match self.isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        let heartbeat = (self.group_timeout / 3).as_millis().max(1).to_string();
        self.with_common(vec![
            ("group.id", super::GROUP.into()),
            ("isolation.level", isolation.into()),
            ("partition.assignment.strategy", self.assignor.into()),
            ("session.timeout.ms", self.group_timeout.as_millis().to_string()),
            ("heartbeat.interval.ms", heartbeat),
            (RESET, reset.into()),
            ("enable.auto.commit", "false".into()),
            ("enable.auto.offset.store", "false".into()),
            ("fetch.wait.max.ms", "100".into()),
            ("fetch.error.backoff.ms", "100".into()),
            // By it the client sees how far it has read, which decides what an empty poll is worth.
            ("statistics.interval.ms", STATISTICS_EVERY.as_millis().to_string()),
        ])
    }

    fn with_common(&self, of: Vec<(&str, String)>) -> Vec<(String, String)> {
        let common = [
            ("socket.timeout.ms", self.request_timeout.as_millis().max(10).to_string()),
            ("socket.connection.setup.timeout.ms", "2000".into()),
            ("reconnect.backoff.max.ms", "1000".into()),
            ("topic.metadata.refresh.fast.interval.ms", "100".into()),
            ("allow.auto.create.topics", "false".into()),
            ("log.connection.close", "false".into()),
        ];
        let all = of.into_iter().chain(common).map(|(name, value)| (name.to_owned(), value));
        let mut all: BTreeMap<String, String> = all.collect();
        // What a producer does not know, a consumer may: librdkafka ignores the other's properties.
        all.extend(self.more.clone());
        all.into_iter().collect()
    }

    /// Everything that clients are configured with, by librdkafka's names.
    pub(crate) fn configuration(&self) -> Vec<(String, String)> {
        let named = |who: &str, all: Vec<(String, String)>| {
            let name = |(name, value)| (format!("{who}.{name}"), value);
            all.into_iter().map(name).collect::<Vec<_>>()
        };
        let mut all = named("producer", self.producer());
        if self.transactions {
            all.push(("producer.transactional.id".into(), format!("{}-PROCESS", super::GROUP)));
        }
        if self.idempotence && self.retries.is_none() {
            // What librdkafka sets by itself with idempotence.
            all.push(("producer.message.send.max.retries".into(), i32::MAX.to_string()));
        }
        // Nothing turns this off, and a reader of the verdict has to know it.
        all.push((
            "producer.resends".into(),
            "what a broker refuses as not leading the partition, uncounted by retries".into(),
        ));
        if let Some(count) = self.abort_every {
            all.push(("producer.aborts".into(), format!("one transaction in {count}, on purpose")));
        }
        if let Some(pause) = self.think {
            let words = format!("{} ms after each record of a transaction", pause.as_millis());
            all.push(("producer.thinks".into(), words));
        }
        if self.record_size > 0 {
            all.push(("producer.record size".into(), self.record_size.to_string()));
        }
        all.extend(named("consumer", self.consumer(Chosen::ByGroup)));
        if self.reset != EARLIEST {
            let name = format!("consumer.{RESET} of partitions that it chose");
            all.push((name, EARLIEST.into()));
        }
        all.push(("consumer.commits".into(), self.committing().into()));
        all.push((
            "client".into(),
            format!("librdkafka {}", rdkafka::util::get_rdkafka_version().1),
        ));
        all
    }

    fn committing(&self) -> &'static str {
        match (self.commits, self.transactions) {
            (Commits::After, true) => "after each poll, and in transactions",
            (Commits::After, false) => "after each poll",
            (Commits::Waited, true) => "after each poll, which waits for it, and in transactions",
            (Commits::Waited, false) => "after each poll, which waits for it",
            (Commits::Before, _) => "what was fetched, before it is polled",
            (Commits::Never, true) => "in transactions",
            (Commits::Never, false) => "never",
        }
    }

    /// As reports say it, behind what the brokers are like.
    pub(crate) fn words(&self) -> String {
        let what = match (self.transactions, self.idempotence) {
            (true, _) => ", transactions",
            (false, true) => ", idempotence",
            (false, false) => "",
        };
        format!("acks {}{what}", self.acks.word())
    }
}

/// A configuration of librdkafka for brokers at `bootstrap`.
pub(super) fn config(all: Vec<(String, String)>, bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.extend(all);
    config.set("bootstrap.servers", bootstrap);
    config
}

fn acks(options: &Options<'_>, given: &Value) -> Result<Acks, OptionError> {
    match given.get("acks") {
        None => Ok(Acks::All),
        Some(Value::String(word)) if word == "all" => Ok(Acks::All),
        Some(Value::Number(number)) if number.as_u64() == Some(0) => Ok(Acks::Nobody),
        Some(Value::Number(number)) if number.as_u64() == Some(1) => Ok(Acks::Leader),
        Some(other) => {
            Err(options.error("acks", format!("`acks` is {other}; it must be 0, 1 or all")))
        }
    }
}

fn more(options: &Options<'_>, given: &Value) -> Result<BTreeMap<String, String>, OptionError> {
    let wrong = |what: String| options.error("client", what);
    let Some(value) = given.get("client") else { return Ok(BTreeMap::new()) };
    let Some(map) = value.as_object() else {
        return Err(wrong(format!("`client` is {value}; it must be properties with values")));
    };
    let mut more = BTreeMap::new();
    for (name, value) in map {
        if let Some((_, reason)) = TAKEN.iter().find(|(taken, _)| taken == name) {
            return Err(wrong(format!("`{name}` cannot be set in `client`: {reason}")));
        }
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            other => return Err(wrong(format!("`{name}` is {other}; it must be a value"))),
        };
        // Whether librdkafka knows the name and takes the value is asked of itself.
        let mut probe = ClientConfig::new();
        probe.set(name, &value);
        if let Err(error) = probe.create_native_config() {
            return Err(wrong(format!("`{name}`: {error}")));
        }
        more.insert(name.clone(), value);
    }
    Ok(more)
}
