//! The speed of what stands around the checkers, with real systems: `make bench`.
//!
//! Nodes of the local lab over SSH are brought up, cut apart and healed; etcd and Redis Cluster are
//! formed, and Kafka; and Redis and Kafka are put under load by schism, with its whole history on disk, and
//! by `redis-benchmark` and `kafka-producer-perf-test` from the same place over the same link, in turn, so
//! that their ratio says something.
//! Each row runs in a process of its own. `--write FILE` puts the table into a document, between its
//! marks. A row whose programs this machine lacks says so.

#[path = "real_speed/kafka.rs"]
mod kafka;
#[path = "real_speed/redis.rs"]
mod redis;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use schism_lab::local::{self, Ended, sshd, supervise};
use schism_lab::{End, Host, LinkRule, LinkRules, Network, NodeId, ssh};
use schism_targets::{Cluster, TARGETS, Target};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Figures of one process, by name.
type Figures = Vec<(&'static str, f64)>;

const FORM_WITHIN: Duration = Duration::from_mins(1);
/// Round trips, and cuts, of which the median is told.
const TRIES: usize = 21;
/// How often schism and another program are measured in turn; odd, so that there is a median.
const TURNS: usize = 5;

/// A row of the table: what is told, by whom, what it may be at the most (or, for a share, at least).
struct Row {
    name: &'static str,
    by: &'static str,
    figure: &'static str,
    limit: f64,
    unit: &'static str,
}

const ROWS: &[Row] = &[
    Row { name: "lab of five nodes up, with sshd", by: "ssh", figure: "up", limit: 2.0, unit: "s" },
    Row { name: "a program run on a node, p50", by: "ssh", figure: "exec", limit: 5.0, unit: "ms" },
    Row {
        name: "all of five nodes cut apart, p50",
        by: "ssh",
        figure: "cut",
        limit: 60.0,
        unit: "ms",
    },
    Row {
        name: "all of five nodes healed, p50",
        by: "ssh",
        figure: "heal",
        limit: 60.0,
        unit: "ms",
    },
    Row {
        name: "etcd on five nodes formed and ready",
        by: "etcd",
        figure: "formed",
        limit: 4.0,
        unit: "s",
    },
    Row {
        name: "Redis Cluster 3+3 formed and ready",
        by: "redis",
        figure: "formed",
        limit: 6.0,
        unit: "s",
    },
    Row {
        name: "load on Redis against redis-benchmark",
        by: "load",
        figure: "share",
        limit: 70.0,
        unit: "%",
    },
    Row {
        name: "Kafka on three brokers formed and ready",
        by: "kafka",
        figure: "formed",
        limit: 15.0,
        unit: "s",
    },
    Row {
        name: "load on Kafka against kafka-producer-perf-test",
        by: "kafka-load",
        figure: "share",
        limit: 60.0,
        unit: "%",
    },
];

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let code = match words.get(1).map(String::as_str) {
        // Nodes of its labs start this very program.
        Some("agent" | "hold" | "look" | "node" | "lab-init" | "lab-enter") => {
            schism::command::main()
        }
        Some("row") => row(&words[2]),
        Some("--write") => table(words.get(2).map(String::as_str)),
        _ => table(None),
    };
    std::process::exit(code);
}

/// Runs one row's process, and prints its figures.
fn row(name: &str) -> i32 {
    match name {
        "load" => return print(load("benchmark", redis::rate)),
        "kafka-load" => return print(load("kafka-benchmark", kafka::rate)),
        _ => {}
    }
    let name = name.to_owned();
    match supervise(move || print(inside(&name))) {
        Ok(Ended::Exit(code)) => code,
        Ok(Ended::Signal(signal)) => print(Err(format!("killed by signal {signal}").into())),
        Err(refused) => print(Err(refused.to_string().into())),
    }
}

fn print(figures: Result<Figures, Failure>) -> i32 {
    let line = match figures {
        Ok(figures) => {
            let pairs = figures.into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
            Value::Object(pairs.collect())
        }
        Err(failure) => json!({ "failure": failure.to_string() }),
    };
    println!("{line}");
    0
}

fn inside(name: &str) -> Result<Figures, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match name {
            "ssh" => over_ssh().await,
            "etcd" => formed("etcd", json!({}), 5).await,
            "redis" => formed("redis_cluster", json!({ "replicas": 1 }), 6).await,
            "kafka" => kafka::formed().await,
            "kafka-benchmark" => kafka::perf_test().await,
            _ => redis::benchmark().await,
        }
    })
}

/// A lab over SSH, with the folder that it stands in.
struct Stand {
    _folder: tempfile::TempDir,
    _below: local::Lab,
    lab: ssh::Lab,
}

async fn stand(nodes: u16) -> Result<Stand, Failure> {
    if let Some(refusal) = sshd::refusal() {
        return Err(refusal.into());
    }
    let folder = tempfile::tempdir()?;
    let logs = folder.path().join("logs");
    let options = local::Options {
        nodes,
        clients: 0,
        data: folder.path().join("data"),
        logs: logs.clone(),
        seed: 1,
    };
    let below = local::Lab::up(options).await?;
    let hosts = below.serve_ssh().await?;
    let own = std::env::current_exe().ok();
    let tell = Arc::new(|_| {});
    let (places, bounds) = (Vec::new(), ssh::Bounds::default());
    let options = ssh::Options { hosts, logs, shared: own, places, bounds, tell };
    let lab = ssh::Lab::up(options).await?;
    Ok(Stand { _folder: folder, _below: below, lab })
}

async fn over_ssh() -> Result<Figures, Failure> {
    let begun = Instant::now();
    let stand = stand(5).await?;
    let up = begun.elapsed();
    let (hosts, network) = (stand.lab.hosts(), stand.lab.network());
    let (mut execs, mut cuts, mut heals) = (Vec::new(), Vec::new(), Vec::new());
    let command = schism_lab::Command::new(["true"]);
    for _ in 0..TRIES {
        let begun = Instant::now();
        hosts[0].run(&command, FORM_WITHIN).await?;
        execs.push(begun.elapsed());
    }
    for _ in 0..TRIES {
        cuts.push(set(&*network, all_apart()).await?);
        heals.push(set(&*network, LinkRules::default()).await?);
    }
    stand.lab.down().await;
    let ms = |times| median(times).as_secs_f64() * 1e3;
    Ok(vec![("up", up.as_secs_f64()), ("exec", ms(execs)), ("cut", ms(cuts)), ("heal", ms(heals))])
}

async fn set(network: &dyn Network, rules: LinkRules) -> Result<Duration, Failure> {
    let begun = Instant::now();
    network.set(&rules).await?;
    Ok(begun.elapsed())
}

/// Every link between two nodes is cut, both ways.
fn all_apart() -> LinkRules {
    let drop = LinkRule { drop: true, ..LinkRule::default() };
    let node = |number| End::Node(NodeId(number));
    let pairs = (1..=5).flat_map(|from| (1..=5).map(move |to| (from, to)));
    let links = pairs.filter(|(from, to)| from != to);
    LinkRules(links.map(|(from, to)| ((node(from), node(to)), drop)).collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn form(name: &str, options: Value, hosts: Vec<Arc<dyn Host>>) -> Result<Cluster, Failure> {
    let entry = TARGETS.iter().find(|entry| entry.name == name).ok_or("no such target")?;
    let target: Arc<dyn Target> = (entry.construct)(&options)?;
    let cluster = Cluster { hosts };
    let mut starts = tokio::task::JoinSet::new();
    for host in cluster.hosts.clone() {
        let (target, cluster) = (target.clone(), cluster.clone());
        starts.spawn(async move {
            target.install(&cluster, host.node()).await?;
            target.start(&cluster, host.node()).await
        });
    }
    for started in starts.join_all().await {
        started?;
    }
    target.form(&cluster).await?;
    target.ready(&cluster, FORM_WITHIN).await?;
    Ok(cluster)
}

async fn formed(name: &str, options: Value, nodes: u16) -> Result<Figures, Failure> {
    let stand = stand(nodes).await?;
    let begun = Instant::now();
    form(name, options, stand.lab.hosts()).await?;
    let formed = begun.elapsed();
    stand.lab.down().await;
    Ok(vec![("formed", formed.as_secs_f64())])
}

/// Schism and what `row` measures in turn, several times: a machine on which something else goes on
/// has no single figure, and the median of ratios of neighbours is hurt least by that.
fn load(row: &str, our_rate: fn() -> Result<f64, Failure>) -> Result<Figures, Failure> {
    let mut turns: Vec<[f64; 3]> = Vec::new();
    for turn in 0..TURNS {
        // Who goes first has the machine as the row before left it.
        let (ours, theirs) = if turn % 2 == 0 {
            let theirs = their_rate(row)?;
            (our_rate()?, theirs)
        } else {
            (our_rate()?, their_rate(row)?)
        };
        turns.push([ours / theirs * 100.0, ours, theirs]);
    }
    turns.sort_by(|one, other| one[0].total_cmp(&other[0]));
    let [share, ours, theirs] = turns[TURNS / 2];
    let (least, most) = (turns[0][0], turns[TURNS - 1][0]);
    let between = [("least", least), ("most", most)];
    Ok([("share", share), ("ours", ours), ("theirs", theirs)].into_iter().chain(between).collect())
}

fn their_rate(row: &str) -> Result<f64, Failure> {
    Ok(figures(row)?["rate"].as_f64().ok_or("the benchmark told nothing")?)
}

/// Runs a plan with the schism of the same build, and says where the run is stored.
fn run_plan(folder: &Path, text: &str) -> Result<PathBuf, Failure> {
    let plan = folder.join("load.yaml");
    std::fs::write(&plan, text)?;
    let own = std::env::current_exe()?;
    let schism = own.parent().and_then(|examples| examples.parent()).ok_or("no folder")?;
    let mut command = Command::new(schism.join("schism"));
    command.arg("run").arg(&plan).args(["--quiet", "--runs"]).arg(folder.join("runs"));
    let said = command.stdin(Stdio::null()).output()?;
    let run = folder.join("runs/latest");
    if !run.join("history.jsonl").exists() {
        return Err(String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into());
    }
    Ok(run)
}

/// The figures of a row's process.
fn figures(name: &str) -> Result<Value, Failure> {
    let output = Command::new(std::env::current_exe()?).args(["row", name]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().last().ok_or("no figures")?;
    let figures: Value = serde_json::from_str(line)?;
    match figures["failure"].as_str() {
        Some(failure) => Err(failure.to_owned().into()),
        None => Ok(figures),
    }
}

fn table(document: Option<&str>) -> i32 {
    let mut text = String::from("| what | seen | limit |\n|---|---|---|\n");
    let mut done: BTreeMap<&str, Result<Value, String>> = BTreeMap::new();
    let mut all_hold = true;
    for row in ROWS {
        let figures = done
            .entry(row.by)
            .or_insert_with(|| figures(row.by).map_err(|failure| failure.to_string()));
        let least = row.unit == "%";
        let limit =
            format!("at {} {} {}", if least { "least" } else { "most" }, row.limit, row.unit);
        let seen = match figures {
            Err(failure) => format!("not measured: {failure}"),
            Ok(figures) => {
                let value = figures[row.figure].as_f64().unwrap_or(f64::NAN);
                let holds = if least { value >= row.limit } else { value <= row.limit };
                all_hold &= holds;
                let more = match (figures["ours"].as_f64(), figures["theirs"].as_f64()) {
                    (Some(ours), Some(theirs)) => {
                        let [least, most] = ["least", "most"].map(|end| figures[end].as_f64());
                        let (least, most) = (least.unwrap_or(value), most.unwrap_or(value));
                        format!(
                            " ({ours:.0} of {theirs:.0} a second; {least:.0} to {most:.0} % \
                             in {TURNS} turns)"
                        )
                    }
                    _ => String::new(),
                };
                let bold = if holds { "" } else { " **too slow**" };
                format!("{value:.1} {}{more}{bold}", row.unit)
            }
        };
        println!("{:<40} {seen:<50} {limit}", row.name);
        let _ = writeln!(text, "| {} | {seen} | {limit} |", row.name);
    }
    if let Some(path) = document {
        match write(path, &text) {
            Ok(()) => println!("written to {path}"),
            Err(failure) => {
                eprintln!("{path}: {failure}");
                return 1;
            }
        }
    }
    i32::from(!all_hold)
}

fn write(path: &str, table: &str) -> Result<(), Failure> {
    let (begin, end) = ("<!-- real figures -->\n", "<!-- end of real figures -->");
    let document = std::fs::read_to_string(path)?;
    let (before, rest) = document.split_once(begin).ok_or("has no marks")?;
    let (_, after) = rest.split_once(end).ok_or("has no end mark")?;
    std::fs::write(path, format!("{before}{begin}\n{table}\n{end}{after}"))?;
    Ok(())
}
