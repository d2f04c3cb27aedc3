//! `jepsen.log`: the lines in which Jepsen logs operations, among all others.
//!
//! ```text
//! INFO  jepsen.util - 4 :invoke :cas [2 4]
//! 2026-05-10 12:34:56,123{GMT} INFO [jepsen worker 4] jepsen.util: 4 :info :cas [2 4] :timed-out
//! 4 :invoke :cas [2 4]
//! ```
//!
//! The last one is how `history.txt` has them. The columns are kept apart by tabs, or by spaces. A
//! line is one of them if `jepsen.util`, or the line's beginning, is followed by a process, a type
//! and a function. What follows is the value, and behind it the error. Other lines are passed over.
//! Times are not read: they are when the log was written.

use super::entry::{Entry, Kind, Who, reason};
use super::form::{Notation, Scan, Scanner, Stop};
use super::keys::Keys;
use super::pieces::{Found, Grammar, Place};
use crate::Value;

/// A log.
pub(super) struct Log;

const WRITER: &[u8] = b"jepsen.util";

impl Grammar for Log {
    fn begin(&mut self, _bytes: &[u8], _last: bool) -> Option<usize> {
        Some(0)
    }

    fn parse(&self, bytes: &[u8], start: Place, last: bool) -> Found {
        let mut keys = Keys::default();
        let mut found = Found { entries: Vec::new(), end: 0, stop: None, closed: false };
        let mut place = start;
        while found.end < bytes.len() {
            let rest = &bytes[found.end..];
            let end = rest.iter().position(|&byte| byte == b'\n');
            if end.is_none() && !last {
                found.stop = Some(Stop::Incomplete);
                break;
            }
            let line = &rest[..end.unwrap_or(rest.len())];
            match entry(line, &mut keys) {
                Ok(Some(mut entry)) => {
                    (entry.line, entry.column) = (place.line, place.column);
                    found.entries.push(entry);
                }
                Ok(None) => {}
                Err(Stop::Incomplete) if end.is_none() => {
                    found.stop = Some(Stop::Incomplete);
                    break;
                }
                Err(stop) => {
                    let at = found.end;
                    found.stop = Some(match stop {
                        Stop::Wrong { at: wrong, problem } => {
                            Stop::Wrong { at: at + wrong, problem }
                        }
                        Stop::Incomplete => {
                            let problem = "the line ends inside the operation's value".into();
                            Stop::Wrong { at: at + line.len(), problem }
                        }
                    });
                    break;
                }
            }
            found.end += end.map_or(line.len(), |end| end + 1);
            place = Place { line: place.line + 1, column: 1 };
        }
        found
    }

    fn cut(&self, bytes: &[u8], from: usize) -> Option<usize> {
        Some(from + bytes[from..].iter().position(|&byte| byte == b'\n')? + 1)
    }

    fn missing(&self, rest: &[u8]) -> Option<String> {
        (!rest.is_empty()).then(|| "a logged operation".into())
    }
}

/// The operation that `line` logs, if it logs one.
fn entry(line: &[u8], keys: &mut Keys) -> Scan<Option<Entry>> {
    let mut scanner = Scanner::new(line, Notation::Edn, true);
    if let Some(written) = line.windows(WRITER.len()).position(|window| window == WRITER) {
        scanner.at = written + WRITER.len();
        while matches!(line.get(scanner.at), Some(b' ' | b'\t' | b'-' | b':')) {
            scanner.at += 1;
        }
    } else if !line.first().is_some_and(u8::is_ascii_digit) {
        return Ok(None);
    }
    // Whatever else this writer says is no operation, and no error.
    let process = scanner.at;
    let Ok(who) = scanner.name() else { return Ok(None) };
    if who.is_empty() || scanner.skip_space().is_err() {
        return Ok(None);
    }
    let Some(kind) = keyword(&mut scanner).and_then(Kind::named) else { return Ok(None) };
    let mut entry = Entry::new();
    entry.kind = kind;
    entry.who = match who.parse::<u32>() {
        Ok(number) if number < super::entry::FIRST_FRESH => Who::Client(number),
        Ok(number) => {
            let wanted = "a process is a number from 0 to 2^31 - 1";
            return Scanner::wrong(process, format!("process {number}; {wanted}"));
        }
        Err(_) => Who::Other,
    };
    if entry.who == Who::Other {
        return Ok(Some(entry));
    }
    scanner.skip_space()?;
    let Some(f) = keyword(&mut scanner) else {
        return Scanner::wrong(scanner.at, "expected the operation's function, such as :read");
    };
    entry.f = Some(keys.function(f));
    scanner.skip_space()?;
    if scanner.at < line.len() {
        entry.value = Some(scanner.value_or_mops(keys)?);
        scanner.skip_space()?;
    }
    if matches!(kind, Kind::Fail | Kind::Info) {
        let error = if scanner.at < line.len() {
            String::from_utf8_lossy(&line[scanner.at..]).trim().to_owned()
        } else if let Some(Value::Text(text)) = &entry.value {
            // Older versions log the error in the place of the value.
            text.to_string()
        } else {
            String::new()
        };
        entry.reason = Some(reason(Value::Text(error.trim_start_matches(':').into())));
    }
    Ok(Some(entry))
}

fn keyword<'a>(scanner: &mut Scanner<'a>) -> Option<&'a str> {
    if scanner.bytes.get(scanner.at) != Some(&b':') {
        return None;
    }
    scanner.at += 1;
    scanner.name().ok().filter(|name| !name.is_empty())
}
