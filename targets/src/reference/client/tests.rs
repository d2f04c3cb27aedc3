//! A client against servers that misbehave, each in its own way.

use std::time::Duration;

use schism_history::{Key, Mop, MopKind, Reply, Time, TraceId, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(20);

/// What the server does with a connection.
#[derive(Clone, Copy)]
enum Server {
    /// Reads a request and sends these bytes, with `ID` replaced by the request's.
    Sends(&'static str),
    /// Reads a request, sends these bytes and closes.
    SendsAndCloses(&'static str),
    /// Waits for a request and closes without having read it, so that the kernel resets.
    Resets,
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Serves one connection after another in the same way.
async fn serve(listener: TcpListener, server: Server) {
    loop {
        let (stream, _) = listener.accept().await.expect("clients come");
        stream.readable().await.expect("a request comes");
        let (Server::Sends(answer) | Server::SendsAndCloses(answer)) = server else { continue };
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
            let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            let answer = answer.replace("ID", &request["id"].to_string());
            stream.write_all(answer.as_bytes()).await.expect("the client listens");
            if matches!(server, Server::SendsAndCloses(_)) {
                break;
            }
            line.clear();
        }
    }
}

fn client(address: SocketAddr) -> ReferenceClient {
    ReferenceClient::new(NodeId(1), address, 9021)
}

async fn invoke(client: &mut ReferenceClient, op: &Op, timeout: Duration) -> Outcome {
    let (trace, deadline) = (TraceId(0), Time::ZERO);
    client.invoke(&Call { op, index: 0, deadline, timeout, trace }).await
}

fn write() -> Op {
    Op::new("write", Some("x"), Value::Int(1))
}

fn read() -> Op {
    Op::new("read", Some("x"), Value::Nil)
}

fn txn(kinds: &[MopKind]) -> Op {
    let mop = |&kind| Mop { kind, key: Key::new("x"), value: Value::Int(1) };
    Op::new("txn", None, Value::Mops(kinds.iter().map(mop).collect()))
}

/// What becomes of `op` at a server, in short: `info timeout`.
async fn outcome(server: Server, op: &Op) -> String {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(serve(listener, server));
    // Only what never answers is waited for no longer than this.
    let timeout = if matches!(server, Server::Sends("")) { SHORT } else { LONG };
    let outcome = invoke(&mut client(address), op, timeout).await;
    serving.abort();
    short(&outcome)
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok(_) => "ok".into(),
        Outcome::Fail(reason) => format!("fail {}", reason.code.as_str()),
        Outcome::Info(reason) => format!("info {}", reason.code.as_str()),
    }
}

/// What a trouble after the request has left makes of operations with and without effects.
async fn check(server: Server, expected: &str) {
    let lost = format!("info {expected}");
    let harmless = format!("fail {expected}");
    for op in [
        write(),
        Op::new("cas", Some("x"), Value::List([Value::Int(1), Value::Int(2)].into())),
        Op::new("add", Some("x"), Value::Int(1)),
        txn(&[MopKind::Read, MopKind::Append]),
        txn(&[MopKind::Write]),
    ] {
        assert_eq!(outcome(server, &op).await, lost, "{op:?}");
    }
    for op in [read(), Op::new("read-set", Some("x"), Value::Nil), txn(&[MopKind::Read])] {
        assert_eq!(outcome(server, &op).await, harmless, "{op:?}");
    }
}

#[tokio::test]
async fn a_late_answer_leaves_writes_in_doubt() {
    check(Server::Sends(""), "timeout").await;
}

#[tokio::test]
async fn a_broken_connection_leaves_writes_in_doubt() {
    check(Server::SendsAndCloses(""), "disconnected").await;
    check(Server::SendsAndCloses(r#"{"id":ID,"ok":"#), "disconnected").await;
    check(Server::Resets, "disconnected").await;
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_leaves_writes_in_doubt() {
    check(Server::Sends("nonsense\n"), "protocol").await;
    check(Server::Sends("\n"), "protocol").await;
    check(Server::Sends("{\"id\":99,\"ok\":{}}\n"), "protocol").await;
    check(Server::Sends("{\"id\":ID,\"ok\":{}}\n{\"id\":ID,\"ok\":{}}\n"), "protocol").await;
}

#[tokio::test]
async fn the_nodes_own_doubt_is_passed_on() {
    let info = "{\"id\":ID,\"info\":{\"code\":\"timeout\",\"text\":\"\"}}\n";
    check(Server::Sends(info), "timeout").await;
}

#[tokio::test]
async fn a_refusal_by_the_node_is_a_fail() {
    let fail = "{\"id\":ID,\"fail\":{\"code\":\"unavailable\",\"text\":\"no leader\"}}\n";
    assert_eq!(outcome(Server::Sends(fail), &write()).await, "fail unavailable");
    assert_eq!(outcome(Server::Sends(fail), &read()).await, "fail unavailable");
}

#[tokio::test]
async fn without_a_connection_nothing_has_happened() {
    let (listener, address) = listen().await;
    drop(listener);
    let mut client = client(address);
    assert_eq!(short(&invoke(&mut client, &write(), LONG).await), "fail refused");
    assert_eq!(short(&invoke(&mut client, &read(), LONG).await), "fail refused");
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_is_a_fail() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback is there");
    let listener = socket.listen(1).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    // Nobody accepts: once the queue is full, the kernel leaves further connections hanging.
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        queued.push(stream.expect("the listener is there"));
        assert!(queued.len() < 64, "the queue never fills");
    }
    let begin = Instant::now();
    let outcome = invoke(&mut client(address), &write(), SHORT).await;
    assert_eq!(short(&outcome), "fail refused");
    assert!(begin.elapsed() < LONG / 2, "the operation's time covers connecting");
}

#[tokio::test]
async fn a_request_that_left_in_part_is_in_doubt() {
    let (listener, address) = listen().await;
    let huge = Value::Text("x".repeat(32 << 20).into());
    let outcome = invoke(&mut client(address), &Op::new("write", Some("x"), huge), SHORT).await;
    assert_eq!(short(&outcome), "info timeout");
    drop(listener);
}

#[tokio::test]
async fn keeps_its_connection_and_numbers_its_requests() {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("the client comes");
        let mut lines = BufReader::new(stream);
        for seq in 1..=3 {
            let mut line = String::new();
            lines.read_line(&mut line).await.expect("a request");
            let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!((&request["client"], &request["seq"]), (&"9021".into(), &seq.into()));
            let answer = format!("{{\"id\":{seq},\"ok\":{{\"value\":{seq}}}}}\n");
            lines.write_all(answer.as_bytes()).await.expect("the client listens");
        }
    });
    let mut client = client(address);
    for seq in 1..=3 {
        let value = Value::Int(seq);
        let reply = Outcome::Ok(Reply { value, version: None });
        assert_eq!(invoke(&mut client, &read(), LONG).await, reply);
    }
    serving.await.expect("the server saw what it should");
}

/// Answers the first request on each of two connections, the first one `late`.
async fn serve_late(listener: TcpListener, late: Duration) {
    let mut open = Vec::new();
    for pause in [late, Duration::ZERO] {
        let (stream, _) = listener.accept().await.expect("the client comes again");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a request");
        tokio::time::sleep(pause).await;
        let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let id = &request["id"];
        let answer = format!("{{\"id\":{id},\"ok\":{{\"value\":{id}}}}}\n");
        // The client may have gone.
        let _ = stream.write_all(answer.as_bytes()).await;
        open.push(stream);
    }
}

#[tokio::test]
async fn a_late_answer_never_meets_the_next_request() {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(serve_late(listener, SHORT * 2));
    let mut client = client(address);
    assert_eq!(short(&invoke(&mut client, &read(), SHORT).await), "fail timeout");
    let reply = Outcome::Ok(Reply { value: Value::Int(2), version: None });
    assert_eq!(invoke(&mut client, &read(), LONG).await, reply);
    serving.await.expect("the server saw two connections");
}

#[tokio::test]
async fn an_operation_that_is_given_up_leaves_no_answer_behind() {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(serve_late(listener, SHORT * 2));
    let mut client = client(address);
    let (op, given_up) = (read(), SHORT);
    let dropped = tokio::time::timeout(given_up, invoke(&mut client, &op, LONG)).await;
    assert!(dropped.is_err());
    let reply = Outcome::Ok(Reply { value: Value::Int(2), version: None });
    assert_eq!(invoke(&mut client, &read(), LONG).await, reply);
    serving.await.expect("the server saw two connections");
}

#[tokio::test]
async fn a_connection_lost_while_idle_is_noticed_before_the_request_leaves() {
    let (listener, address) = listen().await;
    let answer = Server::SendsAndCloses("{\"id\":ID,\"ok\":{}}\n");
    let serving = tokio::spawn(serve(listener, answer));
    let mut client = client(address);
    assert_eq!(short(&invoke(&mut client, &write(), LONG).await), "ok");
    serving.abort();
    let _ = serving.await;
    let idle = client.connection.as_ref().expect("the answer was in order");
    idle.readable().await.expect("the end of the connection arrives");
    assert_eq!(short(&invoke(&mut client, &write(), LONG).await), "fail refused");
}
