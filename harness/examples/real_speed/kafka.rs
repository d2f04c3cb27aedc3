//! Kafka: three brokers formed, and records a second by schism's load and by Kafka's own tool.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use schism_history::{MopKind, Value as Content};
use schism_lab::local;
use serde_json::{Value, json};

use super::{Failure, Figures, form, run_plan};

const BROKERS: u16 = 3;
/// A topic of so many partitions, as many as a topic of the target has by default.
const PARTITIONS: u32 = 4;
/// What both sides send: bytes of a record, and how producers gather records.
const RECORD: u32 = 100;
const BATCH: u32 = 65_536;
const LINGER_MS: u32 = 5;
/// How many records Kafka's tool sends, by one producer: for about as long as schism's load lasts, since
/// the first of them are sent while its JVM is still cold.
const RECORDS: u32 = 1_200_000;
/// How many of schism's clients send, and how many records at once.
const CLIENTS: u32 = 4;
const LENGTH: u32 = 2000;
const DURATION_S: u32 = 12;

/// What both sides ask of brokers.
fn target() -> Value {
    json!({ "replication": BROKERS, "min_insync": 2, "partitions": PARTITIONS })
}

/// A lab in which brokers stand.
async fn stand(folder: &Path) -> Result<(local::Lab, f64, schism_targets::Cluster), Failure> {
    let (data, logs) = (folder.join("data"), folder.join("logs"));
    let options = local::Options { nodes: BROKERS, clients: 0, data, logs, seed: 1 };
    let lab = local::Lab::up(options).await?;
    let begun = Instant::now();
    let cluster = form("kafka", target(), lab.hosts()).await?;
    Ok((lab, begun.elapsed().as_secs_f64(), cluster))
}

/// How long brokers take from nothing to a cluster that serves.
pub(super) async fn formed() -> Result<Figures, Failure> {
    let folder = tempfile::tempdir()?;
    let (_lab, formed, _) = stand(folder.path()).await?;
    Ok(vec![("formed", formed)])
}

/// What `kafka-producer-perf-test` reaches, from where the clients of a run stand.
pub(super) async fn perf_test() -> Result<Figures, Failure> {
    let folder = tempfile::tempdir()?;
    let (_lab, _, cluster) = stand(folder.path()).await?;
    let bootstrap = format!("{}:9092", cluster.hosts[0].node().address);
    let counts = [PARTITIONS.to_string(), BROKERS.to_string()];
    let mut topics = tool("kafka-topics.sh")?;
    topics.args(["--bootstrap-server", &bootstrap, "--create", "--topic", "speed"]);
    topics.args(["--partitions", &counts[0], "--replication-factor", &counts[1]]);
    said(topics).await?;
    let mut test = tool("kafka-producer-perf-test.sh")?;
    test.args(["--topic", "speed", "--throughput", "-1"]);
    test.args(["--num-records", &RECORDS.to_string(), "--record-size", &RECORD.to_string()]);
    test.args(["--producer-props", &format!("bootstrap.servers={bootstrap}"), "acks=all"]);
    test.args([format!("batch.size={BATCH}"), format!("linger.ms={LINGER_MS}")]);
    let text = said(test).await?;
    // 300000 records sent, 51546.4 records/sec (4.92 MB/sec), 12.3 ms avg latency, …
    let mut rates = text.lines().filter_map(|line| {
        let (sent, rest) = line.split_once(" records sent, ")?;
        (sent.trim() == RECORDS.to_string()).then_some(rest)?.split(' ').next()?.parse().ok()
    });
    Ok(vec![("rate", rates.next_back().ok_or_else(|| format!("no figures in: {text}"))?)])
}

/// One of the programs that `make kafka` puts beside the brokers.
fn tool(name: &str) -> Result<Command, Failure> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cache"))
    });
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let program = cache.join("schism/kafka/4.1.0/bin").join(name);
    if !program.exists() {
        return Err(format!("no {}: make kafka VERSION=4.1.0", program.display()).into());
    }
    Ok(Command::new(program))
}

async fn said(mut command: Command) -> Result<String, Failure> {
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(text.into()) }
}

/// The plan of schism's own load.
fn plan() -> String {
    format!(
        "{{ name: load, lab: {{ local: {{ nodes: {BROKERS} }} }},
        target: {{ kafka: {{ replication: {BROKERS}, min_insync: 2, partitions: {PARTITIONS}, acks: all,
          batch: {BATCH}, linger: {LINGER_MS}ms, record_size: {RECORD} }} }},
        workload: {{ log: {{ keys: {PARTITIONS}, mix: {{ send: 1 }}, length: {LENGTH} }} }},
        load: {{ clients: {CLIENTS}, duration: {DURATION_S}s, timeout: 10s }},
        bounds: {{ form: 60s, final-reads: 60s }},
        claims: [ no-lost-writes ] }}"
    )
}

/// How many records a second are acknowledged in a run of that plan, its whole history on disk.
pub(super) fn rate() -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let run = run_plan(folder.path(), &plan())?;
    let record: Value = serde_json::from_slice(&std::fs::read(run.join("run.json"))?)?;
    let loaded_s = record["loaded_s"].as_f64().ok_or("no time of the load")?;
    let history = schism_history::jsonl::read(&run.join("history.jsonl"))?.history;
    let mut sent = 0;
    for operation in history.operations() {
        let done = operation.ok().is_some()
            && operation.end.is_some_and(|end| end.as_secs_f64() <= loaded_s);
        if let (true, Content::Mops(mops)) = (done, &operation.op.value) {
            sent += mops.iter().filter(|mop| mop.kind == MopKind::Send).count();
        }
    }
    Ok(sent as f64 / loaded_s)
}
