//! The client against a node that misbehaves on purpose.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use schism_history::{Call, Code, Op, Outcome, Time, TraceId, Value};
use schism_lab::{Node, NodeId, Platform};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::EtcdClient;
use super::settings::Settings;
use super::{ENTRY, PORTS};
use crate::Client;

/// A node on a loopback address of its own, since the port is the same everywhere.
fn node() -> Node {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Two runs of the tests at once do not meet, most of the time.
    let address = Ipv4Addr::new(127, 84, std::process::id() as u8, number);
    let platform = Platform { os: "linux".into(), arch: "x86_64".into() };
    let (data, logs) = (PathBuf::new(), PathBuf::new());
    Node { id: NodeId(1), address: IpAddr::V4(address), data, logs, platform }
}

/// What the node does with each request.
#[derive(Clone, Copy)]
enum Answers {
    /// This HTTP status with this body.
    With(u16, &'static str),
    /// Nothing: it closes the connection.
    Close,
    /// Nothing: it keeps the connection open.
    Never,
}

/// A node that treats every request alike, and counts them.
async fn serve(node: &Node, answers: Answers) -> Arc<AtomicUsize> {
    let address = SocketAddr::new(node.address, PORTS.clients);
    let listener = TcpListener::bind(address).await.expect("a free address");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    match answers {
                        Answers::With(status, body) => {
                            let length = body.len();
                            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}");
                            let answer = format!("{head}\r\n\r\n{body}");
                            let _ = stream.write_all(answer.as_bytes()).await;
                        }
                        Answers::Close => return,
                        Answers::Never => tokio::time::sleep(Duration::from_secs(5)).await,
                    }
                }
            });
        }
    });
    asked
}

async fn invoke(node: &Node, op: &Op) -> Outcome {
    let settings = Settings::read(&json!(null)).expect("no options");
    let timeout = Duration::from_millis(300);
    let (deadline, trace) = (Time::ZERO, TraceId(0));
    let mut client = EtcdClient::new(node, &settings);
    client.invoke(&Call { op, index: 0, deadline, timeout, trace }).await
}

/// What a write and a read come to, each of which is asked exactly once.
async fn check(answers: Answers, write_fails: bool, code: Code) {
    let node = node();
    let asked = serve(&node, answers).await;
    let write = invoke(&node, &Op::new("write", Some("x"), Value::Int(1))).await;
    match (&write, write_fails) {
        (Outcome::Fail(reason), true) | (Outcome::Info(reason), false) => {
            assert_eq!(reason.code, code, "{reason}");
            assert!(reason.text.starts_with("n1: "), "{reason}");
        }
        _ => panic!("{write:?}"),
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a write is sent once");
    let read = invoke(&node, &Op::new("read", Some("x"), Value::Nil)).await;
    assert!(matches!(&read, Outcome::Fail(reason) if reason.code == code), "{read:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "a read is sent once");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_failed() {
    let outcome = invoke(&node(), &Op::new("write", Some("x"), Value::Int(1))).await;
    assert!(matches!(&outcome, Outcome::Fail(it) if it.code == Code::Refused), "{outcome:?}");
}

#[tokio::test]
async fn a_write_that_was_not_answered_is_unknown_and_a_read_failed() {
    check(Answers::Close, false, Code::Disconnected).await;
    check(Answers::Never, false, Code::Timeout).await;
    check(Answers::With(200, "{"), false, Code::Protocol).await;
    check(Answers::With(200, r#"{"revision":"1"}"#), false, Code::Protocol).await;
    check(Answers::With(404, "Not Found\n"), false, Code::Unavailable).await;
    let late = r#"{"error":"etcdserver: request timed out","code":14}"#;
    check(Answers::With(503, late), false, Code::Timeout).await;
}

#[tokio::test]
async fn a_write_that_was_refused_failed() {
    let many = r#"{"error":"etcdserver: too many requests","code":8}"#;
    check(Answers::With(429, many), true, Code::Unavailable).await;
}

#[tokio::test]
async fn a_comparison_that_did_not_hold_is_a_mismatch() {
    let node = node();
    serve(&node, Answers::With(200, r#"{"header":{"revision":"3"}}"#)).await;
    let pair = Value::List([Value::Int(1), Value::Int(2)].into());
    let outcome = invoke(&node, &Op::new("cas", Some("x"), pair)).await;
    assert!(matches!(&outcome, Outcome::Fail(it) if it.code == Code::Mismatch), "{outcome:?}");
}

#[tokio::test]
async fn what_the_client_does_not_know_is_not_sent() {
    let node = node();
    let asked = serve(&node, Answers::Never).await;
    for (f, value) in [("append", Value::Int(1)), ("release", Value::Nil), ("cas", Value::Nil)] {
        let outcome = invoke(&node, &Op::new(f, Some("x"), value)).await;
        assert!(matches!(&outcome, Outcome::Fail(it) if it.code == Code::Other), "{outcome:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_plan_needs_no_options() {
    let target = (ENTRY.construct)(&json!(null)).expect("no options");
    assert!(target.describe().starts_with("etcd "), "{}", target.describe());
}
