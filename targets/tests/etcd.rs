//! The target against a real etcd, on loopback addresses of its own.
//!
//! `SCHISM_ETCD` names another program than the `etcd` of the system, to try another release.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{
    Call, Code, Key, Mop, MopKind, Op, Outcome, Process, Reply, Time, TraceId, Value,
};
use schism_lab::{
    Command, Datagrams, Host, HostError, Node, NodeId, Output, Platform, ProcessState, Running,
};
use schism_targets::{Client, Cluster, TARGETS, Target, Upkeep};
use serde_json::json;
use tokio::process::Child;

/// Machines that are busy with other tests, and have slow disks, take their time.
const READY: Duration = Duration::from_secs(90);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A node that is a process of this machine.
struct Loopback {
    node: Node,
    child: Mutex<Option<Child>>,
}

impl Loopback {
    fn unsupported<T>(&self) -> Result<T, HostError> {
        let problem = "this test has no use for it".into();
        Err(HostError { node: self.node.id, problem, source: None })
    }

    fn failed(&self, error: std::io::Error) -> HostError {
        HostError { node: self.node.id, problem: "cannot".into(), source: Some(error) }
    }

    fn command(&self, command: &Command) -> tokio::process::Command {
        let mut process = tokio::process::Command::new(&command.argv[0]);
        process.args(&command.argv[1..]).kill_on_drop(true).stdin(Stdio::null());
        process.current_dir(command.folder.as_ref().unwrap_or(&self.node.data));
        process
    }
}

#[async_trait]
impl Host for Loopback {
    fn node(&self) -> &Node {
        &self.node
    }

    async fn run(&self, command: &Command, _: Duration) -> Result<Output, HostError> {
        let output = self.command(command).output().await.map_err(|it| self.failed(it))?;
        let (code, stdout, stderr) = (output.status.code(), output.stdout, output.stderr);
        Ok(Output { code: code.unwrap_or(-1), stdout, stderr })
    }

    async fn start(&self, name: &str, command: &Command) -> Result<(), HostError> {
        let log = std::fs::File::create(self.node.logs.join(format!("{name}.log")));
        let log = log.map_err(|error| self.failed(error))?;
        let mut process = self.command(command);
        let child = process.stdout(Stdio::null()).stderr(log).spawn();
        *self.child.lock().expect("the lock") = Some(child.map_err(|it| self.failed(it))?);
        Ok(())
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        let child = self.child.lock().expect("the lock").take();
        if let Some(mut child) = child {
            child.kill().await.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    async fn spawn(&self, _: &Command) -> Result<Running, HostError> {
        self.unsupported()
    }

    async fn upload(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        self.unsupported()
    }

    async fn download(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        self.unsupported()
    }

    async fn pause_all(&self) -> Result<(), HostError> {
        self.unsupported()
    }

    async fn resume_all(&self) -> Result<(), HostError> {
        self.unsupported()
    }

    async fn processes(&self) -> Result<Vec<ProcessState>, HostError> {
        self.unsupported()
    }

    async fn datagrams(&self) -> Result<Arc<dyn Datagrams>, HostError> {
        self.unsupported()
    }
}

/// Three nodes with a target that has not been started on them.
struct Place {
    folder: tempfile::TempDir,
    cluster: Cluster,
    target: Arc<dyn Target>,
}

/// `None`, said in words, where there is no etcd.
fn place(test: &str, subnet: u8, mut options: serde_json::Value) -> Option<Place> {
    let binary = std::env::var("SCHISM_ETCD").unwrap_or_else(|_| "etcd".into());
    let probe = std::process::Command::new(&binary).arg("--version").output();
    let free = |number| {
        let address = IpAddr::V4(Ipv4Addr::new(127, 85, subnet, number));
        TcpListener::bind(SocketAddr::new(address, 2379)).map(|_| address)
    };
    let reason = match (probe, free(1)) {
        (Err(error), _) => format!("{binary}: {error}; install the package etcd-server"),
        (_, Err(error)) => format!("no loopback address is free: {error}"),
        _ => String::new(),
    };
    if !reason.is_empty() {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
        return None;
    }
    options["binary"] = json!(binary);
    let entry = TARGETS.iter().find(|entry| entry.name == "etcd").expect("the row");
    let target = (entry.construct)(&options).expect("good options");
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosts: Vec<Arc<dyn Host>> = Vec::new();
    for number in 1..=3u8 {
        let address = IpAddr::V4(Ipv4Addr::new(127, 85, subnet, number));
        let data = folder.path().join(format!("n{number}"));
        std::fs::create_dir_all(&data).expect("a folder");
        let platform = Platform { os: "linux".into(), arch: "any".into() };
        let (id, logs) = (NodeId(u16::from(number)), data.clone());
        let node = Node { id, address, data, logs, platform };
        hosts.push(Arc::new(Loopback { node, child: Mutex::new(None) }));
    }
    Some(Place { folder, cluster: Cluster { hosts }, target })
}

impl Place {
    fn node(&self, number: u16) -> &Node {
        self.cluster.host(NodeId(number)).expect("one of three").node()
    }

    async fn start(&self) {
        for host in &self.cluster.hosts {
            self.target.install(&self.cluster, host.node()).await.expect("it is installed");
            self.target.start(&self.cluster, host.node()).await.expect("it starts");
        }
        self.target.ready(&self.cluster, READY).await.expect("a cluster");
    }

    async fn client(&self, number: u16) -> Box<dyn Client> {
        let process = Process(u32::from(number));
        self.target.connect(&self.cluster, self.node(number), process).await.expect("a client")
    }
}

async fn ask(client: &mut Box<dyn Client>, op: Op) -> Outcome {
    let (deadline, timeout, trace) = (Time::ZERO, ANSWER, TraceId(0));
    client.invoke(&Call { op: &op, index: 0, deadline, timeout, trace }).await
}

async fn ok(client: &mut Box<dyn Client>, op: Op) -> Reply {
    match ask(client, op.clone()).await {
        Outcome::Ok(reply) => reply,
        other => panic!("{op:?}: {other:?}"),
    }
}

fn list(elements: &[i64]) -> Value {
    Value::List(elements.iter().map(|&element| Value::Int(element)).collect())
}

fn is_mismatch(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Fail(reason) if reason.code == Code::Mismatch)
}

#[tokio::test(flavor = "multi_thread")]
async fn does_what_clients_ask() {
    let Some(place) = place("does_what_clients_ask", 1, json!({ "fencing": true })) else { return };
    place.start().await;
    let (mut one, mut other) = (place.client(1).await, place.client(2).await);
    let op = |f, value| Op::new(f, Some("x"), value);
    assert_eq!(ok(&mut one, op("read", Value::Nil)).await, Reply::default());
    let written = ok(&mut one, op("write", Value::Int(1))).await;
    let read = ok(&mut other, op("read", Value::Nil)).await;
    assert_eq!(read, written, "the version is the revision, whoever tells it");
    ok(&mut other, op("cas", list(&[1, 2]))).await;
    assert!(is_mismatch(&ask(&mut one, op("cas", list(&[1, 3]))).await));
    let fresh = Value::List([Value::Nil, Value::Int(4)].into());
    ok(&mut one, Op::new("cas", Some("fresh"), fresh.clone())).await;
    assert!(is_mismatch(&ask(&mut one, Op::new("cas", Some("fresh"), fresh)).await));

    assert_eq!(ok(&mut one, op("read-set", Value::Nil)).await.value, list(&[]));
    for element in [1, 2] {
        ok(&mut one, op("add", Value::Int(element))).await;
    }
    assert_eq!(ok(&mut other, op("read-set", Value::Nil)).await.value, list(&[1, 2]));

    let mop = |kind, key, value| Mop { kind, key: Key::new(key), value };
    let append = |key, value| mop(MopKind::Append, key, Value::Int(value));
    let mops = [append("x", 1), mop(MopKind::Read, "x", Value::Nil), append("y", 2)];
    ok(&mut one, Op::new("txn", None, Value::Mops(mops.into()))).await;
    let read = [mop(MopKind::Read, "x", Value::Nil), mop(MopKind::Read, "y", Value::Nil)];
    let found = [mop(MopKind::Read, "x", list(&[1])), mop(MopKind::Read, "y", list(&[2]))];
    let reply = ok(&mut other, Op::new("txn", None, Value::Mops(read.into()))).await;
    assert_eq!(reply.value, Value::Mops(found.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_excludes_and_its_fence_refuses_what_is_old() {
    let test = "a_lock_excludes_and_its_fence_refuses_what_is_old";
    let Some(place) = place(test, 2, json!({ "fencing": true })) else { return };
    place.start().await;
    let (mut one, mut other) = (place.client(1).await, place.client(2).await);
    let op = |f, value| Op::new(f, Some("x"), value);
    let token = |reply: Reply| match reply.value {
        Value::Int(token) => token,
        other => panic!("{other} is no token"),
    };
    let first = token(ok(&mut one, op("acquire", Value::Nil)).await);
    let began = std::time::Instant::now();
    let waits = tokio::spawn(async move {
        let second = ok(&mut other, Op::new("acquire", Some("x"), Value::Nil)).await;
        (other, second)
    });
    // Longer than the lease lasts without its beats.
    tokio::time::sleep(Duration::from_secs(3)).await;
    ok(&mut one, op("write", list(&[first, 10]))).await;
    ok(&mut one, op("release", Value::Nil)).await;
    let (mut other, second) = waits.await.expect("it is granted");
    assert!(began.elapsed() >= Duration::from_secs(3), "it was granted while it was held");
    let second = token(second);
    assert!(second > first, "{second} after {first}");
    ok(&mut other, op("write", list(&[second, 20]))).await;
    assert!(is_mismatch(&ask(&mut one, op("write", list(&[first, 11]))).await));
    ok(&mut other, op("write", list(&[second, 21]))).await;
    // A client that dies keeps its lock for no longer than its lease.
    drop(other);
    ok(&mut one, op("acquire", Value::Nil)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_and_processes_are_told_apart() {
    let test = "members_come_and_go_and_processes_are_told_apart";
    let Some(place) = place(test, 3, json!({})) else { return };
    place.start().await;
    let Place { cluster, target, .. } = &place;
    let all = [1, 2, 3].map(NodeId);
    assert_eq!(target.members(cluster).await.expect("members"), all);
    // On a busy machine the members may elect anew at any time, and nobody leads meanwhile.
    let deadline = tokio::time::Instant::now() + READY;
    while target.primaries(cluster, ANSWER).await.expect("primaries").len() != 1 {
        assert!(tokio::time::Instant::now() < deadline, "nobody says that it leads");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let node = place.node(3);
    let incarnation = async || target.incarnation(cluster, node, ANSWER).await.expect("it");
    let before = incarnation().await;
    assert!(before.is_some());
    target.kill(cluster, node).await.expect("it dies");
    assert_eq!(incarnation().await, None);
    target.start(cluster, node).await.expect("it starts");
    target.ready(cluster, READY).await.expect("it is back");
    assert_ne!(incarnation().await, before);

    target.kill(cluster, node).await.expect("it dies");
    target.remove(cluster, node).await.expect("it is removed");
    assert_eq!(target.members(cluster).await.expect("members"), all[..2]);
    target.wipe(cluster, node).await.expect("it is wiped");
    target.add(cluster, node).await.expect("it is added");
    target.start(cluster, node).await.expect("it starts");
    target.ready(cluster, READY).await.expect("it is back");
    assert_eq!(target.members(cluster).await.expect("members"), all);
    let metrics = target.metrics(cluster, node, ANSWER).await.expect("metrics").expect("text");
    assert!(metrics.contains("etcd_server_has_leader 1") && !metrics.contains("grpc_server_"));
    assert!(place.folder.path().join("n3/etcd").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_is_broken_off_at_any_moment_is_finished() {
    let test = "a_leave_that_is_broken_off_at_any_moment_is_finished";
    let Some(place) = place(test, 5, json!({})) else { return };
    place.start().await;
    let Place { cluster, target, .. } = &place;
    let leave = Upkeep::Leave(vec![NodeId(3)]);
    // Early, when the removal was asked for at most, and late, when it was made and more with it.
    for cut in [30, 6_000, 5_200].map(Duration::from_millis) {
        let _ = tokio::time::timeout(cut, target.keep_up(cluster, &leave, READY)).await;
        let deadline = tokio::time::Instant::now() + READY;
        loop {
            let settled = target.settle(cluster, &leave, ANSWER).await;
            if settled.seen {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "after {cut:?}: {settled:?}");
        }
        assert_eq!(target.members(cluster).await.expect("members"), [1, 2, 3].map(NodeId));
        target.ready(cluster, READY).await.expect("all answer");
    }
    // Nothing was done, so that nothing is left to be done.
    let settled = target.settle(cluster, &leave, ANSWER).await;
    assert!(settled.seen && !settled.text.contains("in the place of"), "{settled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn says_what_is_missing() {
    let Some(place) = place("says_what_is_missing", 4, json!({})) else { return };
    let entry = TARGETS.iter().find(|entry| entry.name == "etcd").expect("the row");
    let other = |options| (entry.construct)(&options).expect("good options");
    let target = other(json!({ "binary": "/usr/bin/true" }));
    let error = target.install(&place.cluster, place.node(1)).await.expect_err("no etcd");
    assert!(error.to_string().contains("n1: /usr/bin/true does not say its version"), "{error}");
    let error = place.target.ready(&place.cluster, Duration::from_secs(1)).await;
    let error = error.expect_err("nobody is there").to_string();
    assert!(error.starts_with("n1: etcd did not answer a read on 2379 within 1s"), "{error}");
}
