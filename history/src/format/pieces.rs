//! Reads a file in pieces that all cores parse at once, and that nothing but guesses.
//!
//! A file is read into a buffer of some megabytes, which is cut where a new operation seems to
//! begin. The first piece begins where the last buffer ended, so what is found in it is so. If it
//! ends exactly at its cut, the next piece began at a true place, too, and what was meanwhile
//! found in it counts; if not, the rest of the buffer is parsed again from where the piece ended.
//! What is left of an operation at the end of the buffer is its beginning in the next one. So the
//! memory needed is bounded by the buffer and the longest operation, and a guess costs at most
//! time.

use std::io::{self, Read};
use std::ops::Range;

use super::assembly::Assembly;
use super::entry::Entry;
use super::error::ReadError;
use super::form::Stop;
use crate::History;

/// So much is parsed by one thread at a time.
const PIECE: usize = 1 << 20;
/// No operation is as long as this.
const LONGEST: usize = 64 << 20;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column in bytes, from 1.
    pub column: usize,
}

impl Place {
    /// The beginning of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place behind `bytes`, which begin here.
    pub fn after(self, bytes: &[u8]) -> Self {
        let lines = bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum::<u64>();
        match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(last) => Self { line: self.line + lines, column: bytes.len() - last },
            None => Self { line: self.line, column: self.column + bytes.len() },
        }
    }
}

/// What was found in a piece.
pub(super) struct Found {
    pub entries: Vec<Entry>,
    /// Behind the last whole entry.
    pub end: usize,
    /// Why it ends before the end of the piece.
    pub stop: Option<Stop>,
    /// Whether the bracket around all entries closed.
    pub closed: bool,
}

/// How the entries of a format follow each other.
pub(super) trait Grammar: Sync {
    /// Passes over what comes before the first entry; how long it is, `None` if it goes on.
    fn begin(&mut self, bytes: &[u8], last: bool) -> Option<usize>;

    /// Reads whole entries. `last`: nothing follows the bytes.
    fn parse(&self, bytes: &[u8], start: Place, last: bool) -> Found;

    /// Notes that the bracket around all entries closed.
    fn close(&mut self) {}

    /// Whether it closed.
    fn closed(&self) -> bool {
        false
    }

    /// A place from `from` on where an entry seems to begin.
    fn cut(&self, bytes: &[u8], from: usize) -> Option<usize>;

    /// What is missing if the file ends where the bytes do, with `rest` left.
    fn missing(&self, rest: &[u8]) -> Option<String>;
}

/// The history in `input`. `file` is its name in errors.
pub(super) fn read(
    input: impl Read,
    file: &str,
    grammar: impl Grammar,
) -> Result<History, ReadError> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    read_in(input, file, grammar, Size { piece: PIECE, threads })
}

/// How a file is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// So many bytes are parsed by one thread at a time, more or less.
    pub piece: usize,
    pub threads: usize,
}

/// The same in pieces of any size: what is read does not depend on it.
pub(super) fn read_in(
    input: impl Read,
    file: &str,
    grammar: impl Grammar,
    size: Size,
) -> Result<History, ReadError> {
    let (bytes, start) = (Vec::new(), Place::START);
    Pieces { input, file, grammar, size, bytes, start, whole: false }.run()
}

struct Pieces<'a, R, G> {
    input: R,
    file: &'a str,
    grammar: G,
    size: Size,
    bytes: Vec<u8>,
    /// Where the bytes begin.
    start: Place,
    /// Whether the bytes are all that is left.
    whole: bool,
}

impl<R: Read, G: Grammar> Pieces<'_, R, G> {
    fn run(mut self) -> Result<History, ReadError> {
        let usual = self.size.piece * self.size.threads;
        let (mut wanted, mut begun) = (usual, false);
        let mut assembly = Assembly::new();
        loop {
            let failed = |source| ReadError::Io { file: self.file.to_owned(), source };
            fill(&mut self.input, &mut self.bytes, wanted, &mut self.whole).map_err(failed)?;
            let mut end = 0;
            if !begun && let Some(length) = self.grammar.begin(&self.bytes, self.whole) {
                (begun, end) = (true, length);
            }
            if begun {
                end = self.entries(end, &mut assembly)?;
            }
            self.start = self.start.after(&self.bytes[..end]);
            self.bytes.drain(..end);
            if self.bytes.len() > LONGEST {
                let problem = format!("an operation of more than {LONGEST} bytes");
                return Err(self.error(self.start, problem));
            }
            if self.whole {
                break;
            }
            // An operation longer than the buffer: each time with twice as much of it.
            wanted = usual.max((self.bytes.len() * 2).min(LONGEST + 1));
        }
        self.finish(assembly)
    }

    fn finish(self, assembly: Assembly) -> Result<History, ReadError> {
        if let Some(problem) = self.grammar.missing(&self.bytes) {
            let begun = self.start;
            let place = self.start.after(&self.bytes);
            let since = if self.bytes.is_empty() {
                String::new()
            } else {
                format!(" that begins at {}:{}", begun.line, begun.column)
            };
            return Err(self.error(place, format!("the file ends inside {problem}{since}")));
        }
        match assembly.finish() {
            Ok(Some(history)) => Ok(history),
            Ok(None) => {
                let problem = "no operation of a client is in the file; expected at least one";
                Err(self.error(self.start, problem.into()))
            }
            Err(problem) => Err(ReadError::Malformed { file: self.file.to_owned(), problem }),
        }
    }

    /// Parses the buffer from `from` on; how far it got.
    fn entries(&mut self, from: usize, assembly: &mut Assembly) -> Result<usize, ReadError> {
        let pieces = self.pieces(from);
        let found = self.parse_all(&pieces);
        let mut at = from;
        let mut guessed = true;
        for ((piece, _), found) in pieces.into_iter().zip(found) {
            guessed = piece.start == at && !self.grammar.closed();
            if !guessed {
                break;
            }
            at += self.take(at, found, assembly)?;
        }
        // A guess was wrong, or what was open around the entries has closed.
        while (!guessed || self.grammar.closed()) && at < self.bytes.len() {
            let start = self.start.after(&self.bytes[..at]);
            let found = self.grammar.parse(&self.bytes[at..], start, self.whole);
            let length = self.take(at, found, assembly)?;
            if length == 0 {
                break;
            }
            at += length;
        }
        Ok(at)
    }

    /// The pieces and where they begin: as many as threads, fewer if there is little.
    fn pieces(&self, from: usize) -> Vec<(Range<usize>, Place)> {
        let mut pieces = Vec::with_capacity(self.size.threads);
        let (mut at, end) = (from, self.bytes.len());
        let mut place = self.start.after(&self.bytes[..from]);
        let length = ((end - from) / self.size.threads).max(self.size.piece / 2).max(1);
        while at < end {
            let near = Some(at + length).filter(|&near| near < end);
            let cut = near.and_then(|near| self.grammar.cut(&self.bytes, near)).unwrap_or(end);
            pieces.push((at..cut, place));
            place = place.after(&self.bytes[at..cut]);
            at = cut;
        }
        pieces
    }

    fn parse_all(&self, pieces: &[(Range<usize>, Place)]) -> Vec<Found> {
        let Self { bytes, grammar, whole, .. } = self;
        let parse = |(piece, place): &(Range<usize>, Place)| {
            let last = *whole && piece.end == bytes.len();
            grammar.parse(&bytes[piece.clone()], *place, last)
        };
        if let [one] = pieces {
            return vec![parse(one)];
        }
        let parse = &parse;
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                pieces.iter().map(|piece| scope.spawn(move || parse(piece))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Found>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        })
    }

    /// Takes what was found from `at` on; how long that is.
    fn take(
        &mut self,
        at: usize,
        found: Found,
        assembly: &mut Assembly,
    ) -> Result<usize, ReadError> {
        for entry in found.entries {
            let place = Place { line: entry.line, column: entry.column };
            assembly.take(entry).map_err(|problem| self.error(place, problem))?;
        }
        if let Some(Stop::Wrong { at: wrong, problem }) = found.stop {
            let place = self.start.after(&self.bytes[..at + wrong]);
            return Err(self.error(place, problem));
        }
        if found.closed {
            self.grammar.close();
        }
        Ok(found.end)
    }

    fn error(&self, place: Place, problem: String) -> ReadError {
        let Place { line, column } = place;
        ReadError::Line { file: self.file.to_owned(), line, column, problem }
    }
}

/// Reads on until `bytes` are as many as `wanted`, or all that is left.
fn fill(
    input: &mut impl Read,
    bytes: &mut Vec<u8>,
    wanted: usize,
    whole: &mut bool,
) -> io::Result<()> {
    if let Some(more) = wanted.checked_sub(bytes.len()).filter(|&more| more > 0) {
        let read = input.by_ref().take(more as u64).read_to_end(bytes)?;
        *whole = read < more;
    }
    Ok(())
}
