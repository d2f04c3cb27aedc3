//! The whole of `schism check` on a file, in a process of its own: reading, every claim that
//! histories of this subject can decide, and whatever else the command does until it has answered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use schism_checkers::{CHECKERS, Claim};
use schism_history::{Format, History};

use super::Figure;

/// Measures the command on a file with this history, which is freed before the command begins.
pub(super) fn measure(history: History, subject: &str) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    Format::Jsonl.write(&history, &mut file)?;
    drop(file);
    drop(history);
    let mut command = Command::new(binary()?);
    command.arg("check").arg(&path).args(["--json", "--workload", subject]);
    for claim in claims(subject) {
        command.args(["--claim", claim.name()]);
    }
    let began = Instant::now();
    let output = command.output()?;
    let seconds = began.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).with_context(|| format!("no answer: {said}"))?;
    // The command tells its own peak: what the kernel says of a child that has ended counts what its
    // parent held when it was started.
    let bytes = answer["peak_memory_bytes"].as_u64().context("the answer has no peak of memory")?;
    anyhow::ensure!(!answer["consumers"].is_null(), "the answer tells nothing of consumers");
    let megabytes = bytes as f64 / f64::from(1 << 20);
    Ok(Figure { seconds, megabytes, answer: verdicts(&answer)? })
}

/// Every claim that is decided of a subject by its own checker.
fn claims(subject: &str) -> impl Iterator<Item = Claim> {
    let own = CHECKERS.iter().filter(move |row| row.name == subject);
    own.flat_map(|row| row.decides).copied()
}

/// The program that was built beside this one.
fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(|examples| examples.parent());
    let binary = folder.map(|folder| folder.join("schism")).filter(|binary| binary.exists());
    binary.with_context(|| {
        format!("no schism stands beside {}: build it with `cargo build --release`", own.display())
    })
}

/// How many claims have which verdict: `7 valid, 2 unknown`.
fn verdicts(answer: &serde_json::Value) -> anyhow::Result<String> {
    let claims = answer["claims"].as_array().context("the answer has no claims")?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for claim in claims {
        *counts.entry(claim["validity"].as_str().unwrap_or("crashed")).or_default() += 1;
    }
    // "valid" first.
    let words = counts.iter().rev().map(|(word, count)| format!("{count} {word}"));
    Ok(words.collect::<Vec<_>>().join(", "))
}
