//! Reads `history.jsonl`, as a stream of events or as a whole history.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::VERSION;
use super::line::Line;
use super::plain::{Seen, plain};
use crate::{Event, History, ReadError};

/// No event is as long as this; a longer line is no history, and must not be read into memory.
const LONGEST_LINE: u64 = 64 << 20;
/// So much is parsed by one thread at a time.
const BLOCK: u64 = 1 << 20;

/// A history, and whether its recording was cut off.
#[derive(Debug)]
pub struct Reading {
    /// What was recorded.
    pub history: History,
    /// Whether the last line was torn: the recorder died while it wrote.
    pub torn: bool,
}

/// Reads the whole file, on all cores. O(n) time and memory; a million events take less than a
/// second on two cores.
pub fn read(path: &Path) -> Result<Reading, ReadError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read_from(file, name),
        Err(source) => Err(ReadError::Io { file: name, source }),
    }
}

/// The same of what is open already; `name` is the file's in errors.
pub(crate) fn read_from(input: impl Read, name: String) -> Result<Reading, ReadError> {
    let failed = |source| ReadError::Io { file: name.clone(), source };
    let mut blocks = Blocks { input: BufReader::with_capacity(1 << 18, input), lines: 0 };
    let (mut events, mut torn) = (Vec::new(), false);
    loop {
        let some = blocks.next_few().map_err(failed)?;
        if some.is_empty() {
            break;
        }
        for parsed in parse(&some, &name) {
            let (mut parsed, last_is_torn) = parsed?;
            events.append(&mut parsed);
            // Only the last line of a file lacks its newline.
            torn = last_is_torn;
        }
    }
    let history = History::from_events(events)
        .map_err(|problem| ReadError::Malformed { file: name, problem })?;
    Ok(Reading { history, torn })
}

/// Whole lines of a file, and how many lines come before them.
struct Block {
    bytes: Vec<u8>,
    before: u64,
}

/// Cuts a file into blocks of whole lines.
struct Blocks<R> {
    input: R,
    lines: u64,
}

impl<R: BufRead> Blocks<R> {
    /// As many blocks as there are cores, fewer at the end of the file.
    fn next_few(&mut self) -> io::Result<Vec<Block>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut blocks = Vec::new();
        while blocks.len() < cores {
            let mut bytes = Vec::new();
            self.input.by_ref().take(BLOCK).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                break;
            }
            if !bytes.ends_with(b"\n") {
                // Whoever parses refuses a line that is longer than this.
                self.input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
            }
            let before = self.lines;
            self.lines += bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum::<u64>();
            blocks.push(Block { bytes, before });
        }
        Ok(blocks)
    }
}

type Parsed = Result<(Vec<Event>, bool), ReadError>;

/// The events of each block, and whether its last line is torn. Each block has a thread.
fn parse(blocks: &[Block], file: &str) -> Vec<Parsed> {
    let parse_one = |block: &Block| -> Parsed {
        let mut reader = Reader::new(block.bytes.as_slice(), file.to_owned());
        reader.line = block.before;
        let mut events = Vec::new();
        while let Some(event) = reader.next_event()? {
            events.push(event);
        }
        Ok((events, reader.torn))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = blocks.iter().map(|block| scope.spawn(|| parse_one(block))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Parsed>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

/// A stream of the events of a file.
pub struct Reader<R> {
    input: R,
    file: String,
    line: u64,
    buffer: Vec<u8>,
    seen: Seen,
    torn: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`; `file` is its name in errors.
    pub fn new(input: R, file: String) -> Self {
        Self { input, file, line: 0, buffer: Vec::new(), seen: Seen::default(), torn: false }
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
            // Without its newline, so that an error at the line's end has its column.
            let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
            if let Some(event) = plain(line, &mut self.seen) {
                return Ok(Some(event));
            }
            if self.buffer.iter().all(u8::is_ascii_whitespace) || self.header()? {
                continue;
            }
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
