//! The target against hosts and nodes that are made up.

use schism_lab::Host as _;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake_hosts::FakeHosts;

use super::*;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(500);

/// The target on three made-up nodes.
struct Made {
    place: FakeHosts,
    target: Reference,
}

async fn make(options: serde_json::Value, code: i32) -> Made {
    let place = FakeHosts::three(code).await;
    let mut target = Reference::from_options(&options).expect("options are right");
    target.ports.http = place.port;
    Made { place, target }
}

impl Made {
    /// Lets the nodes answer every request with these bodies; an empty one is never answered.
    fn answer(&mut self, bodies: [&'static str; 3]) {
        for (listener, body) in self.place.listeners.drain(..).zip(bodies) {
            tokio::spawn(async move {
                let mut open = Vec::new();
                while let Ok((mut stream, _)) = listener.accept().await {
                    if !body.is_empty() {
                        let mut request = [0; 1024];
                        let _ = stream.read(&mut request).await;
                        let length = body.len();
                        // A body that is not JSON stands for a page that says what is wrong.
                        let status = if body.starts_with('{') { "200 OK" } else { "500 Sorry" };
                        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                        let _ = stream.write_all((head + body).as_bytes()).await;
                    }
                    open.push(stream);
                }
            });
        }
    }

    fn asked(&self, host: usize) -> Vec<String> {
        self.place.hosts[host].asked.lock().expect("no panic").clone()
    }
}

const LEADER_OF_4: &str = r#"{"role":"leader","term":4,"incarnation":"a"}"#;
const LEADER_OF_7: &str = r#"{"role":"leader","term":7,"incarnation":"b","more":[1]}"#;
const FOLLOWER_OF_7: &str = r#"{"role":"follower","term":7,"incarnation":33}"#;

#[tokio::test]
async fn starts_nodes_with_all_that_they_need() {
    let options = json!({ "protocol": "raft", "bug": "stale-read", "snapshot_every": 50 });
    let made = make(options, 0).await;
    made.target.start(&made.place.cluster, made.place.hosts[1].node()).await.expect("it starts");
    let started = made.asked(1);
    assert_eq!(
        started[0],
        "raft: schism node raft --id n2 --address 127.0.0.2 \
         --peers n1=127.0.0.1,n2=127.0.0.2,n3=127.0.0.3 --data /data/raft --seed 8589934592 \
         --bug stale-read --snapshot-every 50"
    );
    assert_eq!(made.target.describe(), "reference raft, bug stale-read");
}

#[tokio::test]
async fn names_the_primaries_of_the_latest_term_first() {
    let mut made = make(json!({ "protocol": "raft" }), 0).await;
    made.answer([LEADER_OF_4, FOLLOWER_OF_7, LEADER_OF_7]);
    let primaries = made.target.primaries(&made.place.cluster, LONG).await.expect("it asks");
    assert_eq!(primaries, [NodeId(3), NodeId(1)]);
}

#[tokio::test]
async fn leaves_out_nodes_that_do_not_answer_in_time() {
    let mut made = make(json!({ "protocol": "raft" }), 0).await;
    made.answer([LEADER_OF_4, "", "no JSON"]);
    let primaries = made.target.primaries(&made.place.cluster, SHORT).await.expect("it asks");
    assert_eq!(primaries, [NodeId(1)]);
    let incarnation = |host: usize| {
        made.target.incarnation(&made.place.cluster, made.place.hosts[host].node(), SHORT)
    };
    assert_eq!(incarnation(0).await.expect("it asks").as_deref(), Some("a"));
    assert_eq!(incarnation(1).await.expect("it asks"), None);
    assert_eq!(incarnation(2).await.expect("it asks"), None);
    let metrics = |host: usize| {
        made.target.metrics(&made.place.cluster, made.place.hosts[host].node(), SHORT)
    };
    assert_eq!(metrics(0).await.expect("it asks").as_deref(), Some(LEADER_OF_4));
    assert_eq!(metrics(1).await.expect("it asks"), None);
    assert_eq!(metrics(2).await.expect("it asks"), None);
}

#[tokio::test]
async fn is_ready_when_all_answer_and_the_latest_term_has_its_leader() {
    let mut made = make(json!({ "protocol": "raft" }), 0).await;
    made.answer([FOLLOWER_OF_7, LEADER_OF_4, LEADER_OF_7]);
    made.target.ready(&made.place.cluster, LONG).await.expect("it is ready");
}

#[tokio::test]
async fn is_not_ready_without_a_leader_of_the_latest_term() {
    let mut made = make(json!({ "protocol": "raft" }), 0).await;
    made.answer([FOLLOWER_OF_7, LEADER_OF_4, FOLLOWER_OF_7]);
    let error = made.target.ready(&made.place.cluster, SHORT).await.expect_err("nobody leads");
    assert_eq!(error.to_string(), "reference raft: no single leader was known within 500ms");
}

#[tokio::test]
async fn shows_the_log_of_a_node_that_is_silent() {
    let mut made = make(json!({ "protocol": "raft" }), 0).await;
    let log = made.place.hosts[0].node.logs.join("raft.log");
    std::fs::write(log, "1\n2\n3\n4\n5\nthe disk is full\n").expect("it is written");
    let port = made.target.ports.http;
    made.answer([LEADER_OF_7, "", FOLLOWER_OF_7]);
    let error = made.target.ready(&made.place.cluster, SHORT).await.expect_err("n2 is silent");
    assert_eq!(
        error.to_string(),
        format!(
            "n2: raft did not answer on port {port} within 500ms; its last log lines:\n  \
             2\n  3\n  4\n  5\n  the disk is full"
        )
    );
}

#[tokio::test]
async fn wipes_the_data_and_says_when_it_could_not() {
    for (code, expected) in [(0, None), (1, Some("/data/raft could not be removed: no such luck"))]
    {
        let made = make(json!({ "protocol": "raft" }), code).await;
        let wiped = made.target.wipe(&made.place.cluster, made.place.hosts[0].node()).await;
        let problem = wiped.err().map(|error| error.to_string());
        assert_eq!(problem, expected.map(|problem| format!("n1: {problem}")));
        assert_eq!(made.asked(0), ["rm -rf -- /data/raft"]);
    }
}

#[tokio::test]
async fn kills_the_whole_node() {
    let made = make(json!({ "protocol": "raft" }), 0).await;
    made.target.kill(&made.place.cluster, made.place.hosts[2].node()).await.expect("it kills");
    assert_eq!(made.asked(2), ["kill"]);
}

#[test]
fn gives_every_client_its_own_identity() {
    let target = Reference::from_options(&json!({ "protocol": "raft" })).expect("options");
    let mut identities: Vec<u64> =
        (0..10_000).map(|number| target.identity(Process(number % 10))).collect();
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), 10_000);
}

fn check(options: serde_json::Value, path: &[&str], problem: &str) {
    let error = construct(&options).err().expect("the options are wrong");
    assert_eq!(
        (error.path.as_slice(), error.problem.as_str()),
        (path.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(), problem,)
    );
}

#[test]
fn refuses_options_that_it_does_not_know() {
    check(json!(null), &[], "`protocol` is missing; it must be raft");
    check(
        json!({ "protocol": "paxos" }),
        &["protocol"],
        "`protocol` is \"paxos\"; it must be one of raft",
    );
    check(
        json!({ "protocol": "raft", "bgu": "stale-read" }),
        &["bgu"],
        "`bgu` is no option here; the options are protocol, bug, snapshot_every; did you mean `bug`?",
    );
    check(
        json!({ "protocol": "raft", "bug": "stale" }),
        &["bug"],
        "`bug` is \"stale\"; it must be one of none, stale-read, ack-before-commit, buffered-log, \
         drop-on-snapshot, apply-twice, commit-old-term, forget-vote, no-fsync, no-checksum",
    );
    check(
        json!({ "protocol": "raft", "snapshot_every": 0 }),
        &["snapshot_every"],
        "`snapshot_every` is 0; it must be a whole number from 1 to 1000000000",
    );
}
