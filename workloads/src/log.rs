//! Partitioned logs: clients send messages, poll them, or do both in one transaction.

mod clients;
mod last_polls;
mod progress;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use schism_checkers::Claim;
use schism_history::{F, Key, Mop, MopKind, Op, OptionError, Value};

use self::clients::Clients;
use self::last_polls::LastPolls;
use self::progress::Progress;
use crate::{Expect, Generator, Step, Workload, WorkloadEntry, options};

/// The row of this workload.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "log",
    summary: "sends unique messages to logs and polls them, apart or in one transaction, and reads \
              every log to its end",
    operations: &["send", "poll", "txn", "assign", "subscribe", "crash"],
    claims: &[
        Claim::ConsistentOffsets,
        Claim::NoLostWrites,
        Claim::NoUnseenWrites,
        Claim::NoGroupSkips,
        Claim::PollOrder,
        Claim::SendOrder,
        Claim::NoPrecommittedReads,
        Claim::NoAbortedReads,
        Claim::NoDuplicates,
        Claim::NoCircularReads,
        Claim::Recovers,
        Claim::Availability,
    ],
    options: &[
        ("keys", "how many logs (partitions) there are; default 8"),
        (
            "mix",
            "weights of send, poll and txn (sends and a poll that take effect together); default \
             { send: 1, poll: 1 }; one left out is 0",
        ),
        ("length", "how many messages one operation sends at most; default 4"),
        (
            "read",
            "how clients come to their logs: assign (they choose), subscribe (the system \
             distributes them) or both; default assign",
        ),
        ("reassign", "how often a client reads other logs, about; default 3s"),
        (
            "crash",
            "how often a client forgets everything, as if it had died, about; default: never",
        ),
        (
            "producers",
            "so many clients send and never poll, and the others poll and never send; default: all \
             do both",
        ),
        (
            "patience",
            "how long the end of a log must stay silent before what is known to be there and does \
             not come is held to be missing; longer than the time-out of a transaction that may \
             hide it; default 5s",
        ),
    ],
    construct,
};

/// Every message is sent once in the whole run, and messages rise with time: whose it is, and when it
/// was sent, can be told from the message.
#[derive(Debug)]
struct Log {
    settings: Settings,
    patience: Duration,
    /// What the load has seen, which the last polls go on from.
    progress: Arc<Mutex<Progress>>,
}

/// What a plan sets.
#[derive(Clone, Copy, Debug)]
struct Settings {
    keys: u32,
    /// Of send, poll and txn.
    weights: [u32; 3],
    length: u32,
    read: Read,
    reassign: Duration,
    crash: Option<Duration>,
    producers: Option<u32>,
}

/// How a client comes to the logs that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Assign,
    Subscribe,
    Both,
}

fn construct(given: &serde_json::Value) -> Result<Box<dyn Workload>, OptionError> {
    let given = options::read(given, ENTRY.options)?;
    let settings = Settings {
        keys: options::keys(&given, 8)?,
        weights: options::mix(&given, ["send", "poll", "txn"], [1, 1, 0])?,
        length: given.count("length", 1..=100_000)?.map_or(4, |length| length as u32),
        read: match given.choice("read", &["assign", "subscribe", "both"])? {
            Some("subscribe") => Read::Subscribe,
            Some("both") => Read::Both,
            _ => Read::Assign,
        },
        reassign: given.span("reassign")?.unwrap_or(Duration::from_secs(3)),
        crash: given.span("crash")?,
        producers: given.count("producers", 1..=10_000)?.map(|producers| producers as u32),
    };
    let [sends, polls, transactions] = settings.weights;
    if settings.producers.is_some() && transactions == 0 && (sends == 0 || polls == 0) {
        let problem = "with `producers`, some clients send and others poll: give both a weight";
        return Err(given.error("mix", problem));
    }
    let patience = given.span("patience")?.unwrap_or(Duration::from_secs(5));
    Ok(Box::new(Log { settings, patience, progress: Arc::default() }))
}

impl Workload for Log {
    fn load(&self) -> Box<dyn Generator> {
        Box::new(Clients::new(self.settings, self.progress.clone()))
    }

    fn final_reads(&self) -> Box<dyn Generator> {
        let keys = keys(self.settings.keys);
        Box::new(LastPolls::new(keys, self.patience, self.progress.clone()))
    }

    /// A message that is sent comes when its log is polled, and so does one of a transaction, if the
    /// plan has any.
    fn preflight(&self, token: u32) -> Vec<Step> {
        let key = Key::new(&format!("preflight-{token}"));
        let f = Functions::default();
        let send = |f, message| Op { f, key: None, value: mops(vec![sent(key, message)]) };
        let step = |op, expect| Step { op, expect };
        let mut steps = vec![
            step(send(f.send, 1), Expect::Ok),
            step(Op { f: f.assign, key: None, value: named(&[key]) }, Expect::Ok),
            step(f.poll(), Expect::Message(Value::Int(1))),
        ];
        if self.settings.weights[2] > 0 {
            steps.push(step(send(f.txn, 2), Expect::Ok));
            steps.push(step(f.poll(), Expect::Message(Value::Int(2))));
        }
        steps
    }

    fn initial(&self) -> Value {
        Value::Nil
    }
}

/// The functions of logs.
#[derive(Clone, Copy, Debug)]
struct Functions {
    send: F,
    poll: F,
    txn: F,
    assign: F,
    subscribe: F,
    crash: F,
}

impl Default for Functions {
    fn default() -> Self {
        let [send, poll, txn, assign, subscribe, crash] =
            ["send", "poll", "txn", "assign", "subscribe", "crash"].map(F::new);
        Self { send, poll, txn, assign, subscribe, crash }
    }
}

impl Functions {
    /// A poll of whatever its process reads.
    fn poll(&self) -> Op {
        Op { f: self.poll, key: None, value: mops(vec![polled()]) }
    }
}

fn keys(count: u32) -> Vec<Key> {
    (0..count).map(|number| Key::new(&number.to_string())).collect()
}

fn mops(mops: Vec<Mop>) -> Value {
    Value::Mops(mops.into())
}

fn sent(key: Key, message: i64) -> Mop {
    Mop { kind: MopKind::Send, key, value: Value::Int(message) }
}

fn polled() -> Mop {
    Mop { kind: MopKind::Poll, key: Key::new(""), value: Value::Nil }
}

/// The names of logs, as an assignment carries them.
fn named(keys: &[Key]) -> Value {
    Value::List(keys.iter().map(|key| Value::Text(key.as_str().into())).collect())
}

#[cfg(test)]
mod tests;
