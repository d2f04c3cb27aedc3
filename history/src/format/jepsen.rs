//! Jepsen's `history.edn`, and the same as JSON: operation maps, in one vector or one after another.
//!
//! ```text
//! {:type :invoke, :f :txn, :value [[:append 3 1] [:r 4 nil]], :process 0, :time 1200, :index 0}
//! {"type":"ok","f":"txn","value":[["append",3,1],["r",4,[2]]],"process":0,"time":2400,"index":1}
//! ```
//!
//! The order is that of the file, whatever `:index` and `:time` say: a history that was sorted by
//! either would be another one. `:index` numbers the events where it rises; otherwise they are
//! counted. Processes that are no numbers, such as `:nemesis`, are no clients, and their events
//! are passed over; so are all fields that a history has no place for.

use super::entry::Entry;
use super::form::{Notation, Scan, Scanner, Stop};
use super::keys::Keys;
use super::pieces::{Found, Grammar, Place};

/// A longer line is taken for one in which the whole history stands.
const LINE: usize = 1 << 14;

/// A file of operation maps.
pub(super) struct Document {
    notation: Notation,
    /// The bracket that closes the list around all maps, where there is one.
    close: Option<u8>,
    closed: bool,
}

impl Document {
    pub fn new(notation: Notation) -> Self {
        Self { notation, close: None, closed: false }
    }

    /// Passes over what stands between two maps.
    fn between(&self, scanner: &mut Scanner<'_>) -> Scan<()> {
        scanner.skip_space()?;
        while self.notation == Notation::Json && scanner.bytes.get(scanner.at) == Some(&b',') {
            scanner.at += 1;
            scanner.skip_space()?;
        }
        Ok(())
    }

    /// Reads the next map, if one follows, and appends it to `entries`.
    fn item(
        &self,
        scanner: &mut Scanner<'_>,
        keys: &mut Keys,
        entries: &mut Vec<Entry>,
    ) -> Scan<Item> {
        let at = scanner.at;
        let Some(&byte) = scanner.bytes.get(at) else { return Ok(Item::End) };
        if self.closed {
            return Scanner::wrong(at, "something follows the end of the history's list");
        }
        if self.close == Some(byte) {
            scanner.at += 1;
            return Ok(Item::Close);
        }
        if byte == b'#' && self.notation == Notation::Edn {
            // A record of Jepsen's: `#jepsen.history.Op{…}`.
            scanner.at += 1;
            scanner.name()?;
            scanner.skip_space()?;
        }
        let ends = std::mem::replace(&mut scanner.ends, false);
        let entry = scanner.entry(keys);
        scanner.ends = ends;
        entries.push(entry?);
        Ok(Item::Entry(at))
    }
}

enum Item {
    /// It begins here.
    Entry(usize),
    Close,
    End,
}

impl Grammar for Document {
    fn begin(&mut self, bytes: &[u8], last: bool) -> Option<usize> {
        let mut scanner = Scanner::new(bytes, self.notation, last);
        // A byte order mark, as some editors write it.
        scanner.at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        match (scanner.skip_space(), scanner.need(), self.notation) {
            (Err(Stop::Incomplete), ..) | (Ok(()), Err(_), _) if !last => return None,
            (Ok(()), Ok(b'['), _) => self.close = Some(b']'),
            (Ok(()), Ok(b'('), Notation::Edn) => self.close = Some(b')'),
            _ => return Some(scanner.at.min(bytes.len())),
        }
        Some(scanner.at + 1)
    }

    fn parse(&self, bytes: &[u8], start: Place, last: bool) -> Found {
        let mut scanner = Scanner::new(bytes, self.notation, last);
        let mut keys = Keys::default();
        let mut found = Found { entries: Vec::new(), end: 0, stop: None, closed: false };
        let (mut place, mut counted) = (start, 0);
        loop {
            let between = self.between(&mut scanner);
            // What is left of a map at the end begins at the map.
            found.end = scanner.at;
            let item =
                between.and_then(|()| self.item(&mut scanner, &mut keys, &mut found.entries));
            match item {
                Ok(Item::Entry(at)) => {
                    found.end = scanner.at;
                    place = place.after(&bytes[counted..at]);
                    counted = at;
                    if let Some(entry) = found.entries.last_mut() {
                        (entry.line, entry.column) = (place.line, place.column);
                    }
                }
                Ok(Item::Close) => {
                    found.end = scanner.at;
                    found.closed = true;
                    return found;
                }
                Ok(Item::End) => {
                    found.end = bytes.len();
                    return found;
                }
                Err(stop) => {
                    found.stop = Some(stop);
                    return found;
                }
            }
        }
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn closed(&self) -> bool {
        self.closed
    }

    fn cut(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b',');
        // Behind the end of a line, or, where all stands in one line, between two maps.
        let near = &bytes[from..bytes.len().min(from + LINE)];
        let end = if near.contains(&b'\n') { b'\n' } else { b'}' };
        let mut at = from;
        loop {
            at += bytes[at..].iter().position(|&byte| byte == end)? + 1;
            let first = bytes[at..].iter().find(|byte| !space(byte));
            if matches!(first, Some(b'{' | b'#')) {
                return Some(at);
            }
        }
    }

    fn missing(&self, rest: &[u8]) -> Option<String> {
        if !rest.iter().all(u8::is_ascii_whitespace) {
            return Some("an operation".into());
        }
        let open = self.close.filter(|_| !self.closed)?;
        Some(format!("the list of operations: its `{}` is missing", open as char))
    }
}
