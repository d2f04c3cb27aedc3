//! The end of a node's log, for errors.

use std::io::SeekFrom;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// How much of a log an error shows.
const BYTES: u64 = 8192;
const LINES: usize = 5;
/// Some systems log whole configurations, and stacks, in one line.
const CHARACTERS: usize = 320;

/// The last lines of a log, as the end of an error; nothing if there are none to be read.
pub async fn last_lines(log: &Path) -> String {
    match last(log).await.as_slice() {
        [] => String::new(),
        last => format!("; its last log lines:\n  {}", last.join("\n  ")),
    }
}

/// The last lines of a log; none if there are none to be read.
pub(crate) async fn last(log: &Path) -> Vec<String> {
    let tail = tail(log).await.unwrap_or_default();
    let mut lines: Vec<String> = tail.lines().filter(|line| tells(line)).map(shortened).collect();
    lines.split_off(lines.len().saturating_sub(LINES))
}

/// Whether a line says anything by itself. The frames of a stack would fill it all, and hide what was
/// thrown and why.
fn tells(line: &str) -> bool {
    let text = line.trim_start();
    let is_frame = line.starts_with('\t') && (text.starts_with("at ") || text.starts_with("... "));
    !text.is_empty() && !is_frame
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line.to_owned(),
    }
}

async fn tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log).await?;
    let length = file.metadata().await?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES))).await?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // What begins in the middle of a line is no line, unless there is nothing else.
    match text.split_once('\n') {
        Some((_, rest)) if length > BYTES && !rest.is_empty() => Ok(rest.to_owned()),
        _ => Ok(text),
    }
}
