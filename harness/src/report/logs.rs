//! What the nodes logged around a violation.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;

use super::stored::Stored;

/// Lines that one violation shows, at most: the nearest ones.
const LINES_MAX: usize = 14;
/// A longer file is read from its end only.
const BYTES_MAX: u64 = 64 << 20;

/// A log file of a node.
pub struct LogFile {
    /// The node.
    pub node: String,
    /// The path, relative to the run's folder.
    pub path: String,
    /// How many lines it has.
    pub lines: usize,
    /// How many of them are warnings or errors.
    pub warnings: usize,
}

/// The log files of all nodes, in order.
pub fn files(stored: &Stored) -> Vec<LogFile> {
    let mut found = Vec::new();
    for node in &stored.run.nodes {
        for path in logs_of(stored, node) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let warns = |line: &&str| [" WARN ", " ERROR "].iter().any(|word| line.contains(word));
            found.push(LogFile {
                node: node.clone(),
                path: format!("nodes/{node}/{}", name.unwrap_or_default()),
                lines: text.lines().count(),
                warnings: text.lines().filter(warns).count(),
            });
        }
    }
    found
}

/// The lines of all nodes from `from_s` to `to_s` of the load, in order, and whether each stands
/// between `inner_s`. Empty if nobody knows when the load began on the wall clock.
pub fn around(stored: &Stored, from_s: f64, to_s: f64, inner_s: (f64, f64)) -> Vec<(String, bool)> {
    let origin = stored.run.load_started.as_deref();
    let Some(origin) = origin.and_then(|text| text.parse::<Timestamp>().ok()) else {
        return Vec::new();
    };
    let mut lines: Vec<(f64, String)> = Vec::new();
    for node in &stored.run.nodes {
        for path in logs_of(stored, node) {
            if fs::metadata(&path).map_or(true, |metadata| metadata.len() > BYTES_MAX) {
                continue;
            }
            for line in fs::read_to_string(&path).unwrap_or_default().lines() {
                let Some((stamp, rest)) = line.split_once(' ') else { continue };
                let Ok(stamp) = stamp.parse::<Timestamp>() else { continue };
                let at_s = stamp.duration_since(origin).as_secs_f64();
                if (from_s..=to_s).contains(&at_s) {
                    lines.push((at_s, format!("{at_s:8.3}  {node}  {}", rest.trim_start())));
                }
            }
        }
    }
    let middle = f64::midpoint(inner_s.0, inner_s.1);
    lines.sort_by(|a, b| (a.0 - middle).abs().total_cmp(&(b.0 - middle).abs()));
    lines.truncate(LINES_MAX);
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let within = |at_s: f64| (inner_s.0..=inner_s.1).contains(&at_s);
    lines.into_iter().map(|(at_s, line)| (line, within(at_s))).collect()
}

fn logs_of(stored: &Stored, node: &str) -> Vec<PathBuf> {
    let folder = stored.path.join("nodes").join(node);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    paths.sort();
    paths
}
