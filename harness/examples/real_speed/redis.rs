//! Redis Cluster: operations a second by schism's load and by `redis-benchmark`.

use std::process::{Command, Stdio};

use schism_lab::local;
use serde_json::{Value, json};

use super::{Failure, Figures, form, run_plan};

const CONNECTIONS: usize = 50;

/// What `redis-benchmark` reaches, from where the clients of a run stand.
pub(super) async fn benchmark() -> Result<Figures, Failure> {
    let folder = tempfile::tempdir()?;
    let (data, logs) = (folder.path().join("data"), folder.path().join("logs"));
    let lab = local::Lab::up(local::Options { nodes: 6, clients: 0, data, logs, seed: 1 }).await?;
    let cluster = form("redis_cluster", json!({ "replicas": 1 }), lab.hosts()).await?;
    let address = cluster.hosts[0].node().address.to_string();
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", &address, "--cluster", "-c", &CONNECTIONS.to_string(), "-n", "80000"]);
    command.args(["-t", "set,get", "-d", "8", "-r", "1000", "--csv"]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = |name: &str| -> Result<f64, Failure> {
        let line = text.lines().find(|line| line.starts_with(&format!("\"{name}\"")));
        let field = line.and_then(|line| line.split(',').nth(1)).ok_or("no figures")?;
        Ok(field.trim_matches('"').parse()?)
    };
    let (sets, gets) = (rate("SET")?, rate("GET")?);
    // As many of each: the mean of times, not of rates.
    Ok(vec![("rate", 2.0 / (1.0 / sets + 1.0 / gets))])
}

/// The rate of schism's own load of reads and writes, as a plan of it runs.
pub(super) fn rate() -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let plan = format!(
        "{{ name: load, lab: {{ local: {{ nodes: 6 }} }}, target: {{ redis_cluster: {{ replicas: 1 }} }},
        workload: {{ register: {{ keys: 1000, mix: {{ read: 1, write: 1 }} }} }},
        load: {{ clients: {CONNECTIONS}, duration: 6s }}, claims: [ linearizable ] }}"
    );
    let run = run_plan(folder.path(), &plan)?;
    let record = std::fs::read(run.join("history.jsonl"))?;
    let run: Value = serde_json::from_slice(&std::fs::read(run.join("run.json"))?)?;
    let loaded_s = run["loaded_s"].as_f64().ok_or("no time of the load")?;
    let end = (loaded_s * 1e9) as u64;
    let completed = record.split(|&byte| byte == b'\n').filter(|line| is_done_by(line, end));
    Ok(completed.count() as f64 / loaded_s)
}

/// Whether the line of a history is an answer that came by `end`: final reads come later.
fn is_done_by(line: &[u8], end: u64) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let time = line.split_once("\"time\":").and_then(|(_, rest)| rest.split(',').next());
    let in_time = time.and_then(|time| time.parse().ok()).is_some_and(|time: u64| time <= end);
    in_time && line.contains("\"type\":\"ok\"")
}
