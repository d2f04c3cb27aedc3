//! The track record: each planted bug over many seeds, and the same plans without the bug.
//!
//! `make track-record` calls it. It runs `target/release/schism`, one run after another, and puts
//! the table between its two markers into README.md. `--only NAME` runs one plan, `--without`
//! leaves out the bugs (three seeds each) and `--dry` prints instead of writing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use schism::store::{VerdictRecord, Word};

const BEGIN: &str = "<!-- track record: written by make track-record -->";
const END: &str = "<!-- end of track record -->";
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
    Bug { name: "apply-twice", claims: &["read-uncommitted", "strict-serializable"] },
];

struct Arguments {
    seeds: u64,
    only: Option<String>,
    bugs: bool,
    sound: bool,
    dry: bool,
}

/// How one run ended.
struct Ended {
    exit: i32,
    took: Duration,
    violated: Vec<String>,
    story: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = arguments()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
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
        write_table(&root.join("README.md"), &table)?;
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
    let mut arguments = Arguments { seeds: 20, only: None, bugs: true, sound: true, dry: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => arguments.seeds = words.next().context("--seeds N")?.parse()?,
            "--only" => arguments.only = Some(words.next().context("--only NAME")?),
            "--without" => arguments.bugs = false,
            "--with" => arguments.sound = false,
            "--dry" => arguments.dry = true,
            other => bail!("{other}: use --seeds N, --only NAME, --with, --without, --dry"),
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
    let binary = root.join("target/release/schism");
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
    Ok(Ended { exit, took, violated, story: verdict.story })
}

fn write_table(readme: &Path, table: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(readme)?;
    let (before, rest) = text.split_once(BEGIN).context("README.md has no place for the table")?;
    let (_, after) = rest.split_once(END).context("README.md has no end of the table")?;
    std::fs::write(readme, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?;
    Ok(())
}
