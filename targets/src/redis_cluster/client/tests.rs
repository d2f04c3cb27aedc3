//! A client against nodes that are made up, and answer what a test tells them.

use std::collections::VecDeque;
use std::sync::Mutex;

use schism_history::{Key, Mop, MopKind, Process, Time, TraceId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::redis_cluster::resp::read_reply;
use crate::redis_cluster::settings::Settings;

const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(20);

const PLAIN: Manner = Manner { reads: Reads::Primary, wait: 0, wait_timeout: SHORT };

/// A node that answers to each command in turn. `{}` stands for the address of the other node;
/// `close` closes the connection, and an empty text is no answer. Who asks for its table of slots
/// gets one that has them all at the other node, if it has any.
struct Node {
    listener: TcpListener,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<&'static str>,
    heard: Vec<String>,
    has_table: bool,
    tables: usize,
}

async fn node(answers: &[&'static str]) -> (Node, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    let state = State { answers: answers.iter().copied().collect(), ..State::default() };
    (Node { listener, state: Arc::new(Mutex::new(state)) }, address)
}

impl Node {
    /// Serves every connection until the test ends. What is heard can be read from the result.
    fn serve(self, other: SocketAddr) -> Arc<Mutex<State>> {
        let Self { listener, state } = self;
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("clients come");
                tokio::spawn(serve_one(stream, shared.clone(), other));
            }
        });
        state
    }
}

async fn serve_one(mut stream: TcpStream, state: Arc<Mutex<State>>, other: SocketAddr) {
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        while let Ok(Some((command, length))) = read_reply(&bytes) {
            bytes.drain(..length);
            let answer = {
                let mut state = state.lock().expect("no panic");
                let command = words(command);
                if command == "CLUSTER SLOTS" {
                    state.tables += 1;
                    table(other, state.has_table)
                } else {
                    state.heard.push(command);
                    state.answers.pop_front().expect("an answer to each command").to_owned()
                }
            };
            if answer == "close" {
                return;
            }
            let answer = answer.replace("{}", &other.to_string());
            // The client may have gone.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}

fn table(other: SocketAddr, full: bool) -> String {
    let (address, port) = (other.ip().to_string(), other.port());
    let length = address.len();
    if !full {
        return "*0\r\n".into();
    }
    let node = format!("*2\r\n${length}\r\n{address}\r\n:{port}\r\n");
    format!("*1\r\n*3\r\n:0\r\n:16383\r\n{node}")
}

fn heard(state: &Mutex<State>) -> Vec<String> {
    state.lock().expect("no panic").heard.clone()
}

fn words(command: Reply) -> String {
    let Reply::Array(words) = command else { panic!("commands are arrays") };
    let words: Vec<String> = words.iter().map(|word| word.text().expect("a word")).collect();
    words.join(" ")
}

async fn invoke(client: &mut RedisClient, op: &Op, timeout: Duration) -> Outcome {
    let (trace, deadline) = (TraceId(0), Time::ZERO);
    client.invoke(&Call { op, index: 0, deadline, timeout, trace }).await
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok(reply) => format!("ok {}", reply.value),
        Outcome::Fail(reason) => format!("fail {}", reason.code.as_str()),
        Outcome::Info(reason) => format!("info {}", reason.code.as_str()),
    }
}

fn write() -> Op {
    Op::new("write", Some("x"), Value::Int(1))
}

fn read() -> Op {
    Op::new("read", Some("x"), Value::Nil)
}

fn append() -> Op {
    let append = Mop { kind: MopKind::Append, key: Key::new("x"), value: Value::Int(1) };
    Op::new("txn", None, Value::Mops([append].into()))
}

fn client(own: SocketAddr, manner: Manner) -> RedisClient {
    let settings = Settings::read(&serde_json::json!(null)).expect("no options");
    RedisClient::new(own, manner, Arc::default(), Locks::new(Process(1), &settings))
}

/// What becomes of `op` at one node that answers so, and what the node heard.
async fn alone(manner: Manner, op: &Op, answers: &[&'static str]) -> (String, Vec<String>) {
    let (node, address) = node(answers).await;
    let state = node.serve(address);
    let timeout = if answers.contains(&"") { SHORT } else { LONG };
    let outcome = invoke(&mut client(address, manner), op, timeout).await;
    (short(&outcome), heard(&state))
}

async fn check(op: Op, answers: &[&'static str], expected: &str) {
    let (outcome, _) = alone(PLAIN, &op, answers).await;
    assert_eq!(outcome, expected, "{op:?} answered by {answers:?}");
}

#[tokio::test]
async fn what_was_answered_is_done() {
    check(write(), &["+OK\r\n"], "ok 1").await;
    check(read(), &["$1\r\n7\r\n"], "ok 7").await;
    check(read(), &["$-1\r\n"], "ok _").await;
    check(append(), &["+OK\r\n", "+QUEUED\r\n", "*1\r\n:1\r\n"], "ok [append x 1]").await;
}

#[tokio::test]
async fn what_was_refused_before_it_was_executed_is_a_fail() {
    for refusal in ["-CLUSTERDOWN The cluster is down\r\n", "-NOREPLICAS Not enough\r\n"] {
        check(write(), &[refusal], "fail unavailable").await;
        check(read(), &[refusal], "fail unavailable").await;
    }
    let abort = ["+OK\r\n", "-CLUSTERDOWN down\r\n", "-EXECABORT Transaction discarded\r\n"];
    check(append(), &abort, "fail unavailable").await;
}

#[tokio::test]
async fn what_may_have_been_done_leaves_writes_in_doubt() {
    for (answer, code) in [
        ("", "timeout"),
        ("close", "disconnected"),
        ("nonsense\r\n", "protocol"),
        ("+QUEUED\r\n", "protocol"),
        ("+OK\r\n+OK\r\n", "protocol"),
        ("-ERR something went wrong\r\n", "other"),
    ] {
        check(write(), &[answer], &format!("info {code}")).await;
        check(read(), &[answer], &format!("fail {code}")).await;
    }
    let part = ["+OK\r\n", "+QUEUED\r\n", "*1\r\n-WRONGTYPE no list\r\n"];
    check(append(), &part, "info other").await;
}

#[tokio::test]
async fn without_a_connection_nothing_has_happened() {
    let (node, address) = node(&[]).await;
    drop(node);
    let mut client = client(address, PLAIN);
    assert_eq!(short(&invoke(&mut client, &write(), LONG).await), "fail refused");
    assert_eq!(short(&invoke(&mut client, &read(), LONG).await), "fail refused");
}

/// Two nodes: the first sends on to the second, and the other way around.
async fn two(
    manner: Manner,
    ops: &[Op],
    first: &[&'static str],
    second: &[&'static str],
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let ((one, own), (two, other)) = (node(first).await, node(second).await);
    let (one, two) = (one.serve(other), two.serve(own));
    let mut client = client(own, manner);
    let mut outcomes = Vec::new();
    for op in ops {
        outcomes.push(short(&invoke(&mut client, op, LONG).await));
    }
    (outcomes, heard(&one), heard(&two))
}

#[tokio::test]
async fn goes_where_it_is_sent_and_remembers_the_way() {
    let (outcomes, own, other) =
        two(PLAIN, &[write(), read()], &["-MOVED 16287 {}\r\n"], &["+OK\r\n", "$1\r\n1\r\n"]).await;
    assert_eq!(outcomes, ["ok 1", "ok 1"]);
    assert_eq!((own, other), (vec!["SET x 1".into()], vec!["SET x 1".into(), "GET x".into()]));
}

#[tokio::test]
async fn knows_the_ways_of_all_slots_from_the_first_on() {
    let ((one, own), (two, other)) =
        (node(&["-MOVED 16287 {}\r\n"]).await, node(&["+OK\r\n"; 3]).await);
    let (one, two) = (one.serve(other), two.serve(own));
    one.lock().expect("no panic").has_table = true;
    let mut client = client(own, PLAIN);
    for key in ["x", "y", "z"] {
        let write = Op::new("write", Some(key), Value::Int(1));
        assert_eq!(short(&invoke(&mut client, &write, LONG).await), "ok 1");
    }
    assert_eq!((heard(&one).len(), heard(&two).len()), (1, 3));
    assert_eq!(one.lock().expect("no panic").tables, 1);
}

#[tokio::test]
async fn asks_a_node_that_does_not_serve_the_slot_yet_once() {
    let (outcomes, own, other) =
        two(PLAIN, &[write(), write()], &["-ASK 16287 {}\r\n", "+OK\r\n"], &["+OK\r\n", "+OK\r\n"])
            .await;
    assert_eq!(outcomes, ["ok 1", "ok 1"]);
    assert_eq!(own, ["SET x 1", "SET x 1"]);
    assert_eq!(other, ["ASKING", "SET x 1"]);
}

#[tokio::test]
async fn forgets_a_way_on_which_there_was_trouble() {
    let (outcomes, own, other) = two(
        PLAIN,
        &[write(), write(), write()],
        &["-MOVED 16287 {}\r\n", "+OK\r\n"],
        &["+OK\r\n", "-CLUSTERDOWN The cluster is down\r\n"],
    )
    .await;
    assert_eq!(outcomes, ["ok 1", "fail unavailable", "ok 1"]);
    assert_eq!((own.len(), other.len()), (2, 2));
}

#[tokio::test]
async fn is_sent_around_in_a_circle_only_so_often() {
    let around = ["-MOVED 16287 {}\r\n"; 3];
    let (outcomes, own, other) = two(PLAIN, &[write()], &around, &around).await;
    assert_eq!(outcomes, ["fail unavailable"]);
    assert_eq!((own.len(), other.len()), (3, 3));
}

#[tokio::test]
async fn a_transaction_that_was_sent_on_is_executed_once() {
    let (outcomes, own, other) = two(
        PLAIN,
        &[append()],
        &["+OK\r\n", "-MOVED 9 {}\r\n", "-EXECABORT Transaction discarded\r\n"],
        &["+OK\r\n", "+QUEUED\r\n", "*1\r\n:1\r\n"],
    )
    .await;
    assert_eq!(outcomes, ["ok [append x 1]"]);
    assert_eq!((own.len(), other.len()), (3, 3));
}

#[tokio::test]
async fn a_write_counts_once_enough_replicas_have_it() {
    let manner = Manner { wait: 2, ..PLAIN };
    let check = async |answers: &[&'static str], expected: &str| {
        let (outcome, heard) = alone(manner, &write(), answers).await;
        assert_eq!((outcome.as_str(), heard.len()), (expected, 2), "{answers:?}");
        assert_eq!(heard[1], "WAIT 2 250");
    };
    check(&["+OK\r\n", ":2\r\n"], "ok 1").await;
    // The primary has the write, whatever becomes of it.
    check(&["+OK\r\n", ":1\r\n"], "info timeout").await;
    check(&["+OK\r\n", "-UNBLOCKED instance state changed\r\n"], "info other").await;
    check(&["+OK\r\n", "close"], "info disconnected").await;
    // Nothing was written, so that nothing is waited for.
    let (outcome, heard) = alone(manner, &read(), &["$1\r\n1\r\n"]).await;
    assert_eq!((outcome.as_str(), heard.len()), ("ok 1", 1));
    let cas = Op::new("cas", Some("x"), Value::List([Value::Int(1), Value::Int(2)].into()));
    let (outcome, heard) = alone(manner, &cas, &["$1\r\n7\r\n"]).await;
    assert_eq!((outcome.as_str(), heard.len()), ("fail mismatch", 1));
}

#[tokio::test]
async fn reads_of_replicas_have_ways_of_their_own() {
    let manner = Manner { reads: Reads::Replica, ..PLAIN };
    let (outcomes, own, other) = two(
        manner,
        &[write(), read()],
        &["-MOVED 16287 {}\r\n", "+OK\r\n", "$-1\r\n"],
        &["+OK\r\n"],
    )
    .await;
    // The write went to the primary, and the read is answered by the replica, which has yet to hear.
    assert_eq!(outcomes, ["ok 1", "ok _"]);
    // A write never leaves on a connection on which a replica may answer.
    assert_eq!(own, ["SET x 1", "READONLY", "GET x"]);
    assert_eq!(other, ["SET x 1"]);
}

#[tokio::test]
async fn reads_of_either_go_to_the_primary_and_the_replica_in_turn() {
    let manner = Manner { reads: Reads::Either, ..PLAIN };
    let (outcomes, own, other) = two(
        manner,
        &[read(), read(), read()],
        &["-MOVED 16287 {}\r\n", "+OK\r\n", "$-1\r\n"],
        &["$1\r\n1\r\n", "$1\r\n2\r\n"],
    )
    .await;
    assert_eq!(outcomes, ["ok 1", "ok _", "ok 2"]);
    assert_eq!(own, ["GET x", "READONLY", "GET x"]);
    assert_eq!(other, ["GET x", "GET x"]);
}

#[tokio::test]
async fn a_late_answer_never_meets_the_next_request() {
    let (node, address) = node(&["", "$1\r\n2\r\n"]).await;
    node.serve(address);
    let mut client = client(address, PLAIN);
    assert_eq!(short(&invoke(&mut client, &read(), SHORT).await), "fail timeout");
    assert!(client.connections.is_empty());
    assert_eq!(short(&invoke(&mut client, &read(), LONG).await), "ok 2");
}
