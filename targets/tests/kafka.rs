//! The target against a real Kafka, on loopback addresses of its own.
//!
//! `SCHISM_KAFKA` names another release than the default, to try it: one that `make kafka` assembled.
#![cfg(feature = "kafka")]

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schism_history::{Call, Code, Key, Mop, MopKind, Op, Outcome, Process, Time, TraceId, Value};
use schism_lab::{
    Command, Datagrams, Host, HostError, Node, NodeId, Output, Platform, ProcessState, Running,
};
use schism_targets::{Client, Cluster, Complaint, TARGETS, Target};
use serde_json::json;
use tokio::process::Child;

/// Three JVMs on a machine that is busy with other tests take their time.
const READY: Duration = Duration::from_mins(3);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A node that is a process of this machine.
struct Loopback {
    node: Node,
    /// Whether it has no files but those in its own folder, as another machine.
    foreign: bool,
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
        let file = command.argv.last().map(Path::new);
        if self.foreign
            && command.argv[0] == "cat"
            && file.is_some_and(|file| !file.starts_with(&self.node.data))
        {
            let stderr = b"No such file or directory".to_vec();
            return Ok(Output { code: 1, stdout: Vec::new(), stderr });
        }
        let output = self.command(command).output().await.map_err(|it| self.failed(it))?;
        let (code, stdout, stderr) = (output.status.code(), output.stdout, output.stderr);
        Ok(Output { code: code.unwrap_or(-1), stdout, stderr })
    }

    async fn start(&self, name: &str, command: &Command) -> Result<(), HostError> {
        let path = self.node.logs.join(format!("{name}.log"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let log = log.map_err(|error| self.failed(error))?;
        let errors = log.try_clone().map_err(|error| self.failed(error))?;
        let child = self.command(command).stdout(log).stderr(errors).spawn();
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

    async fn upload(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        std::fs::copy(from, to).map(drop).map_err(|error| self.failed(error))
    }

    async fn spawn(&self, _: &Command) -> Result<Running, HostError> {
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

/// Nodes with a target that has not been started on them.
struct Place {
    folder: tempfile::TempDir,
    cluster: Cluster,
    target: Arc<dyn Target>,
}

/// `None`, said in words, where there is no Kafka, no Java or no address.
fn place(test: &str, subnet: u8, nodes: u8, mut options: serde_json::Value) -> Option<Place> {
    // One node alone is one that is far away.
    let foreign = nodes == 1;
    if let Ok(version) = std::env::var("SCHISM_KAFKA") {
        options["version"] = json!(version);
    }
    let entry = TARGETS.iter().find(|entry| entry.name == "kafka").expect("the row");
    let target = (entry.construct)(&options).expect("good options");
    let java = std::process::Command::new("java").arg("-version").output();
    let free = |number| {
        let address = IpAddr::V4(Ipv4Addr::new(127, 86, subnet, number));
        TcpListener::bind(SocketAddr::new(address, 9092)).map(|_| address)
    };
    let reason = match (target.provide(), java, free(1)) {
        (Err(problem), _, _) => problem,
        (_, Err(error), _) => format!("java: {error}; install the package default-jre-headless"),
        (_, _, Err(error)) => format!("no loopback address is free: {error}"),
        _ => String::new(),
    };
    if !reason.is_empty() {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosts: Vec<Arc<dyn Host>> = Vec::new();
    for number in 1..=nodes {
        let address = IpAddr::V4(Ipv4Addr::new(127, 86, subnet, number));
        let data = folder.path().join(format!("n{number}"));
        std::fs::create_dir_all(&data).expect("a folder");
        let platform = Platform { os: "linux".into(), arch: "any".into() };
        let (id, logs) = (NodeId(u16::from(number)), data.clone());
        let node = Node { id, address, data, logs, platform };
        hosts.push(Arc::new(Loopback { node, foreign, child: Mutex::new(None) }));
    }
    Some(Place { folder, cluster: Cluster { hosts }, target })
}

impl Place {
    fn node(&self, number: u16) -> &Node {
        self.cluster.host(NodeId(number)).expect("one of three").node()
    }

    /// All at once, as a run does it.
    async fn start(&self) {
        let mut starts = tokio::task::JoinSet::new();
        for host in &self.cluster.hosts {
            let (target, cluster) = (self.target.clone(), self.cluster.clone());
            let node = host.node().clone();
            starts.spawn(async move {
                target.install(&cluster, &node).await.expect("it is installed");
                target.start(&cluster, &node).await.expect("it starts");
            });
        }
        starts.join_all().await;
        self.target.ready(&self.cluster, READY).await.expect("a cluster");
    }

    /// Who plays a role, once anybody does.
    async fn playing(&self, role: &str) -> NodeId {
        let deadline = Instant::now() + READY;
        loop {
            let playing = self.target.playing(&self.cluster, role, ANSWER).await.expect("answers");
            if let Some(first) = playing.first() {
                return *first;
            }
            assert!(Instant::now() < deadline, "nobody is the {role}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_form_a_cluster_and_each_tells_what_it_is() {
    let test = "brokers_form_a_cluster_and_each_tells_what_it_is";
    let Some(place) = place(test, 1, 3, json!({ "min_insync": 2, "session_timeout": "3s" })) else {
        return;
    };
    let began = Instant::now();
    place.start().await;
    let _ = writeln!(std::io::stderr(), "{test}: formed in {:?}", began.elapsed());
    let Place { cluster, target, .. } = &place;
    let all = [1, 2, 3].map(NodeId);
    assert_eq!(target.members(cluster).await.expect("members"), all);
    let controller = place.playing("controller").await;
    for role in ["group-coordinator", "transaction-coordinator"] {
        assert!(all.contains(&place.playing(role).await));
    }
    // No topic of a client is there yet.
    assert_eq!(target.primaries(cluster, ANSWER).await.expect("answers"), []);
    let node = place.node(controller.0);
    let metrics = target.metrics(cluster, node, ANSWER).await.expect("metrics").expect("text");
    for name in [
        "kafka_server_replicamanager_underreplicatedpartitions 0.0",
        "kafka_controller_kafkacontroller_activecontrollercount 1.0",
        "jvm_memory_used_bytes",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    let clock = target.clock(cluster, node, ANSWER).await.expect("a clock").expect("a sight");
    assert!(clock.ahead_s.abs() <= clock.give_or_take_s + 0.1, "{clock:?}");

    let incarnation = async || target.incarnation(cluster, node, ANSWER).await.expect("it");
    let before = incarnation().await;
    assert!(before.is_some());
    target.kill(cluster, node).await.expect("it dies");
    assert_eq!(incarnation().await, None);
    assert_ne!(place.playing("controller").await, controller, "the others elect another");
    // What it had is gone, and it joins again with nothing.
    target.wipe(cluster, node).await.expect("it is wiped");
    assert!(!node.data.join("kafka").exists());
    target.start(cluster, node).await.expect("it starts");
    target.ready(cluster, READY).await.expect("it is back");
    let after = incarnation().await;
    assert!(after.is_some() && after != before, "{after:?}");
    assert!(place.folder.path().join("n1/kafka.log").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_shares_no_files_is_brought_all_of_it() {
    let test = "a_node_that_shares_no_files_is_brought_all_of_it";
    let Some(place) = place(test, 3, 1, json!({})) else { return };
    place.start().await;
    let own = place.folder.path().join("n1/programs/kafka");
    assert!(own.join("content").exists() && own.join("libs").exists());
    assert!(!place.folder.path().join("n1/programs/kafka.tar").exists(), "it takes room");
    // The second time all of it is there.
    let written = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).expect("it");
    let before = written(&own.join("content"));
    place.target.install(&place.cluster, place.node(1)).await.expect("it is there");
    assert_eq!(written(&own.join("content")), before);
    let members = place.target.members(&place.cluster).await.expect("members");
    assert_eq!(members, [NodeId(1)]);
}

/// One operation by a client, as a worker asks it.
async fn ask(client: &mut dyn Client, op: &Op) -> Outcome {
    let timeout = Duration::from_secs(20);
    let call = Call { op, index: 0, deadline: Time(0), timeout, trace: TraceId::derive(0, 0) };
    client.invoke(&call).await
}

/// Sends a message until it is ok: the coordinator may still be looked for.
async fn sent(client: &mut dyn Client, message: i64) {
    let deadline = Instant::now() + READY;
    loop {
        match ask(client, &send(message)).await {
            Outcome::Ok(_) => return,
            other => assert!(Instant::now() < deadline, "{message} was never sent: {other:?}"),
        }
    }
}

fn send(message: i64) -> Op {
    let mop = Mop { kind: MopKind::Send, key: Key::new("0"), value: Value::Int(message) };
    Op::new("send", None, Value::Mops([mop].into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_is_fenced_is_given_up_and_the_broker_behind_it_is_named() {
    let test = "a_producer_that_is_fenced_is_given_up_and_the_broker_behind_it_is_named";
    let Some(place) = place(test, 4, 1, json!({ "transactions": true })) else { return };
    place.start().await;
    let Place { cluster, target, .. } = &place;
    // Two clients of one process have one transactional id: the later fences the earlier.
    let connect = async || target.connect(cluster, place.node(1), Process(0)).await.expect("one");
    let (mut earlier, mut later) = (connect().await, connect().await);
    sent(&mut *earlier, 1).await;
    sent(&mut *later, 2).await;
    let outcome = ask(&mut *earlier, &send(3)).await;
    let (Outcome::Fail(reason) | Outcome::Info(reason)) = &outcome else {
        panic!("a fenced producer sent: {outcome:?}");
    };
    assert_eq!(reason.code, Code::Fatal, "{reason}");
    sent(&mut *later, 4).await;
    let complaint = Complaint { unsettled: true, fatal: true };
    let told = target.unwell(cluster, complaint, ANSWER).await;
    let of = |part: &str| {
        let found = told.iter().find(|it| it.what.contains(part));
        found.unwrap_or_else(|| panic!("{part} is not among {told:?}"))
    };
    let coordinator = of("n1 coordinates transactions of the clients, some of which were given up");
    assert!(coordinator.node == Some(NodeId(1)) && !coordinator.log.is_empty(), "{told:?}");
    // Nobody is in the group.
    assert!(of("which coordinates the group schism").what.contains("with no member"), "{told:?}");
    target.kill(cluster, place.node(1)).await.expect("it dies");
    let told = target.unwell(cluster, Complaint::default(), ANSWER).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].what, "n1 does not answer");
    assert!(!told[0].log.is_empty(), "{told:?}");
}

/// Polls until `enough` says so of an outcome.
async fn polled(client: &mut dyn Client, enough: impl Fn(&Outcome) -> bool) {
    let mop = Mop { kind: MopKind::Poll, key: Key::new(""), value: Value::Nil };
    let poll = Op::new("poll", None, Value::Mops([mop].into()));
    let deadline = Instant::now() + READY;
    loop {
        let outcome = ask(client, &poll).await;
        if enough(&outcome) {
            return;
        }
        assert!(Instant::now() < deadline, "it never came: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_has_no_end_for_its_readers_while_a_transaction_is_undecided() {
    let test = "a_log_has_no_end_for_its_readers_while_a_transaction_is_undecided";
    // A transaction stays open for so long after its record was sent.
    let options = json!({ "transactions": true, "think": "6s" });
    let Some(place) = place(test, 5, 1, options) else { return };
    place.start().await;
    let Place { cluster, target, .. } = &place;
    let connect =
        async |process| target.connect(cluster, place.node(1), Process(process)).await.expect("it");
    let (mut writer, mut reader) = (connect(0).await, connect(1).await);
    let assign = Op::new("assign", None, Value::List([Value::Int(0)].into()));
    assert!(matches!(ask(&mut *reader, &assign).await, Outcome::Ok(_)));
    let ended = |outcome: &Outcome| match outcome {
        Outcome::Ok(reply) => {
            matches!(&reply.value, Value::Mops(mops) if mops[0].value == Value::Nil)
        }
        _ => false,
    };
    polled(&mut *reader, ended).await;
    let writing = tokio::spawn(async move { sent(&mut *writer, 1).await });
    polled(
        &mut *reader,
        |outcome| matches!(outcome, Outcome::Fail(reason) if reason.text.contains("undecided")),
    )
    .await;
    writing.await.expect("it is sent");
    polled(&mut *reader, |outcome| matches!(outcome, Outcome::Ok(_)) && !ended(outcome)).await;
    polled(&mut *reader, ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_what_is_missing() {
    let Some(place) = place("says_what_is_missing", 2, 1, json!({})) else { return };
    let entry = TARGETS.iter().find(|entry| entry.name == "kafka").expect("the row");
    let other = |options| (entry.construct)(&options).expect("good options");
    let (cluster, node) = (&place.cluster, place.node(1));
    let folder = place.folder.path().display().to_string();
    let target = other(json!({ "directory": folder }));
    let error = target.install(cluster, node).await.expect_err("no Kafka").to_string();
    assert!(error.contains(&format!("n1: {folder}/libs holds no Kafka")), "{error}");
    let target = other(json!({ "java": "/usr/bin/false" }));
    let error = target.install(cluster, node).await.expect_err("no Java").to_string();
    assert!(error.contains("n1: /usr/bin/false does not say its version"), "{error}");
    // A broker that ends at once is named with the last words of its log.
    let target = other(json!({ "flags": { "num.io.threads": "many" } }));
    target.install(cluster, node).await.expect("it is installed");
    let error = target.start(cluster, node).await.expect_err("no number").to_string();
    assert!(error.contains("n1: kafka-storage could not format"), "{error}");
    assert!(error.contains("num.io.threads"), "{error}");
    let error = place.target.ready(cluster, Duration::from_secs(1)).await;
    let error = error.expect_err("nobody is there").to_string();
    assert!(error.starts_with("n1: the broker did not answer within 1s"), "{error}");
}
