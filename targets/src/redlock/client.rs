//! A client of all servers at once.
//!
//! What an operation comes to:
//!
//! - An acquire that got no majority, or got it too late, is a `Fail`: by the algorithm the client does
//!   not hold the lock, whatever single servers have granted, and these grants end by themselves.
//! - A release within the lease is `Ok`, whatever the servers say: until then the client was promised
//!   the lock. After the lease it is a `Fail`: the lock may have been another's for long.
//! - A write goes to one server, which serves what the lock guards. Until a byte of it has left, nothing
//!   can have happened: `Fail`; then it may be carried out at any time: `Info`.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use rustc_hash::FxHashMap;
use schism_history::{Call, Code, Key, Op, Outcome, Process, Reason, Reply as Answer, Value};
use schism_lab::NodeId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::settings::Settings;
use crate::Client;
use crate::redis_cluster::connection::{Connection, Trouble};
use crate::redis_cluster::refusal::{self, Refusal};
use crate::redis_cluster::resp::Reply;
use crate::redis_cluster::{RELEASE, slot_of};

/// What clocks of servers may be apart by at the end of a lease, as the algorithm has it: a hundredth
/// of the lease, and two milliseconds for how Redis rounds.
const DRIFT: u32 = 100;
const ROUNDING: Duration = Duration::from_millis(2);

pub(super) struct RedlockClient {
    servers: Vec<Server>,
    process: Process,
    lease: Duration,
    patience: Duration,
    grants: u64,
    held: FxHashMap<Key, Held>,
}

struct Server {
    node: NodeId,
    address: SocketAddr,
    connection: Option<Connection>,
}

struct Held {
    owner: String,
    /// When the lock must be taken for lost.
    until: Instant,
}

/// What one server made of one command.
type Said = Result<Reply, Trouble>;

impl RedlockClient {
    pub(super) fn new(
        servers: Vec<(NodeId, SocketAddr)>,
        process: Process,
        settings: &Settings,
    ) -> Self {
        let server = |(node, address)| Server { node, address, connection: None };
        Self {
            servers: servers.into_iter().map(server).collect(),
            process,
            lease: settings.lease,
            patience: settings.patience,
            grants: 0,
            held: FxHashMap::default(),
        }
    }

    async fn perform(&mut self, op: &Op, deadline: Instant) -> Outcome {
        match (op.f.as_str(), op.key, &op.value) {
            ("acquire", Some(key), _) => self.acquire(key, deadline).await,
            ("release", Some(key), _) => self.release(key, deadline).await,
            ("write", Some(key), Value::List(parts)) => {
                let [Value::Int(token), value] = &**parts else { return unknown(op) };
                let text = format!("{token} {value}");
                self.write(key, &text, deadline).await.map_or_else(
                    |outcome| outcome,
                    |()| Outcome::Ok(Answer { value: op.value.clone(), version: None }),
                )
            }
            _ => unknown(op),
        }
    }

    async fn acquire(&mut self, key: Key, deadline: Instant) -> Outcome {
        self.grants += 1;
        let owner = format!("{}-{}", self.process.0, self.grants);
        let begun = Instant::now();
        let (name, lease) = (format!("lock:{key}"), self.lease.as_millis().to_string());
        let set: [&str; 6] = ["SET", &name, &owner, "NX", "PX", &lease];
        let said = self.ask_all(&set, deadline).await;
        let granted = said.iter().filter(|said| matches!(said, Ok(Reply::Status(_)))).count();
        let silent = said.iter().filter(|said| said.is_err()).count();
        let until = begun + self.lease.saturating_sub(self.lease / DRIFT + ROUNDING);
        if granted > self.servers.len() / 2 && Instant::now() < until {
            self.held.insert(key, Held { owner, until });
            return Outcome::Ok(Answer::default());
        }
        // So that others need not wait for the end of the lease; whoever is not reached will.
        self.ask_all(&["EVAL", RELEASE, "1", &name, &owner], deadline).await;
        let text = format!("{granted} of {} servers granted it, {silent} were silent", said.len());
        let code = if silent * 2 > said.len() { Code::Unavailable } else { Code::Mismatch };
        Outcome::Fail(Reason::new(code, text))
    }

    async fn release(&mut self, key: Key, deadline: Instant) -> Outcome {
        let Some(held) = self.held.remove(&key) else {
            return Outcome::Fail(Reason::new(Code::Other, format!("lock {key} is not held here")));
        };
        let in_time = Instant::now() < held.until;
        let name = format!("lock:{key}");
        self.ask_all(&["EVAL", RELEASE, "1", &name, &held.owner], deadline).await;
        if in_time {
            return Outcome::Ok(Answer::default());
        }
        Outcome::Fail(Reason::new(Code::Other, "the lease had run out"))
    }

    /// Writes what the lock guards, on the server that serves it.
    async fn write(&mut self, key: Key, text: &str, deadline: Instant) -> Result<(), Outcome> {
        let place = usize::from(slot_of(key.as_str())) % self.servers.len();
        let server = &mut self.servers[place];
        let (node, address) = (server.node, server.address);
        let name = format!("guarded:{key}");
        match ask(server, &["SET", &name, text], deadline).await {
            Ok(Reply::Status(_)) => Ok(()),
            Ok(Reply::Error(error)) => {
                let text = format!("{node}: {error}");
                Err(match refusal::read(&error, address) {
                    Refusal::Refused(code) => Outcome::Fail(Reason::new(code, text)),
                    _ => Outcome::Info(Reason::new(Code::Other, text)),
                })
            }
            Ok(other) => Err(Outcome::Info(Reason::new(
                Code::Protocol,
                format!("{node}: {}", other.shown()),
            ))),
            Err(Trouble::Unsent(text)) => Err(Outcome::Fail(Reason::new(Code::Refused, text))),
            Err(Trouble::Unknown(code, text)) => Err(Outcome::Info(Reason::new(code, text))),
        }
    }

    /// The same command to all servers at once, each of which is waited for for a short time.
    async fn ask_all(&mut self, words: &[&str], deadline: Instant) -> Vec<Said> {
        let deadline = deadline.min(Instant::now() + self.patience);
        let mut asked = JoinSet::new();
        for (place, mut server) in self.servers.drain(..).enumerate() {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            asked.spawn(async move {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let said = ask(&mut server, &words, deadline).await;
                (place, server, said)
            });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(place, _, _)| *place);
        let mut said = Vec::with_capacity(answers.len());
        for (_, server, answer) in answers {
            self.servers.push(server);
            said.push(answer);
        }
        said
    }
}

/// One command to one server. The connection is kept only after an answer, so that no late one can meet
/// the next command.
async fn ask(server: &mut Server, words: &[&str], deadline: Instant) -> Said {
    let mut connection = match server.connection.take().filter(Connection::is_quiet) {
        Some(connection) => connection,
        None => Connection::open(server.address, server.node.to_string(), deadline).await?,
    };
    let reply = connection.command(words, deadline).await?;
    server.connection = Some(connection);
    Ok(reply)
}

fn unknown(op: &Op) -> Outcome {
    let text = format!("Redlock has no operation {} {}", op.f, op.value);
    Outcome::Fail(Reason::new(Code::Other, text))
}

#[async_trait]
impl Client for RedlockClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        self.perform(call.op, Instant::now() + call.timeout).await
    }
}

#[cfg(test)]
mod tests {
    use schism_history::{Time, TraceId};
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers every `SET` by `set`, and everything else by `:1`; nothing if that is empty.
    async fn server(set: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(length) = stream.read(&mut bytes).await
                        && length > 0
                    {
                        let is_set = bytes[..length].windows(5).any(|it| it == b"SET\r\n");
                        let answer = if is_set { set } else { ":1\r\n" };
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        address
    }

    async fn acquired(sets: [&'static str; 3]) -> (RedlockClient, Outcome) {
        let mut servers = Vec::new();
        for (number, set) in (1..).zip(sets) {
            servers.push((NodeId(number), server(set).await));
        }
        let settings = Settings::read(&json!({ "patience": "100ms" })).expect("right options");
        let mut client = RedlockClient::new(servers, Process(1), &settings);
        let outcome = invoke(&mut client, "acquire", Value::Nil).await;
        (client, outcome)
    }

    async fn invoke(client: &mut RedlockClient, f: &str, value: Value) -> Outcome {
        let op = Op::new(f, Some("x"), value);
        let (deadline, timeout, trace) = (Time::ZERO, Duration::from_secs(2), TraceId(0));
        client.invoke(&Call { op: &op, index: 0, deadline, timeout, trace }).await
    }

    #[tokio::test]
    async fn a_majority_grants_a_lock() {
        let (mut client, outcome) = acquired(["+OK\r\n", "$-1\r\n", "+OK\r\n"]).await;
        assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
        assert!(matches!(invoke(&mut client, "release", Value::Nil).await, Outcome::Ok(_)));
        assert!(matches!(invoke(&mut client, "release", Value::Nil).await, Outcome::Fail(_)));
    }

    #[tokio::test]
    async fn less_than_a_majority_does_not() {
        let code = |outcome: &Outcome| match outcome {
            Outcome::Fail(reason) => reason.code,
            other => panic!("{other:?}"),
        };
        let (_, held) = acquired(["+OK\r\n", "$-1\r\n", "$-1\r\n"]).await;
        assert_eq!(code(&held), Code::Mismatch);
        let (_, silent) = acquired(["+OK\r\n", "", ""]).await;
        assert_eq!(code(&silent), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_write_that_nobody_answers_is_unknown() {
        let write = || Value::List([Value::Int(0), Value::Int(7)].into());
        let (mut client, _) = acquired(["+OK\r\n"; 3]).await;
        assert!(matches!(invoke(&mut client, "write", write()).await, Outcome::Ok(_)));
        let (mut client, _) = acquired([""; 3]).await;
        assert!(matches!(invoke(&mut client, "write", write()).await, Outcome::Info(_)));
        let outcome = invoke(&mut client, "write", Value::Int(1)).await;
        assert!(matches!(outcome, Outcome::Fail(_)), "{outcome:?}");
    }
}
