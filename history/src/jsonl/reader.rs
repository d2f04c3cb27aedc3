//! Reads `history.jsonl`, as a stream of events or as a whole history.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::VERSION;
use super::line::Line;
use crate::{Event, History, Malformed};

/// No event is as long as this; a longer line is no history, and must not be read into memory.
const LONGEST_LINE: u64 = 64 << 20;

/// Why a file could not be read as a history.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("{file}: cannot be read")]
    Io {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A line is no event.
    #[error("{file}:{line}:{column}: {problem}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The column, from 1; 1 if the line as a whole is wrong.
        column: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// The events are no history.
    #[error("{file}: {problem}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong. It is no source of its own, since it is said with the file.
        problem: Malformed,
    },
}

/// A history, and whether its recording was cut off.
#[derive(Debug)]
pub struct Reading {
    /// What was recorded.
    pub history: History,
    /// Whether the last line was torn: the recorder died while it wrote.
    pub torn: bool,
}

/// Reads the whole file. O(n) time and memory; a million events take less than a second.
pub fn read(path: &Path) -> Result<Reading, ReadError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| ReadError::Io { file: name.clone(), source })?;
    let mut reader = Reader::new(BufReader::with_capacity(1 << 18, file), name.clone());
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        events.push(event);
    }
    let history = History::from_events(events)
        .map_err(|problem| ReadError::Malformed { file: name, problem })?;
    Ok(Reading { history, torn: reader.torn })
}

/// A stream of the events of a file.
pub struct Reader<R> {
    input: R,
    file: String,
    line: u64,
    buffer: Vec<u8>,
    torn: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`; `file` is its name in errors.
    pub fn new(input: R, file: String) -> Self {
        Self { input, file, line: 0, buffer: Vec::new(), torn: false }
    }

    /// Whether the last line was torn. Known once `next_event` has returned `None`.
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// The next event; `None` at the end of the file, or at a torn last line.
    pub fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            let mut limited = io::Read::take(&mut self.input, LONGEST_LINE);
            let read = limited
                .read_until(b'\n', &mut self.buffer)
                .map_err(|source| ReadError::Io { file: self.file.clone(), source })?;
            if read == 0 {
                return Ok(None);
            }
            let whole = self.buffer.ends_with(b"\n");
            if !whole && read as u64 == LONGEST_LINE {
                return Err(self.error(1, format!("a line of more than {LONGEST_LINE} bytes")));
            }
            if self.buffer.iter().all(u8::is_ascii_whitespace) || self.header()? {
                continue;
            }
            // Without its newline, so that an error at the line's end has its column.
            let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
            let parsed = serde_json::from_slice::<Line<'_>>(line)
                .map_err(|error| (error.column().max(1), error.to_string()))
                .and_then(|line| line.into_event().map_err(|problem| (1, problem)));
            return match parsed {
                Ok(event) => Ok(Some(event)),
                Err(_) if !whole => {
                    self.torn = true;
                    Ok(None)
                }
                Err((column, problem)) => Err(self.error(column, problem)),
            };
        }
    }

    /// Whether the line is the file's header; a header of another version is an error.
    fn header(&self) -> Result<bool, ReadError> {
        #[derive(serde::Deserialize)]
        struct Header {
            schism: String,
            version: u32,
        }
        if self.line > 1 || !self.buffer.starts_with(b"{\"schism\"") {
            return Ok(false);
        }
        match serde_json::from_slice::<Header>(&self.buffer) {
            Ok(header) if header.schism == "history" && header.version == VERSION => Ok(true),
            Ok(header) => Err(self.error(
                1,
                format!(
                    "a {} of version {}, where a history of version {VERSION} was expected",
                    header.schism, header.version
                ),
            )),
            Err(_) if !self.buffer.ends_with(b"\n") => Ok(false),
            Err(error) => Err(self.error(error.column().max(1), error.to_string())),
        }
    }

    fn error(&self, column: usize, problem: String) -> ReadError {
        // serde_json repeats the place, counted from the line's own beginning.
        let problem = match problem.rfind(" at line ") {
            Some(place) => problem[..place].to_owned(),
            None => problem,
        };
        ReadError::Line { file: self.file.clone(), line: self.line, column, problem }
    }
}
