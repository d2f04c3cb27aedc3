//! What `flush.messages` costs Kafka, and what it saves: acknowledged messages that a loss of power
//! takes, against throughput before it.
//!
//! `make flush-table` calls it. It runs the `schism` of its own build on `plans/kafka-power-loss.yaml`,
//! once for each setting, number of brokers that lose their power, and seed. `--write FILE` puts the
//! table into a document, between its marks; `--seeds N` and `--set KEY=VALUE` (handed on) say what else
//! is run.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use schism::store::{RunRecord, VerdictRecord, Word};
use schism_history::{History, Key, Mop, MopKind, Time, Value};

const BEGIN: &str = "<!-- flush figures -->";
const END: &str = "<!-- end of flush figures -->";
const PLAN: &str = "plans/kafka-power-loss.yaml";
/// How many messages a broker takes before it syncs a log: by default it leaves that to the kernel.
const FLUSHES: [Option<u32>; 4] = [None, Some(1000), Some(100), Some(1)];
/// Who loses power.
const VICTIMS: [&str; 2] = ["one", "all"];
/// The claim that is unknown unless every log was read to its end.
const READ_TO_THE_END: &str = "no-unseen-writes";

struct Arguments {
    seeds: u64,
    write: Option<PathBuf>,
    set: Vec<String>,
}

/// A log and a message.
type Sent = (Key, i64);

/// What one run came to.
struct Figures {
    acknowledged: usize,
    /// Acknowledged, and in no log at the end; `None` where not every log was read to its end.
    lost: Option<usize>,
    /// Acknowledged each second, in the second half of the time before the power failed: by then topics
    /// are made, and the brokers' programs compiled.
    each_second: f64,
    target: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = arguments()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut lines = vec![
        "| `flush.messages` | power lost by | acknowledged | lost | messages a second before it |"
            .to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let (mut target, mut failed) = (String::new(), Vec::new());
    for victims in VICTIMS {
        for flush in FLUSHES {
            let mut runs = Vec::new();
            for seed in 1..=arguments.seeds {
                match run(&root, &arguments, seed, victims, flush) {
                    Ok(figures) => {
                        eprintln!("{}", line(victims, flush, std::slice::from_ref(&figures)));
                        // The rows say what is set otherwise.
                        if flush.is_none() {
                            target.clone_from(&figures.target);
                        }
                        runs.push(figures);
                    }
                    // The others are worth their while without it.
                    Err(failure) => {
                        eprintln!("power-loss {victims}, seed {seed}: {failure:#}");
                        failed.push(format!("{victims}, seed {seed}"));
                    }
                }
            }
            lines.push(line(victims, flush, &runs));
        }
    }
    let table = lines.join("\n");
    println!("{target}\n\n{table}");
    ensure!(failed.is_empty(), "not measured: {}", failed.join("; "));
    if let Some(file) = &arguments.write {
        write_table(file, &format!("{target}; runs a row: {}.\n\n{table}", arguments.seeds))?;
    }
    Ok(())
}

fn arguments() -> anyhow::Result<Arguments> {
    let mut arguments = Arguments { seeds: 3, write: None, set: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => arguments.seeds = words.next().context("--seeds N")?.parse()?,
            "--write" => arguments.write = Some(words.next().context("--write FILE")?.into()),
            "--set" => arguments.set.push(words.next().context("--set KEY=VALUE")?),
            other => bail!("{other}: use --seeds N, --write FILE, --set KEY=VALUE"),
        }
    }
    ensure!(arguments.seeds > 0, "--seeds 0: at least one run makes a row");
    Ok(arguments)
}

/// The row of runs that differ by their seeds alone: sums of messages, and the median of rates.
fn line(victims: &str, flush: Option<u32>, runs: &[Figures]) -> String {
    if runs.is_empty() {
        return format!("| {} | {victims} | not measured | | |", words(flush));
    }
    let sum = |of: fn(&Figures) -> usize| runs.iter().map(of).sum::<usize>();
    let acknowledged = sum(|run| run.acknowledged);
    let lost = match runs.iter().map(|run| run.lost).sum::<Option<usize>>() {
        Some(lost) => {
            let percent = 100.0 * lost as f64 / acknowledged.max(1) as f64;
            format!("**{lost}** ({percent:.1} %)")
        }
        None => "unknown: not every log was read to its end".to_owned(),
    };
    let mut rates: Vec<f64> = runs.iter().map(|run| run.each_second).collect();
    rates.sort_by(f64::total_cmp);
    let flush = words(flush);
    let rate = rates.get(rates.len() / 2).copied().unwrap_or_default();
    format!("| {flush} | {victims} | {acknowledged} | {lost} | {rate:.0} |")
}

fn words(flush: Option<u32>) -> String {
    flush.map_or("not set".to_owned(), |flush| flush.to_string())
}

fn run(
    root: &Path,
    arguments: &Arguments,
    seed: u64,
    victims: &str,
    flush: Option<u32>,
) -> anyhow::Result<Figures> {
    // The binary of the same build: examples stand in a folder beside it.
    let example = std::env::current_exe()?;
    let built = example.parent().and_then(Path::parent).context("this example has no folder")?;
    let runs = root.join("runs/flush-table");
    let mut command = Command::new(built.join("schism"));
    command.arg("run").arg(root.join(PLAN));
    command.args(["--quiet", "--seed", &seed.to_string(), "--runs"]).arg(&runs);
    command.args(["--set", &format!("faults.0.power-loss={victims}")]);
    // What is acknowledged after the loss, by brokers that are back, was never at risk.
    command.args(["--set", "load.duration=20s"]);
    if let Some(flush) = flush {
        command.args(["--set", &format!("target.kafka.flush_messages={flush}")]);
    }
    command.args(arguments.set.iter().flat_map(|set| ["--set", set]));
    let output =
        command.output().with_context(|| format!("{}: build it first", built.display()))?;
    let exit = output.status.code().unwrap_or(-1);
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!((0..=2).contains(&exit), "power-loss {victims}, seed {seed}: exit {exit}: {told}");
    figures(&runs.join("latest"))
}

fn figures(folder: &Path) -> anyhow::Result<Figures> {
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let record: RunRecord = serde_json::from_str(&file("run.json")?)?;
    let verdict: VerdictRecord = serde_json::from_str(&file("verdict.json")?)?;
    let proven = verdict.faults > 0 && verdict.faults_proven == verdict.faults;
    ensure!(proven, "{}: nobody was seen to lose power: {}", folder.display(), verdict.story);
    let end = verdict.claims.iter().find(|claim| claim.name == READ_TO_THE_END);
    let end = end.with_context(|| format!("{PLAN} does not claim {READ_TO_THE_END}"))?;
    let history = schism_history::jsonl::read(&folder.join("history.jsonl"))?.history;
    let struck = history.faults().first().map(|fault| fault.start).context("no fault")?;
    let (acknowledged, before) = acknowledged(&history, (Time(struck.0 / 2), struck));
    let polled = polled(&history);
    let lost = acknowledged.difference(&polled).count();
    Ok(Figures {
        acknowledged: acknowledged.len(),
        lost: (end.verdict != Word::Unknown).then_some(lost),
        each_second: before as f64 / (struck.as_secs_f64() / 2.0).max(1e-9),
        target: record.target,
    })
}

/// The messages whose sending was acknowledged, and how many were so between two times.
fn acknowledged(history: &History, (from, to): (Time, Time)) -> (HashSet<Sent>, usize) {
    let (mut all, mut between) = (HashSet::new(), 0);
    for operation in history.operations() {
        let (Value::Mops(asked), Some(_)) = (&operation.op.value, operation.ok()) else { continue };
        let sent = asked.iter().filter(|mop| mop.kind == MopKind::Send);
        let messages: Vec<Sent> =
            sent.filter_map(|mop| Some((mop.key, number(&mop.value)?))).collect();
        let counts = operation.end.is_some_and(|end| (from..=to).contains(&end));
        between += if counts { messages.len() } else { 0 };
        all.extend(messages);
    }
    (all, between)
}

/// The messages that some poll returned: the plan polls at the end alone.
fn polled(history: &History) -> HashSet<Sent> {
    let answers = history.operations().filter_map(|operation| operation.ok());
    let mut polled = HashSet::new();
    for answer in answers {
        let Value::Mops(mops) = &answer.value else { continue };
        for Mop { key, value, .. } in mops.iter().filter(|mop| mop.kind == MopKind::Poll) {
            // A log of this plan holds numbers alone.
            let Value::Polled(messages) = value else { continue };
            polled.extend(messages.iter().map(|(_, message)| (*key, *message)));
        }
    }
    polled
}

fn number(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

fn write_table(file: &Path, table: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let no_place = || format!("{} has no place for the table", file.display());
    let (before, rest) = text.split_once(BEGIN).with_context(no_place)?;
    let (_, after) = rest.split_once(END).with_context(no_place)?;
    std::fs::write(file, format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))?;
    Ok(())
}
