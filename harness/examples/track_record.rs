//! The track record: each planted bug over many seeds, and the same plans without the bug.
//!
//! `make track-record` calls it. It runs the `schism` of its own build, one run after another, and puts
//! the table between its two markers into README.md. `--only NAME` runs one plan, `--without`
//! leaves out the bugs (three seeds each) and `--dry` prints instead of writing. `--real` runs the plans
//! against real systems instead, which have a table of their own (`make track-record-real`); there,
//! rows of plans that are not run stay as they are.

#[path = "track_record/real.rs"]
mod real;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use schism::store::{RunRecord, VerdictRecord, Word};

use real::{REAL, Real};

const BEGIN: &str = "<!-- track record: written by make track-record -->";
const END: &str = "<!-- end of track record -->";
const BEGIN_REAL: &str = "<!-- real systems: written by make track-record-real -->";
const END_REAL: &str = "<!-- end of real systems -->";
/// A bug must be found within this.
const WITHIN: Duration = Duration::from_mins(1);
/// Each plan without its bug.
const SOUND_SEEDS: u64 = 3;

/// A planted bug, its plan, and the claims of which one must be violated.
struct Bug {
    name: &'static str,
    claims: &'static [&'static str],
}

const BUGS: &[Bug] = &[
    Bug { name: "stale-read", claims: &["linearizable"] },
    Bug { name: "ack-before-commit", claims: &["linearizable", "acknowledged-writes-survive"] },
    Bug { name: "buffered-log", claims: &["linearizable", "acknowledged-writes-survive"] },
    Bug { name: "drop-on-snapshot", claims: &["linearizable", "acknowledged-writes-survive"] },
    Bug { name: "no-fsync", claims: &["acknowledged-writes-survive", "no-lost-elements"] },
    Bug { name: "no-checksum", claims: &["acknowledged-writes-survive", "no-lost-elements"] },
    Bug { name: "apply-twice", claims: &["read-uncommitted", "strict-serializable"] },
];

struct Arguments {
    seeds: u64,
    only: Option<String>,
    bugs: bool,
    sound: bool,
    dry: bool,
    systems: Systems,
}

/// Against which systems plans are run.
#[derive(PartialEq, Eq)]
enum Systems {
    Reference,
    Real,
}

/// How one run ended.
struct Ended {
    exit: i32,
    took: Duration,
    violated: Vec<String>,
    story: String,
    target: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = arguments()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if arguments.systems == Systems::Real {
        return systems(&root, &arguments);
    }
    let mut rows = vec![
        "| bug | found | right claim | time to find: median, worst | without the bug |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let (mut found, mut tried, mut worst) = (0, 0, u64::MAX);
    let mut wrong = Vec::new();
    for bug in BUGS.iter().filter(|bug| arguments.wants(bug.name)) {
        let plan = root.join(format!("plans/bugs/{}.yaml", bug.name));
        let seeds = if arguments.bugs { arguments.seeds } else { 0 };
        let hits = hunt(&root, &plan, bug, seeds)?;
        (found, tried, worst) = (found + hits.found, tried + seeds, worst.min(hits.found));
        let sound =
            if arguments.sound { without(&root, &plan, bug, &mut wrong)? } else { "–".into() };
        rows.push(format!(
            "| `{}` | {} of {seeds} | {} | {} | {sound} |",
            bug.name,
            hits.found,
            bug.claims.join(" or "),
            hits.times(),
        ));
    }
    if arguments.wants("quickstart") && arguments.sound {
        rows.push(quickstart(&root, arguments.seeds, &mut wrong)?);
    }
    let table = rows.join("\n");
    println!("{table}\n\n{found} of {tried} found");
    if !arguments.dry && arguments.only.is_none() {
        write_table(&root.join("README.md"), &table, BEGIN, END)?;
    }
    ensure!(wrong.is_empty(), "violations without a bug: {}", wrong.join("; "));
    if arguments.bugs && arguments.seeds >= 20 {
        ensure!(found * 100 >= tried * 95, "fewer than 95 % found");
        ensure!(worst * 20 >= arguments.seeds * 17, "a bug was found in fewer than 17 of 20");
    }
    Ok(())
}

impl Arguments {
    fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == name)
    }
}

fn arguments() -> anyhow::Result<Arguments> {
    let (bugs, sound, dry, systems) = (true, true, false, Systems::Reference);
    let mut arguments = Arguments { seeds: 20, only: None, bugs, sound, dry, systems };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => arguments.seeds = words.next().context("--seeds N")?.parse()?,
            "--only" => arguments.only = Some(words.next().context("--only NAME")?),
            "--without" => arguments.bugs = false,
            "--with" => arguments.sound = false,
            "--dry" => arguments.dry = true,
            "--real" => arguments.systems = Systems::Real,
            other => bail!("{other}: use --seeds N, --only NAME, --with, --without, --real, --dry"),
        }
    }
    Ok(arguments)
}

struct Hits {
    found: u64,
    took: Vec<Duration>,
}

impl Hits {
    fn times(&self) -> String {
        let mut took = self.took.clone();
        took.sort();
        match took.last() {
            None => "–".into(),
            Some(last) => {
                format!("{:.0} s, {:.0} s", took[took.len() / 2].as_secs_f64(), last.as_secs_f64())
            }
        }
    }
}

fn hunt(root: &Path, plan: &Path, bug: &Bug, seeds: u64) -> anyhow::Result<Hits> {
    let mut hits = Hits { found: 0, took: Vec::new() };
    for seed in 1..=seeds {
        let ended = run(root, plan, seed, &[])?;
        let right = ended.violated.iter().any(|claim| bug.claims.contains(&claim.as_str()));
        let hit = ended.exit == 1 && right && ended.took <= WITHIN;
        if hit {
            hits.found += 1;
            hits.took.push(ended.took);
        }
        let word = if hit { "found" } else { "missed" };
        let seconds = ended.took.as_secs_f64();
        eprintln!(
            "{} seed {seed}: {word}, exit {}, {seconds:.1} s; {}",
            bug.name, ended.exit, ended.story
        );
    }
    Ok(hits)
}

fn without(root: &Path, plan: &Path, bug: &Bug, wrong: &mut Vec<String>) -> anyhow::Result<String> {
    let mut sound = 0;
    for seed in 1..=SOUND_SEEDS {
        let ended = run(root, plan, seed, &["--set", "target.reference.bug=none"])?;
        let name = format!("{} without the bug, seed {seed}", bug.name);
        eprintln!(
            "{name}: exit {}, {:.1} s; {}",
            ended.exit,
            ended.took.as_secs_f64(),
            ended.story
        );
        sound += u64::from(!note_violation(&name, &ended, wrong));
    }
    Ok(format!("no safety claim violated in {sound} of {SOUND_SEEDS}"))
}

fn quickstart(root: &Path, seeds: u64, wrong: &mut Vec<String>) -> anyhow::Result<String> {
    let plan = root.join("plans/quickstart.yaml");
    let (mut upheld, mut sound) = (0, 0);
    for seed in 1..=seeds {
        let ended = run(root, &plan, seed, &[])?;
        let name = format!("quickstart, seed {seed}");
        eprintln!(
            "{name}: exit {}, {:.1} s; {}",
            ended.exit,
            ended.took.as_secs_f64(),
            ended.story
        );
        upheld += u64::from(ended.exit == 0);
        sound += u64::from(!note_violation(&name, &ended, wrong));
    }
    Ok(format!(
        "| none (`quickstart`) | – | all claims upheld in {upheld} of {seeds} | – | \
         no safety claim violated in {sound} of {seeds} |"
    ))
}

/// Runs every plan against a real system, and writes how often its claims were violated. A plan that
/// stands in several rows runs once a seed. Rows of plans that were not run stay as they are.
fn systems(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let readme = root.join("README.md");
    let head = "| system | run as `schism run …` | claim | violated | rate, 95 % interval | time: median, worst |";
    let mut missed = Vec::new();
    let mut done: Vec<(&str, &str)> = Vec::new();
    for real in REAL.iter().filter(|real| arguments.wants(real.plan)) {
        if done.contains(&(real.plan, real.set)) {
            continue;
        }
        done.push((real.plan, real.set));
        let runs = runs_of(root, real, arguments.seeds)?;
        let alike = |row: &&Real| (row.plan, row.set) == (real.plan, real.set);
        for row in REAL.iter().filter(alike) {
            let (line, as_expected) = row_of(row, &runs);
            println!("{line}");
            if !as_expected {
                missed.push(line.clone());
            }
            if !arguments.dry {
                let mut rows = rows_of(&readme)?;
                rows.insert(place(&line), line);
                let order = REAL.iter().map(Real::place);
                let rows: Vec<String> = order.filter_map(|place| rows.remove(&place)).collect();
                let table = format!("{head}\n|---|---|---|---|---|---|\n{}", rows.join("\n"));
                write_table(&readme, &table, BEGIN_REAL, END_REAL)?;
            }
        }
    }
    ensure!(missed.is_empty(), "otherwise than expected: {}", missed.join("; "));
    Ok(())
}

impl Real {
    /// The command of the row and its claim, as they stand in the table.
    fn place(&self) -> String {
        let set = if self.set.is_empty() { String::new() } else { format!(" --set {}", self.set) };
        format!("`plans/{}.yaml{set}` | `{}`", self.plan, self.claim)
    }
}

/// What tells a row of the table from others: its command and its claim.
fn place(line: &str) -> String {
    line.split(" | ").skip(1).take(2).collect::<Vec<_>>().join(" | ")
}

/// The rows that README has, by their places.
fn rows_of(readme: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(readme)?;
    let (_, rest) = text.split_once(BEGIN_REAL).context("README.md has no place for the table")?;
    let (table, _) = rest.split_once(END_REAL).context("README.md has no end of the table")?;
    let rows = table.trim().lines().skip(2);
    Ok(rows.map(|line| (place(line), line.to_owned())).collect())
}

fn runs_of(root: &Path, real: &Real, seeds: u64) -> anyhow::Result<Vec<Ended>> {
    let plan = root.join(format!("plans/{}.yaml", real.plan));
    let more: Vec<&str> = if real.set.is_empty() { vec![] } else { vec!["--set", real.set] };
    let mut runs = Vec::new();
    for seed in 1..=seeds {
        let ended = run(root, &plan, seed, &more)?;
        let (name, seconds) = (real.plan, ended.took.as_secs_f64());
        eprintln!(
            "{name} {} seed {seed}: exit {}, {seconds:.1} s; {}",
            real.set, ended.exit, ended.story
        );
        runs.push(ended);
    }
    Ok(runs)
}

/// The row of one claim, and whether it is as expected.
fn row_of(row: &Real, runs: &[Ended]) -> (String, bool) {
    let tried = runs.len() as u64;
    let violated = |ended: &&Ended| ended.violated.iter().any(|claim| claim == row.claim);
    let hits = runs.iter().filter(violated).count() as u64;
    let (low, high) = wilson(hits, tried);
    let times = Hits { found: hits, took: runs.iter().map(|ended| ended.took).collect() };
    let line = format!(
        "| {} | {} | {hits} of {tried} | {low:.0}–{high:.0} % | {} |",
        runs.first().map_or("–", |ended| ended.target.as_str()),
        row.place(),
        times.times(),
    );
    // A share of the runs, as fewer than twenty may have been made.
    let (least, most) = (row.expected.start() * tried, row.expected.end() * tried);
    (line, (least..=most).contains(&(hits * 20)))
}

/// Wilson's interval (1927) for a rate that was seen as `hits` of `tried`, in percent, at 95 %.
fn wilson(hits: u64, tried: u64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    let (n, p) = (tried.max(1) as f64, hits as f64 / tried.max(1) as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let bound = |sum: f64| (100.0 * sum / (1.0 + Z * Z / n)).clamp(0.0, 100.0);
    (bound(middle - half), bound(middle + half))
}

/// Claims about time may fail on a busy machine; a safety claim never may.
fn note_violation(name: &str, ended: &Ended, wrong: &mut Vec<String>) -> bool {
    let safety = |claim: &&String| {
        schism_checkers::Claim::named(claim).is_none_or(|claim| !claim.is_about_time())
    };
    let violated: Vec<&String> = ended.violated.iter().filter(safety).collect();
    if violated.is_empty() {
        return false;
    }
    wrong.push(format!("{name}: {violated:?}: {}", ended.story));
    true
}

fn run(root: &Path, plan: &Path, seed: u64, more: &[&str]) -> anyhow::Result<Ended> {
    // The binary of the same build: examples stand in a folder beside it.
    let example = std::env::current_exe()?;
    let built = example.parent().and_then(Path::parent).context("this example has no folder")?;
    let binary = built.join("schism");
    let runs = root.join("runs/track-record");
    let began = Instant::now();
    let output = Command::new(&binary)
        .arg("run")
        .arg(plan)
        .args(["--quiet", "--seed", &seed.to_string(), "--runs"])
        .arg(&runs)
        .args(more)
        .output()
        .with_context(|| format!("{}: build it first", binary.display()))?;
    let took = began.elapsed();
    let exit = output.status.code().unwrap_or(-1);
    if !(0..=2).contains(&exit) {
        bail!(
            "{} seed {seed}: exit {exit}: {}",
            plan.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let file: PathBuf = runs.join("latest/verdict.json");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let verdict: VerdictRecord = serde_json::from_str(&text)?;
    let violated = verdict
        .claims
        .iter()
        .filter(|claim| claim.verdict == Word::Violated)
        .map(|claim| claim.name.clone())
        .collect();
    let record = std::fs::read_to_string(runs.join("latest/run.json"))?;
    let record: RunRecord = serde_json::from_str(&record)?;
    Ok(Ended { exit, took, violated, story: verdict.story, target: record.target })
}

fn write_table(readme: &Path, table: &str, begin: &str, end: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(readme)?;
    let (before, rest) = text.split_once(begin).context("README.md has no place for the table")?;
    let (_, after) = rest.split_once(end).context("README.md has no end of the table")?;
    std::fs::write(readme, format!("{before}{begin}\n{table}\n{end}{after}"))?;
    Ok(())
}
