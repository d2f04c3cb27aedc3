//! The files of diagrams: `<claim>-<n>-<anomaly>.svg`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::canvas::MARKER;
use crate::report::stored::Stored;
use crate::report::violations::Events;
use crate::store::{VerdictRecord, Word};

/// A diagram that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagram {
    /// The place of the claim in the verdict, from 0.
    pub claim: usize,
    /// The place of the anomaly among those of the claim, from 0.
    pub anomaly: usize,
    /// The file.
    pub path: PathBuf,
}

/// Writes a diagram of each anomaly into `folder`, which is made if there is something to write.
/// A diagram of an earlier time is replaced; any other file of the name is left alone.
///
/// # Errors
///
/// When a file cannot be written, or is none of ours.
pub fn write(stored: &Stored, folder: &Path) -> anyhow::Result<Vec<Diagram>> {
    let events = Events::of(&stored.history);
    let mut written = Vec::new();
    for (claim, anomaly, name) in names(&stored.verdict) {
        let record = &stored.verdict.claims[claim];
        let svg = super::draw(stored, &events, &record.claim, &record.anomalies[anomaly]);
        fs::create_dir_all(folder)
            .with_context(|| format!("{}: the folder cannot be made", folder.display()))?;
        let path = folder.join(name);
        replace(&path, &svg)?;
        written.push(Diagram { claim, anomaly, path });
    }
    Ok(written)
}

/// The anomalies of violated claims with the names of their files, each name once.
fn names(verdict: &VerdictRecord) -> Vec<(usize, usize, String)> {
    let mut names = Vec::new();
    // A claim that is asked twice, with two bounds, goes on counting.
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, claim) in verdict.claims.iter().enumerate() {
        for (number, anomaly) in claim.anomalies.iter().enumerate() {
            if claim.verdict != Word::Violated {
                continue;
            }
            let count = counts.entry(&claim.name).or_default();
            *count += 1;
            let name = format!("{}-{count}-{}.svg", plain(&claim.name), plain(&anomaly.name));
            names.push((place, number, name));
        }
    }
    names
}

/// A word that is a file name everywhere.
fn plain(word: &str) -> String {
    const LONG: usize = 80;
    let sign = |letter: char| {
        let kept = letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if kept { letter } else { '-' }
    };
    word.chars().take(LONG).map(sign).collect()
}

/// Writes a file whole or not at all, over one of ours only.
fn replace(path: &Path, svg: &str) -> anyhow::Result<()> {
    let name = path.display();
    match fs::read(path) {
        Ok(old) => ensure!(
            is_ours(&old),
            "{name} is there already and no diagram of schism: remove it, or name another folder"
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{name}: cannot be replaced")),
    }
    let fresh = path.with_extension("svg.new");
    fs::write(&fresh, svg)
        .and_then(|()| fs::rename(&fresh, path))
        .inspect_err(|_| drop(fs::remove_file(&fresh)))
        .with_context(|| format!("{name}: cannot be written"))
}

fn is_ours(file: &[u8]) -> bool {
    let start = &file[..file.len().min(200)];
    start.windows(MARKER.len()).any(|part| part == MARKER.as_bytes())
}

/// Removes the diagrams of an earlier verdict from a run's folder.
pub fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let ours = path.extension().is_some_and(|extension| extension == "svg")
            && fs::read(&path).is_ok_and(|file| is_ours(&file));
        if ours {
            // What cannot be removed is replaced, or fails to be, soon after.
            let _ = fs::remove_file(path);
        }
    }
}
